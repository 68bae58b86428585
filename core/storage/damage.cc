#include "core/storage/damage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/storage/log_scanner.h"
#include "core/wire/txn.h"

namespace vivarium {
namespace {

bool all_zeros(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](Byte b) { return b == 0; });
}

// Where the record at `at` ends if its length is right; 0 when it cannot be.
uint64_t extent_end(ByteView file, uint64_t at) {
  if (at > file.size() || file.size() - at < kRecordHeadBytes) return 0;
  const auto length = static_cast<int32_t>(get_u32(file.data() + at + 8));
  const uint64_t end = at + kRecordHeadBytes + static_cast<uint64_t>(std::max(length, 0)) + 1;
  return length > 0 && end <= file.size() ? end : 0;
}

// Behind the last byte that is not zero.
uint64_t end_of_data(ByteView file) {
  const auto last = std::find_if(file.rbegin(), file.rend(), [](Byte b) { return b != 0; });
  return static_cast<uint64_t>(last.base() - file.begin());
}

}  // namespace

std::string describe(const std::vector<Fault>& faults) {
  if (faults.empty()) return "nothing";
  std::string text;
  for (const Fault& fault : faults) {
    const Zxid first = fault.range.after.next();
    if (!text.empty()) text += ", ";
    text += fmt::format("{:x}", first.value);
    if (first < fault.range.upto) text += fmt::format("-{:x}", fault.range.upto.value);
  }
  return text;
}

DamageSurvey::DamageSurvey(Zxid last, std::optional<uint32_t> last_crc, const Frontier& frontier)
    : last_(last), last_crc_(last_crc), frontier_(frontier), at_(last), at_crc_(last_crc) {}

void DamageSurvey::contradiction(std::string_view why) {
  if (contradiction_.empty()) contradiction_ = why;
}

std::optional<DamageSurvey::Record> DamageSurvey::record_at(ByteView file, uint64_t at,
                                                            std::optional<uint64_t> file_id) const {
  if (at > file.size() || file.size() - at < kRecordHeadBytes) return std::nullopt;
  const auto length = static_cast<int32_t>(get_u32(file.data() + at + 8));
  if (length < static_cast<int32_t>(kTxnHeaderBytes)) return std::nullopt;
  const uint64_t end = at + kRecordHeadBytes + static_cast<uint64_t>(length) + 1;
  if (end > file.size() || file[end - 1] != kRecordEnd) return std::nullopt;
  const ByteView covered = file.subspan(at + kRecordHeadBytes, static_cast<size_t>(length));
  if (get_u64(file.data() + at) != adler32(covered)) return std::nullopt;
  Record record;
  record.end = end;
  record.entry = covered;
  if (const std::optional<Trailer> trailer = decode_trailer(covered)) {
    record.ours = true;
    record.trailer = *trailer;
    record.entry = covered.first(covered.size() - kTrailerBytes);
    const bool here = trailer->offset == at && (!file_id || trailer->file_id == *file_id);
    if (!here || record.entry.size() < kTxnHeaderBytes ||
        trailer->entry_crc != crc32c(record.entry)) {
      return std::nullopt;
    }
  }
  record.zxid = Zxid{get_u64(record.entry.data() + kTxnZxidOffset)};
  return record;
}

std::optional<uint64_t> DamageSurvey::next_record(ByteView file, uint64_t at,
                                                  std::optional<uint64_t> file_id,
                                                  uint32_t& orphans) const {
  const Byte* const begin = file.data();
  const Byte* const limit = begin + file.size();
  const Byte* p = begin + std::min<uint64_t>(at, file.size());
  while (limit - p >= static_cast<ptrdiff_t>(kTrailerBytes)) {
    const auto room = static_cast<size_t>(limit - p) - (kTrailerBytes - 1);
    p = static_cast<const Byte*>(std::memchr(p, kTrailerMagic >> 24, room));
    if (p == nullptr) return std::nullopt;
    const auto found = static_cast<uint64_t>(p - begin);
    const std::optional<Trailer> trailer = decode_trailer({p, kTrailerBytes});
    ++p;
    if (!trailer || (file_id && trailer->file_id != *file_id)) continue;
    const uint64_t start = trailer->offset;
    if (start >= at && start < found) {
      const std::optional<Record> record = record_at(file, start, file_id);
      if (record && record->end == found + kTrailerBytes + 1) return start;
    }
    if (trailer->generation >= frontier_.generation) ++orphans;
  }
  return std::nullopt;
}

// A record of ours says by its link what comes before it.
void DamageSurvey::take(const Record& record) {
  if (record.zxid <= last_) return;
  const Trailer& t = record.trailer;
  if (!record.ours) return contradiction("records of Apache ZooKeeper are behind it");
  if (t.generation < frontier_.generation && record.zxid > frontier_.zxid) {
    return contradiction("records that a truncation had removed are behind it");
  }
  const bool next = t.anchor ? record.zxid > t.previous : record.zxid.follows(t.previous);
  if (record.zxid <= at_ || t.previous < at_ || !next) {
    return contradiction("records behind it are out of order");
  }
  if (t.previous == at_) {
    if (!t.anchor && at_crc_ && t.previous_crc != *at_crc_) {
      return contradiction("records behind it do not continue this log");
    }
  } else {
    if (t.anchor) return contradiction("the log begins anew behind it");
    faults_.push_back({{at_, t.previous}, t.previous_crc});
  }
  at_ = record.zxid;
  at_crc_ = t.entry_crc;
  salvaged_bytes_ += record.entry.size();
  if (salvaged_bytes_ > kSalvagedBytesMax) return contradiction("too much is behind it");
  salvaged_.push_back(
      {record.zxid, t.previous, share(Bytes(record.entry.begin(), record.entry.end()))});
}

// The sector in which the frontier's record ends is there, and shows that no record was begun
// behind it: a sector is written whole.
bool DamageSurvey::ends_at_frontier(ByteView file, uint64_t data_end) const {
  const uint64_t end = frontier_.end_offset;
  const uint64_t sector = end / kSectorBytes * kSectorBytes;
  const uint64_t sector_end = sector + kSectorBytes;
  if (end <= sector || sector_end - end < kRecordHeadBytes || file.size() < sector_end) {
    return false;
  }
  if (all_zeros(file.subspan(sector, end - sector))) return false;
  if (!all_zeros(file.subspan(end, sector_end - end))) return false;
  return data_end <= end || could_be_torn(file, 0, end, extent_end(file, end));
}

void DamageSurvey::add_file(ByteView bytes, bool unreadable) {
  Tail tail;
  tail.readable = !unreadable;
  std::optional<uint64_t> file_id;
  uint64_t at = 0;
  if (bytes.size() >= kLogHeaderBytes && get_u32(bytes.data()) == kLogMagic) {
    file_id = get_u64(bytes.data() + 8);
    at = kLogHeaderBytes;
  }
  uint32_t orphans = 0;
  while (true) {
    if (const std::optional<Record> record = record_at(bytes, at, file_id)) {
      if (!file_id && record->ours) file_id = record->trailer.file_id;
      take(*record);
      tail.has_records = true;
      orphans = 0;
      at = record->end;
      continue;
    }
    const std::optional<uint64_t> next = next_record(bytes, at, file_id, orphans);
    if (!next) break;
    CHECK(*next >= at);
    at = *next;
  }
  const uint64_t data_end = end_of_data(bytes);
  tail.file_id = file_id.value_or(0);
  tail.empty = data_end == 0 || (file_id && data_end <= kLogHeaderBytes);
  tail.ends_there =
      data_end <= at || (orphans == 0 && could_be_torn(bytes, 0, at, extent_end(bytes, at)));
  if (file_id && *file_id != 0 && *file_id == frontier_.file_id) {
    tail.ends_at_frontier = ends_at_frontier(bytes, data_end);
  }
  tails_.push_back(tail);
}

std::optional<Damage> DamageSurvey::conclude(std::string& why) const {
  why = contradiction_;
  if (!why.empty()) return std::nullopt;
  Damage damage{at_, faults_, salvaged_};
  const bool tail_missing = frontier_.zxid > at_;
  // The file in which the log ends: that of the last record, or of the frontier.
  size_t end_file = tails_.size();
  for (size_t i = 0; i < tails_.size(); ++i) {
    const bool here = tail_missing
                          ? frontier_.file_id != 0 && tails_[i].file_id == frontier_.file_id
                          : tails_[i].has_records;
    if (here) end_file = i;
  }
  why = "the end of the log is not to be seen";
  if (end_file == tails_.size()) return std::nullopt;
  const Tail& tail = tails_[end_file];
  if (!tail.readable) return std::nullopt;
  if (!(tail_missing ? tail.ends_at_frontier : tail.ends_there)) return std::nullopt;
  for (size_t i = end_file + 1; i < tails_.size(); ++i) {
    if (!tails_[i].empty || !tails_[i].readable) return std::nullopt;
  }
  if (tail_missing) {
    damage.faults.push_back({{at_, frontier_.zxid}, frontier_.entry_crc});
    damage.claimed = frontier_.zxid;
  }
  why = "too many faults";
  if (damage.faults.size() > kFaultsMax) return std::nullopt;
  why.clear();
  return damage;
}

}  // namespace vivarium
