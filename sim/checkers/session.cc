#include "sim/checkers/session.h"

#include <fmt/format.h>

#include <map>
#include <set>

namespace vivarium::sim {
namespace {

uint64_t bits(SessionId session) { return static_cast<uint64_t>(session.value); }

}  // namespace

void check_sessions(const Past& past, Verdict& verdict) {
  std::set<SessionId> begun;
  std::map<SessionId, Zxid> closed;
  for (const HistoryTxn& txn : past.history.txns()) {
    if (txn.error != ErrorCode::Ok || txn.session == SessionId{}) continue;
    if (txn.type == TxnType::CreateSession) {
      verdict.expect(Checker::Session, begun.insert(txn.session).second, past.now, [&] {
        return fmt::format("session {:x} begins a second time at {:x}", bits(txn.session),
                           txn.zxid.value);
      });
      continue;
    }
    const auto gone = closed.find(txn.session);
    // A session may be closed twice, by its client and by its expiry; the second changes nothing.
    const bool closed_again =
        gone != closed.end() && txn.type == TxnType::CloseSession && txn.steps.empty();
    const bool known = past.local_sessions || begun.count(txn.session) != 0;
    verdict.expect(
        Checker::Session, closed_again || (gone == closed.end() && known), past.now, [&] {
          return fmt::format(
              "txn {:x} (type {}, xid {}) is of session {:x}, which {}", txn.zxid.value,
              static_cast<int>(txn.type), txn.cxid, bits(txn.session),
              gone == closed.end() ? "never began"
                                   : fmt::format("was closed at {:x}", gone->second.value));
        });
    if (txn.type == TxnType::CloseSession) closed.emplace(txn.session, txn.zxid);
  }
  for (const ClientLog* log : past.clients) {
    for (const ClientOp& op : log->ops) {
      const auto gone = closed.find(op.session);
      if (!op.answered || op.error != ErrorCode::Ok || gone == closed.end()) continue;
      if (op.op == Op::CloseSession) continue;
      verdict.expect(Checker::Session, op.reply_zxid < gone->second, past.now, [&] {
        return fmt::format("c{} xid {} of session {:x} was answered at {:x}, and closed at {:x}",
                           op.client + 1, op.xid, bits(op.session), op.reply_zxid.value,
                           gone->second.value);
      });
    }
  }
}

}  // namespace vivarium::sim
