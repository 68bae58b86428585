// Logs of ZooKeeper's that hold some txns twice: a follower that gave up a DIFF in the middle
// (ZOOKEEPER-4394) gets it again and appends it once more, in the same file or in the next one.
// ZooKeeper reads such a log, and so do we; what is cut off does not come back by the second copy.
#include <gtest/gtest.h>

#include "core/storage/snapshot.h"
#include "core/storage/txn_log.h"
#include "tests/simulation/storage_host.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;

constexpr uint32_t kLast = 10;

struct Repeated {
  sim::SimDisk disk;
  std::vector<DataTree> trees;  // behind each txn
};

// 1 to 8, then again 4 to 10.
Repeated repeated(bool next_file) {
  Repeated out;
  DataTree tree;
  std::vector<Bytes> entries;
  out.trees.push_back(tree);
  for (uint32_t counter = 1; counter <= kLast; ++counter) {
    entries.push_back(make_entry({1, counter}, 30, tree));
    out.trees.push_back(tree);
  }
  std::vector<Bytes> first(entries.begin(), entries.begin() + 8);
  const std::vector<Bytes> again(entries.begin() + 3, entries.end());
  if (next_file) {
    out.disk.put(Dir::Logs, log_name({1, 4}), apache_log(again));
  } else {
    first.insert(first.end(), again.begin(), again.end());
  }
  out.disk.put(Dir::Logs, log_name({1, 1}), apache_log(first));
  Bytes snapshot;
  encode_snapshot_file(DataTree(), snapshot);
  out.disk.put(Dir::Snapshots, "snapshot.0", snapshot);
  out.disk.put(Dir::Snapshots, kAcceptedName, epoch_text(1));
  out.disk.put(Dir::Snapshots, kCurrentName, epoch_text(1));
  return out;
}

void expect_at(const sim::SimDisk& disk, uint32_t counter, const DataTree& tree, Found found) {
  StorageHost host(disk);
  host.start();
  host.run();
  ASSERT_EQ(host.storage().recovered().found, found) << host.storage().recovered().reason;
  EXPECT_EQ(host.storage().last_durable(), Zxid(1, counter));
  EXPECT_EQ(host.tree().state_hash(), tree.state_hash());
}

TEST(RepeatedLog, IsReadAsZooKeeperReadsIt) {
  for (const bool next_file : {false, true}) {
    SCOPED_TRACE(next_file);
    const Repeated log = repeated(next_file);
    expect_at(log.disk, kLast, log.trees[kLast], Found::Foreign);
  }
}

TEST(RepeatedLog, GoesOnInOurs) {
  for (const bool next_file : {false, true}) {
    SCOPED_TRACE(next_file);
    StorageHost host(repeated(next_file).disk);
    host.start();
    host.run();
    host.append_run(1, kLast + 1, kLast + 5);
    host.run();
    host.apply();
    expect_at(host.disk(), kLast + 5, host.tree(), Found::Whole);
  }
}

TEST(RepeatedLog, IsCutWhereItFirstReachesTheLimit) {
  for (const bool next_file : {false, true}) {
    for (const uint32_t keep : {2U, 5U, 8U, 9U}) {
      SCOPED_TRACE(keep);
      const Repeated log = repeated(next_file);
      StorageHost host(log.disk);
      host.start();
      host.run();
      host.storage().truncate(host.world(), {1, keep}, host.tree());
      host.run();
      ASSERT_FALSE(host.storage().truncate_failed());
      EXPECT_EQ(host.tree().state_hash(), log.trees[keep].state_hash());
      expect_at(host.disk(), keep, log.trees[keep], Found::Whole);
    }
  }
}

}  // namespace
}  // namespace vivarium::storage_test
