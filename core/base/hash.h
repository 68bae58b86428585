// Checksums and hashes. CRC32C and Adler-32 come from ISA-L; CRC-32 (zlib polynomial) too, for
// ZooKeeper's tree digest. mix64 and Hash128 are ours: fixed functions of their input, the same on
// every machine, so they may stand in logs and traces. Not against an adversary.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"

namespace vivarium {

// CRC32C (Castagnoli, reflected, init and final xor 0xffffffff; check value of "123456789" is
// 0xe3069283). `seed` is the result for the bytes before, 0 at the start.
uint32_t crc32c(ByteView bytes, uint32_t seed = 0);
// CRC-32 as zlib's crc32(); "123456789" gives 0xcbf43926.
uint32_t crc32(ByteView bytes, uint32_t seed = 0);
// Adler-32 as zlib's adler32(); the seed of an empty string is 1.
uint32_t adler32(ByteView bytes, uint32_t seed = 1);

// A bijection on 64 bits with good avalanche (the splitmix64 finaliser).
constexpr uint64_t mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return x;
}
constexpr uint64_t hash_combine(uint64_t a, uint64_t b) {
  return mix64(a * 0x9e3779b97f4a7c15ULL + b + 0x2545f4914f6cdd1dULL);
}
uint64_t hash64(ByteView bytes, uint64_t seed = 0);

// A sum of element hashes modulo 2^128: adding and removing an element commute, so the hash of a
// set is kept incrementally (AdHash). Never all zero is not promised: an empty set is zero.
struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;

  constexpr bool operator==(const Hash128&) const = default;
  constexpr Hash128& operator+=(const Hash128& o) {
    const uint64_t sum = low + o.low;
    high += o.high + (sum < low ? 1U : 0U);
    low = sum;
    return *this;
  }
  constexpr Hash128& operator-=(const Hash128& o) {
    const uint64_t borrow = low < o.low ? 1U : 0U;
    low -= o.low;
    high -= o.high + borrow;
    return *this;
  }
};
// hash64 with either seed, in one pass: each step of one waits for its last step only.
Hash128 hash64_twice(ByteView bytes, uint64_t high_seed, uint64_t low_seed);
Hash128 hash128(ByteView bytes, uint64_t seed = 0);

}  // namespace vivarium
