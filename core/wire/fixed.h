// Records of fixed size: room for the whole record at once, then its fields one after the other.
// What has strings or vectors inside is written through JuteWriter.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"

namespace vivarium {

// `n` more bytes at the end of `out`, zero until they are overwritten.
inline Byte* grow(Bytes& out, size_t n) {
  const size_t at = out.size();
  out.resize(at + n);
  return out.data() + at;
}
// Each returns where the next field goes.
inline Byte* put_next(Byte* at, int32_t v) {
  put_u32(at, static_cast<uint32_t>(v));
  return at + 4;
}
inline Byte* put_next(Byte* at, int64_t v) {
  put_u64(at, static_cast<uint64_t>(v));
  return at + 8;
}

}  // namespace vivarium
