// What peers remember of a server's acknowledgements (RULES 2 and 3): the last batch of a log and
// the last window of its frontier are lost on one server, and nothing on its disk tells.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "sim/rot.h"
#include "tests/simulation/play.h"

namespace vivarium::sim {
namespace {

constexpr std::string_view kShort = "stands aside: the log here ends at";
constexpr std::string_view kReturns = "synchronised again, returning as a voter";

bool has(Scenario& s, std::string_view name, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (!s.client(0).exists(fmt::format("/{}-{}", name, i)).ok()) return false;
  }
  return true;
}

// A batch that every frontier vouches for in one slot, and another in the other slot only. The
// client is with the leader.
bool write_two_batches(Scenario& s) {
  return s.until([&] { return s.serving(); }) && s.client(0).attach(*s.leader()) &&
         write(s, "old", 5) && s.wait(milliseconds(300)) && write(s, "last", 4) &&
         s.wait(milliseconds(300));
}

// Of a server that is off: its log ends behind the first batch, or within the second. Gives where.
Zxid lose_tail(Scenario& s, ServerIndex server, uint64_t draw = 0) {
  const Zxid had = s.cluster().ledger().between(server, Zxid{}, Zxid{UINT64_MAX}).back();
  const std::optional<Zxid> kept = s.cluster().lose_tail_of_stopped(server, draw);
  EXPECT_TRUE(kept && *kept < had);
  return kept.value_or(Zxid{});
}

std::map<std::string, Bytes> log_files(Scenario& s, ServerIndex server) {
  std::map<std::string, Bytes> files;
  const SimDisk& disk = s.sim().disk(s.host(server));
  for (const DirEntry& file : disk.list(Dir::Logs, SimDisk::Image::Durable)) {
    if (!parse_log_name(file.name)) continue;
    files[file.name] = *disk.content(Dir::Logs, file.name, SimDisk::Image::Durable);
  }
  return files;
}

// What `by` remembers of `of`.
std::optional<Acknowledged> remembered(Scenario& s, ServerIndex by, ServerIndex of) {
  return s.cluster().node(by)->storage().remembered(ServerId{of + 1});
}

TEST(Remembered, WhatALeaderHasCountedAndNothingElse) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(write_two_batches(s));
    const ServerIndex leader = *s.leader();
    for (ServerIndex i = 0; i < 3; ++i) {
      if (i == leader) continue;
      const auto told = remembered(s, leader, i);
      ASSERT_TRUE(told);
      EXPECT_EQ(told->upto, s.facts(i).last_durable);
      EXPECT_EQ(told->epoch, s.facts(i).current_epoch);
      EXPECT_EQ(told->log, s.cluster().node(i)->storage().log_id());
      EXPECT_FALSE(remembered(s, i, leader)) << "a follower counts nobody";
    }
    // On the disk, with no write since the last acknowledgement.
    const auto sidecar =
        s.sim().disk(s.host(leader)).content(Dir::Logs, kFrontierName, SimDisk::Image::Durable);
    ASSERT_TRUE(sidecar);
    EXPECT_EQ(newest_frontier(*sidecar)->remembered,
              s.cluster().node(leader)->storage().frontier().remembered);
    EXPECT_EQ(newest_frontier(*sidecar)->remembered.size(), 2U);
  });
}

// The leader lives and has a quorum without it: it is told, synchronised, and returns.
TEST(Remembered, WhoLostItsTailStandsAsideAndIsSynchronised) {
  for (uint64_t draw = 0; draw < 4; ++draw) {
    SCOPED_TRACE(draw);
    Scenario s;
    play(s, [&] {
      ASSERT_TRUE(write_two_batches(s));
      const ServerIndex leader = *s.leader();
      const ServerIndex lost = s.follower();
      const Zxid last = s.facts(lost).last_durable;
      s.power_loss(lost);
      const Zxid kept = lose_tail(s, lost, draw);
      const SimTime began = s.sim().now();
      s.start(lost);
      ASSERT_TRUE(s.until([&] { return s.logged(lost, kShort) == 1; }));
      EXPECT_EQ(s.logged(lost, fmt::format("{} {:x}, and server.{} remembers that this server "
                                           "acknowledged {:x}",
                                           kShort, kept.value, leader + 1, last.value)),
                1U);
      EXPECT_EQ(s.facts(lost).standing, Standing::Aside);
      ASSERT_TRUE(s.until([&] { return s.serving(lost); }));
      EXPECT_GE(s.sim().now(), began + milliseconds(1399)) << "as one who forgot (RULES 10)";
      EXPECT_EQ(s.logged(lost, kReturns), 1U);
      EXPECT_EQ(s.received(lost, PacketType::Snap), 1U);
      ASSERT_TRUE(s.client(0).attach(lost));
      EXPECT_TRUE(has(s, "old", 5) && has(s, "last", 4));
      // It counts again, and what it acknowledges from now on is of another log.
      s.power_loss(s.follower(0) == lost ? s.follower(1) : s.follower(0));
      ASSERT_TRUE(write(s, "on", 1));
      EXPECT_EQ(s.logged(lost, kShort), 1U);
    });
  }
}

// It is known before anything is mended, and a crash in between does not make it a voter again.
TEST(Remembered, ARestartDoesNotForgetThatTheLogIsShort) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(write_two_batches(s));
    const ServerIndex leader = *s.leader();
    const ServerIndex lost = s.follower();
    const ServerIndex third = 3 - leader - lost;
    s.power_loss(third);
    s.power_loss(lost);
    lose_tail(s, lost);
    s.start(lost);
    // No quorum without it, and it does not lend its name to one.
    ASSERT_TRUE(s.until([&] { return s.logged(lost, kShort) == 1; }));
    ASSERT_TRUE(s.wait(milliseconds(500)));
    s.power_loss(lost);
    s.isolate(lost);  // now nobody can tell it
    s.start(lost);
    ASSERT_TRUE(s.wait(milliseconds(1000)));
    EXPECT_EQ(s.facts(lost).standing, Standing::Aside);
    EXPECT_GE(s.logged(lost, "the log ends before what the frontier says was durable"), 1U);
    s.isolate(lost, Path::Open);
    ASSERT_TRUE(s.wait(milliseconds(4000)));
    EXPECT_FALSE(s.leader().has_value()) << "one voter is no quorum of three";
    s.start(third);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(0).attach(lost));
    EXPECT_TRUE(has(s, "old", 5) && has(s, "last", 4));
  });
}

// The third server lacks the last batch, and the leader's copy is damaged: without a memory, two of
// three would say that they never had it, and it would be given up (RULES 9).
TEST(Remembered, NothingIsGivenUpOnTheWordOfAShortLog) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    const ServerIndex leader = *s.leader();
    const ServerIndex lost = s.follower(0);
    const ServerIndex third = s.follower(1);
    ASSERT_TRUE(s.client(0).attach(leader) && write(s, "old", 5) && s.wait(milliseconds(300)));
    s.power_loss(third);
    ASSERT_TRUE(write(s, "last", 1) && s.wait(milliseconds(300)));
    const Zxid last = s.facts(leader).last_logged;
    s.power_loss(lost);
    lose_tail(s, lost);
    s.power_loss(leader);
    const std::map<std::string, Bytes> files = log_files(s, leader);
    ASSERT_TRUE(rot_record(s.sim().disk(s.host(leader)), last, RotKind::FlippedBit, 77));
    s.cluster().damaged(leader);
    for (ServerIndex i = 0; i < 3; ++i) s.start(i);
    ASSERT_TRUE(s.until([&] { return s.logged(lost, kShort) >= 1; }));
    ASSERT_TRUE(s.wait(milliseconds(5000)));
    EXPECT_FALSE(s.leader().has_value()) << "the ensemble stops";
    EXPECT_GE(s.logged(leader, fmt::format("nobody heard has them: {:x};", last.value)), 1U);
    EXPECT_EQ(s.logged(leader, "what was damaged here is filled"), 0U);
    // What was read badly is well again.
    s.power_loss(leader);
    for (const auto& [name, bytes] : files) {
      s.sim().disk(s.host(leader)).put(Dir::Logs, name, bytes);
    }
    s.start(leader);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(0).attach(lost));
    EXPECT_TRUE(has(s, "old", 5) && has(s, "last", 1));
  });
}

// The memory is on the leader's disk: power is lost everywhere, and who lost its tail is told by
// whoever led.
TEST(Remembered, TheLeadersMemoryOutlivesItsPower) {
  Scenario s;
  play(s, [&] {
    ASSERT_TRUE(write_two_batches(s));
    const ServerIndex leader = *s.leader();
    const ServerIndex lost = s.follower();
    const ServerIndex third = 3 - leader - lost;
    for (ServerIndex i = 0; i < 3; ++i) s.power_loss(i);
    lose_tail(s, lost);
    s.start(leader);
    s.start(lost);
    ASSERT_TRUE(s.until([&] { return s.logged(lost, kShort) == 1; }));
    ASSERT_TRUE(s.wait(milliseconds(2000)));
    EXPECT_FALSE(s.leader().has_value());
    s.start(third);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.client(0).attach(lost));
    EXPECT_TRUE(has(s, "old", 5) && has(s, "last", 4));
  });
}

// A follower acknowledged what its leader never committed, and cuts it off for the next one: the
// old leader still remembers, and nobody holds that against the follower.
TEST(Remembered, WhatTruncTookIsHeldAgainstNobody) {
  Profile p = scenario_profile();
  p.servers = 5;
  Scenario s(p);
  play(s, [&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }) && s.client(0).attach(*s.leader()));
    ASSERT_TRUE(write(s, "before", 3));
    const ServerIndex old = *s.leader();
    const ServerIndex with = s.follower(0);
    for (uint32_t i = 1; i < 4; ++i) {
      s.cut(s.follower(i), old);
      s.cut(s.follower(i), with);
    }
    const Zxid last = s.facts(old).last_logged;
    s.beside([&s] { EXPECT_FALSE(s.client(0).create("/tail", "lost").answered); });
    ASSERT_TRUE(s.until([&] {
      const auto told = remembered(s, old, with);
      return told && told->upto > last;
    }));
    // On the disk of the old leader too.
    ASSERT_TRUE(s.wait(milliseconds(100)));
    s.power_loss(old);
    s.power_loss(with);
    ASSERT_TRUE(s.until([&] { return s.leader().has_value() && *s.leader() != old; }));
    for (ServerIndex i = 0; i < 5; ++i) {
      if (i == old || i == with) continue;
      s.join(i, old);
      s.join(i, with);
    }
    s.start(with);
    ASSERT_TRUE(s.until([&] { return s.serving(with); }));
    EXPECT_EQ(s.received(with, PacketType::Trunc), 1U);
    EXPECT_EQ(s.facts(with).last_logged, last);
    // It looks for a leader again, with a log below what the old one remembers, and hears that one.
    const ServerIndex leading = *s.leader();
    s.power_loss(leading);
    s.power_loss(with);
    s.start(old);
    s.start(with);
    ASSERT_TRUE(s.until([&] { return s.serving(with) && s.serving(old); }));
    EXPECT_EQ(s.facts(with).standing, Standing::Voter);
    EXPECT_EQ(s.logged(with, kShort), 0U);
    s.start(leading);
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
  });
}

}  // namespace
}  // namespace vivarium::sim
