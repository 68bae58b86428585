#include "core/tree/watches.h"

#include <bit>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace vivarium {
namespace {

uint32_t path_hash(std::string_view path) {
  return static_cast<uint32_t>(hash64(as_bytes(path)) >> 32);
}

}  // namespace

void WatchTable::add(WatcherId watcher, Kind kind, std::string_view path) {
  const PathId id = intern_path(path);
  const auto [entry, added] = by_path_.try_emplace({id, watcher}, Modes{0});
  if (added) {
    ++paths_[id].watchers;
    by_watcher_.emplace(watcher, id);
  }
  const Modes mode = kind == Kind::Data ? kData : kChild;
  if ((entry->second & mode) == 0) ++count_;
  entry->second = static_cast<Modes>(entry->second | mode);
}

void WatchTable::remove_watcher(WatcherId watcher) {
  auto at = by_watcher_.lower_bound({watcher, 0});
  while (at != by_watcher_.end() && at->first == watcher) {
    const auto entry = by_path_.find({at->second, watcher});
    CHECK(entry != by_path_.end());
    count_ -= static_cast<size_t>(std::popcount(entry->second));
    by_path_.erase(entry);
    release_path(at->second);
    at = by_watcher_.erase(at);
  }
}

void WatchTable::fire(WatchEvent event, std::string_view path, std::vector<WatcherId>& fired) {
  fired.clear();
  if (count_ == 0) return;
  const PathId id = find_path(path);
  if (id == HashChains::kNone) return;
  Modes consumed = kData;
  if (event == WatchEvent::ChildrenChanged) consumed = kChild;
  if (event == WatchEvent::Deleted) consumed = kData | kChild;
  auto at = by_path_.lower_bound({id, 0});
  while (at != by_path_.end() && at->first.first == id) {
    const Modes hit = at->second & consumed;
    if (hit == 0) {
      ++at;
      continue;
    }
    const WatcherId watcher = at->first.second;
    fired.push_back(watcher);
    count_ -= static_cast<size_t>(std::popcount(hit));
    at->second = static_cast<Modes>(at->second & ~consumed);
    if (at->second != 0) {
      ++at;
      continue;
    }
    at = by_path_.erase(at);
    by_watcher_.erase({watcher, id});
    release_path(id);
  }
}

bool WatchTable::watches(WatcherId watcher, Kind kind, std::string_view path) const {
  const PathId id = find_path(path);
  if (id == HashChains::kNone) return false;
  const auto entry = by_path_.find({id, watcher});
  return entry != by_path_.end() && (entry->second & (kind == Kind::Data ? kData : kChild)) != 0;
}

WatchTable::PathId WatchTable::find_path(std::string_view path) const {
  return index_.find(
      path_hash(path), [this](PathId id) -> const Path& { return paths_[id]; },
      [&](PathId id) { return paths_[id].text == path; });
}

WatchTable::PathId WatchTable::intern_path(std::string_view path) {
  PathId id = find_path(path);
  if (id != HashChains::kNone) return id;
  if (free_paths_.empty()) {
    id = static_cast<PathId>(paths_.size());
    paths_.emplace_back();
  } else {
    id = free_paths_.back();
    free_paths_.pop_back();
  }
  paths_[id].text.assign(path);
  paths_[id].hash = path_hash(path);
  index_.insert(id, [this](PathId i) -> Path& { return paths_[i]; });
  return id;
}

void WatchTable::release_path(PathId id) {
  CHECK(paths_[id].watchers > 0);
  if (--paths_[id].watchers > 0) return;
  index_.erase(id, [this](PathId i) -> Path& { return paths_[i]; });
  paths_[id].text = std::string();
  free_paths_.push_back(id);
}

}  // namespace vivarium
