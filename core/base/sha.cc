#include "core/base/sha.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>

namespace vivarium {
namespace {

constexpr size_t kBlockBytes = 64;

// The input, a bit, zeros up to whole blocks, and the length in bits.
Bytes padded(ByteView bytes) {
  Bytes out(bytes.begin(), bytes.end());
  out.push_back(0x80);
  while (out.size() % kBlockBytes != kBlockBytes - 8) out.push_back(0);
  out.resize(out.size() + 8);
  put_u64(out.data() + out.size() - 8, uint64_t{bytes.size()} * 8);
  return out;
}

// The state is what both functions carry from block to block.
template <size_t kWords, class Block>
std::array<Byte, kWords * 4> digest(ByteView bytes, std::array<uint32_t, kWords> state,
                                    const Block& block) {
  const Bytes input = padded(bytes);
  for (size_t at = 0; at < input.size(); at += kBlockBytes) {
    std::array<uint32_t, kWords> next = state;
    block(input.data() + at, next);
    for (size_t i = 0; i < kWords; ++i) state[i] += next[i];
  }
  std::array<Byte, kWords * 4> out{};
  for (size_t i = 0; i < kWords; ++i) put_u32(&out[i * 4], state[i]);
  return out;
}

void sha1_block(const Byte* bytes, std::array<uint32_t, 5>& s) {
  std::array<uint32_t, 80> w{};
  for (size_t i = 0; i < 16; ++i) w[i] = get_u32(bytes + 4 * i);
  for (size_t i = 16; i < 80; ++i) {
    w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  }
  for (size_t i = 0; i < 80; ++i) {
    uint32_t f = s[1] ^ s[2] ^ s[3];
    uint32_t k = 0xca62c1d6;
    if (i < 20) {
      f = (s[1] & s[2]) | (~s[1] & s[3]);
      k = 0x5a827999;
    } else if (i < 40) {
      k = 0x6ed9eba1;
    } else if (i < 60) {
      f = (s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3]);
      k = 0x8f1bbcdc;
    }
    const uint32_t first = std::rotl(s[0], 5) + f + s[4] + k + w[i];
    s = {first, s[0], std::rotl(s[1], 30), s[2], s[3]};
  }
}

constexpr std::array<uint32_t, 64> kSha256 = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void sha256_block(const Byte* bytes, std::array<uint32_t, 8>& s) {
  std::array<uint32_t, 64> w{};
  for (size_t i = 0; i < 16; ++i) w[i] = get_u32(bytes + 4 * i);
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t a = w[i - 15];
    const uint32_t b = w[i - 2];
    const uint32_t s0 = std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3);
    const uint32_t s1 = std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t s1 = std::rotr(s[4], 6) ^ std::rotr(s[4], 11) ^ std::rotr(s[4], 25);
    const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint32_t first = s[7] + s1 + choice + kSha256[i] + w[i];
    const uint32_t s0 = std::rotr(s[0], 2) ^ std::rotr(s[0], 13) ^ std::rotr(s[0], 22);
    const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    s = {first + s0 + majority, s[0], s[1], s[2], s[3] + first, s[4], s[5], s[6]};
  }
}

}  // namespace

std::array<Byte, 20> sha1(ByteView bytes) {
  return digest<5>(bytes, {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, sha1_block);
}

std::array<Byte, 32> sha256(ByteView bytes) {
  return digest<8>(bytes,
                   {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                    0x1f83d9ab, 0x5be0cd19},
                   sha256_block);
}

std::string base64(ByteView bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) group = group << 8 | (i < n ? bytes[at + i] : 0U);
    for (size_t i = 0; i < 4; ++i) {
      out += i <= n ? kDigits[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return out;
}

}  // namespace vivarium
