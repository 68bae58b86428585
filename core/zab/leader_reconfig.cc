// The part of a leader that changes the ensemble: what is asked for, who counts, and who leads in
// the next one (quorum-protocol section 12).
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/wire/jute.h"
#include "core/zab/leader.h"
#include "core/zab/reconfig.h"

namespace vivarium {

ReconfigVerdict Leader::judge(const WriteRequest& request, Zxid zxid, const Parts& parts) const {
  // Whoever follows, a voter of today or not: an observer is not asked, as in ZooKeeper.
  std::vector<ServerId> synced = {self_};
  for (const Peer& peer : peers_) {
    if (peer.follower && !peer.dropped && peer.up_to_date) synced.push_back(peer.id);
  }
  return judge_reconfig(request.body, parts.config, parts.configs, zxid, synced);
}

// Who counts is looked up anew, for connections that are there too.
void Leader::take_configs(Parts& parts) {
  quorum_ = parts.configs.quorum();
  for (Peer& peer : peers_) {
    if (peer.stage == Peer::Stage::Info) continue;
    const bool was = peer.voter;
    peer.voter = peer.follower && quorum_.is_voter(peer.id) && peer.id != self_;
    if (was || !peer.voter) continue;
    peer.link.allow(kRecordBytesMax);
    if (peer.stage == Peer::Stage::Synced) remember(peer, parts);
  }
}

// What NEWLEADER says, and its acknowledgement by a quorum makes committed: the change at the end
// of the initial history, or that a list of zoo.cfg is the ensemble's first configuration, of which
// newcomers with lists of their own shall learn (ZOOKEEPER-1783).
Membership Leader::announced(const Parts& parts) const {
  if (established()) return parts.configs.active();
  Membership membership = parts.configs.last_seen();
  if (parts.configs.enabled() && membership.version == Zxid()) {
    membership.version = Zxid(epoch_, 0);
  }
  return membership;
}

void Leader::establish_config(Parts& parts) {
  if (!parts.configs.enabled()) return;
  Membership first = parts.configs.last_seen();
  CHECK(!parts.configs.pending() || first.version <= initial_last_);
  if (first.version == Zxid()) first.version = Zxid(epoch_, 0);
  if (first.version <= parts.configs.active().version) return;
  const ServerId leads = designate(initial_last_, parts);
  parts.configs.activate(first);
  parts.save_configs();
  take_configs(parts);
  if (leads != self_) hand_over(leads, parts);
}

// In the configuration that comes: still a voter, and where it was.
bool Leader::stays_leader(const Parts& parts) const {
  const Member* next = parts.configs.last_seen().find(self_);
  const Member* now = parts.configs.active().find(self_);
  return next != nullptr && !next->observer && (now == nullptr || next->quorum == now->quorum);
}

// Who leads in the configuration that comes. This server, when it stays; otherwise, of those voters
// whose acknowledgements make the change at `zxid` committed, the one that has acknowledged most
// behind it.
ServerId Leader::designate(Zxid zxid, const Parts& parts) const {
  if (stays_leader(parts)) return self_;
  const Peer* best = nullptr;
  for (const Peer& peer : peers_) {
    const bool can = !peer.dropped && peer.voter && peer.stage == Peer::Stage::Synced &&
                     peer.acked >= zxid && parts.configs.last_seen().is_voter(peer.id);
    if (!can) continue;
    if (best == nullptr || std::pair(peer.acked, peer.id) > std::pair(best->acked, best->id)) {
      best = &peer;
    }
  }
  return best != nullptr ? best->id : self_;
}

void Leader::hand_over(ServerId to, Parts& parts) {
  CHECK(to != self_ && !designated_);
  parts.world.log(LogLevel::Info,
                  fmt::format("the ensemble has changed: server.{} is to lead it", to.value));
  designated_ = to;
  leave_at_ = parts.world.now() + parts.config.tick();
}

// The followers hang up once they have heard of the change: so this server knows that they have.
void Leader::watch_hand_over(Parts& parts) {
  if (!designated_ || !over_.empty()) return;
  const bool heard = std::none_of(peers_.begin(), peers_.end(), [](const Peer& p) {
    return p.voter && !p.dropped && p.stage == Peer::Stage::Synced;
  });
  if (heard || leave_at_ <= parts.world.now()) {
    over(fmt::format("leadership is handed over to server.{}", designated_->value));
  }
}

void Leader::send_commit(const History::Item& item, std::optional<ServerId> activates) {
  Bytes leads;
  Bytes inform;
  if (activates) {
    JuteWriter(leads).i64(activates->value);
    inform = leads;
    append_bytes(inform, *item.entry);
  }
  for (Peer& peer : peers_) {
    if (peer.dropped || peer.stage < Peer::Stage::NewLeader) continue;
    Bytes& out = peer.link.out();
    if (peer.follower && activates) {
      encode_packet(PacketType::CommitAndActivate, item.zxid.wire(), leads, out);
    } else if (peer.follower) {
      encode_packet(PacketType::Commit, item.zxid.wire(), out);
    } else {
      const PacketType type = activates ? PacketType::InformAndActivate : PacketType::Inform;
      encode_packet(type, item.zxid.wire(), activates ? inform : *item.entry, out);
      peer.sent = item.zxid;
    }
  }
}

}  // namespace vivarium
