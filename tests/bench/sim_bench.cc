// What the simulator itself costs per event: servers that pass messages on and log each one before
// they do. Prints events per second, nanoseconds of CPU and allocations per event.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <new>
#include <vector>

#include "sim/simulation.h"

namespace {
uint64_t allocations = 0;
}  // namespace

void* operator new(size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace vivarium::sim {
namespace {

constexpr uint64_t kMessage = 200;
constexpr uint64_t kSegment = 16 << 10;

// Takes a message, appends it to the log, syncs, and then sends the next one back.
class Passer {
 public:
  explicit Passer(uint32_t index = 0) : index_(index) {}

  void step(const Event& event, World& world) {
    if (std::holds_alternative<Started>(event)) {
      log_ = world.open(Dir::Logs, "log.1", OpenMode::Create, Lane::Log, OnError::Stop);
      world.preallocate(log_, 0, kSegment);
      if (index_ != 0) {
        links_[0] = world.connect({"s1", kQuorumPort});
        world.give_credit(links_[0], UINT64_MAX);
      }
    } else if (const auto* accepted = std::get_if<LinkAccepted>(&event)) {
      world.give_credit(accepted->link, UINT64_MAX);
      links_[count_++] = accepted->link;
      world.send(accepted->link, ByteView(messages_).first(kMessage));
    } else if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
      pending_ += bytes->bytes.size();
      from_ = bytes->link;
    } else if (const auto* synced = std::get_if<FileSynced>(&event)) {
      world.send(from_, ByteView(messages_).first(synced->token * kMessage));
    } else if (std::holds_alternative<TurnEnded>(event) && pending_ >= kMessage) {
      // As a server does: one write and one sync for all of a turn.
      const uint64_t messages = std::min<uint64_t>(pending_ / kMessage, 16);
      pending_ -= messages * kMessage;
      if (end_ + messages * kMessage > kSegment) end_ = 0;
      world.write(log_, end_, ByteView(messages_).first(messages * kMessage));
      end_ += messages * kMessage;
      world.sync(log_, messages);
      world.set_timer(world.now() + milliseconds(100));
    }
  }

 private:
  uint32_t index_;
  FileId log_;
  LinkId links_[8];
  LinkId from_;
  uint32_t count_ = 0;
  uint64_t pending_ = 0;
  uint64_t end_ = 0;
  Bytes messages_ = Bytes(16 * kMessage, 7);
};

class Bench : public Programs {
 public:
  explicit Bench(uint32_t servers) : passers_(servers) {}
  void born(HostId host, uint32_t) override { passers_[host.value] = Passer(host.value); }
  void step(HostId host, const Event& event, World& world) override {
    passers_[host.value].step(event, world);
  }

 private:
  std::vector<Passer> passers_;
};

struct Cost {
  uint64_t events = 0;
  uint64_t allocations = 0;
  double ns = 0;
};

void add_servers(Simulation& sim, uint32_t servers) {
  for (uint32_t i = 0; i < servers; ++i) {
    HostOptions host;
    host.name = fmt::format("s{}", i + 1);
    host.server = true;
    sim.start(sim.add_host(host));
  }
}

template <class Work>
Cost measure(Work&& work) {
  const uint64_t allocations_before = allocations;
  const std::clock_t start = std::clock();
  Cost cost;
  cost.events = work();
  cost.ns = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC * 1e9;
  cost.allocations = allocations - allocations_before;
  return cost;
}

void print(std::string_view what, const Cost& cost) {
  const double events = static_cast<double>(cost.events);
  fmt::print("{}: {:.2f} M events/s, {:.0f} ns and {:.4f} allocations per event\n", what,
             events / cost.ns * 1e3, cost.ns / events,
             static_cast<double>(cost.allocations) / events);
}

void long_run(uint32_t servers, uint64_t events) {
  Simulation sim(SimOptions{});
  Bench bench(servers);
  add_servers(sim, servers);
  sim.run_for(bench, milliseconds(50));
  const Cost cost = measure([&] {
    const uint64_t before = sim.events();
    while (sim.events() - before < events) sim.step(bench);
    return sim.events() - before;
  });
  print(fmt::format("{} servers, one run", servers), cost);
}

void short_runs(uint32_t servers, uint64_t events) {
  constexpr uint64_t kEventsOfOne = 3000;
  const Cost cost = measure([&] {
    uint64_t done = 0;
    for (uint64_t seed = 1; done < events; ++seed) {
      SimOptions options;
      options.seed = seed;
      Simulation sim(options);
      Bench bench(servers);
      add_servers(sim, servers);
      while (sim.events() < kEventsOfOne) sim.step(bench);
      done += sim.events();
    }
    return done;
  });
  print(fmt::format("{} servers, runs of {} events with their building", servers, kEventsOfOne),
        cost);
}

void copies(uint32_t servers, uint64_t count) {
  Simulation sim(SimOptions{});
  Bench bench(servers);
  add_servers(sim, servers);
  sim.run_for(bench, milliseconds(50));
  uint64_t checked = 0;
  const Cost cost = measure([&] {
    for (uint64_t i = 0; i < count; ++i) {
      const Simulation copy = sim;
      checked += copy.events() == sim.events() ? 1U : 0U;
    }
    return checked;
  });
  fmt::print("{} servers: a copy takes {:.1f} us and {} allocations\n", servers,
             cost.ns / static_cast<double>(count) / 1e3, cost.allocations / count);
}

}  // namespace
}  // namespace vivarium::sim

int main(int argc, char** argv) {
  const uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 3'000'000;
  vivarium::sim::long_run(2, events);
  vivarium::sim::long_run(5, events);
  vivarium::sim::short_runs(3, events);
  vivarium::sim::short_runs(5, events);
  vivarium::sim::copies(3, 2000);
}
