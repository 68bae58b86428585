// Small summaries of numbers as ZooKeeper shows them: latencies in whole milliseconds, sizes in
// bytes.
#pragma once

#include <algorithm>
#include <cstdint>

namespace vivarium {

struct LatencyStats {
  int64_t count = 0;
  int64_t total_ms = 0;
  int64_t min_ms = 0;
  int64_t max_ms = 0;

  void add(int64_t ms) {
    min_ms = count == 0 ? ms : std::min(min_ms, ms);
    max_ms = std::max(max_ms, ms);
    total_ms += ms;
    ++count;
  }
};

// The last, smallest and largest of a kind of message; -1 before the first.
struct SizeStats {
  int64_t last = -1;
  int64_t min = -1;
  int64_t max = -1;

  void add(int64_t bytes) {
    last = bytes;
    min = min < 0 ? bytes : std::min(min, bytes);
    max = std::max(max, bytes);
  }
};

}  // namespace vivarium
