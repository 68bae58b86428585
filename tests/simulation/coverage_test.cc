// Coverage: which faults struck in which phases, and what a campaign has to show of that.
#include "sim/coverage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sim/cluster.h"

namespace vivarium::sim {
namespace {

// As if every fault had struck wherever it can.
Coverage whole() {
  Coverage coverage;
  for_each_cell([&](FaultKind kind, Phase phase) {
    if (why_never(kind, phase).empty()) coverage.struck(kind, phase);
  });
  return coverage;
}

size_t lines_of(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(Coverage, AsksForWhatHasToStrikeAndForNothingElse) {
  EXPECT_EQ(coverage_gaps(whole()), "");
  size_t due = 0;
  for_each_cell([&](FaultKind kind, Phase phase) {
    due += why_never(kind, phase).empty() && !is_rare(kind, phase) ? 1U : 0U;
  });
  EXPECT_GT(due, 150U);
  const std::string gaps = coverage_gaps(Coverage());
  EXPECT_EQ(lines_of(gaps), due);
  EXPECT_NE(gaps.find("\"kill\" never struck in broadcast\n"), std::string::npos) << gaps;
}

TEST(Coverage, TellsWhatStruckWhereItCannot) {
  Coverage coverage = whole();
  coverage.struck(FaultKind::LeaderKill, Phase::Recovery);
  EXPECT_EQ(coverage_gaps(coverage),
            "\"kill of the leader\" struck in recovery, although who recovers leads nobody\n");
}

TEST(Coverage, AddsUp) {
  Coverage sum = whole();
  sum.struck(FaultKind::Wipe, Phase::Snap, 4);
  sum.add(sum);
  EXPECT_EQ(sum.times(FaultKind::Wipe, Phase::Snap), 10U);
  EXPECT_EQ(sum.times(FaultKind::LeaderCut, Phase::Election), 0U);
  EXPECT_EQ(lines_of(to_text(sum)), 1 + kFaultKinds);
}

TEST(Coverage, CountsWhatARunDoes) {
  Profile profile = profile_of(2, ProfileKind::Standard);
  ASSERT_FALSE(profile.reconfig);
  Fault all;
  all.kind = FaultKind::PowerLossAll;
  all.at = SimTime{1'000'000'000};
  all.lasts = milliseconds(20);
  const Outcome outcome = Cluster(2, profile, {all}).run();
  uint64_t struck = 0;
  for_each_cell([&](FaultKind kind, Phase phase) {
    struck += outcome.coverage.times(kind, phase);
    if (kind != all.kind) {
      EXPECT_EQ(outcome.coverage.times(kind, phase), 0U) << name_of(kind);
    }
  });
  EXPECT_EQ(struck, profile.servers);
}

}  // namespace
}  // namespace vivarium::sim
