// The life of a storage on a disk without faults: what is said to be durable is found again.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "core/storage/snapshot.h"
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

// --- snapshots in slices

Config sliced(uint32_t elements) {
  Config config = StorageHost::standalone_config();
  config.snapshot_every_txns = 20;
  config.snapshot_slice_elements = elements;
  return config;
}

DataTree snapshot_on_disk(StorageHost& host, Zxid zxid) {
  const std::string name = snapshot_name(zxid);
  const auto file = host.disk().content(Dir::Snapshots, name, sim::SimDisk::Image::Durable);
  DataTree tree;
  tree.clear();
  if (!file) {
    ADD_FAILURE() << "there is no " << name;
    return tree;
  }
  SnapshotFileReader reader;
  EXPECT_TRUE(reader.feed(*file, tree));
  EXPECT_TRUE(reader.finish().has_value());
  return tree;
}

// One turn later: what is due is done, all completions have come.
void turn(StorageHost& host) {
  host.world().pass(SnapshotTaker::kSlicePause);
  if (host.storage().deadline() <= host.world().now()) host.storage().on_deadline(host.world());
  host.end_turn();
  while (host.step()) continue;
}

void write_txns(StorageHost& host, uint32_t from, uint32_t to, size_t bytes = 10) {
  host.append_run(0, from, to, bytes);
  host.end_turn();
  while (host.step()) continue;
  host.apply();
}

TEST(StorageLife, ASnapshotInSlicesHoldsTheStateOfItsStart) {
  StorageHost host(sim::SimDisk{}, sliced(2));
  host.found();
  write_txns(host, 1, 20);
  const DataTree before = host.tree();
  host.storage().maybe_snapshot(host.world(), host.tree());
  uint32_t turns = 0;
  while (host.storage().newest_snapshot() != Zxid(0, 20)) {
    ASSERT_LT(turns, 100U);
    write_txns(host, 21 + turns, 21 + turns);
    ++turns;
    EXPECT_LE(host.storage().deadline(), host.world().now() + SnapshotTaker::kSlicePause);
    turn(host);
  }
  EXPECT_GT(turns, 10U) << "24 znodes are looked at, and then written, 2 at a time";
  EXPECT_EQ(snapshot_on_disk(host, Zxid(0, 20)).state_hash(), before.state_hash());
  EXPECT_NE(host.tree().state_hash(), before.state_hash());
  StorageHost next = restarted(host, sliced(2));
  EXPECT_EQ(next.tree().state_hash(), host.tree().state_hash());
}

// Whatever is written meanwhile, in the end a slice is large enough.
TEST(StorageLife, ASnapshotThatKeepsTooManyImagesIsGivenUpAndTriedInLargerSlices) {
  Config config = sliced(1);
  config.snapshot_image_bytes_max = 600;
  StorageHost host(sim::SimDisk{}, config);
  host.found();
  write_txns(host, 1, 20);
  Storage& storage = host.storage();
  uint32_t counter = 20;
  for (uint32_t turns = 0; storage.newest_snapshot() == Zxid{}; ++turns) {
    ASSERT_LT(turns, 1000U);
    const uint64_t failed = storage.snapshots_failed();
    storage.maybe_snapshot(host.world(), host.tree());
    const std::string path = "/t0-" + std::to_string(1 + turns % 20);
    Txn txn;
    txn.header = {SessionId{1}, 1, Zxid(0, ++counter), {1}, TxnType::SetData};
    txn.body = SetDataTxn{path, as_bytes("other"), false, 1};
    Effects effects;
    host.tree().apply(txn, effects);
    ASSERT_EQ(effects.error, ErrorCode::Ok);
    txn.digest = TxnDigest{kDigestVersion, host.tree().digest()};
    storage.append(host.world(), txn.header.zxid, share(encode_txn(txn)));
    turn(host);
    if (storage.snapshots_failed() != failed) host.world().pass(Storage::kSnapshotPauseMax);
  }
  EXPECT_GT(storage.snapshots_failed(), 2U);
  const auto& lines = host.world().lines();
  const auto given_up = std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find(
               "is given up: what changed meanwhile exceeds 600 bytes; it is tried again in "
               "larger slices") != std::string::npos;
  });
  EXPECT_EQ(static_cast<uint64_t>(given_up), storage.snapshots_failed());
}

// What has been handed to the disk and is not durable is bounded, too.
TEST(StorageLife, ASnapshotInSlicesWaitsForItsDisk) {
  Config config = sliced(2);
  config.snapshot_unsynced_bytes_max = 1500;
  StorageHost host(sim::SimDisk{}, config);
  host.found();
  write_txns(host, 1, 40, 200);
  host.world().hold("taking.");
  host.storage().maybe_snapshot(host.world(), host.tree());
  const auto written = [&host] {
    for (const DirEntry& entry : host.disk().list(Dir::Snapshots, sim::SimDisk::Image::Cached)) {
      if (entry.name.starts_with("taking.")) return entry.size;
    }
    return uint64_t{0};
  };
  const auto held_turn = [&host] {
    host.world().pass(SnapshotTaker::kSlicePause);
    host.end_turn();
    while (host.world().deliver_oldest(
        [&host](const Event& event) { host.storage().step(event, host.world(), host.tree()); })) {
      host.end_turn();
    }
  };
  for (int i = 0; i < 200; ++i) held_turn();
  EXPECT_GT(written(), 1500U);
  EXPECT_LT(written(), 2600U) << "the bound and one slice";
  const uint64_t waiting = written();
  for (int i = 0; i < 20; ++i) held_turn();
  EXPECT_EQ(written(), waiting) << "only the sync lets it go on";
  host.world().release();
  for (int i = 0; i < 200; ++i) turn(host);
  EXPECT_EQ(host.storage().newest_snapshot(), Zxid(0, 40));
  EXPECT_EQ(snapshot_on_disk(host, Zxid(0, 40)).state_hash(), host.tree().state_hash());
}

// A truncation takes the tree away under the snapshot, and the snapshot's file goes.
TEST(StorageLife, ATruncationEndsASnapshotInSlices) {
  StorageHost host(sim::SimDisk{}, sliced(2));
  host.found();
  write_txns(host, 1, 20);
  host.storage().maybe_snapshot(host.world(), host.tree());
  turn(host);
  host.storage().truncate(host.world(), Zxid(0, 15), host.tree());
  host.run();
  EXPECT_EQ(host.tree().last_applied(), Zxid(0, 15));
  EXPECT_EQ(host.storage().newest_snapshot(), Zxid{});
  for (const DirEntry& entry : host.disk().list(Dir::Snapshots, sim::SimDisk::Image::Durable)) {
    EXPECT_FALSE(entry.name.starts_with("taking.")) << entry.name;
  }
}

// flushDelay, maxWriteQueuePollTime, maxBatchSize: what is appended waits for more, as long as
// these say and no longer.
struct PacedLog {
  static Config config(int64_t delay_ms, int64_t quiet_ms, uint32_t txns_max) {
    Config config = StorageHost::standalone_config();
    config.flush_delay_ms = delay_ms;
    config.flush_quiet_ms = quiet_ms;
    config.flush_txns_max = txns_max;
    return config;
  }
  explicit PacedLog(const Config& config) : host(sim::SimDisk{}, config) { host.found(); }
  void pass(int64_t ms) {
    host.world().pass(milliseconds(ms));
    if (host.storage().deadline() <= host.world().now()) host.storage().on_deadline(host.world());
    host.end_turn();
  }
  // How many syncs are under way, all else being done.
  bool written() {
    while (host.step()) continue;
    return host.storage().last_durable() == host.storage().last_logged();
  }
  StorageHost host;
};

TEST(StorageLife, AWriteWaitsForMoreTxnsUntilItsDelayIsOver) {
  PacedLog log(PacedLog::config(30, 20, 1000));
  log.host.append_run(0, 1, 1);
  log.host.end_turn();
  EXPECT_EQ(log.host.storage().deadline(), log.host.world().now() + milliseconds(20));
  for (uint32_t counter = 2; counter <= 3; ++counter) {
    log.pass(10);
    log.host.append_run(0, counter, counter);
    log.host.end_turn();
    EXPECT_FALSE(log.written()) << counter;
  }
  log.pass(9);
  EXPECT_FALSE(log.written());
  log.pass(1);
  EXPECT_TRUE(log.written()) << "30 ms behind the first, 10 behind the last";
}

TEST(StorageLife, AWriteWaitsNoLongerWhenNothingMoreComes) {
  PacedLog log(PacedLog::config(30, 5, 1000));
  log.host.append_run(0, 1, 2);
  log.host.end_turn();
  EXPECT_FALSE(log.written());
  log.pass(5);
  EXPECT_TRUE(log.written());
}

TEST(StorageLife, AFullBatchDoesNotWait) {
  PacedLog log(PacedLog::config(30, 30, 4));
  log.host.append_run(0, 1, 3);
  log.host.end_turn();
  EXPECT_FALSE(log.written());
  log.host.append_run(0, 4, 5);
  log.host.end_turn();
  EXPECT_FALSE(log.written()) << "four are, and the fifth waits";
  EXPECT_EQ(log.host.storage().last_durable(), Zxid(0, 4));
  log.pass(30);
  EXPECT_TRUE(log.written());
}

TEST(StorageLife, ASnapshotIsDueByBytesToo) {
  Config config = StorageHost::standalone_config();
  config.snapshot_every_bytes = 4000;
  StorageHost host(sim::SimDisk{}, config);
  host.found();
  const auto newest_after = [&](uint32_t from, uint32_t to, size_t bytes) {
    host.append_run(0, from, to, bytes);
    host.run();
    host.apply();
    host.storage().maybe_snapshot(host.world(), host.tree());
    host.run();
    return host.storage().newest_snapshot();
  };
  EXPECT_EQ(newest_after(1, 3, 10), Zxid(0, 0)) << "a few hundred bytes";
  EXPECT_EQ(newest_after(4, 7, 1000), Zxid(0, 7)) << "4000 bytes and more";
  EXPECT_EQ(newest_after(8, 9, 10), Zxid(0, 7)) << "counted anew";
}

size_t snapshots_on_disk(StorageHost& host) {
  size_t count = 0;
  for (const DirEntry& entry : host.disk().list(Dir::Snapshots, sim::SimDisk::Image::Cached)) {
    if (entry.name.starts_with("snapshot.")) ++count;
  }
  return count;
}

// Behind ten txns more, from 10 * n + 1 on.
void take_snapshot(StorageHost& host, uint32_t n) {
  host.append_run(0, 10 * n + 1, 10 * n + 10);
  host.end_turn();
  while (host.step()) continue;
  host.apply();
  host.storage().maybe_snapshot(host.world(), host.tree());
  while (host.step()) continue;
  ASSERT_EQ(host.storage().newest_snapshot(), Zxid(0, 10 * n + 10));
}

void take_snapshots(StorageHost& host, uint32_t count) {
  for (uint32_t n = 1; n <= count; ++n) take_snapshot(host, n);
}

// Each life reads one snapshot and takes one, and knows of the others by name alone.
TEST(StorageLife, SnapshotsAndLogsOfEarlierLivesArePurgedToo) {
  Config config = StorageHost::standalone_config();
  config.snapshot_every_txns = 2;
  auto host = std::make_unique<StorageHost>(sim::SimDisk{}, config);
  host->found();
  host->append_run(0, 1, 10);
  for (uint32_t life = 1; life <= 6; ++life) {
    take_snapshot(*host, life);
    EXPECT_LE(snapshots_on_disk(*host), config.snapshots_kept) << "life " << life;
    host.reset(new StorageHost(restarted(*host, config)));
    ASSERT_EQ(host->storage().recovered().found, Found::Whole) << "life " << life;
  }
  EXPECT_EQ(snapshots_on_disk(*host), config.snapshots_kept);
  EXPECT_FALSE(host->disk().content(Dir::Logs, "log.1", sim::SimDisk::Image::Cached));
}

// One that was found unusable is not among those that are kept.
TEST(StorageLife, AnUnusableSnapshotDoesNotCountAsKept) {
  Config config = StorageHost::standalone_config();
  config.snapshot_every_txns = 2;
  StorageHost first(sim::SimDisk{}, config);
  first.found();
  first.append_run(0, 1, 10);
  take_snapshots(first, 2);
  ASSERT_EQ(snapshots_on_disk(first), 2U);
  ASSERT_TRUE(first.disk().flip_bit(Dir::Snapshots, "snapshot.1e", 8 * 40));
  StorageHost host = restarted(first, config);
  ASSERT_EQ(host.storage().recovered().found, Found::Whole);
  take_snapshot(host, 3);
  EXPECT_EQ(snapshots_on_disk(host), 3U) << "the damaged one, the one that was read, the new one";
}

TEST(StorageLife, PurgingFollowsItsInterval) {
  Config config = StorageHost::standalone_config();
  config.snapshot_every_txns = 2;
  config.purge_interval_ms = 1000;
  StorageHost host(sim::SimDisk{}, config);
  host.start();
  while (host.step()) continue;
  host.storage().found_new(host.world());
  while (host.step()) continue;
  host.append_run(0, 1, 10);
  take_snapshots(host, 4);
  EXPECT_GE(snapshots_on_disk(host), 4U) << "nothing is purged behind a snapshot";
  host.world().pass(milliseconds(1000));
  ASSERT_LE(host.storage().deadline(), host.world().now());
  host.storage().on_deadline(host.world());
  host.end_turn();
  while (host.step()) continue;
  EXPECT_EQ(snapshots_on_disk(host), 2U);
  EXPECT_GT(host.storage().deadline(), host.world().now()) << "and the next time is known";
}

TEST(StorageLife, NothingIsPurgedWhereThatIsOff) {
  Config config = StorageHost::standalone_config();
  config.snapshot_every_txns = 2;
  config.purge = false;
  StorageHost host(sim::SimDisk{}, config);
  host.found();
  host.append_run(0, 1, 10);
  take_snapshots(host, 4);
  host.world().pass(milliseconds(100'000'000));
  host.run();
  EXPECT_EQ(snapshots_on_disk(host), 5U);
  EXPECT_TRUE(host.disk().content(Dir::Logs, "log.1", sim::SimDisk::Image::Cached));
}

}  // namespace
}  // namespace vivarium::storage_test
