#include "disk/zero_pace.h"

#include <gtest/gtest.h>

namespace vivarium {
namespace {

constexpr uint64_t kPiece = 1 << 20;

TEST(ZeroPace, DoesNotWaitForALogThatIsIdle) {
  ZeroPace pace({500, 9});
  EXPECT_FALSE(pace.waits({500, 9}));
  for (int piece = 0; piece < 64; ++piece) {
    pace.wrote(kPiece, {500, 9});
    EXPECT_FALSE(pace.waits({500, 9}));
    EXPECT_FALSE(pace.leaves_out({500, 9}));
  }
}

TEST(ZeroPace, WaitsUntilTheLogHasThreeQuartersOfTheZeros) {
  ZeroPace pace({500, 0});
  pace.wrote(kPiece, {600, 1});
  EXPECT_TRUE(pace.waits({600, 1}));
  EXPECT_TRUE(pace.waits({500 + kPiece / 4 * 3 - 1, 2}));
  EXPECT_FALSE(pace.waits({500 + kPiece / 4 * 3, 3}));
  pace.wrote(kPiece, {500 + kPiece, 4});
  EXPECT_TRUE(pace.waits({500 + kPiece, 4}));
  EXPECT_FALSE(pace.waits({500 + kPiece / 2 * 3, 5}));
}

TEST(ZeroPace, WaitsForASlowLogNoLongerThanItsPatience) {
  ZeroPace pace({0, 0});
  Logged logged;
  for (int piece = 0; piece < 3; ++piece) {
    ++logged.bytes;
    pace.wrote(kPiece, logged);
    int steps = 0;
    while (pace.waits(logged)) ++steps;
    EXPECT_EQ(steps, ZeroPace::kStepsMax);
  }
}

TEST(ZeroPace, HurriesWhenTheLogHasStopped) {
  ZeroPace pace({0, 0});
  pace.wrote(kPiece, {10, 1});
  EXPECT_TRUE(pace.waits({10, 1}));
  pace.wrote(kPiece, {10, 1});
  EXPECT_FALSE(pace.waits({10, 1}));
}

TEST(ZeroPace, LeavesOutWhatALogOfLargeSyncsWouldWriteTwice) {
  ZeroPace pace({500, 100});
  EXPECT_FALSE(pace.leaves_out({500, 100})) << "nothing is known yet";
  EXPECT_FALSE(pace.leaves_out({500 + kPiece, 100})) << "not one sync yet";
  EXPECT_FALSE(pace.leaves_out({500 + 10 * ZeroPace::kBytesPerSyncMax, 110}));
  const uint64_t bytes = 500 + 20 * ZeroPace::kBytesPerSyncMax + 10;
  EXPECT_TRUE(pace.leaves_out({bytes, 120})) << "what counts is since it was asked last";
  EXPECT_TRUE(pace.leaves_out({bytes, 120})) << "nothing new is known";
  EXPECT_FALSE(pace.leaves_out({bytes + 100, 121}));
}

}  // namespace
}  // namespace vivarium
