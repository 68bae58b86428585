// The contract suite on the simulated World: what the simulator promises the core is what the real
// adapters promise.
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "sim/simulation.h"
#include "tests/contract/world_contract.h"

namespace vivarium::contract {
namespace {

class SimWorlds : public WorldUnderTest, public sim::Programs {
 public:
  explicit SimWorlds(const sim::SimOptions& options) : sim_(options) {}

  size_t add_host() override {
    sim::HostOptions options;
    options.name = fmt::format("s{}", handlers_.size() + 1);
    options.server = true;
    options.clock_drift_ppm = handlers_.size() % 2 == 0 ? 0 : 50;
    sim_.add_host(options);
    handlers_.emplace_back();
    return handlers_.size() - 1;
  }
  void start(size_t host, Handler handler) override {
    handlers_[host] = std::move(handler);
    sim_.start(id(host));
  }
  void kill(size_t host) override { sim_.kill(id(host), *this); }
  void ask_to_stop(size_t host) override { sim_.request_stop(id(host)); }
  void act(size_t host, const std::function<void(World&)>& action) override {
    sim_.act(id(host), *this, action);
  }
  bool run_until(const std::function<bool()>& done) override {
    return sim_.run_until(*this, sim_.now() + milliseconds(20'000), done);
  }
  Address address(size_t host, Door door) const override {
    const uint16_t port = door == Door::Client   ? sim::kClientPort
                          : door == Door::Quorum ? sim::kQuorumPort
                                                 : sim::kElectionPort;
    return {sim_.name(id(host)), port};
  }
  Address refusing_address() const override { return {"nobody", sim::kClientPort}; }
  std::optional<StopReason> ended(size_t host) const override { return sim_.ended(id(host)); }
  void fill_disk(size_t host) override { sim_.disk(id(host)).set_capacity(0); }
  void break_syncs(size_t host) override {
    sim_.files(id(host)).arm({sim::DiskOp::Sync, "", 0, FileError::Io, UINT32_MAX});
  }

  void born(sim::HostId, uint32_t) override {}
  void step(sim::HostId host, const Event& event, World& world) override {
    handlers_[host.value](event, world);
  }

 private:
  static sim::HostId id(size_t host) { return {static_cast<uint32_t>(host)}; }

  sim::Simulation sim_;
  std::vector<Handler> handlers_;
};

std::unique_ptr<WorldUnderTest> make_usual() {
  return std::make_unique<SimWorlds>(sim::SimOptions{});
}

// Every departure split, long turns, tiny windows, slow disk: the contract holds all the same.
std::unique_ptr<WorldUnderTest> make_hard() {
  sim::SimOptions options;
  options.seed = 7;
  options.net.split_per_1024 = 1024;
  options.net.window_bytes = 10'000;
  options.long_turns_per_1024 = 512;
  options.disk.sync = {microseconds(10), milliseconds(3), 512, milliseconds(20)};
  return std::make_unique<SimWorlds>(options);
}

INSTANTIATE_TEST_SUITE_P(Sim, WorldContract,
                         testing::Values(WorldFactory{"sim", make_usual},
                                         WorldFactory{"sim-hard", make_hard}));

}  // namespace
}  // namespace vivarium::contract
