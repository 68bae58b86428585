#include "disk/zero_pace.h"

#include <gtest/gtest.h>

namespace vivarium {
namespace {

constexpr uint64_t kPiece = 1 << 20;

TEST(ZeroPace, DoesNotWaitForALogThatIsIdle) {
  ZeroPace pace(500);
  EXPECT_FALSE(pace.waits(500));
  for (int piece = 0; piece < 64; ++piece) {
    pace.wrote(kPiece, 500);
    EXPECT_FALSE(pace.waits(500));
  }
}

TEST(ZeroPace, WaitsUntilTheLogHasThreeQuartersOfTheZeros) {
  ZeroPace pace(500);
  pace.wrote(kPiece, 600);
  EXPECT_TRUE(pace.waits(600));
  EXPECT_TRUE(pace.waits(500 + kPiece / 4 * 3 - 1));
  EXPECT_FALSE(pace.waits(500 + kPiece / 4 * 3));
  pace.wrote(kPiece, 500 + kPiece);
  EXPECT_TRUE(pace.waits(500 + kPiece));
  EXPECT_FALSE(pace.waits(500 + kPiece / 2 * 3));
}

TEST(ZeroPace, WaitsForASlowLogNoLongerThanItsPatience) {
  ZeroPace pace(0);
  uint64_t logged = 0;
  for (int piece = 0; piece < 3; ++piece) {
    pace.wrote(kPiece, ++logged);
    int steps = 0;
    while (pace.waits(logged)) ++steps;
    EXPECT_EQ(steps, ZeroPace::kStepsMax);
  }
}

TEST(ZeroPace, HurriesWhenTheLogHasStopped) {
  ZeroPace pace(0);
  pace.wrote(kPiece, 10);
  EXPECT_TRUE(pace.waits(10));
  pace.wrote(kPiece, 10);
  EXPECT_FALSE(pace.waits(10));
}

}  // namespace
}  // namespace vivarium
