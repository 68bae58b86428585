// How learners join: discovery and synchronisation, the first two phases from the leading side.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/wire/peer_extension.h"
#include "core/zab/apply.h"
#include "core/zab/leader.h"
#include "core/zab/sync_plan.h"

namespace vivarium {
namespace {

constexpr size_t kLearnersMax = 256;
// A promise further ahead of everything known here is no promise of this ensemble: elections fail
// one at a time, and one forged number must not use up the epochs there are.
constexpr Epoch kEpochJumpMax = Epoch{1} << 20;

}  // namespace

// --- discovery

// CEPOCH(f.p): the learner's promise.
void Leader::on_follower_info(Peer& peer, const QuorumPacket& packet, Parts& parts) {
  const std::optional<LearnerInfo> info = decode_learner_info(packet.data);
  if (!info) return drop(peer, "LearnerInfo does not decode", parts);
  if (info->protocol_version < kLeaderProtocolVersion) {
    return drop(peer, "a learner older than ZooKeeper 3.4", parts);
  }
  const Epoch promised = Zxid::from_wire(packet.zxid).epoch();
  if (promised > highest_own_epoch(parts) + kEpochJumpMax || promised >= kEpochEnd - 1) {
    return drop(peer, "its epoch is beyond all reason", parts);
  }
  const bool voter =
      packet.type == PacketType::FollowerInfo && quorum_.is_voter(info->id) && info->id != self_;
  const auto learners = std::count_if(peers_.begin(), peers_.end(), [](const Peer& p) {
    return !p.dropped && p.stage != Peer::Stage::Info;
  });
  // Who is needed comes in, however many others are here.
  if (!voter && learners >= static_cast<std::ptrdiff_t>(kLearnersMax)) {
    return drop(peer, "there are too many learners", parts);
  }
  if (!fits_config(*info, parts)) return drop(peer, "it knows a newer configuration", parts);
  for (Peer& other : peers_) {
    if (&other != &peer && other.id == info->id && other.stage != Peer::Stage::Info) {
      drop(other, "it connected again", parts);
    }
  }
  peer.id = info->id;
  peer.follower = packet.type == PacketType::FollowerInfo;
  peer.voter = voter;
  // Learners send requests and touch tables, nothing above a client's frame and its identities;
  // voters also what is in their logs, when this server has to be filled (one link each).
  peer.link.allow(peer.voter ? kRecordBytesMax
                             : 2 * size_t{parts.config.packet_bytes_max} + (1 << 20));
  peer.accepted_epoch = promised;
  // It may not follow an epoch below its promise: only a later epoch brings it back.
  if (epoch_chosen_ && peer.voter && peer.accepted_epoch > epoch_) {
    return over(fmt::format("server {} has promised a later epoch", peer.id.value));
  }
  peer.ours = decode_peer_extension(info->extension).has_value();
  peer.stage = Peer::Stage::LeaderInfo;
  if (filling()) return ask_for_faults(peer);
  choose_epoch(parts);
  announce_epoch(parts);
}

// What a learner knows to be active is committed. When it is the change that this server has found
// at the end of its log, that is all there was to find out; of a newer one it knows nothing.
bool Leader::fits_config(const LearnerInfo& info, Parts& parts) {
  if (!parts.configs.enabled()) return true;
  const Zxid its = Zxid::from_wire(info.config_version);
  if (parts.configs.pending() && its == parts.configs.last_seen().version && !established()) {
    parts.configs.activate_pending();
    parts.save_configs();
    take_configs(parts);
  }
  return its <= parts.configs.active().version;
}

Epoch Leader::highest_own_epoch(const Parts& parts) {
  const Epoch promised = std::max(parts.storage.accepted_epoch(), parts.storage.current_epoch());
  return std::max(promised, parts.storage.last_logged().epoch());
}

// e' > every promise of a quorum that includes this server; the own promise is durable before
// anybody hears of it (hazards D1, D2, D3).
void Leader::choose_epoch(Parts& parts) {
  if (phase_ != Phase::Promise || epoch_chosen_ || filling()) return;
  const auto reported = [&](ServerId id) {
    if (id == self_) return true;
    return std::any_of(peers_.begin(), peers_.end(), [&](const Peer& p) {
      return p.voter && !p.dropped && p.id == id && p.stage == Peer::Stage::LeaderInfo;
    });
  };
  if (!quorum_.is_voter(self_) || !quorum_.holds(reported)) return;
  Epoch highest = highest_own_epoch(parts);
  for (const Peer& peer : peers_) {
    if (peer.voter && !peer.dropped) highest = std::max(highest, peer.accepted_epoch);
  }
  // By what was read from the own disk, or after very many forged promises.
  if (highest >= kEpochEnd - 1) {
    return over(fmt::format(
        "there is no epoch left: {} is promised here, {} is the last one; a server whose data or "
        "acceptedEpoch say so wrongly has to begin with an empty directory",
        highest, kEpochEnd - 1));
  }
  epoch_ = highest + 1;
  CHECK(epoch_ > parts.storage.accepted_epoch() && epoch_ < kEpochEnd);
  epoch_chosen_ = true;
  parts.storage.save_accepted_epoch(parts.world, epoch_);
}

// NEWEPOCH(e').
void Leader::announce_epoch(Parts& parts) {
  if (!epoch_chosen_ || parts.storage.accepted_epoch() < epoch_) return;
  if (phase_ == Phase::Promise) enter(Phase::AckEpoch, parts);
  for (Peer& peer : peers_) {
    if (peer.stage != Peer::Stage::LeaderInfo || peer.dropped) continue;
    Bytes data;
    JuteWriter(data).i32(kLeaderProtocolVersion);
    const std::string config = to_text(parts.configs.active());
    PeerExtension extension;
    if (parts.configs.active().version != Zxid()) extension.config = config;
    encode(extension, data);
    encode_packet(PacketType::LeaderInfo, Zxid(epoch_, 0).wire(), data, peer.link.out());
    peer.stage = Peer::Stage::AckEpoch;
    peer.deadline = patience(peer, parts);
  }
}

// As Apache's leader, which waits initLimit for each of the three quorums.
void Leader::enter(Phase phase, Parts& parts) {
  phase_ = phase;
  phase_deadline_ = parts.world.now() + parts.config.tick() * parts.config.init_limit_ticks;
}

// ACK-E(currentEpoch, lastZxid).
void Leader::on_ack_epoch(Peer& peer, const QuorumPacket& packet, Parts& parts) {
  JuteReader in(packet.data);
  const int32_t current = in.i32();
  if (!in.ok()) return drop(peer, "ACKEPOCH does not decode", parts);
  if (packet.zxid != kNoZxidWire) peer.last_zxid = Zxid::from_wire(packet.zxid);
  const std::optional<PeerExtension> extension = decode_peer_extension(in.rest());
  peer.damaged = extension && extension->damaged;
  peer.stage = Peer::Stage::Plan;
  if (phase_ == Phase::AckEpoch && !own_epoch_acked_ && current >= 0 && peer.last_zxid &&
      peer.voter) {
    const auto theirs = std::pair(static_cast<Epoch>(current), *peer.last_zxid);
    const auto ours = std::pair(parts.storage.current_epoch(), initial_last_);
    if (theirs > ours && may_be_ahead(peer, parts)) {
      return over(fmt::format("server {} has a more recent history", peer.id.value));
    }
    peer.counts_epoch = true;
  }
  begin_new_leader(parts);
  if (phase_ >= Phase::NewLeader) synchronise(peer, parts);
}

// A voter by a pending change alone, without that change in its log, has never acknowledged
// anything as one: an epoch that it has begun under the lists before is known to a quorum of those,
// or was never established (docs/decisions.md, 39).
bool Leader::may_be_ahead(const Peer& peer, const Parts& parts) const {
  const Configs& configs = parts.configs;
  return configs.active().is_voter(peer.id) || *peer.last_zxid >= configs.last_seen().version;
}

// A quorum follows and nobody in it is more recent: only now does the epoch become the current one
// (hazards D4, D5), durably, and that is this server's own ACK of NEWLEADER.
void Leader::begin_new_leader(Parts& parts) {
  if (phase_ != Phase::AckEpoch) return;
  if (!own_epoch_acked_) {
    const auto acked = [&](ServerId id) {
      if (id == self_) return true;
      return std::any_of(peers_.begin(), peers_.end(), [&](const Peer& p) {
        return p.counts_epoch && p.voter && !p.dropped && p.id == id;
      });
    };
    if (!quorum_.holds(acked)) return;
    own_epoch_acked_ = true;
    parts.storage.save_current_epoch(parts.world, epoch_);
  }
  if (parts.storage.current_epoch() < epoch_) return;
  // What is handed out is the whole initial history, as log or as state: a state below it would
  // take from a learner what it has acknowledged (hazards B8).
  apply_whole(initial_last_, parts, effects_);
  CHECK(parts.tree.last_applied() == initial_last_);
  enter(Phase::NewLeader, parts);
  committed_ = initial_last_;
  commits_sent_ = initial_last_;
  for (Peer& peer : peers_) {
    if (peer.stage == Peer::Stage::Plan && !peer.dropped) synchronise(peer, parts);
  }
}

// --- synchronisation

// Observers, and whoever is no voter whatever it says, begin one after the other when many come at
// once, as in ZooKeeper; a quorum's members never wait. Whoever waits goes on when another has
// acknowledged NEWLEADER, or is gone.
bool Leader::must_wait(Peer& peer, bool for_snap, Parts& parts) const {
  const auto under_way = std::count_if(peers_.begin(), peers_.end(), [&](const Peer& p) {
    return !p.dropped && p.stage == Peer::Stage::NewLeader && (p.snap_bytes != 0) == for_snap;
  });
  const uint32_t max = for_snap ? parts.config.snap_syncs_max : parts.config.diff_syncs_max;
  const bool waits = !peer.voter && under_way >= static_cast<std::ptrdiff_t>(max);
  if (waits && !peer.held_up) {
    parts.world.log(LogLevel::Info,
                    fmt::format("learner {} waits for its {}: {} others are under way",
                                peer.id.value, for_snap ? "SNAP" : "DIFF", under_way));
  }
  peer.held_up = waits;
  if (!waits && for_snap) parts.world.sample("inflight_snap_count", under_way + 1);
  if (!waits && !for_snap) parts.world.sample("inflight_diff_count", under_way + 1);
  return waits;
}

// Cut point, plan and subscription are one step: what is in the log now is sent here, everything
// later is forwarded (hazards S1).
void Leader::synchronise(Peer& peer, Parts& parts) {
  if (peer.stage != Peer::Stage::Plan || peer.dropped) return;
  const History& history = parts.storage.history();
  // Nothing intact is taken from a damaged learner before it has all of it anew: only SNAP.
  // forceSnapshotSync takes from no learner what it has acknowledged (hazards B8).
  const bool is_ahead = peer.last_zxid && *peer.last_zxid > parts.tree.last_applied();
  const bool only_snap = peer.damaged || (parts.config.snap_only && !is_ahead);
  const std::optional<Zxid> last = only_snap ? std::nullopt : peer.last_zxid;
  const SyncPlan plan = peer.ours ? plan_sync(last, history, committed_)
                                  : plan_sync(last, history, commits_sent_, LearnerKind::Apaches);
  // No state below the commit point (as it was when the learner came) is handed out; the own disk
  // will get there.
  if (!peer.plan_at) peer.plan_at = committed_;
  if (plan.kind == SyncPlan::Kind::Snap && parts.tree.last_applied() < *peer.plan_at) return;
  if (must_wait(peer, plan.kind == SyncPlan::Kind::Snap, parts)) return;
  Zxid from = plan.from;
  switch (plan.kind) {
    case SyncPlan::Kind::Diff:
      encode_packet(PacketType::Diff, plan.packet_zxid.wire(), peer.link.out());
      break;
    case SyncPlan::Kind::Trunc:
      encode_packet(PacketType::Trunc, plan.packet_zxid.wire(), peer.link.out());
      break;
    case SyncPlan::Kind::Snap:
      from = parts.tree.last_applied();
      encode_packet(PacketType::Snap, from.wire(), peer.link.out());
      peer.link.flush(parts.world);
      peer.snap.emplace(parts);
      advance_snap(peer, parts);
      break;
  }
  parts.world.log(
      LogLevel::Info,
      fmt::format("learner {} at {}: {} {:x}", peer.id.value,
                  peer.last_zxid ? fmt::format("{:x}", peer.last_zxid->value) : "-",
                  plan.kind == SyncPlan::Kind::Diff    ? "DIFF"
                  : plan.kind == SyncPlan::Kind::Trunc ? "TRUNC"
                                                       : "SNAP",
                  plan.kind == SyncPlan::Kind::Snap ? from.value : plan.packet_zxid.value));
  if (plan.kind == SyncPlan::Kind::Snap) {
    parts.world.count("snap_count", 1);
  } else {
    parts.world.count("diff_count", 1);
  }
  CHECK(from >= history.base());
  peer.sent = std::max(from, last.value_or(from));
  if (plan.kind != SyncPlan::Kind::Diff) peer.sent = from;
  for (size_t i = history.upper_bound(from); i < history.size(); ++i) {
    const History::Item& item = history[i];
    if (item.zxid > commits_sent_ && !peer.follower) break;
    encode_packet(PacketType::Proposal, item.zxid.wire(), *item.entry, peer.link.out());
    peer.sent = std::max(peer.sent, item.zxid);
    if (item.zxid <= commits_sent_) {
      encode_packet(PacketType::Commit, item.zxid.wire(), peer.link.out());
    }
  }
  Bytes config;
  append_bytes(config, as_bytes(to_text(announced(parts))));
  encode_packet(PacketType::NewLeader, Zxid(epoch_, 0).wire(), config, peer.link.out());
  // What its ACK of NEWLEADER vouches for: Apache's learners log the rest later (quorum-protocol
  // 14). The start of an epoch is no txn, and no commit point: those up to it count.
  peer.newleader_sent = std::max(history.at_or_below(from), commits_sent_);
  peer.stage = Peer::Stage::NewLeader;
}

// Everything behind it is held back until it has left.
void Leader::advance_snap(Peer& peer, Parts& parts) {
  if (!peer.snap || peer.dropped) return;
  Bytes slice;
  const SnapSending::Progress progress =
      peer.snap->advance(parts.world.unsent(peer.link.id()), parts, slice);
  if (progress == SnapSending::Progress::Waits) return;
  if (progress == SnapSending::Progress::Lost) {
    return drop(peer, "too much has changed while its SNAP was sent", parts);
  }
  // Whoever is sent something is not silent.
  peer.deadline = patience(peer, parts);
  peer.snap_bytes += slice.size();
  if (!slice.empty()) parts.world.send_shared(peer.link.id(), share(std::move(slice)));
  if (progress == SnapSending::Progress::Ends) end_snap(peer, parts);
}

void Leader::end_snap(Peer& peer, Parts& parts) {
  if (!peer.snap) return;
  peer.snap->end(parts);
  peer.snap.reset();
}

// A quorum has the initial history durably under this epoch: it is committed, and clients are
// served.
void Leader::establish(Parts& parts) {
  if (phase_ != Phase::NewLeader) return;
  if (parts.config.standalone()) {
    committed_ = initial_last_;
    commits_sent_ = initial_last_;
  } else {
    const auto synced = [&](ServerId id) {
      return id == self_ ? parts.storage.current_epoch() >= epoch_ : is_synced_voter(id);
    };
    if (!quorum_.holds(synced)) return;
    last_proposed_ = Zxid(epoch_, 0);
  }
  phase_ = Phase::Broadcast;
  established_at_ = parts.world.now();
  apply_whole(committed_, parts, effects_);
  CHECK(parts.tree.last_applied() == initial_last_);
  establish_config(parts);
  const Instant now = parts.world.now();
  for (const auto& [session, timeout] : parts.tree.sessions()) sessions_.add(session, timeout, now);
  reaper_.start(now, parts.config);
  orphans_.start(now);
  parts.world.log(LogLevel::Info,
                  fmt::format("leading epoch {} from zxid {:x}", epoch_, initial_last_.value));
  for (Peer& peer : peers_) {
    if (peer.stage == Peer::Stage::Synced && !peer.dropped) send_up_to_date(peer, parts);
  }
  parts.user.serving_started();
}

void Leader::send_up_to_date(Peer& peer, Parts& parts) {
  encode_packet(PacketType::UpToDate, -1, peer.link.out());
  peer.up_to_date = true;
  peer.deadline = patience(peer, parts);
}

}  // namespace vivarium
