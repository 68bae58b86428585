// Contract of a World: steps, turns, time, chance, and the beginning and end of a life.
#include "tests/contract/world_contract.h"

#include "tests/contract/actor.h"

namespace vivarium::contract {
namespace {

TEST_P(WorldContract, TimeStandsStillWithinAStep) {
  Actor a(*worlds_);
  int steps = 0;
  a.react = [&](const Event&, World& world) {
    ++steps;
    const Instant now = world.now();
    const WallTime wall = world.wall_now();
    Bytes work = pattern(100'000, 1);
    EXPECT_EQ(work.size(), 100'000U);
    EXPECT_EQ(world.now(), now);
    EXPECT_EQ(world.wall_now(), wall);
  };
  a.let_pass(5);
  a.let_pass(5);
  EXPECT_GE(steps, 4) << "two timers and two ends of turns at least";
}

TEST_P(WorldContract, TimePassesBetweenSteps) {
  Actor a(*worlds_);
  Instant before;
  WallTime wall_before;
  a.act([&](World& world) {
    before = world.now();
    wall_before = world.wall_now();
  });
  a.let_pass(20);
  a.act([&](World& world) {
    EXPECT_GE(world.now(), before + milliseconds(20));
    EXPECT_GT(world.wall_now(), wall_before);
  });
}

TEST_P(WorldContract, TheTimerFiresOnceAndNotBeforeItsTime) {
  Actor a(*worlds_);
  Instant due;
  a.react = [&](const Event& event, World& world) {
    if (std::holds_alternative<TimerFired>(event)) {
      EXPECT_GE(world.now(), due);
    }
  };
  a.act([&](World& world) {
    due = world.now() + milliseconds(10);
    world.set_timer(due);
  });
  a.wait([&] { return a.count<TimerFired>() == 1; }, "TimerFired");

  // A second host lets three times as long pass; the first stays quiet.
  Actor clock(*worlds_);
  clock.let_pass(30);
  EXPECT_EQ(a.count<TimerFired>(), 1U);
}

TEST_P(WorldContract, ALaterSettingReplacesTheTimer) {
  Actor a(*worlds_);
  Instant due;
  a.react = [&](const Event& event, World& world) {
    if (std::holds_alternative<TimerFired>(event)) {
      EXPECT_GE(world.now(), due);
    }
  };
  a.act([&](World& world) {
    world.set_timer(world.now() + milliseconds(5));
    due = world.now() + milliseconds(30);
    world.set_timer(due);
  });
  a.wait([&] { return a.count<TimerFired>() == 1; }, "TimerFired");
}

TEST_P(WorldContract, AnEarlierSettingReplacesTheTimer) {
  Actor a(*worlds_);
  a.act([&](World& world) {
    world.set_timer(world.now() + milliseconds(10'000'000));
    world.set_timer(world.now() + milliseconds(5));
  });
  a.wait([&] { return a.count<TimerFired>() == 1; }, "TimerFired");
}

TEST_P(WorldContract, NeverCancelsTheTimer) {
  Actor a(*worlds_);
  a.act([](World& world) {
    world.set_timer(world.now() + milliseconds(5));
    world.set_timer(Instant::never());
  });
  Actor clock(*worlds_);
  clock.let_pass(20);
  EXPECT_EQ(a.count<TimerFired>(), 0U);
}

TEST_P(WorldContract, ATimerInThePastFires) {
  Actor a(*worlds_);
  a.act([](World& world) { world.set_timer(Instant{world.now().ns - 1}); });
  a.wait([&] { return a.count<TimerFired>() == 1; }, "TimerFired");
}

TEST_P(WorldContract, ATimerSetInATimerStepFiresAgain) {
  Actor a(*worlds_);
  a.react = [&](const Event& event, World& world) {
    if (std::holds_alternative<TimerFired>(event) && a.count<TimerFired>() < 5) {
      world.set_timer(world.now() + milliseconds(1));
    }
  };
  a.act([](World& world) { world.set_timer(world.now()); });
  a.wait([&] { return a.count<TimerFired>() == 5; }, "five times TimerFired");
}

TEST_P(WorldContract, RandomNumbersDiffer) {
  Actor a(*worlds_);
  std::set<uint64_t> numbers;
  a.act([&](World& world) {
    for (int i = 0; i < 1000; ++i) numbers.insert(world.random());
  });
  EXPECT_EQ(numbers.size(), 1000U);
}

// That each batch of events ends with one TurnEnded is checked by Actor; here, that it comes.
TEST_P(WorldContract, ATurnEndsBehindEachBatch) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds ends = link_between(a, b);
  a.act([&](World& world) { world.send(ends.near, as_bytes("ping")); });
  b.wait([&] { return b.received(ends.far).size() == 4; }, "four bytes");
  b.wait([&] { return b.seen().back().kind == kind_of<TurnEnded>(); }, "TurnEnded");
}

TEST_P(WorldContract, WhatIsSentAtTheEndOfATurnLeaves) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds ends = link_between(a, b);
  bool asked = false;
  b.react = [&](const Event& event, World& world) {
    if (std::holds_alternative<LinkBytes>(event)) asked = true;
    if (!std::holds_alternative<TurnEnded>(event) || !asked) return;
    asked = false;
    world.send(ends.far, as_bytes("pong"));
  };
  a.act([&](World& world) { world.send(ends.near, as_bytes("ping")); });
  a.wait([&] { return a.received(ends.near).size() >= 4; }, "the answer");
  EXPECT_EQ(as_text(a.received(ends.near)).substr(0, 4), "pong");
}

TEST_P(WorldContract, TheOperatorsWishArrivesAsAnEvent) {
  Actor a(*worlds_);
  worlds_->ask_to_stop(a.host());
  a.wait([&] { return a.count<StopRequested>() == 1; }, "StopRequested");
  EXPECT_EQ(a.ended(), std::nullopt) << "the core decides when it ends";
}

// Actor fails the test on any event after stop(), TurnEnded too.
TEST_P(WorldContract, NoEventArrivesAfterStop) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  const LinkEnds ends = link_between(a, b);
  a.react = [&](const Event& event, World& world) {
    if (!std::holds_alternative<LinkBytes>(event)) return;
    world.set_timer(world.now());
    world.list(Dir::Root, 1);
    a.stop(world, StopReason::Requested);
  };
  b.act([&](World& world) {
    world.send(ends.far, as_bytes("stop"));
    world.send(ends.far, pattern(100'000, 1));
  });
  b.wait([&] { return a.ended().has_value(); }, "the end of the other host");
  EXPECT_EQ(a.ended(), StopReason::Requested);
  b.wait([&] { return b.count<LinkDown>(ends.far) == 1; }, "LinkDown of its link");
}

TEST_P(WorldContract, AFatalStopEndsTheLifeToo) {
  Actor a(*worlds_);
  a.react = [&](const Event& event, World& world) {
    if (std::holds_alternative<TimerFired>(event)) a.stop(world, StopReason::Fatal);
  };
  a.act([](World& world) { world.set_timer(world.now()); });
  a.wait([&] { return a.ended().has_value(); }, "the end");
  EXPECT_EQ(a.ended(), StopReason::Fatal);
}

TEST_P(WorldContract, WhatWasSyncedSurvivesAKill) {
  Actor a(*worlds_);
  FileId file;
  a.act([&](World& world) {
    file = a.open(world, Dir::Logs, "log.1", OpenMode::Create);
    world.write(file, 0, as_bytes("committed"));
    world.sync(file, 1);
    world.sync_dir(Dir::Logs, 2, Lane::Log);
  });
  a.wait([&] { return a.count<FileSynced>() == 1 && a.count<DirSynced>() == 1; }, "both syncs");
  worlds_->kill(a.host());
  a.start();
  EXPECT_EQ(as_text(a.content(Dir::Logs, "log.1")), "committed");
}

// Actor fails the test when Started is not first, or an event has a handle that this life has not.
TEST_P(WorldContract, NothingOfAnEarlierLifeArrives) {
  Actor a(*worlds_);
  Actor b(*worlds_);
  for (int life = 0; life < 3; ++life) {
    const LinkEnds ends = link_between(b, a);
    b.act([&](World& world) { world.send(ends.near, pattern(50'000, 7)); });
    a.act([&](World& world) {
      const FileId file = a.open(world, Dir::Logs, "busy", OpenMode::Update);
      world.write(file, 0, pattern(100'000, 8));
      world.sync(file, 1);
      world.read(file, 0, 1000, 2);
      world.list(Dir::Logs, 3);
      world.sync_dir(Dir::Logs, 4, Lane::Bulk);
      world.set_timer(world.now());
    });
    worlds_->kill(a.host());
    EXPECT_EQ(a.ended(), std::nullopt);
    a.start();
    a.let_pass(5);
    EXPECT_EQ(a.count<Started>(), 1U);
    EXPECT_EQ(a.count<TimerFired>(), 1U) << "its own, and none of the life before";
    EXPECT_EQ(a.count<FileSynced>() + a.count<ReadDone>(), 0U);
    EXPECT_EQ(a.count<DirListed>() + a.count<DirSynced>(), 0U);
    EXPECT_EQ(a.count<LinkBytes>() + a.count<LinkDown>(), 0U);
    b.wait([&] { return b.count<LinkDown>(ends.near) == 1; }, "LinkDown");
  }
}

TEST_P(WorldContract, MetricsAndLinesAreTaken) {
  Actor a(*worlds_);
  a.act([](World& world) {
    world.log(LogLevel::Debug, "a line of a test");
    world.count("contract_steps", 1);
    world.count("contract_steps", 2);
    world.gauge("contract_gauge", -3);
    world.audit("test=contract");
  });
  a.let_pass(1);
}

}  // namespace
}  // namespace vivarium::contract
