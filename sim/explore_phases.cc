#include "sim/explore_phases.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "core/base/check.h"
#include "sim/scenario.h"

namespace vivarium::sim {
namespace {

struct ExplorePhaseRow {
  ExplorePhase phase;
  std::string_view name;
  std::string_view text;
};
constexpr std::array<ExplorePhaseRow, 4> kExplorePhaseRows{{
    {ExplorePhase::Election, "election",
     "three servers start, two with a txn that nobody has committed, of two epochs; until each "
     "leads or follows"},
    {ExplorePhase::Sync, "sync",
     "a leader was elected; or one leads and a server joins that is due DIFF, TRUNC or SNAP; until "
     "all serve the same"},
    {ExplorePhase::Broadcast, "broadcast",
     "three servers serve, and a client of the leader or of a follower asks for writes; until they "
     "are answered and all have applied them"},
    {ExplorePhase::Recovery, "recovery",
     "power is lost everywhere while writes are under way, with every combination of crash images "
     "of the three; until all serve the same"},
}};

// ---------------------------------------------------------------------------------- goals

bool all_decided(const Cluster& cluster) {
  for (ServerIndex i = 0; i < cluster.profile().servers; ++i) {
    const ZabRole role = cluster.facts(i).role;
    if (cluster.node(i) == nullptr || (role != ZabRole::Learner && role != ZabRole::Leader)) {
      return false;
    }
  }
  return true;
}

bool all_serve_the_same(const Cluster& cluster) {
  const std::optional<ServerIndex> leader = cluster.leader();
  if (!leader) return false;
  const Zxid last = cluster.facts(*leader).last_applied;
  for (ServerIndex i = 0; i < cluster.profile().servers; ++i) {
    const NodeFacts& f = cluster.facts(i);
    if (cluster.node(i) == nullptr || !f.delivers || f.last_applied != last) return false;
    if (f.last_logged != last) return false;
  }
  return true;
}

bool all_answered(const Cluster& cluster) {
  for (const SimClient& client : cluster.clients()) {
    if (client.asked_open() != 0) return false;
  }
  return all_serve_the_same(cluster);
}

// ---------------------------------------------------------------------------------- scripts

constexpr uint32_t kImagesOfEach = 3;  // nothing kept, all, and the longest prefix
constexpr size_t kSmallData = 40;
constexpr size_t kDataOfSectors = 700;  // records of several sectors can be torn

Operation create(std::string path, size_t bytes) {
  Operation operation;
  operation.op = Op::Create;
  operation.path = std::move(path);
  operation.data = Bytes(bytes, Byte{'x'});
  return operation;
}

// Without waiting for what comes of it.
void ask(Scenario& s, const std::string& path, size_t bytes = kSmallData) {
  Cluster& cluster = s.cluster();
  cluster.client(0).ask(create(path, bytes));
  cluster.sim().act(cluster.client_host(0), cluster, [](World&) {});
}

// A leader that nobody hears logs a txn, alone.
void log_alone(Scenario& s, ServerIndex leader, const std::string& path) {
  s.isolate(leader);
  const Zxid before = s.facts(leader).last_logged;
  ask(s, path);
  CHECK(s.until([&] { return s.facts(leader).last_durable > before; }));
}

void open_paths(Scenario& s) {
  for (ServerIndex i = 0; i < s.servers(); ++i) s.isolate(i, Path::Open);
}

// It would only be in the way.
void stop_client(Scenario& s) { s.sim().pause(s.cluster().client_host(0)); }

// The script ends with a moment; what comes after it is of no interest.
SmallWorld played(const Profile& profile, const Trouble& trouble,
                  const std::function<void(Scenario&)>& script) {
  Scenario s(profile);
  s.sim().choices().set_benign(true);
  std::optional<SmallWorld> world;
  const std::string wrong = s.play([&] {
    script(s);
    world.emplace(s.cluster(), trouble);
  });
  CHECK(wrong.empty());
  return std::move(*world);
}

// A follower was down while others wrote, and has just found its leader.
void rejoin(Scenario& s) {
  CHECK(s.until([&] { return s.serving(); }));
  const ServerIndex late = s.follower();
  CHECK(s.client(0).attach(*s.leader()));
  s.kill(late);
  CHECK(s.client(0).create("/a", "1").ok());
  CHECK(s.client(0).create("/b", "2").ok());
  stop_client(s);
  s.start(late);
  CHECK(s.until([&] { return s.facts(late).role == ZabRole::Learner; }));
}

// The same with one who has what nobody has committed.
void rejoin_with_tail(Scenario& s) {
  const ServerIndex late = make_histories(s);
  for (ServerIndex i = 0; i < s.servers(); ++i) {
    if (i != late) s.start(i);
  }
  CHECK(s.until([&] { return s.leader() && s.serving(*s.leader()); }));
  stop_client(s);
  s.start(late);
  CHECK(s.until([&] { return s.facts(late).role == ZabRole::Learner; }));
}

void start_with_histories(Scenario& s) {
  make_histories(s);
  stop_client(s);
  for (ServerIndex i = 0; i < s.servers(); ++i) s.start(i);
}

void write_under_way(Scenario& s, bool to_leader, uint32_t txns, size_t bytes = kSmallData) {
  CHECK(s.until([&] { return s.serving(); }));
  CHECK(s.client(0).attach(to_leader ? *s.leader() : s.follower()));
  CHECK(s.client(0).create("/a", "1").ok());
  CHECK(s.wait(milliseconds(200)));
  for (uint32_t i = 0; i < txns; ++i) ask(s, fmt::format("/new-{}", i), bytes);
}

// ---------------------------------------------------------------------------------- beginnings

std::vector<Beginning> begin_sync(const PhaseOptions& options) {
  Profile snap = small_profile();
  snap.config.snap_only = true;
  const auto decided = [](Scenario& s) {
    start_with_histories(s);
    CHECK(s.until([&] { return all_decided(s.cluster()); }));
  };
  std::vector<Beginning> all;
  all.push_back({"elected", played(small_profile(), options.trouble, decided), all_serve_the_same});
  all.push_back({"DIFF", played(small_profile(), options.trouble, rejoin), all_serve_the_same});
  all.push_back(
      {"TRUNC", played(small_profile(), options.trouble, rejoin_with_tail), all_serve_the_same});
  all.push_back({"SNAP", played(snap, options.trouble, rejoin), all_serve_the_same});
  return all;
}

std::vector<Beginning> begin_broadcast(const PhaseOptions& options) {
  std::vector<Beginning> all;
  for (const bool to_leader : {true, false}) {
    all.push_back({to_leader ? "of the leader's client" : "of a follower's client",
                   played(small_profile(), options.trouble,
                          [&](Scenario& s) { write_under_way(s, to_leader, options.txns); }),
                   all_answered});
  }
  return all;
}

// Power is lost everywhere.
std::optional<SmallWorld> without_power(SmallWorld world, uint32_t images) {
  for (uint32_t i = 0; i < 3; ++i, images /= kImagesOfEach) {
    if (!world.make({Move::Kind::PowerLoss, 0, HostId{i}, images % kImagesOfEach, {}})) {
      return std::nullopt;
    }
  }
  return world;
}

// After each step of an ordinary run, until nothing is under way.
std::vector<Beginning> begin_recovery(const PhaseOptions& options) {
  Trouble enough = options.trouble;
  enough.crashes = 3;
  enough.images_max = kImagesOfEach;
  SmallWorld run = played(small_profile(), enough, [&](Scenario& s) {
    write_under_way(s, true, options.txns, kDataOfSectors);
    stop_client(s);
  });
  std::vector<Beginning> all;
  std::set<uint64_t> seen;
  std::optional<Move> usual = run.usual();
  for (uint32_t step = 0; usual && usual->kind != Move::Kind::Timer; ++step) {
    for (uint32_t images = 0; images < kImagesOfEach * kImagesOfEach * kImagesOfEach; ++images) {
      std::optional<SmallWorld> world = without_power(run, images);
      if (!world) continue;
      world->allow(options.trouble);
      if (!seen.insert(world->hash({false, true})).second) continue;
      all.push_back({fmt::format("after {} steps, images {}", step, images), std::move(*world),
                     all_serve_the_same});
    }
    run.make(*usual);
    usual = run.usual();
  }
  return all;
}

}  // namespace

std::string_view name_of(ExplorePhase phase) {
  return kExplorePhaseRows[static_cast<size_t>(phase)].name;
}
std::string_view text_of(ExplorePhase phase) {
  return kExplorePhaseRows[static_cast<size_t>(phase)].text;
}

std::optional<ExplorePhase> phase_of(std::string_view name) {
  for (const ExplorePhaseRow& row : kExplorePhaseRows) {
    if (row.name == name) return row.phase;
  }
  return std::nullopt;
}

ServerIndex make_histories(Scenario& s) {
  CHECK(s.until([&] { return s.serving(); }));
  const ServerIndex first = *s.leader();
  CHECK(s.client(0).attach(first));
  CHECK(s.client(0).create("/a", "1").ok());
  log_alone(s, first, "/alone-1");
  s.kill(first);
  open_paths(s);
  CHECK(s.until([&] { return s.leader() && *s.leader() != first; }));
  const ServerIndex second = *s.leader();
  CHECK(s.until([&] { return s.serving(second); }));
  CHECK(s.client(0).attach(second));
  CHECK(s.client(0).create("/b", "2").ok());
  log_alone(s, second, "/alone-2");
  for (ServerIndex i = 0; i < s.servers(); ++i) {
    if (i != first) s.kill(i);
  }
  open_paths(s);
  return first;
}

Profile small_profile() {
  Profile p = scenario_profile();
  p.pipeline = 8;
  return p;
}

std::vector<Beginning> beginnings_of(ExplorePhase phase, const PhaseOptions& options) {
  std::vector<Beginning> all;
  switch (phase) {
    case ExplorePhase::Election:
      all.push_back({"three histories",
                     played(small_profile(), options.trouble, start_with_histories), all_decided});
      return all;
    case ExplorePhase::Sync:
      return begin_sync(options);
    case ExplorePhase::Broadcast:
      return begin_broadcast(options);
    case ExplorePhase::Recovery:
      return begin_recovery(options);
  }
  return all;
}

}  // namespace vivarium::sim
