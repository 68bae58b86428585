#include "sim/checkers/sequence_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace vivarium::sim {
namespace {

constexpr size_t kDigits = 10;

// What each request wanted made under a number: the paths in front of it.
using Wanted = std::map<std::pair<SessionId, int32_t>, std::set<std::string>>;

void add_wanted(const ClientOp& request, const ClientOp& op, Wanted& wanted) {
  const auto flag = static_cast<CreateFlag>(op.flags);
  const bool creates = op.op == Op::Create || op.op == Op::Create2 || op.op == Op::CreateTtl;
  const bool numbered = flag == CreateFlag::PersistentSequential ||
                        flag == CreateFlag::EphemeralSequential ||
                        flag == CreateFlag::PersistentSequentialTtl;
  if (creates && numbered) wanted[{request.session, request.xid}].insert(op.path);
}

int64_t number_of(const std::string& path) {
  int64_t number = 0;
  for (const char digit : path.substr(path.size() - kDigits)) number = number * 10 + (digit - '0');
  return number;
}

}  // namespace

void check_sequence_names(const Past& past, Verdict& verdict) {
  Wanted wanted;
  for (const ClientLog* log : past.clients) {
    for (const ClientOp& op : log->ops) {
      add_wanted(op, op, wanted);
      for (const ClientOp& part : op.parts) add_wanted(op, part, wanted);
    }
  }
  std::map<std::string, int64_t> last;  // of the parent that lives now
  for (const HistoryTxn& txn : past.history.txns()) {
    const auto found = wanted.find({txn.session, txn.cxid});
    for (const HistoryTxn::Step& step : txn.steps) {
      if (step.type != TxnType::Create) continue;
      last.erase(step.path);
      if (found == wanted.end() || step.path.size() <= kDigits) continue;
      if (found->second.count(step.path.substr(0, step.path.size() - kDigits)) == 0) continue;
      const std::string parent = step.path.substr(0, std::max<size_t>(1, step.path.rfind('/')));
      const int64_t number = number_of(step.path);
      const auto before = last.find(parent);
      verdict.expect(Checker::SeqName, before == last.end() || before->second < number, past.now,
                     [&] {
                       return fmt::format("{} is made at {:x}, after number {} under its parent",
                                          step.path, txn.zxid.value, before->second);
                     });
      last[parent] = number;
    }
  }
}

}  // namespace vivarium::sim
