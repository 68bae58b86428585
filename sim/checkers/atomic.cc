#include "sim/checkers/atomic.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {

void check_atomic(const Past& past, Verdict& verdict) {
  for (const HistoryTxn& txn : past.history.txns()) {
    if (txn.type != TxnType::Multi) continue;
    // What stands before the part that failed keeps its form, as ZooKeeper writes it; nothing of it
    // is carried out (History).
    verdict.expect(Checker::Atomic,
                   txn.failed_parts == 0 || txn.failed_parts == txn.parts - txn.first_failed_part,
                   past.now, [&] {
                     return fmt::format(
                         "the multi at {:x} goes on behind its part {}, which failed",
                         txn.zxid.value, txn.first_failed_part);
                   });
  }
  for (const ClientLog* log : past.clients) {
    for (const ClientOp& op : log->ops) {
      if (op.op != Op::Multi || !op.answered || op.error != ErrorCode::Ok) continue;
      const HistoryTxn* txn = past.history.of(op.session, op.xid);
      if (txn == nullptr) continue;  // K-RESULT: answered and never committed
      const bool failed = std::any_of(op.parts.begin(), op.parts.end(), [](const ClientOp& part) {
        return part.error != ErrorCode::Ok;
      });
      verdict.expect(
          Checker::Atomic, op.parts.size() == txn->parts && failed == (txn->failed_parts != 0),
          past.now, [&] {
            return fmt::format(
                "c{} xid {}, a multi of {} parts, was answered as one that {}, and is "
                "at {:x} one of {} that {}",
                op.client + 1, op.xid, op.parts.size(), failed ? "failed" : "was carried out",
                txn->zxid.value, txn->parts, txn->failed_parts != 0 ? "failed" : "was carried out");
          });
    }
  }
}

}  // namespace vivarium::sim
