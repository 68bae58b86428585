#include "sim/fiber.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

namespace vivarium::sim {
namespace {

TEST(Fiber, RunsUntilItWaitsAndGoesOnWhereItWas) {
  std::string order;
  Fiber fiber([&] {
    order += "a";
    EXPECT_TRUE(Fiber::current()->wait());
    order += "c";
    EXPECT_TRUE(Fiber::current()->wait());
    order += "e";
  });
  EXPECT_EQ(order, "") << "it starts with the first resume";
  fiber.resume();
  order += "b";
  fiber.resume();
  order += "d";
  EXPECT_FALSE(fiber.done());
  fiber.resume();
  EXPECT_TRUE(fiber.done());
  EXPECT_EQ(order, "abcde");
  EXPECT_EQ(Fiber::current(), nullptr);
}

TEST(Fiber, FailsItsPendingWaitAndEveryLaterOne) {
  auto witness = std::make_shared<int>(1);
  std::string order;
  Fiber fiber([&, copy = witness] {
    if (!Fiber::current()->wait()) order += "failed ";
    if (!Fiber::current()->wait()) order += "again ";
    order += "end";
  });
  fiber.resume();
  EXPECT_EQ(witness.use_count(), 2);
  fiber.fail();
  EXPECT_TRUE(fiber.done());
  EXPECT_EQ(order, "failed again end");
  EXPECT_EQ(witness.use_count(), 1) << "what the script held is destroyed by its own end";
}

TEST(Fiber, NeverResumedIsNothing) {
  Fiber fiber([] { FAIL(); });
  fiber.fail();
  EXPECT_FALSE(fiber.done());
}

TEST(Fiber, OneMayResumeAnother) {
  std::string order;
  Fiber inner([&] {
    order += "i";
    EXPECT_TRUE(Fiber::current()->wait());
    order += "k";
  });
  Fiber outer([&] {
    Fiber* self = Fiber::current();
    inner.resume();
    EXPECT_EQ(Fiber::current(), self);
    order += "j";
    EXPECT_TRUE(self->wait());
    order += "l";
  });
  outer.resume();
  inner.resume();  // from another stack than the first time
  outer.resume();
  EXPECT_TRUE(inner.done() && outer.done());
  EXPECT_EQ(order, "ijkl");
}

TEST(Fiber, ExceptionsMayFlyWithinAScript) {
  std::string caught;
  Fiber fiber([&] {
    try {
      if (Fiber::current()->wait()) throw std::string("thrown");
    } catch (const std::string& what) {
      caught = what;
    }
  });
  fiber.resume();
  fiber.resume();
  EXPECT_EQ(caught, "thrown");
}

TEST(FiberDeathTest, ASuspendedStackIsNeverDestroyed) {
  EXPECT_DEATH(
      {
        Fiber fiber([] { (void)Fiber::current()->wait(); });
        fiber.resume();
      },
      "done");
}

size_t deeper(size_t depth) {
  std::array<volatile char, 4096> frame{};
  frame[depth % frame.size()] = static_cast<char>(depth);
  return depth == 0 ? 0 : deeper(depth - 1) + static_cast<size_t>(frame[1]);
}

TEST(FiberDeathTest, TheGuardPageStopsAStackThatOverflows) {
  EXPECT_DEATH(
      {
        Fiber fiber([] { EXPECT_NE(deeper(1000), 1U); });
        fiber.resume();
      },
      "");
}

}  // namespace
}  // namespace vivarium::sim
