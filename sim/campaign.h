// Campaigns: many seeds over several threads, each schedule on one. The summary depends on the
// seeds alone, the rate on the machine.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/cluster.h"

namespace vivarium::sim {

struct Failure {
  uint64_t seed = 0;
  Violation violation;
};

struct CampaignResult {
  uint64_t passed = 0;
  std::vector<Failure> failures;  // by seed
  std::array<uint64_t, kCheckers> evaluated{};
  uint64_t events = 0;
  uint64_t median_events = 0;
  uint64_t median_completed = 0;
  uint64_t median_leaderships = 0;
  uint64_t crashes = 0;
  uint64_t needs_person = 0;  // schedules of which K-LIVE asked nothing
  uint64_t excused = 0;       // schedules of which nothing was asked from some moment on
  uint64_t hash = 0;          // over all trace hashes, in the order of seeds
  double seconds = 0;
};

struct CampaignOptions {
  uint64_t first = 1;
  uint64_t count = 1;  // the last seed is first + count - 1, and a number of 64 bits
  uint32_t jobs = 1;
  ProfileKind kind = ProfileKind::Standard;
  uint64_t failures_max = 20;  // then the campaign ends early
  // Called from one thread at a time: after each schedule, and with each failure.
  std::function<void(uint64_t done)> progress;
  std::function<void(const Failure&)> failed;
};

CampaignResult run_campaign(const CampaignOptions& options);

// Of a mixed ensemble these are not asked: its configuration stays, and nobody asks it words.
constexpr bool is_asked(Checker checker, ProfileKind kind) {
  return kind == ProfileKind::Standard || (checker != Checker::Cfg && checker != Checker::Admin);
}

}  // namespace vivarium::sim
