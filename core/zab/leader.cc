#include "core/zab/leader.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/wire/client_messages.h"
#include "core/wire/peer_extension.h"
#include "core/zab/apply.h"
#include "core/zab/rules.h"

namespace vivarium {
namespace {

constexpr size_t kUnknownLearnersMax = 64;  // that have not said who they are
constexpr Duration kLineEvery = milliseconds(1000);
// Until a learner has said who it is: LearnerInfo has 20 bytes.
constexpr size_t kStrangerBytesMax = 1024;
// PINGs that a learner may leave unanswered while it sends other things.
constexpr size_t kPingsMax = 100'000;
// A learner further behind than this in what the network has taken from us is dropped (hazards L1).
constexpr uint64_t kLearnerUnsentBytesMax = uint64_t{256} << 20;

}  // namespace

Leader::Leader(Instant settled_at, Parts& parts)
    : quorum_(parts.configs.quorum()),
      self_(parts.config.id),
      since_(parts.world.now()),
      settled_at_(settled_at),
      rules_(write_rules(parts.config)) {
  const Instant now = parts.world.now();
  sessions_ = SessionTracker(parts.config.tick());
  phase_deadline_ = now + parts.config.tick() * parts.config.init_limit_ticks;
  next_ping_ = now + parts.config.tick() / 2;
  next_check_ = now + parts.config.tick();
  CHECK(parts.storage.last_logged() == parts.storage.last_durable());
  initial_last_ = parts.storage.last_logged();
  last_proposed_ = initial_last_;
  if (parts.config.standalone()) {
    epoch_ = initial_last_.epoch();
    own_epoch_acked_ = true;
    phase_ = Phase::NewLeader;
    return;
  }
  if (parts.storage.damage() != nullptr) refill_.emplace(*parts.storage.damage(), quorum_);
  choose_epoch(parts);
}

void Leader::over(std::string why) {
  if (over_.empty()) over_ = std::move(why);
}

// --- links

Leader::Peer* Leader::find_peer(LinkId link) {
  for (Peer& peer : peers_) {
    if (peer.link.id() == link && !peer.dropped) return &peer;
  }
  return nullptr;
}

bool Leader::step(const Event& event, Parts& parts) {
  if (const auto* accepted = std::get_if<LinkAccepted>(&event)) {
    if (accepted->door != Door::Quorum) return false;
    accept(*accepted, parts);
    return true;
  }
  if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
    Peer* peer = find_peer(bytes->link);
    if (peer == nullptr) return false;
    // Before ACKEPOCH bytes alone win no time: a packet must come.
    if (peer->stage >= Peer::Stage::Plan) peer->deadline = patience(*peer, parts);
    peer->link.receive(bytes->bytes);
    read_packets(*peer, parts);
    return true;
  }
  if (const auto* down = std::get_if<LinkDown>(&event)) {
    Peer* peer = find_peer(down->link);
    if (peer == nullptr) return false;
    end_snap(*peer, parts);
    peer->dropped = true;
    return true;
  }
  if (const auto* drained = std::get_if<LinkDrained>(&event)) {
    return find_peer(drained->link) != nullptr;
  }
  return false;
}

void Leader::accept(const LinkAccepted& event, Parts& parts) {
  const auto is_stranger = [](const Peer& p) { return !p.dropped && p.stage == Peer::Stage::Info; };
  // The oldest makes room: whoever is a learner says so at once.
  if (std::count_if(peers_.begin(), peers_.end(), is_stranger) >=
      static_cast<std::ptrdiff_t>(kUnknownLearnersMax)) {
    drop(*std::find_if(peers_.begin(), peers_.end(), is_stranger), "it does not say who it is",
         parts);
  }
  Peer peer;
  peer.link = QuorumLink(event.link, kStrangerBytesMax);
  peer.address = fmt::format("{}:{}", event.remote_address, event.remote_port);
  peer.accepted = parts.world.wall_now();
  peer.deadline = patience(peer, parts);
  peers_.push_back(std::move(peer));
}

Instant Leader::patience(const Peer& peer, const Parts& parts) const {
  const int64_t limit =
      peer.up_to_date ? parts.config.sync_limit_ticks : parts.config.init_limit_ticks;
  return parts.world.now() + parts.config.tick() * limit;
}

void Leader::drop(Peer& peer, std::string_view why, Parts& parts) {
  if (peer.dropped) return;
  if (peer.stage != Peer::Stage::Info) {
    parts.world.log(LogLevel::Warn, fmt::format("learner {} dropped: {}", peer.id.value, why));
  } else if (next_line_ <= parts.world.now()) {  // what strangers do must not fill the log
    next_line_ = parts.world.now() + kLineEvery;
    parts.world.log(LogLevel::Warn,
                    fmt::format("a connection to the quorum port dropped: {}", why));
  }
  parts.world.close(peer.link.id(), false);
  end_snap(peer, parts);
  peer.dropped = true;
}

void Leader::sweep_dropped() {
  peers_.erase(
      std::remove_if(peers_.begin(), peers_.end(), [](const Peer& p) { return p.dropped; }),
      peers_.end());
}

void Leader::leave(Parts& parts) {
  if (established()) parts.user.serving_stopped();
  for (Peer& peer : peers_) {
    end_snap(peer, parts);
    if (!peer.dropped) parts.world.close(peer.link.id(), false);
  }
  peers_.clear();
}

void Leader::read_packets(Peer& peer, Parts& parts) {
  while (!peer.dropped && over_.empty()) {
    QuorumPacket packet;
    size_t used = 0;
    switch (peer.link.peek(packet, used)) {
      case Decoded::NeedMore:
        return;
      case Decoded::Bad:
        return drop(peer, "bytes that are no packet", parts);
      case Decoded::Ok:
        on_packet(peer, packet, parts);
        peer.link.consume(used);
        break;
    }
  }
}

void Leader::on_packet(Peer& peer, const QuorumPacket& packet, Parts& parts) {
  using Stage = Peer::Stage;
  if (peer.asked && packet.type == kFillEntry) return on_fill_entry(peer, packet, parts);
  if (peer.asked && packet.type == kFillEnd) return on_fill_end(peer, packet, parts);
  switch (packet.type) {
    case PacketType::FollowerInfo:
    case PacketType::ObserverInfo:
      if (peer.stage != Stage::Info) break;
      return on_follower_info(peer, packet, parts);
    case PacketType::AckEpoch:
      if (peer.stage != Stage::AckEpoch) break;
      return on_ack_epoch(peer, packet, parts);
    case PacketType::Ack:
      if (peer.stage != Stage::NewLeader && peer.stage != Stage::Synced) break;
      return on_ack(peer, packet, parts);
    case PacketType::Ping:
      if (peer.stage != Stage::NewLeader && peer.stage != Stage::Synced) break;
      return on_ping(peer, packet, parts);
    case PacketType::Request:
      if (!peer.up_to_date) break;
      return on_request(peer, packet, parts);
    case PacketType::Revalidate:
      if (!peer.up_to_date) break;
      return on_revalidate(peer, packet, parts);
    case PacketType::Proposal:
    case PacketType::Commit:
    case PacketType::Sync:
    case PacketType::Inform:
    case PacketType::CommitAndActivate:
    case PacketType::NewLeader:
    case PacketType::UpToDate:
    case PacketType::Diff:
    case PacketType::Trunc:
    case PacketType::Snap:
    case PacketType::LeaderInfo:
    case PacketType::InformAndActivate:
      break;
  }
  drop(peer, fmt::format("packet {} out of place", static_cast<int>(packet.type)), parts);
}

bool Leader::is_synced_voter(ServerId id) const {
  return std::any_of(peers_.begin(), peers_.end(), [&](const Peer& p) {
    return p.voter && !p.dropped && p.id == id && p.stage == Peer::Stage::Synced;
  });
}

std::vector<Leader::LearnerFacts> Leader::learner_facts() const {
  std::vector<LearnerFacts> facts;
  for (const Peer& peer : peers_) {
    if (peer.dropped || peer.stage == Peer::Stage::Info) continue;
    facts.push_back({peer.id, peer.voter, peer.follower, peer.up_to_date, peer.address,
                     peer.accepted, peer.acked, peer.unsent, peer.ack_latency});
  }
  return facts;
}

// --- broadcast

void Leader::on_ack(Peer& peer, const QuorumPacket& packet, Parts& parts) {
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  if (zxid == Zxid(epoch_, 0)) {
    if (peer.stage == Peer::Stage::Synced) return;  // UPTODATE's
    if (peer.snap) return drop(peer, "ACK of a state that it was not sent", parts);
    // ACK-LD: everything sent before NEWLEADER is durable there.
    peer.stage = Peer::Stage::Synced;
    peer.acked = std::max(peer.newleader_sent, peer.early_ack);
    peer.snap_bytes = 0;
    peer.synced_at = parts.world.now();
    if (const auto extension = decode_peer_extension(packet.data)) peer.log = extension->log;
    remember(peer, parts);
    if (established()) {
      send_up_to_date(peer, parts);
      advance_commit(parts);
    } else {
      establish(parts);
    }
    return;
  }
  if (zxid > peer.sent) return drop(peer, "ACK of a txn that it was not sent", parts);
  if (peer.stage != Peer::Stage::Synced) {
    // Apache's followers acknowledge from another thread (ZOOKEEPER-4685): it counts with that of
    // NEWLEADER, which says that everything before it is durable.
    peer.early_ack = std::max(peer.early_ack, zxid);
    return;
  }
  if (zxid <= peer.acked) return;
  peer.acked = zxid;
  note_ack_latency(peer, parts);
  remember(peer, parts);
  advance_commit(parts);
}

void Leader::reset_statistics() {
  proposal_sizes_ = SizeStats();
  quorum_ack_latency_ = MetricSummary();
  for (Peer& peer : peers_) peer.ack_latency = MetricSummary();
}

// One proposal in half a tick is timed: who is slow is slow for that one too.
void Leader::note_ack_latency(Peer& peer, Parts& parts) {
  if (probe_ == Zxid() || peer.probed || peer.acked < probe_) return;
  peer.probed = true;
  peer.ack_latency.add((parts.world.now() - probe_at_).ms());
}

// What is counted is remembered, in the place of whatever this voter acknowledged before: it holds
// this history now.
void Leader::remember(const Peer& peer, Parts& parts) {
  if (!peer.voter) return;
  std::optional<Acknowledged> acknowledged;
  if (peer.log) acknowledged = Acknowledged{*peer.log, epoch_, peer.acked};
  parts.storage.remember(parts.world, peer.id, acknowledged);
}

void Leader::submit(const WriteRequest& request, Parts& parts) {
  CHECK(established());
  if (!over_.empty() || designated_) return;
  if (last_proposed_.counter() >= parts.config.counter_max - 1 && !parts.config.standalone()) {
    return over("the epoch's counter is used up");
  }
  const Zxid zxid = last_proposed_.next();
  if (request.op == Op::CreateSession) {
    JuteReader in(request.body);
    const int32_t timeout = in.i32();
    // A body that does not decode becomes an error txn, and changes nothing of a session that is
    // there.
    if (in.ok()) {
      sessions_.add(request.session, timeout, parts.world.now());
      sessions_.set_owner(request.session, request.owner);
    }
  }
  if (request.op == Op::Reconfig && parts.config.reconfig.enabled) {
    WriteRequest judged = request;
    judged.reconfig = judge(request, zxid, parts);
    return propose(zxid, judged, parts);
  }
  propose(zxid, request, parts);
}

void Leader::propose(Zxid zxid, const WriteRequest& request, Parts& parts) {
  std::string notice;
  SharedBytes entry = share(prepare(request, zxid, parts.world.wall_now(), parts.tree, pending_,
                                    sessions_, rules_, &notice));
  if (!notice.empty()) tell_of_quota(notice, parts);
  if (request.reconfig && request.reconfig->error == ErrorCode::Ok) {
    const Result<Txn> txn = decode_txn(*entry);
    CHECK(txn.has_value());
    if (txn->header.type == TxnType::Reconfig) {
      const bool noted = note_reconfig(*txn, parts);
      CHECK(noted);
      take_configs(parts);
    }
  }
  last_proposed_ = zxid;
  proposal_sizes_.add(static_cast<int64_t>(entry->size()));
  if (probe_ == Zxid()) {
    probe_ = zxid;
    probe_at_ = parts.world.now();
    probe_committed_ = false;
    for (Peer& peer : peers_) peer.probed = false;
  }
  parts.world.count("proposal_count", 1);
  for (Peer& peer : peers_) {
    if (!peer.follower || peer.dropped || peer.stage < Peer::Stage::NewLeader) continue;
    encode_packet(PacketType::Proposal, zxid.wire(), *entry, peer.link.out());
    peer.sent = zxid;
  }
  parts.storage.append(parts.world, zxid, std::move(entry));
}

// One line a second at most: what clients do must not fill the log.
void Leader::tell_of_quota(std::string_view line, Parts& parts) {
  const Instant now = parts.world.now();
  if (now < quota_silent_until_) return;
  quota_silent_until_ = now + milliseconds(1000);
  parts.world.log(LogLevel::Warn, line);
}

// The highest zxid that a quorum has durably, this server through the same fact as everybody else
// (hazards B7), learners through ACKs given under this epoch only (B3).
Zxid Leader::quorum_acked(const Parts& parts) const {
  // The highest zxid with a majority behind it is one of those reached.
  const auto behind = [&](Zxid zxid) {
    return quorum_.holds([&](ServerId id) { return reached_by(id, parts) >= zxid; });
  };
  Zxid best;
  for (const ServerId id : quorum_.voters()) {
    const Zxid reached = reached_by(id, parts);
    if (reached > best && behind(reached)) best = reached;
  }
  return best;
}

Zxid Leader::reached_by(ServerId id, const Parts& parts) const {
  if (id == self_) return parts.storage.last_durable();
  Zxid reached;
  for (const Peer& peer : peers_) {
    if (peer.voter && !peer.dropped && peer.id == id && peer.stage == Peer::Stage::Synced) {
      reached = peer.acked;
    }
  }
  return reached;
}

void Leader::advance_commit(Parts& parts) {
  if (!established()) return;
  while (last_proposed_ > committed_ && !designated_) {
    Zxid reached = std::min(quorum_acked(parts), last_proposed_);
    // Behind a change of the ensemble other quorums count.
    const Zxid change = parts.configs.last_seen().version;
    const bool changes = parts.configs.pending() && reached >= change;
    if (changes) reached = change;
    if (reached <= committed_ || reached <= initial_last_) break;
    std::optional<ServerId> leads;
    if (changes) leads = designate(change, parts);
    committed_ = reached;
    if (probe_ != Zxid() && !probe_committed_ && committed_ >= probe_) {
      probe_committed_ = true;
      quorum_ack_latency_.add((parts.world.now() - probe_at_).ms());
    }
    send_commits(commits_sent_, committed_, leads, parts);
    commits_sent_ = committed_;
    if (!changes) break;
    parts.configs.activate_pending();
    parts.save_configs();
    take_configs(parts);
    if (*leads != self_) hand_over(*leads, parts);
  }
}

void Leader::send_commits(Zxid from, Zxid to, std::optional<ServerId> leads, Parts& parts) {
  const History& history = parts.storage.history();
  for (size_t i = history.upper_bound(from); i < history.size() && history[i].zxid <= to; ++i) {
    parts.world.count("commit_count", 1);
    send_commit(history[i], history[i].zxid == to ? leads : std::nullopt);
  }
}

// In slices, step by step, should there be many.
void Leader::apply(Parts& parts) {
  if (!established()) return;
  const auto told = [&](const Effects& effects) {
    pending_.forget(effects.header.zxid);
    if (effects.header.type == TxnType::CloseSession) sessions_.remove(effects.header.session);
    parts.user.applied(effects);
  };
  const bool more = apply_committed(committed_, parts.config.step_txns_max, parts, effects_, told);
  apply_again_ = more ? parts.world.now() : Instant::never();
  release_syncs(parts);
}

bool Leader::waits_for_epoch_too_long(const Parts& parts) const {
  const int64_t limit = parts.config.epoch_wait_ms;
  return phase_ == Phase::Promise && limit >= 0 && parts.world.now() - since_ > milliseconds(limit);
}

uint64_t Leader::outstanding(const Parts& parts) const {
  const History& history = parts.storage.history();
  return history.size() - history.upper_bound(committed_);
}

void Leader::advance(Parts& parts) {
  if (!over_.empty()) return;
  sweep_dropped();
  advance_refill(parts);
  choose_epoch(parts);
  announce_epoch(parts);
  begin_new_leader(parts);
  establish(parts);
  advance_commit(parts);
  apply(parts);
  watch_hand_over(parts);
  if (phase_ >= Phase::NewLeader) {
    for (Peer& peer : peers_) synchronise(peer, parts);
  }
}

// --- sync, pings, sessions

void Leader::on_ping(Peer& peer, const QuorumPacket& packet, Parts& parts) {
  if (!peer.pings.empty()) {
    peer.confirmed_round = peer.pings.front();
    peer.pings.pop_front();
  }
  const std::optional<std::vector<SessionTouch>> touches = decode_touches(packet.data);
  if (!touches) return drop(peer, "touch table does not decode", parts);
  for (const SessionTouch& t : *touches)
    sessions_.touch(t.session, t.timeout_ms, parts.world.now());
  release_syncs(parts);
}

void Leader::on_request(Peer& peer, const QuorumPacket& packet, Parts& parts) {
  const std::optional<ForwardedRequest> request = decode_forwarded_request(packet.data);
  if (!request) return drop(peer, "REQUEST does not decode", parts);
  if (request->op == Op::Sync) return queue_sync(peer.link.id(), 0);
  WriteRequest write;
  write.session = request->session;
  write.cxid = request->cxid;
  write.op = request->op;
  write.body = request->body;
  write.auth = packet.auth;
  write.owner = peer.id;
  write.local = parts.config.local_sessions && packet.zxid == kLocalSessionZxid;
  submit(write, parts);
}

void Leader::on_revalidate(Peer& peer, const QuorumPacket& packet, Parts& parts) {
  const std::optional<SessionTouch> asked = decode_revalidate(packet.data);
  if (!asked) return drop(peer, "REVALIDATE does not decode", parts);
  parts.world.count("revalidate_count", 1);
  const bool valid = sessions_.touch(asked->session, asked->timeout_ms, parts.world.now());
  if (valid) sessions_.set_owner(asked->session, peer.id);
  Bytes data;
  JuteWriter out(data);
  out.i64(asked->session.value);
  out.boolean(valid);
  // Apache says -1 here, and reads nothing: ours tells observers too what was proposed before.
  encode_packet(PacketType::Revalidate, last_proposed_.wire(), data, peer.link.out());
}

void Leader::sync(uint64_t ticket) { queue_sync(LinkId{}, ticket); }

// A barrier needs proof that this server still leads: a PING sent after the request arrived,
// answered by a majority (RULES 15, hazards V1).
void Leader::queue_sync(LinkId link, uint64_t ticket) {
  PendingSync sync;
  sync.link = link;
  sync.ticket = ticket;
  sync.barrier = last_proposed_.counter() == 0 ? committed_ : last_proposed_;
  sync.round = round_ + 1;
  round_wanted_ = true;
  syncs_.push_back(sync);
}

void Leader::release_syncs(Parts& parts) {
  while (!syncs_.empty()) {
    const PendingSync& sync = syncs_.front();
    const auto confirmed = [&](ServerId id) {
      if (id == self_) return true;
      return std::any_of(peers_.begin(), peers_.end(), [&](const Peer& p) {
        return p.voter && !p.dropped && p.id == id && p.stage == Peer::Stage::Synced &&
               p.confirmed_round >= sync.round;
      });
    };
    const bool alone = quorum_.voters().size() == 1;
    if (!alone && !quorum_.holds(confirmed)) return;
    if (sync.barrier > committed_) return;
    if (!sync.link.valid()) {
      if (parts.tree.last_applied() < sync.barrier) return;
      const uint64_t ticket = sync.ticket;
      syncs_.pop_front();
      parts.user.synced(ticket);
      continue;
    }
    Peer* peer = find_peer(sync.link);
    if (peer != nullptr) encode_packet(PacketType::Sync, 0, peer->link.out());
    syncs_.pop_front();
  }
}

void Leader::send_pings(Parts& parts) {
  ++round_;
  round_wanted_ = false;
  for (Peer& peer : peers_) {
    if (peer.dropped || peer.stage < Peer::Stage::NewLeader) continue;
    encode_packet(PacketType::Ping, last_proposed_.wire(), peer.link.out());
    if (peer.up_to_date) peer.pings.push_back(round_);  // before UPTODATE nobody answers
  }
  (void)parts;
}

void Leader::revalidate(SessionId session, int32_t timeout_ms, Parts& parts) {
  const bool valid = sessions_.touch(session, timeout_ms, parts.world.now());
  if (valid) sessions_.set_owner(session, self_);
  parts.user.revalidated(session, valid, last_proposed_);
}

bool Leader::touch(SessionId session, int32_t timeout_ms, Parts& parts) {
  return sessions_.touch(session, timeout_ms, parts.world.now());
}

void Leader::expire_sessions(Parts& parts) {
  if (!established()) return;
  if (sessions_.next_deadline() <= parts.world.now()) {
    const std::vector<SessionId> due = sessions_.expire(parts.world.now());
    expired_.insert(expired_.end(), due.begin(), due.end());
  }
  for (size_t n = 0; n < parts.config.step_txns_max && !expired_.empty(); ++n) {
    parts.world.count("stale_sessions_expired", 1);
    close_session(expired_.front(), parts);
    expired_.pop_front();
  }
  expire_again_ = expired_.empty() ? Instant::never() : parts.world.now();
}

void Leader::close_session(SessionId session, Parts& parts) {
  WriteRequest close;
  close.session = session;
  close.op = Op::CloseSession;
  close.owner = self_;
  close.internal = true;
  submit(close, parts);
}

void Leader::close_orphans(Parts& parts) {
  constexpr size_t kAtOnceMax = 64;
  const Instant now = parts.world.now();
  for (size_t n = 0; n < kAtOnceMax && established() && orphans_.deadline() <= now; ++n) {
    const std::optional<SessionId> session = orphans_.next(now, parts.tree, sessions_);
    if (!session) continue;
    parts.world.log(
        LogLevel::Warn,
        fmt::format("session 0x{:x} does not exist and has ephemerals: it is closed for them",
                    session->value));
    close_session(*session, parts);
  }
}

void Leader::reap(Parts& parts) {
  // As many in one turn as there may be without a pause, but bounded.
  constexpr size_t kAtOnceMax = 64;
  const Instant now = parts.world.now();
  for (size_t n = 0; n < kAtOnceMax && established() && reaper_.deadline() <= now; ++n) {
    const std::optional<std::string> path =
        reaper_.next(now, parts.world.wall_now(), parts.tree, parts.config);
    if (!path) continue;
    Bytes body;
    encode(PathRequest{*path}, body);
    WriteRequest removal;
    removal.op = Op::DeleteContainer;
    removal.body = body;
    removal.owner = self_;
    removal.internal = true;
    submit(removal, parts);
  }
}

// --- time

void Leader::tell_of_stuck_log(Parts& parts) {
  constexpr Duration kBetweenLines = milliseconds(10'000);
  const Instant now = parts.world.now();
  // Of a disk without room the log tells itself.
  if (parts.storage.no_room_since() != Instant::never() || now < stuck_silent_until_) return;
  stuck_silent_until_ = now + kBetweenLines;
  const Instant since = std::min(parts.storage.waiting_since(), samples_.front().at);
  parts.world.log(LogLevel::Error,
                  fmt::format("the log of this server is stuck: writes have waited for {} s",
                              (now - since).ms() / 1000));
}

void Leader::check_liveness(Parts& parts) {
  const Instant now = parts.world.now();
  const Duration sync_limit = parts.config.tick() * parts.config.sync_limit_ticks;
  Zxid must_have;
  while (samples_.size() > 1 && samples_[1].at + sync_limit <= now) samples_.pop_front();
  if (!samples_.empty() && samples_.front().at + sync_limit <= now) {
    must_have = samples_.front().proposed;
  }
  samples_.push_back({now, last_proposed_});
  if (established() && must_have.counter() != 0 && parts.storage.last_durable() < must_have) {
    if (!parts.config.standalone()) return over("the log of this server is stuck");
    // Nobody could do better: reads go on, and so do writes when the disk does.
    tell_of_stuck_log(parts);
  }
  for (Peer& peer : peers_) {
    if (peer.dropped) continue;
    const uint64_t unsent = parts.world.unsent(peer.link.id());
    // While it takes in a SNAP a learner says nothing.
    if (peer.snap_bytes != 0 && unsent < peer.unsent) peer.deadline = patience(peer, parts);
    peer.unsent = unsent;
    if (peer.deadline <= now) {
      drop(peer, "silent", parts);
    } else if (peer.pings.size() > kPingsMax) {
      drop(peer, "it answers no PING", parts);
    } else if (peer.voter && peer.stage == Peer::Stage::Synced && must_have.counter() != 0 &&
               peer.acked < must_have && peer.synced_at + sync_limit <= now) {
      drop(peer, "it acknowledges nothing", parts);
    } else if (unsent + peer.link.out().size() > kLearnerUnsentBytesMax + peer.snap_bytes) {
      drop(peer, "too slow", parts);
    }
  }
  if (!established() || parts.config.standalone()) return;
  const auto alive = [&](ServerId id) { return id == self_ || is_synced_voter(id); };
  if (!quorum_.holds(alive)) over("no quorum of followers");
}

Instant Leader::deadline() const {
  if (!over_.empty()) return Instant::never();
  Instant at = std::min({next_ping_, next_check_, leave_at_, apply_again_, expire_again_});
  for (const Peer& peer : peers_) {
    if (peer.snap && !peer.dropped) at = std::min(at, peer.snap->deadline());
  }
  if (!established()) at = std::min(at, phase_deadline_);
  if (established())
    at = std::min({at, sessions_.next_deadline(), reaper_.deadline(), orphans_.deadline()});
  return at;
}

void Leader::on_deadline(Parts& parts) {
  const Instant now = parts.world.now();
  if (!established() && phase_deadline_ <= now) {
    if (filling() && !refilled_) return stand_down(parts);
    return over("no quorum followed within initLimit");
  }
  if (next_ping_ <= now) {
    next_ping_ = now + parts.config.tick() / 2;
    send_pings(parts);
  }
  if (next_check_ <= now) {
    next_check_ = now + parts.config.tick() / 2;
    if (probe_committed_) probe_ = Zxid();
    check_liveness(parts);
  }
}

void Leader::end_turn(Parts& parts) {
  // After all input of the turn, so that nobody expires whose touch was waiting to be read (RULES
  // 16).
  if (over_.empty()) expire_sessions(parts);
  if (over_.empty()) close_orphans(parts);
  if (over_.empty()) reap(parts);
  if (round_wanted_) send_pings(parts);
  for (Peer& peer : peers_) {
    if (peer.dropped) continue;
    peer.link.replenish(parts.world, true);
    advance_snap(peer, parts);
    if (!peer.snap && !peer.dropped) peer.link.flush(parts.world);
  }
}

}  // namespace vivarium
