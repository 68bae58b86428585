// The simulated disk: what is durable when, and everything that a crash can leave.
#include "sim/sim_disk.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>
#include <string>

#include "sim/crash.h"
#include "tests/simulation/scripted.h"

namespace vivarium::sim {
namespace {

using Image = SimDisk::Image;
constexpr Dir kDir = Dir::Logs;

Bytes sectors(std::string_view letters) {
  Bytes out;
  for (const char letter : letters) out.insert(out.end(), kSectorBytes, static_cast<Byte>(letter));
  return out;
}

// One letter per sector, '.' for zeros, '?' for mixed ones; "-" when there is no such file.
std::string letters(const SimDisk& disk, std::string_view name, Image image = Image::Durable) {
  const std::optional<Bytes> bytes = disk.content(kDir, name, image);
  if (!bytes) return "-";
  std::string out;
  for (size_t at = 0; at < bytes->size(); at += kSectorBytes) {
    const size_t end = std::min<size_t>(at + kSectorBytes, bytes->size());
    const Byte first = (*bytes)[at];
    bool same = true;
    for (size_t i = at; i < end; ++i) same = same && (*bytes)[i] == first;
    out += !same ? '?' : first == 0 ? '.' : static_cast<char>(first);
  }
  return out;
}

// All that a crash can make of `name`.
std::set<std::string> fates(const SimDisk& disk, std::string_view name) {
  std::set<std::string> out;
  CrashImages images(disk);
  EXPECT_TRUE(images.complete());
  while (images.next()) out.insert(letters(images.image(), name));
  return out;
}

// A file with durable content and name.
Inode durable_file(SimDisk& disk, std::string_view name, std::string_view content) {
  disk.put(kDir, name, sectors(content));
  return disk.find(kDir, name);
}

TEST(SimDisk, WritesAreCachedAtOnceAndDurableBySync) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "aa");
  disk.write(file, 0, sectors("b"), {});
  EXPECT_EQ(letters(disk, "log.1", Image::Cached), "ba");
  EXPECT_EQ(letters(disk, "log.1"), "aa");
  EXPECT_EQ(disk.unsynced_operations(), 1U);
  disk.sync(file, disk.last_sequence());
  EXPECT_EQ(letters(disk, "log.1"), "ba");
  EXPECT_EQ(disk.unsynced_operations(), 0U);
  EXPECT_EQ(disk.hash(Image::Cached), disk.hash(Image::Durable));
}

TEST(SimDisk, ASyncCoversWhatWasIssuedBeforeIt) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "aaa");
  disk.write(file, 0, sectors("b"), {});
  const uint64_t issued = disk.last_sequence();
  disk.write(file, kSectorBytes, sectors("c"), {});
  disk.sync(file, issued);
  EXPECT_EQ(letters(disk, "log.1"), "baa");
  EXPECT_EQ(fates(disk, "log.1"), (std::set<std::string>{"baa", "bca"}));
}

TEST(SimDisk, UnsyncedSectorsSurviveInAnySubset) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "aaa");
  disk.write(file, 0, sectors("bc"), {});
  disk.write(file, 2 * kSectorBytes, sectors("d"), {});
  EXPECT_EQ(fates(disk, "log.1"),
            (std::set<std::string>{"aaa", "baa", "aca", "bca", "aad", "bad", "acd", "bcd"}));
}

TEST(SimDisk, ASectorWrittenTwiceHasThreeFates) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "a");
  disk.write(file, 0, sectors("b"), {});
  disk.write(file, 0, sectors("c"), {});
  EXPECT_EQ(fates(disk, "log.1"), (std::set<std::string>{"a", "b", "c"}));
}

TEST(SimDisk, AWriteInsideASectorIsTornOnlyBetweenSectors) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "ab");
  disk.write(file, kSectorBytes - 3, to_bytes("xxxyyy"), {});
  EXPECT_EQ(fates(disk, "log.1"), (std::set<std::string>{"ab", "?b", "a?", "??"}));
}

TEST(SimDisk, TheSizeSurvivesApartFromTheData) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "a");
  disk.write(file, kSectorBytes, sectors("b"), {});
  // Neither; the size alone (zeros); both. Data beyond the end does not show.
  EXPECT_EQ(fates(disk, "log.1"), (std::set<std::string>{"a", "a.", "ab"}));
}

TEST(SimDisk, SizesSurviveInTheOrderOfTheirChanges) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "");
  disk.zero_fill(file, 0, kSectorBytes, {});
  disk.zero_fill(file, kSectorBytes, kSectorBytes, {});
  disk.truncate(file, 0, {});
  disk.zero_fill(file, 0, 3 * kSectorBytes, {});
  EXPECT_EQ(fates(disk, "log.1"), (std::set<std::string>{"", ".", "..", "..."}));
}

TEST(SimDisk, NothingIsWrittenBehindATruncationThatWasLost) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "abc");
  disk.truncate(file, kSectorBytes, {});
  disk.write(file, kSectorBytes, sectors("x"), {});
  // Truncation lost: "abc" stands, whatever became of x. Kept: what was behind the cut is gone.
  EXPECT_EQ(fates(disk, "log.1"), (std::set<std::string>{"abc", "a", "a.", "ax"}));
}

TEST(SimDisk, ATruncationInsideASectorZeroesItsRest) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "a");
  disk.truncate(file, 10, {});
  disk.truncate(file, 20, {});
  Bytes expected(20);
  std::fill_n(expected.begin(), 10, Byte{'a'});
  EXPECT_EQ(disk.content(kDir, "log.1", Image::Cached), expected);
  disk.sync(file, disk.last_sequence());
  EXPECT_EQ(disk.content(kDir, "log.1", Image::Durable), expected);
}

TEST(SimDisk, PreallocationIsZerosThatCostNothing) {
  SimDisk disk;
  const Inode file = disk.create(kDir, "log.1", {});
  disk.write(file, 0, sectors("a"), {});
  disk.zero_fill(file, 0, uint64_t{64} << 20, {});
  EXPECT_EQ(disk.file(file).cached.size, uint64_t{64} << 20);
  EXPECT_LE(disk.file(file).cached.data.size(), 2 * kSectorBytes);
  EXPECT_EQ(disk.content(kDir, "log.1", Image::Cached)->front(), 0) << "real zeros over content";
}

TEST(SimDisk, ASyncedFileWithoutASyncedNameMayVanish) {
  SimDisk disk;
  const Inode file = disk.create(kDir, "currentEpoch.tmp", {});
  disk.write(file, 0, sectors("e"), {});
  disk.sync(file, disk.last_sequence());
  EXPECT_EQ(letters(disk, "currentEpoch.tmp"), "-");
  EXPECT_EQ(fates(disk, "currentEpoch.tmp"), (std::set<std::string>{"-", "e"}));
  disk.sync_dir(kDir, disk.last_sequence());
  EXPECT_EQ(fates(disk, "currentEpoch.tmp"), (std::set<std::string>{"e"}));
}

TEST(SimDisk, AReplacedFileIsOldOrNew) {
  SimDisk disk;
  durable_file(disk, "currentEpoch", "1");
  const Inode file = disk.create(kDir, "tmp", {});
  disk.write(file, 0, sectors("2"), {});
  disk.sync(file, disk.last_sequence());
  disk.rename(kDir, "tmp", "currentEpoch", {});
  EXPECT_EQ(letters(disk, "currentEpoch", Image::Cached), "2");
  EXPECT_EQ(letters(disk, "tmp", Image::Cached), "-");
  EXPECT_EQ(fates(disk, "currentEpoch"), (std::set<std::string>{"1", "2"}));
}

TEST(SimDisk, ARenameDoesNotMakeTheDataDurable) {
  SimDisk disk;
  durable_file(disk, "currentEpoch", "1");
  const Inode file = disk.create(kDir, "tmp", {});
  disk.write(file, 0, sectors("2"), {});
  disk.rename(kDir, "tmp", "currentEpoch", {});
  disk.sync_dir(kDir, disk.last_sequence());
  EXPECT_EQ(fates(disk, "currentEpoch"), (std::set<std::string>{"", ".", "2"}));
}

TEST(SimDisk, ARenameWithoutItsSourceDoesNotHappen) {
  SimDisk disk;
  disk.create(kDir, "a", {});
  disk.rename(kDir, "a", "b", {});
  disk.rename(kDir, "b", "c", {});
  std::set<std::string> listings;
  CrashImages images(disk);
  while (images.next()) {
    std::string names;
    for (const DirEntry& entry : images.image().list(kDir, Image::Durable)) names += entry.name;
    listings.insert(names);
  }
  EXPECT_EQ(listings, (std::set<std::string>{"", "a", "b", "c"}));
}

TEST(SimDisk, ALostRemovalBringsTheFileBack) {
  SimDisk disk;
  durable_file(disk, "log.1", "a");
  EXPECT_TRUE(disk.remove(kDir, "log.1", {}));
  EXPECT_FALSE(disk.remove(kDir, "log.1", {}));
  EXPECT_EQ(letters(disk, "log.1", Image::Cached), "-");
  EXPECT_EQ(fates(disk, "log.1"), (std::set<std::string>{"-", "a"}));
  disk.sync_dir(kDir, disk.last_sequence());
  EXPECT_EQ(fates(disk, "log.1"), (std::set<std::string>{"-"}));
}

TEST(SimDisk, SnapshotsAndLogsAreOneDirectoryUnlessApart) {
  SimDisk together;
  together.put(Dir::Logs, "a", sectors("a"));
  EXPECT_EQ(together.list(Dir::Snapshots, Image::Durable).size(), 1U);
  EXPECT_TRUE(together.list(Dir::Root, Image::Durable).empty());
  SimDisk apart(true);
  apart.put(Dir::Logs, "a", sectors("a"));
  EXPECT_TRUE(apart.list(Dir::Snapshots, Image::Durable).empty());
}

TEST(SimDisk, PowerLossDrawsEveryFateAndTheSameOneForTheSameName) {
  std::map<std::string, int> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SimDisk disk;
    const Inode file = durable_file(disk, "log.1", "a");
    disk.write(file, kSectorBytes, sectors("bc"), {});
    disk.create(kDir, "new", {});
    SimDisk again = disk;
    Choices choices(seed);
    Crash::lose_power(disk, choices, HostId{1}, 1);
    Crash::lose_power(again, choices, HostId{1}, 1);
    EXPECT_EQ(disk.hash(Image::Durable), again.hash(Image::Durable));
    EXPECT_EQ(disk.hash(Image::Durable), disk.hash(Image::Cached));
    EXPECT_EQ(disk.unsynced_operations(), 0U);
    ++seen[letters(disk, "log.1")];
    ++seen[letters(disk, "new") + "new"];
  }
  for (const char* fate : {"a", "a..", "ab.", "a.c", "abc", "-new", "new"}) {
    EXPECT_GE(seen[fate], 5) << fate;
  }
}

TEST(SimDisk, AKillKeepsTheCacheButForTheYoungestOperations) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimDisk disk;
    const Inode file = durable_file(disk, "log.1", "a");
    disk.write(file, kSectorBytes, sectors("b"), SimTime{0});
    disk.write(file, 2 * kSectorBytes, sectors("c"), SimTime{1'000'000});
    disk.create(kDir, "old", SimTime{0});
    disk.create(kDir, "young", SimTime{1'000'000});
    Choices choices(seed);
    Crash::kill(disk, choices, HostId{0}, 1, SimTime{1'000'100}, microseconds(100));
    EXPECT_NE(disk.find(kDir, "old"), kNoInode);
    seen.insert(letters(disk, "log.1", Image::Cached));
    seen.insert(letters(disk, "young", Image::Cached) + "young");
    // Not synced: still at the mercy of the power.
    EXPECT_EQ(letters(disk, "log.1"), "a");
  }
  EXPECT_EQ(seen, (std::set<std::string>{"ab", "abc", "young", "-young"}));
}

TEST(SimDisk, WhatAnAnswerProvedSurvivesAKill) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk;
    const Inode file = durable_file(disk, "log.1", "a");
    disk.write(file, kSectorBytes, sectors("b"), SimTime{0});
    disk.executed(file, disk.last_sequence());
    disk.write(file, 2 * kSectorBytes, sectors("c"), SimTime{0});
    Choices choices(seed);
    Crash::kill(disk, choices, HostId{0}, 1, SimTime{0}, microseconds(100));
    EXPECT_EQ(letters(disk, "log.1", Image::Cached).substr(0, 2), "ab");
  }
}

TEST(SimDisk, AForgottenWriteIsInTheCacheAndNotOnTheDisk) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "aa");
  disk.write(file, 0, sectors("b"), {});
  disk.forget_dirty(file, disk.last_sequence());
  disk.write(file, kSectorBytes, sectors("c"), {});
  disk.sync(file, disk.last_sequence());
  EXPECT_EQ(letters(disk, "log.1", Image::Cached), "bc");
  EXPECT_EQ(letters(disk, "log.1"), "ac");
}

TEST(SimDisk, LostAndMisdirectedWritesAreSyncedAsIfWell) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", "aaaa");
  disk.write(file, 0, sectors("b"), {});
  EXPECT_TRUE(disk.lose_write(kDir, "log.1"));
  disk.write(file, kSectorBytes, sectors("c"), {});
  EXPECT_TRUE(disk.misdirect_write(kDir, "log.1", 2 * kSectorBytes));
  EXPECT_FALSE(disk.misdirect_write(kDir, "log.1", -2 * static_cast<int64_t>(kSectorBytes)));
  EXPECT_FALSE(disk.misdirect_write(kDir, "log.1", 3 * kSectorBytes)) << "beyond the end";
  disk.sync(file, disk.last_sequence());
  EXPECT_EQ(letters(disk, "log.1", Image::Cached), "bcaa");
  EXPECT_EQ(letters(disk, "log.1"), "aaac");
}

TEST(SimDisk, RotChangesWhatIsOnTheDisk) {
  SimDisk disk;
  durable_file(disk, "log.1", "abc");
  EXPECT_TRUE(disk.flip_bit(kDir, "log.1", 8 * 5 + 1));
  EXPECT_EQ((*disk.content(kDir, "log.1", Image::Durable))[5], 'a' ^ 2);
  EXPECT_EQ((*disk.content(kDir, "log.1", Image::Cached))[5], 'a' ^ 2);
  EXPECT_TRUE(disk.zero_sector(kDir, "log.1", 1));
  EXPECT_TRUE(disk.garble_sector(kDir, "log.1", 2, 9, true));
  EXPECT_EQ(letters(disk, "log.1"), "?.?");
  EXPECT_EQ(letters(disk, "log.1", Image::Cached), "?.c") << "the cache hides it for now";
  EXPECT_FALSE(disk.flip_bit(kDir, "log.1", 8 * 3 * kSectorBytes));
  EXPECT_FALSE(disk.zero_sector(kDir, "log.1", 3));
  EXPECT_FALSE(disk.flip_bit(kDir, "log.2", 0));
}

TEST(SimDisk, SpaceIsCountedInFilesAndComesBack) {
  SimDisk disk;
  disk.set_capacity(10 * kSectorBytes);
  const Inode file = disk.create(kDir, "log.1", {});
  disk.hold(file);
  disk.zero_fill(file, 0, 8 * kSectorBytes, {});
  EXPECT_EQ(disk.free_bytes(), 2 * kSectorBytes);
  EXPECT_TRUE(disk.fits(file, 10 * kSectorBytes));
  EXPECT_FALSE(disk.fits(file, 10 * kSectorBytes + 1));
  disk.remove(kDir, "log.1", {});
  disk.sync_dir(kDir, disk.last_sequence());
  EXPECT_EQ(disk.free_bytes(), 2 * kSectorBytes) << "still open";
  disk.release(file);
  EXPECT_EQ(disk.free_bytes(), 10 * kSectorBytes);
}

TEST(SimDisk, ManyUnsyncedOperationsAreSampled) {
  SimDisk disk;
  const Inode file = durable_file(disk, "log.1", std::string(40, 'a'));
  for (uint64_t i = 0; i < 20; ++i) disk.write(file, i * kSectorBytes, sectors("b"), {});
  CrashImages images(disk);
  EXPECT_FALSE(images.complete());
  std::set<std::string> seen;
  while (images.next()) seen.insert(letters(images.image(), "log.1").substr(0, 20));
  EXPECT_EQ(seen.size(), 256U) << "as many as asked for, all different";
  for (size_t n = 0; n <= 20; ++n) {
    EXPECT_TRUE(seen.contains(std::string(n, 'b') + std::string(20 - n, 'a'))) << "prefix " << n;
  }
  for (size_t i = 0; i < 20; ++i) {
    std::string one_lost(20, 'b');
    one_lost[i] = 'a';
    EXPECT_TRUE(seen.contains(one_lost)) << "all but " << i;
    std::string one_kept(20, 'a');
    one_kept[i] = 'b';
    EXPECT_TRUE(seen.contains(one_kept)) << "none but " << i;
  }
}

// Random operations against plain vectors: the cache is what the operations say, syncing everything
// makes both images equal, and a crash leaves each sector in a state that it once had.

RC_GTEST_PROP(SimDiskProperty, CacheFollowsTheOperationsAndSyncMakesItDurable, ()) {
  SimDisk disk;
  std::map<std::string, Bytes> model;
  const auto name_of_number = [](int n) { return std::string(1, static_cast<char>('a' + n)); };
  const int steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const std::string name = name_of_number(*rc::gen::inRange(0, 3));
    const Inode inode = disk.find(kDir, name);
    const auto offset = static_cast<uint64_t>(*rc::gen::inRange(0, 2000));
    const auto length = static_cast<uint64_t>(*rc::gen::inRange(0, 1500));
    const int what = *rc::gen::inRange(0, 8);
    if (inode == kNoInode) {
      disk.create(kDir, name, {});
      model[name] = {};
    } else if (what <= 2) {
      const Bytes bytes = pattern(length, static_cast<uint64_t>(i));
      disk.write(inode, offset, bytes, {});
      Bytes& content = model[name];
      if (length != 0) {
        content.resize(std::max<size_t>(content.size(), offset + length));
        std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<ptrdiff_t>(offset));
      }
    } else if (what == 3) {
      disk.truncate(inode, offset, {});
      model[name].resize(offset);
    } else if (what == 4) {
      disk.zero_fill(inode, offset, length, {});
      Bytes& content = model[name];
      content.resize(std::max<size_t>(content.size(), offset + length));
      std::fill_n(content.begin() + static_cast<ptrdiff_t>(offset), length, Byte{0});
    } else if (what == 5) {
      const std::string to = name_of_number(*rc::gen::inRange(0, 3));
      disk.rename(kDir, name, to, {});
      Bytes moved = std::move(model[name]);
      model.erase(name);
      model[to] = std::move(moved);
    } else if (what == 6) {
      disk.remove(kDir, name, {});
      model.erase(name);
    } else {
      disk.sync(inode, disk.last_sequence());
    }
  }
  // A power loss that keeps everything leaves the cache; one that keeps nothing the durable image.
  const std::vector<CrashUnit> units = Crash::units(disk);
  SimDisk all = disk;
  CrashPlan plan;
  for (const CrashUnit& unit : units) plan.push_back(unit.fates - 1);
  Crash::lose_power(all, units, plan);
  RC_ASSERT(all.hash(Image::Durable) == disk.hash(Image::Cached));
  SimDisk none = disk;
  Crash::lose_power(none, units, CrashPlan(units.size(), 0));
  RC_ASSERT(none.hash(Image::Durable) == disk.hash(Image::Durable));

  for (const auto& [name, content] : model) {
    RC_ASSERT(disk.content(kDir, name, Image::Cached) == std::optional<Bytes>(content));
    disk.sync(disk.find(kDir, name), disk.last_sequence());
  }
  RC_ASSERT(disk.list(kDir, Image::Cached).size() == model.size());
  disk.sync_dir(kDir, disk.last_sequence());
  RC_ASSERT(disk.hash(Image::Durable) == disk.hash(Image::Cached));
}

// Every sector of every crash image is one of its versions, and no file is longer than it ever was.
RC_GTEST_PROP(SimDiskProperty, ACrashLeavesOldAndNewSectorsOnly, ()) {
  SimDisk disk;
  const Inode inode = durable_file(disk, "log.1", "aaaa");
  std::vector<std::set<Bytes>> versions(8);
  const auto note = [&] {
    const Bytes content = *disk.content(kDir, "log.1", Image::Cached);
    for (size_t s = 0; s < versions.size(); ++s) {
      Bytes sector(kSectorBytes);
      for (size_t i = 0; i < kSectorBytes && s * kSectorBytes + i < content.size(); ++i) {
        sector[i] = content[s * kSectorBytes + i];
      }
      versions[s].insert(sector);
    }
  };
  note();
  const int steps = *rc::gen::inRange(1, 8);
  for (int i = 0; i < steps; ++i) {
    const auto offset = static_cast<uint64_t>(*rc::gen::inRange(0, 2500));
    const auto length = static_cast<uint64_t>(*rc::gen::inRange(1, 1500));
    if (*rc::gen::inRange(0, 4) == 0) {
      disk.truncate(inode, offset, {});
    } else {
      disk.write(inode, offset, pattern(length, static_cast<uint64_t>(i)), {});
    }
    note();
  }
  CrashImages images(disk, {64, 256, 7});
  size_t count = 0;
  while (images.next()) {
    ++count;
    const Bytes content = *images.image().content(kDir, "log.1", Image::Durable);
    RC_ASSERT(content.size() <= versions.size() * kSectorBytes);
    for (size_t s = 0; s * kSectorBytes < content.size(); ++s) {
      Bytes sector(kSectorBytes);
      const size_t there = std::min<size_t>(kSectorBytes, content.size() - s * kSectorBytes);
      std::copy_n(content.begin() + static_cast<ptrdiff_t>(s * kSectorBytes), there,
                  sector.begin());
      // A truncation or a size that survived without later data leaves zeros behind a version's
      // begin.
      const bool known = std::any_of(versions[s].begin(), versions[s].end(), [&](const Bytes& v) {
        const auto differs = std::mismatch(sector.begin(), sector.end(), v.begin()).first;
        return std::all_of(differs, sector.end(), [](Byte b) { return b == 0; });
      });
      RC_ASSERT(known);
    }
  }
  RC_ASSERT(count >= 1U);
}

}  // namespace
}  // namespace vivarium::sim
