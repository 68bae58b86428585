// The election: the vote order, the bytes of real servers, hostile words, and random schedules
// after which one leader must be left. Conversations stand in tests/transcripts/election.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "core/base/random.h"
#include "core/wire/peer_extension.h"
#include "core/zab/election.h"
#include "tests/unit/election_hub.h"
#include "tests/unit/golden_data.h"

namespace vivarium::election_test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

SelfVote voter(Zxid zxid, Epoch epoch) { return {Standing::Voter, zxid, epoch}; }

bool beats(const Vote& a, const Vote& b) { return compare_votes(a, b) > 0; }
bool equal(const Vote& a, const Vote& b) { return compare_votes(a, b) == 0; }

rc::Gen<Vote> any_vote() {
  return rc::gen::build<Vote>(
      rc::gen::set(&Vote::leader, rc::gen::build<ServerId>(rc::gen::set(
                                      &ServerId::value, rc::gen::inRange<int64_t>(-2, 4)))),
      rc::gen::set(&Vote::zxid, rc::gen::inRange<int64_t>(-2, 4)),
      rc::gen::set(&Vote::peer_epoch, rc::gen::inRange<int64_t>(-2, 4)));
}

RC_GTEST_PROP(VoteOrder, IsTotal, ()) {
  const Vote a = *any_vote();
  const Vote b = *any_vote();
  const Vote c = *any_vote();
  RC_ASSERT(equal(a, b) == (a == b));
  RC_ASSERT(beats(a, b) + beats(b, a) + equal(a, b) == 1);
  if (beats(a, b) && beats(b, c)) RC_ASSERT(beats(a, c));
}

TEST(VoteOrder, LooksAtEpochThenZxidThenId) {
  const Vote base{ServerId{2}, 5, 1};
  EXPECT_TRUE(beats({ServerId{1}, 0, 2}, base));
  EXPECT_TRUE(beats({ServerId{1}, 6, 1}, base));
  EXPECT_TRUE(beats({ServerId{3}, 5, 1}, base));
  EXPECT_TRUE(beats(base, {ServerId{9}, 9, 0})) << "id and zxid do not outweigh the epoch";
  EXPECT_TRUE(beats(base, {ServerId{9}, kNoZxidWire, 1}));
}

// --- the bytes of real servers

Config golden_config(int64_t id) {
  Config config;
  config.id = ServerId{id};
  for (int64_t n = 1; n <= 3; ++n) {
    const auto port = [n](int base) { return static_cast<uint16_t>(base + n); };
    config.members.push_back(
        {ServerId{n}, {"127.0.0.1", port(23280)}, {"127.0.0.1", port(23380)}, false});
  }
  return config;
}

// Plays server 1 towards a capture: gives it what came from the others, keeps what it says.
class GoldenWorld : public LinkWorld {
 public:
  explicit GoldenWorld(const SelfVote& self) : election(golden_config(1)) {
    election.look(self, *this);
    end_turn();
  }
  LinkId connect(const Address&) override { return {next_++, 1}; }
  void send(LinkId link, ByteView bytes) override { append_bytes(sent[link], bytes); }
  uint64_t unsent(LinkId) const override { return 0; }
  void give_credit(LinkId, uint64_t) override {}
  void close(LinkId, bool) override {}
  using LinkWorld::close;

  LinkId accept() {
    const LinkId link{next_++, 1};
    step(LinkAccepted{link, Door::Election, "127.0.0.1"});
    return link;
  }
  void step(const Event& event) {
    ASSERT_TRUE(election.step(event, *this));
    end_turn();
  }
  void pass(int64_t ms) {
    time = time + milliseconds(ms);
    if (election.deadline() <= time) election.on_deadline(*this);
    end_turn();
  }
  void end_turn() { election.end_turn(*this); }

  Election election;
  std::map<LinkId, Bytes> sent;

 private:
  uint32_t next_ = 1;
};

// What the others sent to server 1, chunk by chunk in the order of time, and what it answered.
struct Capture {
  struct Chunk {
    double t = 0;
    size_t stream = 0;
    Bytes bytes;
  };
  std::vector<Chunk> chunks;
  std::vector<Bytes> answers;  // by stream
};

Capture capture_of_server_1(const std::string& name) {
  Capture capture;
  const nlohmann::json file = golden::read_json("quorum-transcripts/" + name);
  for (const auto& stream : file.at("streams")) {
    if (stream.at("kind") != "election" || stream.at("acceptor_sid") != 1) continue;
    Bytes answer;
    for (const auto& chunk : stream.at("chunks")) {
      if (!chunk.contains("hex")) continue;
      const Bytes bytes = golden::from_hex(chunk.at("hex").get<std::string>());
      if (chunk.at("dir") == "c2s") {
        capture.chunks.push_back({chunk.at("t"), capture.answers.size(), bytes});
      } else {
        append_bytes(answer, bytes);
      }
    }
    capture.answers.push_back(answer);
  }
  std::stable_sort(capture.chunks.begin(), capture.chunks.end(),
                   [](const auto& a, const auto& b) { return a.t < b.t; });
  return capture;
}

// Our frames as Apache reads them: without the extension, which each of them must end in.
Bytes without_extension(ByteView frames) {
  Bytes extension;
  encode(PeerExtension{}, extension);
  Bytes out;
  while (frames.size() >= 4) {
    const size_t length = get_u32(frames.data());
    const ByteView message = frames.subspan(4, length);
    EXPECT_EQ(golden::to_hex(message.last(extension.size())), golden::to_hex(extension));
    const size_t at = out.size();
    out.resize(at + 4);
    put_u32(out.data() + at, static_cast<uint32_t>(length - extension.size()));
    append_bytes(out, message.first(length - extension.size()));
    frames = frames.subspan(4 + length);
  }
  EXPECT_TRUE(frames.empty());
  return out;
}

TEST(ElectionGolden, AnswersAtStartupAreThoseOfARealServer) {
  const Capture capture = capture_of_server_1("A_startup.json");
  ASSERT_EQ(capture.answers.size(), 2U);
  GoldenWorld world(voter({}, 0));
  std::map<size_t, LinkId> links;
  for (const Capture::Chunk& chunk : capture.chunks) {
    if (links.count(chunk.stream) == 0) links[chunk.stream] = world.accept();
    world.step(LinkBytes{links[chunk.stream], chunk.bytes});
  }
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_FALSE(capture.answers[i].empty());
    EXPECT_EQ(golden::to_hex(without_extension(world.sent[links[i]])),
              golden::to_hex(capture.answers[i]));
  }
  world.pass(200);
  EXPECT_EQ(world.election.decided(), ServerId{3});
}

TEST(ElectionGolden, AFollowerAnswersAsARealOne) {
  // 1 and 2 elected 2 in round 1; then 3 comes back with records that nobody acknowledged.
  const Capture capture = capture_of_server_1("D_trunc.json");
  ASSERT_EQ(capture.answers.size(), 1U);
  const Zxid last(1, 0x14);
  GoldenWorld world(voter(last, 1));
  Bytes from_2;
  encode(ElectionHello{ServerId{2}, "127.0.0.1:23382"}, from_2);
  encode_notification_frame({PeerState::Looking, ServerId{2}, last.wire(), 1, 1, 2, "config", {}},
                            from_2);
  world.step(LinkBytes{world.accept(), from_2});
  world.pass(200);
  ASSERT_EQ(world.election.decided(), ServerId{2});
  world.election.settle(PeerState::Following, ServerId{2}, 2, world);

  const LinkId link = world.accept();
  for (const Capture::Chunk& chunk : capture.chunks) world.step(LinkBytes{link, chunk.bytes});
  // The real server said its last word again before, as it was: LOOKING.
  const Bytes& real = capture.answers[0];
  const Bytes ours = without_extension(world.sent[link]);
  const size_t frame = 4 + get_u32(real.data());
  ASSERT_EQ(real.size(), 2 * frame);
  ASSERT_EQ(ours.size(), 2 * frame);
  EXPECT_EQ(golden::to_hex(ByteView(ours).last(frame)), golden::to_hex(ByteView(real).last(frame)));
}

TEST(ElectionGolden, ARestartedServerFollowsWhatTheEnsembleSays) {
  struct Case {
    const char* file;
    SelfVote self;
    int64_t leader;
  };
  for (const Case& c :
       {Case{"C_diff.json", voter(Zxid(1, 0xb), 1), 3}, Case{"E_snap.json", voter({}, 0), 2},
        Case{"E_snap.json", {Standing::Blank, {}, 0}, 2},
        Case{"E_snap.json", {Standing::Aside, Zxid(1, 3), 1}, 2}}) {
    const Capture capture = capture_of_server_1(c.file);
    GoldenWorld world(c.self);
    std::map<size_t, LinkId> links;
    for (const Capture::Chunk& chunk : capture.chunks) {
      if (links.count(chunk.stream) == 0) links[chunk.stream] = world.accept();
      world.step(LinkBytes{links[chunk.stream], chunk.bytes});
      EXPECT_FALSE(world.election.all_blank());
    }
    EXPECT_EQ(world.election.decided(), ServerId{c.leader}) << c.file;
  }
}

// --- single servers among scripted ones

class ElectionTest : public testing::Test {
 protected:
  // Server 1 looks; 2 to 5 are scripted.
  ElectionTest() : hub({1, 2, 3, 4, 5}, {}) {
    for (const int64_t id : {2, 3, 4, 5}) hub.script(id);
  }
  void look(const SelfVote& self) {
    hub.look(1, self);
    hub.deliver_all();
  }
  void say(int64_t from, const Notification& n) {
    hub.say(from, 1, n);
    hub.deliver_all();
  }
  static Notification looking(int64_t leader, Zxid zxid, int64_t round, int64_t epoch) {
    return {PeerState::Looking, ServerId{leader}, zxid.wire(), round, epoch, 2, {}, {}};
  }

  ElectionHub hub;
};

TEST_F(ElectionTest, AloneItSaysItsVoteAgainAndAgain) {
  look(voter(Zxid(1, 5), 1));
  say(2, looking(1, Zxid(1, 5), 1, 1));
  hub.heard.clear();
  std::vector<int64_t> after;
  const Instant start = hub.now();
  while (hub.now() - start < milliseconds(5000)) {
    hub.run(1);
    if (!hub.heard.empty()) after.push_back((hub.now() - start).ms());
    hub.heard.clear();
  }
  EXPECT_EQ(after, (std::vector<int64_t>{200, 600, 1400, 3000})) << "quorum-protocol 4";
  EXPECT_FALSE(hub.election(1).decided());
}

// Voters of today whom a pending change makes observers count until it is committed: they have to
// hear each other.
TEST(ElectionOfAChangingEnsemble, VotersWhoAreToBecomeObserversElectTogether) {
  ElectionHub changing({1, 2, 3, 4, 5}, {});
  for (const int64_t id : {1, 2, 3}) {  // 4 and 5 are down
    Config config = ensemble(id, {1, 2, 3, 4, 5});
    config.reconfig.enabled = true;
    Configs configs(config);
    Membership pending = configs.active();
    pending.version = Zxid(1, 4);
    for (Member& member : pending.members) member.observer = member.id != ServerId{1};
    configs.logged(pending);
    changing.configure(id, configs);
  }
  for (const int64_t id : {1, 2, 3}) changing.look(id, voter(Zxid(1, 5), 1));
  changing.run(2000);
  for (const int64_t id : {1, 2, 3}) EXPECT_EQ(changing.election(id).decided(), ServerId{3}) << id;
}

// Servers 1 to 3 are the ensemble. Server 4 has heard of a change to 3 and 4, which may be at the
// end of server 3's log. Its vote may be needed where the change is, its candidacy by nobody: by
// its own lists it could not lead.
TEST(ElectionOfAChangingEnsemble, AVoterByHearsayAloneVotesAndIsNoCandidate) {
  for (const bool in_a_log : {false, true}) {
    ElectionHub changing({1, 2, 3, 4}, {});
    for (const int64_t id : {1, 2, 3, 4}) {
      Config config = ensemble(id, {1, 2, 3});
      config.reconfig.enabled = true;
      Configs configs(config);
      const Membership change{Zxid(1, 4), ensemble(id, {3, 4}).membership().members};
      if (in_a_log && id == 3) {
        configs.logged(change);
      } else {
        configs.hint(change);
      }
      changing.configure(id, configs);
    }
    for (const int64_t id : {1, 2, 3, 4}) {
      changing.look(id, voter(in_a_log && id == 3 ? Zxid(1, 4) : Zxid(1, 3), 1));
    }
    changing.look(4, voter(Zxid(1, 3), 1));  // the others have to come to its second round
    changing.run(2000);
    for (const int64_t id : {1, 2, 3, 4}) {
      EXPECT_EQ(changing.election(id).decided(), ServerId{3}) << id;
    }
  }
}

// Server 3 has the change that makes it a voter of 1 and 2, who need each other's votes for it.
// Server 2 does not know it, and hears server 1 alone.
TEST(ElectionOfAChangingEnsemble, HearsayIsPassedOnToWhoWouldNotKnowTheCandidate) {
  ElectionHub changing({1, 2, 3}, {});
  const auto config_of = [](int64_t id) {
    Config config = ensemble(id, {1, 2});
    config.reconfig.enabled = true;
    return config;
  };
  const Membership change{Zxid(1, 4), ensemble(3, {1, 2, 3}).membership().members};
  const Membership of_its_own{Zxid(1, 2), ensemble(1, {1, 2}).membership().members};
  for (const int64_t id : {1, 2, 3}) {
    Configs configs(config_of(id));
    if (id == 3) configs.logged(change);
    if (id == 1) configs.logged(of_its_own);
    if (id == 1) configs.hint(change);
    changing.configure(id, configs);
  }
  changing.look(1, voter(Zxid(1, 2), 1));
  changing.look(2, voter(Zxid(1, 3), 1));
  changing.look(3, voter(Zxid(1, 4), 1));
  changing.run(1000);
  const std::optional<Membership> told = changing.election(2).take_heard_pending();
  ASSERT_TRUE(told.has_value()) << "by server 1";
  EXPECT_EQ(*told, change);
  Configs configs(config_of(2));
  configs.hint(*told);
  changing.configure(2, configs);
  changing.look(2, voter(Zxid(1, 3), 1));
  changing.run(3000);
  for (const int64_t id : {1, 2, 3}) EXPECT_EQ(changing.election(id).decided(), ServerId{3}) << id;
}

TEST_F(ElectionTest, TheOnlyVoterElectsItself) {
  ElectionHub alone({1}, {});
  alone.look(1, voter({}, 0));
  alone.run(1);
  EXPECT_EQ(alone.election(1).decided(), ServerId{1}) << "there is nobody to wait for";
  ElectionHub blank({1}, {});
  blank.look(1, {Standing::Blank, {}, 0});
  EXPECT_TRUE(blank.election(1).all_blank());
  blank.run(5000);
  EXPECT_FALSE(blank.election(1).decided());
}

TEST_F(ElectionTest, SayingNothingBeforeTheFirstLook) {
  hub.start(1);
  say(2, looking(2, Zxid(1, 5), 1, 1));
  hub.run(1000);
  EXPECT_THAT(hub.heard, testing::Each(HasSubstr("2->1")));
  EXPECT_FALSE(hub.election(1).looking());
}

TEST_F(ElectionTest, VotesWithoutDataOrForNoVoterCountForNothing) {
  look(voter(Zxid(1, 5), 1));
  for (const int64_t from : {3, 4, 5}) {
    say(from, {PeerState::Looking, ServerId{from}, kNoZxidWire, 9, 0, 2, {}, {}});
    say(from, looking(77, Zxid(5, 5), 9, 5));
    say(from, {PeerState::Leading, ServerId{77}, 0, 9, 5, 2, {}, {}});
    say(from, {PeerState::Observing, ServerId{5}, 0, 1, 5, 2, {}, {}});
  }
  hub.heard.clear();
  hub.run(3000);
  EXPECT_FALSE(hub.election(1).decided());
  EXPECT_THAT(hub.heard, Contains(HasSubstr("1->5 LOOKING leader=1 zxid=1:5 round=1")));
  EXPECT_THAT(hub.heard, testing::Each(HasSubstr("leader=1")));
}

TEST_F(ElectionTest, ANewerWordVoidsTheOlderOne) {
  look(voter(Zxid(1, 5), 1));
  say(4, looking(5, Zxid(1, 6), 1, 1));
  say(5, looking(5, Zxid(1, 6), 1, 1));
  hub.run(100);
  // 4 restarted: its vote of a moment ago is no part of a quorum any more.
  say(4, looking(4, Zxid(1, 4), 0, 1));
  hub.run(1000);
  EXPECT_FALSE(hub.election(1).decided());
  say(4, looking(5, Zxid(1, 6), 1, 1));
  hub.run(200);
  EXPECT_EQ(hub.election(1).decided(), ServerId{5});
}

TEST_F(ElectionTest, ACandidateMustBeHeardItself) {
  look(voter(Zxid(1, 5), 1));
  for (const int64_t from : {2, 3, 4}) {
    hub.deliver_all();
    if (from > 1) say(from, looking(5, Zxid(1, 9), 1, 1));
  }
  hub.run(999);
  EXPECT_FALSE(hub.election(1).decided()) << "5 may be dead for long";
  hub.heard.clear();
  hub.run(1);
  EXPECT_THAT(hub.heard, Contains("1->4 LOOKING leader=1 zxid=1:5 round=2 epoch=1"));
}

TEST_F(ElectionTest, OutOfElectionLeaderAndFollowersMustMeanOneLeadership) {
  look(voter(Zxid(1, 5), 1));
  const auto established = [](PeerState state, int64_t round, int64_t epoch) {
    return Notification{state, ServerId{5}, 0, round, epoch, 2, {}, {}};
  };
  say(3, established(PeerState::Following, 7, 2));
  say(4, established(PeerState::Following, 8, 2));
  say(5, established(PeerState::Leading, 9, 3));
  say(2, established(PeerState::Following, 9, 2));
  EXPECT_FALSE(hub.election(1).decided()) << "the followers follow an older leadership of 5";
  say(3, established(PeerState::Following, 7, 3));
  say(4, established(PeerState::Following, 8, 3));
  EXPECT_EQ(hub.election(1).decided(), ServerId{5}) << "rounds and zxids need not agree (E5)";
}

TEST_F(ElectionTest, TheLeaderHimselfMustSayThatHeLeads) {
  look(voter(Zxid(1, 5), 1));
  say(5, looking(5, Zxid(1, 9), 1, 1));
  for (const int64_t from : {2, 3, 4}) {
    say(from, {PeerState::Following, ServerId{5}, Zxid(1, 9).wire(), 1, 1, 2, {}, {}});
  }
  EXPECT_FALSE(hub.election(1).decided()) << "he may still change his mind";
  hub.run(200);
  EXPECT_EQ(hub.election(1).decided(), ServerId{5});
}

TEST_F(ElectionTest, ItsOwnVoteOfTheRoundCompletesAQuorum) {
  look(voter(Zxid(1, 5), 1));
  say(5, looking(5, Zxid(1, 9), 1, 1));
  say(3, {PeerState::Following, ServerId{5}, Zxid(1, 9).wire(), 1, 1, 2, {}, {}});
  say(5, {PeerState::Leading, ServerId{5}, Zxid(1, 9).wire(), 1, 1, 2, {}, {}});
  EXPECT_EQ(hub.election(1).decided(), ServerId{5});
}

TEST_F(ElectionTest, ACandidateThatFollowsAnotherIsNone) {
  look(voter(Zxid(1, 5), 1));
  for (const int64_t from : {5, 4, 3}) say(from, looking(5, Zxid(1, 9), 1, 1));
  say(5, {PeerState::Following, ServerId{4}, Zxid(1, 8).wire(), 1, 1, 2, {}, {}});
  hub.run(999);
  EXPECT_FALSE(hub.election(1).decided());
}

TEST_F(ElectionTest, WhatWasHeardInAnEarlierRoundIsForgotten) {
  look(voter(Zxid(1, 5), 1));
  say(5, looking(5, Zxid(1, 9), 1, 1));
  for (const int64_t from : {2, 3, 4}) say(from, looking(5, Zxid(1, 9), 2, 1));
  hub.run(999);
  EXPECT_FALSE(hub.election(1).decided()) << "5 was not heard in round 2";
}

TEST_F(ElectionTest, WhatWasHeardInAnEarlierElectionIsForgotten) {
  look(voter(Zxid(1, 5), 1));
  const auto established = [](PeerState state) {
    return Notification{state, ServerId{5}, 0, 7, 2, 2, {}, {}};
  };
  say(3, established(PeerState::Following));
  say(4, established(PeerState::Following));
  say(5, established(PeerState::Leading));
  ASSERT_EQ(hub.election(1).decided(), ServerId{5});
  look(voter(Zxid(1, 5), 1));
  EXPECT_TRUE(hub.election(1).looking());
  say(2, established(PeerState::Following));
  EXPECT_FALSE(hub.election(1).decided());
}

TEST_F(ElectionTest, OneThatStandsAsideIsNotBlank) {
  look({Standing::Blank, {}, 0});
  const auto without_data = [](int64_t id, int64_t epoch) {
    return Notification{PeerState::Looking, ServerId{id}, kNoZxidWire, 1, epoch, 2, {}, {}};
  };
  for (const int64_t from : {2, 3, 4}) say(from, without_data(from, -1));
  EXPECT_FALSE(hub.election(1).all_blank());
  EXPECT_THAT(hub.election(1).waiting_for(), HasSubstr("not heard: server.5"));
  say(5, without_data(5, 0));
  EXPECT_FALSE(hub.election(1).all_blank());
  say(5, without_data(5, -1));
  EXPECT_TRUE(hub.election(1).all_blank());
  say(5, looking(5, {}, 1, 0));
  EXPECT_TRUE(hub.election(1).all_blank()) << "a voter with an empty history";
  say(5, looking(2, Zxid(1, 1), 1, 1));
  EXPECT_FALSE(hub.election(1).all_blank()) << "somebody has data";
  say(5, {PeerState::Following, ServerId{5}, 0, 1, 0, 2, {}, {}});
  EXPECT_FALSE(hub.election(1).all_blank());
}

TEST_F(ElectionTest, VeryOldPeersCompareOnTheLeaderAlone) {
  look(voter(Zxid(1, 5), 1));
  for (const int64_t from : {3, 4}) {
    say(from, {PeerState::Following, ServerId{5}, 0, 7, 1, 0, {}, {}});
  }
  say(5, {PeerState::Leading, ServerId{5}, 0, 7, 2, 2, {}, {}});
  EXPECT_EQ(hub.election(1).decided(), ServerId{5});
}

TEST_F(ElectionTest, RoundsAtTheEndOfTheirRangeAreSurvived) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  look(voter(Zxid(1, 5), 1));
  say(3, looking(3, Zxid(1, 4), kMax, 1));
  say(4, looking(4, Zxid(1, 4), kMin, 1));
  say(5, {PeerState::Leading, ServerId{5}, kMin, kMin, kMin, 2, {}, {}});
  hub.look(1, voter(Zxid(1, 5), 1));
  say(3, looking(1, Zxid(1, 5), kMax, 1));
  say(4, looking(1, Zxid(1, 5), kMax, 1));
  hub.run(200);
  EXPECT_EQ(hub.election(1).decided(), ServerId{1});
  hub.settle(1, PeerState::Leading, 1, 2);
}

TEST_F(ElectionTest, MalformedMessagesAreDroppedAndTheConnectionLives) {
  Notification odd = looking(2, Zxid(1, 9), 1, 1);
  odd.state = static_cast<PeerState>(4);
  GoldenWorld world(voter({}, 0));
  const LinkId link = world.accept();
  Bytes bytes;
  encode(ElectionHello{ServerId{3}, "127.0.0.1:23383"}, bytes);
  for (const size_t length : {size_t{1}, size_t{27}, size_t{41}, size_t{43}}) {
    Bytes frame(4 + length, 0x7f);
    put_u32(frame.data(), static_cast<uint32_t>(length));
    append_bytes(bytes, frame);
  }
  encode_notification_frame(odd, bytes);
  encode_notification_frame(looking(3, Zxid(0, 9), 1, 0), bytes);
  world.step(LinkBytes{link, bytes});
  world.pass(200);
  EXPECT_EQ(world.election.decided(), ServerId{3});
}

TEST_F(ElectionTest, StrangersAreAnsweredButNotAsOftenAsTheyAsk) {
  GoldenWorld world(voter({}, 0));
  const LinkId link = world.accept();
  Bytes hello;
  encode(ElectionHello{ServerId{99}, "127.0.0.1:1"}, hello);
  world.step(LinkBytes{link, hello});
  EXPECT_THAT(world.sent[link], IsEmpty());
  Bytes frame;
  encode_notification_frame(looking(99, Zxid(9, 9), 50, 9), frame);
  for (int i = 0; i < 100; ++i) {
    world.step(LinkBytes{link, frame});
    world.pass(1);
  }
  Bytes answer;
  const std::string config =
      "server.1=127.0.0.1:23281:23381:participant\n"
      "server.2=127.0.0.1:23282:23382:participant\n"
      "server.3=127.0.0.1:23283:23383:participant\nversion=0";
  Bytes ours;
  encode(PeerExtension{}, ours);
  encode_notification_frame({PeerState::Looking, ServerId{1}, 0, 1, 0, 2, config, ours}, answer);
  ASSERT_EQ(world.sent[link].size(), 5 * answer.size());
  EXPECT_EQ(Bytes(world.sent[link].begin(),
                  world.sent[link].begin() + static_cast<std::ptrdiff_t>(answer.size())),
            answer)
      << "the own vote and round, whatever the stranger says";
  EXPECT_FALSE(world.election.heard_looking(ServerId{99}));
}

TEST_F(ElectionTest, AnEpochBelowTheDecidedVoteIsNotAdvertised) {
  look(voter(Zxid(1, 5), 1));
  say(3, looking(5, Zxid(3, 6), 1, 3));
  say(5, looking(5, Zxid(3, 6), 1, 3));
  hub.run(200);
  ASSERT_EQ(hub.election(1).decided(), ServerId{5});
  hub.settle(1, PeerState::Following, 5, 1);
  EXPECT_FALSE(hub.election(1).decided());
  hub.heard.clear();
  say(4, looking(4, Zxid(1, 1), 1, 1));
  EXPECT_THAT(hub.heard, Contains("1->4 FOLLOWING leader=5 zxid=3:6 round=1 epoch=3"));
}

// What a server has acknowledged counts for the log that it has, and for its last leadership.
TEST_F(ElectionTest, WhatPeersRememberIsTold) {
  look(voter(Zxid(3, 5), 3));
  const LogId log{77, 2};
  const auto remembering = [&](int64_t from, const Acknowledged& acknowledged) {
    PeerExtension extension;
    extension.remembered = acknowledged;
    Bytes bytes;
    encode(extension, bytes);
    Notification said = looking(from, Zxid(3, 5), 1, 3);
    said.extension = bytes;
    say(from, said);
  };
  EXPECT_FALSE(hub.election(1).told(log, 3));
  remembering(2, {LogId{77, 1}, 3, Zxid(3, 9)});
  EXPECT_FALSE(hub.election(1).told(log, 3)) << "before a truncation";
  remembering(2, {LogId{78, 2}, 3, Zxid(3, 9)});
  EXPECT_FALSE(hub.election(1).told(log, 3)) << "from another directory";
  remembering(2, {log, 2, Zxid(2, 9)});
  EXPECT_FALSE(hub.election(1).told(log, 3)) << "to a leader before the last one";
  EXPECT_TRUE(hub.election(1).told(log, 2));
  remembering(3, {log, 3, Zxid(2, 9)});
  remembering(4, {log, 3, Zxid(3, 8)});
  remembering(5, {log, 4, Zxid(3, 7)});
  const auto told = hub.election(1).told(log, 3);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->by, ServerId{4});
  EXPECT_EQ(told->upto, Zxid(3, 8));
}

// The vote of a leader that was left as silent need not be waited for, until he says something.
TEST_F(ElectionTest, ASilentLeaderIsNotWaitedFor) {
  for (const bool says_something : {false, true}) {
    ElectionHub three({1, 2, 3}, {});
    three.script(2);
    three.script(3);
    three.start(1);
    three.election(1).leave_silent(ServerId{3});
    three.look(1, voter(Zxid(1, 5), 1));
    three.deliver_all();
    if (says_something) {
      three.say(3, 1, {PeerState::Leading, ServerId{3}, 0, 1, 1, 2, {}, {}});
      three.deliver_all();
    }
    three.say(2, 1, looking(2, Zxid(1, 6), 1, 1));
    three.deliver_all();
    three.run(1);
    EXPECT_EQ(three.election(1).decided().has_value(), !says_something);
    three.run(200);
    EXPECT_EQ(three.election(1).decided(), ServerId{2});
  }
}

// --- random schedules

struct Elections {
  explicit Elections(size_t n, Random draw) : random(draw), hub(numbered(n), {}) {}

  static std::vector<int64_t> numbered(size_t n) {
    std::vector<int64_t> ids;
    for (size_t i = 1; i <= n; ++i) ids.push_back(static_cast<int64_t>(i));
    return ids;
  }
  int64_t any_id() { return hub.ids()[random.below(hub.ids().size())]; }

  // One thing that a network, a clock or an owner does.
  void disturb() {
    const uint64_t dice = random.below(100);
    if (dice < 70) {
      const auto ways = hub.ways();
      if (!ways.empty()) hub.deliver(ways[random.below(ways.size())]);
    } else if (dice < 82) {
      hub.advance_to(hub.now() + milliseconds(random.between(1, 150)));
    } else if (dice < 88) {
      const int64_t a = any_id();
      const int64_t b = any_id();
      if (a != b) hub.break_between(a, b);
    } else if (dice < 93) {
      const int64_t from = any_id();
      const int64_t to = any_id();
      const bool on = random.chance(1, 2);
      hub.hold(from, to, on);
    } else if (dice < 97) {
      const int64_t id = any_id();
      if (hub.alive(id)) hub.look(id, votes[id]);  // its role ended
    } else {
      const int64_t id = any_id();
      if (hub.alive(id)) hub.kill(id);
      hub.look(id, votes[id]);
    }
  }

  // What Zab would do: followers of one who does not lead come back, and so does a leader without a
  // quorum. True when all who are left agree.
  bool settle_or_look_again() {
    std::map<int64_t, int64_t> chosen;
    for (const int64_t id : hub.ids()) {
      if (!hub.alive(id)) continue;
      const auto decided = hub.election(id).decided();
      if (decided) chosen[id] = decided->value;
    }
    bool agreed = !chosen.empty();
    for (const int64_t id : hub.ids()) {
      if (!hub.alive(id)) continue;
      const auto it = chosen.find(id);
      if (it == chosen.end()) {
        agreed = false;
        continue;
      }
      const int64_t leader = it->second;
      const auto its_own = chosen.find(leader);
      size_t followers = 0;
      for (const auto& [other, whom] : chosen) {
        followers += whom == leader && votes[other].standing == Standing::Voter ? 1U : 0U;
      }
      const bool leads = its_own != chosen.end() && its_own->second == leader;
      if (!leads || followers <= hub.ids().size() / 2) {
        hub.look(id, votes[id]);
        agreed = false;
      } else {
        agreed = agreed && leader == chosen.begin()->second;
      }
    }
    return agreed;
  }

  int64_t best() {
    Vote best{ServerId{-1}, -1, -1};
    for (const auto& [id, self] : votes) {
      const Vote vote{ServerId{id}, self.last_zxid.wire(), int64_t{self.current_epoch}};
      const bool candidate = hub.alive(id) && self.standing == Standing::Voter;
      if (candidate && compare_votes(vote, best) > 0) best = vote;
    }
    return best.leader.value;
  }

  Random random;
  std::map<int64_t, SelfVote> votes;
  ElectionHub hub;
};

std::unique_ptr<Elections> drawn_elections() {
  const size_t n = *rc::gen::inRange<size_t>(3, 6);
  auto drawn = std::make_unique<Elections>(n, Random(*rc::gen::arbitrary<uint64_t>()));
  Elections& e = *drawn;
  size_t others = (n - 1) / 2;
  for (const int64_t id : e.hub.ids()) {
    const auto epoch = static_cast<Epoch>(*rc::gen::inRange(0, 3));
    const auto counter = static_cast<uint32_t>(*rc::gen::inRange(0, 3));
    e.votes[id] = voter(Zxid(epoch, counter), static_cast<Epoch>(*rc::gen::inRange(0, 3)));
    // A minority that has no vote.
    if (others > 0 && *rc::gen::inRange(0, 6) == 0) {
      --others;
      e.votes[id] = *rc::gen::element(SelfVote{Standing::Aside, Zxid(2, 9), 2},
                                      SelfVote{Standing::Blank, {}, 0});
    }
  }
  for (const int64_t id : e.hub.ids()) e.hub.look(id, e.votes[id]);
  const int steps = *rc::gen::inRange(0, 400);
  for (int i = 0; i < steps; ++i) e.disturb();
  // A minority may stay down.
  if (others > 0 && *rc::gen::arbitrary<bool>()) e.hub.kill(e.any_id());
  return drawn;
}

RC_GTEST_PROP(ElectionProperty, OneLeaderIsLeftWhenTheNetworkHeals, ()) {
  const auto e = drawn_elections();
  e->hub.release_all();
  bool agreed = false;
  for (int second = 0; second < 40 && !agreed; second += 2) {
    e->hub.run(2000);
    agreed = e->settle_or_look_again();
  }
  RC_ASSERT(agreed);
}

RC_GTEST_PROP(ElectionProperty, TheBestVoteOfTheConnectedWins, ()) {
  const auto e = drawn_elections();
  e->hub.release_all();
  e->hub.run(8000);  // what hangs is given up
  for (const int64_t id : e->hub.ids()) {
    if (e->hub.alive(id)) e->hub.look(id, e->votes[id]);
  }
  e->hub.run(4000);
  for (const int64_t id : e->hub.ids()) {
    if (!e->hub.alive(id)) continue;
    RC_ASSERT(e->hub.election(id).decided() == std::optional(ServerId{e->best()}));
    RC_ASSERT(!e->hub.election(id).all_blank());
  }
}

}  // namespace
}  // namespace vivarium::election_test
