// vivsim explore. Returns the exit code: 0 well, 1 something is violated, 2 wrong usage.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace vivarium::sim {

struct ExploreArguments {
  std::string phase;  // empty: all of them
  bool images = false;
  uint32_t states_max = 200'000;
  uint32_t changes_max = 16;
  uint32_t steps_max = 600;
  uint32_t txns = 2;
  uint32_t crashes = 2;
  uint32_t drops = 2;
  uint32_t hurries = 1;
  bool in_order = false;
};

// Those that are numbers, for whoever reads flags.
struct ExploreNumber {
  const char* flag;
  uint32_t ExploreArguments::*to;
  uint32_t least;
  uint32_t most;
  const char* help;
};
inline constexpr std::array<ExploreNumber, 7> kExploreNumbers{{
    {"--states", &ExploreArguments::states_max, 1, UINT32_MAX, "Of a phase, in one round"},
    {"--changes", &ExploreArguments::changes_max, 0, 200, "Unusual moves on a path"},
    {"--steps", &ExploreArguments::steps_max, 1, 100'000, "Moves on a path"},
    {"--txns", &ExploreArguments::txns, 1, 8, "Writes under way"},
    {"--crashes", &ExploreArguments::crashes, 0, 8, "On a path"},
    {"--drops", &ExploreArguments::drops, 0, 8, "Broken links on a path"},
    {"--hurries", &ExploreArguments::hurries, 0, 8, "Timers out of turn on a path"},
}};
int explore_command(const ExploreArguments& arguments);

}  // namespace vivarium::sim
