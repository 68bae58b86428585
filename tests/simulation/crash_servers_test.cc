// Crash images of whole servers at work: in runs of the campaigns' workload, with every kind of
// txn, sessions, ACLs and snapshots, whatever a loss of power would leave of a server's disk at
// some moments is recovered, and read by Apache's rules: the same tree, nothing lost that was said
// to be durable. crash_images_test.cc goes through single mechanisms instead, image by image.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/cluster.h"
#include "sim/crash.h"
#include "tests/simulation/apache_start_conditions.h"
#include "tests/simulation/image_sample.h"
#include "tests/simulation/storage_host.h"

namespace vivarium::sim {
namespace {

using storage_test::apache_start;
using storage_test::ApacheStart;
using storage_test::ImageSample;
using storage_test::StorageHost;
using storage_test::text_of;

class PowerLosses final : public Observer {
 public:
  PowerLosses(Cluster& cluster, ImageSample& sample) : cluster_(cluster), sample_(sample) {}

  size_t images() const { return images_; }
  size_t taken_back() const { return taken_back_; }
  size_t refused() const { return refused_; }

  void delivered(Simulation& sim, HostId host, const Event& event) override {
    if (host.value >= cluster_.profile().servers || !std::holds_alternative<TurnEnded>(event))
      return;
    const Node* node = cluster_.node(host.value);
    if (node == nullptr || ::testing::Test::HasFailure()) return;
    if (node->storage().recovering() || ++turns_ % kEvery != 0) return;
    CrashImages::Options options;
    options.images_max = kImages;
    options.plans_max = 40;
    options.seed = turns_;
    CrashImages images(sim.disk(host), options);
    while (images.next() && !::testing::Test::HasFailure()) {
      SCOPED_TRACE(
          fmt::format("s{} at {} ns: {}", host.value + 1, sim.now().ns, images.describe()));
      look(*node, images);
    }
  }

 private:
  static constexpr size_t kEvery = 41;  // no multiple of the number of servers
  static constexpr size_t kImages = 4;

  void look(const Node& node, const CrashImages& images) {
    const Storage& storage = node.storage();
    const bool standalone = node.config().standalone();
    ++images_;
    Config config = node.config();
    config.purge_interval_ms = 0;  // it would never come to rest
    StorageHost next(images.image(), config);
    next.start();
    next.run();
    ASSERT_FALSE(next.world().stopped()) << *next.world().stopped();
    const Found found = next.storage().recovered().found;
    // Who is being filled and is no member yet has promised nothing, and stands aside again.
    const bool filling = found == Found::Blank || found == Found::Amnesia;
    ASSERT_TRUE(found == Found::Whole || (filling && !storage.member()))
        << to_string(found) << ": " << next.storage().recovered().reason;
    const Result<ApacheStart> apache = apache_start(images.image(), standalone);
    // Only this server finishes what takes back a part of the log.
    const bool agree = !storage.busy() && !storage.installing();
    if (sample_.wants(images.image(), standalone, agree)) {
      sample_.write(
          {images.image(), images.describe(), standalone, text_of(next.tree()), apache, agree});
    }
    if (!apache) {
      // A record of three sectors and more that lost one in between; so does Apache of its own.
      EXPECT_NE(apache.error().message.find("CRC check failed"), std::string::npos)
          << "Apache would not start: " << apache.error().message;
      EXPECT_FALSE(next.storage().recovered().reason.empty());
      ++refused_;
      return;
    }
    if (agree) {
      EXPECT_GE(next.storage().recovered().last, storage.last_durable());
      EXPECT_EQ(apache->last, next.tree().last_applied());
      EXPECT_TRUE(apache->tree.state_hash() == next.tree().state_hash())
          << "Apache: " << text_of(apache->tree) << "ours: " << text_of(next.tree());
    } else {
      ++taken_back_;
    }
    EXPECT_GE(apache->accepted, standalone ? 0 : storage.accepted_epoch());
    EXPECT_GE(apache->current, standalone ? 0 : storage.current_epoch());
  }

  Cluster& cluster_;
  ImageSample& sample_;
  size_t turns_ = 0;
  size_t images_ = 0;
  size_t taken_back_ = 0;
  size_t refused_ = 0;
};

// Power is lost by one server after another, now and then by the leader: logs are cut, and states
// are sent. Nothing is damaged.
std::vector<Fault> power_losses(const Profile& profile) {
  std::vector<Fault> faults;
  for (uint32_t i = 0; i < 12; ++i) {
    Fault fault;
    fault.id = i;
    fault.kind = i % 3 == 2 ? FaultKind::LeaderPowerLoss : FaultKind::PowerLoss;
    fault.target = i % profile.servers;
    fault.at = SimTime{milliseconds(300 + 300 * int64_t{i}).ns};
    fault.lasts = milliseconds(150);
    faults.push_back(fault);
  }
  return faults;
}

class CrashImagesOfServers : public ::testing::TestWithParam<uint64_t> {};

INSTANTIATE_TEST_SUITE_P(Seeds, CrashImagesOfServers, ::testing::Values(1, 4, 7, 10));

TEST_P(CrashImagesOfServers, AreReadAlikeByBoth) {
  ImageSample sample;
  size_t images = 0;
  size_t refused = 0;
  size_t taken_back = 0;
  for (uint64_t seed = GetParam(); seed < GetParam() + 3 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Profile profile = profile_of(seed, ProfileKind::Standard);
    profile.config.snapshot_coding = Coding::Plain;  // simulated disks do not compress
    Cluster cluster(seed, profile, power_losses(profile));
    PowerLosses losses(cluster, sample);
    cluster.also_observe(&losses);
    const Outcome outcome = cluster.run();
    EXPECT_FALSE(outcome.violation.has_value()) << outcome.violation->text;
    images += losses.images();
    refused += losses.refused();
    taken_back += losses.taken_back();
  }
  RecordProperty("images", static_cast<int>(images));
  RecordProperty("refused", static_cast<int>(refused));
  RecordProperty("taken_back", static_cast<int>(taken_back));
  EXPECT_GT(images, 250U);
  EXPECT_LT(refused, images / 20);
  EXPECT_GT(taken_back, 0U);
}

}  // namespace
}  // namespace vivarium::sim
