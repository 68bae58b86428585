#include "core/zab/orphan_sweep.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace vivarium {
namespace {

constexpr Instant kStart{5'000'000'000};

class OrphanSweepTest : public ::testing::Test {
 protected:
  void ephemeral(int64_t owner) {
    StatPersisted stat;
    stat.ephemeral_owner = owner;
    ASSERT_TRUE(tree_.load_node(fmt::format("/e{}", ++made_), {}, false,
                                {AclEntry{kPermAll, "world", "anyone"}}, stat));
  }

  // All that a whole round yields.
  std::vector<int64_t> round() {
    std::vector<int64_t> found;
    Instant now = kStart;
    sweep_.start(now);
    while (sweep_.deadline() != Instant::never()) {
      now = std::max(now, sweep_.deadline());
      ++calls_;
      if (const auto session = sweep_.next(now, tree_, sessions_)) found.push_back(session->value);
    }
    return found;
  }

  DataTree tree_;
  SessionTracker sessions_{milliseconds(2000)};
  OrphanSweep sweep_;
  int made_ = 0;
  int calls_ = 0;
};

TEST_F(OrphanSweepTest, YieldsEachSessionThatDoesNotExistOnce) {
  tree_.load_session(SessionId{0x20}, 10'000);
  sessions_.add(SessionId{0x30}, 10'000, kStart);  // being opened: not in the tree yet
  for (const int64_t owner : {0x40, 0x20, 0x10, 0x30, 0x40}) ephemeral(owner);
  EXPECT_EQ(round(), (std::vector<int64_t>{0x10, 0x40}));
}

TEST_F(OrphanSweepTest, YieldsIdsOfAllServersFirstAndLast) {
  const auto of_server = [](uint64_t id) { return static_cast<int64_t>(id << 56 | 0x1234567890); };
  ephemeral(INT64_MAX);
  ephemeral(INT64_MIN + 1);  // 3.5.3's TTL node of 1 ms
  ephemeral(of_server(254) | (int64_t{1} << 50));
  ephemeral(of_server(128) | (int64_t{1} << 50));
  EXPECT_EQ(round(), (std::vector<int64_t>{of_server(128) | (int64_t{1} << 50),
                                           of_server(254) | (int64_t{1} << 50), INT64_MAX}));
}

TEST_F(OrphanSweepTest, LeavesContainersAndTtlNodesOfEveryVersion) {
  ephemeral(kContainerOwner);
  ephemeral(ttl_owner(60'000));
  ephemeral(INT64_MIN + 60'000);
  EXPECT_TRUE(is_ttl_of_353(SessionId{INT64_MIN + kTtlMsMax}));
  EXPECT_FALSE(is_ttl_of_353(SessionId{INT64_MIN + kTtlMsMax + 1}));
  EXPECT_FALSE(is_ttl_of_353(SessionId{60'000}));
  EXPECT_TRUE(round().empty());
}

TEST_F(OrphanSweepTest, GoesOverManyOwnersInPortions) {
  constexpr int64_t kSessions = 3500;
  for (int64_t id = 1; id <= kSessions; ++id) {
    tree_.load_session(SessionId{id}, 10'000);
    ephemeral(id);
  }
  ephemeral(kSessions + 1);
  EXPECT_EQ(round(), (std::vector<int64_t>{kSessions + 1}));
  EXPECT_EQ(calls_, 5);  // a portion of 1,000 each, the one that is yielded, and the end
}

}  // namespace
}  // namespace vivarium
