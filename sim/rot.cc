#include "sim/rot.h"

#include <fmt/format.h>

#include <vector>

#include "core/base/hash.h"
#include "core/storage/record.h"

namespace vivarium::sim {
namespace {

struct Place {
  std::string name;
  uint64_t offset = 0;
  uint64_t end = 0;
  Zxid zxid;
};

// Records that the durable frontier vouches for, in the durable log files.
std::vector<Place> vouched_records(const SimDisk& disk) {
  std::vector<Place> places;
  const auto sidecar = disk.content(Dir::Logs, kFrontierName, SimDisk::Image::Durable);
  const std::optional<Frontier> frontier =
      sidecar ? newest_frontier(*sidecar) : std::optional<Frontier>();
  if (!frontier || frontier->intent != Intent::None) return places;
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
      if (zxid <= frontier->zxid) places.push_back({file.name, at, end, zxid});
      at = end;
    }
  }
  return places;
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

}  // namespace vivarium::sim
