// Sessions that the ensemble does not know: local ones, and those of a member that is cut off and
// serves read-only clients.
#include <gtest/gtest.h>

#include "sim/scenario.h"

namespace vivarium::sim {
namespace {

Profile with_local_sessions() {
  Profile p = scenario_profile();
  p.clients = 2;  // the first one is content with a read-only server
  p.config.local_sessions = p.config.local_sessions_upgrade = p.config.read_only_mode = true;
  p.config.read_only_after_ms = 300;
  return p;
}

bool reads_only(Scenario& s, ServerIndex server) {
  const Node* node = s.cluster().node(server);
  return node != nullptr && node->server().read_only();
}

TEST(ReadOnly, AMemberThatIsCutOffServesWhatWasCommitted) {
  Scenario s(with_local_sessions());
  EXPECT_EQ(s.play([&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(1).attach(*s.leader()));
    ASSERT_TRUE(s.client(1).create("/x", "1").ok());
    const ServerIndex away = s.follower();
    ASSERT_TRUE(s.client(0).attach(away));
    ASSERT_TRUE(s.client(0).sync("/x").ok());
    s.isolate(away);
    ASSERT_TRUE(s.until([&] { return reads_only(s, away) && s.client(0).connected(); }));
    const SessionId session = s.client(0).session();
    ASSERT_TRUE(s.client(1).set("/x", "2").ok());
    EXPECT_EQ(s.client(0).get("/x").data, "1");
    EXPECT_EQ(s.client(0).set("/x", "3").error, ErrorCode::NotReadOnly);
    EXPECT_EQ(s.client(0).create("/y", "", CreateFlag::Ephemeral).error, ErrorCode::NotReadOnly);
    EXPECT_EQ(s.client(0).sync("/x").error, ErrorCode::NotReadOnly);
    EXPECT_EQ(s.client(0).session(), session);
    EXPECT_EQ(s.logged(away, "read-only clients are served"), 1U);
    for (ServerIndex i = 0; i < s.servers(); ++i) {
      if (i != away) s.join(away, i);
    }
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    EXPECT_FALSE(reads_only(s, away));
    ASSERT_TRUE(s.until([&] { return s.client(0).connected(); }));
    EXPECT_NE(s.client(0).session(), session);
    ASSERT_TRUE(s.client(0).sync("/x").ok());
    EXPECT_EQ(s.client(0).get("/x").data, "2");
  }),
            "");
}

TEST(ReadOnly, AMemberThatWasRestartedAloneKnowsNothingToBeCommitted) {
  Scenario s(with_local_sessions());
  EXPECT_EQ(s.play([&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(1).create("/x", "1").ok());
    const ServerIndex away = s.follower();
    s.isolate(away);
    s.kill(away);
    s.start(away);
    ASSERT_TRUE(s.wait(milliseconds(3000)));
    EXPECT_FALSE(reads_only(s, away));
  }),
            "");
}

TEST(LocalSessions, BecomeTheEnsemblesWithTheirFirstEphemeral) {
  Scenario s(with_local_sessions());
  EXPECT_EQ(s.play([&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    const ServerIndex at = s.follower();
    ASSERT_TRUE(s.client(1).attach(at));
    ASSERT_TRUE(s.client(1).create("/x", "1").ok());
    const SessionId session = s.client(1).session();
    const Node& node = *s.cluster().node(at);
    EXPECT_EQ(node.tree().sessions().count(session), 0U);
    ASSERT_TRUE(s.client(1).create("/x/e", "", CreateFlag::Ephemeral).ok());
    EXPECT_EQ(node.tree().sessions().count(session), 1U);
    // And so it can move.
    ASSERT_TRUE(s.client(1).attach(*s.leader()));
    EXPECT_EQ(s.client(1).session(), session);
    EXPECT_EQ(s.client(1).exists("/x/e").stat->ephemeral_owner, session.value);
  }),
            "");
}

}  // namespace
}  // namespace vivarium::sim
