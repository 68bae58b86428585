// What ZooKeeper does that loses data by itself, whoever its peers are. A peer of the simulator has
// these flaws or has them mended, each as later versions or open proposals do it. One that has come
// to harm says so (Peer::harm()), and nothing is asked of its ensemble any more. Not here, because
// nobody has mended them: a SNAP leaves a log that reaches beyond it (ZOOKEEPER-2832), and TRUNC
// loads snapshots of what it has cut (ZOOKEEPER-4837).
#pragma once

namespace vivarium::apache {

struct Flaws {
  // NEWLEADER is acknowledged, and its epoch current, while the txns of a DIFF still wait for their
  // sync (ZOOKEEPER-3911, 4643, 4646; before 3.8.5).
  bool early_ack = false;
  // Without a sync: the cut of a TRUNC, snapshots but those of a SNAP, which also are written over
  // older ones of the same name, and what a killed process had left in the cache (ZOOKEEPER-2872).
  bool unsynced_files = false;
  // A role ends, and the next one goes by a tree that is behind or ahead of the log: the log's
  // queue lives on, or the synchronisation was not over (ZOOKEEPER-4712, 4785, 5094).
  bool memory_is_not_disk = false;
  // Txns that were committed during a synchronisation by SNAP or TRUNC are in no committed log, and
  // a later leader leaves them out of its DIFFs (ZOOKEEPER-4925).
  bool hole_in_cache = false;
  // What a learner acknowledged counts for the commit, although the leader has told it since, on
  // another connection, to give it up (no issue known; read in Leader.processAck and
  // LearnerHandler.syncFollower).
  bool stale_acks = false;

  static Flaws all() { return {true, true, true, true, true}; }
};

}  // namespace vivarium::apache
