#include "sim/cluster.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "sim/checkers/results.h"
#include "sim/rot.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

constexpr uint64_t kUndo = 1 << 20;  // alarm tokens: fault id, or fault id + kUndo
constexpr Duration kProbeStep = milliseconds(50);

SimOptions sim_options(uint64_t seed) {
  SimOptions options;
  options.seed = seed;
  return options;
}

Profile profile_of(uint64_t seed) {
  Choices choices(seed);
  return standard_profile(choices);
}

std::vector<Fault> faults_of(uint64_t seed, const Profile& profile) {
  Choices choices(seed);
  return draw_faults(profile, choices);
}

}  // namespace

NodeFacts NodeFacts::of(const Node& node) {
  NodeFacts f;
  f.role = node.zab().role();
  f.standing = node.zab().standing();
  f.epoch = node.zab().epoch();
  f.established = node.zab().established();
  f.leading = node.zab().leading();
  f.serving = node.zab().serving();
  f.committed = node.zab().committed();
  f.last_applied = node.tree().last_applied();
  f.last_logged = node.storage().last_logged();
  f.last_durable = node.storage().last_durable();
  f.claimed = node.storage().claimed();
  f.damaged = node.storage().damage() != nullptr;
  f.accepted_epoch = node.storage().accepted_epoch();
  f.current_epoch = node.storage().current_epoch();
  f.busy = node.storage().busy() || node.storage().recovering();
  return f;
}

Cluster::Cluster(uint64_t seed)
    : Cluster(seed, profile_of(seed), faults_of(seed, profile_of(seed))) {}

Cluster::Cluster(uint64_t seed, const Profile& profile, std::vector<Fault> faults)
    : profile_(profile),
      sim_(sim_options(seed)),
      faults_(std::move(faults)),
      nodes_(profile.servers),
      facts_(profile.servers),
      wiped_(profile.servers),
      ledger_(profile.servers),
      agreement_(profile.servers),
      leadership_(profile.servers),
      durability_(profile.servers, std::vector<bool>(profile.servers, true)) {
  build();
}

void Cluster::build() {
  for (uint32_t i = 0; i < profile_.servers; ++i) {
    HostOptions host;
    host.name = fmt::format("s{}", i + 1);
    host.server = true;
    host.clock_offset_ms =
        static_cast<int64_t>(sim_.choices().below({ChoiceKind::Topology, 100, i, 0}, 2000)) - 1000;
    host.clock_drift_ppm =
        static_cast<int64_t>(sim_.choices().below({ChoiceKind::Topology, 101, i, 0}, 200)) - 100;
    const HostId id = sim_.add_host(host);
    CHECK(id.value == i);
    sim_.start(id, microseconds(static_cast<int64_t>(
                       sim_.choices().below({ChoiceKind::Topology, 102, i, 0}, 50'000))));
  }
  for (uint32_t i = 0; i < profile_.clients; ++i) {
    HostOptions host;
    host.name = fmt::format("c{}", i + 1);
    const HostId id = sim_.add_host(host);
    ClientOptions options;
    options.index = i;
    options.servers = profile_.servers;
    options.session_timeout_ms = profile_.session_timeout_ms;
    options.operations = profile_.operations_per_client;
    options.pipeline =
        static_cast<uint32_t>(1 + sim_.choices().below({ChoiceKind::Topology, 103, i, 0}, 3));
    options.think = profile_.think;
    clients_.emplace_back(options);
    sim_.start(id, milliseconds(20));
  }
  for (const Fault& fault : faults_) sim_.alarm(fault.at, fault.id);
}

// --- processes

void Cluster::born(HostId host, uint32_t) {
  if (!is_server(host)) return;
  nodes_[host.value].emplace(server_config(profile_, host.value));
  facts_[host.value] = NodeFacts{};
  facts_[host.value].busy = true;
}

void Cluster::step(HostId host, const Event& event, World& world) {
  if (is_server(host)) {
    nodes_[host.value]->step(event, world);
  } else {
    clients_[host.value - profile_.servers].step(event, world, sim_.choices(), sim_.now());
  }
}

void Cluster::died(HostId host) {
  if (!is_server(host)) return;
  const ServerIndex server = host.value;
  nodes_[server].reset();
  facts_[server] = NodeFacts{};
  agreement_.died(server);
  ++outcome_.crashes;
  // A process that ended by itself is started again, as an init system would.
  if (sim_.stopped_itself(host)) sim_.start(host, milliseconds(100));
}

// --- faults

std::optional<ServerIndex> Cluster::leader() const {
  std::optional<ServerIndex> found;
  for (ServerIndex i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i] || !facts_[i].leading) continue;
    if (!found || (facts_[i].established && facts_[i].epoch >= facts_[*found].epoch)) found = i;
  }
  return found;
}

void Cluster::alarm(uint64_t token) {
  const uint32_t id = static_cast<uint32_t>(token % kUndo);
  for (const Fault& fault : faults_) {
    if (fault.id != id) continue;
    if (token < kUndo) {
      if (!healed_) apply(fault);
    } else {
      undo(fault);
    }
    return;
  }
}

void Cluster::crash(ServerIndex server, bool power, Duration down) {
  const HostId host = server_host(server);
  if (sim_.state(host) == HostState::Off) return;
  if (power) {
    sim_.lose_power(host, *this);
  } else {
    sim_.kill(host, *this);
  }
  if (sim_.state(host) == HostState::Off) sim_.start(host, down);
}

void Cluster::cut(ServerIndex a, ServerIndex b, Path path) {
  if (a == b) return;
  Moment moment = sim_.moment();
  sim_.network().set_path(moment, server_host(a), server_host(b), path);
}

// A wiped server forgets what it acknowledged. Every committed txn keeps a copy in a quorum while
// wiped servers that have not been filled again are fewer than a majority's complement, and never
// while any other server has yet to become a member.
bool Cluster::may_wipe(ServerIndex server) const {
  size_t missing = 1;
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    if (i == server) continue;
    if (!nodes_[i] || !nodes_[i]->storage().member()) return false;
    if (wiped_[i]) ++missing;
  }
  return profile_.servers > 1 && missing <= (profile_.servers - 1) / 2 && !wiped_[server];
}

void Cluster::wipe(ServerIndex server, Duration down) {
  sim_.kill(server_host(server), *this);
  sim_.disk(server_host(server)).wipe();
  wiped_[server] = true;
  ledger_.installed(server, Zxid{});
  leadership_.wiped(server);
  durability_.wiped(server);
  if (sim_.state(server_host(server)) == HostState::Off) sim_.start(server_host(server), down);
}

void Cluster::rot(ServerIndex server, uint64_t fault, Duration down) {
  const HostId host = server_host(server);
  sim_.lose_power(host, *this);
  const std::optional<std::string> done = rot_log(sim_.disk(host), sim_.choices(), fault);
  if (done) {
    wiped_[server] = true;
    sim_.note(host, *done);
  }
  if (sim_.state(host) == HostState::Off) sim_.start(host, down);
}

// Whoever wipes all servers at once has given up what they held, and the checkers ask for it no
// more. The clients are new ones: those who saw later zxids would be refused for ever.
void Cluster::wipe_all(Duration down) {
  ledger_ = Ledger(profile_.servers);
  agreement_ = Agreement(profile_.servers);
  leadership_ = Leadership(profile_.servers);
  durability_ = Durability(profile_.servers, std::vector<bool>(profile_.servers, true));
  for (ServerIndex i = 0; i < profile_.servers; ++i) wipe(i, down);
  for (ClientIndex i = 0; i < profile_.clients; ++i) {
    sim_.kill(client_host(i), *this);
    clients_[i].begin_anew();
    sim_.start(client_host(i), down);
  }
}

void Cluster::apply(const Fault& fault) {
  const std::optional<ServerIndex> leading = leader();
  const uint32_t n = profile_.servers;
  bool lasting = false;
  switch (fault.kind) {
    case FaultKind::PowerLoss:
      crash(fault.target, true, fault.lasts);
      break;
    case FaultKind::Kill:
      crash(fault.target, false, fault.lasts);
      break;
    case FaultKind::PowerLossAll:
      for (ServerIndex i = 0; i < n; ++i) {
        crash(i, true, fault.lasts * static_cast<int64_t>(i + 1) / static_cast<int64_t>(n));
      }
      break;
    case FaultKind::LeaderPowerLoss:
      if (leading) crash(*leading, true, fault.lasts);
      break;
    case FaultKind::LeaderKill:
      if (leading) crash(*leading, false, fault.lasts);
      break;
    case FaultKind::LeaderCut:
      for (ServerIndex i = 0; leading && i < n; ++i) {
        cut(*leading, i, Path::Stalled);
        cut(i, *leading, Path::Stalled);
      }
      lasting = true;
      break;
    case FaultKind::Pause:
      sim_.pause(server_host(fault.target));
      lasting = true;
      break;
    case FaultKind::LeaderPause:
      if (leading) sim_.pause(server_host(*leading));
      lasting = true;
      break;
    case FaultKind::Isolate:
      for (ServerIndex i = 0; i < n; ++i) {
        cut(fault.target, i, Path::Stalled);
        cut(i, fault.target, Path::Stalled);
      }
      lasting = true;
      break;
    case FaultKind::CutPair:
      cut(fault.target, fault.other, Path::Stalled);
      cut(fault.other, fault.target, Path::Stalled);
      lasting = true;
      break;
    case FaultKind::CutOneWay:
      cut(fault.target, fault.other, Path::Stalled);
      lasting = true;
      break;
    case FaultKind::BlackHole:
      cut(fault.target, fault.other, Path::BlackHole);
      lasting = true;
      break;
    case FaultKind::BreakPair:
      if (n > 1) sim_.break_links(server_host(fault.target), server_host(fault.other), fault.id);
      break;
    case FaultKind::BreakClient:
      for (ServerIndex i = 0; i < n; ++i) {
        sim_.break_links(HostId{n + fault.target}, server_host(i), fault.id);
      }
      break;
    case FaultKind::SlowDisk:
      sim_.files(server_host(fault.target)).set_slowness(50);
      lasting = true;
      break;
    case FaultKind::StuckDisk:
      sim_.stick_disk(server_host(fault.target));
      lasting = true;
      break;
    case FaultKind::FailSync:
      sim_.files(server_host(fault.target)).arm({DiskOp::Sync, "log.", 0, FileError::Io});
      break;
    case FaultKind::Wipe:
      if (!may_wipe(fault.target)) return;
      wipe(fault.target, fault.lasts);
      break;
    case FaultKind::Rot:
      if (!may_wipe(fault.target)) return;
      rot(fault.target, fault.id, fault.lasts);
      break;
    case FaultKind::ClockJump:
      sim_.clock(server_host(fault.target))
          .jump_wall(milliseconds(static_cast<int64_t>(sim_.choices().below(
                                      {ChoiceKind::Fault, fault.id, 6, 0}, 7'200'000)) -
                                  3'600'000));
      sim_.clock_changed(server_host(fault.target));
      break;
  }
  sim_.note(server_host(std::min(fault.target, n - 1)), to_text(fault));
  if (lasting) sim_.alarm(sim_.now() + fault.lasts, fault.id + kUndo);
}

void Cluster::undo(const Fault& fault) {
  const uint32_t n = profile_.servers;
  switch (fault.kind) {
    case FaultKind::LeaderCut:
    case FaultKind::Isolate:
    case FaultKind::CutPair:
    case FaultKind::CutOneWay:
    case FaultKind::BlackHole:
      // Whoever is cut off by several faults at once comes back with the first that ends.
      for (ServerIndex a = 0; a < n; ++a) {
        for (ServerIndex b = 0; b < n; ++b) cut(a, b, Path::Open);
      }
      break;
    case FaultKind::Pause:
      sim_.resume(server_host(fault.target));
      break;
    case FaultKind::LeaderPause:
      for (ServerIndex i = 0; i < n; ++i) sim_.resume(server_host(i));
      break;
    case FaultKind::SlowDisk:
      sim_.files(server_host(fault.target)).set_slowness(1);
      break;
    case FaultKind::StuckDisk:
      sim_.release_disk(server_host(fault.target));
      break;
    case FaultKind::PowerLoss:
    case FaultKind::Kill:
    case FaultKind::PowerLossAll:
    case FaultKind::LeaderPowerLoss:
    case FaultKind::LeaderKill:
    case FaultKind::BreakPair:
    case FaultKind::BreakClient:
    case FaultKind::FailSync:
    case FaultKind::Wipe:
    case FaultKind::Rot:
    case FaultKind::ClockJump:
      break;
  }
}

void Cluster::heal() {
  healed_ = true;
  for (const Fault& fault : faults_) undo(fault);
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    sim_.files(server_host(i)).clear_faults();
    if (sim_.state(server_host(i)) == HostState::Off) sim_.start(server_host(i));
  }
  sim_.note(server_host(0), "all faults healed");
}

// --- watching

void Cluster::called(Simulation& sim, HostId host, const Call& call) {
  if (other_ != nullptr) other_->called(sim, host, call);
  if (is_server(host) && nodes_[host.value]) tap(host.value, call);
}

void Cluster::tap(ServerIndex server, const Call& call) {
  const SimDisk& disk = sim_.disk(server_host(server));
  if (call.kind == CallKind::Write) {
    const std::string_view name = sim_.files(server_host(server)).name_of(call.file);
    if (name.substr(0, 4) != "log." && name.substr(0, 6) != "spare.") return;
    const std::optional<std::string> twice = ledger_.log_written(
        server, sim_.files(server_host(server)).inode_of(call.file), call.offset, call.bytes);
    verdict_.expect(Checker::ZxidUniq, !twice.has_value(), sim_.now(), [&] { return *twice; });
    return;
  }
  if (call.kind != CallKind::Send) return;
  const std::optional<LinkInfo> link = sim_.network().info(server_host(server), call.link);
  if (!link || link->port != kQuorumPort || link->from != server_host(server)) return;
  // A turn's send holds whole packets.
  ByteView left = call.bytes;
  const NodeFacts facts = NodeFacts::of(*nodes_[server]);
  while (!left.empty()) {
    QuorumPacket packet;
    size_t used = 0;
    const Decoded state = decode_quorum_packet(left, 1 << 24, packet, used);
    CHECK(state == Decoded::Ok);
    leadership_.packet_sent(server, link->to.value, facts, packet, sim_.now(), verdict_);
    durability_.packet_sent(server, facts, packet, disk, ledger_, sim_.now(), verdict_);
    left = left.subspan(used);
  }
}

void Cluster::delivering(Simulation& sim, HostId host, const Event& event) {
  if (other_ != nullptr) other_->delivering(sim, host, event);
}

void Cluster::delivered(Simulation& sim, HostId host, const Event& event) {
  if (other_ != nullptr) other_->delivered(sim, host, event);
  if (!std::holds_alternative<TurnEnded>(event)) ++outcome_.events;
  if (is_server(host) && nodes_[host.value]) after_step(host.value);
}

void Cluster::happened(Simulation& sim, HostId host, std::string_view what) {
  if (other_ != nullptr) other_->happened(sim, host, what);
}

void Cluster::after_step(ServerIndex server) {
  const Node& node = *nodes_[server];
  const NodeFacts before = facts_[server];
  const NodeFacts after = NodeFacts::of(node);
  if (after == before) return;
  facts_[server] = after;
  if (before.busy && !after.busy) {
    // A recovery, truncation or install is over.
    const std::optional<std::string> twice = ledger_.reread(server, sim_.disk(server_host(server)));
    verdict_.expect(Checker::ZxidUniq, !twice.has_value(), sim_.now(), [&] { return *twice; });
    if (before.role != ZabRole::Recovering) {
      durability_.truncated(server, after.claimed, agreement_.committed(), sim_.now(), verdict_);
    }
  }
  // What it is, it knows when it has recovered.
  const bool recovered = after.role != ZabRole::Recovering;
  if (recovered && after.standing == Standing::Voter && !after.damaged) wiped_[server] = false;
  const SimTime now = sim_.now();
  agreement_.stepped(server, before, after, node.tree(), ledger_, now, verdict_);
  leadership_.stepped(server, after, now, verdict_);
  durability_.stepped(server, before, after, sim_.disk(server_host(server)), ledger_, now,
                      verdict_);
}

// --- the run

bool Cluster::converged() const {
  Zxid applied;
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    if (!nodes_[i] || !facts_[i].serving || facts_[i].standing != Standing::Voter) return false;
    if (i == 0) applied = facts_[i].last_applied;
    if (facts_[i].last_applied != applied || facts_[i].last_logged != applied) return false;
  }
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const SimClient& c) { return c.probe_done() && c.workload_done(); });
}

void Cluster::check_live() {
  const SimTime limit = sim_.now() + profile_.settle;
  for (SimClient& client : clients_) client.ask_probe();
  while (sim_.now() < limit && !verdict_.violation() && !converged()) {
    sim_.run_for(*this, kProbeStep);
  }
  if (verdict_.violation()) return;
  verdict_.expect(Checker::Live, converged(), sim_.now(), [&] {
    std::string text = "not converged after healing:";
    for (ServerIndex i = 0; i < profile_.servers; ++i) {
      const NodeFacts& f = facts_[i];
      text += fmt::format(" s{} role {} standing {} epoch {} serving {} applied {:x} logged {:x};",
                          i + 1, static_cast<int>(f.role), static_cast<int>(f.standing), f.epoch,
                          f.serving, f.last_applied.value, f.last_logged.value);
    }
    for (ClientIndex i = 0; i < profile_.clients; ++i) {
      text += fmt::format(" c{} connected {} workload {} probe {};", i + 1, clients_[i].connected(),
                          clients_[i].workload_done(), clients_[i].probe_done());
    }
    return text;
  });
}

void Cluster::check_results() {
  for (const SimClient& client : clients_) {
    verdict_.expect(Checker::Fifo, client.protocol_error().empty(), sim_.now(),
                    [&] { return client.protocol_error(); });
  }
  if (agreement_.complete()) {
    check_history(clients_, agreement_.order(), ledger_, sim_.now(), verdict_);
  }
}

Outcome Cluster::run() {
  sim_.observe(this);
  const SimTime end{profile_.trouble.ns};
  while (sim_.now() < end && !verdict_.violation()) {
    sim_.run_until(*this, std::min(end, sim_.now() + kProbeStep));
  }
  return finish();
}

Outcome Cluster::finish() {
  if (!verdict_.violation()) {
    heal();
    check_live();
  }
  if (!verdict_.violation()) check_results();
  outcome_.violation = verdict_.violation();
  outcome_.trace_hash = sim_.trace_hash();
  for (const SimClient& client : clients_) outcome_.completed += client.completed();
  outcome_.leaderships = leadership_.leaderships();
  outcome_.txns = agreement_.order().size();
  outcome_.evaluated = verdict_.counts();
  return outcome_;
}

}  // namespace vivarium::sim
