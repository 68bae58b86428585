// Ensembles of our servers and of ZooKeeper's (sim/apache), all checkers on.
#include <gtest/gtest.h>

#include "tests/simulation/play.h"

namespace vivarium::sim {
namespace {

Profile mixed(uint32_t apache) {
  Profile profile = scenario_profile();
  profile.apache = apache;
  return profile;
}

// The first of ours.
ServerIndex ours(Scenario& s) {
  ServerIndex server = 0;
  while (s.cluster().profile().is_apache(server)) ++server;
  return server;
}

bool write_to_ours(Scenario& s, std::string_view name, uint32_t count) {
  return s.client(0).attach(ours(s)) && write(s, name, count);
}

TEST(Mixed, AFollowerOfZooKeepersTakesPartAndComesBack) {
  Scenario s(mixed(1U << 0));
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_NE(*s.leader(), 0U);
    ASSERT_TRUE(write_to_ours(s, "first", 20));
    s.power_loss(0);
    ASSERT_TRUE(write_to_ours(s, "missed", 20));
    s.start(0);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    // It counts: without it there is no majority.
    s.isolate(3 - *s.leader());
    ASSERT_TRUE(s.client(0).attach(*s.leader()) && write(s, "second", 20));
    EXPECT_GE(s.cluster().peer(0)->database().log_end().counter(), 60U);
  });
}

TEST(Mixed, ALeaderOfZooKeepersAndThenOneOfOurs) {
  Scenario s(mixed(1U << 2));
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_EQ(*s.leader(), 2U);
    ASSERT_TRUE(write_to_ours(s, "first", 20));
    s.power_loss(2);
    ASSERT_TRUE(s.until([&] { return s.leader() && *s.leader() != 2; }));
    ASSERT_TRUE(write_to_ours(s, "second", 20));
    s.start(2);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    EXPECT_GE(s.received(2, PacketType::Diff), 1U);
  });
}

// Written a znode at a time while txns are applied; what follows it makes it whole (K-LOGTREE).
TEST(Mixed, AFuzzySnapOfZooKeepersFillsOneOfOurs) {
  Profile profile = mixed(1U << 2);
  profile.config.history_txns_max = 4;
  Scenario s(profile);
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_EQ(*s.leader(), 2U);
    ASSERT_TRUE(s.client(0).attach(1) && write(s, "before", 40));
    s.power_loss(0);
    ASSERT_TRUE(write(s, "missed", 20));
    s.start(0);
    ASSERT_TRUE(write(s, "meanwhile", 20));
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    EXPECT_GE(s.received(0, PacketType::Snap), 1U);
  });
}

// One of ZooKeeper's takes the end of its log for committed when it is in sync (seed 12 of the
// first mixed campaign: our leader sent DIFF, and it served what nobody had committed). The others
// were mistakes of the model: a txn in the log before the snapshot it rests on (95), the wrong
// election connection dropped (296), a claim from before a TRUNC (65).
TEST(Mixed, SeedsThatFailedOnce) {
  for (const uint64_t seed : {12U, 65U, 95U, 296U}) {
    const Outcome outcome = Cluster(seed, ProfileKind::Mixed).run();
    EXPECT_FALSE(outcome.violation.has_value()) << outcome.violation->text;
  }
}

}  // namespace
}  // namespace vivarium::sim
