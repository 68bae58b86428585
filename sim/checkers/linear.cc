#include "sim/checkers/linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace vivarium::sim {

void check_linear(const Past& past, Verdict& verdict) {
  struct Asked {
    const ClientOp* op;
    Zxid zxid;
  };
  std::vector<std::pair<SimTime, Zxid>> returns;
  std::vector<Asked> asked;
  for (const ClientLog* log : past.clients) {
    for (const ClientOp& op : log->ops) {
      const HistoryTxn* txn = past.history.of(op.session, op.xid);
      if (txn == nullptr) continue;
      asked.push_back({&op, txn->zxid});
      if (op.answered) returns.emplace_back(op.returned, txn->zxid);
    }
  }
  std::sort(returns.begin(), returns.end());
  std::stable_sort(asked.begin(), asked.end(),
                   [](const Asked& a, const Asked& b) { return a.op->invoked < b.op->invoked; });
  Zxid floor;
  size_t next = 0;
  for (const Asked& one : asked) {
    while (next < returns.size() && returns[next].first < one.op->invoked) {
      floor = std::max(floor, returns[next++].second);
    }
    verdict.expect(Checker::LinW, one.zxid >= floor, past.now, [&] {
      return fmt::format("c{} xid {} has zxid {:x}, and {:x} had been answered when it was asked",
                         one.op->client + 1, one.op->xid, one.zxid.value, floor.value);
    });
  }
}

}  // namespace vivarium::sim
