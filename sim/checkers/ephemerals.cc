#include "sim/checkers/ephemerals.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>

namespace vivarium::sim {
namespace {

using Step = HistoryTxn::Step;

class Owners {
 public:
  Owners(const Past& past, Verdict& verdict) : past_(past), verdict_(verdict) {}

  void take(const HistoryTxn& txn) {
    if (txn.type == TxnType::CreateSession) open_.insert(txn.session);
    if (txn.type == TxnType::CloseSession) {
      close(txn);
      return;
    }
    for (const Step& step : txn.steps) {
      if (step.type == TxnType::Delete) forget(step.path);
      if (step.type != TxnType::Create || !step.ephemeral) continue;
      verdict_.expect(Checker::Eph, open_.count(txn.session) != 0, past_.now, [&] {
        return fmt::format("txn {:x} creates the ephemeral {} of session {:x}, which is not open",
                           txn.zxid.value, step.path, static_cast<uint64_t>(txn.session.value));
      });
      owners_[step.path] = txn.session;
      owned_[txn.session].insert(step.path);
    }
  }

 private:
  void forget(const std::string& path) {
    const auto found = owners_.find(path);
    if (found == owners_.end()) return;
    owned_[found->second].erase(path);
    owners_.erase(found);
  }

  void close(const HistoryTxn& txn) {
    std::set<std::string> removed;
    for (const Step& step : txn.steps) removed.insert(step.path);
    const std::set<std::string> owned = owned_[txn.session];
    verdict_.expect(Checker::Eph, removed == owned, past_.now, [&] {
      return fmt::format("the close of session {:x} at {:x} removes {} znodes, and it owned {}",
                         static_cast<uint64_t>(txn.session.value), txn.zxid.value, removed.size(),
                         owned.size());
    });
    for (const std::string& path : removed) forget(path);
    owned_.erase(txn.session);
    open_.erase(txn.session);
  }

  const Past& past_;
  Verdict& verdict_;
  std::set<SessionId> open_;
  std::map<std::string, SessionId> owners_;
  std::map<SessionId, std::set<std::string>> owned_;
};

}  // namespace

void check_ephemerals(const Past& past, const std::vector<const DataTree*>& trees,
                      Verdict& verdict) {
  Owners owners(past, verdict);
  for (const HistoryTxn& txn : past.history.txns()) owners.take(txn);
  for (size_t i = 0; i < trees.size(); ++i) {
    size_t of_known = 0;
    for (const auto& [session, timeout] : trees[i]->sessions()) {
      of_known += trees[i]->ephemerals(session).size();
    }
    verdict.expect(Checker::Eph, of_known == trees[i]->ephemeral_count(), past.now, [&] {
      return fmt::format("s{} holds {} ephemerals, and its sessions own {}", i + 1,
                         trees[i]->ephemeral_count(), of_known);
    });
  }
}

}  // namespace vivarium::sim
