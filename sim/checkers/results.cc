#include "sim/checkers/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/wire/txn.h"
#include "sim/model.h"

namespace vivarium::sim {
namespace {

bool is_write(Op op) {
  return is_create(op) || op == Op::Delete || op == Op::SetData || op == Op::SetAcl ||
         op == Op::Multi || op == Op::Reconfig;
}
// Answered with the Stat of its znode as the txn left it.
bool answers_stat(Op op) {
  return op == Op::SetData || op == Op::SetAcl || op == Op::Reconfig ||
         (is_create(op) && op != Op::Create);
}

bool is_checked_read(Op op) {
  return op == Op::GetData || op == Op::Exists || op == Op::GetChildren2 || op == Op::GetAcl ||
         op == Op::GetChildren || op == Op::GetAllChildrenNumber || op == Op::GetEphemerals ||
         op == Op::MultiRead || op == Op::WhoAmI;
}

std::string describe(const ClientOp& op) {
  return fmt::format("c{} session {:x} xid {} op {} {}", op.client + 1,
                     static_cast<uint64_t>(op.session.value), op.xid, static_cast<int>(op.op),
                     op.path);
}

class HistoryCheck {
 public:
  HistoryCheck(const Ledger& ledger, const ModelRules& rules, SimTime now, Verdict& verdict)
      : ledger_(ledger), now_(now), verdict_(verdict), model_(rules) {}

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
    sync_check();
  }

 private:
  struct Write {
    const ClientOp* op = nullptr;
    Zxid zxid;  // of its txn
  };

  using Due = Model::Expected;

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
      check_verdict(write, *txn);
    }
    if (const std::optional<std::string> bad = model_.apply(*txn)) {
      verdict_.violated(Checker::Result, fmt::format("txn {:x} {}", zxid.value, *bad), now_);
    }
    if (found != writes_.end() && answers_stat(found->second.op->op)) {
      Due& due = due_[zxid];
      if (due.error == ErrorCode::Ok) due.stat = model_.stat(due.path);
    }
  }

  // The txn is what the request had to become in the state before it. What is due for an answer is
  // what the txn says: the model agreed to it.
  void check_verdict(const Write& write, const Txn& txn) {
    const ClientOp& op = *write.op;
    const std::vector<ErrorCode> became = codes_of(txn.body);
    const auto* multi = std::get_if<MultiTxn>(&txn.body);
    const auto failed = std::find_if(became.begin(), became.end(),
                                     [](ErrorCode error) { return error != ErrorCode::Ok; });
    const ErrorCode code = failed == became.end() ? ErrorCode::Ok : *failed;
    Due& due = due_[write.zxid];
    due = model_.expected(op, txn.header, became);
    // Which server owns a session is the leader's knowledge; that it is open is everybody's.
    const bool open = model_.session_writes(op.session);
    if (open && code == ErrorCode::SessionMoved) {
      due.error = code;
      return;
    }
    if (!due.any_session && open != (code != ErrorCode::SessionExpired)) {
      return wrong(op, fmt::format("K-SESSION: became error {} in a session that is {}",
                                   static_cast<int>(code), open ? "open" : "closed"));
    }
    if (op.op == Op::Reconfig) {
      const bool leaders_own =
          code == ErrorCode::NewConfigNoQuorum || code == ErrorCode::ReconfigInProgress;
      if (leaders_own) due.error = code;
      const auto* made = std::get_if<SetDataTxn>(&txn.body);
      if (made != nullptr && as_text(made->data) != due.text) {
        return wrong(op, "became another configuration than was asked for");
      }
    }
    if (code != due.error) {
      return wrong(op, fmt::format("became error {} where {} was due", static_cast<int>(code),
                                   static_cast<int>(due.error)));
    }
    const auto* create = std::get_if<CreateTxn>(&txn.body);
    if (create != nullptr && create->path != due.path) {
      wrong(op, fmt::format("created {} instead of {}", create->path, due.path));
    }
    if (create != nullptr) check_acl(op, op, create->acl);
    if (const auto* acl = std::get_if<SetAclTxn>(&txn.body)) check_acl(op, op, acl->acl);
    if (multi != nullptr) check_parts(op, due, *multi);
  }

  // `part` is the request or a part of it.
  void check_acl(const ClientOp& op, const ClientOp& part, const Acl& acl) {
    if (read_acl(acl) != model_acl(part.acl, op.who)) wrong(op, "was given another ACL");
  }

  // One, or one for each part of a multi.
  static std::vector<ErrorCode> codes_of(const TxnBody& body) {
    if (const auto* error = std::get_if<ErrorTxn>(&body)) return {error->error};
    const auto* multi = std::get_if<MultiTxn>(&body);
    if (multi == nullptr) return {ErrorCode::Ok};
    std::vector<ErrorCode> codes;
    for (const MultiTxn::Part& part : multi->parts) {
      if (part.type != TxnType::Error) {
        codes.push_back(ErrorCode::Ok);
        continue;
      }
      const Result<TxnBody> decoded = decode_body(part.type, part.body);
      codes.push_back(decoded ? std::get<ErrorTxn>(*decoded).error : ErrorCode::SystemError);
    }
    return codes;
  }

  // A part for each operation, as the model has it.
  void check_parts(const ClientOp& op, const Due& due, const MultiTxn& multi) {
    if (multi.parts.size() != op.parts.size()) return wrong(op, "has another number of parts");
    for (size_t i = 0; i < multi.parts.size(); ++i) {
      const Result<TxnBody> body = decode_body(multi.parts[i].type, multi.parts[i].body);
      if (!body) return wrong(op, "has a part that does not decode");
      const auto* error = std::get_if<ErrorTxn>(&*body);
      const ErrorCode code = error == nullptr ? ErrorCode::Ok : error->error;
      if (code != due.parts[i].error) {
        return wrong(op, fmt::format("part {} became error {} where {} was due", i,
                                     static_cast<int>(code), static_cast<int>(due.parts[i].error)));
      }
      const auto* create = std::get_if<CreateTxn>(&*body);
      if (create != nullptr && due.error == ErrorCode::Ok && create->path != due.parts[i].path) {
        return wrong(op, fmt::format("part {} created another path", i));
      }
      if (create != nullptr) check_acl(op, op.parts[i], create->acl);
    }
  }

  void check_answered(const Write& write) {
    const ClientOp& op = *write.op;
    if (!op.answered || verdict_.violation()) return;
    verdict_.evaluated(Checker::Result);
    const bool turned_away =
        op.error == ErrorCode::NotReadOnly || op.error == ErrorCode::ThrottledOp;
    if (write.zxid == Zxid{} && turned_away) return;
    if (write.zxid == Zxid{}) return wrong(op, "was answered and never committed");
    if (op.reply_zxid < write.zxid) return wrong(op, "was answered at a zxid below its own");
    const Due& due = due_[write.zxid];
    // A multi's failure stands in its results.
    const bool whole = op.op == Op::Multi && !op.truncated;
    const ErrorCode error = whole ? ErrorCode::Ok : due.error;
    if (op.error != error) {
      return wrong(op, fmt::format("was answered {} and committed as {}",
                                   static_cast<int>(op.error), static_cast<int>(error)));
    }
    if (whole) {
      for (size_t i = 0; i < op.parts.size(); ++i) check_part(op, i, due.parts[i]);
    } else if (error == ErrorCode::Ok) {
      check_result(op, op, due);
    }
  }

  void check_part(const ClientOp& op, size_t i, const Due& due) {
    const ClientOp& part = op.parts[i];
    if (part.error != due.error) {
      return wrong(op, fmt::format("part {} was answered {} where {} was due", i,
                                   static_cast<int>(part.error), static_cast<int>(due.error)));
    }
    // The parts of a failed multi have codes and nothing else.
    if (due.error == ErrorCode::Ok && !due.path.empty()) check_result(op, part, due);
  }

  void check_result(const ClientOp& op, const ClientOp& answer, const Due& due) {
    if (is_create(answer.op) && answer.reply_path != due.path)
      wrong(op, "was answered another path");
    if (answers_stat(answer.op) && answer.stat != due.stat) wrong(op, "was answered another Stat");
    if (answer.op == Op::Reconfig && as_text(answer.reply_data) != due.text) {
      wrong(op, "was answered another configuration");
    }
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
    if (op.truncated) {
      if (op.error != ErrorCode::MarshallingError) wrong_read(op, "half of a request was taken");
    } else if (op.op == Op::MultiRead) {
      for (const ClientOp& part : op.parts) check_read_of(op, part);
    } else if (op.op == Op::WhoAmI) {
      if (sorted(op.children) != who_am_i(op.who)) wrong_read(op, "another identity");
    } else if (op.op == Op::GetEphemerals) {
      std::vector<std::string> due = model_.ephemerals(op.session);
      std::erase_if(due, [&](const std::string& path) { return path.rfind(op.path, 0) != 0; });
      if (sorted(op.children) != due) wrong_read(op, "other ephemerals");
    } else {
      check_read_of(op, op);
    }
  }

  void wrong_read(const ClientOp& op, std::string_view what) {
    wrong(op, fmt::format("read at {:x}: {}", op.reply_zxid.value, what));
  }
  static std::vector<std::string> sorted(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    return names;
  }

  // `answer` is the operation's own or one of its parts.
  void check_read_of(const ClientOp& op, const ClientOp& answer) {
    // Servers write the first configuration there by themselves.
    if (answer.path == kConfigNode && model_.data(answer.path)->empty()) return;
    const std::optional<Stat> stat = model_.stat(answer.path);
    const int32_t perms = answer.op == Op::GetAcl ? kPermRead | kPermAdmin : kPermRead;
    ErrorCode due = ErrorCode::NoNode;
    if (stat) {
      due = model_.acl(answer.path).grants(perms, op.who) ? ErrorCode::Ok : ErrorCode::NoAuth;
    }
    if (answer.error != due) {
      return wrong_read(op, fmt::format("answered {} where {} was due",
                                        static_cast<int>(answer.error), static_cast<int>(due)));
    }
    if (due != ErrorCode::Ok || !model_.knows_data(answer.path)) return;
    const bool has_stat = answer.op != Op::GetChildren && answer.op != Op::GetAllChildrenNumber;
    if (has_stat && answer.stat != stat) return wrong_read(op, "another Stat");
    if (answer.op == Op::GetData && answer.reply_data != *model_.data(answer.path)) {
      return wrong_read(op, "other data");
    }
    if (answer.op == Op::GetChildren || answer.op == Op::GetChildren2) {
      if (sorted(answer.children) != model_.children(answer.path)) {
        return wrong_read(op, "other children");
      }
    }
    if (answer.op == Op::GetAcl && answer.reply_acl != shown(model_.acl(answer.path), op.who)) {
      return wrong_read(op, "another ACL");
    }
    if (answer.op == Op::GetAllChildrenNumber && answer.number != model_.descendants(answer.path)) {
      wrong_read(op, "another number");
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
  std::map<Zxid, Due> due_;  // what each of the writes has to be answered
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
                   const Ledger& ledger, const ModelRules& rules, SimTime now, Verdict& verdict) {
  HistoryCheck(ledger, rules, now, verdict).run(clients, order);
}

}  // namespace vivarium::sim
