// A log of ZooKeeper's without any snapshot (hazards R6): it is everything when servers before
// 3.5.3 have left it so, and what is left of more when a snapshot was lost. Only what holds the
// first txn of all is taken, and only with snapshot.trust.empty; the golden directories without
// their snapshots are in storage_golden_test.cc.
#include <gtest/gtest.h>

#include "core/storage/txn_log.h"
#include "tests/simulation/storage_host.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;

Config by_word(Config config = StorageHost::small_config()) {
  config.trust_empty_snapshot = true;
  return config;
}

Bytes without_digest(const Bytes& entry) {
  Txn txn = *decode_txn(entry);
  txn.digest.reset();
  return encode_txn(txn);
}

// A member's directory as Apache left it: a log file that begins with each of `firsts`, with five
// txns, over a tree that holds what came before. No snapshot.
struct Left {
  sim::SimDisk disk;
  DataTree tree;
};

Left apaches_logs(const std::vector<Zxid>& firsts, DataTree before, bool digests) {
  Left left;
  left.tree = std::move(before);
  Epoch epoch = 0;
  for (const Zxid first : firsts) {
    std::vector<Bytes> entries;
    for (Zxid zxid = first; zxid.value < first.value + 5; zxid = zxid.next()) {
      Bytes entry = make_entry(zxid, 30, left.tree);
      entries.push_back(digests ? entry : without_digest(entry));
    }
    left.disk.put(Dir::Logs, log_name(first), apache_log(entries));
    epoch = first.epoch();
  }
  left.disk.put(Dir::Snapshots, kAcceptedName, epoch_text(epoch));
  left.disk.put(Dir::Snapshots, kCurrentName, epoch_text(epoch));
  return left;
}

StorageHost started(const sim::SimDisk& disk, const Config& config) {
  StorageHost host(disk, config);
  host.start();
  host.run();
  return host;
}

void expect_untouched(const sim::SimDisk& disk, std::string_view why) {
  StorageHost host = started(disk, by_word());
  const Recovered& recovered = host.storage().recovered();
  EXPECT_EQ(recovered.found, Found::Refused);
  EXPECT_NE(recovered.reason.find(why), std::string::npos) << recovered.reason;
  EXPECT_EQ(host.disk().hash(Image::Cached), disk.hash(Image::Cached)) << "not touched";
}

TEST(LoneLog, IsTakenByWordAlone) {
  for (const bool digests : {true, false}) {
    const Left left = apaches_logs({{1, 1}, {1, 6}, {4, 1}}, {}, digests);
    {
      StorageHost host = started(left.disk, StorageHost::small_config());
      EXPECT_EQ(host.storage().recovered().found, Found::Refused);
      EXPECT_NE(host.storage().recovered().reason.find("snapshot.trust.empty"), std::string::npos);
      EXPECT_EQ(host.disk().hash(Image::Cached), left.disk.hash(Image::Cached)) << "not touched";
    }
    StorageHost host = started(left.disk, by_word());
    ASSERT_EQ(host.storage().recovered().found, Found::Foreign)
        << host.storage().recovered().reason;
    EXPECT_EQ(host.storage().last_durable(), Zxid(4, 5));
    EXPECT_EQ(host.tree().state_hash(), left.tree.state_hash());
  }
}

// The word is not needed for longer than it takes to write a snapshot, and until then it is.
TEST(LoneLog, TheWordIsNeededUntilThereIsASnapshot) {
  const Left left = apaches_logs({{1, 1}}, {}, false);
  StorageHost host = started(left.disk, by_word());
  host.append_run(1, 6, 9);
  host.run();
  host.apply();
  {
    StorageHost again = started(host.disk(), StorageHost::small_config());
    EXPECT_EQ(again.storage().recovered().found, Found::Damaged);
    EXPECT_NE(again.storage().recovered().reason.find("snapshot.trust.empty"), std::string::npos);
    StorageHost trusted = started(host.disk(), by_word());
    EXPECT_EQ(trusted.storage().recovered().found, Found::Whole)
        << trusted.storage().recovered().reason;
    EXPECT_EQ(trusted.tree().state_hash(), host.tree().state_hash());
  }
  host.storage().maybe_snapshot(host.world(), host.tree());
  host.run();
  ASSERT_TRUE(host.disk().content(Dir::Snapshots, "snapshot.100000009", Image::Durable));
  StorageHost again = started(host.disk(), StorageHost::small_config());
  EXPECT_EQ(again.storage().recovered().found, Found::Whole) << again.storage().recovered().reason;
  EXPECT_EQ(again.storage().last_durable(), Zxid(1, 9));
  EXPECT_EQ(again.tree().state_hash(), host.tree().state_hash());
}

TEST(LoneLog, WithoutItsBeginningIsRefused) {
  DataTree before;
  for (uint32_t counter = 1; counter <= 5; ++counter) make_entry({1, counter}, 30, before);
  for (const Zxid first : {Zxid(1, 6), Zxid(2, 1)}) {
    expect_untouched(apaches_logs({first}, before, true).disk, "does not begin");
  }
  // A state may have been restored under an epoch's first zxid.
  expect_untouched(apaches_logs({{1 << 16, 1}}, before, true).disk, "does not begin");
}

// An ensemble that began as a standalone server, whose data only the lost snapshot held.
TEST(LoneLog, BehindAStandaloneServersStateIsRefused) {
  DataTree before;
  for (uint32_t counter = 1; counter <= 5; ++counter) make_entry({0, counter}, 30, before);
  for (const bool digests : {true, false}) {
    expect_untouched(apaches_logs({{1, 1}}, before, digests).disk, "does not hold all");
  }
}

// A follower was behind and took its leader's state at the end of an epoch: that snapshot is lost,
// and the zxids alone show nothing.
TEST(LoneLog, BesideALostSnapshotInBetweenIsRefused) {
  Left left = apaches_logs({{1, 1}}, {}, true);
  for (uint32_t counter = 1; counter <= 5; ++counter) make_entry({2, counter}, 30, left.tree);
  for (const bool digests : {true, false}) {
    Left later = apaches_logs({{3, 1}}, left.tree, digests);
    later.disk.put(Dir::Logs, log_name({1, 1}),
                   *left.disk.content(Dir::Logs, log_name({1, 1}), Image::Durable));
    expect_untouched(later.disk, "does not hold all");
  }
}

// ZooKeeper refuses it as well: what is there shows that there was more.
TEST(LoneLog, BesideABrokenSnapshotIsRefused) {
  Left left = apaches_logs({{1, 1}}, {}, true);
  left.disk.put(Dir::Snapshots, "snapshot.100000003", Bytes(100));
  expect_untouched(left.disk, "no valid snapshot");
}

// Ours began it, Apache went on, and the snapshot of the beginning is gone.
TEST(LoneLog, OfOursAndApachesIsNoBetter) {
  StorageHost host(sim::SimDisk{});
  host.found();
  host.storage().save_accepted_epoch(host.world(), 1);
  host.storage().save_current_epoch(host.world(), 1);
  host.append_run(1, 1, 5, 30);
  host.run();
  host.apply();
  sim::SimDisk disk = host.disk();
  ASSERT_TRUE(disk.erase(Dir::Snapshots, "snapshot.0"));
  {
    StorageHost again = started(disk, StorageHost::small_config());
    EXPECT_EQ(again.storage().recovered().found, Found::Whole) << "ours vouches for itself";
  }
  for (const bool lost : {false, true}) {
    DataTree tree = host.tree();
    if (lost) make_entry({2, 1}, 30, tree);
    sim::SimDisk turned = disk;
    const Left left = apaches_logs({{3, 1}}, tree, false);
    for (const Dir dir : {Dir::Logs, Dir::Snapshots}) {
      for (const DirEntry& entry : left.disk.list(dir, Image::Durable)) {
        turned.put(dir, entry.name, *left.disk.content(dir, entry.name, Image::Durable));
      }
    }
    if (lost) {
      expect_untouched(turned, "does not hold all");
      continue;
    }
    EXPECT_EQ(started(turned, StorageHost::small_config()).storage().recovered().found,
              Found::Refused);
    StorageHost again = started(turned, by_word());
    EXPECT_EQ(again.storage().recovered().found, Found::Foreign)
        << again.storage().recovered().reason;
    EXPECT_EQ(again.tree().state_hash(), left.tree.state_hash());
  }
}

}  // namespace
}  // namespace vivarium::storage_test
