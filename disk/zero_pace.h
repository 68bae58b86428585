// ZeroPace: when the next piece of zeros of the next log file may be written. They go to the disk
// that the log goes to, and a sync of the log waits for the piece before it. So zeros keep a
// third ahead of the log, and their file is ready when three quarters of the present one are full.
// A log that does not move needs nobody's patience: it has nothing to write, or waits for this very
// file.
#pragma once

#include <cstdint>

namespace vivarium {

class ZeroPace {
 public:
  // `logged`, here and below: bytes written to the log since the process began.
  explicit ZeroPace(uint64_t logged) : start_(logged), seen_(logged) {}

  void wrote(uint64_t bytes, uint64_t logged) {
    zeros_ += bytes;
    log_moves_ = logged != seen_;
    seen_ = logged;
    steps_ = 0;
  }
  // Asked before the next piece, again and again, a millisecond or two after each true.
  bool waits(uint64_t logged) {
    return log_moves_ && logged - start_ < zeros_ / 4 * 3 && ++steps_ <= kStepsMax;
  }

  static constexpr int kStepsMax = 20;

 private:
  uint64_t start_;
  uint64_t seen_;
  uint64_t zeros_ = 0;
  bool log_moves_ = false;
  int steps_ = 0;
};

}  // namespace vivarium
