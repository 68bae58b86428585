// Truncations on a disk whose syncs fail, and truncated records that come back (hazards S17, R14,
// R16).
#include <gtest/gtest.h>

#include "sim/crash.h"
#include "tests/simulation/apache_start_conditions.h"
#include "tests/simulation/storage_host.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;

constexpr uint32_t kNewest = 12;

StorageHost with_history() {
  StorageHost host(sim::SimDisk{});
  host.found();
  host.storage().save_accepted_epoch(host.world(), 2);
  host.storage().save_current_epoch(host.world(), 2);
  host.append_run(1, 1, kNewest, 40);
  host.run();
  return host;
}

DataTree state_at(uint32_t counter) {
  DataTree tree;
  for (uint32_t i = 1; i <= counter; ++i) make_entry({1, i}, 40, tree);
  return tree;
}

// Everything that no sync has covered is lost.
sim::SimDisk after_power_loss(sim::SimDisk disk) {
  const auto units = sim::Crash::units(disk);
  sim::Crash::lose_power(disk, units, sim::CrashPlan(units.size(), 0));
  return disk;
}

void expect_history(const sim::SimDisk& disk, uint32_t last, const char* what) {
  StorageHost host(disk);
  host.start();
  host.run();
  ASSERT_EQ(host.storage().recovered().found, Found::Whole)
      << what << ": " << host.storage().recovered().reason;
  EXPECT_EQ(host.storage().last_durable(), Zxid(1, last)) << what;
  EXPECT_EQ(host.tree().state_hash(), state_at(last).state_hash()) << what;
  host.append({2, 1});
  host.run();
  StorageHost next(host.disk());
  next.start();
  next.run();
  EXPECT_EQ(next.storage().recovered().found, Found::Whole)
      << what << ": " << next.storage().recovered().reason;
  EXPECT_EQ(next.storage().last_durable(), Zxid(2, 1)) << what;
}

TEST(StorageTruncation, RecordsThatComeBackAreDroppedAgain) {
  for (const uint32_t keep : {1U, 5U, 6U, 7U}) {
    SCOPED_TRACE(keep);
    StorageHost host = with_history();
    const sim::SimDisk before = host.disk();
    host.storage().truncate(host.world(), {1, keep}, host.tree());
    host.run();
    ASSERT_EQ(host.storage().last_durable(), Zxid(1, keep));
    for (const bool went_on : {false, true}) {
      sim::SimDisk disk = host.disk();
      if (went_on) {
        StorageHost next(disk);
        next.start();
        next.run();
        next.append({2, 1});
        next.run();
        disk = next.disk();
      }
      // The files that the truncation has cut are as they were.
      for (const DirEntry& entry : disk.list(Dir::Logs, Image::Durable)) {
        const auto old = before.content(Dir::Logs, entry.name, Image::Durable);
        const auto first = parse_log_name(entry.name);
        if (old && first && first->epoch() == 1) disk.put(Dir::Logs, entry.name, *old);
      }
      if (!went_on) {
        expect_history(disk, keep, "nothing appended since");
        continue;
      }
      StorageHost last(disk);
      last.start();
      last.run();
      // Not what was truncated, and nothing silently.
      if (last.storage().recovered().found == Found::Whole) {
        EXPECT_EQ(last.storage().last_durable(), Zxid(2, 1));
      } else {
        EXPECT_EQ(last.storage().recovered().found, Found::Damaged);
      }
    }
  }
}

TEST(StorageTruncation, AFailedSyncIsNotBelieved) {
  for (const char* file : {"log.", "frontier"}) {
    SCOPED_TRACE(file);
    StorageHost host = with_history();
    host.world().fail_sync_of(file);
    host.storage().truncate(host.world(), {1, 5}, host.tree());
    host.run();
    ASSERT_TRUE(host.world().stopped()) << "the sync was made to fail";
    // The cache shows the cut, the disk has not got it, and the dirty pages are forgotten.
    StorageHost next(host.disk());
    next.start();
    next.run();
    ASSERT_EQ(next.storage().recovered().found, Found::Whole);
    const Zxid told = next.storage().last_durable();
    EXPECT_TRUE(told == Zxid(1, 5) || told == Zxid(1, kNewest));
    const sim::SimDisk disk = after_power_loss(next.disk());
    const auto apache = apache_start(disk, false);
    ASSERT_TRUE(apache.has_value()) << apache.error().message;
    EXPECT_EQ(apache->last, told) << "what was cut must not come back for Apache either";
    expect_history(disk, told.counter(), file);
  }
}

}  // namespace
}  // namespace vivarium::storage_test
