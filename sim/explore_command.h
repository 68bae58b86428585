// vivsim explore. Returns the exit code: 0 well, 1 something is violated, 2 wrong usage.
#pragma once

#include <CLI/CLI.hpp>
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

CLI::App* add_explore(CLI::App& app, ExploreArguments& to);
int explore_command(const ExploreArguments& arguments);

}  // namespace vivarium::sim
