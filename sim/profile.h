// Profile: the frame of a schedule, drawn from its seed: topology, timing, tiny limits, how many
// clients and faults. The standard profile is what campaigns run; docs/testing.md tells its
// numbers.
#pragma once

#include <cstdint>

#include "core/base/time.h"
#include "core/config.h"
#include "sim/choices.h"
#include "sim/simulation.h"

namespace vivarium::sim {

struct Profile {
  uint32_t servers = 3;
  uint32_t clients = 4;
  uint32_t operations_per_client = 50;
  uint32_t faults = 20;
  Duration trouble{};  // faults begin within it
  Duration settle{};   // and then everything must be well within this
  Duration think{};
  int32_t session_timeout_ms = 1000;
  Config config;  // of every server; id and members are filled per server
};

// The standard profile of a seed: 1, 3 or 5 servers.
Profile standard_profile(Choices& choices);
Config server_config(const Profile& profile, uint32_t server);

}  // namespace vivarium::sim
