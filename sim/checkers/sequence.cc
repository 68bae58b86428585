#include "sim/checkers/sequence.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {

void check_sequence(const Past& past, Verdict& verdict) {
  for (const ClientLog* log : past.clients) {
    SessionId session;
    Zxid own;     // of the session's answered writes
    Zxid latest;  // state shown to it
    for (const ClientOp& op : log->ops) {
      if (op.session != session) {
        session = op.session;
        own = latest = Zxid{};
      }
      if (!op.answered) continue;
      const HistoryTxn* txn = past.history.of(op.session, op.xid);
      if (txn != nullptr) own = std::max(own, txn->zxid);
      verdict.expect(Checker::Seq, op.reply_zxid >= own && op.reply_zxid >= latest, past.now, [&] {
        return fmt::format("c{} xid {} was answered in state {:x}, after {} {:x}", op.client + 1,
                           op.xid, op.reply_zxid.value,
                           op.reply_zxid < own ? "its own write" : "a state of",
                           std::max(own, latest).value);
      });
      latest = std::max(latest, op.reply_zxid);
    }
  }
}

}  // namespace vivarium::sim
