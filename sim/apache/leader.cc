#include "sim/apache/leader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/wire/jute.h"
#include "core/wire/txn.h"

namespace vivarium::apache {
namespace {

WriteRules rules_of(const Config& config) {
  WriteRules rules;
  rules.acl.skip = config.skip_acl;
  rules.acl.digest = config.digest_auth;
  rules.acl.x509 = config.x509_ids;
  rules.acl.sasl = config.sasl_ids;
  rules.acl.any_sasl_user = config.any_sasl_user;
  rules.extended_types = config.extended_types;
  rules.enforce_quota = config.enforce_quota;
  return rules;
}

}  // namespace

Leader::Leader(Lent lent) : sessions_(lent.config.tick()), rules_(rules_of(lent.config)) {
  lent.database.save_snapshot(false);
}

bool Leader::participant(ServerId id, const Config& config) {
  const Member* const member = config.find(id);
  return member != nullptr && !member->observer;
}

bool Leader::quorum(const std::set<ServerId>& servers, const Config& config) const {
  return servers.size() > config.voter_count() / 2;
}

// ---------------------------------------------------------------------------------- lead()

void Leader::enter(Phase phase, Lent lent) {
  phase_ = phase;
  phase_until_ = lent.world.now() + lent.config.tick() * lent.config.init_limit_ticks;
}

void Leader::advance(Lent lent) {
  advance_phase(lent);
  for (const Zxid zxid : lent.database.take_acknowledged()) {
    process_ack(lent.config.id, zxid, lent);
  }
  if (phase_ != Phase::Loading) {
    for (Handler& handler : handlers_) serve(handler, lent);
  }
  advance_phase(lent);
  flush(lent);
  std::erase_if(handlers_, [](const Handler& handler) { return handler.over; });
}

void Leader::advance_phase(Lent lent) {
  if (lent.database.busy() || !over_.empty()) return;
  if (phase_ == Phase::Loading) {
    own_epoch_ = lent.database.current_epoch();
    own_last_ = lent.database.last_processed();
    enter(Phase::Epoch, lent);
    epoch_ = std::max(epoch_, lent.database.accepted_epoch() + 1);
    connecting_.insert(lent.config.id);
    return consider_epoch(lent);
  }
  if (phase_ == Phase::Accepting) {
    epoch_fixed_ = true;
    last_proposed_ = Zxid(epoch_, 0);
    enter(Phase::EpochAck, lent);
    electing_.insert(lent.config.id);
  }
  if (phase_ == Phase::EpochAck && quorum(electing_, lent.config)) {
    election_finished_ = true;
    enter(Phase::Beginning, lent);
    return lent.database.begin_epoch(epoch_);
  }
  if (phase_ == Phase::Beginning) {
    new_leader_acks_.insert(lent.config.id);
    enter(Phase::NewLeader, lent);
  }
  if (phase_ == Phase::NewLeader && (quorum_formed_ || quorum(new_leader_acks_, lent.config))) {
    quorum_formed_ = true;
    start_server(lent);
  }
}

// getEpochToPropose(), when a quorum has said what it has accepted.
void Leader::consider_epoch(Lent lent) {
  if (phase_ != Phase::Epoch || !quorum(connecting_, lent.config)) return;
  enter(Phase::Accepting, lent);
  lent.database.accept_epoch(epoch_);
}

void Leader::start_server(Lent lent) {
  Database& database = lent.database;
  enter(Phase::Broadcast, lent);
  phase_until_ = Instant::never();
  last_committed_ = Zxid(epoch_, 0);
  committed_ = history_end_ = database.last_txn().value_or(Zxid());
  for (const auto& [session, timeout_ms] : database.tree().sessions()) {
    sessions_.add(session, timeout_ms, lent.world.now());
  }
  lent.election.set_epoch(epoch_);
  database.set_last_processed(Zxid(epoch_, 0));
  next_half_tick_ = lent.world.now() + lent.config.tick() / 2;
}

Instant Leader::deadline() const {
  Instant first = std::min(phase_until_, next_half_tick_);
  if (phase_ == Phase::Broadcast) first = std::min(first, sessions_.next_deadline());
  for (const Handler& handler : handlers_) first = std::min(first, handler.read_until);
  return first;
}

void Leader::on_timer(Lent lent) {
  const Instant now = lent.world.now();
  if (phase_until_ <= now && !lent.database.busy()) leave("Timeout while waiting for a quorum");
  for (Handler& handler : handlers_) {
    if (handler.read_until <= now) drop(handler, lent);
  }
  if (next_half_tick_ <= now) {
    next_half_tick_ = now + lent.config.tick() / 2;
    tick(lent);
  }
  if (phase_ == Phase::Broadcast && sessions_.next_deadline() <= now) expire_sessions(lent);
}

// The main loop's round: is a quorum alive? Then everybody gets a PING.
void Leader::tick(Lent lent) {
  if (!tick_skip_) ++tick_count_;
  std::set<ServerId> alive{lent.config.id};
  for (const Handler& handler : handlers_) {
    if (handler.voter && !handler.over && tick_count_ <= handler.alive_until_tick) {
      alive.insert(handler.id);
    }
  }
  if (!tick_skip_ && !quorum(alive, lent.config)) return leave("Not sufficient followers synced");
  tick_skip_ = !tick_skip_;
  const Duration limit = lent.config.tick() * lent.config.sync_limit_ticks;
  for (Handler& handler : handlers_) {
    if (!handler.sending() || handler.over) continue;
    if (handler.unacked && lent.world.now() - handler.unacked->second > limit) {
      drop(handler, lent);
    } else {
      handler.queue(PacketType::Ping, last_proposed_);
    }
  }
}

void Leader::end(Lent lent) {
  for (Handler& handler : handlers_) {
    if (!handler.over) lent.world.close(handler.stream.id(), false);
  }
  handlers_.clear();
  lent.database.flush();  // ProposalRequestProcessor.shutdown waits for the log thread
  lent.database.end_role(phase_ == Phase::Broadcast ? SyncState::Over : SyncState::None, false);
}

// ---------------------------------------------------------------------------------- broadcast

void Leader::submit(const WriteRequest& request, Lent lent) {
  if (phase_ != Phase::Broadcast || !over_.empty()) return;
  if (last_proposed_.counter() >= lent.config.counter_max - 1) {
    return leave("zxid lower 32 bits have rolled over");
  }
  if (request.op == Op::CreateSession) {
    JuteReader in(request.body);
    const int32_t timeout_ms = in.i32();
    if (in.ok()) {
      sessions_.add(request.session, timeout_ms, lent.world.now());
      sessions_.set_owner(request.session, request.owner);
    }
  }
  propose(request, lent);
}

void Leader::propose(const WriteRequest& request, Lent lent) {
  const Zxid zxid = last_proposed_.next();
  Proposal txn{zxid, share(prepare(request, zxid, lent.world.wall_now(), lent.database.tree(),
                                   pending_, sessions_, rules_))};
  last_proposed_ = zxid;
  outstanding_[zxid] = Outstanding{txn, {}, {}};
  for (Handler& handler : handlers_) {
    if (!handler.forwarding || handler.observer || handler.over) continue;
    handler.queue(txn, PacketType::Proposal);
  }
  lent.database.log(txn, true);
}

// processAck() and tryToCommit(): in order, once a quorum has it.
void Leader::process_ack(ServerId from, Zxid zxid, Lent lent) {
  if (zxid.counter() == 0 || zxid <= last_committed_) return;
  const auto found = outstanding_.find(zxid);
  if (found == outstanding_.end()) return;
  Outstanding& outstanding = found->second;
  if (participant(from, lent.config)) outstanding.acks.insert(from);
  outstanding.stale.erase(from);
  if (outstanding_.contains(Zxid(zxid.value - 1)) || !quorum(outstanding.acks, lent.config)) return;
  std::set<ServerId> holders = outstanding.acks;
  for (const ServerId id : outstanding.stale) holders.erase(id);
  if (!quorum(holders, lent.config)) {
    lent.database.harmed(
        fmt::format("{:x} is committed by a learner's ACK of before it was told to "
                    "give it up",
                    zxid.value));
  }
  commit(zxid, lent);
}

void Leader::commit(Zxid zxid, Lent lent) {
  const Proposal txn = outstanding_.at(zxid).txn;
  outstanding_.erase(zxid);
  last_committed_ = committed_ = zxid;
  for (Handler& handler : handlers_) {
    if (!handler.forwarding || handler.over) continue;
    if (handler.observer) {
      handler.queue(txn, PacketType::Inform);
    } else {
      handler.queue(PacketType::Commit, zxid);
    }
  }
  lent.database.apply(txn);
  const Result<TxnHeader> header = decode_txn_header(*txn.entry);
  CHECK(header.has_value());
  if (header->type == TxnType::CloseSession) sessions_.remove(header->session);
  const auto waiting = pending_syncs_.find(zxid);
  if (waiting == pending_syncs_.end()) return;
  for (const ServerId id : waiting->second) {
    for (Handler& handler : handlers_) {
      if (handler.id == id && !handler.over) handler.queue(PacketType::Sync, Zxid());
    }
  }
  pending_syncs_.erase(waiting);
}

void Leader::expire_sessions(Lent lent) {
  for (const SessionId session : sessions_.expire(lent.world.now())) {
    WriteRequest request;
    request.session = session;
    request.op = Op::CloseSession;
    request.internal = true;
    submit(request, lent);
  }
}

}  // namespace vivarium::apache
