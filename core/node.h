// Node: one Vivarium server as a value. step() runs to completion, reads nothing but the event, its
// own state and the World, and writes nothing but its own state and calls on the World. A copy of a
// Node is a second server with the same future.
#pragma once

#include "core/config.h"
#include "core/event.h"
#include "core/server/admin.h"
#include "core/server/server.h"
#include "core/storage/storage.h"
#include "core/tree/data_tree.h"
#include "core/world.h"
#include "core/zab/zab.h"

namespace vivarium {

class Node {
 public:
  // `config` has passed checked().
  explicit Node(Config config);
  // The first event of a life is Started; every turn of the loop ends with TurnEnded.
  void step(const Event& event, World& world);

  // --- facts for checkers, metrics and tests.
  const Config& config() const { return config_; }
  const Storage& storage() const { return storage_; }
  const DataTree& tree() const { return tree_; }
  const Zab& zab() const { return zab_; }
  const Configs& configs() const { return configs_; }
  const DigestAudit& digests() const { return digests_; }
  const Server& server() const { return server_; }
  const Admin& admin() const { return admin_; }

 private:
  class Wiring;

  void take_configs();

  Config config_;
  Storage storage_;
  DataTree tree_;
  Configs configs_;
  DigestAudit digests_;
  Zab zab_;
  Server server_;
  Admin admin_;
  uint64_t configs_seen_ = 0;
  Instant timer_ = Instant::never();
};

}  // namespace vivarium
