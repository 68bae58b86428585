// One host alone with its disk, for tests of what runs on it: drive it, look at the disk, and take
// every image that a crash at any moment of the run could leave; a fresh Solo then starts on such
// an image.
//
//   Solo<Log> solo(Log(config));
//   solo.record([](const Log& log) { return log.acknowledged(); });
//   solo.start();
//   solo.run_until([&] { return solo.handler().done(); });
//   solo.for_each_crash_image([&](const SimDisk& image, uint64_t acknowledged, const auto& how) {
//     Solo<Log> again(Log(config), image); ... });
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "sim/crash.h"
#include "sim/simulation.h"

namespace vivarium::sim {

// Handler: copyable, with step(const Event&, World&). Each life begins with a copy of `fresh`.
template <class Handler>
class Solo final : public Programs, public Observer {
 public:
  static constexpr HostId kHost{0};

  // A moment at which power may fail: after an operation on the disk, or a sync that was carried
  // out.
  struct CrashPoint {
    SimDisk disk;
    uint64_t operation = 0;  // file operations issued so far
    uint64_t mark = 0;       // what the handler has promised by then: see record()
  };

  explicit Solo(Handler fresh, SimDisk disk = SimDisk(), const SimOptions& options = SimOptions{})
      : sim_(options), fresh_(std::move(fresh)), handler_(fresh_) {
    HostOptions host;
    host.name = "s1";
    host.server = true;
    sim_.add_host(host);
    sim_.disk(kHost) = std::move(disk);
  }
  Solo(const Solo&) = delete;
  Solo& operator=(const Solo&) = delete;

  Simulation& sim() { return sim_; }
  Handler& handler() { return handler_; }
  SimDisk& disk() { return sim_.disk(kHost); }
  bool running() const { return sim_.running(kHost); }

  void start() { sim_.start(kHost); }
  void lose_power() { sim_.lose_power(kHost, *this); }
  void kill() { sim_.kill(kHost, *this); }
  void act(const std::function<void(Handler&, World&)>& action) {
    sim_.act(kHost, *this, [&](World& world) { action(handler_, world); });
  }
  template <class Done>
  bool run_until(Done&& done, Duration limit = milliseconds(60'000)) {
    return sim_.run_until(*this, sim_.now() + limit, std::forward<Done>(done));
  }
  void run_for(Duration d) { sim_.run_for(*this, d); }

  // Keeps a crash point at each change of the disk from now on.
  void record(std::function<uint64_t(const Handler&)> mark) {
    mark_ = std::move(mark);
    sim_.observe(this);
  }
  const std::vector<CrashPoint>& crash_points() const { return points_; }

  // visit(const SimDisk& image, uint64_t mark, const std::string& how) for the crash images of each
  // point; gives how many there were. An image that two points share is visited for both marks.
  template <class Visit>
  size_t for_each_crash_image(Visit&& visit,
                              CrashImages::Options options = CrashImages::Options{}) const {
    size_t count = 0;
    for (const CrashPoint& point : points_) {
      CrashImages images(point.disk, options);
      while (images.next()) {
        visit(images.image(), point.mark,
              fmt::format("after operation {}: {}", point.operation, images.describe()));
        ++count;
      }
    }
    return count;
  }

  void born(HostId, uint32_t) override { handler_ = fresh_; }
  void step(HostId, const Event& event, World& world) override { handler_.step(event, world); }
  void disk_changed(Simulation& sim, HostId host) override {
    points_.push_back({sim.disk(host), sim.file_operations(host), mark_(handler_)});
  }

 private:
  Simulation sim_;
  Handler fresh_;
  Handler handler_;
  std::function<uint64_t(const Handler&)> mark_;
  std::vector<CrashPoint> points_;
};

}  // namespace vivarium::sim
