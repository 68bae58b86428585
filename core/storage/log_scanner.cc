#include "core/storage/log_scanner.h"

#include <algorithm>
#include <cstring>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/wire/txn.h"

namespace vivarium {
namespace {

// Read ahead of a record's head: enough to judge a torn one by its first two sectors.
constexpr uint64_t kLookAhead = 2 * kSectorBytes + kRecordHeadBytes;

uint64_t next_sector(uint64_t offset) { return (offset / kSectorBytes + 1) * kSectorBytes; }

// The first byte that is not zero in [from, to), or `to`.
const Byte* skip_zeros(const Byte* from, const Byte* to) {
  while (to - from >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, from, 8);
    if (word != 0) break;
    from += 8;
  }
  return std::find_if(from, to, [](Byte b) { return b != 0; });
}

}  // namespace

// The first half of a checksum is zeros in any case and says nothing.
bool could_be_torn(ByteView bytes, uint64_t base, uint64_t at, uint64_t extent_end) {
  CHECK(at >= base);
  const auto zeros = [&](uint64_t from, uint64_t to) {
    const uint64_t end = base + bytes.size();
    const Byte* const begin = bytes.data() + (std::min(from, end) - base);
    const Byte* const limit = bytes.data() + (std::min(to, end) - base);
    return skip_zeros(begin, limit) == limit;
  };
  const uint64_t first_end = next_sector(at);
  if (at + kRecordHeadBytes <= first_end) {
    if (zeros(at, first_end)) return true;
  } else {
    if (zeros(first_end, first_end + kSectorBytes)) return true;
    if (first_end - at > 4 && zeros(at, first_end)) return true;
  }
  // The head is new content, so its length is right: a record must be there to its end.
  if (extent_end == 0) return false;
  for (uint64_t from = first_end; from < extent_end; from += kSectorBytes) {
    if (zeros(from, std::min(from + kSectorBytes, extent_end))) return true;
  }
  return false;
}

const char* to_string(BadPlace bad) {
  switch (bad) {
    case BadPlace::None:
      return "nothing";
    case BadPlace::Header:
      return "no log header";
    case BadPlace::Hole:
      return "a hole of zeros";
    case BadPlace::Length:
      return "an impossible length";
    case BadPlace::PastEnd:
      return "a record that runs past the end of the file";
    case BadPlace::EndByte:
      return "a record without its end byte";
    case BadPlace::Checksum:
      return "a wrong checksum";
    case BadPlace::Trailer:
      return "a record that belongs elsewhere";
  }
  return "";
}

void LogScanner::feed(ByteView bytes) {
  CHECK(!ended_);
  append_bytes(buffer_, bytes);
  // A file may have grown since its size was asked for, never shrunk.
  facts_.size = std::max(facts_.size, available_end());
}

void LogScanner::end(bool unreadable) {
  ended_ = true;
  facts_.unreadable = unreadable;
}

ByteView LogScanner::view(uint64_t from, uint64_t to) const {
  CHECK(from >= base_ && from <= to && to <= available_end());
  return ByteView(buffer_).subspan(from - base_, to - from);
}

bool LogScanner::zeros(uint64_t from, uint64_t to) const {
  const ByteView bytes = view(from, std::min(to, available_end()));
  return skip_zeros(bytes.data(), bytes.data() + bytes.size()) == bytes.data() + bytes.size();
}

void LogScanner::consume(uint64_t up_to) {
  CHECK(up_to >= base_ && up_to <= available_end());
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(up_to - base_));
  base_ = up_to;
}

const ScannedRecord* LogScanner::next() {
  has_record_ = false;
  if (state_ == State::Header && !read_header()) return nullptr;
  while (state_ == State::Records && read_record()) {
  }
  if (has_record_) return &record_;
  if (state_ == State::Search) search();
  if (state_ == State::Records) consume(at_);
  return nullptr;
}

bool LogScanner::read_header() {
  if (available_end() < kLogHeaderBytes && !ended_) return false;
  facts_.header = available_end() >= kLogHeaderBytes && get_u32(buffer_.data()) == kLogMagic;
  if (!facts_.header) {
    facts_.bad = BadPlace::Header;
    state_ = State::Search;
    return true;
  }
  facts_.file_id = get_u64(buffer_.data() + 8);
  at_ = facts_.good_end = facts_.data_end = kLogHeaderBytes;
  state_ = State::Records;
  return true;
}

// One attempt at the record at at_. True: call again (the state has moved on without a record).
bool LogScanner::read_record() {
  const uint64_t have = available_end() - at_;
  if (have < kLookAhead && !ended_) return false;
  if (have < kRecordHeadBytes) {
    // Too short for a record: the end of the data, unless something is there.
    if (zeros(at_, available_end())) {
      state_ = State::Search;
    } else {
      found_bad(BadPlace::PastEnd, 0);
    }
    return true;
  }
  const Byte* head = view(at_, at_ + kRecordHeadBytes).data();
  const uint64_t checksum = get_u64(head);
  const auto length = static_cast<int32_t>(get_u32(head + 8));
  if (checksum == 0 && length == 0) {
    // The search tells the end of the data from a hole.
    facts_.could_be_torn = could_be_torn(buffer_, base_, at_, 0);
    state_ = State::Search;
    return true;
  }
  if (length <= 0 || static_cast<uint64_t>(length) > kRecordBytesMax) {
    found_bad(BadPlace::Length, 0);
    return true;
  }
  const uint64_t end = at_ + kRecordHeadBytes + static_cast<uint64_t>(length) + 1;
  if (end > facts_.size || (ended_ && end > available_end())) {
    found_bad(BadPlace::PastEnd, 0);
    return true;
  }
  if (end > available_end()) return false;
  check_record(end);
  return !has_record_;
}

void LogScanner::check_record(uint64_t end) {
  const ByteView covered = view(at_ + kRecordHeadBytes, end - 1);
  if (view(end - 1, end)[0] != kRecordEnd) return found_bad(BadPlace::EndByte, end);
  if (get_u64(view(at_, at_ + 8).data()) != adler32(covered)) {
    return found_bad(BadPlace::Checksum, end);
  }
  record_ = ScannedRecord{};
  record_.trailer = decode_trailer(covered);
  record_.entry = covered.first(covered.size() - (record_.trailer ? kTrailerBytes : 0));
  record_.entry_crc = crc32c(record_.entry);
  if (record_.entry.size() < kTxnHeaderBytes) return found_bad(BadPlace::Length, end);
  if (record_.trailer &&
      (record_.trailer->file_id != facts_.file_id || record_.trailer->offset != at_ ||
       record_.trailer->entry_crc != record_.entry_crc)) {
    return found_bad(BadPlace::Trailer, end);
  }
  record_.raw = view(at_, end);
  record_.offset = at_;
  record_.end = end;
  record_.zxid = Zxid{get_u64(record_.entry.data() + kTxnZxidOffset)};
  has_record_ = true;
  ++facts_.records;
  at_ = facts_.good_end = facts_.data_end = end;
}

// `extent_end` is where the bad record ends, 0 when that is not known.
void LogScanner::found_bad(BadPlace bad, uint64_t extent_end) {
  facts_.bad = bad;
  facts_.could_be_torn = bad != BadPlace::Trailer && could_be_torn(buffer_, base_, at_, extent_end);
  extent_end_ = extent_end;
  state_ = State::Search;
}

// Looks at everything from at_ on for bytes that are not zero, and for trailers.
void LogScanner::search() {
  const uint64_t to = available_end();
  const Byte* const begin = buffer_.data();
  const Byte* const from = begin + (at_ - base_);
  const Byte* const limit = begin + buffer_.size();
  const Byte* const something = skip_zeros(from, limit);
  if (something != limit) {
    if (facts_.bad == BadPlace::None) facts_.bad = BadPlace::Hole;
    const auto last =
        std::find_if(std::make_reverse_iterator(limit), std::make_reverse_iterator(something),
                     [](Byte b) { return b != 0; });
    facts_.data_end = std::max(facts_.data_end, base_ + static_cast<uint64_t>(last.base() - begin));
    look_for_trailers(to);
  }
  if (!ended_) {
    // A trailer may lie across the border of two chunks.
    at_ = std::max(at_, to - std::min<uint64_t>(to, kTrailerBytes - 1));
    consume(at_);
    return;
  }
  const bool known = extent_end_ != 0;
  facts_.data_behind = facts_.bad == BadPlace::Hole || (known && facts_.data_end > extent_end_);
  if (facts_.bad == BadPlace::None) facts_.could_be_torn = false;
  consume(to);
  state_ = State::Done;
}

void LogScanner::look_for_trailers(uint64_t to) {
  const Byte* at = buffer_.data() + (at_ - base_);
  const Byte* const limit = buffer_.data() + (to - base_);
  while (limit - at >= static_cast<ptrdiff_t>(kTrailerBytes)) {
    const auto room = static_cast<size_t>(limit - at) - (kTrailerBytes - 1);
    at = static_cast<const Byte*>(std::memchr(at, kTrailerMagic >> 24, room));
    if (at == nullptr) return;
    const std::optional<Trailer> trailer = decode_trailer({at, kTrailerBytes});
    ++at;
    if (!trailer || trailer->generation < generation_min_) continue;
    if (facts_.header && trailer->file_id != facts_.file_id) continue;
    ++facts_.trailers_behind;
    facts_.durable_behind = std::max(facts_.durable_behind, trailer->durable);
  }
}

}  // namespace vivarium
