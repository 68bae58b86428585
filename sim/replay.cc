#include "sim/replay.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include "sim/page/recorder.h"
#include "sim/page/writer.h"
#include "sim/trace.h"

namespace vivarium::sim {
namespace {

// Tells several observers, in their order.
class Observers : public Observer {
 public:
  void add(Observer* observer) { all_.push_back(observer); }
  void delivering(Simulation& sim, HostId host, const Event& event) override {
    for (Observer* o : all_) o->delivering(sim, host, event);
  }
  void delivered(Simulation& sim, HostId host, const Event& event) override {
    for (Observer* o : all_) o->delivered(sim, host, event);
  }
  void called(Simulation& sim, HostId host, const Call& call) override {
    for (Observer* o : all_) o->called(sim, host, call);
  }
  void crashed(Simulation& sim, HostId host) override {
    for (Observer* o : all_) o->crashed(sim, host);
  }
  void happened(Simulation& sim, HostId host, std::string_view what) override {
    for (Observer* o : all_) o->happened(sim, host, what);
  }

 private:
  std::vector<Observer*> all_;
};

bool write_page(const std::string& path, const PageModel& model) {
  const std::string page = page_html(model);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << page;
  file.close();
  if (!file) {
    fmt::print(stderr, "vivsim: {} could not be written\n", path);
    return false;
  }
  fmt::print("page: {} ({} bytes)\n", path, page.size());
  return true;
}

void print_head(const Cluster& cluster, const std::string& title) {
  fmt::print("{}: {} servers, {} clients, {} faults\n", title, cluster.profile().servers,
             cluster.profile().clients, cluster.faults().size());
  for (uint32_t i = 0; i < cluster.profile().servers; ++i) {
    if (cluster.profile().is_apache(i)) fmt::print("s{} is ZooKeeper's\n", i + 1);
  }
  for (const Fault& fault : cluster.faults()) fmt::print("{}\n", to_text(fault));
}

}  // namespace

int replay(Cluster& cluster, const ReplayOptions& options) {
  print_head(cluster, options.title);
  TraceWriter lines([](std::string_view line) { fmt::print("{}\n", line); });
  std::optional<PageRecorder> page;
  if (!options.html.empty()) page.emplace(cluster);
  Observers observers;
  if (options.trace) observers.add(&lines);
  if (page) observers.add(&*page);
  if (options.trace || page) cluster.also_observe(&observers);
  const Outcome o = cluster.run();
  cluster.also_observe(nullptr);
  fmt::print(
      "{} events, {} completed operations, {} leaderships, {} txns, {} crashes, hash {:016x}\n",
      o.events, o.completed, o.leaderships, o.txns, o.crashes, o.trace_hash);
  if (o.excused) fmt::print("ended by a flaw of ZooKeeper's: {}\n", *o.excused);
  if (options.ran) options.ran();
  bool written = true;
  if (page) written = write_page(options.html, page->finish(o, options.title, options.command));
  if (!o.violation) {
    fmt::print("1 passed, 0 failed\n");
    return written ? 0 : 1;
  }
  fmt::print("violated {} at {:.6f} s: {}\n", o.violation->checker,
             static_cast<double>(o.violation->at.ns) / 1e9, o.violation->text);
  fmt::print("0 passed, 1 failed\n");
  return 1;
}

}  // namespace vivarium::sim
