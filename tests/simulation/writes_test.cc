// What the leader removes by itself, and transactions, on an ensemble whose leader changes; all
// checkers watch, K-RESULT above all.
#include <gtest/gtest.h>

#include <string>

#include "sim/scenario.h"

namespace vivarium::sim {
namespace {

Profile with_removal() {
  Profile profile = scenario_profile();
  profile.config.extended_types = true;
  profile.config.container_check_ms = 200;
  return profile;
}

Operation creation(Op op, std::string path, CreateFlag flag, int64_t ttl_ms = -1) {
  Operation operation;
  operation.op = op;
  operation.path = std::move(path);
  operation.flag = flag;
  operation.ttl_ms = ttl_ms;
  return operation;
}

bool attach_to_follower(Scenario& s) {
  return s.until([&] { return s.serving(); }) && s.client(0).attach(s.follower());
}

// Another server leads, and all are there again.
bool change_leader(Scenario& s) {
  const ServerIndex old = *s.leader();
  s.kill(old);
  if (!s.until([&] { return s.leader().has_value() && *s.leader() != old; })) return false;
  s.start(old);
  return s.until([&] { return s.serving(); }) && s.client(0).attach(s.follower());
}

TEST(Removal, OfAContainerThatLostItsChildrenByWhoeverLeads) {
  Scenario s(with_removal());
  EXPECT_EQ(s.play([&] {
    ASSERT_TRUE(attach_to_follower(s));
    ScriptedClient client = s.client(0);
    for (const char* path : {"/used", "/new"}) {
      ASSERT_TRUE(client.call(creation(Op::CreateContainer, path, CreateFlag::Container)).ok());
    }
    ASSERT_TRUE(client.create("/used/child", "").ok());
    ASSERT_TRUE(change_leader(s));
    ASSERT_TRUE(s.wait(milliseconds(1000)));
    ASSERT_TRUE(client.exists("/used").ok());
    ASSERT_TRUE(client.remove("/used/child").ok());
    ASSERT_TRUE(s.wait(milliseconds(1000)));
    EXPECT_EQ(client.exists("/used").error, ErrorCode::NoNode);
    EXPECT_TRUE(client.exists("/new").ok());  // it never had a child
  }),
            "");
}

TEST(Removal, OfATtlNodeThatNobodyWritesTo) {
  Scenario s(with_removal());
  EXPECT_EQ(s.play([&] {
    ASSERT_TRUE(attach_to_follower(s));
    ScriptedClient client = s.client(0);
    ASSERT_TRUE(client.call(creation(Op::CreateTtl, "/t", CreateFlag::PersistentTtl, 1000)).ok());
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(s.wait(milliseconds(600)));
      ASSERT_TRUE(client.set("/t", std::to_string(i)).ok());
    }
    ASSERT_TRUE(s.wait(milliseconds(2000)));
    EXPECT_EQ(client.get("/t").error, ErrorCode::NoNode);
  }),
            "");
}

TEST(Multi, IsAllOrNothingThroughAFollower) {
  Scenario s(with_removal());
  EXPECT_EQ(s.play([&] {
    ASSERT_TRUE(attach_to_follower(s));
    ScriptedClient client = s.client(0);
    Operation multi;
    multi.op = Op::Multi;
    multi.parts = {creation(Op::Create2, "/a", CreateFlag::Persistent),
                   creation(Op::Create, "/a/n-", CreateFlag::EphemeralSequential),
                   creation(Op::CreateContainer, "/a/c", CreateFlag::Container)};
    ASSERT_TRUE(client.call(multi).ok());
    EXPECT_TRUE(client.exists("/a/n-0000000000").ok());
    Operation check;
    check.op = Op::Check;
    check.path = "/a";
    check.version = 7;
    multi.parts = {creation(Op::Create, "/b", CreateFlag::Persistent), check};
    ASSERT_TRUE(client.call(multi).ok());  // its failure stands in its results
    EXPECT_EQ(client.exists("/b").error, ErrorCode::NoNode);
    ASSERT_TRUE(change_leader(s));
    EXPECT_TRUE(client.exists("/a").ok());
    EXPECT_EQ(client.exists("/b").error, ErrorCode::NoNode);
  }),
            "");
}

}  // namespace
}  // namespace vivarium::sim
