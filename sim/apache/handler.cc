#include "sim/apache/handler.h"

#include <utility>

namespace vivarium::apache {

void Handler::queue(const Proposal& txn, PacketType type) {
  queue_raw(type, txn.zxid.wire(), txn.entry);
}

void Handler::queue_raw(PacketType type, int64_t zxid, SharedBytes data) {
  queued.push_back({type, zxid, std::move(data)});
}

void Handler::proposal_sent(Zxid zxid, Instant now) {
  if (stage != Stage::Running) return;  // it begins with the ACK of NEWLEADER
  (unacked ? next_unacked : unacked) = {zxid, now};
}

void Handler::acked(Zxid zxid) {
  if (unacked && unacked->first == zxid) {
    unacked = std::exchange(next_unacked, std::nullopt);
  } else if (next_unacked && next_unacked->first == zxid) {
    next_unacked.reset();
  }
}

namespace {

// queueCommittedProposals(): the walk over the committed log.
class Walk {
 public:
  Walk(Handler& handler, Zxid peer_last, Zxid last)
      : handler_(handler),
        peer_last_(peer_last),
        last_(last),
        queued_(peer_last),
        keep_(peer_last) {}

  // Gives the last zxid queued.
  Zxid over(const std::deque<Proposal>& proposals) {
    Zxid previous;
    for (const Proposal& txn : proposals) {
      if (txn.zxid < peer_last_) {
        previous = txn.zxid;
        continue;
      }
      if (needs_op_) {
        if (txn.zxid == peer_last_) {
          op(PacketType::Diff, last_);
          continue;
        }
        if (new_epoch()) {
          op(PacketType::Diff, last_);
        } else if (txn.zxid.epoch() != peer_last_.epoch()) {
          return queued_;  // no TRUNC across epochs
        } else {
          op(PacketType::Trunc, previous);
          keep_ = previous;
        }
      }
      if (txn.zxid <= queued_) continue;
      handler_.queue(txn, PacketType::Proposal);
      handler_.queue(PacketType::Commit, txn.zxid);
      queued_ = txn.zxid;
    }
    if (needs_op_ && new_epoch()) op(PacketType::Diff, last_);
    return queued_;
  }
  bool needs_op() const { return needs_op_; }
  Zxid keep() const { return keep_; }

 private:
  bool new_epoch() const { return peer_last_.counter() == 0; }
  void op(PacketType type, Zxid zxid) {
    handler_.queue(type, zxid);
    needs_op_ = false;
  }

  Handler& handler_;
  Zxid peer_last_;
  Zxid last_;
  Zxid queued_;
  Zxid keep_;
  bool needs_op_ = true;
};

}  // namespace

SyncPlan plan_sync(Handler& handler, const Database& database, bool force_snap) {
  const std::deque<Proposal>& log = database.committed();
  const Zxid processed = database.last_processed();
  const Zxid first = log.empty() ? processed : log.front().zxid;
  const Zxid last = log.empty() ? processed : log.back().zxid;
  SyncPlan plan;
  if (force_snap || !handler.last) {
    plan.last_seen = processed;
    return plan;
  }
  const Zxid peer_last = *handler.last;
  plan.last_seen = plan.keep = peer_last;
  if (processed == peer_last) {
    handler.queue(PacketType::Diff, peer_last);
    plan.snap = false;
  } else if (peer_last > last && peer_last.counter() != 0) {
    handler.queue(PacketType::Trunc, last);
    plan = {false, last, last};
  } else if (peer_last >= first && peer_last <= last) {
    Walk walk(handler, peer_last, last);
    plan.last_seen = walk.over(log);
    plan.snap = walk.needs_op();
    plan.keep = walk.keep();
  }
  // Below its committed log ZooKeeper reads the log's files (snapshotSizeFactor); here as with -1.
  if (plan.snap) plan.last_seen = processed;
  return plan;
}

}  // namespace vivarium::apache
