// Paths: what a znode may be called, and the pieces of a path. The root is "/" to clients and the
// empty string where paths are glued together.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/hash.h"

namespace vivarium {

inline constexpr std::string_view kZookeeperPath = "/zookeeper";
inline constexpr std::string_view kQuotaPath = "/zookeeper/quota";
inline constexpr std::string_view kConfigPath = "/zookeeper/config";

// ZooKeeper's validatePath (client-protocol section 8), on bytes that must be UTF-8.
bool is_valid_path(std::string_view path);

// "" for "/": the form that children's paths extend.
inline std::string_view without_root_slash(std::string_view path) {
  return path == "/" ? std::string_view() : path;
}
// The text before and behind the last '/'. Both empty when there is none.
inline std::string_view parent_path(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}
inline std::string_view last_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
}

// For the index of a table of paths.
inline uint32_t path_hash(std::string_view path) {
  return static_cast<uint32_t>(hash64(as_bytes(path)) >> 32);
}

}  // namespace vivarium
