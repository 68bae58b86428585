#include "core/server/watch_requests.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/check.h"
#include "core/server/replies.h"
#include "core/server/server.h"
#include "core/tree/permissions.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"

namespace vivarium {
namespace {

constexpr size_t kManyTold = 64;

// --- setWatches

// What happened to one path since the client last heard, if anything.
struct Missed {
  bool any = false;
  WatchEvent event{};
};

Missed missed_data(const ReadContext& context, std::string_view path, Zxid since) {
  const auto slot = context.tree.find(path);
  if (slot == DataTree::kNone) return {true, WatchEvent::Deleted};
  return {context.tree.view(slot).stat.mzxid > since, WatchEvent::DataChanged};
}

Missed missed_exist(const ReadContext& context, std::string_view path) {
  return {context.tree.find(path) != DataTree::kNone, WatchEvent::Created};
}

Missed missed_children(const ReadContext& context, std::string_view path, Zxid since) {
  const auto slot = context.tree.find(path);
  if (slot == DataTree::kNone) return {true, WatchEvent::Deleted};
  return {context.tree.view(slot).stat.pzxid > since, WatchEvent::ChildrenChanged};
}

void rearm(const ReadContext& context, WatchTable::Modes mode, std::string_view path,
           const Missed& missed, Bytes& out) {
  if (!missed.any) {
    context.watches.add(context.watcher, mode, path);
  } else if (may_read(context, path)) {
    append_watch_event(kNoEventZxid, missed.event, path, out);
  }
}

// The lists of setWatches, in their order on the wire; the last two are setWatches2's.
enum class List : uint8_t { Data, Exist, Child, Persistent, Recursive };

struct ListedPath {
  List list{};
  std::string_view path;
};

struct SetWatchesRequest {
  Zxid relative_zxid;
  std::vector<ListedPath> paths;
};

void read_paths(List list, JuteReader& reader, std::vector<ListedPath>& paths) {
  constexpr size_t kStringBytesMin = 4;
  const size_t count = reader.count(kStringBytesMin);
  paths.reserve(paths.size() + count);
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    bool null = false;
    paths.push_back({list, reader.string(&null)});
    if (null) reader.set_failed();
  }
}

SetWatchesRequest read_set_watches(Op op, JuteReader& reader) {
  SetWatchesRequest request;
  request.relative_zxid = Zxid::from_wire(reader.i64());
  for (const List list : {List::Data, List::Exist, List::Child}) {
    read_paths(list, reader, request.paths);
  }
  if (op != Op::SetWatches2) return request;
  for (const List list : {List::Persistent, List::Recursive}) {
    read_paths(list, reader, request.paths);
  }
  return request;
}

void rearm_path(const ReadContext& context, Zxid since, const ListedPath& listed, Bytes& out) {
  const std::string_view path = listed.path;
  switch (listed.list) {
    case List::Data:
      return rearm(context, WatchTable::kData, path, missed_data(context, path, since), out);
    case List::Exist:
      return rearm(context, WatchTable::kData, path, missed_exist(context, path), out);
    case List::Child:
      return rearm(context, WatchTable::kChild, path, missed_children(context, path, since), out);
    // These have no one event to catch up with: clients of persistent watches look for themselves.
    case List::Persistent:
      return context.watches.add(context.watcher, WatchTable::kPersistent, path);
    case List::Recursive:
      return context.watches.add(context.watcher, WatchTable::kRecursive, path);
  }
}

// --- the others

// Types of checkWatches and removeWatches, as sets of modes; nullopt: no such type.
std::optional<WatchTable::Modes> modes_of(int32_t type) {
  switch (type) {
    case 1:
      return WatchTable::kChild;
    case 2:
      return WatchTable::kData;
    case 3:
      return WatchTable::kAll;
    case 4:
      return WatchTable::kPersistent;
    case 5:
      return WatchTable::kRecursive;
    default:
      return std::nullopt;
  }
}

struct PathAndNumber {
  std::string_view path;
  int32_t number = 0;
};

std::optional<PathAndNumber> decode_path_and_number(ByteView body) {
  JuteReader reader(body);
  bool null = false;
  PathAndNumber record;
  record.path = reader.string(&null);
  record.number = reader.i32();
  if (null || !reader.ok()) return std::nullopt;
  return record;
}

}  // namespace

Rearmed rearm_watches(const ReadContext& context, Op op, ByteView body, size_t done, Bytes& out) {
  constexpr size_t kAtOnceMax = 1024;
  JuteReader reader(body);
  const SetWatchesRequest request = read_set_watches(op, reader);
  if (!reader.ok()) return {0, true, ErrorCode::MarshallingError};
  CHECK(done <= request.paths.size());
  const size_t end = std::min(request.paths.size(), done + kAtOnceMax);
  for (size_t i = done; i < end; ++i) {
    rearm_path(context, request.relative_zxid, request.paths[i], out);
  }
  return {end, end == request.paths.size(), ErrorCode::Ok};
}

ErrorCode add_watch(const ReadContext& context, ByteView body, Bytes& out) {
  constexpr int32_t kModePersistent = 0;
  constexpr int32_t kModeRecursive = 1;
  const auto request = decode_path_and_number(body);
  if (!request) return ErrorCode::MarshallingError;
  if (request->number != kModePersistent && request->number != kModeRecursive) {
    return ErrorCode::MarshallingError;
  }
  const bool recursive = request->number == kModeRecursive;
  context.watches.add(context.watcher, recursive ? WatchTable::kRecursive : WatchTable::kPersistent,
                      request->path);
  JuteWriter(out).i32(static_cast<int32_t>(ErrorCode::Ok));
  return ErrorCode::Ok;
}

ErrorCode check_watches(const ReadContext& context, ByteView body, Bytes& out) {
  static_cast<void>(out);
  const auto request = decode_path_and_number(body);
  if (!request) return ErrorCode::MarshallingError;
  const auto modes = modes_of(request->number);
  if (!modes) return ErrorCode::MarshallingError;
  const bool there = (context.watches.modes(context.watcher, request->path) & *modes) != 0;
  return there ? ErrorCode::Ok : ErrorCode::NoWatcher;
}

ErrorCode remove_watches(const ReadContext& context, ByteView body, Bytes& out) {
  static_cast<void>(out);
  const auto request = decode_path_and_number(body);
  if (!request) return ErrorCode::MarshallingError;
  const auto modes = modes_of(request->number);
  if (!modes) return ErrorCode::MarshallingError;
  const bool removed = context.watches.remove(context.watcher, *modes, request->path);
  return removed ? ErrorCode::Ok : ErrorCode::NoWatcher;
}

// Watches fire from what a txn did, of whatever type it was (hazards W3). Who may be told is
// decided by the ACL that the change names, as it was when it happened; a one-shot watch is
// consumed either way (semantics section 3).
void Server::fire_watches(const Effects& effects) {
  if (watches_.count() == 0) return;
  Bytes frame;
  for (const Effects::Change& change : effects.changes) {
    watches_.fire(change.event, change.path, fired_);
    if (fired_.empty()) continue;
    size_t told = 0;
    frame.clear();
    append_watch_event(effects.header.zxid.wire(), change.event, change.path, frame);
    const bool many = fired_.size() > kManyTold;
    for (const WatcherId watcher : fired_) {
      ClientConnection* connection = find(link_of(watcher));
      CHECK(connection != nullptr || !leaving_.empty());
      if (connection == nullptr) continue;
      if (!may_be_told(change.acl, connection->ids, acl_rules_)) continue;
      append_bytes(connection->output, frame);
      ++connection->stats.sent;
      ++stats_.sent;
      ++told;
      if (many) {
        mark_told(*connection);
      } else {
        mark_dirty(*connection);
      }
    }
    traffic_.watch_bytes += static_cast<int64_t>(told * frame.size());
    traffic_.note_told(change.event, told);
  }
}

}  // namespace vivarium
