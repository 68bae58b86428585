// Damage to what was acknowledged (hazards R15): whatever is cut, flipped, zeroed or removed, the
// outcome is the whole history, or a verdict with a reason. Never is anything silently short.
#include <gtest/gtest.h>

#include <functional>

#include "tests/simulation/storage_host.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;

constexpr uint32_t kLast = 30;

// A member with 30 txns in several log files, a snapshot in their midst, everything durable;
// `quiet`: the frontier too, else it has fallen behind as under load.
class Damaged : public ::testing::Test {
 protected:
  void build(bool quiet) {
    Config config = StorageHost::small_config();
    config.snapshot_every_txns = 2;
    StorageHost host(sim::SimDisk{}, config);
    host.found();
    host.storage().save_accepted_epoch(host.world(), 1);
    host.storage().save_current_epoch(host.world(), 1);
    host.run();
    for (uint32_t i = 0; i < kLast / 3; ++i) {
      host.append_run(1, 1 + 3 * i, 3 + 3 * i, 40);
      host.end_turn();
      while (host.storage().last_durable() < Zxid(1, 3 + 3 * i)) host.step();
      host.apply();
      if (i == 4) host.storage().maybe_snapshot(host.world(), host.tree());
      if (quiet || i < 6) host.run();
    }
    whole_ = host.tree().state_hash();
    disk_ = host.disk();
    // Power is lost: what no sync has covered is gone.
    for (Dir dir : {Dir::Snapshots}) {
      for (const DirEntry& entry : disk_.list(dir, Image::Durable)) {
        before_[entry.name] = *disk_.content(dir, entry.name, Image::Durable);
      }
    }
    const auto frontier = newest_frontier(before_.at(kFrontierName));
    ASSERT_TRUE(frontier);
    ASSERT_EQ(frontier->zxid == Zxid(1, kLast), quiet);
    ASSERT_GE(logs().size(), 4U);
  }

  std::vector<std::string> logs() const {
    std::vector<std::string> names;
    for (const auto& [name, content] : before_) {
      if (name.starts_with("log.")) names.push_back(name);
    }
    return names;
  }

  sim::SimDisk disk_with(const std::string& name, const std::optional<Bytes>& content) const {
    sim::SimDisk disk;
    for (const auto& [other, bytes] : before_) {
      if (other != name) disk.put(Dir::Snapshots, other, bytes);
    }
    if (content) disk.put(Dir::Snapshots, name, *content);
    return disk;
  }

  // Recovers and judges. `allowed_last`: 0, or a shorter history that is allowed as the stated
  // limit.
  Found outcome(const sim::SimDisk& disk, const std::string& what, bool may_lose_window = false) {
    StorageHost host(disk);
    host.start();
    host.run();
    const Recovered& r = host.storage().recovered();
    ++outcomes_[r.found];
    switch (r.found) {
      case Found::Whole:
        if (r.last == Zxid(1, kLast)) {
          EXPECT_EQ(host.tree().state_hash(), whole_) << what;
          EXPECT_EQ(host.storage().history().last(), Zxid(1, kLast)) << what;
        } else {
          EXPECT_TRUE(may_lose_window) << what << ": silently short at " << r.last.counter();
          const auto frontier = newest_frontier(before_.at(kFrontierName));
          EXPECT_GE(r.last, frontier->zxid) << what;
          EXPECT_FALSE(r.reason.empty()) << what;
        }
        break;
      case Found::Damaged:
        EXPECT_FALSE(r.reason.empty()) << what;
        if (r.damage) expect_complete(r, what);
        EXPECT_GE(r.claimed, r.last) << what;
        EXPECT_EQ(host.disk().hash(Image::Cached), disk.hash(Image::Cached)) << "left as it was";
        break;
      case Found::Amnesia:
      case Found::Refused:
        EXPECT_FALSE(r.reason.empty()) << what;
        break;
      case Found::Blank:
      case Found::Foreign:
        ADD_FAILURE() << what << ": " << to_string(r.found);
        break;
    }
    return r.found;
  }

  // Good prefix, faults and salvaged records are the whole history and nothing else; nothing that
  // was durable is left out of the claim.
  void expect_complete(const Recovered& r, const std::string& what) {
    ++listed_;
    const Damage& damage = *r.damage;
    EXPECT_EQ(damage.claimed, Zxid(1, kLast)) << what;
    EXPECT_EQ(r.claimed, damage.claimed) << what;
    Zxid at = r.last;
    auto fault = damage.faults.begin();
    for (const SalvagedRecord& record : damage.salvaged) {
      if (fault != damage.faults.end() && fault->range.after == at) at = (fault++)->range.upto;
      EXPECT_EQ(record.previous, at) << what;
      EXPECT_EQ(record.zxid, at.next()) << what;
      at = record.zxid;
    }
    if (fault != damage.faults.end() && fault->range.after == at) at = (fault++)->range.upto;
    EXPECT_EQ(fault, damage.faults.end()) << what;
    EXPECT_EQ(at, damage.claimed) << what;
  }

  void for_each_log(const std::function<void(const std::string&, const Bytes&)>& f) {
    for (const std::string& name : logs()) f(name, before_.at(name));
  }

  std::map<std::string, Bytes> before_;
  std::map<Found, size_t> outcomes_;
  size_t listed_ = 0;
  sim::SimDisk disk_;
  Hash128 whole_;
};

TEST_F(Damaged, NothingIsDamaged) {
  build(true);
  EXPECT_EQ(outcome(disk_with("", {}), "as it was"), Found::Whole);
}

TEST_F(Damaged, ALogCutAtEveryByte) {
  build(true);
  for_each_log([&](const std::string& name, const Bytes& whole) {
    for (size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      outcome(disk_with(name, cut), name + " cut at " + std::to_string(size));
      if (HasFailure()) return;
    }
  });
  EXPECT_GT(outcomes_[Found::Damaged], 1000U);
}

TEST_F(Damaged, ALogZeroFromEveryByte) {
  build(true);
  for_each_log([&](const std::string& name, const Bytes& whole) {
    for (size_t from = 0; from < whole.size(); ++from) {
      Bytes zeroed = whole;
      std::fill(zeroed.begin() + static_cast<ptrdiff_t>(from), zeroed.end(), Byte{0});
      outcome(disk_with(name, zeroed), name + " zero from " + std::to_string(from));
      if (HasFailure()) return;
    }
  });
  EXPECT_GT(outcomes_[Found::Damaged], 1000U);
}

TEST_F(Damaged, FlippedBitsAndSectors) {
  for (const bool quiet : {true, false}) {
    before_.clear();
    build(quiet);
    for_each_log([&](const std::string& name, const Bytes& whole) {
      for (size_t byte = 0; byte < whole.size(); byte += 3) {
        Bytes bad = whole;
        bad[byte] = static_cast<Byte>(bad[byte] ^ (1U << (byte % 8)));
        outcome(disk_with(name, bad), name + " flipped at " + std::to_string(byte), !quiet);
      }
      for (size_t at = 0; at < whole.size(); at += kSectorBytes) {
        const auto begin = static_cast<ptrdiff_t>(at);
        const auto end = static_cast<ptrdiff_t>(std::min(at + kSectorBytes, whole.size()));
        Bytes bad = whole;
        std::fill(bad.begin() + begin, bad.begin() + end, Byte{0});
        outcome(disk_with(name, bad), name + " sector zeroed at " + std::to_string(at), !quiet);
        bad = whole;
        std::fill(bad.begin() + begin, bad.begin() + end, Byte{0x5a});
        outcome(disk_with(name, bad), name + " sector lost at " + std::to_string(at), !quiet);
        // A sector of another place: a misdirected write.
        const size_t other = at == 0 ? kSectorBytes : 0;
        std::copy_n(whole.begin() + static_cast<ptrdiff_t>(other), static_cast<size_t>(end - begin),
                    bad.begin() + begin);
        outcome(disk_with(name, bad), name + " sector misdirected to " + std::to_string(at),
                !quiet);
      }
    });
  }
  EXPECT_GT(outcomes_[Found::Damaged], 500U);
  EXPECT_GT(listed_, 400U) << "of " << outcomes_[Found::Damaged];
}

// A flipped bit is never a torn write, so it is seen even where no frontier and no later record
// vouch.
TEST_F(Damaged, TheLastRecordBehindTheFrontierIsNotTakenForTorn) {
  build(false);
  const std::string name = logs().back();
  Bytes bad = before_.at(name);
  size_t end = bad.size();
  while (bad[end - 1] == 0) --end;
  for (size_t back = 1; back < 200; ++back) {
    Bytes flipped = bad;
    flipped[end - back] ^= 0x10;
    EXPECT_EQ(outcome(disk_with(name, flipped), "flipped " + std::to_string(back)), Found::Damaged);
  }
}

TEST_F(Damaged, AMissingFile) {
  build(true);
  for (const auto& [name, content] : before_) {
    const Found found = outcome(disk_with(name, {}), name + " removed");
    EXPECT_TRUE(name != kFrontierName || found == Found::Amnesia);
  }
  EXPECT_EQ(outcome(disk_with(logs().back(), {}), "newest log removed"), Found::Damaged);
}

TEST_F(Damaged, ALogThatCameBackFromThePast) {
  build(true);
  // An old copy of the newest file: its first record only.
  const std::string name = logs().back();
  Bytes old = before_.at(name);
  const size_t first_end = kLogHeaderBytes + kRecordHeadBytes + get_u32(&old[24]) + 1;
  std::fill(old.begin() + static_cast<ptrdiff_t>(first_end), old.end(), Byte{0});
  EXPECT_EQ(outcome(disk_with(name, old), "an old copy"), Found::Damaged);
}

TEST_F(Damaged, FrontierSlots) {
  build(true);
  const Bytes whole = before_.at(kFrontierName);
  for (size_t byte = 0; byte < whole.size(); byte += 5) {
    Bytes bad = whole;
    bad[byte] ^= 1;
    outcome(disk_with(kFrontierName, bad), "frontier flipped at " + std::to_string(byte));
  }
  EXPECT_EQ(outcome(disk_with(kFrontierName, Bytes(whole.size())), "zeroed"), Found::Amnesia);
  EXPECT_EQ(outcome(disk_with(kFrontierName, Bytes{}), "emptied"), Found::Amnesia);
  EXPECT_GT(outcomes_[Found::Whole], 100U) << "the other slot stands in";
}

// The promise survives the loss of any one of its copies.
TEST_F(Damaged, EpochFiles) {
  build(true);
  for (const char* name : {"acceptedEpoch", "currentEpoch"}) {
    for (const std::optional<Bytes>& content :
         {std::optional<Bytes>(), std::optional<Bytes>(Bytes{}), std::optional<Bytes>(Bytes{'x'}),
          std::optional<Bytes>(Bytes{'0'})}) {
      StorageHost host(disk_with(name, content));
      host.start();
      host.run();
      EXPECT_EQ(host.storage().recovered().found, Found::Whole) << name;
      EXPECT_EQ(host.storage().accepted_epoch(), 1U);
      EXPECT_EQ(host.storage().current_epoch(), 1U);
      EXPECT_EQ(host.disk().content(Dir::Snapshots, name, Image::Durable), Bytes{'1'})
          << "the mirror is mended";
    }
  }
}

TEST_F(Damaged, Snapshots) {
  build(true);
  std::string newest;
  for (const auto& [name, content] : before_) {
    if (name.starts_with("snapshot.")) newest = name;
  }
  ASSERT_EQ(newest, "snapshot.10000000f");
  const Bytes whole = before_.at(newest);
  for (size_t byte = 0; byte < whole.size(); byte += 7) {
    Bytes bad = whole;
    bad[byte] ^= 0x20;
    EXPECT_EQ(outcome(disk_with(newest, bad), "flipped at " + std::to_string(byte)), Found::Whole)
        << "the older snapshot and the log behind it are enough";
    bad.resize(byte);
    EXPECT_EQ(outcome(disk_with(newest, bad), "cut at " + std::to_string(byte)), Found::Whole);
  }
}

// What damaged a server does not keep it from being given the state anew.
TEST_F(Damaged, AnInstallHealsIt) {
  build(true);
  sim::SimDisk disk = disk_with(logs().back(), {});
  StorageHost host(disk);
  host.start();
  host.run();
  ASSERT_EQ(host.storage().recovered().found, Found::Damaged);
  DataTree state;
  for (uint32_t counter = 1; counter <= 40; ++counter) make_entry({1, counter}, 10, state);
  Bytes body;
  encode_snapshot_body(state, body);
  host.storage().begin_install(host.world(), {1, 40});
  host.storage().install_bytes(host.world(), body);
  host.storage().finish_install(host.world(), state, true);
  host.run();
  EXPECT_FALSE(host.storage().busy());
  EXPECT_EQ(host.storage().recovered().found, Found::Whole);
  host.tree() = state;
  host.append({1, 41});
  host.run();
  StorageHost next(host.disk());
  next.start();
  next.run();
  EXPECT_EQ(next.storage().recovered().found, Found::Whole) << next.storage().recovered().reason;
  EXPECT_EQ(next.storage().last_durable(), Zxid(1, 41));
}

TEST_F(Damaged, AnInstallThatFailsChangesNothing) {
  build(true);
  StorageHost host(disk_with("", {}));
  host.start();
  host.run();
  DataTree state;
  for (uint32_t counter = 1; counter <= 40; ++counter) make_entry({1, counter}, 10, state);
  Bytes body;
  encode_snapshot_body(state, body);
  host.storage().begin_install(host.world(), {1, 40});
  host.world().fail_sync_of("received.");
  host.storage().install_bytes(host.world(), body);
  host.storage().finish_install(host.world(), state, true);
  host.run();
  EXPECT_FALSE(host.storage().installing());
  EXPECT_EQ(host.storage().last_logged(), Zxid(1, kLast));
  host.append({1, kLast + 1});
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(1, kLast + 1));
}

TEST_F(Damaged, AFullDiskLosesNothing) {
  build(true);
  StorageHost host(disk_with("", {}));
  host.start();
  host.run();
  host.world().fill_disk(true);
  host.append_run(1, kLast + 1, kLast + 30, 60);
  host.end_turn();
  for (int i = 0; i < 200; ++i) host.step();
  EXPECT_LT(host.storage().last_durable(), Zxid(1, kLast + 30)) << "no room for a log file";
  EXPECT_FALSE(host.world().stopped());
  EXPECT_NE(host.storage().deadline(), Instant::never()) << "another try is due";
  host.world().fill_disk(false);
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(1, kLast + 30));
}

}  // namespace
}  // namespace vivarium::storage_test
