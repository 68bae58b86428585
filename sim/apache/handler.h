// LearnerHandler: what a leader keeps of one learner, and how it decides between DIFF, TRUNC and
// SNAP (LearnerHandler.syncFollower, queueCommittedProposals).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/wire/peer_messages.h"
#include "core/world.h"
#include "sim/apache/database.h"
#include "sim/apache/quorum_stream.h"
#include "sim/apache/snapshot.h"

namespace vivarium::apache {

struct Handler {
  enum class Stage : uint8_t {
    Info,       // waits for FOLLOWERINFO or OBSERVERINFO
    Epoch,      // for the epoch to be fixed
    EpochAck,   // for ACKEPOCH
    Elected,    // for a quorum of them
    Snap,       // the state is on its way, packets are queued
    NewLeader,  // for the acknowledgement of NEWLEADER
    Quorum,     // for a quorum of those
    Startup,    // for the leader to serve
    Running
  };

  explicit Handler(LinkId link) : stream(link) {}

  void queue(PacketType type, Zxid zxid) { queue_raw(type, zxid.wire(), {}); }
  void queue(const Proposal& txn, PacketType type);
  void queue_raw(PacketType type, int64_t zxid, SharedBytes data);
  bool sending() const { return stage >= Stage::NewLeader; }  // sendingThreadStarted
  bool gone() const { return over; }

  QuorumStream stream;
  ServerId id;
  bool observer = false;
  bool voter = false;
  Stage stage = Stage::Info;
  bool over = false;
  bool forwarding = false;
  Instant read_until = Instant::never();
  int64_t alive_until_tick = 0;  // tickOfNextAckDeadline
  std::optional<Zxid> last;      // peerLastZxid; nullopt: -1
  struct Queued {
    PacketType type{};
    int64_t zxid = 0;
    SharedBytes data;
  };
  std::deque<Queued> queued;
  std::optional<SnapshotWriter> snap;
  // SyncLimitCheck: the proposal whose acknowledgement is waited for, and the one behind it.
  std::optional<std::pair<Zxid, Instant>> unacked;
  std::optional<std::pair<Zxid, Instant>> next_unacked;

  void proposal_sent(Zxid zxid, Instant now);
  void acked(Zxid zxid);
};

// What is queued for a learner so that its history becomes the leader's, before startForwarding().
struct SyncPlan {
  bool snap = true;
  Zxid last_seen;  // what it has been queued
  Zxid keep;       // without a SNAP: the last of its own txns that it keeps
};
SyncPlan plan_sync(Handler& handler, const Database& database, bool force_snap);

}  // namespace vivarium::apache
