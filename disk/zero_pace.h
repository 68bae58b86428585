// ZeroPace: when the next piece of zeros of the next log file may be written, and whether it is
// worth it.
//
// Zeros go to the disk that the log goes to, and a sync of the log waits for the piece before it.
// So they keep a third ahead of the log, and their file is ready when three quarters of the present
// one are full. A log that does not move needs nobody's patience: it has nothing to write, or waits
// for this very file.
//
// A piece may be left out where the file system has set its blocks aside, which read as zeros too.
// Then each sync of the log changes metadata, which is a few blocks more to write, and one of many
// bytes costs less that way than to write its zeros.
#pragma once

#include <cstdint>

namespace vivarium {

// Bytes written to the log, and its syncs, since the process began.
struct Logged {
  uint64_t bytes = 0;
  uint64_t syncs = 0;
};

class ZeroPace {
 public:
  static constexpr int kStepsMax = 20;
  static constexpr uint64_t kBytesPerSyncMax = 32 << 10;

  // `logged`, here and below: at this moment.
  explicit ZeroPace(Logged logged) : start_(logged.bytes), seen_(logged), judged_(logged) {}

  void wrote(uint64_t bytes, Logged logged) {
    zeros_ += bytes;
    log_moves_ = logged.bytes != seen_.bytes;
    seen_ = logged;
    steps_ = 0;
  }
  // Asked before the next piece, again and again, a millisecond or two after each true.
  bool waits(Logged logged) {
    return log_moves_ && logged.bytes - start_ < zeros_ / 4 * 3 && ++steps_ <= kStepsMax;
  }
  // Asked before the next piece, when nothing has to wait any more. What was left out counts as
  // written.
  bool leaves_out(Logged logged) {
    const uint64_t syncs = logged.syncs - judged_.syncs;
    if (syncs != 0) {
      syncs_are_large_ = (logged.bytes - judged_.bytes) / syncs > kBytesPerSyncMax;
      judged_ = logged;
    }
    return syncs_are_large_;
  }

 private:
  uint64_t start_;
  Logged seen_;
  uint64_t zeros_ = 0;
  bool log_moves_ = false;
  Logged judged_;
  bool syncs_are_large_ = false;
  int steps_ = 0;
};

}  // namespace vivarium
