// SimStranger: what nobody should send reaches every door, and no server minds.
#include "sim/sim_stranger.h"

#include <gtest/gtest.h>

#include <map>

#include "sim/cluster.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

// Bytes that the stranger has sent, by door.
class Overhearing final : public Observer {
 public:
  explicit Overhearing(HostId stranger) : stranger_(stranger) {}
  void delivering(Simulation&, HostId, const Event&) override {}
  void delivered(Simulation&, HostId, const Event&) override {}
  void crashed(Simulation&, HostId) override {}
  void happened(Simulation&, HostId, std::string_view) override {}
  void called(Simulation& sim, HostId host, const Call& call) override {
    if (host != stranger_ || call.kind != CallKind::Send) return;
    if (const auto link = sim.network().info(host, call.link)) {
      sent_[link->port] += call.bytes.size();
    }
  }
  uint64_t sent(uint16_t door) { return sent_[door]; }

 private:
  HostId stranger_;
  std::map<uint16_t, uint64_t> sent_;
};

TEST(Stranger, SpeaksAtEveryDoorAndNobodyMinds) {
  std::map<uint16_t, uint64_t> sent;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Profile profile = profile_of(seed, ProfileKind::Standard);
    profile.has_stranger = true;
    profile.quiet_end = profile.config.counter_max == UINT32_MAX;
    // Without what ends a leadership by itself.
    if (profile.reconfig || profile.slow_disks != 0 || !profile.quiet_end) continue;
    Cluster cluster(seed, profile, {});
    const uint32_t behind = profile.has_operator ? 1 : 0;
    Overhearing overhearing(HostId{profile.servers + profile.clients + behind});
    cluster.also_observe(&overhearing);
    const Outcome outcome = cluster.run();
    EXPECT_FALSE(outcome.violation) << seed;
    Profile alone = profile;
    alone.has_stranger = false;
    EXPECT_EQ(outcome.leaderships, Cluster(seed, alone, {}).run().leaderships) << seed;
    for (const uint16_t door : {kClientPort, kQuorumPort, kElectionPort, kAdminPort}) {
      sent[door] += overhearing.sent(door);
    }
  }
  for (const auto& [door, bytes] : sent) EXPECT_GT(bytes, 2000U) << door;
}

}  // namespace
}  // namespace vivarium::sim
