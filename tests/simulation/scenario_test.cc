// What may befall an ensemble, written by hand: each scenario shows that what it is named after
// really happened, and all checkers watch.
#include "sim/scenario.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/hash.h"
#include "core/storage/epochs.h"
#include "core/storage/snapshot.h"
#include "sim/rot.h"
#include "tests/simulation/play.h"

namespace vivarium::sim {
namespace {

constexpr std::string_view kFounded = "all configured voters are here and blank: a new ensemble";

// The client of a scenario is with a server that leads.
bool attach_to_leader(Scenario& s) {
  return s.until([&] { return s.serving(); }) && s.client(0).attach(*s.leader());
}

bool looks(const Scenario& s, ServerIndex server) {
  return s.facts(server).role == ZabRole::Looking;
}

// Another than `old` leads.
bool other_leader(Scenario& s, ServerIndex old) {
  return s.until([&] { return s.leader().has_value() && *s.leader() != old; });
}

// ------------------------------------------------------------------------------------- first start

TEST(FirstStart, ThreeBlankServersFoundAnEnsemble) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    for (ServerIndex i = 0; i < 3; ++i) EXPECT_EQ(s.logged(i, kFounded), 1U);
    EXPECT_EQ(s.facts(*s.leader()).epoch, 1U);
    ASSERT_TRUE(s.client(0).create("/a", "1").ok());
    EXPECT_EQ(s.client(0).get("/a").data, "1");
  });
}

TEST(FirstStart, TwoOfThreeBlankServersWaitForTheThird) {
  Scenario s;
  s.kill(2);  // before it has begun
  play(s, [&] {
    ASSERT_TRUE(s.wait(milliseconds(20'000)));
    for (const ServerIndex i : {0U, 1U}) {
      EXPECT_TRUE(looks(s, i));
      EXPECT_EQ(s.facts(i).standing, Standing::Blank);
      EXPECT_EQ(s.facts(i).accepted_epoch, 0U);
      EXPECT_EQ(s.logged(i, kFounded), 0U);
      EXPECT_GE(s.logged(i, "a new ensemble starts when every voter has been heard"), 1U);
    }
    s.start(2);
    ASSERT_TRUE(s.until([&] { return s.serving(); }, milliseconds(3000)));
    for (ServerIndex i = 0; i < 3; ++i) EXPECT_EQ(s.logged(i, kFounded), 1U);
  });
}

TEST(FirstStart, WhoIsToldThatNothingIsMissingNeedNotHearTheThird) {
  Profile profile = scenario_profile();
  profile.config.initialize = true;
  Scenario s(profile);
  s.kill(2);  // before it has begun
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.leader().has_value(); }));
    ASSERT_TRUE(s.client(0).attach(*s.leader()));
    ASSERT_TRUE(s.client(0).create("/a", "1").ok());
    s.start(2);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(0).attach(2));
    EXPECT_EQ(s.client(0).get("/a").data, "1");
  });
}

TEST(FirstStart, AServerWithDataIsNotToldToForgetIt) {
  Profile profile = scenario_profile();
  profile.config.initialize = true;
  Scenario s(profile);
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(0).create("/a", "1").ok());
    for (ServerIndex i = 0; i < 3; ++i) s.power_loss(i);
    for (ServerIndex i = 0; i < 3; ++i) s.start(i);
    ASSERT_TRUE(s.until([&] { return !s.client(0).connected(); }));
    ASSERT_TRUE(attach_to_leader(s));
    EXPECT_EQ(s.client(0).get("/a").data, "1");
    for (ServerIndex i = 0; i < 3; ++i) EXPECT_EQ(s.logged(i, "'initialize' changes nothing"), 1U);
  });
}

// -------------------------------------------------------------------------------------
// synchronisation

TEST(Synchronisation, AFollowerThatMissedTxnsComesBackByDiff) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s));
    const ServerIndex away = s.follower();
    ASSERT_TRUE(write(s, "before", 3));
    s.power_loss(away);
    ASSERT_TRUE(write(s, "missed", 10));
    const size_t diffs = s.received(away, PacketType::Diff);
    s.start(away);
    ASSERT_TRUE(s.until([&] { return s.serving(away); }));
    EXPECT_EQ(s.received(away, PacketType::Diff), diffs + 1);
    EXPECT_EQ(s.received(away, PacketType::Snap) + s.received(away, PacketType::Trunc), 0U);
    EXPECT_EQ(s.logged(*s.leader(), fmt::format("learner {} at", away + 1)), 2U);
    ASSERT_TRUE(s.client(0).attach(away));
    EXPECT_TRUE(s.client(0).exists("/missed-9").ok());
  });
}

// An old leader logs what it cannot get acknowledged, and is gone while others go on. Gives its
// index.
ServerIndex leave_a_tail(Scenario& s) {
  const ServerIndex old = *s.leader();
  s.isolate(old);
  s.beside([&s] { EXPECT_FALSE(s.client(0).create("/tail", "lost").answered); });
  EXPECT_TRUE(
      s.until([&] { return s.facts(old).last_durable > s.facts((old + 1) % 3).last_logged; }));
  s.power_loss(old);
  EXPECT_TRUE(other_leader(s, old));
  EXPECT_TRUE(s.client(0).attach(*s.leader()));
  s.isolate(old, Path::Open);
  return old;
}

TEST(Synchronisation, AnOldLeaderWithATailNobodyAcknowledgedComesBackByTrunc) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "before", 3));
    const ServerIndex old = leave_a_tail(s);
    ASSERT_TRUE(write(s, "after", 3));
    s.start(old);
    ASSERT_TRUE(s.until([&] { return s.serving(old); }));
    EXPECT_EQ(s.received(old, PacketType::Trunc), 1U);
    EXPECT_EQ(s.received(old, PacketType::Snap), 0U);
    ASSERT_TRUE(s.client(0).attach(old));
    EXPECT_EQ(s.client(0).exists("/tail").error, ErrorCode::NoNode);
    EXPECT_TRUE(s.client(0).exists("/after-2").ok());
  });
}

Profile short_history() {
  Profile p = scenario_profile();
  p.config.history_txns_max = 4;
  return p;
}

TEST(Synchronisation, ALaggardBeyondTheHistoryComesBackBySnap) {
  Scenario s(short_history());
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s));
    const ServerIndex away = s.follower();
    s.power_loss(away);
    ASSERT_TRUE(write(s, "missed", 10));
    s.start(away);
    ASSERT_TRUE(s.until([&] { return s.serving(away); }));
    EXPECT_EQ(s.received(away, PacketType::Snap), 1U);
    ASSERT_TRUE(s.client(0).attach(away));
    EXPECT_TRUE(s.client(0).exists("/missed-0").ok());
  });
}

// The learner starts, its leader's stream trickles, and breaks when `now` holds; then it comes back
// whole.
void break_in_the_middle(Scenario& s, ServerIndex learner, const std::function<bool()>& now) {
  s.start(learner);
  ASSERT_TRUE(s.until([&] { return s.quorum_link(learner, *s.leader()).has_value(); }));
  const LinkInfo link = *s.quorum_link(learner, *s.leader());
  const size_t ends = s.received(learner, PacketType::NewLeader);
  s.narrow(link, 48);
  ASSERT_TRUE(s.until(now));
  EXPECT_EQ(s.received(learner, PacketType::NewLeader), ends) << "it is the middle";
  s.break_link(link);
  ASSERT_TRUE(s.until([&] { return s.facts(learner).role == ZabRole::Looking; }));
  EXPECT_EQ(s.received(learner, PacketType::NewLeader), ends);
  ASSERT_TRUE(s.until([&] { return s.serving(learner); }));
  EXPECT_EQ(s.sim().life(s.host(learner)), 2U) << "live, without another start";
}

TEST(Synchronisation, ALinkBreaksInTheMiddleOfDiff) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s));
    const ServerIndex away = s.follower();
    s.power_loss(away);
    ASSERT_TRUE(write(s, "missed", 10));
    const size_t proposals = s.received(away, PacketType::Proposal);
    break_in_the_middle(s, away,
                        [&] { return s.received(away, PacketType::Proposal) == proposals + 5; });
    EXPECT_GE(s.received(away, PacketType::Diff), 2U);
    ASSERT_TRUE(s.client(0).attach(away));
    EXPECT_TRUE(s.client(0).exists("/missed-9").ok());
  });
}

TEST(Synchronisation, ALinkBreaksInTheMiddleOfTrunc) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "before", 3));
    const ServerIndex old = leave_a_tail(s);
    ASSERT_TRUE(write(s, "after", 10));
    break_in_the_middle(s, old, [&] { return s.received(old, PacketType::Trunc) == 1; });
    EXPECT_EQ(s.received(old, PacketType::Trunc), 1U) << "what was cut is not cut again";
    ASSERT_TRUE(s.client(0).attach(old));
    EXPECT_EQ(s.client(0).exists("/tail").error, ErrorCode::NoNode);
  });
}

TEST(Synchronisation, ALinkBreaksInTheMiddleOfSnap) {
  Scenario s(short_history());
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s));
    const ServerIndex away = s.follower();
    s.power_loss(away);
    ASSERT_TRUE(write(s, "missed", 10));
    const Zxid had = s.facts(*s.leader()).last_applied;
    break_in_the_middle(s, away, [&] { return s.snap_bytes(away) > 300; });
    EXPECT_EQ(s.received(away, PacketType::Snap), 2U);
    EXPECT_GE(s.facts(away).last_applied, had);
  });
}

// A follower that missed txns joins a new epoch, and loses power right after its k-th file
// operation from NEWLEADER on. False: it had acknowledged NEWLEADER before.
bool crash_at_newleader(uint64_t k) {
  bool crashed_before_ack = false;
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "before", 2));
    const ServerIndex away = s.follower();
    s.power_loss(away);
    ASSERT_TRUE(write(s, "missed", 5));
    for (ServerIndex i = 0; i < 3; ++i) s.power_loss(i);
    const size_t acks = s.newleader_acks(away);
    bool doomed = false;
    s.on_packet([&](ServerIndex to, PacketType type) {
      if (to != away || type != PacketType::NewLeader || std::exchange(doomed, true)) return;
      s.sim().doom_at(s.host(away), s.sim().file_operations(s.host(away)) + k, Death::PowerLoss);
    });
    for (ServerIndex i = 0; i < 3; ++i) s.start(i);
    const auto off = [&] { return s.sim().state(s.host(away)) == HostState::Off; };
    ASSERT_TRUE(s.until([&] { return doomed && (off() || s.newleader_acks(away) > acks); }));
    crashed_before_ack = off();
    s.sim().doom_at(s.host(away), UINT64_MAX, Death::PowerLoss);
    if (off()) s.start(away);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(0).attach(away));
    EXPECT_TRUE(s.client(0).exists("/missed-4").ok());
    ASSERT_TRUE(s.client(0).create("/on", "").ok());
  });
  return crashed_before_ack;
}

TEST(Synchronisation, AFollowerCrashesAtEachFileOperationOfNewLeader) {
  uint64_t k = 1;
  for (; crash_at_newleader(k); ++k) ASSERT_FALSE(HasFailure()) << "at file operation " << k;
  RecordProperty("operations", static_cast<int>(k - 1));
  EXPECT_GE(k, 10U) << "the log, the frontier, acceptedEpoch and currentEpoch are more than that";
}

// ------------------------------------------------------------------------------------- leaders

TEST(Leadership, IsLostAndTakenOverWithoutAnyRestart) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "before", 3));
    const ServerIndex old = *s.leader();
    s.isolate(old);
    ASSERT_TRUE(s.until([&] { return s.logged(old, "no quorum of followers") == 1; }));
    EXPECT_FALSE(s.serving(old));
    ASSERT_TRUE(other_leader(s, old) && s.client(0).attach(*s.leader()));
    ASSERT_TRUE(write(s, "without", 3));
    s.isolate(old, Path::Open);
    ASSERT_TRUE(s.until([&] { return s.serving(old); }));
    for (ServerIndex i = 0; i < 3; ++i) EXPECT_EQ(s.sim().life(s.host(i)), 1U);
    ASSERT_TRUE(s.client(0).attach(old));
    EXPECT_TRUE(s.client(0).exists("/without-2").ok());
  });
}

// Those who leave a leader because he is silent do not wait for his vote.
TEST(Leadership, OfASilentLeaderIsDecidedAnewWithoutTheFinalizeWait) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    const ServerIndex old = *s.leader();
    const ServerIndex one = s.follower(0);
    const ServerIndex two = s.follower(1);
    const auto both = [&](std::string_view said, size_t times) {
      return s.until([&] { return s.logged(one, said) >= times && s.logged(two, said) >= times; });
    };
    const size_t decided = s.logged(one, "decided, round");
    ASSERT_EQ(s.logged(two, "decided, round"), decided);
    s.isolate(old);
    ASSERT_TRUE(both("the leader is silent", 1));
    const SimTime since = s.sim().now();
    ASSERT_TRUE(both("decided, round", decided + 1));
    const Duration wait = milliseconds(s.cluster().profile().config.finalize_wait_ms);
    EXPECT_LT(s.sim().now().ns - since.ns, wait.ns);
  });
}

TEST(Leadership, OfAStuckDiskEnds) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "before", 3));
    const ServerIndex old = *s.leader();
    s.sim().stick_disk(s.host(old));
    // The others acknowledge, so that it commits; its own log gets nowhere.
    s.beside([&] { (void)s.client(0).create("/stuck", ""); });
    ASSERT_TRUE(s.until([&] { return s.logged(old, "the log of this server is stuck") == 1; }));
    ASSERT_TRUE(other_leader(s, old) && s.client(0).attach(*s.leader()));
    EXPECT_TRUE(s.client(0).exists("/stuck").ok()) << "a majority had it";
    ASSERT_TRUE(write(s, "without", 3));
    s.sim().release_disk(s.host(old));
    ASSERT_TRUE(s.until([&] { return s.serving(old); }));
    EXPECT_EQ(s.sim().life(s.host(old)), 1U);
  });
}

// ------------------------------------------------------------------------------------- loss of
// power

TEST(PowerLoss, OfAllAtOnceLosesNothingAcknowledged) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "kept", 10));
    for (ServerIndex i = 0; i < 3; ++i) s.power_loss(i);
    EXPECT_FALSE(s.leader().has_value());
    for (ServerIndex i = 0; i < 3; ++i) s.start(i);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    EXPECT_EQ(s.facts(*s.leader()).epoch, 2U);
    for (ServerIndex i = 0; i < 3; ++i) {
      ASSERT_TRUE(s.client(0).attach(i));
      EXPECT_TRUE(s.client(0).exists("/kept-9").ok());
    }
  });
}

TEST(PowerLoss, OfAnyOneServerLosesNothingAcknowledged) {
  for (ServerIndex lost = 0; lost < 3; ++lost) {
    SCOPED_TRACE(lost + 1);
    Scenario s;
    play(s, [&] {
      ASSERT_TRUE(s.until([&] { return s.serving(); }) && s.client(0).attach(lost));
      ASSERT_TRUE(s.client(0).create("/kept", "by the others").ok());
      s.power_loss(lost);  // at the moment of the answer
      ASSERT_TRUE(s.client(0).attach((lost + 1) % 3));
      ASSERT_TRUE(s.client(0).sync("/kept").ok());
      EXPECT_EQ(s.client(0).get("/kept").data, "by the others");
      EXPECT_EQ(s.sim().state(s.host(lost)), HostState::Off);
    });
  }
}

// ------------------------------------------------------------------------------------- wiped
// servers

TEST(Wiped, AServerIsNoVoterBeforeItIsSynced) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "kept", 5));
    const ServerIndex wiped = s.follower(0);
    const ServerIndex other = s.follower(1);
    const ServerIndex leader = *s.leader();
    s.cluster().wipe(wiped, {});
    ASSERT_TRUE(s.until([&] { return looks(s, wiped); }));
    s.power_loss(leader);
    // Two of three are there, and one of them has forgotten: nobody leads.
    ASSERT_TRUE(s.wait(milliseconds(5000)));
    EXPECT_TRUE(looks(s, wiped) && looks(s, other));
    EXPECT_EQ(s.facts(wiped).standing, Standing::Blank);
    EXPECT_EQ(s.facts(wiped).accepted_epoch, 0U);
    EXPECT_GE(s.logged(other, "looking: "), 2U);
    s.start(leader);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    EXPECT_EQ(s.received(wiped, PacketType::Snap), 1U);
  });
}

TEST(Wiped, AServerReturnsAsAVoterAfterInitLimitAndSyncLimit) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "kept", 5));
    const ServerIndex wiped = s.follower();
    s.cluster().wipe(wiped, {});
    const SimTime began = s.sim().now();
    ASSERT_TRUE(s.until([&] { return s.received(wiped, PacketType::UpToDate) == 2; }));
    EXPECT_LT(s.sim().now(), began + milliseconds(1000)) << "it is filled at once";
    EXPECT_NE(s.facts(wiped).standing, Standing::Voter);
    EXPECT_FALSE(s.serving(wiped));
    ASSERT_TRUE(s.until([&] { return s.facts(wiped).standing == Standing::Voter; }));
    EXPECT_GE(s.sim().now(), began + milliseconds(1399));  // 14 ticks, by a clock that may be quick
    EXPECT_EQ(s.logged(wiped, "synchronised again, returning as a voter"), 1U);
    ASSERT_TRUE(s.until([&] { return s.serving(wiped); }));
    // Now it counts.
    s.power_loss(s.follower(0) == wiped ? s.follower(1) : s.follower(0));
    ASSERT_TRUE(s.client(0).create("/counted", "").ok());
  });
}

TEST(Wiped, AllServersFoundANewEnsemble) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "gone", 5));
    s.cluster().wipe_all({});
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    for (ServerIndex i = 0; i < 3; ++i) EXPECT_EQ(s.logged(i, kFounded), 2U);
    EXPECT_EQ(s.facts(*s.leader()).epoch, 1U);
    EXPECT_EQ(s.cluster().node(*s.leader())->tree().last_applied().counter(), 0U);
  });
}

// ------------------------------------------------------------------------------------- damage

constexpr std::string_view kFilled = "what was damaged here is filled";
constexpr std::string_view kClaims = "votes in spite of damage";

void power_loss_of_all(Scenario& s) {
  ASSERT_TRUE(s.wait(milliseconds(300)));  // frontiers are synced
  for (ServerIndex i = 0; i < 3; ++i) s.power_loss(i);
}

// The record of `zxid` in the log of a server that is off.
void rot(Scenario& s, ServerIndex server, Zxid zxid, RotKind kind = RotKind::FlippedBit) {
  ASSERT_TRUE(rot_record(s.sim().disk(s.host(server)), zxid, kind, 12345).has_value());
  s.cluster().damaged(server);
}

// Server 3 is damaged in the middle of its log, and has what server 1 has; server 2 is gone.
TEST(Damage, ALeaderIsFilledByTheOneThatFollows) {
  for (const RotKind kind : {RotKind::FlippedBit, RotKind::ZeroedSector, RotKind::GarbledSector}) {
    Scenario s;
    play(s, [&] {
      ASSERT_TRUE(attach_to_leader(s) && write(s, "kept", 12));
      const Zxid last = s.facts(2).last_logged;
      power_loss_of_all(s);
      rot(s, 2, Zxid{last.value - 5}, kind);
      s.start(0);
      s.start(2);
      ASSERT_TRUE(s.until([&] { return s.serving(0) && s.serving(2); }));
      EXPECT_EQ(s.leader(), 2U);
      EXPECT_EQ(s.logged(2, kClaims), 1U);
      EXPECT_EQ(s.logged(2, kFilled), 1U);
      // Its connection to server 3 may be one of before, which nobody has told it is dead.
      ASSERT_TRUE(s.client(0).attach(0) && s.client(0).attach(2));
      for (int i = 0; i < 12; ++i) EXPECT_TRUE(s.client(0).exists(fmt::format("/kept-{}", i)).ok());
      ASSERT_TRUE(write(s, "on", 3));
      s.start(1);
      ASSERT_TRUE(s.until([&] { return s.serving(); }));
    });
  }
}

// Whoever follows has only the last four txns in memory since its start: it reads the others from
// its log files, and says of a txn that it never had that it never had it.
TEST(Damage, ALeaderIsFilledFromLogFiles) {
  Scenario s(short_history());
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "kept", 20));
    const Zxid last = s.facts(2).last_logged;
    power_loss_of_all(s);
    rot(s, 2, Zxid{last.value - 9});
    rot(s, 2, Zxid{last.value - 12});
    s.start(0);
    s.start(2);
    ASSERT_TRUE(s.until([&] { return s.logged(2, kClaims) == 1; }));
    EXPECT_GT(s.cluster().node(0)->storage().history().base(), Zxid{last.value - 9});
    ASSERT_TRUE(s.until([&] { return s.serving(0) && s.serving(2); }));
    EXPECT_EQ(s.leader(), 2U);
    EXPECT_EQ(s.logged(2, kFilled), 1U);
    ASSERT_TRUE(s.client(0).attach(0));
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(s.client(0).exists(fmt::format("/kept-{}", i)).ok());
    s.start(1);
  });
}

// The other way round: whoever is whole leads, and a SNAP replaces what is damaged. At once it
// counts.
TEST(Damage, AFollowerIsFilledByAWholeLeaderAndCounts) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "kept", 12));
    const Zxid last = s.facts(0).last_logged;
    power_loss_of_all(s);
    rot(s, 0, Zxid{last.value - 5});
    const SimTime began = s.sim().now();
    s.start(0);
    s.start(2);
    ASSERT_TRUE(s.until([&] { return s.serving(0) && s.serving(2); }));
    EXPECT_LT(s.sim().now(), began + milliseconds(1000)) << "it need not wait as one who forgot";
    EXPECT_EQ(s.leader(), 2U);
    EXPECT_EQ(s.received(0, PacketType::Snap), 1U);
    ASSERT_TRUE(s.client(0).attach(0) && write(s, "on", 3)) << "two of three are a quorum";
    EXPECT_TRUE(s.client(0).exists("/kept-6").ok());
    s.start(1);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
  });
}

TEST(Damage, OnTwoOfThreeAtDifferentZxids) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "kept", 12));
    const Zxid last = s.facts(2).last_logged;
    power_loss_of_all(s);
    rot(s, 2, Zxid{last.value - 3});
    rot(s, 0, Zxid{last.value - 7});
    s.start(0);
    s.start(2);
    ASSERT_TRUE(s.until([&] { return s.serving(0) && s.serving(2); }));
    EXPECT_EQ(s.logged(2, kFilled), 1U)
        << "by what the other had behind its own fault, or before it";
    EXPECT_EQ(s.received(0, PacketType::Snap), 1U);
    ASSERT_TRUE(s.client(0).attach(0));
    for (int i = 0; i < 12; ++i) EXPECT_TRUE(s.client(0).exists(fmt::format("/kept-{}", i)).ok());
    s.start(1);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
  });
}

// Committed by servers 2 and 3, damaged on 3, and server 2 is gone: nobody may go on without it.
TEST(Damage, WhatOnlyAnAbsentServerHasIsNamedAndWaitedFor) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "before", 3));
    s.power_loss(0);
    ASSERT_TRUE(s.until([&] { return s.serving(1) && s.serving(2); }));
    ASSERT_TRUE(s.client(0).attach(2) && write(s, "committed", 8));
    const Zxid last = s.facts(2).last_logged;
    ASSERT_TRUE(s.wait(milliseconds(300)));
    s.power_loss(1);
    s.power_loss(2);
    rot(s, 2, Zxid{last.value - 3});
    s.start(0);
    s.start(2);
    ASSERT_TRUE(s.wait(milliseconds(8000)));
    EXPECT_FALSE(s.leader().has_value());
    const std::string named = fmt::format("nobody heard has them: {:x};", last.value - 3);
    EXPECT_GE(s.logged(2, named), 1U);
    EXPECT_GE(s.logged(2, "server.1 never had them; not heard: server.2"), 1U);
    s.start(1);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(0).attach(2));
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(s.client(0).exists(fmt::format("/committed-{}", i)).ok());
    }
  });
}

// A leader logged what nobody acknowledged, and that is damaged: a majority never had it.
TEST(Damage, WhatNobodyEverHadIsGivenUp) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "before", 5));
    const ServerIndex old = *s.leader();
    const Zxid last = s.facts(old).last_logged;
    s.isolate(old);
    s.beside([&s] { EXPECT_FALSE(s.client(0).create("/tail", "lost").answered); });
    ASSERT_TRUE(s.until([&] { return s.facts(old).last_durable > last; }));
    ASSERT_TRUE(s.wait(milliseconds(50)));
    for (ServerIndex i = 0; i < 3; ++i) s.power_loss(i);
    s.isolate(old, Path::Open);
    rot(s, old, last.next());
    // Long enough for whoever might count its acknowledgements (RULES 10).
    s.start(old);
    ASSERT_TRUE(s.wait(milliseconds(3000)));
    EXPECT_FALSE(s.leader().has_value());
    for (ServerIndex i = 0; i < 3; ++i) {
      if (i != old) s.start(i);
    }
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    EXPECT_EQ(s.logged(old, fmt::format("{}: 0 txns behind {:x}", kFilled, last.value)), 1U);
    ASSERT_TRUE(s.client(0).attach(old));
    EXPECT_EQ(s.client(0).exists("/tail").error, ErrorCode::NoNode);
    EXPECT_TRUE(s.client(0).exists("/before-4").ok());
    ASSERT_TRUE(write(s, "on", 2));
  });
}

// A damaged leader loses power at each file operation of its refill: nothing intact is lost, and it
// is filled all the same.
TEST(Damage, ALeaderCrashesAtEachFileOperationOfItsRefill) {
  uint64_t operations = 0;
  for (uint64_t k = 1; k < 60; ++k) {
    SCOPED_TRACE(k);
    bool crashed = false;
    Scenario s;
    play(s, [&] {
      ASSERT_TRUE(attach_to_leader(s) && write(s, "kept", 6));
      const Zxid last = s.facts(2).last_logged;
      power_loss_of_all(s);
      rot(s, 2, Zxid{last.value - 3});
      s.start(0);
      s.start(2);
      ASSERT_TRUE(s.until([&] { return s.logged(2, kClaims) == 1; }));
      s.sim().doom_at(s.host(2), s.sim().file_operations(s.host(2)) + k, Death::PowerLoss);
      const auto off = [&] { return s.sim().state(s.host(2)) == HostState::Off; };
      ASSERT_TRUE(s.until([&] { return off() || s.serving(2); }));
      crashed = off();
      s.sim().doom_at(s.host(2), UINT64_MAX, Death::PowerLoss);
      if (crashed) s.start(2);
      ASSERT_TRUE(s.until([&] { return s.serving(0) && s.serving(2); }));
      ASSERT_TRUE(s.client(0).attach(0));
      for (int i = 0; i < 6; ++i) EXPECT_TRUE(s.client(0).exists(fmt::format("/kept-{}", i)).ok());
      s.start(1);
    });
    if (!crashed) break;
    operations = k;
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GE(operations, 10U) << "claim, snapshot, intent, names and frontier are more than that";
}

// ------------------------------------------------------------------------------------- sessions

TEST(Sessions, ExpiryRemovesEphemerals) {
  Profile p = scenario_profile();
  p.clients = 2;
  Scenario s(p);
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ScriptedClient owner = s.client(0);
    ScriptedClient other = s.client(1);
    ASSERT_TRUE(owner.create("/mine", "", CreateFlag::Ephemeral).ok());
    ASSERT_TRUE(other.create("/kept", "").ok());
    s.sim().pause(s.cluster().client_host(0));
    ASSERT_TRUE(s.wait(milliseconds(1000)));
    EXPECT_TRUE(other.exists("/mine").ok()) << "the session lasts 2 s";
    ASSERT_TRUE(s.wait(milliseconds(2000)));
    ASSERT_TRUE(other.sync("/").ok());
    EXPECT_EQ(other.exists("/mine").error, ErrorCode::NoNode);
    EXPECT_TRUE(other.exists("/kept").ok());
    const SessionId session = owner.session();
    s.sim().resume(s.cluster().client_host(0));
    ASSERT_TRUE(s.until([&] { return owner.connected() && owner.session() != session; }));
  });
}

TEST(Sessions, MoveBetweenServers) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }) && s.client(0).attach(0));
    ASSERT_TRUE(s.client(0).create("/mine", "", CreateFlag::Ephemeral).ok());
    const SessionId session = s.client(0).session();
    for (const ServerIndex next : {1U, 2U, 0U}) {
      ASSERT_TRUE(s.client(0).attach(next));
      EXPECT_EQ(s.client(0).session(), session);
      ASSERT_TRUE(s.client(0).set("/mine", fmt::format("at {}", next)).ok());
      ASSERT_TRUE(s.wait(milliseconds(2500)));  // longer than the session would last unheard
    }
    const Reply reply = s.client(0).get("/mine");
    EXPECT_EQ(reply.data, "at 0");
    EXPECT_EQ(reply.stat->ephemeral_owner, session.value);
  });
}

// Chosen, and then its disk answers nothing: it gives up, and cannot vote. Nobody may take it for a
// leader any more, or the other two follow it in turns for ever.
TEST(Scenario, WhoCannotVoteAfterALeadershipIsNotFollowed) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    for (ServerIndex i = 0; i < 3; ++i) s.power_loss(i);
    s.start(0);
    s.start(1);
    ASSERT_TRUE(s.until([&] { return s.cluster().facts(1).leading; }));
    s.sim().stick_disk(s.host(1));
    ASSERT_TRUE(s.wait(milliseconds(700)));
    s.start(2);
    EXPECT_TRUE(s.until([&] { return s.leader() && *s.leader() != 1; }, milliseconds(5000)));
    s.sim().release_disk(s.host(1));
  });
}

// Whoever is filled by one SNAP after the other takes no snapshot itself.
TEST(Scenario, StatesThatAreReceivedArePurgedToo) {
  Profile profile = scenario_profile();
  profile.config.snap_only = true;
  profile.config.snapshots_kept = 1;
  profile.config.snapshot_every_txns = 100'000;
  Scenario s(profile);
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s));
    const ServerIndex filled = s.follower(0);
    for (int i = 0; i < 5; ++i) {
      s.power_loss(filled);
      ASSERT_TRUE(write(s, fmt::format("missed-{}", i), 3));
      s.start(filled);
      ASSERT_TRUE(s.until([&] { return s.serving(filled); }));
    }
    EXPECT_GE(s.received(filled, PacketType::Snap), 5U);
    size_t snapshots = 0;
    const SimDisk& disk = s.sim().disk(s.host(filled));
    for (const DirEntry& file : disk.list(Dir::Snapshots, SimDisk::Image::Cached)) {
      if (parse_snapshot_name(file.name)) ++snapshots;
    }
    EXPECT_EQ(snapshots, 1U);
  });
}

// A snapshot of ZooKeeper's in a directory of its own, whose tree is the leader's, with a digest
// that says another.
void leave_untrue(SimDisk& disk, const DataTree& tree) {
  Bytes file;
  encode_snapshot_header(file);
  encode_snapshot_body(tree, file);
  const Zxid zxid = tree.last_applied();
  encode_snapshot_seals(adler32(file), zxid, tree.digest() + 1, file);
  disk.put(Dir::Snapshots, snapshot_name(SnapshotName{zxid}), file);
  for (const std::string_view name : {kAcceptedName, kCurrentName}) {
    disk.put(Dir::Snapshots, name, epoch_text(zxid.epoch()));
  }
}

// RULES 7: it would vote with the highest zxid of all, and lead with that tree, were the others
// gone for a moment.
TEST(Scenario, WhoHasATreeThatDigestsRefuteIsFilledAndNeverLeads) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(attach_to_leader(s) && write(s, "kept", 20));
    const ServerIndex moved = s.follower(0);
    s.cluster().wipe(moved, milliseconds(200));
    leave_untrue(s.sim().disk(s.host(moved)), s.cluster().node(*s.leader())->tree());
    const ServerIndex old = *s.leader();
    s.power_loss(old);
    ASSERT_TRUE(s.until([&] { return s.logged(moved, "digests beside it tell of") == 1; }));
    ASSERT_TRUE(s.wait(milliseconds(3000)));
    EXPECT_FALSE(s.leader().has_value()) << "two are here, and one of them has nothing to go by";
    EXPECT_EQ(s.facts(moved).standing, Standing::Aside);
    s.start(old);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    EXPECT_EQ(s.received(moved, PacketType::Snap), 1U);
    ASSERT_TRUE(attach_to_leader(s) && write(s, "more", 20));
  });
}

// ------------------------------------------------------------------------------------- the scripts

TEST(Scripts, AWaitInVainIsTold) {
  Scenario s;
  EXPECT_EQ(s.play([&] { EXPECT_FALSE(s.until([] { return false; }, milliseconds(700))); }),
            "a script waited in vain for 700 ms");
}

TEST(Scripts, RunSideBySideAndEndWithTheFirst) {
  Scenario s;
  std::vector<std::string> order;
  play(s, [&] {
    s.beside([&] {
      while (s.wait(milliseconds(300))) order.emplace_back("beside");
      order.emplace_back("failed");
    });
    ASSERT_TRUE(s.wait(milliseconds(1000)));
    order.emplace_back("first is over");
  });
  const std::vector<std::string> expected{"beside", "beside", "beside", "first is over", "failed"};
  EXPECT_EQ(order, expected);
}

}  // namespace
}  // namespace vivarium::sim
