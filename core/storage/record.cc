#include "core/storage/record.h"

#include <charconv>
#include <utility>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr Byte kTrailerVersion = 1;
constexpr Byte kFlagAnchor = 1;
constexpr uint32_t kFrontierVersion = 1;
constexpr uint32_t kFlagMember = 1;
constexpr size_t kTrailerCrcAt = kTrailerBytes - 4;
constexpr size_t kFrontierCrcAt = kFrontierBytes - 4;
constexpr size_t kRememberedBytes = 32;

Byte* grow(Bytes& out, size_t n) {
  out.resize(out.size() + n);
  return out.data() + out.size() - n;
}

std::string hex_name(std::string_view prefix, uint64_t value) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16);
  std::string name(prefix);
  name.append(digits, end.ptr);
  return name;
}

// A number behind `prefix`, to the end, in the one form that writing gives.
std::optional<uint64_t> parse_number(std::string_view name, std::string_view prefix, int base) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const std::string_view digits = name.substr(prefix.size());
  if (digits.empty() || digits.size() > 20 || (digits.size() > 1 && digits[0] == '0')) {
    return std::nullopt;
  }
  for (const char c : digits) {
    const bool decimal = c >= '0' && c <= '9';
    if (!decimal && !(base == 16 && c >= 'a' && c <= 'f')) return std::nullopt;
  }
  uint64_t value = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (end.ec != std::errc{} || end.ptr != digits.data() + digits.size()) return std::nullopt;
  return value;
}

constexpr std::pair<Coding, std::string_view> kEndings[] = {{Coding::Gzip, ".gz"},
                                                            {Coding::Snappy, ".snappy"}};

}  // namespace

void encode_trailer(const Trailer& trailer, Bytes& out) {
  Byte* p = grow(out, kTrailerBytes);
  put_u32(p, kTrailerMagic);
  p[4] = kTrailerVersion;
  p[5] = trailer.anchor ? kFlagAnchor : Byte{0};
  p[6] = 0;
  p[7] = 0;
  put_u32(p + 8, trailer.entry_crc);
  put_u32(p + 12, trailer.previous_crc);
  put_u64(p + 16, trailer.previous.value);
  put_u64(p + 24, trailer.durable.value);
  put_u64(p + 32, trailer.file_id);
  put_u64(p + 40, trailer.offset);
  put_u32(p + 48, trailer.generation);
  put_u32(p + 52, 0);
  put_u64(p + 56, trailer.state_zxid.value);
  put_u64(p + 64, trailer.state_hash.high);
  put_u64(p + 72, trailer.state_hash.low);
  put_u64(p + 80, trailer.anchor_digest);
  put_u32(p + kTrailerCrcAt, crc32c({p, kTrailerCrcAt}));
}

std::optional<Trailer> decode_trailer(ByteView covered) {
  if (covered.size() < kTrailerBytes) return std::nullopt;
  const Byte* p = covered.data() + covered.size() - kTrailerBytes;
  if (get_u32(p) != kTrailerMagic || p[4] != kTrailerVersion) return std::nullopt;
  if (crc32c({p, kTrailerCrcAt}) != get_u32(p + kTrailerCrcAt)) return std::nullopt;
  Trailer t;
  t.anchor = (p[5] & kFlagAnchor) != 0;
  t.entry_crc = get_u32(p + 8);
  t.previous_crc = get_u32(p + 12);
  t.previous = Zxid{get_u64(p + 16)};
  t.durable = Zxid{get_u64(p + 24)};
  t.file_id = get_u64(p + 32);
  t.offset = get_u64(p + 40);
  t.generation = get_u32(p + 48);
  t.state_zxid = Zxid{get_u64(p + 56)};
  t.state_hash = {get_u64(p + 64), get_u64(p + 72)};
  t.anchor_digest = get_u64(p + 80);
  return t;
}

namespace {

void encode_remembered(const std::vector<RememberedAck>& remembered, Bytes& out) {
  CHECK(remembered.size() <= kRememberedMax);
  if (remembered.empty()) return;
  const size_t bytes = 4 + remembered.size() * kRememberedBytes;
  static_assert(kFrontierBytes + 8 + kRememberedMax * kRememberedBytes <= kFrontierSlotBytes);
  Byte* const begin = grow(out, bytes + 4);
  put_u32(begin, static_cast<uint32_t>(remembered.size()));
  Byte* p = begin + 4;
  for (const auto& [voter, acknowledged] : remembered) {
    put_u64(p, static_cast<uint64_t>(voter.value));
    put_u64(p + 8, acknowledged.upto.value);
    put_u64(p + 16, acknowledged.log.directory);
    put_u32(p + 24, acknowledged.log.generation);
    put_u32(p + 28, acknowledged.epoch);
    p += kRememberedBytes;
  }
  put_u32(p, crc32c({begin, bytes}));
}

// Nothing when it is not there, or not well: that loses a safeguard, and no promise.
std::vector<RememberedAck> decode_remembered(ByteView in) {
  if (in.size() < 4) return {};
  const size_t count = get_u32(in.data());
  if (count == 0 || count > kRememberedMax) return {};
  const size_t bytes = 4 + count * kRememberedBytes;
  if (in.size() < bytes + 4 || crc32c(in.first(bytes)) != get_u32(in.data() + bytes)) return {};
  std::vector<RememberedAck> remembered;
  for (size_t i = 0; i < count; ++i) {
    const Byte* p = in.data() + 4 + i * kRememberedBytes;
    const LogId log{get_u64(p + 16), get_u32(p + 24)};
    remembered.push_back({ServerId{static_cast<int64_t>(get_u64(p))},
                          Acknowledged{log, get_u32(p + 28), Zxid{get_u64(p + 8)}}});
  }
  return remembered;
}

}  // namespace

void encode_frontier(const Frontier& frontier, Bytes& out) {
  Byte* p = grow(out, kFrontierBytes);
  put_u32(p, kFrontierMagic);
  put_u32(p + 4, kFrontierVersion);
  put_u64(p + 8, frontier.sequence);
  put_u64(p + 16, frontier.uuid_high);
  put_u64(p + 24, frontier.uuid_low);
  put_u64(p + 32, frontier.boots);
  put_u64(p + 40, frontier.zxid.value);
  put_u64(p + 48, frontier.file_id);
  put_u64(p + 56, frontier.end_offset);
  put_u32(p + 64, frontier.entry_crc);
  put_u32(p + 68, frontier.generation);
  put_u32(p + 72, frontier.accepted_epoch);
  put_u32(p + 76, frontier.current_epoch);
  put_u32(p + 80, static_cast<uint32_t>(frontier.intent));
  put_u32(p + 84, frontier.member ? kFlagMember : 0);
  put_u64(p + 88, frontier.intent_zxid.value);
  put_u64(p + 96, frontier.acknowledged.value);
  put_u32(p + kFrontierCrcAt, crc32c({p, kFrontierCrcAt}));
  encode_remembered(frontier.remembered, out);
}

std::optional<Frontier> decode_frontier(ByteView slot) {
  if (slot.size() < kFrontierBytes) return std::nullopt;
  const Byte* p = slot.data();
  if (get_u32(p) != kFrontierMagic || get_u32(p + 4) != kFrontierVersion) return std::nullopt;
  if (crc32c({p, kFrontierCrcAt}) != get_u32(p + kFrontierCrcAt)) return std::nullopt;
  const uint32_t intent = get_u32(p + 80);
  if (intent > static_cast<uint32_t>(Intent::SnapshotInstall)) return std::nullopt;
  Frontier f;
  f.sequence = get_u64(p + 8);
  f.uuid_high = get_u64(p + 16);
  f.uuid_low = get_u64(p + 24);
  f.boots = get_u64(p + 32);
  f.zxid = Zxid{get_u64(p + 40)};
  f.file_id = get_u64(p + 48);
  f.end_offset = get_u64(p + 56);
  f.entry_crc = get_u32(p + 64);
  f.generation = get_u32(p + 68);
  f.accepted_epoch = get_u32(p + 72);
  f.current_epoch = get_u32(p + 76);
  f.intent = static_cast<Intent>(intent);
  f.member = (get_u32(p + 84) & kFlagMember) != 0;
  f.intent_zxid = Zxid{get_u64(p + 88)};
  f.acknowledged = Zxid{get_u64(p + 96)};
  f.remembered = decode_remembered(slot.subspan(kFrontierBytes));
  return f;
}

std::optional<Frontier> newest_frontier(ByteView file) {
  std::optional<Frontier> newest;
  for (size_t slot = 0; slot < 2; ++slot) {
    const size_t at = slot * kFrontierSlotStride;
    if (at >= file.size()) break;
    const std::optional<Frontier> found = decode_frontier(file.subspan(at));
    if (found && (!newest || found->sequence > newest->sequence)) newest = found;
  }
  return newest;
}

std::string log_name(Zxid first) { return hex_name("log.", first.value); }
std::string snapshot_name(SnapshotName name) {
  std::string text = hex_name("snapshot.", name.zxid.value);
  for (const auto& [coding, ending] : kEndings) {
    if (coding == name.coding) text += ending;
  }
  return text;
}

std::optional<Zxid> parse_log_name(std::string_view name) {
  const std::optional<uint64_t> value = parse_number(name, "log.", 16);
  return value ? std::optional<Zxid>(Zxid{*value}) : std::nullopt;
}

std::optional<SnapshotName> parse_snapshot_name(std::string_view name) {
  SnapshotName parsed;
  for (const auto& [coding, ending] : kEndings) {
    if (!name.ends_with(ending)) continue;
    parsed.coding = coding;
    name.remove_suffix(ending.size());
    break;
  }
  const std::optional<uint64_t> value = parse_number(name, "snapshot.", 16);
  if (!value) return std::nullopt;
  parsed.zxid = Zxid{*value};
  return parsed;
}

std::string spare_name(uint64_t number) { return "spare." + std::to_string(number); }

std::optional<uint64_t> parse_spare_name(std::string_view name) {
  return parse_number(name, "spare.", 10);
}

}  // namespace vivarium
