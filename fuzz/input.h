// Input: the bytes of one fuzzed input, taken from the front; what is not there reads as zeros.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/base/bytes.h"

namespace vivarium {

class Input {
 public:
  explicit Input(ByteView bytes) : bytes_(bytes) {}
  bool empty() const { return at_ == bytes_.size(); }
  Byte byte() { return empty() ? Byte{0} : bytes_[at_++]; }
  // As many as there are of n.
  ByteView take(size_t n) {
    const size_t available = std::min(n, bytes_.size() - at_);
    at_ += available;
    return bytes_.subspan(at_ - available, available);
  }
  ByteView rest() const { return bytes_.subspan(at_); }

 private:
  ByteView bytes_;
  size_t at_ = 0;
};

}  // namespace vivarium
