// Which faults strike servers in which phase, counted as they strike.
#include <algorithm>

#include "sim/cluster.h"

namespace vivarium::sim {
namespace {

std::optional<Phase> phase_of_sync(PacketType type) {
  if (type == PacketType::Diff) return Phase::Diff;
  if (type == PacketType::Trunc) return Phase::Trunc;
  if (type == PacketType::Snap) return Phase::Snap;
  return std::nullopt;
}

}  // namespace

std::optional<Phase> Cluster::phase_of(ServerIndex server) const {
  if (!alive(server)) return std::nullopt;
  const NodeFacts& facts = facts_[server];
  if (facts.role == ZabRole::Recovering) return Phase::Recovery;
  if (facts.role == ZabRole::Looking) return Phase::Election;
  if (facts.established) return Phase::Broadcast;
  return syncing_[server].value_or(Phase::Discovery);
}

void Cluster::covered(FaultKind kind, ServerIndex server) {
  const std::optional<Phase> phase = phase_of(server);
  if (phase) outcome_.coverage.struck(kind, *phase);
}

bool Cluster::linked(HostId a, HostId b) const {
  const std::vector<LinkInfo> links = sim_.network().links();
  return std::any_of(links.begin(), links.end(), [&](const LinkInfo& link) {
    return (link.from == a && link.to == b) || (link.from == b && link.to == a);
  });
}

// Before it begins. Those that wait for something count when they strike, and those that may not
// happen when they do.
void Cluster::cover(const Fault& fault) {
  const uint32_t n = profile_.servers;
  const std::optional<ServerIndex> leading = leader();
  switch (fault.kind) {
    case FaultKind::PowerLoss:
    case FaultKind::Kill:
    case FaultKind::Pause:
    case FaultKind::SlowDisk:
    case FaultKind::StuckDisk:
    case FaultKind::ClockJump:
    case FaultKind::ClockLeap:
    case FaultKind::ClockDrift:
    case FaultKind::FullDisk:
    case FaultKind::FailingOp:
      covered(fault.kind, fault.target);
      break;
    case FaultKind::Isolate:
      if (n > 1) covered(fault.kind, fault.target);
      break;
    case FaultKind::PowerLossAll:
      for (ServerIndex i = 0; i < n; ++i) covered(fault.kind, i);
      break;
    case FaultKind::LeaderPowerLoss:
    case FaultKind::LeaderKill:
    case FaultKind::LeaderPause:
      if (leading) covered(fault.kind, *leading);
      break;
    case FaultKind::LeaderCut:
    case FaultKind::LeaderDeaf:
    case FaultKind::LeaderDumb:
      if (leading && n > 1) covered(fault.kind, *leading);
      break;
    case FaultKind::BreakPair:
      if (!linked(server_host(fault.target), server_host(fault.other))) return;
      covered(fault.kind, fault.target);
      covered(fault.kind, fault.other);
      break;
    case FaultKind::CutPair:
    case FaultKind::CutOneWay:
    case FaultKind::BlackHole:
    case FaultKind::SlowLinks:
      if (n == 1) return;
      covered(fault.kind, fault.target);
      covered(fault.kind, fault.other);
      break;
    case FaultKind::BreakClient:
      for (ServerIndex i = 0; i < n; ++i) {
        if (linked(client_host(fault.target), server_host(i))) covered(fault.kind, i);
      }
      break;
    case FaultKind::SlowFollowers:
      for (ServerIndex i = 0; i < n; ++i) {
        if (i != leading) covered(fault.kind, i);
      }
      break;
    case FaultKind::FailSync:
    case FaultKind::Wipe:
    case FaultKind::Rot:
    case FaultKind::StuckRestart:
    case FaultKind::DiesAtDisk:
    case FaultKind::OldImage:
    case FaultKind::TruncTrouble:
    case FaultKind::TornWrite:
    case FaultKind::RestartUnheard:
    case FaultKind::Replaced:
    case FaultKind::PacketCrash:
    case FaultKind::PacketCut:
    case FaultKind::PacketBreak:
      break;
  }
}

void Cluster::cover_death(ServerIndex server) {
  const HostId host = server_host(server);
  if (down_for_[server] && sim_.file_operations(host) == dies_at_[server]) {
    covered(FaultKind::DiesAtDisk, server);
  }
  if (sync_fails_[server] && sim_.ended(host) == StopReason::Fatal) {
    covered(FaultKind::FailSync, server);
    sync_fails_[server] = false;
  }
  syncing_[server].reset();
}

// The first packet of a synchronisation has left its leader.
void Cluster::sync_sent(ServerIndex leader, ServerIndex learner, PacketType type) {
  const std::optional<Phase> phase = phase_of_sync(type);
  if (!phase) return;
  for (const ServerIndex server : {leader, learner}) {
    const ZabRole role = facts_[server].role;
    const bool follows = role == ZabRole::Learner || role == ZabRole::Leader;
    if (follows && !facts_[server].established) syncing_[server] = phase;
  }
}

}  // namespace vivarium::sim
