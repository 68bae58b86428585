// What operators set about the quorum, seen at work in a whole ensemble.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/simulation/play.h"

namespace vivarium::sim {
namespace {

bool client_is_off_the_leader(Scenario& s) {
  return s.until([&] {
    const std::optional<ServerIndex> leader = s.leader();
    return leader && s.client(0).connected() && s.cluster().client(0).server() != *leader;
  });
}

TEST(LeaderServes, WhereItDoesNotClientsAreElsewhere) {
  Profile p = scenario_profile();
  p.config.leader_serves = false;
  Scenario s(p);
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    const ServerIndex first = *s.leader();
    EXPECT_FALSE(s.cluster().node(first)->zab().serving());
    ASSERT_TRUE(client_is_off_the_leader(s));
    ASSERT_TRUE(write(s, "through", 3));
    EXPECT_EQ(s.cluster().node(first)->server().connection_count(), 0U);
    // The role moves, and with it who serves.
    s.power_loss(first);
    ASSERT_TRUE(s.until([&] { return s.leader() && *s.leader() != first; }));
    EXPECT_EQ(s.cluster().node(*s.leader())->server().connection_count(), 0U);
    s.start(first);
    ASSERT_TRUE(s.until([&] { return s.serving(first); }));
    ASSERT_TRUE(client_is_off_the_leader(s));
    EXPECT_TRUE(s.client(0).exists("/through-2").ok());
  });
}

TEST(ForceSnapshotSync, ALearnerThatLacksLittleGetsASnapToo) {
  Profile p = scenario_profile();
  p.config.snap_only = true;
  Scenario s(p);
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }) && s.client(0).attach(*s.leader()));
    const ServerIndex away = s.follower();
    s.power_loss(away);
    ASSERT_TRUE(write(s, "missed", 2));
    const size_t snaps = s.received(away, PacketType::Snap);
    s.start(away);
    ASSERT_TRUE(s.until([&] { return s.serving(away); }));
    EXPECT_EQ(s.received(away, PacketType::Snap), snaps + 1);
    EXPECT_EQ(s.received(away, PacketType::Diff), 0U);
  });
}

// Two observers come back to a leader that may send one SNAP at a time; the first one's trickles.
TEST(MaxConcurrentSnapSyncs, ObserversBeginOneAfterTheOther) {
  Profile p = scenario_profile();
  p.servers = 5;
  p.observers = 2;
  p.config.history_txns_max = 4;
  p.config.snap_syncs_max = 1;
  Scenario s(p);
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }) && s.client(0).attach(*s.leader()));
    const ServerIndex leader = *s.leader();
    constexpr ServerIndex kFirst = 3;
    constexpr ServerIndex kSecond = 4;
    s.power_loss(kFirst);
    s.power_loss(kSecond);
    ASSERT_TRUE(write(s, "missed", 20));
    s.start(kFirst);
    ASSERT_TRUE(s.until([&] { return s.quorum_link(kFirst, leader).has_value(); }));
    s.narrow(*s.quorum_link(kFirst, leader), 48);
    const std::string first_begins = fmt::format("learner {} at", kFirst + 1);
    ASSERT_TRUE(s.until([&] { return s.logged(leader, first_begins) >= 2; }));
    s.start(kSecond);
    const std::string waits = fmt::format("learner {} waits for its SNAP", kSecond + 1);
    ASSERT_TRUE(s.until([&] { return s.logged(leader, waits) == 1; }));
    EXPECT_FALSE(s.serving(kFirst)) << "it is the middle";
    EXPECT_EQ(s.received(kSecond, PacketType::Snap), 0U);
    // Voters never wait.
    const ServerIndex voter = s.follower();
    s.power_loss(voter);
    ASSERT_TRUE(write(s, "more", 10));
    s.start(voter);
    ASSERT_TRUE(s.until([&] { return s.received(voter, PacketType::Snap) > 0; }));
    s.break_link(*s.quorum_link(kFirst, leader));
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    EXPECT_GE(s.received(kSecond, PacketType::Snap), 1U);
  });
}

TEST(ConnectToLearnerMasterLimit, ALearnerGivesUpAfterIt) {
  Profile p = scenario_profile();
  p.config.init_limit_ticks = 100;
  p.config.connect_limit_ticks = 5;
  Scenario s(p);
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }) && s.client(0).attach(*s.leader()));
    const ServerIndex leader = *s.leader();
    const ServerIndex away = s.follower();
    s.power_loss(away);
    s.start(away);
    ASSERT_TRUE(s.until([&] { return s.facts(away).role == ZabRole::Learner; }));
    s.cut(leader, away, Path::Stalled);
    const size_t before = s.logged(away, "the leader cannot be reached");
    const SimTime since = s.sim().now();
    ASSERT_TRUE(s.until([&] { return s.logged(away, "the leader cannot be reached") > before; }));
    EXPECT_LT(s.sim().now() - since, milliseconds(20 * p.config.tick_ms));
  });
}

// A leader has been elected, those who elected it do not come, and one of them looks again.
TEST(MaxTimeToWaitForEpoch, ALeaderThatWaitsForItsQuorumGivesUpWhenOneLooksAgain) {
  for (const int64_t limit : {-1, 300}) {
    Profile p = scenario_profile();
    p.servers = 5;
    p.config.init_limit_ticks = 100;
    p.config.epoch_wait_ms = limit;
    Scenario s(p);
    play(s, [&] {
      ASSERT_TRUE(s.until([&] { return s.serving(); }));
      for (ServerIndex i = 0; i < 5; ++i) s.power_loss(i);
      for (ServerIndex i = 0; i < 5; ++i) s.start(i);
      std::optional<ServerIndex> leader;
      ASSERT_TRUE(s.until([&] {
        for (ServerIndex i = 0; i < 5; ++i) {
          if (s.facts(i).role == ZabRole::Leader) leader = i;
        }
        return leader.has_value();
      }));
      const ServerIndex last = *leader == 0 ? 1 : 0;
      for (ServerIndex i = 0; i < 5; ++i) {
        if (i == *leader || i == last) continue;
        s.cut(*leader, i);
        s.cut(last, i);  // it hears the leader alone, who may say that he leads
      }
      ASSERT_FALSE(s.facts(*leader).established);
      s.kill(last);
      ASSERT_TRUE(s.wait(milliseconds(400)));
      s.start(last);
      ASSERT_TRUE(s.wait(milliseconds(1500)));
      const size_t gave_up = s.logged(*leader, "one who chose this leader looks for another");
      EXPECT_EQ(gave_up, limit < 0 ? 0U : 1U);
      for (ServerIndex i = 0; i < 5; ++i) {
        if (i == *leader || i == last) continue;
        s.join(*leader, i);
        s.join(last, i);
      }
      ASSERT_TRUE(s.until([&] { return s.serving(); }));
    });
  }
}

}  // namespace
}  // namespace vivarium::sim
