// How a leader brings a learner to its own history: DIFF, TRUNC or SNAP (quorum-protocol section
// 7). One pure function over what both sides have; hazards S3, S6, S8, S18 and S19 are rows of its
// table.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/ids.h"
#include "core/storage/history.h"

namespace vivarium {

struct SyncPlan {
  enum class Kind : uint8_t { Diff, Trunc, Snap };
  Kind kind = Kind::Snap;
  Zxid packet_zxid;  // DIFF: the last committed zxid; TRUNC: the zxid to keep
  Zxid from;         // txns above it follow (Diff and Trunc)
  bool operator==(const SyncPlan&) const = default;
};

// ZooKeeper's learners take all that their log holds for committed as soon as they are in sync, and
// serve it; and they end when the next COMMIT is not of the oldest proposal that they were sent.
enum class LearnerKind : uint8_t { Ours, Apaches };

// `learner_last` is the zxid of its ACKEPOCH; nullopt when it claimed none (-1) and so asks for a
// SNAP. `committed` is the leader's commit point, at least history.base(); for one of ZooKeeper's,
// what COMMITs have been sent for.
SyncPlan plan_sync(std::optional<Zxid> learner_last, const History& history, Zxid committed,
                   LearnerKind kind = LearnerKind::Ours);

}  // namespace vivarium
