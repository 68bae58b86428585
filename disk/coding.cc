#include "disk/coding.h"

#include <snappy-c.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "core/base/check.h"

#define ZLIB_CONST
#include <zlib.h>

namespace vivarium {
namespace {

constexpr size_t kPieceBytes = 64 << 10;

// ------------------------------------------------------------------------------------- gzip

constexpr int kGzipWindow = 15 + 16;  // the largest window, and gzip's head and tail
constexpr int kMemoryLevel = 8;

class GzipEncoder final : public StreamEncoder {
 public:
  GzipEncoder() {
    const int done =
        deflateInit2_(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                      Z_DEFAULT_STRATEGY, ZLIB_VERSION, static_cast<int>(sizeof(z_stream)));
    CHECK(done == Z_OK);
  }
  ~GzipEncoder() override { deflateEnd(&stream_); }
  GzipEncoder(const GzipEncoder&) = delete;
  GzipEncoder& operator=(const GzipEncoder&) = delete;

  void put(ByteView plain, Bytes& coded) override { run(plain, Z_NO_FLUSH, coded); }
  void end(Bytes& coded) override { run({}, Z_FINISH, coded); }

 private:
  void run(ByteView plain, int flush, Bytes& coded) {
    int done = Z_OK;
    do {
      const size_t step = std::min<size_t>(plain.size(), kPieceBytes);
      stream_.next_in = plain.data();
      stream_.avail_in = static_cast<uInt>(step);
      do {
        const size_t before = coded.size();
        coded.resize(before + kPieceBytes);
        stream_.next_out = coded.data() + before;
        stream_.avail_out = static_cast<uInt>(kPieceBytes);
        done = deflate(&stream_, flush);
        CHECK(done == Z_OK || done == Z_STREAM_END || done == Z_BUF_ERROR);
        coded.resize(before + kPieceBytes - stream_.avail_out);
      } while (stream_.avail_out == 0);
      CHECK(stream_.avail_in == 0);
      plain = plain.subspan(step);
    } while (!plain.empty());
    CHECK((flush == Z_FINISH) == (done == Z_STREAM_END));
  }

  z_stream stream_ = {};
};

class GzipDecoder final : public StreamDecoder {
 public:
  GzipDecoder() {
    const int done =
        inflateInit2_(&stream_, kGzipWindow, ZLIB_VERSION, static_cast<int>(sizeof(z_stream)));
    CHECK(done == Z_OK);
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  void feed(ByteView coded) override {
    input_.erase(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(used_));
    used_ = 0;
    append_bytes(input_, coded);
  }

  State take(size_t room, Bytes& plain) override {
    if (damaged_) return State::Damaged;
    const size_t from = plain.size();
    plain.resize(from + room);
    size_t filled = 0;
    bool more = false;
    while (filled < room && !more && !damaged_) {
      // One stream may follow another, as in Java.
      if (ended_ && used_ < input_.size()) {
        CHECK(inflateReset(&stream_) == Z_OK);
        ended_ = false;
      }
      const size_t out = std::min<size_t>(room - filled, kPieceBytes);
      const size_t in = std::min<size_t>(input_.size() - used_, kPieceBytes);
      more = ended_ || !step(in, plain.data() + from + filled, out, filled);
    }
    plain.resize(from + filled);
    if (damaged_) return State::Damaged;
    return more ? State::More : State::Full;
  }

  bool whole() const override { return ended_ && used_ == input_.size(); }

 private:
  // False: it cannot go on without more input.
  bool step(size_t in, Byte* to, size_t out, size_t& filled) {
    stream_.next_in = input_.data() + used_;
    stream_.avail_in = static_cast<uInt>(in);
    stream_.next_out = to;
    stream_.avail_out = static_cast<uInt>(out);
    const int done = inflate(&stream_, Z_NO_FLUSH);
    const size_t taken = in - stream_.avail_in;
    const size_t given = out - stream_.avail_out;
    used_ += taken;
    filled += given;
    ended_ = done == Z_STREAM_END;
    damaged_ = done != Z_OK && done != Z_STREAM_END && done != Z_BUF_ERROR;
    return damaged_ || taken != 0 || given != 0;
  }

  z_stream stream_ = {};
  Bytes input_;
  size_t used_ = 0;
  bool ended_ = false;
  bool damaged_ = false;
};

// ------------------------------------------------------------------------------------- snappy

constexpr std::string_view kSnappyMagic{"\x82SNAPPY\0", 8};
constexpr uint32_t kSnappyVersion = 1;
constexpr size_t kSnappyHeadBytes = 16;
constexpr size_t kSnappyBlockBytes = 32 << 10;  // as snappy-java's
// Apache's blocks hold 32 KiB, whatever the settings.
constexpr size_t kSnappyBlockMax = 1 << 20;

const char* chars(const Byte* bytes) { return reinterpret_cast<const char*>(bytes); }
char* chars(Byte* bytes) { return reinterpret_cast<char*>(bytes); }

class SnappyEncoder final : public StreamEncoder {
 public:
  void put(ByteView plain, Bytes& coded) override {
    begin(coded);
    while (!plain.empty()) {
      const size_t part = std::min(plain.size(), kSnappyBlockBytes - block_.size());
      append_bytes(block_, plain.first(part));
      plain = plain.subspan(part);
      if (block_.size() == kSnappyBlockBytes) write_block(coded);
    }
  }
  void end(Bytes& coded) override {
    begin(coded);
    if (!block_.empty()) write_block(coded);
  }

 private:
  void begin(Bytes& coded) {
    if (begun_) return;
    begun_ = true;
    append_bytes(coded, as_bytes(kSnappyMagic));
    std::array<Byte, 8> versions;
    put_u32(&versions[0], kSnappyVersion);
    put_u32(&versions[4], kSnappyVersion);
    append_bytes(coded, versions);
  }
  void write_block(Bytes& coded) {
    const size_t at = coded.size();
    size_t length = snappy_max_compressed_length(block_.size());
    coded.resize(at + 4 + length);
    const snappy_status done =
        snappy_compress(chars(block_.data()), block_.size(), chars(coded.data() + at + 4), &length);
    CHECK(done == SNAPPY_OK);
    put_u32(coded.data() + at, static_cast<uint32_t>(length));
    coded.resize(at + 4 + length);
    block_.clear();
  }

  bool begun_ = false;
  Bytes block_;
};

class SnappyDecoder final : public StreamDecoder {
 public:
  void feed(ByteView coded) override {
    input_.erase(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(used_));
    used_ = 0;
    append_bytes(input_, coded);
  }

  State take(size_t room, Bytes& plain) override {
    while (room > 0) {
      if (given_ == block_.size()) {
        const State state = next_block();
        if (state != State::Full) return state;
      }
      const size_t part = std::min(room, block_.size() - given_);
      append_bytes(plain, ByteView(block_).subspan(given_, part));
      given_ += part;
      room -= part;
    }
    return State::Full;
  }

  bool whole() const override { return begun_ && used_ == input_.size(); }

 private:
  State next_block() {
    if (damaged_) return State::Damaged;
    if (!begun_) {
      if (input_.size() < kSnappyHeadBytes) return State::More;
      const ByteView head = ByteView(input_).first(kSnappyHeadBytes);
      // The second number is the oldest version that can read it.
      const bool known = as_text(head.first(kSnappyMagic.size())) == kSnappyMagic &&
                         get_u32(&head[12]) <= kSnappyVersion;
      if (!known) return damaged();
      begun_ = true;
      used_ = kSnappyHeadBytes;
    }
    const ByteView rest = ByteView(input_).subspan(used_);
    if (rest.size() < 4) return State::More;
    const size_t length = get_u32(rest.data());
    if (length > snappy_max_compressed_length(kSnappyBlockMax)) return damaged();
    if (rest.size() - 4 < length) return State::More;
    size_t plain = 0;
    const char* const coded = chars(rest.data() + 4);
    if (snappy_uncompressed_length(coded, length, &plain) != SNAPPY_OK || plain > kSnappyBlockMax) {
      return damaged();
    }
    block_.resize(plain);
    given_ = 0;
    if (snappy_uncompress(coded, length, chars(block_.data()), &plain) != SNAPPY_OK ||
        plain != block_.size()) {
      block_.clear();
      return damaged();
    }
    used_ += 4 + length;
    return State::Full;
  }
  State damaged() {
    damaged_ = true;
    return State::Damaged;
  }

  Bytes input_;
  size_t used_ = 0;
  Bytes block_;
  size_t given_ = 0;
  bool begun_ = false;
  bool damaged_ = false;
};

}  // namespace

std::unique_ptr<StreamEncoder> make_encoder(Coding coding) {
  switch (coding) {
    case Coding::Plain:
      return nullptr;
    case Coding::Gzip:
      return std::make_unique<GzipEncoder>();
    case Coding::Snappy:
      return std::make_unique<SnappyEncoder>();
  }
  CHECK(false);
}

std::unique_ptr<StreamDecoder> make_decoder(Coding coding) {
  switch (coding) {
    case Coding::Plain:
      return nullptr;
    case Coding::Gzip:
      return std::make_unique<GzipDecoder>();
    case Coding::Snappy:
      return std::make_unique<SnappyDecoder>();
  }
  CHECK(false);
}

}  // namespace vivarium
