#include "sim/checkers/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/wire/txn.h"
#include "sim/model.h"

namespace vivarium::sim {
namespace {

bool is_write(Op op) { return op == Op::Create || op == Op::Delete || op == Op::SetData; }

bool is_checked_read(Op op) {
  return op == Op::GetData || op == Op::Exists || op == Op::GetChildren2;
}

std::string describe(const ClientOp& op) {
  return fmt::format("c{} session {:x} xid {} op {} {}", op.client + 1,
                     static_cast<uint64_t>(op.session.value), op.xid, static_cast<int>(op.op),
                     op.path);
}

class HistoryCheck {
 public:
  HistoryCheck(const Ledger& ledger, bool local_sessions, SimTime now, Verdict& verdict)
      : ledger_(ledger), now_(now), verdict_(verdict), model_(local_sessions) {}

  void run(const std::vector<SimClient>& clients, const std::vector<Zxid>& order) {
    for (const SimClient& client : clients) {
      for (const ClientOp& op : client.ops()) {
        if (is_write(op.op)) {
          writes_[{op.session, op.xid}].op = &op;
        } else if (op.op == Op::Sync) {
          if (op.answered && op.error == ErrorCode::Ok) syncs_.push_back(&op);
        } else if (op.answered && is_checked_read(op.op)) {
          reads_.push_back(&op);
        }
      }
    }
    std::stable_sort(reads_.begin(), reads_.end(), [](const ClientOp* a, const ClientOp* b) {
      return a->reply_zxid < b->reply_zxid;
    });
    answer_reads(order.empty() ? Zxid(UINT64_MAX) : order.front());
    for (size_t i = 0; i < order.size() && !verdict_.violation(); ++i) {
      take_txn(order[i]);
      answer_reads(i + 1 < order.size() ? order[i + 1] : Zxid(UINT64_MAX));
    }
    for (const auto& [key, write] : writes_) check_answered(write);
    check_real_time();
    sync_check();
  }

 private:
  struct Write {
    const ClientOp* op = nullptr;
    Zxid zxid;  // of its txn
  };

  void wrong(const ClientOp& op, const std::string& what) {
    verdict_.violated(Checker::Result, describe(op) + ": " + what, now_);
  }

  void take_txn(Zxid zxid) {
    const Result<Txn> txn = decode_txn(ledger_.entry(zxid));
    if (!txn) {
      return verdict_.violated(Checker::Result, fmt::format("txn {:x} does not decode", zxid.value),
                               now_);
    }
    verdict_.evaluated(Checker::Result);
    const auto found = writes_.find({txn->header.session, txn->header.cxid});
    if (found != writes_.end() && txn->header.type != TxnType::CreateSession &&
        txn->header.type != TxnType::CloseSession) {
      Write& write = found->second;
      if (write.zxid != Zxid{}) return wrong(*write.op, "committed twice");
      write.zxid = zxid;
      check_verdict(*write.op, *txn);
      remember_result(write, *txn);
    }
    if (const std::optional<std::string> bad = model_.apply(*txn)) {
      verdict_.violated(Checker::Result, fmt::format("txn {:x} {}", zxid.value, *bad), now_);
    }
    if (found != writes_.end() && found->second.op->op == Op::SetData) {
      stats_[zxid] = model_.stat(found->second.op->path);
    }
  }

  // The txn is what the request had to become in the state before it.
  void check_verdict(const ClientOp& op, const Txn& txn) {
    const Model::Expected expected = model_.expected(op);
    const auto* error = std::get_if<ErrorTxn>(&txn.body);
    const ErrorCode code = error == nullptr ? ErrorCode::Ok : error->error;
    // Which server owns a session is the leader's knowledge; that it is open is everybody's.
    const bool open = model_.session_writes(op.session);
    if (open && code == ErrorCode::SessionMoved) return;
    if (open != (code != ErrorCode::SessionExpired)) {
      return wrong(op, fmt::format("K-SESSION: became error {} in a session that is {}",
                                   static_cast<int>(code), open ? "open" : "closed"));
    }
    if (!open) return;
    if (code != expected.error) {
      return wrong(op, fmt::format("became error {} where {} was due", static_cast<int>(code),
                                   static_cast<int>(expected.error)));
    }
    const auto* create = std::get_if<CreateTxn>(&txn.body);
    if (create != nullptr && create->path != expected.path) {
      wrong(op, fmt::format("created {} instead of {}", create->path, expected.path));
    }
  }

  void remember_result(const Write& write, const Txn& txn) {
    const auto* error = std::get_if<ErrorTxn>(&txn.body);
    const auto* create = std::get_if<CreateTxn>(&txn.body);
    results_[write.zxid] = {error == nullptr ? ErrorCode::Ok : error->error,
                            create == nullptr ? std::string() : std::string(create->path)};
  }

  void check_answered(const Write& write) {
    const ClientOp& op = *write.op;
    if (!op.answered || verdict_.violation()) return;
    verdict_.evaluated(Checker::Result);
    if (write.zxid == Zxid{} && op.error == ErrorCode::NotReadOnly) return;
    if (write.zxid == Zxid{}) return wrong(op, "was answered and never committed");
    if (op.reply_zxid < write.zxid) return wrong(op, "was answered at a zxid below its own");
    const auto& [error, path] = results_[write.zxid];
    if (op.error != error) {
      return wrong(op, fmt::format("was answered {} and committed as {}",
                                   static_cast<int>(op.error), static_cast<int>(error)));
    }
    if (op.error != ErrorCode::Ok) return;
    if (op.op == Op::Create && op.reply_path != path) wrong(op, "was answered another path");
    if (op.op == Op::SetData && op.stat != stats_[write.zxid])
      wrong(op, "was answered another Stat");
  }

  // All reads whose state is older than `next`.
  void answer_reads(Zxid next) {
    for (; next_read_ < reads_.size() && reads_[next_read_]->reply_zxid < next; ++next_read_) {
      if (verdict_.violation()) return;
      check_read(*reads_[next_read_]);
    }
  }

  void check_read(const ClientOp& op) {
    verdict_.evaluated(Checker::Result);
    if (op.error == ErrorCode::SessionExpired || op.error == ErrorCode::SessionMoved) return;
    const std::optional<Stat> stat = model_.stat(op.path);
    const ErrorCode due = stat ? ErrorCode::Ok : ErrorCode::NoNode;
    if (op.error != due) {
      return wrong(op, fmt::format("read at {:x} answered {} where {} was due", op.reply_zxid.value,
                                   static_cast<int>(op.error), static_cast<int>(due)));
    }
    if (!stat) return;
    if (op.stat != stat)
      return wrong(op, fmt::format("read at {:x}: another Stat", op.reply_zxid.value));
    if (op.op == Op::GetData && op.reply_data != *model_.data(op.path)) {
      return wrong(op, fmt::format("read at {:x}: other data", op.reply_zxid.value));
    }
    if (op.op == Op::GetChildren2) {
      std::vector<std::string> children = op.children;
      std::sort(children.begin(), children.end());
      if (children != model_.children(op.path)) {
        wrong(op, fmt::format("read at {:x}: other children", op.reply_zxid.value));
      }
    }
  }

  // A write invoked after another was answered has the larger zxid.
  void check_real_time() {
    std::vector<std::pair<SimTime, Zxid>> returns;
    std::vector<std::pair<SimTime, const Write*>> invokes;
    for (const auto& [key, write] : writes_) {
      if (write.zxid == Zxid{}) continue;
      invokes.emplace_back(write.op->invoked, &write);
      if (write.op->answered) returns.emplace_back(write.op->returned, write.zxid);
    }
    std::sort(returns.begin(), returns.end());
    std::stable_sort(invokes.begin(), invokes.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Zxid floor;
    size_t next = 0;
    for (const auto& [invoked, write] : invokes) {
      while (next < returns.size() && returns[next].first < invoked) {
        floor = std::max(floor, returns[next++].second);
      }
      verdict_.evaluated(Checker::Result);
      if (write->zxid < floor) {
        return wrong(*write->op, "K-LINW: ordered before a write that had been answered");
      }
    }
  }

  void sync_check() {
    std::vector<std::pair<SimTime, Zxid>> returns;
    for (const auto& [key, write] : writes_) {
      if (write.op->answered && write.zxid != Zxid{}) {
        returns.emplace_back(write.op->returned, write.zxid);
      }
    }
    check_syncs(std::move(returns), std::move(syncs_), now_, verdict_);
  }

  const Ledger& ledger_;
  SimTime now_;
  Verdict& verdict_;
  Model model_;
  std::map<std::pair<SessionId, int32_t>, Write> writes_;
  std::map<Zxid, std::pair<ErrorCode, std::string>> results_;
  std::map<Zxid, std::optional<Stat>> stats_;
  std::vector<const ClientOp*> reads_;
  std::vector<const ClientOp*> syncs_;
  size_t next_read_ = 0;
};

}  // namespace

void check_syncs(std::vector<std::pair<SimTime, Zxid>> writes, std::vector<const ClientOp*> syncs,
                 SimTime now, Verdict& verdict) {
  std::sort(writes.begin(), writes.end());
  std::stable_sort(syncs.begin(), syncs.end(),
                   [](const ClientOp* a, const ClientOp* b) { return a->invoked < b->invoked; });
  Zxid floor;
  size_t next = 0;
  for (const ClientOp* sync : syncs) {
    while (next < writes.size() && writes[next].first < sync->invoked) {
      floor = std::max(floor, writes[next++].second);
    }
    verdict.expect(Checker::Sync, sync->reply_zxid >= floor, now, [&] {
      return fmt::format("{}: answered at {:x}, and {:x} had been answered before it was asked",
                         describe(*sync), sync->reply_zxid.value, floor.value);
    });
  }
}

void check_history(const std::vector<SimClient>& clients, const std::vector<Zxid>& order,
                   const Ledger& ledger, bool local_sessions, SimTime now, Verdict& verdict) {
  HistoryCheck(ledger, local_sessions, now, verdict).run(clients, order);
}

}  // namespace vivarium::sim
