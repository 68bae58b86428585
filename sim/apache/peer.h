// Peer: a server of Apache ZooKeeper 3.8 as the quorum sees it, a value with the boundary of Node:
// its election, its orders of writing and acknowledging, its fuzzy snapshots, its decisions between
// DIFF, TRUNC and SNAP. Written from its source (QuorumPeer, FastLeaderElection, Learner, Follower,
// Observer, Leader, LearnerHandler, SyncRequestProcessor, FileTxnSnapLog of release 3.8.0, and
// 3.8.5 where that is another), not from core/zab or core/storage, of which nothing is used here.
//
// Left out, as the quorum does not see it: clients, local sessions, containers and TTLs that end,
// reconfiguration, TLS. Left out though it does: DIFFs from log files (snapshotSizeFactor is -1),
// and purging.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/event.h"
#include "core/tree/data_tree.h"
#include "core/world.h"
#include "sim/apache/database.h"
#include "sim/apache/election.h"
#include "sim/apache/flaws.h"
#include "sim/apache/leader.h"
#include "sim/apache/learner.h"

namespace vivarium::apache {

enum class PeerRole : uint8_t { Loading, Looking, Learner, Leader };

class Peer {
 public:
  Peer(Config config, Flaws flaws);
  // As Node::step().
  void step(const Event& event, World& world);

  // --- facts for checkers and tests
  const Config& config() const { return config_; }
  PeerRole role() const;
  const Database& database() const { return database_; }
  const Election& election() const { return election_; }
  const Leader* leader_role() const { return leader_ ? &*leader_ : nullptr; }
  const Learner* learner_role() const { return learner_ ? &*learner_ : nullptr; }
  bool observer() const;
  // How a flaw has struck; empty: none has.
  const std::string& harm() const { return database_.harm(); }

 private:
  Lent lent(World& world) { return {config_, world, database_, election_}; }
  void route(const Event& event, World& world);
  void advance(World& world);
  void on_timer(World& world);
  void set_timer(World& world);
  void refuse(const Event& event, World& world);

  Config config_;
  Database database_;
  Election election_;
  std::optional<Learner> learner_;
  std::optional<Leader> leader_;
  bool loading_ = true;  // or making memory ready for the next election
  bool open_ = false;    // QuorumPeer.start() reads the database before it opens a door
  Instant look_at_ = Instant::never();
  Instant timer_ = Instant::never();
};

}  // namespace vivarium::apache
