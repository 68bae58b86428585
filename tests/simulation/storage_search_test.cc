// What the log files of a server say of zxids that another one lacks (RULES 9): an entry, "never
// had", or "cannot tell", and "never" only when that is certain.
#include <gtest/gtest.h>

#include <vector>

#include "tests/simulation/storage_host.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;

// Txns 1:1 to 1:30 and then 3:1 to 3:4 in files of a few records, of which memory has the last
// four.
StorageHost with_log(uint32_t snapshot_at = 0) {
  Config config = StorageHost::small_config();
  config.history_txns_max = 4;
  config.snapshots_kept = 1;
  config.snapshot_every_txns = 2;
  StorageHost host(sim::SimDisk{}, config);
  host.found();
  host.storage().save_accepted_epoch(host.world(), 3);
  host.storage().save_current_epoch(host.world(), 3);
  for (uint32_t i = 1; i <= 30; ++i) {
    host.append({1, i});
    host.run();
    host.apply();
    if (i == snapshot_at) host.storage().maybe_snapshot(host.world(), host.tree());
    host.run();
  }
  host.append_run(3, 1, 4);
  host.run();
  host.apply();
  host.end_turn();
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(3, 4));
  EXPECT_GE(host.storage().history().base(), Zxid(1, 30)) << "memory does not reach back";
  return host;
}

LogSearch::Found search(StorageHost& host, Zxid after, Zxid upto) {
  host.storage().search_log(host.world(), {after, upto});
  host.run_until([&] { return !host.storage().searching(); });
  return host.storage().take_found();
}

std::vector<Zxid> zxids_of(const LogSearch::Found& found) {
  std::vector<Zxid> zxids;
  for (const History::Item& item : found.entries) zxids.push_back(item.zxid);
  return zxids;
}

// The file that holds the zxid.
std::string file_of(const sim::SimDisk& disk, Zxid zxid) {
  Zxid best;
  for (const DirEntry& file : disk.list(Dir::Logs, Image::Cached)) {
    const auto first = parse_log_name(file.name);
    if (first && *first <= zxid) best = std::max(best, *first);
  }
  return log_name(best);
}

TEST(LogSearch, FindsEntriesAcrossFiles) {
  StorageHost host = with_log();
  ASSERT_NE(file_of(host.disk(), {1, 3}), file_of(host.disk(), {1, 20}));
  const LogSearch::Found found = search(host, {1, 2}, {1, 20});
  EXPECT_EQ(found.rest, FillRest::None);
  ASSERT_EQ(found.entries.size(), 18U);
  DataTree ahead;
  for (uint32_t i = 1; i <= 20; ++i) {
    const Bytes entry = make_entry({1, i}, 10, ahead);
    if (i > 2) {
      EXPECT_EQ(*found.entries[i - 3].entry, entry) << i;
    }
  }
  EXPECT_EQ(zxids_of(search(host, Zxid{}, {1, 1})), std::vector<Zxid>{Zxid(1, 1)});
  EXPECT_EQ(zxids_of(search(host, {1, 30}, {3, 1})), std::vector<Zxid>{Zxid(3, 1)});
}

TEST(LogSearch, SaysNeverOnlyOfWhatItsLogCovers) {
  StorageHost host = with_log();
  // Behind its end, and where another epoch follows.
  EXPECT_EQ(search(host, {3, 4}, {3, 5}).rest, FillRest::Never);
  EXPECT_EQ(search(host, {1, 30}, {1, 31}).rest, FillRest::Never);
  EXPECT_EQ(search(host, {1, 40}, {1, 41}).rest, FillRest::Never);
  // A run that ends before the range does.
  const LogSearch::Found found = search(host, {1, 28}, {1, 33});
  EXPECT_EQ(found.rest, FillRest::Never);
  EXPECT_EQ(zxids_of(found), (std::vector<Zxid>{Zxid(1, 29), Zxid(1, 30)}));
}

// A snapshot holds the effects of a txn, not the txn.
TEST(LogSearch, CannotTellWhatOnlyASnapshotCovers) {
  StorageHost host = with_log(20);
  ASSERT_FALSE(host.disk().content(Dir::Logs, "log.100000001", Image::Cached)) << "purged";
  EXPECT_EQ(search(host, {1, 2}, {1, 5}).rest, FillRest::Unknown);
  EXPECT_TRUE(search(host, {1, 2}, {1, 5}).entries.empty());
  EXPECT_EQ(search(host, {1, 24}, {1, 26}).rest, FillRest::None);
}

// The log went bad since it was read, or a file of it is gone.
TEST(LogSearch, CannotTellWhatIsBad) {
  StorageHost host = with_log();
  const std::string name = file_of(host.disk(), {1, 12});
  const Bytes before = *host.disk().content(Dir::Logs, name, Image::Cached);
  for (size_t at = kLogHeaderBytes; at < before.size(); at += 97) {
    ASSERT_TRUE(host.disk().flip_bit(Dir::Logs, name, at * 8));
    for (uint32_t i = 1; i < 30; ++i) {
      const LogSearch::Found found = search(host, {1, i}, {1, i + 1});
      EXPECT_NE(found.rest, FillRest::Never) << "1:" << i + 1 << " is there, or was";
      EXPECT_EQ(found.entries.size(), found.rest == FillRest::None ? 1U : 0U);
    }
    EXPECT_NE(search(host, {1, 1}, {1, 30}).rest, FillRest::Never);
    host.disk().put(Dir::Logs, name, before);
  }
  ASSERT_TRUE(host.disk().erase(Dir::Logs, name));
  EXPECT_EQ(search(host, {1, 1}, {1, 30}).rest, FillRest::Unknown);
  EXPECT_EQ(search(host, {3, 1}, {3, 2}).rest, FillRest::None);
}

TEST(LogSearch, IsGivenUpInTheMiddle) {
  StorageHost host = with_log();
  host.storage().search_log(host.world(), {{1, 2}, {1, 20}});
  host.step();
  EXPECT_TRUE(host.storage().searching());
  host.storage().stop_search(host.world());
  EXPECT_FALSE(host.storage().searching());
  host.run();
  EXPECT_EQ(search(host, {1, 2}, {1, 3}).rest, FillRest::None);
}

}  // namespace
}  // namespace vivarium::storage_test
