// What a run that is done twice shows: nothing where it follows from its seed, and the first event
// that differs where it does not, here by made-up looks at memory that nobody has written and at
// addresses.
#include <gtest/gtest.h>

#include <memory>

#include "core/base/hash.h"
#include "sim/cluster.h"
#include "sim/twice.h"

namespace vivarium::sim {
namespace {

constexpr uint8_t kJunk = 0xcb;
constexpr uint64_t kTurns = 700;  // several checkpoints
constexpr uint64_t kOddTurn = 500;

using Look = uint64_t (*)();

uint64_t at_nothing() { return 0; }

// No compiler is to know where it looks.
const uint8_t* somewhere(const uint8_t* place) {
  __asm__ volatile("" : "+r"(place));
  return place;
}

uint64_t at_the_heap() {
  const std::unique_ptr<uint8_t[]> bytes(new uint8_t[64]);
  return somewhere(bytes.get())[40];
}

uint64_t at_the_stack() {
  uint8_t bytes[1024];
  return somewhere(bytes)[512];
}

uint64_t at_an_address() {
  const std::unique_ptr<uint8_t[]> bytes(new uint8_t[64]);
  const std::unique_ptr<uint8_t[]> more(new uint8_t[64]);
  return mix64(reinterpret_cast<uintptr_t>(more.get()) - reinterpret_cast<uintptr_t>(bytes.get()));
}

// A process whose n-th timer is late by what it sees, once.
class Clockwork final : public Programs {
 public:
  explicit Clockwork(Look look) : look_(look) {}
  void born(HostId, uint32_t) override {}
  void step(HostId, const Event& event, World& world) override {
    const bool timer = std::holds_alternative<TimerFired>(event);
    if (!timer && !std::holds_alternative<Started>(event)) return;
    if (++turns_ >= kTurns) return;
    const uint64_t late = turns_ == kOddTurn ? look_() % 256 : 0;
    world.set_timer(world.now() + milliseconds(1) + microseconds(static_cast<int64_t>(late)));
  }

 private:
  Look look_;
  uint64_t turns_ = 0;
};

uint64_t clockwork(Observer& observer, Look look) {
  Simulation sim(SimOptions{});
  sim.observe(&observer);
  HostOptions host;
  host.name = "s1";
  sim.start(sim.add_host(host));
  Clockwork programs(look);
  while (sim.step(programs)) {
  }
  return sim.events();
}

std::optional<std::string> difference(Look look) {
  return difference_of_two([look](Observer& observer) { return clockwork(observer, look); }, kJunk);
}

// The call that sets the odd timer, with what is before it.
void expect_named(const std::optional<std::string>& found) {
  ASSERT_TRUE(found);
  const size_t before = found->find("before it:    0.499");
  const size_t first = found->find("first run:    0.499");
  const size_t second = found->find("second:       0.499");
  EXPECT_LT(before, first) << *found;
  EXPECT_LT(first, second) << *found;
  EXPECT_LT(second, found->size()) << *found;
  EXPECT_NE(found->find("set timer", first), std::string::npos) << *found;
}

TEST(Twice, WhatFollowsFromTheSeedIsTheSame) { EXPECT_EQ(difference(at_nothing), std::nullopt); }

TEST(Twice, AByteOfTheHeapThatNobodyWroteIsFound) { expect_named(difference(at_the_heap)); }

TEST(Twice, AByteOfTheStackThatNobodyWroteIsFound) { expect_named(difference(at_the_stack)); }

TEST(Twice, AnAddressIsFound) { expect_named(difference(at_an_address)); }

// Nothing that an observer hears differs, but what checkers make of it does.
TEST(Twice, AVerdictOfItsOwnIsFound) {
  const auto found = difference_of_two(
      [](Observer& observer) {
        clockwork(observer, at_nothing);
        return at_the_heap();
      },
      kJunk);
  ASSERT_TRUE(found);
  EXPECT_NE(found->find("first run: the verdict"), std::string::npos) << *found;
}

// Whoever differs each time anew may do so elsewhere: then it is said between which things.
TEST(Twice, WhatDiffersOnceIsTold) {
  int runs = 0;
  const auto found = difference_of_two(
      [&runs](Observer& observer) {
        clockwork(observer, at_nothing);
        return ++runs == 2 ? 1 : 0;
      },
      kJunk);
  ASSERT_TRUE(found);
  EXPECT_NE(found->find("done again, they did not"), std::string::npos) << *found;
}

TEST(Twice, AClusterIsTheSame) {
  const auto found = difference_of_two(
      [](Observer& observer) {
        Cluster cluster(3);
        cluster.also_observe(&observer);
        return cluster.run().trace_hash;
      },
      kJunk);
  EXPECT_FALSE(found) << *found;
}

}  // namespace
}  // namespace vivarium::sim
