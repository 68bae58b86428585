// Coverage: which kinds of fault struck servers in which phases of the protocol, how often. Of
// each pair it is known whether a campaign of the standard profile has to bring it about or cannot,
// and why not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sim/faults.h"

namespace vivarium::sim {

// What a server is at. Synchronisation goes by what the leader sends; a leader is in it until it
// is established, by what it sent last.
enum class Phase : uint8_t { Recovery, Election, Discovery, Diff, Trunc, Snap, Broadcast };
inline constexpr size_t kPhases = 7;
std::string_view name_of(Phase phase);

inline constexpr size_t kFaultKinds = static_cast<size_t>(FaultKind::DrawnLast) + 1;

class Coverage {
 public:
  void struck(FaultKind kind, Phase phase, uint64_t times = 1) { at(kind, phase) += times; }
  uint64_t times(FaultKind kind, Phase phase) const {
    return times_[static_cast<size_t>(kind)][static_cast<size_t>(phase)];
  }
  void add(const Coverage& other);

 private:
  uint64_t& at(FaultKind kind, Phase phase) {
    return times_[static_cast<size_t>(kind)][static_cast<size_t>(phase)];
  }
  std::array<std::array<uint64_t, kPhases>, kFaultKinds> times_{};
};

// For all pairs, kind by kind.
template <class Each>
void for_each_cell(Each&& each) {
  for (size_t k = 0; k < kFaultKinds; ++k) {
    for (size_t p = 0; p < kPhases; ++p) each(static_cast<FaultKind>(k), static_cast<Phase>(p));
  }
}

// Why a fault of this kind never strikes in this phase; empty: a campaign has to show it, or, where
// it is rare, may.
std::string_view why_never(FaultKind kind, Phase phase);
bool is_rare(FaultKind kind, Phase phase);
// A line for each pair that has to be there and is not, or is there although it cannot be.
std::string coverage_gaps(const Coverage& coverage);
// A table for people.
std::string to_text(const Coverage& coverage);

}  // namespace vivarium::sim
