// A leader whose log ends with a change of the ensemble that nobody knows to be committed
// (docs/decisions.md, 39).
#include <gtest/gtest.h>

#include <string>

#include "tests/simulation/zab_host.h"
#include "tests/simulation/zab_words.h"

namespace vivarium::zab_test {
namespace {

constexpr Zxid kChange(1, 1);

Config changing(int64_t self) {
  Config config = ZabHost::make_config(self, 3, 0);
  for (Member& m : config.members) {
    m.client = {"127.0.0.1", static_cast<uint16_t>(2180 + m.id.value)};
  }
  config.reconfig.enabled = true;
  return config;
}

// Of 1, 2 and 3, and 4 is to be a voter too.
Membership with_the_fourth() {
  Membership pending{kChange, changing(3).members};
  Member fourth = pending.members.front();
  fourth.id = ServerId{4};
  fourth.quorum.port += 100;
  fourth.election.port += 100;
  fourth.client.port += 100;
  pending.members.push_back(fourth);
  return pending;
}

class Change : public testing::Test {
 protected:
  Change() : host_(changing(3), ZabHost::make_disk(changing(3), 1, with_the_fourth())) {
    host_.start();
    EXPECT_TRUE(host_.node().configs().pending());
    host_.elect();
    for (const std::string name : {"4", "1", "2"}) {
      host_.connect(name, Door::Quorum);
      say(name, {"FOLLOWERINFO", name == "4" ? "accepted=2" : "accepted=1", "id=" + name});
    }
  }

  void say(const std::string& name, const Words& words) { host_.tell(name, packet_of(words, 0)); }

  ZabHost host_;
};

TEST_F(Change, WhoWasNoVoterYetIsNotAheadOfIt) {
  say("4", {"ACKEPOCH", "0:0", "current=2"});
  ASSERT_TRUE(host_.node().zab().leading()) << "an epoch that 4 began as a server without a vote";
  say("1", {"ACKEPOCH", "0:0", "current=1"});
  for (const char* name : {"1", "4"}) say(name, {"ACK", "3:0"});
  EXPECT_TRUE(host_.node().zab().established());
}

TEST_F(Change, AVoterMayBeAheadOfIt) {
  say("1", {"ACKEPOCH", "0:0", "current=2"});
  EXPECT_FALSE(host_.node().zab().leading());
}

TEST_F(Change, WhoHasTheChangeMayBeAheadOfIt) {
  say("4", {"ACKEPOCH", "2:1", "current=2"});
  EXPECT_FALSE(host_.node().zab().leading());
}

}  // namespace
}  // namespace vivarium::zab_test
