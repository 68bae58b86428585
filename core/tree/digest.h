// ZooKeeper's tree digest (AdHash), version 2: the sum over znodes of CRC-32(path, data, stat),
// modulo 2^64 (semantics section 15). Kept by DataTree and predicted by preparation.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/tree/data_tree.h"
#include "core/tree/path.h"

namespace vivarium {

// Znodes below /zookeeper count nothing; "/zookeeper" itself and the root do.
inline bool is_outside_digest(std::string_view path) {
  return path.size() > kZookeeperPath.size() && path.starts_with(kZookeeperPath) &&
         path[kZookeeperPath.size()] == '/';
}

// CRC of path and data, the part of a znode's digest that a changed stat leaves alone. The root's
// path is empty.
inline uint32_t content_crc(std::string_view path, ByteView data) {
  return crc32(data, crc32(as_bytes(path)));
}

inline std::array<Byte, 60> digest_stat_bytes(const StatPersisted& stat) {
  std::array<Byte, 60> out;
  put_u64(&out[0], stat.czxid.value);
  put_u64(&out[8], stat.mzxid.value);
  put_u64(&out[16], stat.pzxid.value);
  put_u64(&out[24], static_cast<uint64_t>(stat.ctime_ms));
  put_u64(&out[32], static_cast<uint64_t>(stat.mtime_ms));
  put_u32(&out[40], static_cast<uint32_t>(stat.version));
  put_u32(&out[44], static_cast<uint32_t>(stat.cversion));
  put_u32(&out[48], static_cast<uint32_t>(stat.aversion));
  put_u64(&out[52], static_cast<uint64_t>(stat.ephemeral_owner));
  return out;
}

inline uint32_t node_digest(uint32_t content_crc, const StatPersisted& stat) {
  return crc32(digest_stat_bytes(stat), content_crc);
}

}  // namespace vivarium
