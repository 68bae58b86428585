#include "sim/checkers/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace vivarium::sim {
namespace {

uint64_t bits(SessionId session) { return static_cast<uint64_t>(session.value); }

// Whether the session may belong to another server than the one behind the connection that began
// with the request sent at `attached`: it was asked for again since, or before, without an answer
// so far, in a request that may still be under way.
bool may_have_moved(const ClientLog& log, SessionId session, SimTime attached, SimTime until) {
  return std::any_of(log.attempts.begin(), log.attempts.end(), [&](const Attempt& attempt) {
    if (attempt.session != session || attempt.sent >= until) return false;
    return attempt.sent > attached || (attempt.sent < attached && !attempt.answered);
  });
}

// A write is refused as one of a session that has moved only where it can have moved.
void check_moves(const ClientLog& log, const Past& past, Verdict& verdict) {
  auto next = log.heard.begin();
  std::map<SessionId, SimTime> attached;  // by the latest connection of each session
  for (size_t i = 0; i < log.ops.size(); ++i) {
    for (; next != log.heard.end(); ++next) {
      if (next->kind != HeardKind::Attached) continue;
      if (next->index > i) break;
      attached[next->session] = next->sent;
    }
    const ClientOp& op = log.ops[i];
    const HistoryTxn* txn = past.history.of(op.session, op.xid);
    if (txn == nullptr || txn->error != ErrorCode::SessionMoved) continue;
    const bool moved = may_have_moved(log, op.session, attached[op.session], txn->delivered);
    verdict.expect(Checker::Session, moved, past.now, [&] {
      return fmt::format(
          "c{} xid {} was refused at {:x} as of a session that has moved, and it has not",
          op.client + 1, op.xid, txn->zxid.value);
    });
  }
}

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
    check_moves(*log, past, verdict);
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
