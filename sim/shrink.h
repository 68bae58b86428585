// Shrinking: the smallest schedule found that still violates the same checker. Lines are left out
// in halves, quarters and so on down to one by one (delta debugging), then clients, servers and
// time, until a whole round changes nothing. What is found does not depend on `jobs`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sim/schedule.h"

namespace vivarium::sim {

// What a run of a schedule violated (empty: nothing), when, and what of it did not matter.
struct Tried {
  std::string violated;
  SimTime at{};
  Stale stale;
};
using Trial = std::function<Tried(const Schedule&)>;
Tried try_schedule(const Schedule& schedule);

struct ShrinkOptions {
  uint32_t jobs = 1;
  Trial trial = try_schedule;
  std::function<bool()> over = [] { return false; };  // no more tries: what there is will do
  std::function<void(const Schedule&)> found = [](auto&) {};  // a smaller one
};

struct Shrunk {
  Schedule schedule;
  bool failed = false;  // the schedule that was given did
  size_t lines_before = 0;
  uint64_t tries = 0;
  bool whole = false;  // nothing more can go
};

// `schedule.violates` says what it has to violate; when empty, whatever its first run does.
Shrunk shrink(const Schedule& schedule, const ShrinkOptions& options);

}  // namespace vivarium::sim
