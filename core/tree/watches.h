// Watches: who waits for what, by path (semantics section 3). Belongs to a server's connections and
// dies with them. A watcher has one entry per path with a set of modes, which are independent of
// each other as in ZooKeeper 3.9: a one-shot watch never ends or replaces a persistent one.
//
// Memory: 40 bytes an entry and, once per path whoever watches it, 24 bytes and the text. Entries
// hang in two lists, of their path and of their watcher, so that firing, closing and removing
// touch nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/tree/byte_arena.h"
#include "core/tree/slot_index.h"
#include "core/wire/codes.h"

namespace vivarium {

// A connection, as the server numbers them.
using WatcherId = uint64_t;

class WatchTable {
 public:
  // Bits of a set.
  using Modes = uint8_t;
  static constexpr Modes kData = 1;   // one-shot; exists and getData
  static constexpr Modes kChild = 2;  // one-shot; getChildren
  static constexpr Modes kPersistent = 4;
  static constexpr Modes kRecursive = 8;
  static constexpr Modes kAll = 15;
  static constexpr Modes kDataTable = kData | kPersistent | kRecursive;

  // Adds `modes` to what the watcher waits for on the path.
  void add(WatcherId watcher, Modes modes, std::string_view path);
  // Takes `modes` away. False: it waited for none of them.
  bool remove(WatcherId watcher, Modes modes, std::string_view path);
  // Removes up to `max` entries of the watcher. True: it has none any more.
  bool remove_watcher(WatcherId watcher, size_t max);
  // Did the watcher wait for `event` on `path`? One-shot watches that match are consumed: of
  // Created and DataChanged the data watches, of ChildrenChanged the child watches, of Deleted
  // both. Recursive watches of the path and of all above it hear everything but ChildrenChanged.
  bool take(WatcherId watcher, WatchEvent event, std::string_view path);
  // Does the watcher wait for anything, and may anybody wait for an event on the path?
  bool waits(WatcherId watcher) const { return watchers_.contains(watcher); }
  bool is_watched(std::string_view path) const;
  // Who waits for an event, one after the other, while the table goes on changing: seek() begins
  // with another event, next() says who follows, and nothing when nobody is left. Whoever has
  // waited since seek() and was not taken meanwhile is named; the same watcher may be named again,
  // and who came behind seek() may be named too.
  void seek(WatchEvent event, std::string_view path);
  std::optional<WatcherId> next();
  // What the watcher waits for on the path.
  Modes modes(WatcherId watcher, std::string_view path) const;

  // As ZooKeeper's watch_count: pairs of path and watcher in the data table (data, persistent,
  // recursive) and in the child table (child, persistent).
  size_t count() const { return count_; }
  size_t path_count() const { return index_.size(); }
  size_t watcher_count() const { return watchers_.size(); }

  // --- for operators: the data table in portions. Numbers of paths are reused.
  uint32_t path_numbers() const { return static_cast<uint32_t>(paths_.size()); }
  std::string_view path_text(uint32_t path) const { return text_of(paths_[path]); }
  // Up to `max` watchers of the path, without the first `skip`.
  void list_watchers(uint32_t path, size_t skip, size_t max, std::vector<WatcherId>& out) const;
  std::optional<WatcherId> watcher_from(WatcherId at_least) const;
  // Up to `max` paths of the watcher, without the first `skip`; borrowed until the table changes.
  void list_paths(WatcherId watcher, size_t skip, size_t max,
                  std::vector<std::string_view>& out) const;

 private:
  static constexpr uint32_t kNone = SlotIndex::kNone;

  struct Path {
    ByteArena::Ref text{};
    uint32_t bytes = 0;
    uint32_t first = kNone;  // entry
    uint32_t recursive = 0;  // entries with that mode
    uint32_t hash = 0;
  };
  struct Entry {
    WatcherId watcher = 0;
    uint32_t path = kNone;
    uint32_t hash = 0;  // of path and watcher
    uint32_t path_next = kNone;
    uint32_t path_previous = kNone;
    uint32_t watcher_next = kNone;
    uint32_t watcher_previous = kNone;
    Modes modes = 0;
  };

  std::string_view text_of(const Path& path) const;
  uint32_t find_path(std::string_view path) const;
  bool waits_above(WatcherId watcher, std::string_view path) const;
  uint32_t intern_path(std::string_view path);
  uint32_t find_entry(uint32_t path, WatcherId watcher) const;
  uint32_t make_entry(uint32_t path, WatcherId watcher);
  void set_modes(uint32_t entry, Modes modes);
  void erase_entry(uint32_t entry);

  // Deques: what is there does not move when more comes.
  std::deque<Path> paths_;
  std::vector<uint32_t> free_paths_;
  ByteArena texts_;
  SlotIndex index_;
  std::deque<Entry> entries_;
  std::vector<uint32_t> free_entries_;
  SlotIndex entry_index_;
  std::map<WatcherId, uint32_t> watchers_;  // to the first entry
  size_t count_ = 0;
  size_t recursive_ = 0;  // entries with that mode: without any, nobody looks above a path

  // Where next() goes on: at an entry, then at the paths above.
  std::string sought_;
  uint32_t at_ = kNone;
  Modes at_modes_ = 0;      // that are named there
  size_t above_bytes_ = 0;  // of sought_, how much the path is that comes behind; 0: none
};

}  // namespace vivarium
