#include "core/zab/learner.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/wire/peer_extension.h"
#include "core/zab/apply.h"
#include "core/zab/refill.h"

namespace vivarium {
namespace {

// A leader that does not listen yet is tried for as long as ZooKeeper's learners try it: five times
// with leaderConnectDelayDuringRetryMs between. Mostly it lags behind by a message, so that the
// first pauses are short.
constexpr int kConnectAttemptsMin = 5;
constexpr Duration kConnectPauseMin = milliseconds(2);
constexpr int kConnectPausesDoubled = 16;
// Ids of servers aside: above every id of a configuration, so that nobody counts them (RULES 10).
constexpr int64_t kAsideIdBase = int64_t{1} << 40;

Bytes epoch_bytes(int32_t epoch) {
  Bytes data;
  JuteWriter(data).i32(epoch);
  return data;
}

ByteView behind_i32(ByteView data) { return data.subspan(std::min<size_t>(data.size(), 4)); }

}  // namespace

Learner::Learner(ServerId leader, const Manner& manner, Parts& parts)
    : leader_(leader), manner_(manner) {
  give_up_ = connecting_until(parts);
  read_deadline_ = give_up_;
  connect(parts);
}

void Learner::over(std::string why) {
  if (over_.empty()) over_ = std::move(why);
}

// --- the link

void Learner::connect(Parts& parts) {
  const Member* member = parts.configs.find(leader_);
  if (member == nullptr) return over("the leader is no member any more");
  address_ = member->quorum;
  ++attempts_;
  retry_at_ = Instant::never();
  phase_ = Phase::Connecting;
  // Whatever the leader's jute.maxbuffer, and that of leaders before it.
  link_ = QuorumLink(parts.world.connect(member->quorum), kRecordBytesMax);
  linked_ = true;
}

bool Learner::step(const Event& event, Parts& parts) {
  if (const auto* up = std::get_if<LinkUp>(&event)) {
    if (!linked_ || up->link != link_.id()) return false;
    on_link_up(parts);
  } else if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
    if (!linked_ || bytes->link != link_.id()) return false;
    read_deadline_ = patience(parts);
    link_.receive(bytes->bytes);
    read_packets(parts);
  } else if (const auto* down = std::get_if<LinkDown>(&event)) {
    if (!linked_ || down->link != link_.id()) return false;
    on_link_down(parts);
  } else if (const auto* drained = std::get_if<LinkDrained>(&event)) {
    return linked_ && drained->link == link_.id();
  } else {
    return false;
  }
  return true;
}

Instant Learner::patience(const Parts& parts) const {
  const int64_t limit =
      phase_ < Phase::Broadcast ? parts.config.init_limit_ticks : parts.config.sync_limit_ticks;
  return parts.world.now() + parts.config.tick() * limit;
}

Instant Learner::connecting_until(const Parts& parts) {
  const Config& config = parts.config;
  const int64_t ticks =
      config.connect_limit_ticks > 0 ? config.connect_limit_ticks : config.init_limit_ticks;
  return parts.world.now() + config.tick() * ticks;
}

void Learner::on_link_up(Parts& parts) {
  if (phase_ != Phase::Connecting) return;
  phase_ = Phase::Discovery;
  read_deadline_ = patience(parts);
  // CEPOCH. A server aside has forgotten what it promised and promises nothing; nor does a shadow,
  // whose epoch must not move that of an ensemble which does not know it.
  LearnerInfo info;
  info.id = parts.config.id;
  if (parts.configs.enabled()) info.config_version = parts.configs.active().version.wire();
  if (manner_.aside) info.id = ServerId{kAsideIdBase + parts.config.id.value};
  Bytes extension;
  encode(PeerExtension{}, extension);
  info.extension = extension;
  Bytes data;
  encode(info, data);
  const bool promises = !manner_.aside && !parts.config.shadow;
  const Epoch accepted = promises ? parts.storage.accepted_epoch() : 0;
  const bool observer = manner_.observer || manner_.aside;
  encode_packet(observer ? PacketType::ObserverInfo : PacketType::FollowerInfo,
                Zxid{accepted, 0}.wire(), data, link_.out());
}

void Learner::on_link_down(Parts& parts) {
  linked_ = false;
  if (sought_) parts.storage.stop_search(parts.world);
  sought_.reset();
  if (phase_ > Phase::Discovery) return over("the leader closed the connection");
  retry_connecting(parts);
}

// The elected leader may not be listening yet.
void Learner::retry_connecting(Parts& parts) {
  const Instant now = parts.world.now();
  if (attempts_ == 1) first_refusal_ = now;
  const Duration pause_max = milliseconds(parts.config.connect_pause_ms);
  const int doubled = std::min(attempts_ - 1, kConnectPausesDoubled);
  const Duration pause = std::min(pause_max, kConnectPauseMin * (int64_t{1} << doubled));
  const Instant until = first_refusal_ + pause_max * (kConnectAttemptsMin - 1);
  if (attempts_ >= kConnectAttemptsMin && now + pause > until) {
    return over("the leader cannot be reached");
  }
  phase_ = Phase::Connecting;
  retry_at_ = now + pause;
}

Instant Learner::deadline() const {
  if (!over_.empty()) return Instant::never();
  const Instant silent = phase_ == Phase::Connecting ? give_up_ : read_deadline_;
  return std::min({retry_at_, silent, apply_again_});
}

void Learner::on_deadline(Parts& parts) {
  const Instant now = parts.world.now();
  if (retry_at_ <= now) return connect(parts);
  if (phase_ == Phase::Connecting && give_up_ <= now) return over("the leader cannot be reached");
  if (phase_ == Phase::Connecting || read_deadline_ > now) return;
  // Nobody is silent whom this server does not read because its own disk is busy.
  if (!may_read(parts)) {
    read_deadline_ = patience(parts);
    return;
  }
  left_silent_ = true;
  over("the leader is silent");
}

void Learner::leave(Parts& parts) {
  delivers_ = false;
  if (serving_) {
    serving_ = false;
    parts.user.serving_stopped();
  }
  if (linked_) {
    parts.world.close(link_.id(), false);
    linked_ = false;
  }
  if (sought_) parts.storage.stop_search(parts.world);
  sought_.reset();
  if (phase_ == Phase::Receiving) {
    parts.storage.abort_install(parts.world);
    install_.reset();
  }
}

std::optional<Learner::Install> Learner::take_install() {
  std::optional<Install> taken = std::move(install_);
  install_.reset();
  return taken;
}

void Learner::end_turn(Parts& parts) {
  if (!linked_) return;
  outbox_.release(parts.storage, link_.out());
  link_.replenish(parts.world, may_read(parts));
  link_.flush(parts.world);
}

// --- packets

bool Learner::may_read(const Parts& parts) const {
  return !sought_ && phase_ != Phase::Truncating && phase_ != Phase::Installing &&
         !parts.storage.busy() && parts.storage.unsynced_bytes() <= kUnsyncedBytesMax &&
         over_.empty();
}

void Learner::read_packets(Parts& parts) {
  while (linked_ && may_read(parts)) {
    if (phase_ == Phase::Receiving) {
      const size_t before = link_.front().size();
      on_snap_bytes(parts);
      if (phase_ == Phase::Receiving && link_.front().size() == before) return;
      continue;
    }
    QuorumPacket packet;
    size_t used = 0;
    switch (link_.peek(packet, used)) {
      case Decoded::NeedMore:
        return;
      case Decoded::Bad:
        return over("the leader sent bytes that are no packet");
      case Decoded::Ok:
        on_packet(packet, parts);
        if (linked_) link_.consume(used);
        break;
    }
  }
}

// Whether the leader may send it in the present phase.
bool Learner::expects(PacketType type, const Parts& parts) const {
  const bool has_a_say = !manner_.aside && !manner_.observer;
  if (type == kFillAsk) return phase_ == Phase::Discovery && has_a_say;
  const bool syncing = phase_ == Phase::Syncing;
  const bool following = syncing || phase_ == Phase::Acking || phase_ == Phase::Broadcast;
  switch (type) {
    case PacketType::LeaderInfo:
      return phase_ == Phase::Discovery;
    case PacketType::Diff:
    case PacketType::Trunc:
    case PacketType::Snap:
      return phase_ == Phase::Deciding;
    case PacketType::Proposal:
    case PacketType::Commit:
    case PacketType::Ping:
      return following;
    case PacketType::Inform:
      return following && !has_a_say;
    case PacketType::CommitAndActivate:
    case PacketType::InformAndActivate:
      return following && parts.configs.enabled();
    case PacketType::NewLeader:
      return syncing;
    case PacketType::UpToDate:
      return phase_ == Phase::Acking && newleader_acked(parts);
    case PacketType::Revalidate:
    case PacketType::Sync:
      return phase_ == Phase::Broadcast;
    case PacketType::Request:
    case PacketType::Ack:
    case PacketType::FollowerInfo:
    case PacketType::ObserverInfo:
    case PacketType::AckEpoch:
      return false;
  }
  return false;
}

void Learner::on_packet(const QuorumPacket& packet, Parts& parts) {
  const PacketType type = packet.type;
  if (type == PacketType::Proposal) parts.world.count("learner_proposal_received_count", 1);
  if (type == PacketType::Commit) parts.world.count("learner_commit_received_count", 1);
  if (!expects(type, parts)) {
    return over(fmt::format("the leader sent packet {} out of place", static_cast<int>(type)));
  }
  if (type == kFillAsk) return on_fill_ask(packet, parts);
  switch (type) {
    case PacketType::LeaderInfo:
      return on_leader_info(packet, parts);
    case PacketType::Diff:
      return on_diff(packet);
    case PacketType::Trunc:
      return on_trunc(packet, parts);
    case PacketType::Snap:
      return on_snap(packet, parts);
    case PacketType::Proposal:
      return on_proposal(packet, parts);
    case PacketType::Commit:
      return on_commit(packet, parts);
    case PacketType::Inform:
      return on_inform(packet, parts);
    case PacketType::CommitAndActivate:
    case PacketType::InformAndActivate:
      return on_activate(packet, parts);
    case PacketType::NewLeader:
      return on_new_leader(packet, parts);
    case PacketType::UpToDate:
      return on_up_to_date(parts);
    case PacketType::Ping:
      // As Apache's learner: no answer before UPTODATE. Its leader takes anything but the ACK of
      // NEWLEADER for an error.
      if (phase_ == Phase::Broadcast) on_ping(packet, parts);
      return;
    case PacketType::Revalidate:
      return on_revalidate(packet, parts);
    case PacketType::Sync:
      return on_sync();
    case PacketType::Request:
    case PacketType::Ack:
    case PacketType::FollowerInfo:
    case PacketType::ObserverInfo:
    case PacketType::AckEpoch:
      return;  // never expected
  }
}

bool Learner::newleader_acked(const Parts& parts) const {
  return parts.storage.current_epoch() >= epoch_ && parts.storage.last_durable() >= history_end_;
}

// --- discovery

// The elected leader lacks txns that it once had (RULES 9).
void Learner::on_fill_ask(const QuorumPacket& packet, Parts& parts) {
  const std::optional<ZxidRange> range = decode_fill_ask(packet);
  if (!range) return over("the leader asks for txns in a way that does not decode");
  const History& history = parts.storage.history();
  const FillAnswer known = answer_fill(*range, history, parts.storage.damage());
  const bool older = known.rest == FillRest::Unknown && range->after < history.base();
  if (!older || !known.entries.empty() || parts.storage.busy()) {
    return answer(*range, known.entries, known.rest);
  }
  // Nothing more is read of the leader meanwhile: his questions are answered in their order, and
  // the files stay as they are.
  sought_ = range;
  parts.storage.search_log(parts.world, *range);
}

void Learner::answer(ZxidRange range, const std::vector<History::Item>& entries, FillRest rest) {
  for (const History::Item& item : entries) {
    encode_packet(kFillEntry, item.zxid.wire(), *item.entry, link_.out());
  }
  encode(FillEnd{range, rest}, link_.out());
}

void Learner::finish_search(Parts& parts) {
  if (parts.storage.searching()) return;
  const LogSearch::Found found = parts.storage.take_found();
  answer(*sought_, found.entries, found.rest);
  sought_.reset();
}

// NEWEPOCH: promise the epoch durably, then ACK-E with what recovery would find.
void Learner::on_leader_info(const QuorumPacket& packet, Parts& parts) {
  sync_began_ = parts.world.now();
  epoch_ = Zxid::from_wire(packet.zxid).epoch();
  if (epoch_ == 0 || epoch_ >= kEpochEnd) return over("an epoch beyond all reason");
  const bool no_claim = claims_nothing();
  const int64_t last = no_claim ? kNoZxidWire : parts.storage.claimed().wire();
  const std::optional<PeerExtension> its = decode_peer_extension(behind_i32(packet.data));
  leader_is_ours_ = its.has_value();
  if (its) hear_config(its->config, parts);
  if (manner_.damaged && !leader_is_ours_) {
    return over("the leader is none that could fill what is damaged here");
  }
  CHECK(parts.storage.last_logged() == parts.storage.last_durable());
  phase_ = Phase::Deciding;
  if (manner_.aside) {
    encode_packet(PacketType::AckEpoch, last, epoch_bytes(-1), link_.out());
    return;
  }
  const Epoch accepted = parts.storage.accepted_epoch();
  if (epoch_ < accepted) return over("the leader's epoch is below one promised here");
  // Promised before, perhaps to another: this answer must not be counted again.
  const bool counts = epoch_ != accepted && !no_claim && !parts.config.shadow;
  Bytes data = epoch_bytes(counts ? static_cast<int32_t>(parts.storage.current_epoch()) : -1);
  if (manner_.damaged) {
    // The claim counts, but it is no place to go on from.
    PeerExtension extension;
    extension.damaged = true;
    for (const Fault& fault : parts.storage.damage()->faults) {
      extension.faults.push_back(fault.range);
    }
    encode(extension, data);
  }
  parts.storage.save_accepted_epoch(parts.world, epoch_);
  outbox_.when_accepted(epoch_, PacketType::AckEpoch, last, std::move(data));
}

// --- synchronisation

void Learner::on_diff(const QuorumPacket& packet) {
  if (only_snap()) return over("the leader sent DIFF where only SNAP can be");
  committed_ = Zxid::from_wire(packet.zxid);
  synced_by_ = "DIFF";
  phase_ = Phase::Syncing;
}

void Learner::on_trunc(const QuorumPacket& packet, Parts& parts) {
  if (only_snap()) return over("the leader sent TRUNC where only SNAP can be");
  keep_ = Zxid::from_wire(packet.zxid);
  committed_ = keep_;
  if (keep_ > parts.storage.last_logged()) return over("TRUNC to a zxid that is not in the log");
  synced_by_ = "TRUNC";
  phase_ = Phase::Truncating;
  if (keep_ < parts.storage.last_logged()) {
    reread_ = true;
    parts.storage.truncate(parts.world, keep_, parts.tree);
  }
}

void Learner::finish_truncation(Parts& parts) {
  if (parts.storage.busy()) return;
  if (std::exchange(reread_, false)) parts.digests.replaced(parts.storage.vouched());
  if (parts.storage.recovered().untrue) {
    needs_snap_ = true;
    return over("the tree here is not the ensemble's");
  }
  if (parts.storage.last_logged() != keep_ || parts.tree.last_applied() > keep_) {
    // Asked for on a new connection to the same leader: it has this server's promise and its quorum
    // by now, and would lose both if this server went back to look for a leader.
    parts.world.log(LogLevel::Warn,
                    "TRUNC cannot be carried out from the snapshots here: SNAP wanted");
    needs_snap_ = manner_.force_snap = true;
    if (linked_) parts.world.close(link_.id(), false);
    linked_ = false;
    attempts_ = 0;
    give_up_ = connecting_until(parts);
    return connect(parts);
  }
  settle_config(parts);
  phase_ = Phase::Syncing;
  read_packets(parts);
}

// The tree is what the log here holds, and a change that is not in it any more is no longer
// pending.
void Learner::settle_config(Parts& parts) {
  parts.configs.rebase(parts.tree);
  if (parts.configs.enabled()) parts.save_configs();
}

// What a leader knows to be committed is so. It matters before a SNAP, which shows only its last
// change and not whether that one is: what was before has to be on disk by the ACK of NEWLEADER.
void Learner::hear_config(std::string_view text, Parts& parts) {
  if (!parts.configs.enabled() || text.empty()) return;
  Result<Membership> membership = parse_membership(text);
  if (!membership) return over("the leader's configuration makes no sense");
  parts.configs.activate(std::move(*membership));
  parts.save_configs();
}

void Learner::on_snap(const QuorumPacket& packet, Parts& parts) {
  if (Zxid::from_wire(packet.zxid).epoch() > epoch_) return over("SNAP of a later epoch");
  phase_ = Phase::Receiving;
  install_.emplace();
  install_->zxid = Zxid::from_wire(packet.zxid);
  install_->tree.clear();
  body_reader_ = SnapshotBodyReader{};
  body_done_ = false;
  committed_ = snapped_ = install_->zxid;
  synced_by_ = "SNAP";
  parts.storage.begin_install(parts.world, install_->zxid);
}

void Learner::on_snap_bytes(Parts& parts) {
  if (!body_done_) {
    size_t used = 0;
    const Decoded state = body_reader_.feed(link_.front(), install_->tree, used);
    if (state == Decoded::Bad) return over("bad SNAP: " + body_reader_.error());
    parts.storage.install_bytes(parts.world, link_.front().first(used));
    link_.consume(used);
    body_done_ = state == Decoded::Ok;
    if (!body_done_) return;
  }
  JuteReader tail(link_.front());
  const std::string_view signature = tail.string();
  if (link_.front().size() < 4 + kSnapSignature.size()) return;
  if (!tail.ok() || signature != kSnapSignature) return over("bad SNAP: no signature");
  if (install_->tree.find("/") == DataTree::kNone) return over("bad SNAP: no root");
  link_.consume(tail.position());
  install_->tree.set_last_applied(install_->zxid);
  phase_ = Phase::Installing;
  install_->exact = leader_is_ours_;
  parts.storage.finish_install(parts.world, install_->tree, install_->exact);
}

void Learner::finish_install(Parts& parts) {
  if (parts.storage.busy() || parts.storage.installing()) return;
  if (parts.storage.install_failed()) {
    install_.reset();
    return over("the SNAP could not be written");
  }
  parts.tree = std::move(install_->tree);
  parts.digests.replaced(install_->exact);
  install_.reset();
  settle_config(parts);
  phase_ = Phase::Syncing;
  read_packets(parts);
}

// Apache's leader begins to queue what it commits before it says how far its SNAP goes: txns of
// both come again. They are in the state, and nowhere here.
bool Learner::in_snap(const QuorumPacket& packet) const {
  return phase_ != Phase::Broadcast && Zxid::from_wire(packet.zxid) <= snapped_;
}

bool Learner::append(const QuorumPacket& packet, Parts& parts) {
  const Result<Txn> txn = decode_txn(packet.data);
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  if (!txn || txn->header.zxid != zxid) {
    over("the leader proposed something that is no txn");
    return false;
  }
  if (phase_ == Phase::Broadcast) {
    const int64_t ms = parts.world.wall_now().ms - txn->header.time.ms;
    parts.world.sample("proposal_latency", ms);
  }
  if (zxid.epoch() > epoch_) {
    over("the leader proposed a txn of a later epoch");
    return false;
  }
  const Storage& storage = parts.storage;
  if (zxid <= storage.last_logged()) {
    // Sent again: the same bytes are nothing new, others would bind one zxid twice.
    const History& history = storage.history();
    const size_t i = history.upper_bound(zxid);
    const bool same = i > 0 && history[i - 1].zxid == zxid &&
                      std::equal(packet.data.begin(), packet.data.end(),
                                 history[i - 1].entry->begin(), history[i - 1].entry->end());
    if (!same) over("the leader proposed another txn under a zxid of this log");
    return same;
  }
  if (!zxid.follows(storage.last_logged())) {
    needs_snap_ = true;  // RULES 13
    over(fmt::format("gap: {:x} proposed after {:x}", zxid.value, storage.last_logged().value));
    return false;
  }
  if (txn->header.type == TxnType::Reconfig && !note_reconfig(*txn, parts)) {
    over("the leader proposed a configuration that makes no sense");
    return false;
  }
  parts.storage.append(parts.world, zxid, share(Bytes(packet.data.begin(), packet.data.end())));
  return true;
}

void Learner::on_proposal(const QuorumPacket& packet, Parts& parts) {
  if (in_snap(packet)) return;
  if (!append(packet, parts)) return;
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  if (manner_.observer || manner_.aside) return;
  if (phase_ == Phase::Syncing) {
    unacked_.push_back(zxid);
  } else {
    outbox_.when_logged(zxid, PacketType::Ack, zxid.wire());
  }
}

// A commit names a txn of this log, and after the synchronisation always the next one.
void Learner::commit_to(Zxid zxid, Parts& parts) {
  if (zxid <= committed_) {
    if (phase_ == Phase::Broadcast) over("the leader committed a txn twice");
    return;
  }
  const History& history = parts.storage.history();
  // A tail that recovery applied may have left the history before its commit comes.
  if (zxid <= history.base()) {
    committed_ = zxid;
    return;
  }
  const size_t next = history.upper_bound(committed_);
  const bool known = next < history.size() && history.contains(zxid);
  if (!known || (phase_ == Phase::Broadcast && history[next].zxid != zxid)) {
    return over(
        fmt::format("COMMIT {:x} after {:x} does not fit this log", zxid.value, committed_.value));
  }
  committed_ = zxid;
}

void Learner::on_commit(const QuorumPacket& packet, Parts& parts) {
  commit_to(Zxid::from_wire(packet.zxid), parts);
}

void Learner::on_inform(const QuorumPacket& packet, Parts& parts) {
  if (in_snap(packet)) return;
  if (append(packet, parts)) commit_to(Zxid::from_wire(packet.zxid), parts);
}

// A change of the ensemble is committed; the packet says who leads in it. What it means for this
// server, Zab decides, with one rule for all ways in which a change becomes known (hazards X1).
void Learner::on_activate(const QuorumPacket& packet, Parts& parts) {
  JuteReader in(packet.data);
  const ServerId designated{in.i64()};
  if (!in.ok()) return over("the leader names no leader");
  if (packet.type == PacketType::CommitAndActivate) {
    on_commit(packet, parts);
  } else {
    QuorumPacket inform = packet;
    inform.data = packet.data.subspan(in.position());
    on_inform(inform, parts);
  }
  if (designated != leader_) designated_ = designated;
}

// NEWLEADER: history durable, then currentEpoch, then ACK-LD, then the ACKs of proposals; storage
// and outbox keep that order.
void Learner::on_new_leader(const QuorumPacket& packet, Parts& parts) {
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  if (zxid != Zxid(epoch_, 0)) return over("NEWLEADER of another epoch");
  phase_ = Phase::Acking;
  if (parts.configs.enabled() && !packet.data.empty()) {
    Result<Membership> membership = parse_membership(as_text(packet.data));
    if (!membership) return over("the leader's configuration makes no sense");
    announced_ = std::move(*membership);
  }
  history_end_ = parts.storage.last_logged();
  parts.storage.save_accepted_epoch(parts.world, epoch_);
  parts.storage.save_current_epoch(parts.world, epoch_);
  Bytes which_log;
  if (leader_is_ours_) {
    PeerExtension extension;
    extension.log = parts.storage.log_id();
    encode(extension, which_log);
  }
  outbox_.when_current(epoch_, history_end_, PacketType::Ack, zxid.wire(), std::move(which_log));
  for (const Zxid proposal : unacked_) {
    if (proposal > committed_) outbox_.when_logged(proposal, PacketType::Ack, proposal.wire());
  }
  unacked_.clear();
}

void Learner::on_up_to_date(Parts& parts) {
  phase_ = Phase::Broadcast;
  const int64_t took = (parts.world.now() - sync_began_).ms();
  if (manner_.observer || manner_.aside) {
    parts.world.sample("observer_sync_time", took);
  } else {
    parts.world.sample("follower_sync_time", took);
  }
  read_deadline_ = patience(parts);
  // A leader sends UPTODATE behind all that it had applied when its SNAP was complete.
  parts.digests.doubt_until(parts.storage.last_logged());
  encode_packet(PacketType::Ack, Zxid(epoch_, 0).wire(), link_.out());
  serve_from_ = std::min(committed_, parts.storage.last_logged());
  // A quorum has the leader's history and what it said with NEWLEADER. Apache's leader may have
  // named a change that is under way: that one is in the log, and its commit is still to come.
  const bool committed =
      announced_ && (announced_->version.counter() == 0 || announced_->version <= committed_);
  if (committed) {
    parts.configs.activate(std::move(*announced_));
    parts.save_configs();
  }
  announced_.reset();
}

// --- broadcast

void Learner::on_ping(const QuorumPacket& packet, Parts& parts) {
  const Zxid proposed = Zxid::from_wire(packet.zxid);
  if (proposed.epoch() == epoch_) proposed_ = std::max(proposed_, proposed);
  std::vector<SessionTouch> touches;
  touches.reserve(touched_.size());
  for (const auto& [session, timeout] : touched_) touches.push_back({session, timeout});
  touched_.clear();
  Bytes data;
  encode_touches(touches, data);
  encode_packet(PacketType::Ping, packet.zxid, data, link_.out());
  (void)parts;
}

void Learner::on_revalidate(const QuorumPacket& packet, Parts& parts) {
  const std::optional<RevalidateAnswer> answer = decode_revalidate_answer(packet.data);
  if (!answer) return over("the leader sent a REVALIDATE that does not decode");
  if (!serving_) return;
  // Proposals that were sent before the answer are in a follower's log by now. An observer hears
  // of them when they are committed, so the answer says how far they go.
  Zxid proposed = parts.storage.last_logged();
  if (packet.zxid > 0) proposed = std::max(proposed, Zxid::from_wire(packet.zxid));
  parts.user.revalidated(answer->session, answer->valid, proposed);
}

void Learner::on_sync() {
  const auto waiting = std::find_if(syncs_.begin(), syncs_.end(),
                                    [](const PendingSync& s) { return !s.at.has_value(); });
  if (waiting != syncs_.end()) waiting->at = committed_;
}

void Learner::apply(Parts& parts) {
  if (phase_ != Phase::Broadcast) return;
  const auto told = [&](const Effects& effects) {
    if (serving_) parts.user.applied(effects);
  };
  const bool more = apply_committed(committed_, parts.config.step_txns_max, parts, effects_, told);
  apply_again_ = more ? parts.world.now() : Instant::never();
  // The tree of a restarted server holds its whole log: nobody may read the part that is not
  // committed.
  const Zxid applied = parts.tree.last_applied();
  const bool untrue = parts.digests.untrue() && !parts.config.shadow;
  if (untrue && applied >= serve_from_ && !parts.digests.in_doubt(applied)) {
    needs_snap_ = true;
    return over("the tree here is not the ensemble's");
  }
  if (!delivers_ && !untrue && !manner_.aside && applied >= serve_from_ && applied <= committed_) {
    delivers_ = true;
    serving_ = !parts.config.shadow;
    parts.world.log(LogLevel::Info, fmt::format("{} server.{} in epoch {} from zxid {:x}, by {}",
                                                manner_.observer ? "observing" : "following",
                                                leader_.value, epoch_, applied.value, synced_by_));
    if (serving_) parts.user.serving_started();
  }
  while (!syncs_.empty() && syncs_.front().at && *syncs_.front().at <= parts.tree.last_applied()) {
    const uint64_t ticket = syncs_.front().ticket;
    syncs_.pop_front();
    parts.user.synced(ticket);
  }
}

void Learner::advance(Parts& parts) {
  if (!over_.empty()) return;
  if (sought_) finish_search(parts);
  if (phase_ == Phase::Truncating) finish_truncation(parts);
  if (phase_ == Phase::Installing) finish_install(parts);
  if (linked_) {
    outbox_.release(parts.storage, link_.out());
    read_packets(parts);
  }
  apply(parts);
}

// --- what the server above asks for

void Learner::submit(const WriteRequest& request, Parts& parts) {
  CHECK(serving_ && linked_);
  request_.clear();
  encode(ForwardedRequest{request.session, request.cxid, request.op, request.body}, request_);
  const int64_t zxid = request.local ? kLocalSessionZxid : -1;
  if (request.op == Op::CreateSession) {
    encode_packet(PacketType::Request, zxid, request_, link_.out());
  } else {
    encode_packet(PacketType::Request, zxid, request_, request.auth, link_.out());
  }
  (void)parts;
}

void Learner::sync(SessionId session, int32_t cxid, uint64_t ticket, Parts& parts) {
  CHECK(serving_ && linked_);
  Bytes data;
  encode(ForwardedRequest{session, cxid, Op::Sync, {}}, data);
  encode_packet(PacketType::Request, -1, data, link_.out());
  syncs_.push_back({ticket, std::nullopt});
  (void)parts;
}

void Learner::revalidate(SessionId session, int32_t timeout_ms, Parts& parts) {
  CHECK(serving_ && linked_);
  Bytes data;
  JuteWriter out(data);
  out.i64(session.value);
  out.i32(timeout_ms);
  encode_packet(PacketType::Revalidate, -1, data, link_.out());
  (void)parts;
}

void Learner::touch(SessionId session, int32_t timeout_ms) { touched_[session] = timeout_ms; }

}  // namespace vivarium
