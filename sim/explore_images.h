// Every crash image of a run: at each write, preallocation, truncation, sync, creation, rename and
// removal of each server, everything that a loss of power could leave of its disk is started on a
// copy of the cluster, with the checkers on: nothing acknowledged is lost, nobody who was a voter
// stands aside, and what is recovered is a state of the history. Some of the copies go on until all
// have converged.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/cluster.h"
#include "sim/crash.h"
#include "sim/scenario.h"

namespace vivarium::sim {

struct ImageBounds {
  size_t images_max = 64;  // of one point
  size_t plans_max = 256;
  uint32_t finish_every = 32;  // one image of so many goes on to the end
};

struct ImageCounts {
  std::array<uint64_t, 18> operations{};  // by CallKind
  uint64_t points = 0;
  uint64_t complete = 0;  // points all of whose images were looked at
  uint64_t images = 0;    // different ones, of a server that has promised the same
  uint64_t finished = 0;
};

class ImageExplorer final : public Observer {
 public:
  // Observes the cluster until it goes.
  ImageExplorer(Cluster& cluster, const ImageBounds& bounds);
  ~ImageExplorer() override { cluster_.also_observe(nullptr); }
  ImageExplorer(const ImageExplorer&) = delete;
  ImageExplorer& operator=(const ImageExplorer&) = delete;

  const ImageCounts& counts() const { return counts_; }
  // The first violation, and by which image.
  const std::optional<Violation>& violation() const { return violation_; }
  const std::string& how() const { return how_; }

  // --- Observer
  void delivering(Simulation& sim, HostId host, const Event& event) override;
  void called(Simulation& sim, HostId host, const Call& call) override;
  void disk_changed(Simulation& sim, HostId host) override;
  void delivered(Simulation& sim, HostId host, const Event& event) override;

 private:
  struct Point {
    SimDisk disk;
    std::string after;
  };

  void look_at(HostId host, const Point& point);
  void recover(HostId host, const CrashImages& image, const std::string& after);
  std::optional<Violation> violation_after(Cluster cluster, HostId host, const SimDisk& image);
  uint64_t promises_of(HostId host) const;

  Cluster& cluster_;
  ImageBounds bounds_;
  ImageCounts counts_;
  bool in_step_ = false;
  std::string last_call_;
  std::vector<Point> points_;  // of the step under way
  std::set<std::pair<uint64_t, uint64_t>> seen_;
  std::optional<Violation> violation_;
  std::string how_;
};

// The run that vivsim takes: three servers from nothing, tiny files, writes and snapshots, one who
// falls behind, logs of two epochs that nobody has committed, and all together again.
Profile profile_of_images();
void run_of_images(Scenario& scenario);

}  // namespace vivarium::sim
