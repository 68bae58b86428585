// The life of a storage on a disk without faults: what is said to be durable is found again.
#include <gtest/gtest.h>

#include "tests/simulation/storage_host.h"

namespace vivarium::storage_test {
namespace {

// A second life on what the first has left in the cache (a restart without power loss).
StorageHost restarted(StorageHost& host, Config config = StorageHost::small_config()) {
  StorageHost next(host.disk(), std::move(config));
  next.start();
  next.run();
  return next;
}

TEST(StorageLife, AFreshDirectoryIsBlankAndStaysBlank) {
  StorageHost host{sim::SimDisk{}};
  host.start();
  EXPECT_TRUE(host.storage().recovering());
  host.run();
  EXPECT_FALSE(host.storage().recovering());
  EXPECT_EQ(host.storage().recovered().found, Found::Blank);
  EXPECT_FALSE(host.storage().member());
  EXPECT_TRUE(host.disk().list(Dir::Logs, sim::SimDisk::Image::Cached).empty());
  StorageHost next = restarted(host);
  EXPECT_EQ(next.storage().recovered().found, Found::Blank);
}

TEST(StorageLife, AFoundedDirectoryIsAMemberWithAnEmptyHistory) {
  StorageHost host{sim::SimDisk{}};
  host.found();
  EXPECT_EQ(host.storage().last_logged(), Zxid{});
  StorageHost next = restarted(host);
  EXPECT_EQ(next.storage().recovered().found, Found::Whole);
  EXPECT_TRUE(next.storage().member());
  EXPECT_EQ(next.storage().last_logged(), Zxid{});
}

TEST(StorageLife, WhatIsAppendedIsFoundAgain) {
  StorageHost host{sim::SimDisk{}};
  host.found();
  host.storage().save_accepted_epoch(host.world(), 1);
  host.run();
  EXPECT_EQ(host.storage().accepted_epoch(), 1U);
  host.storage().save_current_epoch(host.world(), 1);
  host.run();
  EXPECT_EQ(host.storage().current_epoch(), 1U);
  host.append_run(1, 1, 15);
  EXPECT_EQ(host.storage().last_logged(), Zxid(1, 15));
  EXPECT_EQ(host.storage().last_durable(), Zxid{});
  host.end_turn();
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(1, 15));
  EXPECT_EQ(host.storage().frontier().zxid, Zxid(1, 15));
  host.apply();

  StorageHost next = restarted(host);
  EXPECT_EQ(next.storage().recovered().found, Found::Whole) << next.storage().recovered().reason;
  EXPECT_EQ(next.storage().last_durable(), Zxid(1, 15));
  EXPECT_EQ(next.storage().current_epoch(), 1U);
  EXPECT_EQ(next.storage().accepted_epoch(), 1U);
  EXPECT_EQ(next.tree().state_hash(), host.tree().state_hash());
  EXPECT_EQ(next.storage().history().last(), Zxid(1, 15));
  EXPECT_EQ(next.storage().history().base(), Zxid{});
  EXPECT_EQ(next.storage().frontier().boots, 2U);
}

// A snapshot fails for want of room more often than not, and the room comes back.
TEST(StorageLife, ASnapshotThatFailedIsTriedAgainAfterAPauseThatGrows) {
  Config config = StorageHost::small_config();
  config.snapshot_every_txns = 30;
  StorageHost host(sim::SimDisk{}, config);
  host.found();
  host.storage().save_accepted_epoch(host.world(), 1);
  host.storage().save_current_epoch(host.world(), 1);
  host.run();
  host.append_run(1, 1, 30);
  host.run();
  host.apply();
  Storage& storage = host.storage();
  const auto attempt = [&] {
    storage.maybe_snapshot(host.world(), host.tree());
    const bool begun = host.world().pending();
    while (host.step()) continue;
    return begun;
  };
  Duration pause = Storage::kSnapshotPauseMin;
  for (int failures = 0; failures < 3; ++failures) {
    host.world().fail_sync_of("taking.");
    ASSERT_TRUE(attempt());
    EXPECT_EQ(storage.newest_snapshot(), Zxid{});
    EXPECT_FALSE(attempt()) << "not before the pause is over";
    EXPECT_EQ(storage.deadline(), host.world().now() + pause);
    host.world().pass(pause);
    storage.on_deadline(host.world());
    pause = pause + pause;
  }
  // No txn has come meanwhile.
  ASSERT_TRUE(attempt());
  EXPECT_EQ(storage.newest_snapshot(), Zxid(1, 30));
  EXPECT_FALSE(attempt());
}

}  // namespace
}  // namespace vivarium::storage_test
