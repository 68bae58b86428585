// K-PARTIAL: when all is well, one voter gets into trouble that lasts; the others are a quorum and
// are connected. If it led, they have another leader within a time, and follow him. If it did not,
// nobody looks for another leader, and whoever is connected to one of the others is answered at
// once. Behind that the trouble ends, and the ensemble comes together again (K-LIVE).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "sim/cluster.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

constexpr Duration kStep = milliseconds(10);
// Silence is noticed (syncLimit), an election (finalizeWait, and votes that are told again after up
// to 800 ms), discovery, synchronisation, and the same again when the first one elected is gone.
constexpr Duration kLeaderWithin = milliseconds(4000);
constexpr Duration kAnsweredWithin = milliseconds(150);

// A client that has nothing to do looks again what it is asked. It stops for nobody.
void wake(Simulation& sim, HostId client) { sim.request_stop(client); }

struct Asked {
  ClientIndex client = 0;
  size_t ticket = 0;
};

std::vector<Asked> ask_for_barriers(std::vector<SimClient>& clients, ServerIndex server) {
  std::vector<Asked> asked;
  Operation sync;
  sync.op = Op::Sync;
  sync.path = "/";
  for (ClientIndex i = 0; i < clients.size(); ++i) {
    const bool there = clients[i].connected() && clients[i].server() == server;
    if (there) asked.push_back({i, clients[i].ask(sync)});
  }
  return asked;
}

bool all_sent(const std::vector<Asked>& asked, const std::vector<SimClient>& clients) {
  return std::all_of(asked.begin(), asked.end(), [&](const Asked& a) {
    const SimClient& client = clients[a.client];
    return client.asked(a.ticket) != nullptr || !client.connected();
  });
}

}  // namespace

Fault Cluster::begin_trouble(ServerIndex server) {
  constexpr std::array kKinds{FaultKind::StuckDisk, FaultKind::Pause, FaultKind::Isolate,
                              FaultKind::Kill, FaultKind::CutOneWay};
  Fault fault;
  fault.id = UINT16_MAX;  // of none that was drawn
  fault.kind = kKinds[sim_.choices().below({ChoiceKind::Topology, 154, 0, 0}, kKinds.size())];
  fault.at = sim_.now();
  fault.lasts = kLeaderWithin * 2;
  fault.target = fault.other = server;
  apply(fault);
  if (fault.kind != FaultKind::CutOneWay) return fault;
  // Deaf to all, and heard; and no kernel takes anything more for it from its leader or learners.
  const HostId host = server_host(server);
  for (ServerIndex i = 0; i < profile_.servers; ++i) cut(fault, i, server, Path::Stalled);
  for (const LinkInfo& link : sim_.network().links()) {
    const bool its = link.port == kQuorumPort && (link.from == host || link.to == host);
    Moment moment = sim_.moment();
    if (its && link.up) sim_.network().set_window(moment, link, link.from == host ? 1 : 0, 0);
  }
  return fault;
}

bool Cluster::others_serve(ServerIndex struck) const {
  const std::optional<ServerIndex> leading = leader();
  if (!leading || leading == struck || !facts_[*leading].established) return false;
  for (ServerIndex i = 0; i < profile_.voters(); ++i) {
    if (i != struck && !facts_[i].delivers) return false;
  }
  return true;
}

void Cluster::expect_another_leader(ServerIndex struck) {
  const SimTime limit = sim_.now() + kLeaderWithin;
  while (sim_.now() < limit && !over() && !others_serve(struck)) run_for(kStep);
  verdict_.expect(Checker::Partial, others_serve(struck), sim_.now(), [&] {
    return fmt::format("s{} led and is in trouble, and the others serve nobody within {} ms",
                       struck + 1, kLeaderWithin.ms());
  });
  // Behind the first answer of the new leader, whoever is still connected to the old one asks for a
  // barrier. When the trouble ends, that one has not noticed yet that it is deposed (K-SYNC).
  std::vector<ClientIndex> others;
  for (ClientIndex i = 0; i < profile_.clients; ++i) {
    if (clients_[i].connected() && clients_[i].server() == struck) continue;
    others.push_back(i);
    clients_[i].ask_probe();
    wake(sim_, client_host(i));
  }
  const auto answered = [&](ClientIndex i) { return clients_[i].probe_done(); };
  while (sim_.now() < limit && !over() && std::none_of(others.begin(), others.end(), answered))
    run_for(kStep);
  const std::vector<Asked> asked = ask_for_barriers(clients_, struck);
  for (const Asked& a : asked) wake(sim_, client_host(a.client));
  while (sim_.now() < limit && !over() && !all_sent(asked, clients_)) run_for(kStep);
}

void Cluster::expect_answers(ServerIndex struck) {
  std::vector<ClientIndex> asked;
  for (ClientIndex i = 0; i < profile_.clients; ++i) {
    if (clients_[i].connected() && clients_[i].server() != struck) asked.push_back(i);
  }
  const size_t leaderships = leadership_.leaderships();
  run_for(kAnsweredWithin + milliseconds(profile_.session_timeout_ms));
  for (const ClientIndex i : asked) {
    const ClientOp& probe = clients_[i].probe();
    const bool in_time = probe.answered && probe.returned <= probe.invoked + kAnsweredWithin;
    verdict_.expect(Checker::Partial, clients_[i].probe_done() && in_time, sim_.now(), [&] {
      return fmt::format("s{} is in trouble, and c{} at s{} is not answered within {} ms",
                         struck + 1, i + 1, clients_[i].server() + 1, kAnsweredWithin.ms());
    });
  }
  const bool stays = leadership_.leaderships() == leaderships && others_serve(struck);
  verdict_.expect(Checker::Partial, stays, sim_.now(), [&] {
    return fmt::format("s{} is in trouble, and the others look for another leader", struck + 1);
  });
}

void Cluster::check_partial() {
  const std::optional<ServerIndex> leading = leader();
  if (!leading) return;
  const auto draw = [&](uint64_t what, uint64_t n) {
    return sim_.choices().below({ChoiceKind::Topology, what, 0, 0}, n);
  };
  const bool leads = draw(155, 2) == 0;
  const uint32_t voters = profile_.voters();
  const auto other = static_cast<ServerIndex>((*leading + 1 + draw(156, voters - 1)) % voters);
  const ServerIndex struck = leads ? *leading : other;
  const Fault fault = begin_trouble(struck);
  // A paused leader is left without anything to do, for the barrier that it is asked for later.
  for (ClientIndex i = 0; i < profile_.clients; ++i) {
    if (leads && fault.kind == FaultKind::Pause) break;
    clients_[i].ask_probe();
    wake(sim_, client_host(i));
  }
  leads ? expect_another_leader(struck) : expect_answers(struck);
  undo(fault);
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    if (sim_.state(server_host(i)) == HostState::Off) sim_.start(server_host(i));
  }
  if (!over()) check_live();
}

}  // namespace vivarium::sim
