// Many learners at once: who is needed comes in and begins, everybody else in an order
// (core/zab/leader_join.cc).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/wire/client_messages.h"
#include "tests/simulation/zab_host.h"
#include "tests/simulation/zab_words.h"

namespace vivarium::zab_test {
namespace {

constexpr int kLearnersMax = 256;
constexpr uint32_t kStepTxnsMax = 3;

// Server 3 of three leads with server 2; server 1 is missing. What lies before 1:7 is only in a
// snapshot: whoever comes with less gets a SNAP.
class Crowd : public testing::Test {
 protected:
  Crowd() : host_(config(), ZabHost::make_disk(config(), 1, 1, log())) {
    host_.start();
    host_.elect();
    come("2");
    say("2", {"ACKEPOCH", "1:9", "current=1"});
    say("2", {"ACK", "2:0"});
    look();
    EXPECT_TRUE(host_.node().zab().established());
  }

  void come(const std::string& name, const std::string& as = "FOLLOWERINFO") {
    host_.connect(name, Door::Quorum);
    say(name, {as, "accepted=1", "id=" + name});
  }
  void come_for_snap(const std::string& name, const std::string& as = "FOLLOWERINFO") {
    come(name, as);
    say(name, {"ACKEPOCH", "1:2", "current=1"});
  }
  void say(const std::string& name, const Words& words) { host_.tell(name, packet_of(words, 0)); }
  void open_session(const std::string& name) {
    host_.connect(name, Door::Client);
    ConnectRequest request;
    request.timeout_ms = 10000;
    const Bytes password(16, 0);
    request.password = password;
    Bytes frame(4);
    encode(request, frame);
    put_u32(frame.data(), static_cast<uint32_t>(frame.size() - 4));
    host_.tell(name, frame);
  }
  // How many txns an event makes the leader propose.
  int proposed_by(const Event& event) {
    host_.node().step(event, host_.world());
    host_.node().step(TurnEnded{}, host_.world());
    int proposals = 0;
    Bytes& sent = host_.link("2").sent;
    QuorumPacket packet;
    size_t used = 0;
    while (decode_quorum_packet(sent, 16 << 20, packet, used) == Decoded::Ok) {
      if (packet.type == PacketType::Proposal) ++proposals;
      sent.erase(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(used));
    }
    return proposals;
  }
  bool is_in(const std::string& name) { return !host_.link(name).gone; }

  // Takes in what the server has sent since.
  void look() {
    for (const ZabHost::Packet& sent : host_.take_packets()) {
      QuorumPacket packet;
      size_t used = 0;
      ASSERT_EQ(decode_quorum_packet(sent.bytes, 16 << 20, packet, used), Decoded::Ok);
      if (packet.type == PacketType::Snap) snaps_.push_back(sent.link);
    }
  }
  bool has_snap(const std::string& name) {
    look();
    return std::find(snaps_.begin(), snaps_.end(), host_.links().at(name)) != snaps_.end();
  }

  ZabHost host_;

 private:
  static Config config() {
    Config config = ZabHost::make_config(3, 3, 0);
    config.history_txns_max = 3;
    config.step_txns_max = kStepTxnsMax;
    return config;
  }
  static std::vector<Zxid> log() {
    std::vector<Zxid> log;
    for (Zxid zxid(1, 1); zxid <= Zxid(1, 9); zxid = zxid.next()) log.push_back(zxid);
    return log;
  }

  std::vector<LinkId> snaps_;
};

TEST_F(Crowd, LearnersThatAreNoVotersWaitForEachOthersSnaps) {
  const auto at_once = static_cast<int64_t>(host_.config().snap_syncs_max);
  for (int64_t id = 101; id <= 100 + at_once; ++id) {
    come_for_snap(fmt::format("{}", id), id % 2 == 0 ? "FOLLOWERINFO" : "OBSERVERINFO");
    EXPECT_TRUE(has_snap(fmt::format("{}", id)));
  }
  come_for_snap("201");
  come_for_snap("202", "OBSERVERINFO");
  EXPECT_FALSE(has_snap("201")) << "a follower in name, which the ensemble does not know";
  EXPECT_FALSE(has_snap("202"));
  come_for_snap("1");
  EXPECT_TRUE(has_snap("1")) << "a voter";

  say("1", {"ACK", "2:0"});
  EXPECT_FALSE(has_snap("201"));
  say("101", {"ACK", "2:0"});
  EXPECT_TRUE(has_snap("201"));
  EXPECT_FALSE(has_snap("202"));
  host_.hang_up("102");
  host_.pass(host_.config().tick());
  EXPECT_TRUE(has_snap("202"));
}

// Each learner has a snapshot of its own (docs/decisions.md, entry 87).
TEST_F(Crowd, SnapsOfOneStateAreEqual) {
  come_for_snap("101");
  come_for_snap("102");
  ASSERT_TRUE(has_snap("101") && has_snap("102"));
  ASSERT_EQ(host_.world().shared_sent.size(), 2U);
  EXPECT_EQ(*host_.world().shared_sent[0], *host_.world().shared_sent[1]);

  open_session("client");  // which makes another state of it
  say("2", {"ACK", "2:1"});
  ASSERT_EQ(host_.node().tree().last_applied(), Zxid(2, 1));
  come_for_snap("103");
  ASSERT_TRUE(has_snap("103"));
  ASSERT_EQ(host_.world().shared_sent.size(), 3U);
  EXPECT_NE(*host_.world().shared_sent[1], *host_.world().shared_sent[2]);
}

TEST_F(Crowd, WhatIsCommittedAtOnceIsAppliedStepByStep) {
  constexpr uint32_t kSessions = 8;
  for (uint32_t i = 1; i <= kSessions; ++i) open_session(fmt::format("client {}", i));
  say("2", {"ACK", "2:8"});  // a step, and that at the end of the turn
  EXPECT_EQ(host_.node().tree().last_applied(), Zxid(2, 2 * kStepTxnsMax));
  host_.pass(Duration());
  EXPECT_EQ(host_.node().tree().last_applied(), Zxid(2, kSessions));
}

TEST_F(Crowd, SessionsThatExpireAtOnceAreClosedTurnByTurn) {
  constexpr uint32_t kSessions = 8;
  for (uint32_t i = 1; i <= kSessions; ++i) open_session(fmt::format("client {}", i));
  say("2", {"ACK", "2:8"});
  host_.pass(Duration());
  ASSERT_EQ(host_.node().tree().sessions().size(), kSessions);
  for (int tick = 0; tick < 10; ++tick) {
    host_.pass(host_.config().tick());
    say("2", {"PING"});
  }
  look();
  host_.world().pass(host_.config().tick());
  int proposed = proposed_by(TimerFired{});
  EXPECT_EQ(proposed, static_cast<int>(kStepTxnsMax));
  EXPECT_LE(host_.world().timer(), host_.world().now());
  for (int turns = 0; turns < 3; ++turns) proposed += proposed_by(TimerFired{});
  EXPECT_EQ(proposed, static_cast<int>(kSessions));
}

TEST_F(Crowd, AVoterComesInWhoeverElseIsThere) {
  for (int id = 1001; id < 1001 + kLearnersMax - 1; ++id) {
    come(fmt::format("{}", id), "OBSERVERINFO");
    EXPECT_TRUE(is_in(fmt::format("{}", id)));
  }
  come("2001", "OBSERVERINFO");
  EXPECT_FALSE(is_in("2001")) << "with server 2 there are as many as there may be";
  come("2002");
  EXPECT_FALSE(is_in("2002")) << "a follower in name";
  come_for_snap("1");
  ASSERT_TRUE(is_in("1"));
  EXPECT_TRUE(has_snap("1"));
}

}  // namespace
}  // namespace vivarium::zab_test
