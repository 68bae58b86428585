// Watches: who waits for what, by path (semantics section 3). Belongs to a server's connections and
// dies with them. One-shot watches only so far; entries hold a mode set, so that persistent ones
// fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tree/hash_chains.h"
#include "core/wire/codes.h"

namespace vivarium {

// A connection, as the server numbers them.
using WatcherId = uint64_t;

class WatchTable {
 public:
  enum class Kind : uint8_t { Data, Child };  // exists and getData share the data table

  void add(WatcherId watcher, Kind kind, std::string_view path);
  void remove_watcher(WatcherId watcher);
  // Consumes what `event` on `path` fires, in ascending order of watcher; each watcher once per
  // event: Created and DataChanged use the data table, ChildrenChanged the child table, Deleted
  // both.
  void fire(WatchEvent event, std::string_view path, std::vector<WatcherId>& fired);
  // Watches of both tables.
  size_t count() const { return count_; }
  // What the watcher waits for on the path.
  bool watches(WatcherId watcher, Kind kind, std::string_view path) const;

 private:
  using PathId = uint32_t;
  using Modes = uint8_t;  // bit set
  static constexpr Modes kData = 1;
  static constexpr Modes kChild = 2;

  struct Path {
    std::string text;
    uint32_t watchers = 0;  // 0: free
    uint32_t hash = 0;
    uint32_t hash_next = HashChains::kNone;
  };

  PathId find_path(std::string_view path) const;
  PathId intern_path(std::string_view path);
  void release_path(PathId path);

  std::vector<Path> paths_;
  std::vector<PathId> free_paths_;
  HashChains index_;
  std::map<std::pair<PathId, WatcherId>, Modes> by_path_;
  std::set<std::pair<WatcherId, PathId>> by_watcher_;
  size_t count_ = 0;
};

}  // namespace vivarium
