#include "sim/explore_images.h"

#include <fmt/format.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "sim/explore_phases.h"

namespace vivarium::sim {
namespace {

constexpr Duration kRecoversWithin = milliseconds(2000);

// A server that would need an operator.
std::optional<Violation> not_up(const Cluster& cluster, HostId host) {
  const Simulation& sim = cluster.sim();
  const bool recovered = sim.running(host) && cluster.facts(host.value).role != ZabRole::Recovering;
  if (recovered) return std::nullopt;
  const std::string& reason = sim.death_reason(host);
  return Violation{std::string(name_of(Checker::Recover)),
                   fmt::format("{} does not come up after a loss of power{}{}", sim.name(host),
                               reason.empty() ? "" : ": ", reason),
                   sim.now()};
}

}  // namespace

ImageExplorer::ImageExplorer(Cluster& cluster, const ImageBounds& bounds)
    : cluster_(cluster), bounds_(bounds) {
  cluster.also_observe(this);
}

void ImageExplorer::delivering(Simulation&, HostId host, const Event&) {
  in_step_ = host.value < cluster_.profile().servers;
  points_.clear();
}

void ImageExplorer::called(Simulation&, HostId host, const Call& call) {
  if (!in_step_) return;
  const std::string_view name =
      call.name.empty() ? cluster_.sim().files(host).name_of(call.file) : call.name;
  last_call_ = fmt::format("{} {}", name_of(call.kind), name);
  switch (call.kind) {
    case CallKind::Open:
    case CallKind::Write:
    case CallKind::Preallocate:
    case CallKind::Truncate:
    case CallKind::Sync:
    case CallKind::Rename:
    case CallKind::Remove:
    case CallKind::SyncDir:
      ++counts_.operations[static_cast<size_t>(call.kind)];
      break;
    case CallKind::SetTimer:
    case CallKind::Connect:
    case CallKind::Send:
    case CallKind::CloseLink:
    case CallKind::Read:
    case CallKind::CloseFile:
    case CallKind::List:
    case CallKind::Log:
    case CallKind::Audit:
    case CallKind::Stop:
      break;
  }
}

// What a sync that was carried out leaves is looked at behind the step that hears of it: before
// that nobody has said anything that rests on it.
void ImageExplorer::disk_changed(Simulation& sim, HostId host) {
  if (!in_step_ || violation_) return;
  points_.push_back({sim.disk(host), last_call_});
}

void ImageExplorer::delivered(Simulation& sim, HostId host, const Event& event) {
  if (!in_step_ || violation_) return;
  in_step_ = false;
  const bool synced =
      std::holds_alternative<FileSynced>(event) || std::holds_alternative<DirSynced>(event);
  if (synced) points_.push_back({sim.disk(host), "a sync was done"});
  for (const Point& point : points_) look_at(host, point);
}

// Two servers that have promised the same and have the same on disk have the same to recover.
uint64_t ImageExplorer::promises_of(HostId host) const {
  const NodeFacts f = cluster_.facts_of(host.value);
  uint64_t h = hash_combine(f.last_durable.value, f.claimed.value);
  h = hash_combine(h, uint64_t{f.accepted_epoch} << 32 | f.current_epoch);
  return hash_combine(h, static_cast<uint64_t>(f.standing) << 8 | uint64_t{f.busy});
}

void ImageExplorer::look_at(HostId host, const Point& point) {
  CrashImages::Options options;
  options.images_max = bounds_.images_max;
  options.plans_max = bounds_.plans_max;
  options.seed = ++counts_.points;
  CrashImages images(point.disk, options);
  if (images.complete()) ++counts_.complete;
  const uint64_t promises = hash_combine(promises_of(host), host.value);
  while (!violation_ && images.next()) {
    const uint64_t hash = images.image().hash(SimDisk::Image::Durable);
    if (seen_.insert({hash, promises}).second) recover(host, images, point.after);
  }
}

void ImageExplorer::recover(HostId host, const CrashImages& image, const std::string& after) {
  ++counts_.images;
  violation_ = violation_after(cluster_, host, image.image());
  if (!violation_) return;
  how_ = fmt::format("{} at {} ns after {}: {}", cluster_.sim().name(host), cluster_.sim().now().ns,
                     after, image.describe());
}

std::optional<Violation> ImageExplorer::violation_after(Cluster cluster, HostId host,
                                                        const SimDisk& image) {
  Simulation& sim = cluster.sim();
  cluster.also_observe(nullptr);
  sim.observe(&cluster);
  sim.disk(host) = image;
  sim.lose_power(host, cluster);
  if (sim.state(host) == HostState::Off) sim.start(host);
  const auto settled = [&] {
    return cluster.verdict().violation() || sim.ended(host) ||
           (sim.running(host) && cluster.facts(host.value).role != ZabRole::Recovering);
  };
  sim.run_until(cluster, sim.now() + kRecoversWithin, settled);
  if (cluster.verdict().violation()) return cluster.verdict().violation();
  if (const std::optional<Violation> down = not_up(cluster, host)) return down;
  if (counts_.images % bounds_.finish_every != 0) return std::nullopt;
  ++counts_.finished;
  for (ServerIndex i = 0; i < cluster.profile().servers; ++i) {
    for (ServerIndex j = 0; j < i; ++j) sim.set_paths(HostId{i}, HostId{j}, Path::Open);
  }
  return cluster.finish().violation;
}

Profile profile_of_images() {
  Profile profile = small_profile();
  profile.config.snapshot_every_txns = 4;
  profile.config.snapshots_kept = 1;
  profile.config.log_prealloc_bytes = 2048;
  return profile;
}

void run_of_images(Scenario& scenario) {
  CHECK(scenario.until([&] { return scenario.serving(); }));
  CHECK(scenario.client(0).attach(*scenario.leader()));
  for (int i = 0; i < 12; ++i) {
    CHECK(scenario.client(0).create(fmt::format("/n{}", i), std::string(100, 'x')).ok());
  }
  make_histories(scenario);
  for (ServerIndex i = 0; i < scenario.servers(); ++i) scenario.start(i);
  CHECK(scenario.until([&] { return scenario.serving(); }));
  CHECK(scenario.client(0).attach(*scenario.leader()));
  CHECK(scenario.client(0).create("/last", "1").ok());
  CHECK(scenario.wait(milliseconds(300)));
}

}  // namespace vivarium::sim
