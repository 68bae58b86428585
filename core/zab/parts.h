// Parts: what a step of zab/ works on, lent for its duration; and ZabUser, the layer above.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/ids.h"
#include "core/config.h"
#include "core/storage/storage.h"
#include "core/tree/data_tree.h"
#include "core/tree/digest_audit.h"
#include "core/world.h"
#include "core/zab/configs.h"

namespace vivarium {

class ZabUser {
 public:
  virtual ~ZabUser() = default;
  // A committed txn was applied to the tree; called for every txn while serving, in zxid order.
  virtual void applied(const Effects& effects) = 0;
  // False: nothing more may be applied for now. True while nobody is served.
  virtual bool takes_more() const = 0;
  // Clients may be served from now on (UPTODATE, or an established leader).
  virtual void serving_started() = 0;
  // No leader for a while: reads of the tree as it is, which is all committed, until
  // serving_stopped().
  virtual void read_only_started() = 0;
  // The role is being left: close every client before the call returns (hazards W5).
  virtual void serving_stopped() = 0;
  // The leader's answer, given when it had proposed up to `proposed` (at least).
  virtual void revalidated(SessionId session, bool valid, Zxid proposed) = 0;
  virtual void synced(uint64_t ticket) = 0;
};

// Received or appended, and not yet durable: with more than this neither clients nor the leader are
// read.
inline constexpr uint64_t kUnsyncedBytesMax = uint64_t{32} << 20;

struct Parts {
  const Config& config;
  World& world;
  Storage& storage;
  DataTree& tree;
  Configs& configs;
  DigestAudit& digests;
  ZabUser& user;

  // After each change of `configs`: the files have to follow, and what rests on them waits.
  void save_configs() {
    std::optional<Membership> pending;
    if (configs.pending()) pending = configs.last_seen();
    storage.save_config(world, configs.active(), pending);
  }
};

}  // namespace vivarium
