// Faults: what goes wrong in a schedule, when, to whom and for how long, drawn by name before the
// run. A fault is a value with a line of text, so that a schedule can be read. Damage stays within
// what DESIGN section 5 promises to survive: no committed txn loses its last copy in a quorum.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "sim/choices.h"
#include "sim/event_queue.h"
#include "sim/profile.h"

namespace vivarium::sim {

enum class FaultKind : uint8_t {
  PowerLoss,  // one server; starts again after `lasts`
  Kill,
  PowerLossAll,
  LeaderPowerLoss,  // whoever leads then
  LeaderKill,
  LeaderCut,  // the leader cut off from all servers, its process goes on
  Pause,
  LeaderPause,
  Isolate,  // one server from all others, both ways
  CutPair,
  CutOneWay,    // from `target` to `other`: held back
  BlackHole,    // from `target` to `other`: vanishes
  BreakPair,    // links between two servers end in mid-stream
  BreakClient,  // links of a client
  SlowDisk,
  StuckDisk,
  FailSync,   // the next sync of the log fails: the process ends, and starts again
  Wipe,       // killed, and its directory is empty when it comes back
  Rot,        // power lost, and an acknowledged record of its log is bad when it comes back
  ClockJump,  // of the wall clock
  DrawnLast = ClockJump
};
std::string_view name_of(FaultKind kind);

struct Fault {
  uint32_t id = 0;
  FaultKind kind{};
  SimTime at{};
  Duration lasts{};
  uint32_t target = 0;  // a server, or a client (BreakClient)
  uint32_t other = 0;
};
std::string to_text(const Fault& fault);

// In the order of time.
std::vector<Fault> draw_faults(const Profile& profile, Choices& choices);

}  // namespace vivarium::sim
