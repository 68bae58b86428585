// Profiles: what the swarm's and the one beyond all promises draw, and that their schedules pass.
#include "sim/profile.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/cluster.h"

namespace vivarium::sim {
namespace {

TEST(Profile, EveryKindHasANameOfItsOwn) {
  for (const ProfileKind kind : kProfileKinds) EXPECT_EQ(profile_named(name_of(kind)), kind);
  EXPECT_FALSE(profile_named("storm").has_value());
}

TEST(Swarm, DrawsEverySizeAndEveryPartOfTheFaults) {
  std::vector<uint32_t> sizes(16);
  size_t without_power_loss = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    const Profile profile = profile_of(seed, ProfileKind::Swarm);
    ASSERT_GE(profile.voters(), 1U);
    ASSERT_LE(profile.servers, 9U);
    ++sizes[profile.servers];
    without_power_loss += (profile.fault_kinds & 1) == 0 ? 1U : 0U;
  }
  for (uint32_t n = 1; n <= 9; ++n) EXPECT_GT(sizes[n], 0U) << n << " servers";
  EXPECT_GT(without_power_loss, 100U);
  EXPECT_LT(without_power_loss, 350U);
}

TEST(Swarm, FaultsAreOfTheDrawnKindsAlone) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const Profile profile = profile_of(seed, ProfileKind::Swarm);
    Choices choices(seed);
    for (const Fault& fault : draw_faults(profile, choices)) {
      EXPECT_NE(profile.fault_kinds >> static_cast<uint32_t>(fault.kind) & 1, 0U) << seed;
    }
  }
}

TEST(Swarm, ItsSchedulesPass) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const Outcome outcome = Cluster(seed, ProfileKind::Swarm).run();
    EXPECT_FALSE(outcome.violation.has_value()) << seed << ": " << outcome.violation->text;
  }
}

Profile voters_alone(uint32_t servers) {
  Profile profile = profile_of(1, ProfileKind::Beyond);
  profile.servers = servers;
  profile.observers = 0;
  return profile;
}

// One of three is whole, the other two have lost all: they are no quorum, and say so.
TEST(Beyond, AMajorityThatHasLostItsDataLeadsNobody) {
  const Profile profile = voters_alone(3);
  std::vector<Fault> faults(2);
  for (uint32_t i = 0; i < 2; ++i) {
    faults[i].id = i;
    faults[i].kind = FaultKind::Wipe;
    faults[i].target = i;
    faults[i].at = SimTime{2'000'000'000};
    faults[i].lasts = milliseconds(50);
  }
  Cluster cluster(1, profile, faults);
  const Outcome outcome = cluster.run();
  EXPECT_FALSE(outcome.violation.has_value()) << outcome.violation->text;
  EXPECT_TRUE(outcome.needs_person);
  EXPECT_FALSE(cluster.leader().has_value());
  EXPECT_EQ(cluster.facts(0).standing, Standing::Blank);
  EXPECT_EQ(cluster.facts(2).standing, Standing::Voter);
}

// The last one that is whole keeps what it has, and so does one of a single server.
TEST(Beyond, NobodyIsWipedLast) {
  const Profile profile = voters_alone(1);
  Fault wipe;
  wipe.kind = FaultKind::Wipe;
  wipe.at = SimTime{2'000'000'000};
  wipe.lasts = milliseconds(50);
  const Outcome outcome = Cluster(1, profile, {wipe}).run();
  EXPECT_FALSE(outcome.violation.has_value()) << outcome.violation->text;
  EXPECT_FALSE(outcome.needs_person);
  EXPECT_EQ(outcome.crashes, 0U);
}

TEST(Beyond, ItsSchedulesPass) {
  size_t stopped = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const Outcome outcome = Cluster(seed, ProfileKind::Beyond).run();
    EXPECT_FALSE(outcome.violation.has_value()) << seed << ": " << outcome.violation->text;
    stopped += outcome.needs_person ? 1U : 0U;
  }
  EXPECT_GT(stopped, 0U);
}

}  // namespace
}  // namespace vivarium::sim
