#include "sim/rot.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/base/hash.h"
#include "core/storage/record.h"
#include "sim/crash.h"

namespace vivarium::sim {
namespace {

struct Place {
  std::string name;
  uint64_t offset = 0;
  uint64_t end = 0;
  Zxid zxid;
};

// Records in the durable log files, up to a zxid.
std::vector<Place> records_up_to(const SimDisk& disk, Zxid upto) {
  std::vector<Place> places;
  for (const DirEntry& file : disk.list(Dir::Logs, SimDisk::Image::Durable)) {
    if (!parse_log_name(file.name)) continue;
    const std::optional<Bytes> bytes = disk.content(Dir::Logs, file.name, SimDisk::Image::Durable);
    if (!bytes) continue;
    for (uint64_t at = kLogHeaderBytes; at + kRecordHeadBytes < bytes->size();) {
      const uint64_t length = get_u32(bytes->data() + at + 8);
      const uint64_t end = at + kRecordHeadBytes + length + 1;
      if (length <= kTrailerBytes || end > bytes->size() || (*bytes)[end - 1] != kRecordEnd) break;
      const ByteView covered = ByteView(*bytes).subspan(at + kRecordHeadBytes, length);
      if (get_u64(bytes->data() + at) != adler32(covered) || !decode_trailer(covered)) break;
      const Zxid zxid{get_u64(covered.data() + 12)};
      if (zxid <= upto) places.push_back({file.name, at, end, zxid});
      at = end;
    }
  }
  return places;
}

// Those that the durable frontier vouches for.
std::vector<Place> vouched_records(const SimDisk& disk) {
  const auto sidecar = disk.content(Dir::Logs, kFrontierName, SimDisk::Image::Durable);
  const std::optional<Frontier> frontier =
      sidecar ? newest_frontier(*sidecar) : std::optional<Frontier>();
  if (!frontier || frontier->intent != Intent::None) return {};
  return records_up_to(disk, frontier->zxid);
}

// A zeroed sector must not hold what is behind the frontier.
bool may_zero(const std::vector<Place>& places, const Place& place, uint64_t sector) {
  const uint64_t end = (sector + 1) * kSectorBytes;
  for (const Place& other : places) {
    if (other.name == place.name && other.end >= end) return true;
  }
  return false;
}

std::optional<std::string> rot_place(SimDisk& disk, const std::vector<Place>& places,
                                     const Place& place, RotKind kind, uint64_t draw) {
  const uint64_t sector = (place.offset + place.end) / 2 / kSectorBytes;
  const std::string where = fmt::format("record {:x} in {}", place.zxid.value, place.name);
  if (kind == RotKind::ZeroedSector && may_zero(places, place, sector)) {
    disk.zero_sector(Dir::Logs, place.name, sector);
    return "a zeroed sector within " + where;
  }
  if (kind == RotKind::GarbledSector && may_zero(places, place, sector)) {
    disk.garble_sector(Dir::Logs, place.name, sector, draw);
    return "a garbled sector within " + where;
  }
  // The first half of a checksum is not looked at.
  const uint64_t from = (place.offset + 4) * 8;
  disk.flip_bit(Dir::Logs, place.name, from + draw % (place.end * 8 - from));
  return "a flipped bit within " + where;
}

}  // namespace

std::optional<std::string> rot_record(SimDisk& disk, Zxid zxid, RotKind kind, uint64_t draw) {
  const std::vector<Place> places = vouched_records(disk);
  for (const Place& place : places) {
    if (place.zxid == zxid) return rot_place(disk, places, place, kind, draw);
  }
  return std::nullopt;
}

std::optional<std::string> rot_log(SimDisk& disk, Choices& choices, uint64_t fault) {
  const std::vector<Place> places = vouched_records(disk);
  if (places.empty()) return std::nullopt;
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Fault, fault, 20 + what, 0}, n);
  };
  const Place& place = places[draw(0, places.size())];
  const auto kind = static_cast<RotKind>(draw(1, 3));
  return rot_place(disk, places, place, kind, draw(2, uint64_t{1} << 32));
}

std::optional<std::string> rot_snapshots(SimDisk& disk, Choices& choices, uint64_t fault) {
  size_t count = 0;
  for (const DirEntry& file : disk.list(Dir::Snapshots, SimDisk::Image::Durable)) {
    if (!parse_snapshot_name(file.name) || file.size == 0) continue;
    const Choice choice{ChoiceKind::Fault, fault, 23, count++};
    disk.flip_bit(Dir::Snapshots, file.name, choices.below(choice, file.size * 8));
  }
  if (count == 0) return std::nullopt;
  return fmt::format("a flipped bit in each of {} snapshots", count);
}

namespace {

// They differ in nothing but what was durable.
bool same_but_for_the_end(const Frontier& a, const Frontier& b) {
  return a.uuid_high == b.uuid_high && a.generation == b.generation &&
         a.accepted_epoch == b.accepted_epoch && a.current_epoch == b.current_epoch && a.member &&
         b.member && a.intent == Intent::None && b.intent == Intent::None;
}

// Of two such slots the older one.
std::optional<size_t> older_slot(ByteView sidecar) {
  if (sidecar.size() < kFrontierSlotStride + kFrontierSlotBytes) return std::nullopt;
  const auto a = decode_frontier(sidecar.first(kFrontierSlotBytes));
  const auto b = decode_frontier(sidecar.subspan(kFrontierSlotStride).first(kFrontierSlotBytes));
  if (!a || !b) return std::nullopt;
  if (!same_but_for_the_end(*a, *b)) return std::nullopt;
  return a->sequence < b->sequence ? 0 : 1;
}

void zero(Bytes& bytes, uint64_t from, uint64_t to) {
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from),
            bytes.begin() + static_cast<std::ptrdiff_t>(to), Byte{0});
}

}  // namespace

std::optional<LostTail> lose_tail(SimDisk& disk, uint64_t draw) {
  auto sidecar = disk.content(Dir::Logs, kFrontierName, SimDisk::Image::Durable);
  const std::optional<size_t> older = sidecar ? older_slot(*sidecar) : std::nullopt;
  if (!older) return std::nullopt;
  zero(*sidecar, (1 - *older) * kFrontierSlotStride,
       (1 - *older) * kFrontierSlotStride + kFrontierSlotBytes);
  LostTail lost;
  lost.frontier = *newest_frontier(*sidecar);
  // A snapshot tells, too, and so does the name of a file.
  Zxid known = lost.frontier.zxid;
  for (const DirEntry& file : disk.list(Dir::Snapshots, SimDisk::Image::Durable)) {
    known = std::max(known, parse_snapshot_name(file.name).value_or(SnapshotName{}).zxid);
  }
  for (const DirEntry& file : disk.list(Dir::Logs, SimDisk::Image::Durable)) {
    known = std::max(known, parse_log_name(file.name).value_or(Zxid{}));
  }
  const std::vector<Place> places = records_up_to(disk, Zxid{UINT64_MAX});
  const auto first = std::find_if(places.begin(), places.end(),
                                  [known](const Place& place) { return place.zxid > known; });
  if (first == places.begin() || first == places.end()) return std::nullopt;
  const auto choices = static_cast<uint64_t>(places.end() - first);
  const auto from = first + static_cast<std::ptrdiff_t>(draw % choices);
  lost.kept = (from - 1)->zxid;
  auto log = disk.content(Dir::Logs, from->name, SimDisk::Image::Durable);
  if (!log || (from - 1)->name != from->name) return std::nullopt;
  zero(*log, from->offset, log->size());
  disk.put(Dir::Logs, from->name, *log);
  disk.put(Dir::Logs, kFrontierName, *sidecar);
  return lost;
}

SimDisk image_of(const SimDisk& disk) {
  SimDisk image = disk;
  const std::vector<CrashUnit> units = Crash::units(image);
  Crash::lose_power(image, units, CrashPlan(units.size(), 0));
  return image;
}

std::optional<LostTail> forgotten_by(const SimDisk& image, const SimDisk& disk) {
  const auto frontier_of = [](const SimDisk& of) {
    const auto sidecar = of.content(Dir::Logs, kFrontierName, SimDisk::Image::Durable);
    return sidecar ? newest_frontier(*sidecar) : std::optional<Frontier>();
  };
  const std::optional<Frontier> then = frontier_of(image);
  const std::optional<Frontier> now = frontier_of(disk);
  if (!then || !now || !same_but_for_the_end(*then, *now)) return std::nullopt;
  LostTail lost;
  lost.frontier = *then;
  lost.kept = then->zxid;
  const std::vector<Place> places = records_up_to(image, Zxid{UINT64_MAX});
  if (!places.empty()) lost.kept = std::max(lost.kept, places.back().zxid);
  return lost.kept < now->zxid ? std::optional(lost) : std::nullopt;
}

}  // namespace vivarium::sim
