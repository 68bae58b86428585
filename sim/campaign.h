// Campaigns: many seeds over several threads, each schedule on one. What a campaign finds depends
// on the seeds alone, the rate on the machine. Tallies of campaigns over different seeds add up.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cluster.h"
#include "sim/seed_range.h"

namespace vivarium::sim {

struct Failure {
  uint64_t seed = 0;
  Violation violation;
};

// The medians of several campaigns: that of all their schedules lies between the ends.
struct Medians {
  uint64_t least = UINT64_MAX;  // of none
  uint64_t most = 0;
  void add(const Medians& other);
};

struct Tally {
  uint64_t planned = 0;  // seeds of the share
  uint64_t seeds = 0;    // of these, run
  uint64_t passed = 0;
  std::map<std::string, uint64_t> failed;  // by invariant
  std::array<uint64_t, kCheckers> evaluated{};
  Coverage coverage;
  uint64_t events = 0;
  uint64_t completed = 0;
  uint64_t leaderships = 0;
  uint64_t crashes = 0;
  uint64_t needs_person = 0;  // schedules of which K-LIVE asked nothing
  uint64_t excused = 0;       // schedules of which nothing was asked from some moment on
  uint64_t twice = 0;         // schedules that were run a second time (sim/twice.h)
  uint64_t traces = 0;        // the sum of all trace hashes: however the seeds are shared out
  Medians median_events;
  Medians median_completed;
  Medians median_leaderships;
  double seconds = 0;      // of the longest
  double job_seconds = 0;  // of all threads together

  void add(const Tally& other);
  uint64_t failures() const;
};

struct CampaignResult {
  Tally tally;
  std::vector<Failure> failures;  // by seed
  uint64_t hash = 0;              // over all trace hashes, in the order of seeds
};

struct CampaignOptions {
  SeedRange range{1, 1};
  Shard shard;
  uint32_t jobs = 1;
  ProfileKind kind = ProfileKind::Standard;
  CheckerSet checkers = all_checkers();      // that may find anything
  uint64_t failures_max = 20;                // then the campaign ends early
  std::optional<std::chrono::seconds> time;  // after it no schedule begins
  uint64_t twice_one_in = 0;  // so many seeds are run twice, whichever share they are in; 0: none
  // Called from one thread at a time: after each schedule, and with each failure.
  std::function<void(uint64_t done)> progress;
  std::function<void(const Failure&)> failed;
};

// However it ends, the seeds that it has run are the first of its share.
CampaignResult run_campaign(const CampaignOptions& options);

// Of the schedule that this thread runs. 0: none, or seed 0.
uint64_t seed_under_way();

// What a schedule violates that is another one when it is run again.
inline constexpr std::string_view kReplay = "K-REPLAY";

// Only swarms go on for long with one server in trouble. Of a mixed ensemble some are not asked:
// its configuration stays, nobody asks it words, and ZooKeeper's servers have an order of their
// own.
constexpr bool is_asked(Checker checker, ProfileKind kind) {
  if (checker == Checker::Partial) return kind == ProfileKind::Swarm;
  if (kind == ProfileKind::Beyond) return checker != Checker::Cfg;
  const bool of_ours =
      checker <= Checker::Obs || checker == Checker::Cfg || checker == Checker::Admin;
  return kind != ProfileKind::Mixed || !of_ours;
}

}  // namespace vivarium::sim
