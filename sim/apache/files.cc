#include "sim/apache/files.h"

#include <fmt/format.h>

#include <charconv>

#include "core/base/hash.h"
#include "core/wire/jute.h"
#include "core/wire/txn.h"

namespace vivarium::apache {
namespace {

constexpr uint32_t kMagic = 0x5a4b4c47;  // "ZKLG"
constexpr uint32_t kVersion = 2;
constexpr size_t kHeaderBytes = 16;
constexpr size_t kHeadBytes = 12;  // checksum and length
constexpr Byte kEnd = 0x42;

}  // namespace

std::string temporary(std::string_view name) { return fmt::format("{}.tmp", name); }

std::string file_name(std::string_view prefix, Zxid zxid) {
  return fmt::format("{}.{:x}", prefix, zxid.value);
}

std::optional<Zxid> zxid_in(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() <= prefix.size() + 1) return std::nullopt;
  if (name[prefix.size()] != '.') return std::nullopt;
  const std::string_view digits = name.substr(prefix.size() + 1);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return Zxid(value);
}

void append_log_header(Bytes& out) {
  JuteWriter writer(out);
  writer.i32(static_cast<int32_t>(kMagic));
  writer.i32(static_cast<int32_t>(kVersion));
  writer.i64(0);
}

void append_record(ByteView entry, Bytes& out) {
  JuteWriter writer(out);
  writer.i64(static_cast<int64_t>(adler32(entry)));
  writer.buffer(entry);
  writer.byte(kEnd);
}

LogReader::LogReader(ByteView file) : file_(file) {
  if (file_.size() >= kHeaderBytes && get_u32(file_.data()) == kMagic) {
    at_ = kHeaderBytes;
  } else {
    at_ = file_.size();
    person_ = !file_.empty();
  }
}

bool LogReader::next(Record& record) {
  if (at_ + kHeadBytes + kTxnHeaderBytes >= file_.size()) return false;
  const Byte* const head = file_.data() + at_;
  const uint64_t length = get_u32(head + 8);
  if (length < kTxnHeaderBytes || at_ + kHeadBytes + length >= file_.size()) {
    person_ = length != 0 && length < kTxnHeaderBytes;
    return false;
  }
  const ByteView entry = file_.subspan(at_ + kHeadBytes, length);
  if (file_[at_ + kHeadBytes + length] != kEnd) return false;
  if (get_u64(head) != adler32(entry)) {
    person_ = true;
    return false;
  }
  at_ += kHeadBytes + length + 1;
  // What stands behind the digest is nobody's: servers of ours keep something there.
  const Result<size_t> txn = txn_bytes(entry);
  record = {Zxid(get_u64(entry.data() + kTxnZxidOffset)),
            entry.first(txn.has_value() ? *txn : entry.size()), at_};
  return true;
}

std::optional<Epoch> parse_epoch(std::string_view text) {
  Epoch epoch = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), epoch);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return epoch;
}

}  // namespace vivarium::apache
