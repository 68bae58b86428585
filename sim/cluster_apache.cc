// Of the cluster, what servers of ZooKeeper's are to the checkers: their facts in the terms of
// ours, and what they are excused from. The allowances are three, and each says why:
//  - promised_by_leader() in checkers/barrier.cc: a sync behind their leader is no barrier;
//  - vouches_for_disk(): with flaws of theirs, what they acknowledge may not be durable;
//  - excuse(): once such a flaw has cost something, the ensemble is theirs to answer for.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/base/check.h"
#include "sim/apache/files.h"
#include "sim/cluster.h"

namespace vivarium::sim {
namespace {

// What ZooKeeper has left, which purges nothing by itself, goes when a server of ours has taken a
// snapshot: it is whole and serves then.
constexpr Duration kPurgedWithin = milliseconds(8000);

ZabRole role_of(const apache::Peer& peer) {
  switch (peer.role()) {
    case apache::PeerRole::Loading:
      return ZabRole::Recovering;
    case apache::PeerRole::Looking:
      return ZabRole::Looking;
    case apache::PeerRole::Learner:
      return ZabRole::Learner;
    case apache::PeerRole::Leader:
      break;
  }
  return ZabRole::Leader;
}

bool vouches_for_disk(const apache::Flaws& flaws) {
  return !flaws.early_ack && !flaws.unsynced_files;
}

// It serves as a leader with all that was delivered, and its disk does not hold that.
bool leads_from_memory(const apache::Peer& peer, const std::vector<Zxid>& delivered,
                       const Ledger& ledger, ServerIndex server) {
  const apache::Leader* leader = peer.leader_role();
  if (leader == nullptr || !leader->serving() || delivered.empty()) return false;
  const Zxid end = leader->history_end();
  return end >= delivered.back() && !ledger.holds(server, end);
}

void add_role(const apache::Peer& peer, NodeFacts& facts) {
  if (const apache::Leader* leader = peer.leader_role()) {
    facts.leading = true;
    facts.epoch = leader->epoch();
    facts.established = facts.delivers = leader->serving();
    facts.committed = leader->committed();
  }
  if (const apache::Learner* learner = peer.learner_role()) {
    facts.epoch = learner->epoch();
    facts.established = facts.delivers = learner->serving();
    facts.committed = learner->committed();
    facts.busy = facts.busy || learner->synchronising();
  }
}

}  // namespace

const DataTree* Cluster::tree_of(ServerIndex server) const {
  if (nodes_[server]) return &nodes_[server]->tree();
  return peers_[server] ? &peers_[server]->database().tree() : nullptr;
}

// A state of ZooKeeper's may be that of an epoch's start, which is no txn: of the last one before.
Zxid Cluster::txn_at(Zxid zxid) const {
  return zxid.counter() == 0 ? agreement_.delivered_up_to(zxid) : zxid;
}

// In such a state is also what was acknowledged before it, whether it was ever delivered or not.
Zxid Cluster::held_at(ServerIndex server, Zxid zxid) const {
  if (zxid.counter() != 0) return zxid;
  return std::max(txn_at(zxid), std::min(durability_.acknowledged(server), zxid));
}

NodeFacts Cluster::facts_of(ServerIndex server) const {
  if (nodes_[server]) {
    NodeFacts facts = NodeFacts::of(*nodes_[server]);
    if (profile_.apache == 0) return facts;
    facts.exact = facts.last_applied.counter() != 0 && (!fuzzy_[server] || facts.delivers);
    for (Zxid* zxid : {&facts.last_logged, &facts.last_durable}) *zxid = held_at(server, *zxid);
    for (Zxid* zxid : {&facts.committed, &facts.last_applied}) *zxid = txn_at(*zxid);
    return facts;
  }
  const apache::Peer& peer = *peers_[server];
  const apache::Database& database = peer.database();
  NodeFacts facts;
  facts.role = role_of(peer);
  facts.standing = peer.observer() ? Standing::Observer : Standing::Voter;
  facts.listed = true;
  facts.busy = database.busy();
  facts.exact = !database.fuzzy() && database.last_txn();
  add_role(peer, facts);
  const std::optional<Zxid> last = database.last_txn();
  facts.last_applied = last ? *last : txn_at(database.last_processed());
  facts.last_logged = std::max(database.log_end(), facts.last_applied);
  facts.vouches = vouches_for_disk(database.flaws());
  facts.ahead = true;
  if (facts.vouches) facts.last_durable = database.synced();
  // A snapshot that came by SNAP reaches beyond the log.
  if (facts.vouches && database.log_end() < database.saved()) {
    facts.last_durable = std::max(facts.last_durable, txn_at(database.saved()));
  }
  facts.accepted_epoch = database.accepted_epoch();
  facts.current_epoch = database.current_epoch();
  return facts;
}

void Cluster::peer_born(ServerIndex server) {
  // What it has acknowledged and its disk has lost while it was away.
  const SimDisk& disk = sim_.disk(server_host(server));
  const std::optional<std::string> twice = ledger_.reread(server, disk, true);
  verdict_.expect(Checker::ZxidUniq, !twice.has_value(), sim_.now(), [&] { return *twice; });
  Zxid& vouched = peer_pasts_[server].vouched;
  vouched = std::min(vouched, durability_.sent_back(server).value_or(vouched));
  const Zxid missing = first_lost(server, vouched);
  const bool lost = !profile_.observer(server) && missing != Zxid();
  const std::string how =
      fmt::format("it had acknowledged {:x}, and has lost {:x}", vouched.value, missing.value);
  const Zxid back = first_back(server, vouched);
  if (lost && !vouches_for_disk(profile_.flaws)) {
    excuse(server, how);
  } else if (profile_.flaws.unsynced_files && back != Zxid()) {
    excuse(server, fmt::format("{:x}, which it had cut, is back", back.value));
  } else if (profile_.flaws.early_ack && epoch_without_history(server)) {
    excuse(server, fmt::format("its currentEpoch is {}, and the history of that epoch is not here",
                               peer_pasts_[server].begun));
  } else {
    verdict_.expect(Checker::Recover, !lost, sim_.now(),
                    [&] { return fmt::format("s{}: {}", server + 1, how); });
  }
  peer_pasts_[server].reloads = 0;
  peers_[server].emplace(server_config(profile_, server), profile_.flaws);
  facts_[server] = NodeFacts{};
  facts_[server].busy = true;
}

// The first txn that is missing of a history that ends with `last`; 0: none. What was delivered up
// to there belongs to it: a file in the middle of the log may be the one that was never synced.
Zxid Cluster::first_lost(ServerIndex server, Zxid last) const {
  for (const Zxid zxid : agreement_.order()) {
    if (zxid > last) break;
    if (!ledger_.holds(server, zxid)) return zxid;
  }
  return ledger_.holds(server, last) ? Zxid() : last;
}

// The first txn in its log, up to what it acknowledged since, that is no part of what was
// delivered: TRUNC had cut it, and the cut was never synced. 0: none.
Zxid Cluster::first_back(ServerIndex server, Zxid last) const {
  const std::vector<Zxid>& order = agreement_.order();
  if (order.empty() || !agreement_.complete()) return {};
  for (const Zxid zxid :
       ledger_.between(server, ledger_.base(server), std::min(last, order.back()))) {
    if (!std::binary_search(order.begin(), order.end(), zxid)) return zxid;
  }
  return {};
}

// It died when its epoch had a name on the disk already, and the txns of the DIFF had not: it will
// win elections with this epoch, and cut others back (ZOOKEEPER-4643).
bool Cluster::epoch_without_history(ServerIndex server) const {
  const PeerPast& past = peer_pasts_[server];
  const auto text = sim_.disk(server_host(server))
                        .content(Dir::Snapshots, apache::kCurrentEpoch, SimDisk::Image::Cached);
  return past.begun != 0 && text && apache::parse_epoch(as_text(*text)) == past.begun &&
         !ledger_.holds(server, past.begun_behind);
}

// From now on nothing is asked of this ensemble.
void Cluster::excuse(ServerIndex server, std::string_view how) {
  if (excused_ || verdict_.violation()) return;
  excused_ = fmt::format("s{}: {}", server + 1, how);
  sim_.note(server_host(server), *excused_);
}

// Another program begins on its disk, with what is there. Who moves waits until a member is whole
// (docs/migration.md): what a server of ours keeps of what it lost or forgot is not ZooKeeper's.
bool Cluster::may_replace(ServerIndex server) const {
  const NodeFacts& facts = facts_[server];
  if (profile_.apache == 0) return false;
  if (!alive(server) || wiped_[server] || forgotten_[server] || facts.busy) return false;
  if (peers_[server]) return facts.delivers;
  // Theirs serve no clients here.
  if (static_cast<uint32_t>(std::popcount(apache_)) + 1 >= profile_.servers) return false;
  return facts.delivers && !facts.damaged &&
         (facts.standing == Standing::Voter || facts.standing == Standing::Observer);
}

// What would keep ZooKeeper from starting has been cut by a person (zkTxnLogToolkit.sh), and what
// it would drop behind a hole too: ours refuses both.
void Cluster::mend_log_of_apaches(ServerIndex server) {
  SimDisk& disk = sim_.disk(server_host(server));
  for (const DirEntry& file : disk.list(Dir::Logs, SimDisk::Image::Cached)) {
    if (!parse_log_name(file.name)) continue;
    const Bytes content = *disk.content(Dir::Logs, file.name, SimDisk::Image::Cached);
    apache::LogReader reader(content);
    apache::Record record;
    size_t end = 0;
    while (reader.next(record)) end = record.end;
    const bool zeros = std::all_of(content.begin() + static_cast<ptrdiff_t>(end), content.end(),
                                   [](Byte b) { return b == 0; });
    if (reader.took_a_person() || (end != 0 && !zeros)) {
      disk.put(Dir::Logs, file.name, ByteView(content).first(end));
    }
  }
}

void Cluster::replaced(ServerIndex server) {
  if (is_apache(server)) mend_log_of_apaches(server);
  replaces_[server] = false;
  sync_fails_[server] = false;
  sim_.files(server_host(server)).clear_faults();
  apache_ ^= 1U << server;
  peer_pasts_[server] = {};
  peer_pasts_[server].vouched = durability_.acknowledged(server);
  fuzzy_[server] = !is_apache(server);
  inherits_until_[server] = sim_.now() + kPurgedWithin;
  sim_.note(server_host(server),
            is_apache(server) ? "from here on one of ZooKeeper's" : "from here on one of ours");
}

void Cluster::note_lead(ServerIndex server, bool leads) {
  PeerPast& past = peer_pasts_[server];
  if (past.leads == leads) return;
  past.leads = leads;
  if (leads) {
    apache_leads_.push_back({sim_.now(), SimTime::never()});
    return;
  }
  // Those who lead at once end later: the last one of them, whoever it was.
  for (auto led = apache_leads_.rbegin(); led != apache_leads_.rend(); ++led) {
    if (led->to != SimTime::never()) continue;
    led->to = sim_.now();
    return;
  }
}

void Cluster::note_vouched(ServerIndex server) {
  const apache::Peer& peer = *peers_[server];
  Zxid& vouched = peer_pasts_[server].vouched;
  const Zxid acknowledged = durability_.acknowledged(server);
  if (acknowledged != peer_pasts_[server].given_up) vouched = std::max(vouched, acknowledged);
  if (const apache::Learner* learner = peer.learner_role()) {
    vouched = std::max(vouched, learner->vouched());
    if (learner->history_end() != Zxid()) {
      peer_pasts_[server].begun = learner->epoch();
      peer_pasts_[server].begun_behind = learner->history_end();
    }
  }
  // As a leader it counts itself for the history of its epoch, which may be in a snapshot alone,
  // and for what its log has synced, which may be less than is committed.
  if (const apache::Leader* leader = peer.leader_role(); leader != nullptr && leader->serving()) {
    const Zxid counted = std::max(leader->history_end(), peer.database().synced());
    vouched = std::max(vouched, std::min(leader->committed(), counted));
  }
}

void Cluster::after_peer_step(ServerIndex server) {
  const apache::Peer& peer = *peers_[server];
  if (!peer.harm().empty()) return excuse(server, peer.harm());
  check_gap(server);
  if (excused_) return;
  const NodeFacts after = facts_of(server);
  if (after == facts_[server]) return;
  const NodeFacts before = std::exchange(facts_[server], after);
  if (after.role == ZabRole::Looking) syncing_[server].reset();
  const SimTime now = sim_.now();
  const SimDisk& disk = sim_.disk(server_host(server));
  note_lead(server, after.leading);
  note_vouched(server);
  if (const uint64_t reloads = peer.database().reloads(); reloads != peer_pasts_[server].reloads) {
    peer_pasts_[server].reloads = reloads;
    // TRUNC takes back what was acknowledged; what it may not take back is K-DURACK's.
    Zxid& vouched = peer_pasts_[server].vouched;
    vouched = std::min(vouched, after.last_logged);
    const Zxid acknowledged = durability_.acknowledged(server);
    if (acknowledged > after.last_logged) peer_pasts_[server].given_up = acknowledged;
    const std::optional<std::string> twice = ledger_.reread(server, disk, true);
    verdict_.expect(Checker::ZxidUniq, !twice.has_value(), now, [&] { return *twice; });
  }
  if (before.busy && !after.busy && before.role != ZabRole::Recovering) {
    durability_.truncated(server, after.vouches ? after.last_durable : after.last_logged,
                          agreement_.committed_up_to(durability_.acknowledged(server)), now,
                          verdict_);
  }
  if (after.established) wiped_[server] = false;
  // The queue of its log has lived on, and the snapshot that holds all is being written over.
  if (!before.established && profile_.flaws.memory_is_not_disk &&
      leads_from_memory(peer, agreement_.order(), ledger_, server)) {
    return excuse(server, fmt::format("it leads epoch {} with {:x}, which its disk does not hold",
                                      after.epoch, after.last_applied.value));
  }
  agreement_.stepped(server, before, after, peer.database().tree(), ledger_, now, verdict_);
  std::vector<ConfigCheck::Need> needs;
  if (after.leading && after.established && after.committed > before.committed) {
    needs = configs_.needs(before, after);
  }
  leadership_.stepped(server, after, now, verdict_);
  durability_.stepped(server, before, after, disk, ledger_,
                      agreement_.committed_up_to(durability_.acknowledged(server)), needs, now,
                      verdict_);
}

// Whoever has promised a later epoch than that of an established leader of ZooKeeper's may not
// follow it, and comes in when another epoch begins: that leader neither notices nor ends.
bool Cluster::excuse_shut_out() {
  const std::optional<ServerIndex> leading = leader();
  if (!leading || !is_apache(*leading)) return false;
  const NodeFacts& led = facts_[*leading];
  std::optional<ServerIndex> out;
  for (ServerIndex i = 0; i < profile_.servers; ++i) {
    if (member_converged(i, led.last_applied)) continue;
    if (facts_[i].accepted_epoch <= led.epoch) return false;
    out = i;
  }
  if (!out) return false;
  excuse(*out, fmt::format("it has promised epoch {}, and s{} leads {}",
                           facts_[*out].accepted_epoch, *leading + 1, led.epoch));
  return true;
}

// Its learners take what comes, with gaps: ours leave none, and theirs do when their committed log
// has a hole.
void Cluster::check_gap(ServerIndex server) {
  const apache::Learner* learner = peers_[server]->learner_role();
  if (learner == nullptr || learner->gap() == Zxid()) return;
  const auto leader = static_cast<ServerIndex>(learner->leader().value - 1);
  const std::string how = fmt::format("txns are missing before {:x}", learner->gap().value);
  if (is_apache(leader) && profile_.flaws.hole_in_cache) return excuse(server, how);
  verdict_.expect(Checker::Prefix, false, sim_.now(),
                  [&] { return fmt::format("s{}: {}", server + 1, how); });
}

// A leader of ZooKeeper's goes on applying while it sends a SNAP: what has come is the state of its
// zxid only when all of that has come too. And where either end is ZooKeeper's, a learner gives up
// what it acknowledged and is not committed when its leader says so (docs/decisions.md, 12).
// Whatever is committed of that later is so without this learner.
void Cluster::note_sync(ServerIndex leader, ServerIndex learner, PacketType how) {
  const bool apaches = is_apache(leader);
  if (apaches || is_apache(learner)) {
    durability_.sent_back(learner, agreement_.committed_up_to(durability_.acknowledged(learner)));
  }
  if (how == PacketType::Snap && apaches && !is_apache(learner)) fuzzy_[learner] = true;
}

// A server of ZooKeeper's that has lost its data votes all the same: so all that it has
// acknowledged and promised has to be with a majority of the others.
bool Cluster::may_wipe_peer(ServerIndex server) const {
  if (wiped_[server] || !alive(server)) return false;
  size_t promised = 0;
  for (ServerIndex i = 0; i < profile_.voters(); ++i) {
    if (!alive(i) || wiped_[i]) return false;
    if (i != server && facts_[i].accepted_epoch >= facts_[server].accepted_epoch) ++promised;
  }
  return promised > profile_.voters() / 2 &&
         enough_others_have(server, peer_pasts_[server].vouched);
}

}  // namespace vivarium::sim
