// The explorer: it comes to every order of a small world, it takes states for one only when they
// are, and it finds what is planted, with the path that leads there.
#include "sim/explore.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/base/random.h"
#include "core/storage/record.h"
#include "sim/explore_images.h"
#include "sim/explore_phases.h"

namespace vivarium::sim {
namespace {

Happening numbered(uint64_t a) {
  Happening h;
  h.a = a;
  return h;
}

TEST(EventQueue, GivesWhatIsTakenOutOfTurnAndTheRestInOrder) {
  EventQueue queue;
  for (uint64_t i = 0; i < 20; ++i) {
    queue.push({static_cast<int64_t>(100 - 3 * i)}, numbered(i));
  }
  const std::vector<EventQueue::Pending> pending = queue.pending();
  ASSERT_EQ(pending.size(), 20U);
  EXPECT_EQ(pending[4].what.a, 4U);  // in the order of insertion
  EXPECT_EQ(queue.take(pending[4].order).what.a, 4U);
  queue.postpone({90});
  EXPECT_EQ(queue.next_time().ns, 90);
  std::vector<uint64_t> rest;
  while (!queue.empty()) rest.push_back(queue.pop().a);
  // Those that were late come as they were caused.
  EXPECT_EQ(rest, (std::vector<uint64_t>{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 3,
                                         2, 1, 0}));
}

PhaseOptions one_txn() {
  PhaseOptions options;
  options.txns = 1;
  return options;
}

ExploreBounds any_order() {
  ExploreBounds bounds;
  bounds.changes_min = bounds.changes_max = ExploreBounds::kAnyNumber;
  return bounds;
}

// Two things that happen to two servers: the states behind either order are one.
TEST(SmallWorld, OrdersThatNobodyCanTellApartGiveOneState) {
  const SmallWorld world = beginnings_of(ExplorePhase::Election, {})[0].world;
  const std::vector<Move> others = world.others(true);
  ASSERT_FALSE(others.empty());
  const Move first = *world.usual();
  const Move second = others.front();
  ASSERT_NE(first.host, second.host);
  for (const bool in_order : {false, true}) {
    SmallWorld one = world;
    SmallWorld other = world;
    ASSERT_TRUE(one.make(first));
    EXPECT_NE(one.hash({in_order, false}), world.hash({in_order, false}));
    ASSERT_TRUE(one.make(second));
    ASSERT_TRUE(other.make(second));
    ASSERT_TRUE(other.make(first));
    EXPECT_EQ(one.hash({in_order, false}), other.hash({in_order, false}));
  }
}

// Whoever of a host's own happenings comes first makes two pasts.
TEST(SmallWorld, OrdersAtOneHostAreTwoPasts) {
  SmallWorld world = beginnings_of(ExplorePhase::Broadcast, one_txn())[0].world;
  for (int i = 0; i < 40; ++i) {
    const Move first = *world.usual();
    for (const Move& second : world.others(true)) {
      if (second.kind != Move::Kind::Deliver || second.host != first.host) continue;
      SmallWorld one = world;
      SmallWorld other = world;
      one.make(first);
      other.make(second);
      const bool both = one.make(second) && other.make(first);
      ASSERT_TRUE(both);
      EXPECT_NE(one.hash({true, false}), other.hash({true, false}));
      return;
    }
    world.make(first);
  }
  FAIL() << "no server had two things to hear";
}

// All are killed before or behind the step by which the leader commits: nobody alive knows of it,
// the disks are the same, and yet only one of the two may lose that txn.
TEST(SmallWorld, WhatWasCommittedIsNotForgottenWithWhoKnewIt) {
  PhaseOptions options = one_txn();
  options.trouble.crashes = 3;
  SmallWorld world = beginnings_of(ExplorePhase::Broadcast, options)[1].world;
  const auto all_killed = [](SmallWorld killed) {
    for (ServerIndex i = 0; i < 3; ++i) killed.make({Move::Kind::Kill, 0, HostId{i}, 0, {}});
    for (int i = 0; i < 12; ++i) killed.make(*killed.usual());
    return killed;
  };
  const Zxid before = world.cluster().agreement().committed();
  SmallWorld uncommitted = world;
  while (world.cluster().agreement().committed() == before) {
    uncommitted = world;
    ASSERT_TRUE(world.make(*world.usual()));
  }
  EXPECT_NE(all_killed(world).hash({}), all_killed(uncommitted).hash({}));
}

// The log of a small world was a spare once: its syncs are moves, and those of spares are not.
TEST(SmallWorld, EachServersSyncOfItsLogIsAMove) {
  const Beginning beginning = beginnings_of(ExplorePhase::Broadcast, one_txn())[0];
  SmallWorld world = beginning.world;
  std::set<uint32_t> synced;
  while (!beginning.reached(world.cluster())) {
    const Move move = *world.usual();
    if (world.text_of(move).find("has synced") != std::string::npos) synced.insert(move.host.value);
    ASSERT_TRUE(world.make(move));
  }
  EXPECT_EQ(synced.size(), 3U);
}

TEST(SmallWorld, ACopyHasTheSameFuture) {
  SmallWorld world = beginnings_of(ExplorePhase::Broadcast, one_txn())[1].world;
  SmallWorld copy = world;
  for (int i = 0; i < 12; ++i) {
    ASSERT_EQ(world.hash({}), copy.hash({}));
    ASSERT_EQ(world.text_of(*world.usual()), copy.text_of(*copy.usual()));
    ASSERT_TRUE(world.make(*world.usual()));
    ASSERT_TRUE(copy.make(*copy.usual()));
  }
}

TEST(Explorer, ExhaustsEveryOrderOfAWrite) {
  const Explored explored =
      Explorer(beginnings_of(ExplorePhase::Broadcast, one_txn()), any_order()).run();
  EXPECT_FALSE(explored.found.has_value()) << explored.found->violation.text;
  ASSERT_EQ(explored.layers.size(), 1U);
  EXPECT_TRUE(explored.layers[0].every_order);
  EXPECT_GT(explored.layers[0].states, 200U);
  EXPECT_GT(explored.layers[0].pruned, 200U);
  EXPECT_GT(explored.layers[0].ends, 1U);
}

// Nobody who takes orders at random comes to a state that it has not come to: none was taken for
// another one whose future is different.
TEST(Explorer, HasSeenWhateverWalksAtRandomComeTo) {
  const std::vector<Beginning> beginnings{beginnings_of(ExplorePhase::Broadcast, one_txn())[1]};
  Explorer explorer(beginnings, any_order());
  ASSERT_TRUE(explorer.run().layers[0].every_order);
  Random random(1);
  std::set<uint64_t> places;
  for (int walk = 0; walk < 100; ++walk) {
    SmallWorld world = beginnings[0].world;
    while (!beginnings[0].reached(world.cluster())) {
      std::vector<Move> moves = world.others(false);
      moves.push_back(*world.usual());
      ASSERT_TRUE(world.make(moves[random.below(moves.size())]));
      ASSERT_TRUE(explorer.has_seen(world)) << "walk " << walk;
      places.insert(world.hash({}));
    }
  }
  EXPECT_GT(places.size(), 100U);
}

// With changes counted but more of them than any path has moves, there is nothing that is left out.
TEST(Explorer, ComesToEveryOrderWithChangesCounted) {
  std::vector<Beginning> beginnings{beginnings_of(ExplorePhase::Broadcast, one_txn())[0]};
  SmallWorld& world = beginnings[0].world;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(world.make(*world.usual()));  // what is left is quick
  ExploreBounds bounds;
  bounds.changes_min = bounds.changes_max = 64;
  const Explored counted = Explorer(beginnings, bounds).run();
  const Explored all = Explorer(beginnings, any_order()).run();
  ASSERT_FALSE(counted.found.has_value());
  EXPECT_TRUE(counted.layers[0].every_order);
  EXPECT_TRUE(all.layers[0].every_order);
  // The same places, and what is usual there beside.
  EXPECT_GT(counted.layers[0].states, all.layers[0].states);
}

TEST(Explorer, SaysThatChangesRanOut) {
  ExploreBounds bounds;
  bounds.changes_max = 2;
  const Explored rounds = Explorer(beginnings_of(ExplorePhase::Broadcast, one_txn()), bounds).run();
  ASSERT_EQ(rounds.layers.size(), 3U);
  EXPECT_TRUE(rounds.layers.back().complete);
  EXPECT_FALSE(rounds.layers.back().every_order);
  EXPECT_GT(rounds.layers[2].states, rounds.layers[1].states);
}

TEST(Explorer, SaysWhenItWasCut) {
  ExploreBounds bounds = any_order();
  bounds.states_max = 100;
  const Explored explored = Explorer(beginnings_of(ExplorePhase::Election, {}), bounds).run();
  ASSERT_EQ(explored.layers.size(), 1U);
  EXPECT_EQ(explored.layers[0].states, 100U);
  EXPECT_EQ(explored.layers[0].cut, 1U);
  EXPECT_FALSE(explored.layers[0].complete);
  EXPECT_FALSE(explored.layers[0].every_order);
}

// Everything that can go wrong once, in each phase.
TEST(Explorer, FindsNothingBehindOneChange) {
  PhaseOptions options = one_txn();
  options.trouble.crashes = options.trouble.drops = options.trouble.hurries = 1;
  options.trouble.images_max = 2;
  ExploreBounds bounds;
  bounds.changes_max = 1;
  for (const ExplorePhase phase :
       {ExplorePhase::Election, ExplorePhase::Sync, ExplorePhase::Broadcast}) {
    const Explored explored = Explorer(beginnings_of(phase, options), bounds).run();
    EXPECT_FALSE(explored.found.has_value()) << name_of(phase) << explored.found->violation.text;
    ASSERT_EQ(explored.layers.size(), 2U) << name_of(phase);
    EXPECT_TRUE(explored.layers[1].complete) << name_of(phase);
    EXPECT_GT(explored.layers[1].states, 1000U) << name_of(phase);
  }
}

// The medium of a server has lost its frontier, and its cache does not show it.
void lose_frontier(Cluster& cluster, ServerIndex server) {
  SimDisk& disk = cluster.sim().disk(cluster.server_host(server));
  for (const uint64_t slot : {uint64_t{0}, uint64_t{kFrontierSlotStride / kSectorBytes}}) {
    ASSERT_TRUE(disk.zero_sector(Dir::Logs, kFrontierName, slot, true));
  }
}

// Only a loss of power of that server shows it: one change, and not the ordinary run.
TEST(Explorer, FindsWhatIsPlantedAndSaysHow) {
  PhaseOptions options = one_txn();
  options.trouble.crashes = 1;
  std::vector<Beginning> beginnings = beginnings_of(ExplorePhase::Broadcast, options);
  beginnings.pop_back();
  lose_frontier(beginnings[0].world.cluster(), 1);
  const Explored explored = Explorer(beginnings, {}).run();
  ASSERT_TRUE(explored.found.has_value());
  const Found& found = *explored.found;
  EXPECT_EQ(found.changes, 1U);
  EXPECT_EQ(found.violation.checker, "K-RECOVER") << found.violation.text;
  EXPECT_NE(found.violation.text.find("s2"), std::string::npos) << found.violation.text;
  const auto star = std::find_if(found.steps.begin(), found.steps.end(),
                                 [](const std::string& step) { return step[0] == '*'; });
  ASSERT_NE(star, found.steps.end());
  EXPECT_NE(star->find("s2 loses power"), std::string::npos) << *star;
}

// A run that is short enough for a test: founding, and a few writes.
void short_run(Scenario& s) {
  ASSERT_TRUE(s.until([&] { return s.serving(); }));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(s.client(0).create("/n" + std::to_string(i), "x").ok());
}

TEST(ImageExplorer, RecoversEveryImageOfAShortRun) {
  ImageBounds bounds;
  bounds.images_max = 16;
  bounds.plans_max = 64;
  Scenario s(profile_of_images());
  ImageExplorer images(s.cluster(), bounds);
  EXPECT_EQ(s.play([&] { short_run(s); }), "");
  EXPECT_FALSE(images.violation().has_value()) << images.violation()->text << images.how();
  EXPECT_GT(images.counts().points, 100U);
  EXPECT_GT(images.counts().complete, 50U);
  EXPECT_GT(images.counts().images, 300U);
  EXPECT_GT(images.counts().finished, 5U);
  for (const CallKind kind : {CallKind::Write, CallKind::Sync, CallKind::Rename}) {
    EXPECT_GT(images.counts().operations[static_cast<size_t>(kind)], 0U);
  }
}

TEST(ImageExplorer, FindsWhatIsPlantedAndSaysHow) {
  Scenario s(profile_of_images());
  ImageExplorer images(s.cluster(), {});
  EXPECT_EQ(s.play([&] {
    ASSERT_TRUE(s.until([&] { return s.serving(); }));
    ASSERT_TRUE(s.wait(milliseconds(100)));
    ASSERT_FALSE(images.violation().has_value()) << images.violation()->text << images.how();
    lose_frontier(s.cluster(), 1);
    ASSERT_TRUE(s.client(0).create("/n", "x").ok());
  }),
            "");
  ASSERT_TRUE(images.violation().has_value());
  EXPECT_EQ(images.violation()->checker, "K-RECOVER") << images.violation()->text;
  EXPECT_NE(images.how().find("s2"), std::string::npos) << images.how();
}

}  // namespace
}  // namespace vivarium::sim
