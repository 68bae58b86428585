#include "sim/checkers/watch_once.h"

#include <fmt/format.h>

#include <deque>

#include "sim/watch_model.h"

namespace vivarium::sim {
namespace {

std::string describe(WatchEvent event, const std::string& path, Zxid zxid) {
  return fmt::format("event {} of {} at {:x}", static_cast<int>(event), path, zxid.value);
}

// One client's connections, one after the other.
class Walk {
 public:
  Walk(const Past& past, const ClientLog& log, size_t client, Verdict& verdict)
      : past_(past), log_(log), client_(client), verdict_(verdict) {}

  void run() {
    for (const Heard& heard : log_.heard) {
      if (verdict_.violation()) return;
      take(heard);
    }
  }

 private:
  struct Due {
    Zxid zxid;
    const HistoryTxn::Change* change = nullptr;
  };

  void wrong(const std::string& what) {
    verdict_.violated(Checker::WatchOnce, fmt::format("c{}: {}", client_ + 1, what), past_.now);
  }

  void take(const Heard& heard) {
    const Zxid zxid = Zxid::from_wire(heard.zxid);
    switch (heard.kind) {
      case HeardKind::Attached:
        watches_ = WatchModel(log_.who);
        due_.clear();
        seen_ = Zxid{};
        return;
      case HeardKind::Event:
        if (heard.zxid > 0) take_event(heard, zxid);
        return;  // the others belong to setWatches: K-WATCH-RECONN
      case HeardKind::Pong:
        return catch_up(zxid);
      case HeardKind::Rearmed:
        catch_up(zxid);
        watches_.rearm(log_.rearms[heard.index], past_.history, zxid);
        return;
      case HeardKind::Reply:
        catch_up(zxid);
        return take_reply(log_.ops[heard.index]);
    }
  }

  // All that happened up to `zxid` and was watched is due.
  void advance(Zxid zxid) {
    if (zxid <= seen_) return;
    if (!watches_.empty()) {
      const auto& txns = past_.history.txns();
      for (size_t i = past_.history.after(seen_); i < txns.size() && txns[i].zxid <= zxid; ++i) {
        for (const HistoryTxn::Change& change : txns[i].changes) {
          if (watches_.hears(change)) due_.push_back({txns[i].zxid, &change});
        }
      }
    }
    seen_ = zxid;
  }

  void catch_up(Zxid zxid) {
    advance(zxid);
    verdict_.expect(Checker::WatchOnce, due_.empty(), past_.now, [&] {
      const Due& due = due_.front();
      return fmt::format("c{}: a reply at {:x} came without {}", client_ + 1, zxid.value,
                         describe(due.change->event, due.change->path, due.zxid));
    });
  }

  void take_event(const Heard& heard, Zxid zxid) {
    advance(zxid);
    verdict_.evaluated(Checker::WatchOnce);
    if (due_.empty()) {
      return wrong(describe(heard.event, heard.path, zxid) + " was not due");
    }
    const Due& due = due_.front();
    const bool right =
        due.zxid == zxid && due.change->event == heard.event && due.change->path == heard.path;
    if (!right) {
      return wrong(fmt::format("{} came where {} was due", describe(heard.event, heard.path, zxid),
                               describe(due.change->event, due.change->path, due.zxid)));
    }
    due_.pop_front();
  }

  void take_reply(const ClientOp& op) {
    if (const WatchModel::Modes left = mode_left_by(op); left != 0) watches_.set(op.path, left);
    const bool any_mode = op.op == Op::AddWatch;
    if (!any_mode && op.op != Op::CheckWatches && op.op != Op::RemoveWatches) return;
    const int32_t last = any_mode ? 1 : 5;
    const bool known = !op.truncated && op.version >= (any_mode ? 0 : 1) && op.version <= last;
    if (!known || any_mode)
      return expect_error(op, known ? ErrorCode::Ok : ErrorCode::MarshallingError);
    const WatchModel::Modes modes = modes_of_type(op.version);
    const bool there =
        op.op == Op::CheckWatches ? watches_.has(op.path, modes) : watches_.remove(op.path, modes);
    expect_error(op, there ? ErrorCode::Ok : ErrorCode::NoWatcher);
  }

  void expect_error(const ClientOp& op, ErrorCode due) {
    verdict_.expect(Checker::WatchOnce, op.error == due, past_.now, [&] {
      return fmt::format("c{}: op {} type {} of {} answered {}", client_ + 1,
                         static_cast<int>(op.op), op.version, op.path, static_cast<int>(op.error));
    });
  }

  const Past& past_;
  const ClientLog& log_;
  size_t client_;
  Verdict& verdict_;
  WatchModel watches_;
  std::deque<Due> due_;
  Zxid seen_;
};

}  // namespace

void check_watch_once(const Past& past, Verdict& verdict) {
  for (size_t i = 0; i < past.clients.size(); ++i) Walk(past, *past.clients[i], i, verdict).run();
}

}  // namespace vivarium::sim
