// Jute, ZooKeeper's record encoding: big endian integers, length-prefixed strings and buffers (-1
// is null), counted vectors. A Reader never throws, never reads past its bytes and never allocates
// by an announced length; after a failure it stays failed and yields zeros, so a record is decoded
// straight through and checked once at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace vivarium {

class JuteWriter {
 public:
  // Appends to `out`, which must outlive the writer.
  explicit JuteWriter(Bytes& out) : out_(out) {}

  void boolean(bool v) { out_.push_back(v ? 1 : 0); }
  void byte(Byte v) { out_.push_back(v); }
  void i32(int32_t v) { put_u32(grow(4), static_cast<uint32_t>(v)); }
  void i64(int64_t v) { put_u64(grow(8), static_cast<uint64_t>(v)); }
  void buffer(ByteView v) {
    CHECK(v.size() <= INT32_MAX);
    i32(static_cast<int32_t>(v.size()));
    raw(v);
  }
  void null_buffer() { i32(-1); }
  void string(std::string_view v) { buffer(as_bytes(v)); }
  void raw(ByteView v) { append_bytes(out_, v); }
  size_t position() const { return out_.size(); }
  // Overwrites four bytes written before, for lengths known only afterwards.
  void patch_i32(size_t position, int32_t v) {
    CHECK(position + 4 <= out_.size());
    put_u32(out_.data() + position, static_cast<uint32_t>(v));
  }

 private:
  Byte* grow(size_t n) {
    out_.resize(out_.size() + n);
    return out_.data() + out_.size() - n;
  }
  Bytes& out_;
};

class JuteReader {
 public:
  explicit JuteReader(ByteView bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  void set_failed() { ok_ = false; }
  size_t position() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }
  ByteView rest() const { return bytes_.subspan(at_); }

  bool boolean() { return byte() != 0; }
  Byte byte() {
    const ByteView v = take(1);
    return v.empty() ? Byte{0} : v[0];
  }
  int32_t i32() {
    const ByteView v = take(4);
    return v.empty() ? 0 : static_cast<int32_t>(get_u32(v.data()));
  }
  int64_t i64() {
    const ByteView v = take(8);
    return v.empty() ? 0 : static_cast<int64_t>(get_u64(v.data()));
  }
  // A buffer as a view into the input. `null` tells -1 from an empty one. Other negative lengths
  // fail.
  ByteView buffer(bool* null = nullptr) {
    const int32_t n = i32();
    if (null != nullptr) *null = n == -1;
    if (n == -1 || !ok_) return {};
    if (n < 0) {
      ok_ = false;
      return {};
    }
    return take(static_cast<size_t>(n));
  }
  std::string_view string(bool* null = nullptr) { return as_text(buffer(null)); }
  // The count of a vector: -1 is null; any other count below 1 is no elements. A count that cannot
  // fit in the bytes left (each element takes at least `element_bytes_min`) fails.
  size_t count(size_t element_bytes_min, bool* null = nullptr) {
    const int32_t n = i32();
    if (null != nullptr) *null = n == -1;
    if (!ok_ || n <= 0) return 0;
    if (static_cast<size_t>(n) > left() / element_bytes_min) {
      ok_ = false;
      return 0;
    }
    return static_cast<size_t>(n);
  }
  ByteView take(size_t n) {
    if (!ok_ || n > left()) {
      ok_ = false;
      return {};
    }
    const ByteView v = bytes_.subspan(at_, n);
    at_ += n;
    return v;
  }

 private:
  ByteView bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace vivarium
