// Ways in which the bytes of an input go wrong, one at a time: bits, whole bytes, pieces that are
// missing, doubled or another input's, lengths at the edges of their range, an early end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/random.h"

namespace vivarium {

inline constexpr size_t kInputBytesMax = 4096;

// `corpus` is not empty.
inline void damage(Bytes& bytes, const std::vector<Bytes>& corpus, Random& random) {
  constexpr uint32_t kEdges[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x100, 0xfffff};
  const size_t at = bytes.empty() ? 0 : random.below(bytes.size());
  const auto here = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (bytes.empty() ? 3 : random.below(8)) {
    case 0:
      bytes[at] = static_cast<Byte>(bytes[at] ^ (1U << random.below(8)));
      break;
    case 1:
      bytes[at] = static_cast<Byte>(random.next());
      break;
    case 2:
      bytes.erase(here, here + static_cast<std::ptrdiff_t>(1 + random.below(bytes.size() - at)));
      break;
    case 3: {
      Bytes more(1 + random.below(16));
      for (Byte& byte : more) byte = static_cast<Byte>(random.next());
      bytes.insert(here, more.begin(), more.end());
      break;
    }
    case 4:
      if (at + 4 <= bytes.size()) put_u32(&bytes[at], kEdges[random.below(std::size(kEdges))]);
      break;
    case 5:
      bytes.resize(at);
      break;
    case 6: {
      const Bytes piece(here, bytes.end());
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(random.below(at + 1)), piece.begin(),
                   piece.end());
      break;
    }
    default: {
      const Bytes& other = corpus[random.below(corpus.size())];
      if (other.empty()) break;
      const size_t from = random.below(other.size());
      bytes.resize(at);
      append_bytes(bytes, ByteView(other).subspan(from));
      break;
    }
  }
  if (bytes.size() > kInputBytesMax) bytes.resize(kInputBytesMax);
}

}  // namespace vivarium
