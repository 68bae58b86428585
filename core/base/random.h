// A small generator for drawing from a seed (xorshift-multiply over a counter): the same numbers
// from the same seed on every compiler. Draw one value per full expression.
#pragma once

#include <cstdint>

#include "core/base/hash.h"

namespace vivarium {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return mix64(state_);
  }
  // Uniform in [0, bound); bound > 0. The bias is below 2^-32 for the bounds used here.
  uint64_t below(uint64_t bound) { return next() % bound; }
  // Uniform in [low, high].
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
  }
  bool chance(uint32_t numerator, uint32_t denominator) { return below(denominator) < numerator; }

 private:
  uint64_t state_;
};

}  // namespace vivarium
