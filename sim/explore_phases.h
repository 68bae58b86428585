// The phases of Zab as beginnings of explorations: a run by hand brings three servers to where the
// phase begins, and a path ends where it is over.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sim/explore.h"
#include "sim/scenario.h"

namespace vivarium::sim {

enum class ExplorePhase : uint8_t { Election, Sync, Broadcast, Recovery };
inline constexpr std::array<ExplorePhase, 4> kExplorePhases{
    ExplorePhase::Election, ExplorePhase::Sync, ExplorePhase::Broadcast, ExplorePhase::Recovery};
std::string_view name_of(ExplorePhase phase);
std::optional<ExplorePhase> phase_of(std::string_view name);
// What it begins with and ends with, for a person.
std::string_view text_of(ExplorePhase phase);

struct PhaseOptions {
  uint32_t txns = 2;  // proposals under way: broadcast and recovery
  Trouble trouble;
};

// Three servers, one client, limits of production but for time.
Profile small_profile();
// In a script: leaves all three off. One has a txn of the first epoch that the others have not, and
// another one of the second. Gives the first, who is behind.
ServerIndex make_histories(Scenario& scenario);
std::vector<Beginning> beginnings_of(ExplorePhase phase, const PhaseOptions& options);

}  // namespace vivarium::sim
