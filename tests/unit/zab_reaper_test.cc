// Which containers and TTL nodes the leader removes, and when (semantics section 5).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/zab/reaper.h"
#include "tests/unit/tree_support.h"

namespace vivarium {
namespace {

class ReaperTest : public testing::Test {
 protected:
  ReaperTest() {
    config_.container_check_ms = 1000;
    config_.container_removals_per_minute = 6000;  // one in 10 ms
    reaper_.start(Instant{0}, config_);
  }
  void create(TxnType type, std::string_view path, int64_t time_ms, int64_t ttl_ms = 0) {
    CreateTxn txn = tree_test::create_txn(path, "", -1);
    txn.ttl_ms = ttl_ms;
    tree_test::apply_body(tree_, type, txn, next_, {}, WallTime{time_ms});
    next_ = next_.next();
  }
  void remove(std::string_view path) {
    tree_test::apply_body(tree_, TxnType::Delete, DeleteTxn{path}, next_);
    next_ = next_.next();
  }
  // A container that had a child.
  void used(std::string_view path) {
    create(TxnType::CreateContainer, path, 0);
    create(TxnType::Create, std::string(path) + "/c", 0);
    remove(std::string(path) + "/c");
  }
  // All that is found up to and including `until_ms`, with the time.
  std::vector<std::string> found_until(int64_t until_ms) {
    std::vector<std::string> found;
    while (reaper_.deadline() <= Instant{0} + milliseconds(until_ms)) {
      const Instant now = reaper_.deadline();
      const int64_t ms = now.ns / 1'000'000;
      const auto path = reaper_.next(now, WallTime{ms}, tree_, config_);
      if (path) found.push_back(std::to_string(ms) + " " + *path);
      EXPECT_GT(reaper_.deadline(), now);
    }
    return found;
  }

  Config config_;
  DataTree tree_;
  Reaper reaper_;
  Zxid next_{1};
};

TEST_F(ReaperTest, ContainersThatLostTheirChildren) {
  used("/used");
  create(TxnType::CreateContainer, "/new", 0);
  create(TxnType::CreateContainer, "/full", 0);
  create(TxnType::Create, "/full/c", 0);
  create(TxnType::Create, "/plain", 0);
  EXPECT_TRUE(found_until(999).empty());
  EXPECT_EQ(found_until(1999), std::vector<std::string>{"1000 /used"});
  remove("/used");
  remove("/full/c");
  EXPECT_EQ(found_until(2999), std::vector<std::string>{"2000 /full"});
}

TEST_F(ReaperTest, NeverUsedOnesOnlyWhereTheOperatorSays) {
  create(TxnType::CreateContainer, "/new", 0);
  EXPECT_TRUE(found_until(100'000).empty());
  config_.container_never_used_ms = 101'000;
  EXPECT_TRUE(found_until(101'000).empty());
  EXPECT_EQ(found_until(102'999), std::vector<std::string>{"102000 /new"});
}

TEST_F(ReaperTest, TtlNodesWhoseTimeIsOver) {
  create(TxnType::CreateTtl, "/t", 0, 1500);
  create(TxnType::CreateTtl, "/full", 0, 1);
  create(TxnType::Create, "/full/c", 0);
  EXPECT_TRUE(found_until(1999).empty());
  EXPECT_EQ(found_until(2999), std::vector<std::string>{"2000 /t"});
  // New data begins the time anew.
  tree_test::apply_body(tree_, TxnType::SetData, tree_test::set_data_txn("/t", "x", 1), next_, {},
                        WallTime{3000});
  EXPECT_TRUE(found_until(4500).empty());
  EXPECT_EQ(found_until(5000), std::vector<std::string>{"5000 /t"});
}

TEST_F(ReaperTest, ATimeBehindTheNodesIsNoAge) {
  create(TxnType::CreateTtl, "/t", 1'000'000, 1);
  EXPECT_TRUE(found_until(10'000).empty());
}

TEST_F(ReaperTest, NoMoreThanSoManyAMinute) {
  for (const std::string_view path : {"/a", "/b", "/c"}) used(path);
  EXPECT_EQ(found_until(1500), (std::vector<std::string>{"1000 /a", "1010 /b", "1020 /c"}));
}

TEST_F(ReaperTest, ManyAreLookedAtInSlices) {
  for (int i = 0; i < 2500; ++i) {
    create(TxnType::CreateContainer, "/new" + std::to_string(i), 0);
  }
  used("/used");
  EXPECT_EQ(found_until(1500), std::vector<std::string>{"1002 /used"});
}

// What was looked at may go, and new ones come, in the middle of a round.
TEST_F(ReaperTest, ARoundBearsChanges) {
  for (const std::string_view path : {"/a", "/b", "/c"}) used(path);
  EXPECT_EQ(found_until(1000), std::vector<std::string>{"1000 /a"});
  remove("/a");
  remove("/b");
  EXPECT_EQ(found_until(1500), std::vector<std::string>{"1010 /c"});
}

}  // namespace
}  // namespace vivarium
