#include "sim/apache/learner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/wire/jute.h"
#include "core/wire/txn.h"
#include "sim/apache/snapshot.h"

namespace vivarium::apache {
namespace {

constexpr uint32_t kTries = 5;  // of connectToLeader()

Proposal proposal_of(const Packet& packet) {
  return {Zxid::from_wire(packet.zxid), share(Bytes(packet.data))};
}

}  // namespace

Learner::Learner(ServerId leader, Lent lent) : leader_(leader) {
  const Member* const self = lent.config.find(lent.config.id);
  observer_ = self != nullptr && self->observer;
  connect(lent);
}

// ---------------------------------------------------------------------------------- connection

void Learner::connect(Lent lent) {
  const Member* const member = lent.config.find(leader_);
  if (member == nullptr) return leave("no such leader");
  stream_ = QuorumStream(lent.world.connect(member->quorum));
  connected_ = false;
  retry_at_ = Instant::never();
  ++tries_;
  deadline_ = lent.world.now() + lent.config.tick() * lent.config.init_limit_ticks;
}

bool Learner::handle(const Event& event, Lent lent) {
  if (const auto* up = std::get_if<LinkUp>(&event); up && up->link == stream_.id()) {
    connected_ = true;
    greet(lent);
    return true;
  }
  if (const auto* bytes = std::get_if<LinkBytes>(&event); bytes && bytes->link == stream_.id()) {
    stream_.receive(bytes->bytes, lent.world);
    wait_longer(lent);
    read(lent);
    return true;
  }
  const auto* down = std::get_if<LinkDown>(&event);
  if (down == nullptr || down->link != stream_.id()) return false;
  stream_ = QuorumStream();
  if (connected_ || tries_ >= kTries) {
    leave("the leader is gone");
  } else {
    retry_at_ = lent.world.now() + milliseconds(lent.config.connect_pause_ms);
    deadline_ = retry_at_;
  }
  return true;
}

// The socket's timeout begins anew with each read.
void Learner::wait_longer(Lent lent) {
  const int64_t ticks = acknowledged_ ? lent.config.sync_limit_ticks : lent.config.init_limit_ticks;
  deadline_ = lent.world.now() + lent.config.tick() * ticks;
}

void Learner::on_timer(Lent lent) {
  if (deadline_ > lent.world.now()) return;
  if (retry_at_ != Instant::never()) return connect(lent);
  if (then_ != Then::Nothing) return wait_longer(lent);  // not reading: no timeout
  leave("the leader is silent");
}

// registerWithLeader().
void Learner::greet(Lent lent) {
  lent.world.give_credit(stream_.id(), QuorumStream::kCredit);
  last_logged_ = lent.database.last_processed();
  last_epoch_ = lent.database.current_epoch();
  Bytes info;
  encode(LearnerInfo{lent.config.id, 0x10000, lent.config.members_version.wire(), {}}, info);
  const PacketType type = observer_ ? PacketType::ObserverInfo : PacketType::FollowerInfo;
  stream_.send(type, Zxid(lent.database.accepted_epoch(), 0).wire(), info, lent.world);
  stage_ = Stage::LeaderInfo;
  wait_longer(lent);
}

// ---------------------------------------------------------------------------------- reading

void Learner::read(Lent lent) {
  while (over_.empty() && then_ == Then::Nothing && connected_) {
    if (stage_ == Stage::Snap) {
      const size_t before = stream_.bytes().size();
      on_state(lent);
      if (stage_ == Stage::Snap || stream_.bytes().size() == before) return;
      continue;
    }
    bool bad = false;
    const std::optional<Packet> packet = stream_.next(bad);
    if (bad) return leave("what comes is no packet");
    if (!packet) return;
    on_packet(*packet, lent);
  }
}

void Learner::advance(Lent lent) {
  if (over_.empty() && then_ != Then::Nothing && !lent.database.busy()) {
    resume(lent);
    wait_longer(lent);
    read(lent);
  }
  for (const Zxid zxid : lent.database.take_acknowledged()) {
    if (connected_ && over_.empty()) stream_.send(PacketType::Ack, zxid.wire(), lent.world);
  }
}

void Learner::resume(Lent lent) {
  switch (std::exchange(then_, Then::Nothing)) {
    case Then::Nothing:
      return;
    case Then::Promise: {
      Bytes data;
      const int32_t epoch = answers_with_epoch_ ? static_cast<int32_t>(last_epoch_) : -1;
      JuteWriter(data).i32(epoch);
      stream_.send(PacketType::AckEpoch, last_logged_.wire(), data, lent.world);
      stage_ = Stage::Op;
      return;
    }
    case Then::Truncated:
      lent.database.set_last_processed(op_zxid_);
      stage_ = Stage::Sync;
      return;
    case Then::Saved:
      return begin_history(lent);
    case Then::NewLeader:
      return acknowledge_new_leader(lent);
  }
}

void Learner::on_packet(const Packet& packet, Lent lent) {
  switch (stage_) {
    case Stage::Connecting:
    case Stage::Snap:
      return;
    case Stage::LeaderInfo:
      return on_leader_info(packet, lent);
    case Stage::Op:
      return on_op(packet, lent);
    case Stage::Sync:
      return on_sync_packet(packet, lent);
    case Stage::Broadcast:
      return on_broadcast(packet, lent);
  }
}

void Learner::on_leader_info(const Packet& packet, Lent lent) {
  if (packet.type != PacketType::LeaderInfo) return leave("no LEADERINFO");
  epoch_ = Zxid::from_wire(packet.zxid).epoch();
  const Epoch accepted = lent.database.accepted_epoch();
  if (epoch_ < accepted) return leave("the leader's epoch is below the accepted one");
  answers_with_epoch_ = epoch_ > accepted;
  if (epoch_ > accepted) lent.database.accept_epoch(epoch_);
  then_ = Then::Promise;
}

// ---------------------------------------------------------------------------------- syncWithLeader

void Learner::on_op(const Packet& packet, Lent lent) {
  op_ = packet.type;
  op_zxid_ = Zxid::from_wire(packet.zxid);
  if (op_ == PacketType::Diff) {
    write_to_log_ = true;
    stage_ = Stage::Sync;
    last_queued_ = last_logged_;
  } else if (op_ == PacketType::Snap) {
    stage_ = Stage::Snap;
  } else if (op_ == PacketType::Trunc) {
    lent.database.truncate(op_zxid_);
    then_ = Then::Truncated;
    last_queued_ = op_zxid_;
  } else {
    lent.world.stop(StopReason::Fatal, "Got unexpected packet from leader");
  }
}

void Learner::on_state(Lent lent) {
  DataTree& tree = lent.database.clear_tree(lent.world);
  size_t used = 0;
  const Decoded state = read_body(stream_.bytes(), tree, used);
  if (state == Decoded::Bad) return leave("the state makes no sense");
  if (state == Decoded::NeedMore) return;
  JuteReader in(stream_.bytes().subspan(used));
  const std::string_view signature = in.string();
  if (!in.ok()) return;
  if (signature != kSnapSignature) return leave("Missing signature");
  stream_.consume(used + in.position());
  lent.database.install(op_zxid_);
  last_queued_ = op_zxid_;
  stage_ = Stage::Sync;
}

void Learner::on_sync_packet(const Packet& packet, Lent lent) {
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  if (packet.type == PacketType::Proposal) {
    note_gap(zxid);
    uncommitted_.push_back(proposal_of(packet));
  } else if (packet.type == PacketType::Commit) {
    on_sync_commit(zxid, lent);
  } else if (packet.type == PacketType::Inform) {
    on_sync_inform(proposal_of(packet), lent);
  } else if (packet.type == PacketType::NewLeader) {
    on_new_leader(lent);
  } else if (packet.type == PacketType::UpToDate) {
    on_up_to_date(lent);
  }
}

void Learner::on_sync_commit(Zxid zxid, Lent lent) {
  // ZooKeeper looks at the head of an empty queue there, and leaves with a NullPointerException.
  if (uncommitted_.empty()) return leave("a commit without a proposal");
  if (write_to_log_) return commits_.push_back(zxid);
  if (uncommitted_.front().zxid != zxid) return;
  apply(uncommitted_.front(), false, lent);
  uncommitted_.pop_front();
}

void Learner::on_sync_inform(const Proposal& txn, Lent lent) {
  note_gap(txn.zxid);
  if (!write_to_log_) return apply(txn, false, lent);
  uncommitted_.push_back(txn);
  commits_.push_back(txn.zxid);
}

// Snapshot, then what was proposed, then the epoch; 3.8.0 writes the epoch before the txns are in
// the log, and acknowledges at once.
void Learner::on_new_leader(Lent lent) {
  Database& database = lent.database;
  if (op_ == PacketType::Snap) database.now_exact();
  if (op_ != PacketType::Diff) database.save_snapshot(op_ == PacketType::Snap);
  write_to_log_ = true;
  then_ = Then::Saved;
}

void Learner::begin_history(Lent lent) {
  Database& database = lent.database;
  then_ = Then::NewLeader;
  const bool early = database.flaws().early_ack;
  if (!uncommitted_.empty()) history_end_ = uncommitted_.back().zxid;
  if (early) database.begin_epoch(epoch_);
  if (observer_) {
    if (!early) database.begin_epoch(epoch_);
    return;
  }
  for (const Proposal& txn : uncommitted_) {
    if (txn.zxid.counter() != 0) pending_.push_back(txn);
    if (early) continue;
    database.log(txn, false);
    to_acknowledge_.push_back(txn.zxid);
  }
  if (early) return;
  uncommitted_.clear();
  database.flush();
  database.begin_epoch(epoch_);
}

void Learner::acknowledge_new_leader(Lent lent) {
  if (lent.database.flaws().early_ack && !observer_) {
    for (const Proposal& txn : uncommitted_) lent.database.log(txn, true);
    uncommitted_.clear();
  }
  acknowledged_ = true;
  vouched_ = std::max(lent.database.log_end(), lent.database.last_txn().value_or(Zxid()));
  stream_.send(PacketType::Ack, Zxid(epoch_, 0).wire(), lent.world);
}

void Learner::on_up_to_date(Lent lent) {
  stream_.send(PacketType::Ack, Zxid(epoch_, 0).wire(), lent.world);
  stage_ = Stage::Broadcast;
  lent.election.set_epoch(epoch_);
  if (observer_) {
    for (const Proposal& txn : std::exchange(uncommitted_, {})) {
      if (commits_.empty() || commits_.front() != txn.zxid) continue;
      commits_.pop_front();
      lent.database.log(txn, false);
      apply(txn, true, lent);
    }
    return;
  }
  for (const Zxid zxid : std::exchange(to_acknowledge_, {})) {
    stream_.send(PacketType::Ack, zxid.wire(), lent.world);
  }
  for (const Proposal& txn : std::exchange(uncommitted_, {})) log_request(txn, lent);
  for (const Zxid zxid : std::exchange(commits_, {})) commit(zxid, lent);
}

// ---------------------------------------------------------------------------------- broadcast

void Learner::on_broadcast(const Packet& packet, Lent lent) {
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  if (packet.type == PacketType::Ping) return ping(packet, lent);
  if (packet.type == PacketType::Inform && observer_) {
    const Proposal txn = proposal_of(packet);
    note_gap(zxid);
    lent.database.log(txn, false);
    return apply(txn, true, lent);
  }
  if (observer_) return;
  if (packet.type == PacketType::Proposal) {
    note_gap(zxid);
    log_request(proposal_of(packet), lent);
  } else if (packet.type == PacketType::Commit) {
    commit(zxid, lent);
  }
}

void Learner::log_request(const Proposal& txn, Lent lent) {
  if (txn.zxid.counter() != 0) pending_.push_back(txn);
  lent.database.log(txn, true);
}

// FollowerZooKeeperServer.commit().
void Learner::commit(Zxid zxid, Lent lent) {
  if (pending_.empty()) return;
  if (pending_.front().zxid != zxid) {
    return lent.world.stop(StopReason::Fatal,
                           fmt::format("Committing zxid {:x} but next pending txn {:x}", zxid.value,
                                       pending_.front().zxid.value));
  }
  apply(pending_.front(), true, lent);
  pending_.pop_front();
}

void Learner::apply(const Proposal& txn, bool remember, Lent lent) {
  lent.database.apply(txn, remember);
  committed_ = std::max(committed_, txn.zxid);
  const Result<Txn> decoded = decode_txn(*txn.entry);
  CHECK(decoded.has_value());
  const auto* session = std::get_if<CreateSessionTxn>(&decoded->body);
  if (session != nullptr) touched_[decoded->header.session.value] = session->timeout_ms;
}

void Learner::ping(const Packet& packet, Lent lent) {
  std::vector<SessionTouch> touches;
  for (const auto& [session, timeout_ms] : std::exchange(touched_, {})) {
    touches.push_back({SessionId{session}, timeout_ms});
  }
  Bytes data;
  encode_touches(touches, data);
  stream_.send(PacketType::Ping, packet.zxid, data, lent.world);
}

// ZooKeeper warns of it and goes on.
void Learner::note_gap(Zxid zxid) {
  const bool whole = zxid.follows(last_queued_) || zxid <= last_queued_;
  last_queued_ = std::max(last_queued_, zxid);
  if (!whole && gap_ == Zxid()) gap_ = zxid;
}

void Learner::end(Lent lent) {
  if (stream_.id().valid()) lent.world.close(stream_.id(), false);
  if (lent.database.flaws().early_ack && then_ == Then::NewLeader && !uncommitted_.empty()) {
    lent.database.harmed(
        fmt::format("epoch {} is begun without its history to {:x}", epoch_, history_end_.value));
  }
  SyncState reached = SyncState::None;
  if (stage_ == Stage::Broadcast) {
    reached = SyncState::Over;
  } else if (acknowledged_) {
    reached = SyncState::Waiting;
  } else if (stage_ >= Stage::Snap || then_ != Then::Nothing) {
    reached = SyncState::Open;
  }
  lent.database.end_role(reached, op_ == PacketType::Snap);
}

}  // namespace vivarium::apache
