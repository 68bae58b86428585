// Every crash image of short runs (RULES 8): at each point of a run, everything that power loss
// could leave of the disk is recovered. It needs no operator, holds all that was said to be durable
// and nothing that was never written, keeps the epochs, and Apache would start on it too.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/storage/snapshot.h"
#include "sim/crash.h"
#include "tests/simulation/apache_start_conditions.h"
#include "tests/simulation/image_sample.h"
#include "tests/simulation/storage_host.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;

// What the storage has told its node, and so must be found again.
struct Told {
  Zxid durable;
  Epoch accepted = 0;
  Epoch current = 0;
  bool member = false;
  auto operator<=>(const Told&) const = default;
};

class CrashProbe {
 public:
  CrashProbe(StorageHost& host, Config config) : host_(host), config_(std::move(config)) {
    host_.on_each_step([this] { probe(); });
    know(DataTree());
  }
  ~CrashProbe() {
    host_.on_each_step({});
    ::testing::Test::RecordProperty("images", static_cast<int>(images_));
    EXPECT_GT(images_, 0U) << "no image was looked at";
  }
  CrashProbe(const CrashProbe&) = delete;
  CrashProbe& operator=(const CrashProbe&) = delete;

  // States that a recovery may end with: zxid and hash.
  void know(const DataTree& tree) { states_.insert({tree.last_applied(), hash_of(tree)}); }
  // The prefix of history that is certain, when a truncation or an install may take back what was
  // durable.
  void replacing(std::optional<Zxid> certain) { certain_ = certain; }
  // currentEpoch `epoch` says that everything up to `zxid` is there (hazards S12).
  void epoch_needs(Epoch epoch, Zxid zxid) { needs_[epoch] = zxid; }
  // Also crash while recovering, in every n-th image.
  void crash_recoveries(size_t every) { again_every_ = every; }
  void without_apache() { apache_ = false; }
  // A truncation is over: these states are gone for good.
  void forget_beyond(Zxid zxid) {
    std::erase_if(states_, [zxid](const auto& state) { return state.first > zxid; });
    seen_.clear();
  }

  void probe() {
    if (::testing::Test::HasFailure()) return;  // one image explained is enough
    const Told told = this->told();
    sim::CrashImages::Options options;
    options.images_max = 400;
    options.plans_max = 2000;
    sim::CrashImages images(host_.disk(), options);
    while (images.next()) {
      const uint64_t hash = images.image().hash(Image::Durable);
      if (!seen_.insert({hash, told}).second) continue;
      ++images_;
      SCOPED_TRACE(images.describe());
      check(images.image(), told, 1);
      sample(images);
      if (::testing::Test::HasFailure()) return;
    }
  }

 private:
  static std::pair<uint64_t, uint64_t> hash_of(const DataTree& tree) {
    return {tree.state_hash().high, tree.state_hash().low};
  }

  Told told() {
    const Storage& s = host_.storage();
    Told told;
    if (s.recovering()) return told_before_;
    told.durable = certain_.value_or(s.last_durable());
    told.accepted = s.accepted_epoch();
    told.current = s.current_epoch();
    told.member = s.member();
    told_before_ = told;
    return told;
  }

  // For a ZooKeeper to load.
  void sample(const sim::CrashImages& images) {
    const bool must_agree = !certain_;
    if (!sample_.wants(images.image(), config_.standalone(), must_agree)) return;
    const Result<ApacheStart> apache = apache_start(images.image(), config_.standalone());
    StorageHost ours(images.image(), config_);
    ours.start();
    ours.run();
    sample_.write({images.image(), images.describe(), config_.standalone(), text_of(ours.tree()),
                   apache, must_agree});
  }

  // What Apache would start with; nullopt: it is not asked, or would not start.
  std::optional<ApacheStart> check_apache(const sim::SimDisk& disk, const Told& told) {
    if (!apache_) return std::nullopt;
    Result<ApacheStart> apache = apache_start(disk, config_.standalone());
    EXPECT_TRUE(apache.has_value()) << "Apache would not start: " << apache.error().message;
    if (!apache) return std::nullopt;
    EXPECT_GE(apache->last, told.durable) << "Apache would lose txns";
    EXPECT_GE(apache->accepted, told.accepted);
    EXPECT_GE(apache->current, told.current);
    return std::move(*apache);
  }

  // While nothing is being taken back, both go on from the same state.
  void check_same_tree(const std::optional<ApacheStart>& apache, const DataTree& ours) {
    if (!apache || certain_) return;
    EXPECT_EQ(apache->last, ours.last_applied());
    EXPECT_TRUE(apache->tree.state_hash() == ours.state_hash())
        << "Apache: " << text_of(apache->tree) << "ours: " << text_of(ours);
  }

  void check(const sim::SimDisk& image, const Told& told, int depth) {
    const std::optional<ApacheStart> apache = check_apache(image, told);
    StorageHost next(image, config_, images_);
    next.start();
    size_t point = 0;
    if (depth > 0 && again_every_ != 0 && images_ % again_every_ == 0) {
      next.on_each_step([&] {
        // A few images of every point of the recovery.
        sim::CrashImages::Options options;
        options.images_max = 6;
        options.seed = ++point;
        sim::CrashImages images(next.disk(), options);
        while (images.next() && !::testing::Test::HasFailure()) {
          SCOPED_TRACE("crashed again while recovering: " + images.describe());
          check(images.image(), told, depth - 1);
        }
      });
    }
    next.run();
    next.on_each_step({});
    if (::testing::Test::HasFailure()) return;
    check_same_tree(apache, next.tree());
    check_recovered(next, told);
  }

  void check_recovered(StorageHost& next, const Told& told) {
    const Storage& s = next.storage();
    ASSERT_FALSE(next.world().stopped()) << *next.world().stopped();
    const Found found = s.recovered().found;
    const bool fine =
        found == Found::Whole || (found == Found::Blank && !told.member && told.durable == Zxid{});
    ASSERT_TRUE(fine) << to_string(found) << ": " << s.recovered().reason;
    EXPECT_GE(s.recovered().last, told.durable) << "lost what was said to be durable";
    EXPECT_EQ(s.last_durable(), s.recovered().last);
    EXPECT_TRUE(states_.contains({next.tree().last_applied(), hash_of(next.tree())}))
        << "no state of this history: " << std::hex << next.tree().last_applied().value;
    EXPECT_GE(s.accepted_epoch(), told.accepted);
    EXPECT_GE(s.current_epoch(), told.current);
    EXPECT_LE(s.current_epoch(), s.accepted_epoch());
    for (const auto& [epoch, zxid] : needs_) {
      if (s.current_epoch() >= epoch) {
        EXPECT_GE(s.recovered().last, zxid) << "currentEpoch " << epoch << " before its history";
      }
    }
    EXPECT_TRUE(s.member() || !told.member);
    (void)check_apache(next.disk(), told);
    if (found != Found::Whole) return;
    // The next life's appends rest on what was found.
    const Zxid following = s.last_logged().next();
    if (following.counter() == 0 || following.epoch() > s.accepted_epoch()) return;
    next.append(following);
    next.end_turn();
    next.run();
    EXPECT_EQ(s.last_durable(), following);
    StorageHost third(next.disk(), config_);
    third.start();
    third.run();
    EXPECT_EQ(third.storage().recovered().found, Found::Whole)
        << third.storage().recovered().reason;
    EXPECT_EQ(third.storage().last_durable(), following);
  }

  StorageHost& host_;
  Config config_;
  std::set<std::pair<Zxid, std::pair<uint64_t, uint64_t>>> states_;
  std::optional<Zxid> certain_;
  std::map<Epoch, Zxid> needs_;
  Told told_before_;
  std::set<std::pair<uint64_t, Told>> seen_;
  size_t images_ = 0;
  size_t again_every_ = 0;
  bool apache_ = true;
  ImageSample sample_;
};

// Every prefix of the history that was appended, as states to know.
void know_history(CrashProbe& probe, StorageHost& host) {
  DataTree tree = host.tree();
  Effects effects;
  const History& history = host.storage().history();
  for (size_t i = history.upper_bound(tree.last_applied()); i < history.size(); ++i) {
    effects.clear();
    tree.apply(*decode_txn(*history[i].entry), effects);
    probe.know(tree);
  }
}

// All states of a history of create txns from nothing.
void know_all_states(CrashProbe& probe, Epoch epoch, uint32_t to, size_t data_bytes) {
  DataTree tree;
  for (uint32_t counter = 1; counter <= to; ++counter) {
    make_entry({epoch, counter}, data_bytes, tree);
    probe.know(tree);
  }
}

int64_t count_names(StorageHost& host, Dir dir, std::string_view prefix) {
  const auto names = host.disk().list(dir, Image::Cached);
  return std::count_if(names.begin(), names.end(),
                       [&](const DirEntry& e) { return e.name.starts_with(prefix); });
}

// A member whose epochs are `epoch`.
void founded(StorageHost& host, Epoch epoch) {
  host.found();
  host.storage().save_accepted_epoch(host.world(), epoch);
  host.storage().save_current_epoch(host.world(), epoch);
  host.run();
  ASSERT_EQ(host.storage().current_epoch(), epoch);
}

class CrashImagesOfStorage : public ::testing::TestWithParam<bool> {
 protected:
  static sim::SimDisk disk() { return sim::SimDisk(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Directories, CrashImagesOfStorage, ::testing::Bool(),
                         [](const auto& suite) { return suite.param ? "Apart" : "One"; });

TEST_P(CrashImagesOfStorage, Founding) {
  StorageHost host(disk());
  CrashProbe probe(host, StorageHost::small_config());
  probe.crash_recoveries(3);
  host.found();
  host.run();
}

TEST_P(CrashImagesOfStorage, EpochsAndAppends) {
  StorageHost host(disk());
  host.found();
  CrashProbe probe(host, StorageHost::small_config());
  probe.crash_recoveries(7);
  for (Epoch epoch = 1; epoch <= 2; ++epoch) {
    host.storage().save_accepted_epoch(host.world(), epoch);
    host.run_until([&] { return host.storage().accepted_epoch() == epoch; });
    host.storage().save_current_epoch(host.world(), epoch);
    host.run_until([&] { return host.storage().current_epoch() == epoch; });
    for (uint32_t batch = 0; batch < 3; ++batch) {
      host.append_run(epoch, 1 + 3 * batch, 3 + 3 * batch);
      know_history(probe, host);
      host.end_turn();
      host.step();  // so that batches overlap
    }
    host.run();
    host.apply();
  }
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(2, 9));
}

// A history of a later epoch than currentEpoch arrives, as in synchronisation with a leader.
TEST_P(CrashImagesOfStorage, HistoryBeforeEpoch) {
  StorageHost host(disk());
  host.found();
  CrashProbe probe(host, StorageHost::small_config());
  probe.crash_recoveries(7);
  host.storage().save_accepted_epoch(host.world(), 5);
  host.run_until([&] { return host.storage().accepted_epoch() == 5; });
  host.append_run(2, 1, 4);
  host.append_run(3, 1, 2);
  know_history(probe, host);
  probe.epoch_needs(5, {3, 2});
  host.storage().save_current_epoch(host.world(), 5);
  host.run_until([&] { return host.storage().current_epoch() == 5; });
  EXPECT_EQ(host.storage().last_durable(), Zxid(3, 2));
  host.apply();
  host.append_run(5, 1, 2);
  know_history(probe, host);
  host.run();
  host.run_until([&] { return host.storage().last_durable() == Zxid(5, 2); });
}

TEST_P(CrashImagesOfStorage, Rolling) {
  StorageHost host(disk());
  founded(host, 1);
  CrashProbe probe(host, StorageHost::small_config());
  probe.crash_recoveries(11);
  for (uint32_t i = 0; i < 8; ++i) {
    host.append_run(1, 1 + 3 * i, 3 + 3 * i, 40);
    know_history(probe, host);
    host.end_turn();
    host.step();
  }
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(1, 24));
  EXPECT_GE(count_names(host, Dir::Logs, "log."), 3) << "nothing was rolled";
}

// Records of several sectors: those between may be lost while the first and the last are there.
// Apache takes such a record of its own for damage and does not start, so it is not asked here.
TEST_P(CrashImagesOfStorage, RecordsOfManySectors) {
  StorageHost host(disk());
  founded(host, 1);
  CrashProbe probe(host, StorageHost::small_config());
  probe.without_apache();
  for (uint32_t i = 1; i <= 4; ++i) {
    host.append({1, i}, i == 3 ? 3000 : 1100);
    know_history(probe, host);
    host.end_turn();
    host.step();
  }
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(1, 4));
}

TEST_P(CrashImagesOfStorage, Truncation) {
  for (const uint32_t keep : {3U, 9U, 14U}) {
    SCOPED_TRACE(keep);
    StorageHost host(disk());
    founded(host, 1);
    host.append_run(1, 1, 15, 40);
    CrashProbe probe(host, StorageHost::small_config());
    probe.crash_recoveries(5);
    know_history(probe, host);
    host.run();
    probe.replacing(Zxid(1, keep));
    host.storage().truncate(host.world(), {1, keep}, host.tree());
    EXPECT_TRUE(host.storage().busy());
    host.run_until([&] { return !host.storage().busy(); });
    EXPECT_FALSE(host.storage().truncate_failed());
    EXPECT_EQ(host.storage().last_logged(), Zxid(1, keep));
    EXPECT_EQ(host.tree().last_applied(), Zxid(1, keep));
    EXPECT_EQ(host.storage().history().last(), Zxid(1, keep));
    // What comes in its place is a different history.
    probe.replacing({});
    probe.forget_beyond(Zxid(1, keep));
    host.storage().save_accepted_epoch(host.world(), 2);
    host.run_until([&] { return host.storage().accepted_epoch() == 2; });
    host.append_run(2, 1, 3, 40);
    know_history(probe, host);
    host.run();
    EXPECT_EQ(host.storage().last_durable(), Zxid(2, 3));
  }
}

TEST_P(CrashImagesOfStorage, SnapshotAndPurge) {
  Config config = StorageHost::small_config();
  config.snapshot_every_txns = 4;
  StorageHost host(disk(), config);
  founded(host, 1);
  CrashProbe probe(host, config);
  probe.crash_recoveries(13);
  for (uint32_t i = 0; i < 5; ++i) {
    host.append_run(1, 1 + 12 * i, 12 + 12 * i, 40);  // more than one log file
    know_history(probe, host);
    host.run();
    host.apply();
    host.storage().maybe_snapshot(host.world(), host.tree());
    host.run();
  }
  EXPECT_EQ(count_names(host, Dir::Snapshots, "snapshot."), 2) << "snapshots are kept";
  EXPECT_FALSE(host.disk().content(Dir::Logs, "log.100000001", Image::Cached)) << "not purged";
  // The older of the two kept is as good, with the log behind it (hazards R7).
  sim::SimDisk disk = host.disk();
  ASSERT_TRUE(disk.flip_bit(Dir::Snapshots, "snapshot.10000003c", 999));
  StorageHost next(disk, config);
  next.start();
  next.run();
  EXPECT_EQ(next.storage().recovered().found, Found::Whole) << next.storage().recovered().reason;
  EXPECT_EQ(next.storage().last_durable(), Zxid(1, 60));
  EXPECT_EQ(next.tree().state_hash(), host.tree().state_hash());
}

// A truncation that takes a snapshot with it.
TEST_P(CrashImagesOfStorage, TruncationBelowASnapshot) {
  Config config = StorageHost::small_config();
  config.snapshot_every_txns = 2;
  StorageHost host(disk(), config);
  founded(host, 1);
  for (uint32_t i = 1; i <= 3; ++i) {
    host.append_run(1, 4 * i - 3, 4 * i, 40);
    host.run();
    host.apply();
    if (i != 2) host.storage().maybe_snapshot(host.world(), host.tree());
    host.run();
  }
  ASSERT_TRUE(host.disk().content(Dir::Snapshots, "snapshot.10000000c", Image::Durable));
  CrashProbe probe(host, config);
  probe.crash_recoveries(5);
  know_all_states(probe, 1, 12, 40);
  probe.replacing(Zxid(1, 6));
  host.storage().truncate(host.world(), {1, 6}, host.tree());
  host.run_until([&] { return !host.storage().busy(); });
  EXPECT_EQ(host.storage().last_logged(), Zxid(1, 6));
  EXPECT_FALSE(host.disk().content(Dir::Snapshots, "snapshot.10000000c", Image::Cached));
}

TEST_P(CrashImagesOfStorage, TruncationThatCannotBeReached) {
  StorageHost host(disk());
  founded(host, 1);
  host.append_run(1, 1, 4);
  host.run();
  host.apply();
  CrashProbe probe(host, StorageHost::small_config());
  know_all_states(probe, 1, 4, 10);
  host.storage().truncate(host.world(), {0, 7}, host.tree());
  host.run_until([&] { return !host.storage().busy(); });
  EXPECT_TRUE(host.storage().truncate_failed());
  EXPECT_EQ(host.storage().last_logged(), Zxid(1, 4)) << "nothing has changed";
  EXPECT_EQ(host.tree().last_applied(), Zxid(1, 4));
  EXPECT_EQ(host.storage().history().last(), Zxid(1, 4));
  host.append({1, 5});
  know_history(probe, host);
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(1, 5));
}

// The state of another server, at a zxid of a later epoch; larger than one record.
DataTree foreign_state(Zxid zxid) {
  DataTree tree;
  for (uint32_t counter = 1; counter <= 20; ++counter) make_entry({3, counter}, 60, tree);
  tree.set_last_applied(zxid);
  return tree;
}

void install(StorageHost& host, const DataTree& state) {
  Bytes body;
  encode_snapshot_body(state, body);
  host.storage().begin_install(host.world(), state.last_applied());
  const size_t half = body.size() / 2;
  host.storage().install_bytes(host.world(), ByteView(body).first(half));
  host.end_turn();
  host.step();
  host.storage().install_bytes(host.world(), ByteView(body).subspan(half));
  host.storage().finish_install(host.world(), state, true);
}

TEST_P(CrashImagesOfStorage, InstallOverAStaleTail) {
  StorageHost host(disk());
  founded(host, 4);
  host.append_run(4, 1, 12, 40);  // beyond the zxid that is installed
  host.run();
  CrashProbe probe(host, StorageHost::small_config());
  probe.crash_recoveries(5);
  know_history(probe, host);
  const DataTree state = foreign_state({3, 20});
  probe.know(state);
  probe.replacing(Zxid(3, 20));
  install(host, state);
  EXPECT_TRUE(host.storage().installing());
  host.run_until([&] { return !host.storage().busy(); });
  EXPECT_FALSE(host.storage().installing());
  EXPECT_EQ(host.storage().last_logged(), Zxid(3, 20));
  EXPECT_EQ(host.storage().history().base(), Zxid(3, 20));
  probe.replacing({});
  probe.forget_beyond(Zxid(3, 20));
  host.tree() = state;
  host.append_run(5, 1, 3);
  know_history(probe, host);
  host.storage().save_accepted_epoch(host.world(), 5);
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(5, 3));
}

TEST_P(CrashImagesOfStorage, InstallIntoABlankDirectory) {
  StorageHost host(disk());
  host.start();
  host.run();
  CrashProbe probe(host, StorageHost::small_config());
  probe.crash_recoveries(5);
  const DataTree state = foreign_state({3, 20});
  probe.know(state);
  probe.replacing(Zxid{});  // only we finish what was begun
  install(host, state);
  host.run_until([&] { return !host.storage().busy(); });
  probe.replacing({});
  EXPECT_EQ(host.storage().last_durable(), Zxid(3, 20));
  EXPECT_FALSE(host.storage().member());
  host.tree() = state;
  host.append_run(3, 21, 23);
  know_history(probe, host);
  host.run();
  host.storage().found_new(host.world());
  host.run();
  EXPECT_TRUE(host.storage().member());
}

TEST_P(CrashImagesOfStorage, AbortedInstall) {
  StorageHost host(disk());
  founded(host, 1);
  host.append_run(1, 1, 3);
  host.run();
  CrashProbe probe(host, StorageHost::small_config());
  know_history(probe, host);
  Bytes body;
  encode_snapshot_body(foreign_state({3, 20}), body);
  host.storage().begin_install(host.world(), {3, 20});
  host.storage().install_bytes(host.world(), body);
  host.run();
  host.storage().abort_install(host.world());
  EXPECT_FALSE(host.storage().installing());
  host.append({1, 4});
  know_history(probe, host);
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(1, 4));
}

TEST_P(CrashImagesOfStorage, Standalone) {
  const Config config = StorageHost::standalone_config();
  StorageHost host(disk(), config);
  CrashProbe probe(host, config);
  probe.crash_recoveries(5);
  host.found();
  for (uint32_t i = 0; i < 4; ++i) {
    host.append_run(0, 1 + 3 * i, 3 + 3 * i, 40);
    know_history(probe, host);
    host.end_turn();
    host.step();
  }
  host.run();
  EXPECT_EQ(host.storage().last_durable(), Zxid(12));
}

}  // namespace
}  // namespace vivarium::storage_test
