// libFuzzer over the decoders of compressed snapshots. The first byte selects the coding, the
// second the size of pieces: what is unpacked must not depend on the pieces, and never be more than
// was asked for. What was unpacked, packed anew, is the same again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/check.h"
#include "disk/coding.h"

namespace vivarium {
namespace {

constexpr size_t kPlainBytesMax = 1 << 20;

// nullopt: it is damaged, or ends early.
std::optional<Bytes> unpack(Coding coding, ByteView in, size_t piece, size_t room) {
  Bytes out;
  const std::unique_ptr<StreamDecoder> decoder = make_decoder(coding);
  size_t at = 0;
  while (out.size() < kPlainBytesMax) {
    const size_t before = out.size();
    const StreamDecoder::State state = decoder->take(room, out);
    CHECK(out.size() <= before + room);
    if (state == StreamDecoder::State::Damaged) return std::nullopt;
    if (state == StreamDecoder::State::Full) continue;
    if (at == in.size()) break;
    const size_t part = std::min(piece, in.size() - at);
    decoder->feed(in.subspan(at, part));
    at += part;
  }
  if (out.size() < kPlainBytesMax && !decoder->whole()) return std::nullopt;
  out.resize(std::min(out.size(), kPlainBytesMax));
  return out;
}

}  // namespace
}  // namespace vivarium

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace vivarium;
  if (size < 2) return 0;
  const Coding coding = data[0] % 2 == 0 ? Coding::Gzip : Coding::Snappy;
  const size_t piece = size_t{1} + data[1];
  const ByteView in(data + 2, size - 2);
  const std::optional<Bytes> whole = unpack(coding, in, in.size() + 1, 64 << 10);
  const std::optional<Bytes> parts = unpack(coding, in, piece, 1000);
  CHECK(whole == parts);
  if (!whole) return 0;
  Bytes again;
  const std::unique_ptr<StreamEncoder> encoder = make_encoder(coding);
  encoder->put(*whole, again);
  encoder->end(again);
  CHECK(unpack(coding, again, piece, 1000) == whole);
  return 0;
}
