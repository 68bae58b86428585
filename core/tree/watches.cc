#include "core/tree/watches.h"

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/tree/path.h"

namespace vivarium {
namespace {

using Modes = WatchTable::Modes;

uint32_t entry_hash(uint32_t path, WatcherId watcher) {
  return static_cast<uint32_t>(hash_combine(path, watcher) >> 32);
}

// Tables that the watcher stands in with these modes.
size_t tables_of(Modes modes) {
  const bool data =
      (modes & (WatchTable::kData | WatchTable::kPersistent | WatchTable::kRecursive)) != 0;
  const bool child = (modes & (WatchTable::kChild | WatchTable::kPersistent)) != 0;
  return static_cast<size_t>(data) + static_cast<size_t>(child);
}

struct Match {
  Modes told = 0;      // modes that hear of the event on their own path
  Modes consumed = 0;  // of these, the one-shot ones
};

Match match_of(WatchEvent event) {
  constexpr Modes kOneShot = WatchTable::kData | WatchTable::kChild;
  switch (event) {
    case WatchEvent::Created:
    case WatchEvent::DataChanged:
      return {WatchTable::kData | WatchTable::kPersistent | WatchTable::kRecursive,
              WatchTable::kData};
    case WatchEvent::Deleted:
      return {WatchTable::kAll, kOneShot};
    case WatchEvent::ChildrenChanged:
      return {WatchTable::kChild | WatchTable::kPersistent, WatchTable::kChild};
  }
  CHECK(false);
  return {};
}

// The path above, "/" at the top; empty above that.
std::string_view path_above(std::string_view path) {
  if (path.size() <= 1) return {};
  const std::string_view above = parent_path(path);
  return above.empty() ? std::string_view("/") : above;
}

}  // namespace

void WatchTable::add(WatcherId watcher, Modes modes, std::string_view path) {
  CHECK(modes != 0 && (modes & ~kAll) == 0);
  const uint32_t id = intern_path(path);
  uint32_t entry = find_entry(id, watcher);
  if (entry == kNone) entry = make_entry(id, watcher);
  set_modes(entry, static_cast<Modes>(entries_[entry].modes | modes));
}

bool WatchTable::remove(WatcherId watcher, Modes modes, std::string_view path) {
  const uint32_t id = find_path(path);
  if (id == kNone) return false;
  const uint32_t entry = find_entry(id, watcher);
  if (entry == kNone || (entries_[entry].modes & modes) == 0) return false;
  set_modes(entry, static_cast<Modes>(entries_[entry].modes & ~modes));
  return true;
}

bool WatchTable::remove_watcher(WatcherId watcher, size_t max) {
  for (;; --max) {
    const auto found = watchers_.find(watcher);
    if (found == watchers_.end()) return true;
    if (max == 0) return false;
    set_modes(found->second, 0);
  }
}

bool WatchTable::take(WatcherId watcher, WatchEvent event, std::string_view path) {
  const Match match = match_of(event);
  const uint32_t id = find_path(path);
  const uint32_t entry = id == kNone ? kNone : find_entry(id, watcher);
  if (entry != kNone && (entries_[entry].modes & match.told) != 0) {
    set_modes(entry, static_cast<Modes>(entries_[entry].modes & ~match.consumed));
    return true;
  }
  return (match.told & kRecursive) != 0 && waits_above(watcher, path);
}

bool WatchTable::waits_above(WatcherId watcher, std::string_view path) const {
  if (recursive_ == 0) return false;
  for (std::string_view above = path_above(path); !above.empty(); above = path_above(above)) {
    const uint32_t upper = find_path(above);
    if (upper == kNone || paths_[upper].recursive == 0) continue;
    const uint32_t entry = find_entry(upper, watcher);
    if (entry != kNone && (entries_[entry].modes & kRecursive) != 0) return true;
  }
  return false;
}

bool WatchTable::is_watched(std::string_view path) const {
  if (find_path(path) != kNone) return true;
  if (recursive_ == 0) return false;
  for (std::string_view above = path_above(path); !above.empty(); above = path_above(above)) {
    const uint32_t upper = find_path(above);
    if (upper != kNone && paths_[upper].recursive > 0) return true;
  }
  return false;
}

void WatchTable::seek(WatchEvent event, std::string_view path) {
  const Match match = match_of(event);
  const uint32_t id = find_path(path);
  at_ = id == kNone ? kNone : paths_[id].first;
  at_modes_ = match.told;
  above_bytes_ = 0;
  if (recursive_ == 0 || (match.told & kRecursive) == 0) return;
  sought_ = path;
  above_bytes_ = path_above(sought_).size();
}

std::optional<WatcherId> WatchTable::next() {
  for (;;) {
    while (at_ != kNone) {
      const Entry& entry = entries_[at_];
      at_ = entry.path_next;
      if ((entry.modes & at_modes_) != 0) return entry.watcher;
    }
    if (above_bytes_ == 0) return std::nullopt;
    const std::string_view above = std::string_view(sought_).substr(0, above_bytes_);
    above_bytes_ = path_above(above).size();
    const uint32_t upper = find_path(above);
    if (upper == kNone || paths_[upper].recursive == 0) continue;
    at_ = paths_[upper].first;
    at_modes_ = kRecursive;
  }
}

Modes WatchTable::modes(WatcherId watcher, std::string_view path) const {
  const uint32_t id = find_path(path);
  if (id == kNone) return 0;
  const uint32_t entry = find_entry(id, watcher);
  return entry == kNone ? Modes{0} : entries_[entry].modes;
}

// --- paths

std::string_view WatchTable::text_of(const Path& path) const {
  return as_text(ByteView(texts_.data(path.text), path.bytes));
}

uint32_t WatchTable::find_path(std::string_view path) const {
  return index_.find(path_hash(path), [&](uint32_t id) { return text_of(paths_[id]) == path; });
}

uint32_t WatchTable::intern_path(std::string_view path) {
  uint32_t id = find_path(path);
  if (id != kNone) return id;
  if (free_paths_.empty()) {
    id = static_cast<uint32_t>(paths_.size());
    paths_.emplace_back();
  } else {
    id = free_paths_.back();
    free_paths_.pop_back();
  }
  Path& made = paths_[id];
  made = Path();
  made.text = texts_.put(as_bytes(path), {});
  made.bytes = static_cast<uint32_t>(path.size());
  made.hash = path_hash(path);
  index_.insert(made.hash, id);
  return id;
}

// --- entries

uint32_t WatchTable::find_entry(uint32_t path, WatcherId watcher) const {
  return entry_index_.find(entry_hash(path, watcher), [&](uint32_t i) {
    return entries_[i].path == path && entries_[i].watcher == watcher;
  });
}

uint32_t WatchTable::make_entry(uint32_t path, WatcherId watcher) {
  uint32_t id = 0;
  if (free_entries_.empty()) {
    id = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    id = free_entries_.back();
    free_entries_.pop_back();
  }
  Entry& entry = entries_[id];
  entry = Entry();
  entry.watcher = watcher;
  entry.path = path;
  entry.hash = entry_hash(path, watcher);
  entry_index_.insert(entry.hash, id);
  entry.path_next = paths_[path].first;
  if (entry.path_next != kNone) entries_[entry.path_next].path_previous = id;
  paths_[path].first = id;
  const auto [first, added] = watchers_.try_emplace(watcher, id);
  if (!added) {
    entry.watcher_next = first->second;
    entries_[first->second].watcher_previous = id;
    first->second = id;
  }
  return id;
}

// An entry without modes is gone, and a path without entries.
void WatchTable::set_modes(uint32_t entry, Modes modes) {
  Entry& e = entries_[entry];
  Path& path = paths_[e.path];
  const bool was_recursive = (e.modes & kRecursive) != 0;
  const bool is_recursive = (modes & kRecursive) != 0;
  if (is_recursive && !was_recursive) {
    ++path.recursive;
    ++recursive_;
  } else if (was_recursive && !is_recursive) {
    CHECK(path.recursive > 0 && recursive_ > 0);
    --path.recursive;
    --recursive_;
  }
  count_ += tables_of(modes);
  CHECK(count_ >= tables_of(e.modes));
  count_ -= tables_of(e.modes);
  e.modes = modes;
  if (modes == 0) erase_entry(entry);
}

void WatchTable::erase_entry(uint32_t entry) {
  const Entry e = entries_[entry];
  CHECK(e.modes == 0);
  entry_index_.erase(e.hash, entry);
  if (at_ == entry) at_ = e.path_next;
  if (e.watcher_next != kNone) entries_[e.watcher_next].watcher_previous = e.watcher_previous;
  if (e.watcher_previous != kNone) {
    entries_[e.watcher_previous].watcher_next = e.watcher_next;
  } else if (e.watcher_next != kNone) {
    watchers_[e.watcher] = e.watcher_next;
  } else {
    watchers_.erase(e.watcher);
  }
  Path& path = paths_[e.path];
  if (e.path_next != kNone) entries_[e.path_next].path_previous = e.path_previous;
  if (e.path_previous != kNone) {
    entries_[e.path_previous].path_next = e.path_next;
  } else {
    CHECK(path.first == entry);
    path.first = e.path_next;
  }
  free_entries_.push_back(entry);
  if (path.first != kNone) return;
  index_.erase(path.hash, e.path);
  texts_.release(path.text, path.bytes);
  free_paths_.push_back(e.path);
}

void WatchTable::list_watchers(uint32_t path, size_t skip, size_t max,
                               std::vector<WatcherId>& out) const {
  out.clear();
  for (uint32_t e = paths_[path].first; e != kNone && out.size() < max; e = entries_[e].path_next) {
    if ((entries_[e].modes & kDataTable) == 0) continue;
    if (skip > 0) {
      --skip;
    } else {
      out.push_back(entries_[e].watcher);
    }
  }
}

std::optional<WatcherId> WatchTable::watcher_from(WatcherId at_least) const {
  const auto found = watchers_.lower_bound(at_least);
  if (found == watchers_.end()) return std::nullopt;
  return found->first;
}

void WatchTable::list_paths(WatcherId watcher, size_t skip, size_t max,
                            std::vector<std::string_view>& out) const {
  out.clear();
  const auto found = watchers_.find(watcher);
  if (found == watchers_.end()) return;
  for (uint32_t e = found->second; e != kNone && out.size() < max; e = entries_[e].watcher_next) {
    if ((entries_[e].modes & kDataTable) == 0) continue;
    if (skip > 0) {
      --skip;
    } else {
      out.push_back(text_of(paths_[entries_[e].path]));
    }
  }
}

}  // namespace vivarium
