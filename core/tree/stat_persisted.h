// StatPersisted: what of a znode's stat is stored; the rest follows from data and children.
#pragma once

#include <cstdint>

#include "core/base/ids.h"

namespace vivarium {

// Stored form (60 bytes in snapshots): cversion counts creations only; ephemeral_owner carries the
// container and TTL markers.
struct StatPersisted {
  Zxid czxid;
  Zxid mzxid;
  int64_t ctime_ms = 0;
  int64_t mtime_ms = 0;
  int32_t version = 0;
  int32_t cversion = 0;
  int32_t aversion = 0;
  int64_t ephemeral_owner = 0;
  Zxid pzxid;
  bool operator==(const StatPersisted&) const = default;
};

}  // namespace vivarium
