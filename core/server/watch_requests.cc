#include "core/server/watch_requests.h"

#include <optional>
#include <string_view>

#include "core/base/check.h"
#include "core/server/replies.h"
#include "core/tree/permissions.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"

namespace vivarium {
namespace {

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

uint32_t lists_of(Op op) { return op == Op::SetWatches2 ? 5 : 3; }

constexpr size_t kStringBytesMin = 4;

bool decodes(Op op, ByteView body) {
  JuteReader in(body);
  in.i64();
  for (uint32_t list = 0; list < lists_of(op); ++list) {
    const size_t count = in.count(kStringBytesMin);
    for (size_t i = 0; i < count && in.ok(); ++i) {
      bool null = false;
      in.string(&null);
      if (null) in.set_failed();
    }
  }
  return in.ok();
}

void rearm_path(const ReadContext& context, Zxid since, List list, std::string_view path,
                Bytes& out) {
  switch (list) {
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

Rearmed rearm_watches(const ReadContext& context, Op op, ByteView body, RearmPlace& place,
                      size_t max, Bytes& out) {
  if (place.offset == 0) {
    if (!decodes(op, body)) return {0, true, ErrorCode::MarshallingError};
    JuteReader in(body);
    place.since = Zxid::from_wire(in.i64());
    place.offset = in.position();
  }
  JuteReader in(body.subspan(place.offset));
  size_t done = 0;
  for (; done < max; ++done) {
    while (place.left == 0 && place.lists < lists_of(op)) {
      ++place.lists;
      place.left = in.count(kStringBytesMin);
    }
    if (place.left == 0) return {done, true, ErrorCode::Ok};
    rearm_path(context, place.since, static_cast<List>(place.lists - 1), in.string(), out);
    --place.left;
  }
  CHECK(in.ok());
  place.offset += in.position();
  return {done, false, ErrorCode::Ok};
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

}  // namespace vivarium
