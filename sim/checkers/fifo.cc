#include "sim/checkers/fifo.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {
namespace {

void check_replies(const ClientLog& log, size_t client, SimTime now, Verdict& verdict) {
  size_t due = 0;
  for (const Heard& heard : log.heard) {
    if (heard.kind == HeardKind::Attached) due = heard.index;
    if (heard.kind != HeardKind::Reply) continue;
    verdict.expect(Checker::Fifo, heard.index == due, now, [&] {
      return fmt::format("c{}: the reply to operation {} came when {} was due", client + 1,
                         heard.index, due);
    });
    due = heard.index + 1;
  }
}

// A write of a connection that its session had left is refused, whenever it arrives; but a
// closeSession is carried out whoever owns the session (ZooKeeper's leader does not ask: expiry is
// one too), and what is wrong with the request itself is said before anybody looks at its session.
bool took_its_turn(const ClientOp& op, const HistoryTxn& txn) {
  const bool wrong_itself =
      txn.error == ErrorCode::MarshallingError || txn.error == ErrorCode::BadArguments;
  if (op.lost && (op.op == Op::CloseSession || wrong_itself)) return false;
  return txn.error != ErrorCode::SessionMoved && txn.error != ErrorCode::SessionExpired;
}

void check_effects(const ClientLog& log, const Past& past, Verdict& verdict) {
  SessionId session;
  Zxid last;
  for (const ClientOp& op : log.ops) {
    if (op.session != session) {
      session = op.session;
      last = Zxid{};
    }
    const HistoryTxn* txn = past.history.of(op.session, op.xid);
    if (txn == nullptr || !took_its_turn(op, *txn)) continue;
    verdict.expect(Checker::Fifo, txn->zxid > last, past.now, [&] {
      return fmt::format(
          "c{} xid {} was committed at {:x}, and a later write of the session before "
          "it, at {:x}",
          op.client + 1, op.xid, txn->zxid.value, last.value);
    });
    last = std::max(last, txn->zxid);
  }
}

}  // namespace

void check_fifo(const Past& past, Verdict& verdict) {
  for (size_t i = 0; i < past.clients.size(); ++i) {
    check_replies(*past.clients[i], i, past.now, verdict);
    check_effects(*past.clients[i], past, verdict);
  }
}

}  // namespace vivarium::sim
