// A schedule is a function of its seed: run twice it is the same to the last event, and a copy
// taken in the middle has the same future.
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "sim/cluster.h"

namespace vivarium::sim {
namespace {

constexpr std::array<uint64_t, 8> kSeeds{1, 2, 3, 5, 8, 13, 4'000'000'007, UINT64_MAX};

TEST(Determinism, ASeedRunTwiceHasOneHash) {
  for (const uint64_t seed : kSeeds) {
    const Outcome first = Cluster(seed).run();
    const Outcome second = Cluster(seed).run();
    EXPECT_EQ(first.violation.has_value(), false) << "seed " << seed;
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
    EXPECT_EQ(first.completed, second.completed) << "seed " << seed;
    EXPECT_EQ(first.evaluated, second.evaluated) << "seed " << seed;
    EXPECT_GT(first.events, 1000U) << "seed " << seed;
  }
}

TEST(Determinism, DifferentSeedsDiffer) {
  std::set<uint64_t> hashes;
  for (const uint64_t seed : kSeeds) hashes.insert(Cluster(seed).run().trace_hash);
  EXPECT_EQ(hashes.size(), kSeeds.size());
}

TEST(Determinism, ACopyInMidRunHasTheSameFuture) {
  for (const uint64_t seed : {1U, 2U, 3U}) {
    Cluster original(seed);
    original.sim().observe(&original);
    original.sim().run_for(original, milliseconds(2500));
    ASSERT_GT(original.sim().events(), 500U);
    Cluster copy(original);
    const Outcome first = original.run();
    original = Cluster(seed + 100);  // nothing of it is left
    const Outcome second = copy.run();
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
    EXPECT_EQ(first.txns, second.txns) << "seed " << seed;
    EXPECT_EQ(first.evaluated, second.evaluated) << "seed " << seed;
    EXPECT_EQ(first.violation.has_value(), second.violation.has_value()) << "seed " << seed;
  }
}

// Two futures of one moment that are told apart by what befalls them.
TEST(Determinism, ACopyIsASecondCluster) {
  Cluster original(7);
  original.sim().observe(&original);
  original.sim().run_for(original, milliseconds(1500));
  Cluster copy(original);
  copy.sim().observe(&copy);
  const uint64_t before = original.sim().trace_hash();
  copy.sim().lose_power(copy.server_host(0), copy);
  copy.sim().run_for(copy, milliseconds(500));
  EXPECT_EQ(original.sim().trace_hash(), before);
  EXPECT_NE(copy.sim().trace_hash(), before);
}

}  // namespace
}  // namespace vivarium::sim
