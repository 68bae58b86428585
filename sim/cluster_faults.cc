// The faults of a schedule: how each begins, strikes and ends.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "sim/cluster.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

// Alarm tokens: fault id, and what is due.
constexpr uint64_t kUndo = 1 << 20;
constexpr uint64_t kStrike = 2 << 20;

}  // namespace

void Cluster::alarm(uint64_t token) {
  const uint32_t id = static_cast<uint32_t>(token % kUndo);
  for (Fault& fault : faults_) {
    if (fault.id != id || healed_) continue;  // healing has undone it
    if (token >= kStrike) {
      strike(fault);
    } else if (token >= kUndo) {
      undo(fault);
    } else {
      apply(fault);
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

// From one server to another, until the fault ends; several faults may cut the same way.
void Cluster::cut(const Fault& fault, ServerIndex from, ServerIndex to, Path path) {
  if (from == to) return;
  // A stream that was swallowed ends by TCP's own timeouts, in a quarter of an hour; ZooKeeper's
  // election connections have no other.
  const bool apache = is_apache(from) || is_apache(to);
  if (apache && path == Path::BlackHole) path = Path::Stalled;
  cuts_.push_back({fault.id, from, to, path});
  set_paths();
}

void Cluster::isolate(const Fault& fault, ServerIndex server) {
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    cut(fault, server, i, Path::Stalled);
    cut(fault, i, server, Path::Stalled);
  }
}

void Cluster::set_paths() {
  const uint32_t n = profile_.servers;
  std::vector<Path> paths(size_t{n} * n, Path::Open);
  for (const Cut& c : cuts_) paths[size_t{c.from} * n + c.to] = c.path;
  for (ServerIndex a = 0; a < n; ++a) {
    for (ServerIndex b = 0; b < n; ++b) {
      if (a != b) sim_.set_path(server_host(a), server_host(b), paths[size_t{a} * n + b]);
    }
  }
}

// A wiped server forgets what it acknowledged. Every committed txn keeps a copy in a quorum while
// wiped servers that have not been filled again are fewer than a majority's complement, and never
// while any other server has yet to become a member.
bool Cluster::may_wipe(ServerIndex server) const {
  if (profile_.observer(server) && !profile_.reconfig) return true;
  if (is_apache(server)) return may_wipe_peer(server);
  if (profile_.beyond) return another_is_whole(server);
  // Who is about to be taken in for what it holds keeps it.
  if (profile_.reconfig && clients_.back().busy()) return false;
  for (const std::vector<bool>& voters : configs_.live(ledger_)) {
    if (!voters[server]) continue;
    size_t count = 0;
    size_t missing = 1;
    for (ServerIndex i = 0; i < profile_.servers; ++i) {
      if (!voters[i]) continue;
      ++count;
      if (i == server) continue;
      if (!alive(i) || (nodes_[i] && !nodes_[i]->storage().member())) return false;
      // One that was an observer counts as a voter before it has one's memory.
      if (wiped_[i] || facts_[i].standing != Standing::Voter) ++missing;
    }
    if (count < 2 || missing > (count - 1) / 2 || wiped_[server]) return false;
  }
  return true;
}

// A voter that has never lost anything, or has it back, and knows that there was an epoch. Where
// all are blank, or as empty as they were made, they are a new ensemble.
bool Cluster::another_is_whole(ServerIndex server) const {
  for (ServerIndex i = 0; i < profile_.voters(); ++i) {
    const bool knows = nodes_[i] && !facts_[i].busy && nodes_[i]->storage().current_epoch() > 0;
    if (i != server && knows && !wiped_[i]) return true;
  }
  return false;
}

void Cluster::wipe(ServerIndex server, Duration down, bool logs_only) {
  sim_.kill(server_host(server), *this);
  SimDisk& disk = sim_.disk(server_host(server));
  if (!logs_only || !disk.wipe_logs()) disk.wipe_data();
  wiped_[server] = true;
  forgotten_[server].reset();
  ledger_.installed(server, Zxid{});
  leadership_.wiped(server);
  durability_.wiped(server);
  peer_pasts_[server] = {};
  if (sim_.state(server_host(server)) == HostState::Off) sim_.start(server_host(server), down);
}

// Every quorum without this server holds it, also one that this server joins with less.
bool Cluster::enough_others_have(ServerIndex server, Zxid zxid) const {
  for (const std::vector<bool>& voters : configs_.live(ledger_)) {
    size_t count = 0;
    size_t have = 0;
    for (ServerIndex i = 0; i < profile_.servers; ++i) {
      if (!voters[i]) continue;
      ++count;
      if (i != server && ledger_.durable(i, sim_.disk(server_host(i)), zxid)) ++have;
    }
    if (have <= count / 2) return false;
  }
  return true;
}

std::optional<Zxid> Cluster::lose_tail_of_stopped(ServerIndex server, uint64_t draw) {
  const std::optional<LostTail> lost = sim::lose_tail(sim_.disk(server_host(server)), draw);
  if (!lost) return std::nullopt;
  forget(server, *lost);
  return lost->kept;
}

void Cluster::forget(ServerIndex server, const LostTail& lost) {
  Forgotten forgotten;
  forgotten.log = {lost.frontier.uuid_high, lost.frontier.generation};
  forgotten.epoch = lost.frontier.current_epoch;
  forgotten.kept = lost.kept;
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    if (i == server || !nodes_[i] || profile_.observer(i)) continue;
    const auto acknowledged = nodes_[i]->storage().remembered(ServerId{server + 1});
    if (acknowledged && acknowledged->log == forgotten.log &&
        acknowledged->epoch >= forgotten.epoch && acknowledged->upto > forgotten.kept) {
      forgotten.remember.push_back(i);
    }
  }
  forgotten_[server] = std::move(forgotten);
  wiped_[server] = true;
  durability_.tail_lost(server, lost.kept);
  sim_.note(server_host(server), fmt::format("its log behind {:x} is lost", lost.kept.value));
}

// Somebody puts the disk of a while ago in its place. Only where nothing is missing but the end of
// the log, and enough others have that.
void Cluster::restore_image(const Fault& fault) {
  const ServerIndex server = fault.target;
  const auto image = images_.find(fault.id);
  if (image == images_.end() || !nodes_[server] || !may_wipe(server)) return;
  const HostId host = server_host(server);
  covered(fault.kind, server);
  sim_.lose_power(host, *this);
  const std::optional<LostTail> lost = forgotten_by(image->second, sim_.disk(host));
  if (lost && enough_others_have(server, durability_.acknowledged(server))) {
    sim_.disk(host) = image->second;
    (void)ledger_.reread(server, sim_.disk(host));
    forget(server, *lost);
  }
  if (sim_.state(host) == HostState::Off) sim_.start(host, milliseconds(20));
}

bool Cluster::lose_tail(ServerIndex server, uint64_t draw) {
  sim_.lose_power(server_host(server), *this);
  const Zxid acknowledged = durability_.acknowledged(server);
  if (profile_.observer(server) || !enough_others_have(server, acknowledged)) return false;
  return lose_tail_of_stopped(server, draw).has_value();
}

void Cluster::rot(ServerIndex server, uint64_t fault, Duration down) {
  const HostId host = server_host(server);
  sim_.lose_power(host, *this);
  const auto draw = [&](uint64_t what, uint64_t n) {
    return sim_.choices().below({ChoiceKind::Fault, fault, 30 + what, 0}, n);
  };
  if (draw(0, 2) == 0 && lose_tail(server, draw(1, 1000))) {
    if (sim_.state(host) == HostState::Off) sim_.start(host, down);
    return;
  }
  const bool snapshots = profile_.disks_fail_more && draw(2, 2) == 0;
  const std::optional<std::string> done =
      snapshots ? rot_snapshots(sim_.disk(host), sim_.choices(), fault)
                : rot_log(sim_.disk(host), sim_.choices(), fault);
  if (done) {
    wiped_[server] = true;
    damaged(server);
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
  durability_ = Durability(profile_.servers);
  protocol_ = ProtocolChecks(profile_.servers);
  configs_ = ConfigCheck(profile_.servers, profile_.voter_set());
  for (ServerIndex i = 0; i < profile_.servers; ++i) wipe(i, down);
  for (ClientIndex i = 0; i < profile_.clients; ++i) {
    sim_.kill(client_host(i), *this);
    clients_[i].begin_anew();
    sim_.start(client_host(i), down);
  }
}

// Whether it does anything at all now; one that waits for a packet shows later.
bool Cluster::finds_target(const Fault& fault) const {
  const FaultKind kind = fault.kind;
  if (kind == FaultKind::PowerLoss || kind == FaultKind::Kill) {
    return sim_.state(HostId{fault.target}) != HostState::Off;
  }
  const bool strikes_leader = kind == FaultKind::LeaderPowerLoss || kind == FaultKind::LeaderKill ||
                              kind == FaultKind::LeaderCut || kind == FaultKind::LeaderPause;
  return strikes_leader ? leader().has_value() : !fault.waits_for_packet();
}

void Cluster::apply(Fault& fault) {
  cover(fault);
  const std::optional<ServerIndex> leading = leader();
  const bool found = finds_target(fault);
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
      if (leading) isolate(fault, *leading);
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
      isolate(fault, fault.target);
      lasting = true;
      break;
    case FaultKind::CutPair:
      cut(fault, fault.target, fault.other, Path::Stalled);
      cut(fault, fault.other, fault.target, Path::Stalled);
      lasting = true;
      break;
    case FaultKind::CutOneWay:
      cut(fault, fault.target, fault.other, Path::Stalled);
      lasting = true;
      break;
    case FaultKind::BlackHole:
      cut(fault, fault.target, fault.other, Path::BlackHole);
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
      // What a failed sync leaves unwritten counts as written when ZooKeeper reads it back.
      if (is_apache(fault.target)) return;
      sync_fails_[fault.target] = true;
      sim_.files(server_host(fault.target)).arm({DiskOp::Sync, "log.", 0, FileError::Io});
      // A log that was begun in this life is open under the name that it was prepared with.
      if (profile_.disks_fail_more) {
        sim_.files(server_host(fault.target)).arm({DiskOp::Sync, "spare.", 0, FileError::Io});
      }
      break;
    case FaultKind::Wipe:
      if (!may_wipe(fault.target)) return;
      covered(fault.kind, fault.target);
      wipe(fault.target, fault.lasts,
           !is_apache(fault.target) &&  // without its logs it can carry out no TRUNC, and ends
               sim_.choices().chance({ChoiceKind::Fault, fault.id, 14, 0}, 1, 2));
      break;
    case FaultKind::Rot:
      // ZooKeeper's servers take what is left for all there was, and promise nothing else.
      if (is_apache(fault.target) || fuzzy_[fault.target] || !may_wipe(fault.target)) return;
      covered(fault.kind, fault.target);
      rot(fault.target, fault.id, fault.lasts);
      break;
    case FaultKind::SlowLinks:
    case FaultKind::LeaderDeaf:
    case FaultKind::LeaderDumb:
      if (fault.kind != FaultKind::SlowLinks && !leading) return;
      apply_to_links(fault);
      lasting = true;
      break;
    case FaultKind::SlowFollowers:
      for (ServerIndex i = 0; i < n; ++i) {
        if (i != leading) sim_.files(server_host(i)).set_slowness(fault.count);
      }
      lasting = true;
      break;
    case FaultKind::StuckRestart:
      for (ServerIndex i = 0; i < n; ++i) {
        if (i != fault.target) sim_.stick_disk(server_host(i));
      }
      sim_.alarm(sim_.now() + fault.after, fault.id + kStrike);
      lasting = true;
      break;
    case FaultKind::FullDisk: {
      SimDisk& disk = sim_.disk(server_host(fault.target));
      disk.set_capacity(disk.used_bytes() + std::max(fault.count, 1U) - 1);
      lasting = true;
      break;
    }
    case FaultKind::FailingOp: {
      // What cannot be read at a start is damage, which Rot does within its bounds.
      const NodeFacts& facts = facts_[fault.target];
      if (!nodes_[fault.target] || facts.role == ZabRole::Recovering) return;
      if (fault.count == 0 || fault.count > kFailingOps.size()) return;
      const FailingOp& failing = kFailingOps[fault.count - 1];
      const uint64_t skip = sim_.choices().below({ChoiceKind::Fault, fault.id, 15, 0}, 4);
      sim_.files(server_host(fault.target))
          .arm({failing.op, std::string(failing.name_prefix), static_cast<uint32_t>(skip),
                FileError::Io, 1, true});
      break;
    }
    case FaultKind::OldImage:
      // Who is no voter has acknowledged nothing; a list of members is not part of it.
      if (!nodes_[fault.target] || profile_.observer(fault.target) || profile_.reconfig) return;
      images_.emplace(fault.id, image_of(sim_.disk(server_host(fault.target))));
      sim_.alarm(sim_.now() + fault.lasts, fault.id + kStrike);
      break;
    case FaultKind::DiesAtDisk:
      if (sim_.state(server_host(fault.target)) != HostState::Running) return;
      doom(fault, fault.target);
      break;
    case FaultKind::TornWrite:
      tears_[fault.target] = fault.lasts;
      break;
    case FaultKind::Replaced:
      if (!may_replace(fault.target)) return;
      covered(fault.kind, fault.target);
      replaces_[fault.target] = true;
      crash(fault.target, fault.power, fault.lasts);
      break;
    case FaultKind::RestartUnheard:
      if (!leading || *leading == fault.target) return;
      cut(fault, fault.target, *leading, Path::Stalled);
      cut(fault, *leading, fault.target, Path::Stalled);
      covered(fault.kind, fault.target);
      crash(fault.target, fault.power, milliseconds(10));
      lasting = true;
      break;
    case FaultKind::PacketCrash:
    case FaultKind::PacketCut:
    case FaultKind::PacketBreak:
    case FaultKind::TruncTrouble:
      waiting_.push_back(fault.id);
      break;
    case FaultKind::ClockLeap:
      sim_.clock(server_host(fault.target))
          .jump_monotonic(milliseconds(static_cast<int64_t>(
              sim_.choices().below({ChoiceKind::Fault, fault.id, 12, 0}, 1500))));
      sim_.clock_changed(server_host(fault.target));
      break;
    case FaultKind::ClockDrift: {
      constexpr int64_t kMost = (kFastestClockPercent - 100) * 10'000;  // ppm
      const uint64_t ppm = sim_.choices().below({ChoiceKind::Fault, fault.id, 12, 0}, 2 * kMost);
      const int64_t drift_ppm = static_cast<int64_t>(ppm) - kMost;
      sim_.clock(server_host(fault.target)).set_drift(sim_.now(), drift_ppm);
      drifts_[fault.target] = true;
      fastest_ppm_ = std::max(fastest_ppm_, drift_ppm);
      slowest_ppm_ = std::min(slowest_ppm_, drift_ppm);
      sim_.clock_changed(server_host(fault.target));
      break;
    }
    case FaultKind::ClockJump:
      sim_.clock(server_host(fault.target))
          .jump_wall(milliseconds(static_cast<int64_t>(sim_.choices().below(
                                      {ChoiceKind::Fault, fault.id, 6, 0}, 7'200'000)) -
                                  3'600'000));
      sim_.clock_changed(server_host(fault.target));
      break;
  }
  fault.happened = found;
  sim_.note(server_host(std::min(fault.target, n - 1)), to_text(fault));
  if (lasting) sim_.alarm(sim_.now() + fault.lasts, fault.id + kUndo);
}

void Cluster::apply_to_links(const Fault& fault) {
  if (fault.kind == FaultKind::SlowLinks) {
    const Delay slow{milliseconds(5), milliseconds(60), 64, milliseconds(150)};
    sim_.network().set_delay(server_host(fault.target), server_host(fault.other), slow);
    sim_.network().set_delay(server_host(fault.other), server_host(fault.target), slow);
    return;
  }
  const std::optional<ServerIndex> leading = leader();
  for (ServerIndex i = 0; leading && i < profile_.servers; ++i) {
    if (fault.kind == FaultKind::LeaderDeaf) {
      cut(fault, i, *leading, Path::Stalled);
    } else {
      cut(fault, *leading, i, Path::Stalled);
    }
  }
}

// Its process ends right after so many more file operations.
void Cluster::doom(const Fault& fault, ServerIndex server) {
  const HostId host = server_host(server);
  down_for_[server] = fault.lasts;
  dies_at_[server] = sim_.file_operations(host) + fault.count;
  sim_.doom_at(host, dies_at_[server], fault.power ? Death::PowerLoss : Death::Kill);
}

// One over the edge of a sector. It is still done.
void Cluster::tear(ServerIndex server, const Call& write) {
  const uint64_t end = write.offset + write.bytes.size();
  const bool apart =
      !write.bytes.empty() && write.offset / kSectorBytes != (end - 1) / kSectorBytes;
  if (!tears_[server] || !apart) return;
  down_for_[server] = *std::exchange(tears_[server], std::nullopt);
  covered(FaultKind::TornWrite, server);
  sim_.doom(server_host(server), Death::PowerLoss);
}

// One of ZooKeeper's is cut back in a single step of its own.
void Cluster::trouble_truncation(const Fault& fault, ServerIndex learner) {
  if (!nodes_[learner]) return;
  covered(fault.kind, learner);
  if (fault.count <= kTruncDeathsMax) return doom(fault, learner);
  const FailingOp& failing = kTruncOps[(fault.count - kTruncDeathsMax - 1) % kTruncOps.size()];
  sim_.files(server_host(learner))
      .arm({failing.op, std::string(failing.name_prefix), 0, FileError::Io, 1, true});
}

// The packet that a fault waited for was sent.
void Cluster::packet_seen(ServerIndex leader, ServerIndex learner, const QuorumPacket& packet) {
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const auto fault = std::find_if(faults_.begin(), faults_.end(),
                                    [&](const Fault& f) { return f.id == waiting_[i]; });
    CHECK(fault != faults_.end());
    if (fault->packet != packet.type) continue;
    fault->target = leader;
    fault->other = learner;
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    sim_.alarm(sim_.now() + fault->after, fault->id + kStrike);
    return;
  }
}

void Cluster::strike(Fault& fault) {
  fault.happened = true;
  sim_.note(server_host(fault.target), "strikes: " + to_text(fault));
  const auto struck = [&](ServerIndex server) {
    switch (fault.struck) {
      case Struck::Leader:
        return server == fault.target;
      case Struck::Learner:
        return server == fault.other;
      case Struck::Both:
        return server == fault.target || server == fault.other;
      case Struck::All:
        return true;
      case Struck::AllButLearner:
        return server != fault.other;
    }
    return false;
  };
  if (fault.kind == FaultKind::StuckRestart) {
    if (leader() == fault.target) return;
    covered(fault.kind, fault.target);
    return crash(fault.target, fault.power, milliseconds(10));
  }
  if (fault.kind == FaultKind::OldImage) return restore_image(fault);
  if (fault.kind == FaultKind::TruncTrouble) return trouble_truncation(fault, fault.other);
  if (fault.kind != FaultKind::PacketCrash) {
    covered(fault.kind, fault.target);
    covered(fault.kind, fault.other);
  }
  if (fault.kind == FaultKind::PacketBreak) {
    return sim_.break_links(server_host(fault.target), server_host(fault.other), fault.id);
  }
  if (fault.kind == FaultKind::PacketCut) {
    if (fault.struck == Struck::Leader || fault.struck == Struck::Learner) {
      isolate(fault, fault.struck == Struck::Leader ? fault.target : fault.other);
    } else {
      const Path path = fault.power ? Path::Stalled : Path::BlackHole;
      cut(fault, fault.target, fault.other, path);
      if (fault.struck != Struck::All) cut(fault, fault.other, fault.target, path);
    }
    return sim_.alarm(sim_.now() + fault.lasts, fault.id + kUndo);
  }
  const int64_t n = profile_.servers;
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    // They come back one after the other, in either order.
    const int64_t nth = (fault.id & 1) != 0 ? int64_t{i} : n - 1 - int64_t{i};
    if (!struck(i)) continue;
    covered(fault.kind, i);
    crash(i, fault.power, fault.lasts * (nth + 1) / n);
  }
}

// A disk that is slow by the profile is so until everything has healed.
int64_t Cluster::own_slowness(ServerIndex server) const {
  return healed_ ? 1 : profile_.slowness(server);
}

void Cluster::undo(const Fault& fault) {
  const uint32_t n = profile_.servers;
  switch (fault.kind) {
    case FaultKind::LeaderCut:
    case FaultKind::Isolate:
    case FaultKind::CutPair:
    case FaultKind::CutOneWay:
    case FaultKind::BlackHole:
    case FaultKind::LeaderDeaf:
    case FaultKind::LeaderDumb:
    case FaultKind::PacketCut:
    case FaultKind::RestartUnheard:
      std::erase_if(cuts_, [&](const Cut& c) { return c.fault == fault.id; });
      set_paths();
      break;
    case FaultKind::Pause:
      sim_.resume(server_host(fault.target));
      break;
    case FaultKind::LeaderPause:
      for (ServerIndex i = 0; i < n; ++i) sim_.resume(server_host(i));
      break;
    case FaultKind::SlowDisk:
      sim_.files(server_host(fault.target)).set_slowness(own_slowness(fault.target));
      break;
    case FaultKind::SlowFollowers:
      for (ServerIndex i = 0; i < n; ++i) {
        sim_.files(server_host(i)).set_slowness(own_slowness(i));
      }
      break;
    case FaultKind::SlowLinks:
      sim_.network().set_delay(server_host(fault.target), server_host(fault.other),
                               NetOptions{}.packet);
      sim_.network().set_delay(server_host(fault.other), server_host(fault.target),
                               NetOptions{}.packet);
      break;
    case FaultKind::StuckDisk:
      sim_.release_disk(server_host(fault.target));
      break;
    case FaultKind::StuckRestart:
      for (ServerIndex i = 0; i < n; ++i) sim_.release_disk(server_host(i));
      break;
    case FaultKind::FullDisk:
      sim_.disk(server_host(fault.target)).set_capacity(SimDisk::kNoLimit);
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
    case FaultKind::Replaced:
    case FaultKind::ClockLeap:
    case FaultKind::ClockDrift:
    case FaultKind::DiesAtDisk:
    case FaultKind::PacketCrash:
    case FaultKind::PacketBreak:
    case FaultKind::FailingOp:
    case FaultKind::OldImage:
    case FaultKind::TruncTrouble:
    case FaultKind::TornWrite:
      break;
  }
}

void Cluster::heal() {
  healed_ = true;
  waiting_.clear();
  for (const Fault& fault : faults_) undo(fault);
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    sim_.files(server_host(i)).clear_faults();
    sim_.files(server_host(i)).set_slowness(own_slowness(i));
    sim_.clock(server_host(i)).set_drift(sim_.now(), 0);
    drifts_[i] = false;
    sim_.clock_changed(server_host(i));
    down_for_[i].reset();
    tears_[i].reset();
    sim_.doom_at(server_host(i), UINT64_MAX, Death::Kill);
    if (sim_.state(server_host(i)) == HostState::Off) sim_.start(server_host(i));
  }
  sim_.note(server_host(0), "all faults healed");
}

}  // namespace vivarium::sim
