#include "core/base/hash.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include <bit>
#include <cstring>

namespace vivarium {
namespace {

uint64_t load_le64(const Byte* p) {
  uint64_t v = 0;
  std::memcpy(&v, p, 8);
  return std::endian::native == std::endian::little ? v : __builtin_bswap64(v);
}

uint32_t load_le32(const Byte* p) {
  uint32_t v = 0;
  std::memcpy(&v, p, 4);
  return std::endian::native == std::endian::little ? v : __builtin_bswap32(v);
}

// The first n bytes, 0 < n < 8, as a number: in two loads that may overlap where there are four.
uint64_t load_le64(const Byte* p, size_t n) {
  if (n >= 4) return load_le32(p) | uint64_t{load_le32(p + n - 4)} << (8 * (n - 4));
  uint64_t v = p[0];
  if (n > 1) v |= uint64_t{p[1]} << 8;
  if (n > 2) v |= uint64_t{p[2]} << 16;
  return v;
}

uint64_t folded(uint64_t h, uint64_t word) {
  return std::rotl(h ^ word, 29) * 0x9fb21c651e98df25ULL;
}

}  // namespace

uint32_t crc32c(ByteView bytes, uint32_t seed) {
  // ISA-L's iscsi form leaves the inversions to the caller and takes a non-const pointer it only
  // reads.
  return ~crc32_iscsi(const_cast<Byte*>(bytes.data()), static_cast<int>(bytes.size()), ~seed);
}

uint32_t crc32(ByteView bytes, uint32_t seed) {
  return crc32_gzip_refl(seed, bytes.data(), bytes.size());
}

uint32_t adler32(ByteView bytes, uint32_t seed) {
  return isal_adler32(seed, bytes.data(), bytes.size());
}

uint64_t hash64(ByteView bytes, uint64_t seed) {
  uint64_t h = hash_combine(seed, bytes.size());
  const Byte* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) h = folded(h, load_le64(p));
  if (left != 0) h = folded(h, load_le64(p, left));
  return mix64(h);
}

Hash128 hash64_twice(ByteView bytes, uint64_t high_seed, uint64_t low_seed) {
  uint64_t high = hash_combine(high_seed, bytes.size());
  uint64_t low = hash_combine(low_seed, bytes.size());
  const Byte* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) {
    const uint64_t word = load_le64(p);
    high = folded(high, word);
    low = folded(low, word);
  }
  if (left != 0) {
    const uint64_t word = load_le64(p, left);
    high = folded(high, word);
    low = folded(low, word);
  }
  return {mix64(high), mix64(low)};
}

Hash128 hash128(ByteView bytes, uint64_t seed) {
  return hash64_twice(bytes, hash_combine(seed, 1), hash_combine(seed, 2));
}

}  // namespace vivarium
