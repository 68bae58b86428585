// PageRecorder: an observer that gathers a run for the HTML page. It asks nothing of where the run
// comes from: any Cluster that tells it (Cluster::also_observe) will do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cluster.h"
#include "sim/observer.h"
#include "sim/page/disks.h"
#include "sim/page/links.h"
#include "sim/page/model.h"

namespace vivarium::sim {

class PageRecorder : public Observer {
 public:
  // Borrows the cluster, which has not run yet.
  explicit PageRecorder(const Cluster& cluster);

  // When the run is over: adds what clients did and heard, sorts, and finds what proves the
  // violation. `title` names the run, `command` shows it again.
  PageModel finish(const Outcome& outcome, std::string title, std::string command);

  void delivering(Simulation& sim, HostId host, const Event& event) override;
  void delivered(Simulation& sim, HostId host, const Event& event) override;
  void called(Simulation& sim, HostId host, const Call& call) override;
  void crashed(Simulation& sim, HostId host) override;
  void happened(Simulation& sim, HostId host, std::string_view what) override;

 private:
  bool is_server(HostId host) const { return host.value < cluster_.profile().servers; }
  PageEvent& add(PageKind kind, Lane lane, std::string label);
  void note_violation();
  void link_ended(HostId host, LinkId link, bool closed);
  SimTime cut_off_after(HostId host, SimTime at) const;
  void fault_noted(std::string_view what);
  void set_band(ServerIndex server);
  void note_changes(ServerIndex server, const NodeFacts& before, const NodeFacts& after);
  void note_epochs(ServerIndex server, const NodeFacts& before, const NodeFacts& after);
  void add_operations();
  void add_heard();
  void sort_events();

  const Cluster& cluster_;
  const Simulation* sim_ = nullptr;
  PageModel model_;
  PageLinks links_;
  PageDisks disks_;
  std::vector<NodeFacts> facts_;
  std::vector<Band> bands_;  // the present one of each server
  std::vector<bool> paused_;
  std::vector<std::vector<SimTime>> cut_off_;  // by host: when a link of its ended
  size_t violating_ = kNoEvent;                // the last event before the violation was seen
};

}  // namespace vivarium::sim
