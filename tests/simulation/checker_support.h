// What tests of checkers share: made-up times and sessions, and what a verdict says.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/ids.h"
#include "sim/checkers/verdict.h"
#include "sim/event_queue.h"

namespace vivarium::sim {

inline constexpr SessionId kSession{77};

inline SimTime at_ms(int64_t ms) { return SimTime{ms * 1'000'000}; }

// The checker and what it found; empty: nothing.
inline std::string said(const Verdict& verdict) {
  const auto& violation = verdict.violation();
  return violation ? violation->checker + ": " + violation->text : "";
}

}  // namespace vivarium::sim
