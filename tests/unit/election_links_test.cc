// The connections of the election port: who keeps which, what a peer can make this server hold, and
// that nothing waits for a peer that does not answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

#include "core/wire/peer_messages.h"
#include "core/zab/election_links.h"
#include "tests/unit/election_hub.h"
#include "tests/unit/link_world.h"

namespace vivarium {
namespace {

using What = ElectionLinks::What;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RecordingWorld : public LinkWorld {
 public:
  struct Link {
    std::string host;  // of an own connection
    Bytes sent;
    uint64_t credit = 0;
    bool open = true;
    bool drain = false;
  };
  std::map<LinkId, Link> links;
  std::map<LinkId, uint64_t> stuck;  // bytes that do not leave

  LinkId fresh() {
    const LinkId link{static_cast<uint32_t>(links.size() + 1), 1};
    links[link] = {};
    return link;
  }
  LinkId connect(const Address& to) override {
    const LinkId link = fresh();
    links[link].host = to.host;
    return link;
  }
  void send(LinkId link, ByteView bytes) override {
    EXPECT_TRUE(links.at(link).open);
    append_bytes(links.at(link).sent, bytes);
  }
  uint64_t unsent(LinkId link) const override {
    const auto it = stuck.find(link);
    return it == stuck.end() ? 0 : it->second;
  }
  void give_credit(LinkId link, uint64_t bytes) override {
    EXPECT_TRUE(links.at(link).open);
    links.at(link).credit += bytes;
  }
  void close(LinkId link, bool drain) override {
    EXPECT_TRUE(links.at(link).open);
    links.at(link).open = false;
    links.at(link).drain = drain;
  }
  using LinkWorld::close;
};

Bytes hello_of(int64_t id, const std::string& address) {
  Bytes bytes;
  encode(ElectionHello{ServerId{id}, address}, bytes);
  return bytes;
}
Bytes hello_of(int64_t id) { return hello_of(id, "n" + std::to_string(id) + ":3888"); }

// A length and as many bytes of `fill`.
Bytes frame_of(size_t length, Byte fill) {
  Bytes bytes(4 + length, fill);
  put_u32(bytes.data(), static_cast<uint32_t>(length));
  return bytes;
}

Bytes operator+(Bytes a, const Bytes& b) {
  append_bytes(a, b);
  return a;
}

// Server 3 of 1, 2, 3, 4, 5, with an observer 6.
class ElectionLinksTest : public testing::Test {
 protected:
  ElectionLinksTest() : links(election_test::ensemble(3, {1, 2, 3, 4, 5}, {6})) {}

  bool step(const Event& event) {
    const bool taken = links.step(event, world, arrivals);
    links.end_turn(world);
    return taken;
  }
  LinkId accept() {
    const LinkId link = world.fresh();
    step(LinkAccepted{link, Door::Election, "10.0.0.9"});
    return link;
  }
  // As a World does it: in pieces, within the credit.
  void bytes(LinkId link, const Bytes& all, size_t piece = 1 << 20) {
    for (size_t at = 0; at < all.size() && world.links.at(link).open;) {
      const size_t credit = world.links.at(link).credit;
      ASSERT_GT(credit, 0U) << "nothing more can ever arrive";
      const size_t n = std::min({piece, all.size() - at, credit});
      world.links.at(link).credit -= n;
      step(LinkBytes{link, ByteView(all).subspan(at, n)});
      at += n;
    }
  }
  void send(int64_t member, const Bytes& frame) {
    links.send({ServerId{member}, {}, true}, frame);
    links.end_turn(world);
  }
  void pass(int64_t ms) {
    world.time = world.time + milliseconds(ms);
    if (links.deadline() <= world.time) links.on_deadline(world);
    links.end_turn(world);
  }
  // The open link that was made to the host last.
  LinkId link_to(const std::string& host) {
    for (auto it = world.links.rbegin(); it != world.links.rend(); ++it) {
      if (it->second.host == host && it->second.open) return it->first;
    }
    return {};
  }
  size_t open_links() const {
    size_t n = 0;
    for (const auto& [id, link] : world.links) n += link.open ? 1U : 0U;
    return n;
  }
  std::vector<Bytes> messages() const {
    std::vector<Bytes> out;
    for (const auto& arrival : arrivals) {
      if (arrival.what == What::Message) out.push_back(arrival.message);
    }
    return out;
  }
  size_t count(What what) const {
    return static_cast<size_t>(std::count_if(arrivals.begin(), arrivals.end(),
                                             [&](const auto& a) { return a.what == what; }));
  }

  RecordingWorld world;
  ElectionLinks links;
  std::vector<ElectionLinks::Arrival> arrivals;
};

TEST_F(ElectionLinksTest, TheLargerIdKeepsTheConnectionItOpened) {
  links.want_voters(true, world);
  const LinkId link = link_to("n1");
  ASSERT_TRUE(link.valid());
  EXPECT_TRUE(step(LinkUp{link}));
  EXPECT_TRUE(links.connected(ServerId{1}));
  EXPECT_EQ(count(What::Connected), 1U);
  EXPECT_EQ(world.links.at(link).sent, hello_of(3));
  send(1, frame_of(40, 7));
  EXPECT_EQ(world.links.at(link).sent, hello_of(3) + frame_of(40, 7));
  bytes(link, frame_of(28, 9));
  EXPECT_THAT(messages(), ElementsAre(Bytes(28, 9)));
}

TEST_F(ElectionLinksTest, TheSmallerIdAsksToBeCalledBackAndCloses) {
  links.want_voters(true, world);
  const LinkId link = link_to("n5");
  EXPECT_TRUE(step(LinkUp{link}));
  EXPECT_EQ(world.links.at(link).sent, hello_of(3));
  EXPECT_FALSE(world.links.at(link).open);
  EXPECT_TRUE(world.links.at(link).drain) << "the hello has to leave";
  EXPECT_FALSE(links.connected(ServerId{5}));
  const LinkId called = accept();
  bytes(called, hello_of(5) + frame_of(40, 1));
  EXPECT_TRUE(links.connected(ServerId{5}));
  ASSERT_THAT(arrivals, SizeIs(2));
  EXPECT_EQ(arrivals[0].what, What::Connected);
  EXPECT_EQ(arrivals[1].message, Bytes(40, 1)) << "bytes behind the hello are not lost";
  send(5, frame_of(40, 2));
  EXPECT_EQ(world.links.at(called).sent, frame_of(40, 2)) << "the acceptor says no hello";
}

TEST_F(ElectionLinksTest, NoConnectionToObserversAndNoneWhenNotLooking) {
  EXPECT_THAT(world.links, IsEmpty());
  links.want_voters(true, world);
  EXPECT_FALSE(link_to("n6").valid());
  EXPECT_THAT(world.links, SizeIs(4));
}

TEST_F(ElectionLinksTest, ASmallerMemberIsCalledBackAtItsConfiguredAddress) {
  const LinkId asking = accept();
  bytes(asking, hello_of(2, "evil.example:22"));
  EXPECT_FALSE(world.links.at(asking).open);
  const LinkId back = link_to("n2");
  ASSERT_TRUE(back.valid());
  EXPECT_FALSE(link_to("evil.example").valid());
  step(LinkUp{back});
  EXPECT_TRUE(links.connected(ServerId{2}));
  EXPECT_EQ(world.links.at(back).sent, hello_of(3));
}

TEST_F(ElectionLinksTest, AttemptsToOnePeerDoNotOverlap) {
  bytes(accept(), hello_of(2));
  bytes(accept(), hello_of(2));
  EXPECT_EQ(open_links(), 1U);
}

TEST_F(ElectionLinksTest, AskingAgainRightAfterAConnectionMeansThatBothTriedAtOnce) {
  bytes(accept(), hello_of(2));
  const LinkId first = link_to("n2");
  step(LinkUp{first});
  pass(300);
  bytes(accept(), hello_of(2));
  EXPECT_TRUE(world.links.at(first).open);
  pass(5000);
  bytes(accept(), hello_of(2));
  EXPECT_FALSE(world.links.at(first).open) << "the peer restarted: the old connection is dead";
  EXPECT_TRUE(link_to("n2").valid());
}

TEST_F(ElectionLinksTest, ALargerMembersNewConnectionReplacesTheOldOne) {
  const LinkId first = accept();
  bytes(first, hello_of(4));
  const LinkId second = accept();
  bytes(second, hello_of(4));
  EXPECT_FALSE(world.links.at(first).open);
  EXPECT_EQ(count(What::Connected), 2U);
  send(4, frame_of(40, 1));
  EXPECT_EQ(world.links.at(second).sent, frame_of(40, 1));
}

TEST_F(ElectionLinksTest, ItsOwnIdIsTurnedAway) {
  const LinkId link = accept();
  bytes(link, hello_of(3));
  EXPECT_FALSE(world.links.at(link).open);
  EXPECT_THAT(arrivals, IsEmpty());
}

TEST_F(ElectionLinksTest, StrangersAreAnsweredWhereTheyCameFrom) {
  const LinkId small = accept();
  const LinkId large = accept();
  bytes(small, hello_of(-7) + frame_of(40, 1));
  bytes(large, hello_of(INT64_MAX) + frame_of(40, 2));
  ASSERT_THAT(arrivals, SizeIs(2));
  EXPECT_FALSE(arrivals[0].from.member);
  links.send(arrivals[0].from, frame_of(40, 3));
  links.send(arrivals[1].from, frame_of(40, 4));
  links.end_turn(world);
  EXPECT_EQ(world.links.at(small).sent, frame_of(40, 3));
  EXPECT_EQ(world.links.at(large).sent, frame_of(40, 4));
  step(LinkDown{large});
  EXPECT_EQ(count(What::Gone), 1U);
  links.send(arrivals[1].from, frame_of(40, 5));
  links.end_turn(world);  // to nobody
}

TEST_F(ElectionLinksTest, AHelloMayComeByteByByte) {
  const LinkId link = accept();
  bytes(link, hello_of(4) + frame_of(30, 1), 1);
  EXPECT_TRUE(links.connected(ServerId{4}));
  EXPECT_THAT(messages(), ElementsAre(Bytes(30, 1)));
}

TEST_F(ElectionLinksTest, ABadHelloCostsTheConnection) {
  Bytes version = hello_of(4);
  version[7] = 0x05;
  Bytes no_length = hello_of(4);
  put_u32(no_length.data() + 16, 0);
  Bytes long_length = hello_of(4);
  put_u32(long_length.data() + 16, 2049);
  const Bytes no_port = [] {
    Bytes b = hello_of(4);
    b[b.size() - 5] = 'x';
    return b;
  }();
  for (const Bytes& bad : {version, no_length, long_length, no_port}) {
    const LinkId link = accept();
    bytes(link, bad);
    EXPECT_FALSE(world.links.at(link).open);
  }
  EXPECT_THAT(arrivals, IsEmpty());
  EXPECT_FALSE(links.connected(ServerId{4}));
}

TEST_F(ElectionLinksTest, AFrameLengthThatNoMessageHasCostsTheConnection) {
  for (const uint32_t length : {0U, kNotificationBytesMax + 1, 0x80000000U, 0xffffffffU}) {
    const LinkId link = accept();
    bytes(link, hello_of(4));
    ASSERT_TRUE(links.connected(ServerId{4}));
    Bytes frame(4);
    put_u32(frame.data(), length);
    bytes(link, frame);
    EXPECT_FALSE(world.links.at(link).open) << length;
    EXPECT_FALSE(links.connected(ServerId{4}));
  }
}

TEST_F(ElectionLinksTest, TheLargestFrameArrivesInSpiteOfASmallWindow) {
  const LinkId link = accept();
  bytes(link, hello_of(4));
  EXPECT_LE(world.links.at(link).credit, 64U * 1024);
  bytes(link, frame_of(kNotificationBytesMax, 3) + frame_of(28, 4));
  ASSERT_THAT(messages(), SizeIs(2));
  EXPECT_EQ(messages()[0], Bytes(kNotificationBytesMax, 3));
  EXPECT_LE(world.links.at(link).credit, 64U * 1024) << "credit does not pile up";
}

TEST_F(ElectionLinksTest, ASilentConnectionIsClosedAtItsDeadline) {
  const LinkId silent = accept();
  const LinkId slow = accept();
  bytes(slow, Bytes(10, 0xff));
  EXPECT_NE(links.deadline(), Instant::never());
  pass(14'999);
  EXPECT_TRUE(world.links.at(silent).open);
  pass(1);
  EXPECT_FALSE(world.links.at(silent).open);
  EXPECT_EQ(links.deadline(), Instant::never());
}

TEST_F(ElectionLinksTest, AFloodOfConnectionsIsBoundedAndDoesNotKeepMembersOut) {
  const LinkId known = accept();
  bytes(known, hello_of(4));
  for (int i = 0; i < 1000; ++i) accept();
  EXPECT_LE(open_links(), 40U);
  const LinkId member = accept();
  bytes(member, hello_of(5));
  EXPECT_TRUE(links.connected(ServerId{5}));
  for (int64_t i = 0; i < 1000; ++i) bytes(accept(), hello_of(1000 + i));
  EXPECT_LE(open_links(), 40U);
  EXPECT_TRUE(links.connected(ServerId{4}));
  EXPECT_TRUE(links.connected(ServerId{5}));
}

TEST_F(ElectionLinksTest, OnlyTheNewestMessageWaitsForAPeerThatDoesNotRead) {
  const LinkId link = accept();
  bytes(link, hello_of(4));
  world.stuck[link] = 1;
  for (Byte i = 0; i < 100; ++i) send(4, frame_of(40, i));
  EXPECT_THAT(world.links.at(link).sent, IsEmpty());
  world.stuck.clear();
  EXPECT_TRUE(step(LinkDrained{link}));
  EXPECT_EQ(world.links.at(link).sent, frame_of(40, 99));
}

TEST_F(ElectionLinksTest, OneSendPerTurn) {
  links.want_voters(true, world);
  const LinkId link = link_to("n1");
  links.step(LinkUp{link}, world, arrivals);
  links.send({ServerId{1}, {}, true}, frame_of(40, 1));
  links.send({ServerId{1}, {}, true}, frame_of(40, 2));
  links.end_turn(world);
  EXPECT_EQ(world.links.at(link).sent, hello_of(3) + frame_of(40, 2));
}

// Simulator, seed 3: a path that swallowed the bytes of a link for a while leaves one on which
// nothing arrives any more and that nobody ends.
TEST_F(ElectionLinksTest, ALinkOnWhichNobodyEverAnswersIsMadeAnew) {
  links.want_voters(true, world);
  const LinkId mute = link_to("n1");
  const LinkId lively = link_to("n2");
  step(LinkUp{mute});
  step(LinkUp{lively});
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(world.links.at(mute).open) << i << " messages without an answer";
    send(1, frame_of(40, 1));
    send(2, frame_of(40, 1));
    bytes(lively, frame_of(40, 2));
  }
  EXPECT_FALSE(world.links.at(mute).open);
  EXPECT_TRUE(world.links.at(lively).open);
  pass(200);
  EXPECT_TRUE(link_to("n1").valid()) << "tried again";
}

// What is said by one who does not look asks for no answer.
TEST_F(ElectionLinksTest, OnlyWordsOfALookAreWaitedForAnAnswerTo) {
  links.want_voters(true, world);
  const LinkId link = link_to("n1");
  step(LinkUp{link});
  links.want_voters(false, world);
  for (int i = 0; i < 6; ++i) send(1, frame_of(40, 1));
  links.want_voters(true, world);
  send(1, frame_of(40, 1));
  EXPECT_TRUE(world.links.at(link).open);
}

TEST_F(ElectionLinksTest, ABlackHoleIsGivenUpAndTriedAgainAndStopsNobodyElse) {
  links.want_voters(true, world);
  const LinkId hole = link_to("n1");
  step(LinkUp{link_to("n2")});
  send(2, frame_of(40, 1));
  EXPECT_EQ(world.links.at(link_to("n2")).sent, hello_of(3) + frame_of(40, 1));
  pass(4999);  // cnxTimeout
  EXPECT_TRUE(world.links.at(hole).open);
  pass(1);
  EXPECT_FALSE(world.links.at(hole).open);
  pass(200);
  EXPECT_TRUE(link_to("n1").valid());
}

TEST_F(ElectionLinksTest, RetriesAfterPausesThatGrowToALimit) {
  links.want_voters(true, world);
  for (const int64_t pause : {200, 400, 800, 1600, 2000, 2000}) {
    const LinkId link = link_to("n1");
    ASSERT_TRUE(link.valid());
    world.links.at(link).open = false;
    step(LinkDown{link});
    pass(pause - 1);
    EXPECT_FALSE(link_to("n1").valid()) << pause;
    pass(1);
    EXPECT_TRUE(link_to("n1").valid()) << pause;
  }
}

// A process that dies may take one more call before its door is shut, and never calls back.
TEST_F(ElectionLinksTest, WhoTookACallAndSaidNothingIsStillGone) {
  const LinkId called = accept();
  bytes(called, hello_of(5));
  EXPECT_FALSE(links.gone(ServerId{5}));
  step(LinkDown{called});
  EXPECT_TRUE(links.gone(ServerId{5}));
  links.want_voters(true, world);
  step(LinkUp{link_to("n5")});
  EXPECT_TRUE(links.gone(ServerId{5}));
  bytes(accept(), hello_of(5));
  EXPECT_FALSE(links.gone(ServerId{5})) << "it lives";
}

TEST_F(ElectionLinksTest, ThatSomebodyWasGoneIsForgottenAfterASecond) {
  links.want_voters(true, world);
  step(LinkDown{link_to("n5")});
  pass(200);
  EXPECT_TRUE(links.gone(ServerId{5}));
  step(LinkUp{link_to("n5")});
  pass(400);
  EXPECT_TRUE(links.gone(ServerId{5}));
  step(LinkUp{link_to("n5")});
  pass(800);
  EXPECT_FALSE(links.gone(ServerId{5})) << "three calls were taken";
}

TEST_F(ElectionLinksTest, WithoutALookNothingIsTriedAgain) {
  bytes(accept(), hello_of(2));
  const LinkId link = link_to("n2");
  world.links.at(link).open = false;
  step(LinkDown{link});
  EXPECT_EQ(links.deadline(), Instant::never());
  links.want_voters(true, world);
  links.want_voters(false, world);
  for (const char* host : {"n1", "n2"}) {
    const LinkId attempt = link_to(host);
    world.links.at(attempt).open = false;
    step(LinkDown{attempt});
    EXPECT_FALSE(link_to(host).valid());
  }
}

TEST_F(ElectionLinksTest, AFrameForALostConnectionIsDropped) {
  const LinkId first = accept();
  bytes(first, hello_of(4));
  world.stuck[first] = 1;
  send(4, frame_of(40, 1));
  world.links.at(first).open = false;
  step(LinkDown{first});
  send(4, frame_of(40, 2));
  const LinkId second = accept();
  bytes(second, hello_of(4));
  EXPECT_THAT(world.links.at(second).sent, IsEmpty());
  EXPECT_EQ(arrivals.back().what, What::Connected) << "the owner says it again";
}

TEST_F(ElectionLinksTest, EventsOfOthersAreLeftAlone) {
  EXPECT_FALSE(step(LinkAccepted{{90, 1}, Door::Client, "10.0.0.9"}));
  EXPECT_FALSE(step(LinkAccepted{{91, 1}, Door::Quorum, "10.0.0.9"}));
  EXPECT_FALSE(step(LinkUp{{90, 1}}));
  EXPECT_FALSE(step(LinkBytes{{90, 1}, {}}));
  EXPECT_FALSE(step(LinkDrained{{90, 1}}));
  EXPECT_FALSE(step(LinkDown{{90, 1}}));
  EXPECT_FALSE(step(TimerFired{}));
}

// Whatever arrives, in whatever pieces: no crash, no unbounded holding, and a sound member gets in.
RC_GTEST_FIXTURE_PROP(ElectionLinksTest, HostileBytesCostTheirSenderOnly, ()) {
  const int connections = *rc::gen::inRange(1, 80);
  for (int i = 0; i < connections; ++i) {
    const LinkId link = accept();
    Bytes all;
    if (*rc::gen::arbitrary<bool>()) all = hello_of(*rc::gen::inRange<int64_t>(-2, 9));
    if (*rc::gen::arbitrary<bool>()) all = all + frame_of(*rc::gen::inRange<size_t>(0, 100), 1);
    append_bytes(all, *rc::gen::arbitrary<Bytes>());
    bytes(link, all, *rc::gen::inRange<size_t>(1, 50));
    pass(*rc::gen::inRange(0, 2000));
    RC_ASSERT(open_links() <= 40U);
  }
  const LinkId member = accept();
  bytes(member, hello_of(5));
  RC_ASSERT(links.connected(ServerId{5}));
}

}  // namespace
}  // namespace vivarium
