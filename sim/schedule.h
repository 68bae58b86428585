// Schedules: a run as lines that can be read, left out and kept. The seed gives the frame:
// topology, limits, what an operation or a fault is in detail. A schedule says which faults and
// operations there are, and which other choices differ from their benign value; all else is benign.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "sim/choice_text.h"
#include "sim/cluster.h"

namespace vivarium::sim {

// The n-th operation of a client, from 0.
struct KeptOperation {
  ClientIndex client = 0;
  uint32_t nth = 0;
  constexpr auto operator<=>(const KeptOperation&) const = default;
};

struct FixedChoice {
  Choice choice;
  uint64_t value = 0;
};

struct Schedule {
  uint64_t seed = 1;
  ProfileKind kind = ProfileKind::Standard;
  Profile profile;       // the seed's, or with less of it: see smaller()
  std::string violates;  // the checker; empty: none that is known
  std::vector<Fault> faults;
  std::vector<KeptOperation> operations;
  std::vector<FixedChoice> choices;

  size_t lines() const { return faults.size() + operations.size() + choices.size(); }
  HostNames hosts() const { return {profile.servers, profile.clients}; }
};

// What of a schedule did not matter in a run: faults that nobody felt, operations that were not
// invoked, choices that nobody asked for. A flag for each line.
struct Stale {
  std::vector<bool> faults;
  std::vector<bool> operations;
  std::vector<bool> choices;

  size_t count() const;
};

struct ScheduleRun {
  Outcome outcome;
  Stale stale;
  std::string violated() const { return outcome.violation ? outcome.violation->checker : ""; }
};

// Runs a seed and writes down what it did.
Schedule schedule_of(uint64_t seed, ProfileKind kind);
// For whoever wants to watch it; run_schedule() is the rest.
Cluster cluster_of(const Schedule& schedule);
Stale stale_of(const Schedule& schedule, const Cluster& cluster);
ScheduleRun run_schedule(const Schedule& schedule);

// Without the lines of these flags.
Schedule without(const Schedule& schedule, const Stale& left_out);

// With so many servers, those kept that were there first; faults and choices that are about others
// go or find another server. No spares: nobody changes the ensemble.
struct Size {
  uint32_t voters = 0;
  uint32_t observers = 0;
  uint32_t spares = 0;
};
bool fits(const Profile& profile, const Size& size);
Profile smaller(const Profile& profile, const Size& size);
Schedule smaller(const Schedule& schedule, const Size& size);

// --- files: docs/testing.md#schedule-files
std::string to_text(const Schedule& schedule);
Result<Schedule> parse_schedule(std::string_view text);

}  // namespace vivarium::sim
