#include "sim/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/storage/record.h"
#include "core/storage/repair.h"
#include "core/storage/snapshot.h"
#include "sim/checkers/atomic.h"
#include "sim/checkers/barrier.h"
#include "sim/checkers/corruption.h"
#include "sim/checkers/ephemerals.h"
#include "sim/checkers/fifo.h"
#include "sim/checkers/idempotent.h"
#include "sim/checkers/linear.h"
#include "sim/checkers/messages.h"
#include "sim/checkers/monotone.h"
#include "sim/checkers/no_expire.h"
#include "sim/checkers/results.h"
#include "sim/checkers/sequence.h"
#include "sim/checkers/sequence_names.h"
#include "sim/checkers/session.h"
#include "sim/checkers/watch_once.h"
#include "sim/checkers/watch_order.h"
#include "sim/checkers/watch_reconnect.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

constexpr Duration kProbeStep = milliseconds(50);
constexpr uint32_t kChanges = 16;
// A majority that is well elects and synchronises within this, though it may choose one three times
// who is not well and has the best vote (initLimit is a second). To it comes the time in which an
// attempt to connect is given up, whose packets went into a black hole.
constexpr Duration kProgress = milliseconds(4000);
constexpr Duration kBetweenChanges = milliseconds(250);

SimOptions sim_options(uint64_t seed, const Profile& profile) {
  SimOptions options;
  options.seed = seed;
  options.net.split_per_1024 = profile.split_per_1024;
  options.disk.tears = profile.tears;
  return options;
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
  f.listed = node.configs().seat(node.config().id) != Seat::None;
  f.epoch = node.zab().epoch();
  f.established = node.zab().established();
  f.leading = node.zab().leading();
  f.delivers = node.zab().delivers();
  f.committed = node.zab().committed();
  f.last_applied = node.tree().last_applied();
  f.last_logged = node.storage().last_logged();
  f.last_durable = node.storage().last_durable();
  f.claimed = node.storage().claimed();
  f.damaged = node.storage().damage() != nullptr;
  const Found found = node.storage().recovered().found;
  f.unsettled = found == Found::Damaged || found == Found::Amnesia;
  f.refuted = node.storage().recovered().untrue || node.digests().untrue();
  f.accepted_epoch = node.storage().accepted_epoch();
  f.current_epoch = node.storage().current_epoch();
  f.busy = node.storage().busy() || node.storage().recovering();
  f.active_config = node.configs().active().version;
  if (node.configs().pending()) f.pending_config = node.configs().last_seen().version;
  return f;
}

Cluster::Cluster(uint64_t seed, ProfileKind kind)
    : Cluster(seed, profile_of(seed, kind), faults_of(seed, profile_of(seed, kind))) {}

Cluster::Cluster(uint64_t seed, const Profile& profile, std::vector<Fault> faults)
    : profile_(profile),
      sim_(sim_options(seed, profile)),
      faults_(std::move(faults)),
      nodes_(profile.servers),
      peers_(profile.servers),
      facts_(profile.servers),
      forgotten_(profile.servers),
      peer_pasts_(profile.servers),
      wiped_(profile.servers),
      fuzzy_(profile.servers),
      apache_(profile.apache),
      replaces_(profile.servers),
      inherits_until_(profile.servers),
      down_for_(profile.servers),
      dies_at_(profile.servers),
      sync_fails_(profile.servers),
      tears_(profile.servers),
      syncing_(profile.servers),
      ledger_(profile.servers),
      agreement_(profile.servers),
      ballots_(profile.voters()),
      leadership_(profile.servers),
      durability_(profile.servers),
      configs_(profile.servers, profile.voter_set()),
      operators_({profile.servers, profile.voters(), !profile.config.admin.words.empty(),
                  profile.config.read_only_mode, profile.reconfig}),
      protocol_(profile.servers),
      fail_stop_(profile.servers),
      founding_(profile.servers),
      truncations_(profile.servers),
      partial_(profile.voters(), kProgress + milliseconds(profile.config.election_connect_ms)),
      drifts_(profile.servers) {
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
    host.logs_apart = sim_.choices().chance({ChoiceKind::Topology, 104, i, 0}, 1, 3);
    const HostId id = sim_.add_host(host);
    CHECK(id.value == i);
    sim_.files(id).set_slowness(profile_.slowness(i));
    if (profile_.reconfig) {
      const std::string text = server_config(profile_, i).reconfig.static_text;
      sim_.disk(id).put(Dir::Config, kZooCfg, as_bytes(text));
    }
    sim_.start(id, microseconds(static_cast<int64_t>(
                       sim_.choices().below({ChoiceKind::Topology, 102, i, 0}, 50'000))));
  }
  for (uint32_t i = 0; i < profile_.clients; ++i) {
    ClientOptions options;
    options.who.ids = draw_ids(profile_, i, sim_.choices());
    HostOptions host;
    host.name = fmt::format("c{}", i + 1);
    host.certificate_subject = certificate_of(options.who);
    const HostId id = sim_.add_host(host);
    options.who.address = address_of(sim_.address(id));
    options.padding = profile_.padding;
    options.wrong_one_in = profile_.wrong_one_in;
    options.index = i;
    options.servers = profile_.servers;
    options.session_timeout_ms = profile_.session_timeout_ms;
    options.operations = profile_.operations_per_client;
    options.pipeline = static_cast<uint32_t>(
        1 + sim_.choices().below({ChoiceKind::Topology, 103, i, 0}, profile_.pipeline));
    options.burst = profile_.burst;
    options.think = profile_.think;
    options.read_only = profile_.config.read_only_mode && i % 2 == 0;
    if (profile_.changes_ensemble(i)) {
      options.changes_ensemble = true;
      options.operations = kChanges;
      options.pipeline = options.burst = 1;
      options.think = kBetweenChanges;
      options.wrong_one_in = 0;
    }
    clients_.emplace_back(options);
    if (!profile_.is_absent(i)) sim_.start(id, milliseconds(20));
  }
  if (profile_.has_operator) {
    HostOptions host;
    host.name = "o1";
    const HostId id = sim_.add_host(host);
    OperatorOptions options;
    options.servers = profile_.servers;
    operator_.emplace(options);
    sim_.start(id, milliseconds(20));
  }
  if (profile_.has_stranger) {
    HostOptions host;
    host.name = "x1";
    const HostId id = sim_.add_host(host);
    stranger_host_ = id.value;
    StrangerOptions options;
    options.servers = profile_.servers;
    stranger_.emplace(options);
    sim_.start(id, milliseconds(20));
  }
  for (const Fault& fault : faults_) sim_.alarm(fault.at, fault.id);
}

// --- processes

void Cluster::born(HostId host, uint32_t) {
  if (!is_server(host)) return;
  if (is_apache(host.value)) return peer_born(host.value);
  const std::optional<Config> config = config_of(host.value);
  verdict_.expect(Checker::Recover, config.has_value(), sim_.now(), [&] {
    return fmt::format("the files of s{} do not say who the members are", host.value + 1);
  });
  founding_.begun(host.value, agreement_.last());
  truncations_.born(host.value, sim_.disk(host));
  nodes_[host.value].emplace(config ? *config : server_config(profile_, host.value));
  facts_[host.value] = NodeFacts{};
  facts_[host.value].busy = true;
  operators_.life_changed(host.value);
}

// As a program reads its files when it starts.
std::optional<Config> Cluster::config_of(ServerIndex server) {
  Config config = server_config(profile_, server);
  if (!profile_.reconfig) return config;
  const SimDisk& disk = sim_.disk(server_host(server));
  const std::optional<Membership> found = membership_on(disk);
  const auto text = disk.content(Dir::Config, kZooCfg, SimDisk::Image::Cached);
  if (!found || !text) return std::nullopt;
  config.members = found->members;
  config.members_version = found->version;
  config.reconfig.static_text = as_text(*text);
  const Result<Config> fine = checked(config);
  if (!fine) return std::nullopt;
  return config;
}

void Cluster::step(HostId host, const Event& event, World& world) {
  if (is_server(host) && is_apache(host.value)) {
    peers_[host.value]->step(event, world);
  } else if (is_server(host)) {
    nodes_[host.value]->step(event, world);
  } else if (stranger_ && host.value == stranger_host_) {
    stranger_->step(event, world, sim_.choices());
  } else if (host.value == profile_.servers + profile_.clients) {
    operator_->step(event, world, sim_.choices(), sim_.now());
    operators_.stepped(operator_->asked(), sim_.now(), verdict_);
  } else {
    clients_[host.value - profile_.servers].step(event, world, sim_.choices(), sim_.now());
  }
}

void Cluster::died(HostId host) {
  if (!is_server(host)) return;
  const ServerIndex server = host.value;
  cover_death(server);
  leadership_.died(server);
  nodes_[server].reset();
  peers_[server].reset();
  note_lead(server, false);
  for (std::optional<Forgotten>& f : forgotten_) {
    if (f) std::erase(f->remember, server);
  }
  facts_[server] = NodeFacts{};
  if (replaces_[server]) replaced(server);
  agreement_.died(server);
  fail_stop_.died(server);
  if (sim_.ended(host) == StopReason::Fatal) fail_stop_.stopped(verdict_);
  operators_.life_changed(server);
  ++outcome_.crashes;
  // A process that ended by itself is started again, as an init system would.
  if (sim_.stopped_itself(host)) {
    sim_.start(host, milliseconds(100));
  } else if (down_for_[server]) {
    sim_.start(host, *down_for_[server]);
  }
  down_for_[server].reset();
}

// --- faults

std::optional<ServerIndex> Cluster::leader() const {
  std::optional<ServerIndex> found;
  for (ServerIndex i = 0; i < nodes_.size(); ++i) {
    if (!alive(i) || !facts_[i].leading) continue;
    if (!found || (facts_[i].established && facts_[i].epoch >= facts_[*found].epoch)) found = i;
  }
  return found;
}

// --- watching

void Cluster::called(Simulation& sim, HostId host, const Call& call) {
  if (other_ != nullptr) other_->called(sim, host, call);
  if (is_server(host) && alive(host.value)) tap(host.value, call);
}

void Cluster::tap(ServerIndex server, const Call& call) {
  if (call.kind == CallKind::Write) {
    const std::string_view name = sim_.files(server_host(server)).name_of(call.file);
    if (name.substr(0, 4) != "log." && name.substr(0, 6) != "spare.") return;
    tear(server, call);
    const std::optional<std::string> twice = ledger_.log_written(
        server, sim_.files(server_host(server)).inode_of(call.file), call.offset, call.bytes);
    verdict_.expect(Checker::ZxidUniq, !twice.has_value(), sim_.now(), [&] { return *twice; });
    if (profile_.apache != 0 || ledger_.last_written().empty()) return;
    // A leader may bring up a txn and lead no more when its log is written at the end of the turn.
    const NodeFacts& before = facts_[server];
    protocol_.logged(server, before.leading ? before : facts_of(server), ledger_, sim_.now(),
                     verdict_);
    return;
  }
  if (call.kind == CallKind::Rename) {
    if (!is_apache(server)) tap_snapshot(server, call);
    return;
  }
  if (call.kind == CallKind::Log) return tap_line(server, call.name);
  if (call.kind == CallKind::CloseLink) return leadership_.ended(server, call.link);
  if (call.kind != CallKind::Send) return;
  fail_stop_.sends(server, sim_.now(), verdict_);
  const std::optional<LinkInfo> link = sim_.network().info(server_host(server), call.link);
  if (!link || link->port != kQuorumPort) return;
  const bool learner = link->from == server_host(server);
  if (!is_server(learner ? link->to : link->from)) return;  // a stranger's
  tap_packets({uint64_t{link->connection} << 32 | link->generation, server,
               learner ? link->to.value : link->from.value, learner},
              call.bytes);
}

// A server takes them of what is committed alone (hazards S20). What is in them is looked at where
// they are written in slices; where not, restarts show it.
void Cluster::tap_snapshot(ServerIndex server, const Call& call) {
  const std::optional<SnapshotName> name = parse_snapshot_name(call.name_to);
  if (call.dir != Dir::Snapshots || !name) return;
  if (call.name.starts_with(kTakingPrefix) && profile_.apache == 0) {
    verdict_.expect(Checker::SnapZxid, name->zxid <= agreement_.committed(), sim_.now(), [&] {
      return fmt::format("s{} takes a snapshot of zxid {:x}, and {:x} is committed", server + 1,
                         name->zxid.value, agreement_.committed().value);
    });
  }
  if (profile_.config.snapshot_slice_elements == Config().snapshot_slice_elements) return;
  const std::optional<Bytes> file =
      sim_.disk(server_host(server)).content(call.dir, call.name, SimDisk::Image::Cached);
  if (!file) return;
  DataTree tree;
  tree.clear();
  SnapshotFileReader reader;
  const bool good = reader.feed(*file, tree) && reader.finish().has_value();
  if (good && fuzzy_[server]) return;
  agreement_.snapshot_named(server, name->zxid, good ? &tree : nullptr, sim_.now(), verdict_);
}

// Whose connection to the quorum port of this server it is.
std::optional<ServerIndex> Cluster::learner_of(ServerIndex leader, LinkId id) const {
  const std::optional<LinkInfo> link = sim_.network().info(server_host(leader), id);
  const bool its = link && link->port == kQuorumPort && link->to == server_host(leader);
  if (!its || !is_server(link->from)) return std::nullopt;
  return link->from.value;
}

// What comes from a learner.
void Cluster::tap_arrival(ServerIndex leader, const LinkBytes& bytes) {
  if (!facts_[leader].leading) return;
  const std::optional<ServerIndex> learner = learner_of(leader, bytes.link);
  if (learner) leadership_.arrived(leader, *learner, bytes.link, bytes.bytes.size());
}

void Cluster::tap_line(ServerIndex server, std::string_view line) {
  if (profile_.apache != 0) return;
  if (line.starts_with("all configured voters are here and blank")) founding_.founds(server);
  const auto leads = [&](ServerIndex other) {
    return nodes_[server]->zab().election().says_it_leads(ServerId{other + 1});
  };
  if (!profile_.reconfig) ballots_.said(server, line, leads, sim_.now(), verdict_);
  // A stranger is to be blamed.
  if (profile_.has_stranger) return;
  verdict_.expect(Checker::TlaMsg, !blames_peer(line), sim_.now(),
                  [&] { return fmt::format("s{} says \"{}\"", server + 1, line); });
}

// A turn's send holds whole packets; from a leader also the body of a SNAP, which is none.
void Cluster::tap_packets(const ProtocolChecks::Sent& sent, ByteView bytes) {
  const auto [link, server, peer, learner] = sent;
  const SimDisk& disk = sim_.disk(server_host(server));
  const NodeFacts facts = learner ? facts_of(server) : NodeFacts{};
  while (!bytes.empty()) {
    QuorumPacket packet;
    size_t used = 0;
    const Decoded state = decode_quorum_packet(bytes, 1 << 24, packet, used);
    CHECK(!learner || state == Decoded::Ok);
    if (state != Decoded::Ok) return;
    bytes = bytes.subspan(used);
    if (profile_.apache == 0) protocol_.packet_sent(sent, packet, sim_.now(), verdict_);
    if (!learner) sync_sent(server, peer, packet.type);
    const bool promises = packet.type == PacketType::FollowerInfo && profile_.apache == 0;
    if (learner && promises && !profile_.reconfig && !profile_.beyond) {
      leadership_.told(server, peer, Zxid::from_wire(packet.zxid).epoch(), used);
    }
    if (learner) {
      leadership_.packet_sent(server, peer, facts, packet, sim_.now(), verdict_);
      durability_.packet_sent(server, facts, packet, disk, ledger_, sim_.now(), verdict_);
    } else if (packet.type == PacketType::LeaderInfo && packet.data.size() >= 4 &&
               get_u32(packet.data.data()) == kLeaderProtocolVersion) {
      durability_.epoch_announced(server, Zxid::from_wire(packet.zxid).epoch(), disk, sim_.now(),
                                  verdict_);
    } else if (packet.type == PacketType::Snap || packet.type == PacketType::Trunc) {
      note_sync(server, peer, packet.type);
    }
    if (!waiting_.empty()) packet_seen(learner ? peer : server, learner ? server : peer, packet);
  }
}

void Cluster::delivering(Simulation& sim, HostId host, const Event& event) {
  if (other_ != nullptr) other_->delivering(sim, host, event);
  if (!is_server(host)) return;
  if (const auto* bytes = std::get_if<LinkBytes>(&event)) tap_arrival(host.value, *bytes);
  if (const auto* down = std::get_if<LinkDown>(&event)) leadership_.ended(host.value, down->link);
  const auto* failed = std::get_if<FileFailed>(&event);
  if (failed == nullptr || failed->error == FileError::NotFound) return;
  const SimFiles& files = sim_.files(host);
  if (!files.was_written(failed->file)) return;
  fail_stop_.told(host.value, files.name_of(failed->file), files.lane_of(failed->file));
}

void Cluster::delivered(Simulation& sim, HostId host, const Event& event) {
  if (other_ != nullptr) other_->delivered(sim, host, event);
  if (!std::holds_alternative<TurnEnded>(event)) ++outcome_.events;
  if (is_server(host) && nodes_[host.value]) after_step(host.value);
  if (std::holds_alternative<TurnEnded>(event) && is_server(host) && nodes_[host.value]) {
    durability_.turn_ended(host.value, facts_[host.value], sim_.now(), verdict_);
  }
  if (is_server(host) && peers_[host.value]) after_peer_step(host.value);
}

void Cluster::disk_changed(Simulation& sim, HostId host) {
  if (other_ != nullptr) other_->disk_changed(sim, host);
}

void Cluster::crashed(Simulation& sim, HostId host) {
  if (other_ != nullptr) other_->crashed(sim, host);
}

void Cluster::happened(Simulation& sim, HostId host, std::string_view what) {
  if (other_ != nullptr) other_->happened(sim, host, what);
}

void Cluster::after_step(ServerIndex server) {
  const Node& node = *nodes_[server];
  const NodeFacts after = facts_of(server);
  if (after == facts_[server]) return;
  const NodeFacts before = std::exchange(facts_[server], after);
  if (after.role == ZabRole::Looking) syncing_[server].reset();
  if (after.delivers) fuzzy_[server] = false;
  if (before.busy && !after.busy) {
    // A recovery, truncation or install is over.
    const std::optional<std::string> twice = ledger_.reread(server, sim_.disk(server_host(server)));
    verdict_.expect(Checker::ZxidUniq, !twice.has_value(), sim_.now(), [&] { return *twice; });
    // Who hears that it acknowledged more than what its list says it lacks has no list any more:
    // what it has is untouched, and it has given up nothing.
    const bool list_voided =
        after.unsettled && !after.damaged && after.last_durable == before.last_durable;
    if (before.role != ZabRole::Recovering && !list_voided) {
      // Whoever is in no configuration acknowledges too, and is counted nowhere: a leader who was
      // elected without what it has may take it back, though a later one turns up with it; and so
      // may one whose own log is stuck, by a SNAP to who lost it to damage and stands aside.
      const bool stands_aside = after.standing == Standing::Aside && !after.listed;
      const bool counts = after.standing != Standing::NonVoting && !stands_aside;
      const Zxid committed =
          counts ? agreement_.committed_up_to(durability_.acknowledged(server)) : Zxid{};
      // What came behind it in the same step is not durable yet.
      durability_.truncated(server, after.damaged ? after.claimed : after.last_durable, committed,
                            sim_.now(), verdict_);
    }
  }
  // What it is, it knows when it has recovered.
  const bool recovered = after.role != ZabRole::Recovering;
  const bool whole = after.standing == Standing::Voter || after.standing == Standing::Observer ||
                     after.standing == Standing::NonVoting;
  if (forgotten_[server]) watch_forgotten(server, before.role);
  const SimTime now = sim_.now();
  if (recovered && whole && !after.damaged && !forgotten_[server]) {
    if (wiped_[server] && !profile_.reconfig && profile_.voters() > 1) {
      founding_.recovered(server, after, agreement_.last(), now, verdict_);
    }
    wiped_[server] = false;
  }
  if (operator_) operators_.stepped(server, before, after, now);
  agreement_.stepped(server, before, after, node.tree(), ledger_, now, verdict_);
  // What txns say of the tree behind them is true, wherever they are applied.
  verdict_.expect(Checker::LogTree, !node.digests().first().has_value(), now, [&] {
    return fmt::format("s{} saw its tree differ from what txn {:x} says of it", server + 1,
                       node.digests().first()->zxid.value);
  });
  if (profile_.reconfig) {
    configs_.stepped(server, before, after, node.configs(), ledger_, now, verdict_);
  }
  if (profile_.apache == 0) {
    protocol_.stepped(server, before, after, agreement_, ledger_, now, verdict_);
  }
  if (before.busy && !after.busy) {
    check_corruption(server, after, ledger_, now, verdict_);
    truncations_.recovered(server, after, now, verdict_);
  }
  std::vector<ConfigCheck::Need> needs;
  if (after.leading && after.established && after.committed > before.committed) {
    needs = configs_.needs(before, after);
  }
  leadership_.stepped(server, after, now, verdict_);
  if (after.leading && after.current_epoch == after.epoch && before.current_epoch != after.epoch &&
      profile_.voters() > 1 && !profile_.reconfig && profile_.apache == 0 && !profile_.beyond) {
    leadership_.begun(server, after, before.current_epoch, profile_.voters(), now, verdict_);
  }
  if (after.leading && after.established && !before.established && !profile_.reconfig) {
    durability_.established(server, after.epoch, configs_.voters(after.active_config),
                            sim_.disk(server_host(server)), now, verdict_);
  }
  durability_.stepped(server, before, after, sim_.disk(server_host(server)), ledger_,
                      agreement_.committed_up_to(durability_.acknowledged(server)), needs, now,
                      verdict_);
}

// Whoever has lost the end of its log and hears of a peer who remembers it takes no part as a voter
// with what is left (RULES 3, rule T). What it hears when it has joined comes too late to be said.
void Cluster::watch_forgotten(ServerIndex server, ZabRole before) {
  const NodeFacts& now = facts_[server];
  const Node& node = *nodes_[server];
  const Forgotten& forgotten = *forgotten_[server];
  const bool joined = now.role == ZabRole::Learner || now.role == ZabRole::Leader;
  const bool joins = joined && now.role != before;
  if (joins && !now.established && now.standing == Standing::Voter && !now.damaged &&
      now.last_logged == forgotten.kept) {
    for (const ServerIndex peer : forgotten.remember) {
      verdict_.expect(Checker::Recover, !node.zab().election().has_heard(ServerId{peer + 1}),
                      sim_.now(), [&] {
                        return fmt::format(
                            "s{} votes with a log to {:x}, and has heard s{}, who remembers more",
                            server + 1, forgotten.kept.value, peer + 1);
                      });
    }
  }
  // Synchronised: what it lacked is there again, or was never committed.
  if (now.established) forgotten_[server].reset();
}

// --- the run

// Whoever is in no configuration has nobody to answer for: it may know nobody who is.
bool Cluster::member_converged(ServerIndex server, Zxid applied) const {
  const NodeFacts& f = facts_[server];
  if (is_apache(server)) {
    return peers_[server] && f.delivers && f.last_applied == applied;
  }
  if (profile_.reconfig) {
    const bool initial = configs_.committed() == Zxid{} && profile_.observer(server);
    if (!initial && !configs_.member(configs_.committed(), server)) return true;
    // Damaged, and with lists of old: those whom it knows may be nobody who could fill it, and the
    // rest is for a person, to whom it says so.
    if (f.damaged && f.active_config < configs_.committed()) return true;
    const bool fits = f.active_config == configs_.committed() ||
                      (configs_.committed() == Zxid{} && f.active_config.counter() == 0);
    if (!fits) return false;
  }
  Standing due = profile_.observer(server) ? Standing::Observer : Standing::Voter;
  if (profile_.reconfig && configs_.committed() != Zxid{}) {
    due = configs_.voters(configs_.committed())[server] ? Standing::Voter : Standing::Observer;
  }
  return nodes_[server] && f.delivers && f.standing == due && f.last_applied == applied &&
         f.last_logged == applied;
}

// So many voters do not know what they have acknowledged that the others are no quorum, and nobody
// leads.
bool Cluster::majority_lost() const {
  uint32_t lost = 0;
  for (ServerIndex i = 0; i < profile_.voters(); ++i) {
    if (facts_[i].leading && facts_[i].established) return false;
    const Standing standing = facts_[i].standing;
    if (standing == Standing::Aside || standing == Standing::Blank || facts_[i].damaged) ++lost;
  }
  return lost > (profile_.voters() - 1) / 2;
}

// A change of the ensemble was proposed when enough of its voters seemed to be there, and by now
// they have lost what they held: whoever has logged it cannot go on without them, and nobody but a
// person can tell that it was never committed.
bool Cluster::beyond_repair() const {
  if (profile_.beyond) return majority_lost();
  for (const NodeFacts& facts : facts_) {
    const auto pending = ledger_.reconfigs().find(facts.pending_config);
    if (pending == ledger_.reconfigs().end()) continue;
    const std::vector<bool> voters = voters_of(config_lines(pending->second), profile_.servers);
    size_t count = 0;
    size_t whole = 0;
    for (ServerIndex i = 0; i < profile_.servers; ++i) {
      if (!voters[i]) continue;
      ++count;
      const Standing standing = facts_[i].standing;
      if (standing != Standing::Aside && standing != Standing::Blank) ++whole;
    }
    if (whole <= count / 2) return true;
  }
  return false;
}

bool Cluster::converged() const {
  const std::optional<ServerIndex> leading = leader();
  if (!leading) return false;
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    if (!member_converged(i, facts_[*leading].last_applied)) return false;
  }
  for (ClientIndex i = 0; i < profile_.clients; ++i) {
    const bool done = clients_[i].probe_done() && clients_[i].workload_done();
    if (!done && !profile_.is_absent(i)) return false;
  }
  return true;
}

void Cluster::run_for(Duration d) {
  sim_.run_for(*this, d);
  look_at_progress();
  for (ServerIndex i = 0; operator_ && i < profile_.servers; ++i) {
    const HostId host = server_host(i);
    // What was asked of its directories while it was slow may still be under way.
    const SimFiles& files = sim_.files(host);
    const bool late = files.names_ready() > sim_.now() + milliseconds(1000);
    if (files.slowness() > 1 || late) operators_.disk_slow(i);
    const bool stalled = !sim_.running(host) || sim_.disk_stuck(host);
    operators_.passed(i, stalled, d, sim_.now(), verdict_);
  }
}

void Cluster::check_live() {
  const SimTime limit = sim_.now() + profile_.settle;
  for (SimClient& client : clients_) client.ask_probe();
  while (sim_.now() < limit && !over() && !converged()) {
    run_for(kProbeStep);
  }
  if (over()) return;
  if ((profile_.reconfig || profile_.beyond) && !converged() && beyond_repair()) {
    stuck_ = true;
    return;
  }
  if (!converged() && excuse_shut_out()) return;
  verdict_.expect(Checker::Live, converged(), sim_.now(), [&] {
    std::string text = "not converged after healing:";
    for (ServerIndex i = 0; i < profile_.servers; ++i) {
      const NodeFacts& f = facts_[i];
      text += fmt::format(" s{} role {} standing {} epoch {} serving {} applied {:x} logged {:x};",
                          i + 1, static_cast<int>(f.role), static_cast<int>(f.standing), f.epoch,
                          f.delivers, f.last_applied.value, f.last_logged.value);
      if (profile_.reconfig) {
        text += fmt::format(" configuration {:x} pending {:x};", f.active_config.value,
                            f.pending_config.value);
      }
    }
    for (ClientIndex i = 0; i < profile_.clients; ++i) {
      text += fmt::format(" c{} connected {} workload {} probe {};", i + 1, clients_[i].connected(),
                          clients_[i].workload_done(), clients_[i].probe_done());
    }
    return text;
  });
}

// Nothing goes wrong any more, so nobody looks for another leader and no session ends.
void Cluster::check_quiet() {
  const auto all_connected = [&] {
    for (ClientIndex i = 0; i < profile_.clients; ++i) {
      if (!clients_[i].connected() && !profile_.is_absent(i)) return false;
    }
    return true;
  };
  const SimTime limit = sim_.now() + milliseconds(3000);
  while (sim_.now() < limit && !all_connected()) sim_.run_for(*this, kProbeStep);
  const size_t leaderships = leadership_.leaderships();
  std::vector<SessionId> sessions;
  for (const SimClient& client : clients_) sessions.push_back(client.session());
  sim_.run_for(*this, milliseconds(2 * profile_.session_timeout_ms));
  for (int i = 0; i < 10 && !converged(); ++i) sim_.run_for(*this, kProbeStep);
  verdict_.expect(Checker::Stable, leadership_.leaderships() == leaderships && converged(),
                  sim_.now(), [&] { return "the ensemble changed although nothing had happened"; });
  if (over()) return;
  for (const auto& entry : tree_of(*leader())->sessions()) {
    const SessionId session = entry.first;
    const bool held = std::any_of(clients_.begin(), clients_.end(),
                                  [&](const SimClient& c) { return c.session() == session; });
    verdict_.expect(Checker::Live, held, sim_.now(), [&] {
      return fmt::format("session {:x} has no client and is still open",
                         static_cast<uint64_t>(session.value));
    });
  }
  for (ClientIndex i = 0; i < profile_.clients; ++i) {
    if (profile_.is_absent(i)) continue;
    verdict_.expect(Checker::NoExpire,
                    clients_[i].connected() && clients_[i].session() == sessions[i], sim_.now(),
                    [&] { return fmt::format("c{} lost its session, and was heard", i + 1); });
  }
}

void Cluster::check_results() {
  for (const SimClient& client : clients_) {
    const std::string& error = client.protocol_error();
    verdict_.expect(Checker::Mono, error.find("K-MONO") == std::string::npos, sim_.now(),
                    [&] { return error; });
    verdict_.expect(Checker::Fifo, error.empty(), sim_.now(), [&] { return error; });
  }
  if (!agreement_.complete()) return;
  ModelRules rules;
  rules.local_sessions = profile_.config.local_sessions;
  rules.enforce_quota = profile_.config.enforce_quota;
  rules.voters_min = profile_.config.reconfig.standalone_enabled ? 2U : 1U;
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    if (profile_.spare(i) || profile_.is_shadow(i)) continue;
    rules.first_config[int64_t{i} + 1] = member_spec(i, profile_.observer(i));
  }
  const std::optional<ServerIndex> leading = leader();
  if (leading) {
    check_idempotent(*tree_of(*leading), agreement_.order(), ledger_, sim_.now(), verdict_);
  }
  check_history(clients_, agreement_.order(), ledger_, rules, sim_.now(), verdict_);
  if (!verdict_.violation()) check_clients();
}

void Cluster::check_clients() {
  Past past;
  past.history = history_of(agreement_.order(), agreement_.delivered_at(), ledger_);
  past.now = sim_.now();
  const Config& config = profile_.config;
  past.local_sessions = config.local_sessions;
  // A follower that was paused first takes in what its leader said before it gave it up.
  Duration paused{};
  for (const Fault& fault : faults_) {
    const bool pauses = fault.kind == FaultKind::Pause || fault.kind == FaultKind::LeaderPause;
    if (pauses) paused = std::max(paused, fault.lasts);
  }
  const int64_t unaware_ms = (config.sync_limit_ticks + 2) * config.tick_ms;
  past.expiry_slack = milliseconds(unaware_ms * kMillion / (kMillion + slowest_ppm_)) + paused;
  past.clock_pace_ppm = kMillion + fastest_ppm_;
  for (const SimClient& client : clients_) past.clients.push_back(&client.log());
  past.apache_leads = apache_leads_;
  std::vector<const DataTree*> trees;
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    if (alive(i)) trees.push_back(tree_of(i));
  }
  check_fifo(past, verdict_);
  check_sequence(past, verdict_);
  check_monotone(past, verdict_);
  check_barrier(past, verdict_);
  check_atomic(past, verdict_);
  check_sequence_names(past, verdict_);
  check_sessions(past, verdict_);
  check_ephemerals(past, trees, verdict_);
  check_no_expire(past, verdict_);
  check_watch_order(past, verdict_);
  check_watch_once(past, verdict_);
  check_watch_reconnect(past, verdict_);
  check_linear(past, verdict_);
}

Outcome Cluster::run() {
  sim_.observe(this);
  const SimTime end{profile_.trouble.ns};
  while (sim_.now() < end && !over()) {
    run_for(std::min(end - sim_.now(), kProbeStep));
  }
  return finish();
}

Outcome Cluster::finish() {
  if (!over()) {
    heal();
    check_live();
  }
  if (!over() && profile_.quiet_end && !stuck_) check_quiet();
  if (!over()) check_bounds();
  if (!over() && profile_.partial_end && !stuck_) check_partial();
  if (!over()) check_results();
  if (!excused_) outcome_.violation = verdict_.violation();
  outcome_.excused = excused_;
  outcome_.trace_hash = sim_.trace_hash();
  for (const SimClient& client : clients_) outcome_.completed += client.completed();
  outcome_.leaderships = leadership_.leaderships();
  outcome_.txns = agreement_.order().size();
  outcome_.evaluated = verdict_.counts();
  outcome_.needs_person = stuck_;
  return outcome_;
}

}  // namespace vivarium::sim
