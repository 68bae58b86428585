// AdminParts: what answers to operators are made from, lent for the length of a step. Everything is
// read, but for statistics that are set to zero, connections that are shed, and a snapshot that is
// asked for.
#pragma once

#include "core/config.h"
#include "core/server/server.h"
#include "core/storage/storage.h"
#include "core/tree/data_tree.h"
#include "core/world.h"
#include "core/zab/zab.h"

namespace vivarium {

// No answer is begun, and no portion of one written, with more than this on its way to the asker.
inline constexpr uint64_t kAdminUnsentMax = 64 << 10;
// How long an asker may be silent, or not read what it was sent.
inline constexpr Duration kAdminPatience = milliseconds(10'000);

struct AdminParts {
  const Config& config;
  World& world;
  Server& server;
  Zab& zab;
  Storage& storage;
  const DataTree& tree;
  const DigestAudit& digests;
};

}  // namespace vivarium
