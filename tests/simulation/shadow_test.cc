// A shadow beside an ensemble that does not know it (Config::shadow).
#include <gtest/gtest.h>

#include "tests/simulation/play.h"

namespace vivarium::sim {
namespace {

constexpr ServerIndex kShadow = 3;

Profile with_shadow() {
  Profile profile = scenario_profile();
  profile.servers = 4;
  profile.observers = 1;
  profile.shadow = true;
  return profile;
}

bool level(const Scenario& s, ServerIndex with) {
  return s.serving(kShadow) && s.facts(kShadow).last_applied == s.facts(with).last_applied;
}

TEST(Shadow, ComparesEveryTxnAndFollowsFromLeaderToLeader) {
  Scenario s(with_shadow());
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(0).attach(*s.leader()) && write(s, "first", 30));
    for (ServerIndex i = 0; i < 3; ++i) {
      const Node& member = *s.cluster().node(i);
      EXPECT_EQ(member.config().find(ServerId{kShadow + 1}), nullptr);
      EXPECT_FALSE(member.configs().is_voter(ServerId{kShadow + 1}));
    }
    const ServerIndex first = *s.leader();
    s.power_loss(first);
    ASSERT_TRUE(s.until([&] { return s.leader() && *s.leader() != first; }));
    ASSERT_TRUE(s.client(0).attach(*s.leader()) && write(s, "second", 30));
    ASSERT_TRUE(s.until([&] { return level(s, *s.leader()); }));
    const DigestAudit& digests = s.cluster().node(kShadow)->digests();
    EXPECT_GE(digests.compared(), 60U);
    EXPECT_EQ(digests.differing(), 0U);
    EXPECT_EQ(digests.agreed(), s.facts(kShadow).last_applied);
    EXPECT_GE(s.logged(kShadow, "observing server."), 2U);
    s.start(first);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
  });
}

TEST(Shadow, IsFilledBySnapAndServesNobody) {
  Profile profile = with_shadow();
  profile.config.history_txns_max = 4;
  Scenario s(profile);
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(0).attach(*s.leader()) && write(s, "missed", 3));
    s.cluster().wipe(kShadow, milliseconds(500));
    ASSERT_TRUE(write(s, "more", 20));
    ASSERT_TRUE(s.until([&] { return level(s, *s.leader()); }));
    EXPECT_EQ(s.received(kShadow, PacketType::Snap), 1U);
    ASSERT_TRUE(write(s, "compared", 5));
    ASSERT_TRUE(s.until([&] { return level(s, *s.leader()); }));
    EXPECT_GE(s.cluster().node(kShadow)->digests().compared(), 5U);
    EXPECT_FALSE(s.cluster().node(kShadow)->zab().serving());
    EXPECT_EQ(s.cluster().node(kShadow)->server().connection_count(), 0U);
  });
}

// No quorum rests on it: with it alone beside one member nothing is committed.
TEST(Shadow, CountsForNothing) {
  Scenario s(with_shadow());
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    const ServerIndex leader = *s.leader();
    for (ServerIndex i = 0; i < 3; ++i) {
      if (i != leader) s.power_loss(i);
    }
    ASSERT_TRUE(s.until([&] { return !s.leader().has_value(); }));
    ASSERT_TRUE(s.wait(milliseconds(10'000)));
    EXPECT_FALSE(s.leader().has_value());
    for (ServerIndex i = 0; i < 3; ++i) {
      if (i != leader) s.start(i);
    }
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
  });
}

}  // namespace
}  // namespace vivarium::sim
