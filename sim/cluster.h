// Cluster: nodes and clients on a Simulation, the faults of a schedule, and the checkers that
// watch. A value: a copy has the same future.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/node.h"
#include "sim/apache/peer.h"
#include "sim/checkers/agreement.h"
#include "sim/checkers/ballots.h"
#include "sim/checkers/configs.h"
#include "sim/checkers/durability.h"
#include "sim/checkers/fail_stop.h"
#include "sim/checkers/founding.h"
#include "sim/checkers/leadership.h"
#include "sim/checkers/operators.h"
#include "sim/checkers/partial.h"
#include "sim/checkers/past.h"
#include "sim/checkers/protocol.h"
#include "sim/checkers/truncation.h"
#include "sim/checkers/verdict.h"
#include "sim/client.h"
#include "sim/coverage.h"
#include "sim/faults.h"
#include "sim/ledger.h"
#include "sim/observation.h"
#include "sim/observer.h"
#include "sim/profile.h"
#include "sim/rot.h"
#include "sim/sim_operator.h"
#include "sim/sim_stranger.h"
#include "sim/simulation.h"

namespace vivarium::sim {

struct Outcome {
  std::optional<Violation> violation;
  uint64_t trace_hash = 0;
  uint64_t events = 0;       // delivered to processes, the ends of turns not counted
  uint64_t completed = 0;    // operations of clients that were answered
  uint64_t leaderships = 0;  // epochs with an established leader
  uint64_t txns = 0;         // delivered
  uint64_t crashes = 0;
  uint64_t syncs[3] = {0, 0, 0};  // DIFF, TRUNC, SNAP received
  std::array<uint64_t, kCheckers> evaluated{};
  Coverage coverage;
  bool needs_person = false;  // K-LIVE was not asked: see beyond_repair()
  // A flaw of ZooKeeper's has struck (sim/apache/flaws.h), and nothing was asked from then on.
  std::optional<std::string> excused;
};

class Cluster final : public Programs, public Observer {
 public:
  explicit Cluster(uint64_t seed, ProfileKind kind = ProfileKind::Standard);
  Cluster(uint64_t seed, const Profile& profile, std::vector<Fault> faults);

  // Before it runs: only these checkers may find anything.
  void judge_by(CheckerSet checkers) { verdict_.hear_only(checkers); }
  // The whole schedule: trouble, healing, convergence, final checks.
  Outcome run();
  // Its second half: healing, convergence, final checks.
  Outcome finish();

  // --- for scenarios and tools
  Simulation& sim() { return sim_; }
  const Simulation& sim() const { return sim_; }
  const Choices& choices() const { return sim_.choices(); }
  const SimNetwork& network() const { return sim_.network(); }
  const Profile& profile() const { return profile_; }
  const std::vector<Fault>& faults() const { return faults_; }
  const Node* node(ServerIndex server) const { return nodes_[server] ? &*nodes_[server] : nullptr; }
  const apache::Peer* peer(ServerIndex server) const {
    return peers_[server] ? &*peers_[server] : nullptr;
  }
  const NodeFacts& facts(ServerIndex server) const { return facts_[server]; }
  // The same as of now, within a step too.
  NodeFacts facts_of(ServerIndex server) const;
  bool alive(ServerIndex server) const { return nodes_[server] || peers_[server]; }
  SimClient& client(ClientIndex index) { return clients_[index]; }
  HostId client_host(ClientIndex client) const { return HostId{profile_.servers + client}; }
  const Verdict& verdict() const { return verdict_; }
  const Agreement& agreement() const { return agreement_; }
  const Ledger& ledger() const { return ledger_; }
  Zxid acknowledged(ServerIndex server) const { return durability_.acknowledged(server); }
  const std::vector<SimClient>& clients() const { return clients_; }
  HostId server_host(ServerIndex server) const { return HostId{server}; }
  std::optional<ServerIndex> leader() const;
  // Killed, and its directories are empty when it starts again.
  // `logs_only`: of a server whose log has a directory of its own, that one alone.
  void wipe(ServerIndex server, Duration down, bool logs_only = false);
  void wipe_all(Duration down);
  // Power is lost, and what is acknowledged in its log is damaged before it starts again.
  void rot(ServerIndex server, uint64_t fault, Duration down);
  // Power is lost, and so is the last batch of its log; at most what enough others have on disk,
  // and at least one remembers. False: there is no such batch, and nothing has happened but the
  // loss of power.
  bool lose_tail(ServerIndex server, uint64_t draw);
  // The same, whoever has it or remembers; power is lost already.
  std::optional<Zxid> lose_tail_of_stopped(ServerIndex server, uint64_t draw);
  void forget(ServerIndex server, const LostTail& lost);
  void restore_image(const Fault& fault);
  // Its disk was damaged by whoever plays with it: it may stand aside when it starts.
  void damaged(ServerIndex server) { durability_.damaged(server); }
  // Another observer beside the checkers (a trace).
  void also_observe(Observer* observer) { other_ = observer; }

  // --- Programs
  void born(HostId host, uint32_t life) override;
  void step(HostId host, const Event& event, World& world) override;
  void died(HostId host) override;
  void alarm(uint64_t token) override;

  // --- Observer
  void called(Simulation& sim, HostId host, const Call& call) override;
  void delivering(Simulation& sim, HostId host, const Event& event) override;
  void delivered(Simulation& sim, HostId host, const Event& event) override;
  void disk_changed(Simulation& sim, HostId host) override;
  void crashed(Simulation& sim, HostId host) override;
  void happened(Simulation& sim, HostId host, std::string_view what) override;

 private:
  bool is_server(HostId host) const { return host.value < profile_.servers; }
  void build();
  bool finds_target(const Fault& fault) const;
  void apply(Fault& fault);
  void undo(const Fault& fault);
  void apply_to_links(const Fault& fault);
  void strike(Fault& fault);
  void doom(const Fault& fault, ServerIndex server);
  void tear(ServerIndex server, const Call& write);
  void trouble_truncation(const Fault& fault, ServerIndex learner);
  void isolate(const Fault& fault, ServerIndex server);
  void set_paths();
  int64_t own_slowness(ServerIndex server) const;
  void packet_seen(ServerIndex leader, ServerIndex learner, const QuorumPacket& packet);
  void crash(ServerIndex server, bool power, Duration down);
  bool may_wipe(ServerIndex server) const;
  bool another_is_whole(ServerIndex server) const;
  bool majority_lost() const;
  // What a server is at; nullopt: it does not run.
  std::optional<Phase> phase_of(ServerIndex server) const;
  void covered(FaultKind kind, ServerIndex server);
  void cover(const Fault& fault);
  void cover_death(ServerIndex server);
  void sync_sent(ServerIndex leader, ServerIndex learner, PacketType type);
  bool linked(HostId a, HostId b) const;
  std::optional<Config> config_of(ServerIndex server);
  bool beyond_repair() const;
  bool member_converged(ServerIndex server, Zxid applied) const;
  void cut(const Fault& fault, ServerIndex from, ServerIndex to, Path path);
  void heal();
  bool over() const { return verdict_.violation() || excused_; }
  bool converged() const;
  void check_live();
  void check_results();
  void check_clients();
  void after_step(ServerIndex server);
  // --- cluster_apache.cc: servers of ZooKeeper's
  const DataTree* tree_of(ServerIndex server) const;
  Zxid txn_at(Zxid zxid) const;
  Zxid held_at(ServerIndex server, Zxid zxid) const;
  void peer_born(ServerIndex server);
  void after_peer_step(ServerIndex server);
  void check_gap(ServerIndex server);
  Zxid first_lost(ServerIndex server, Zxid last) const;
  Zxid first_back(ServerIndex server, Zxid last) const;
  bool excuse_shut_out();
  bool epoch_without_history(ServerIndex server) const;
  void note_sync(ServerIndex leader, ServerIndex learner, PacketType how);
  void note_vouched(ServerIndex server);
  bool is_apache(ServerIndex server) const { return (apache_ >> server & 1) != 0; }
  bool may_replace(ServerIndex server) const;
  void replaced(ServerIndex server);
  void mend_log_of_apaches(ServerIndex server);
  void note_lead(ServerIndex server, bool leads);
  void excuse(ServerIndex server, std::string_view how);
  bool may_wipe_peer(ServerIndex server) const;
  bool enough_others_have(ServerIndex server, Zxid zxid) const;
  void watch_forgotten(ServerIndex server, ZabRole before);
  void check_quiet();
  // --- cluster_partial.cc: one server in trouble
  void check_partial();
  Fault begin_trouble(ServerIndex server);
  bool others_serve(ServerIndex struck) const;
  void expect_another_leader(ServerIndex struck);
  void expect_answers(ServerIndex struck);
  void run_for(Duration d);
  // --- cluster_progress.cc
  bool is_well(ServerIndex server) const;
  bool hear_each_other(ServerIndex a, ServerIndex b) const;
  void look_at_progress();
  void check_bounds();
  void tap(ServerIndex server, const Call& call);
  void tap_snapshot(ServerIndex server, const Call& call);
  void tap_packets(const ProtocolChecks::Sent& sent, ByteView bytes);
  void tap_line(ServerIndex server, std::string_view line);
  std::optional<ServerIndex> learner_of(ServerIndex leader, LinkId id) const;
  void tap_arrival(ServerIndex leader, const LinkBytes& bytes);

  Profile profile_;
  Simulation sim_;
  std::vector<Fault> faults_;
  std::vector<std::optional<Node>> nodes_;
  std::vector<std::optional<apache::Peer>> peers_;  // in their places
  std::vector<NodeFacts> facts_;
  std::vector<SimClient> clients_;
  std::optional<SimOperator> operator_;  // on a host behind the clients
  std::optional<SimStranger> stranger_;
  uint32_t stranger_host_ = 0;
  // The end of a log is lost, and its disk does not tell.
  struct Forgotten {
    LogId log;
    Epoch epoch = 0;
    Zxid kept;
    std::vector<ServerIndex> remember;  // since then running
  };
  std::vector<std::optional<Forgotten>> forgotten_;
  std::map<uint32_t, SimDisk> images_;  // by the fault that puts it back
  // Of ZooKeeper's servers: what they have acknowledged in whatever way, and how often they have
  // read their directory.
  struct PeerPast {
    Zxid vouched;
    Zxid given_up;  // the last that it had acknowledged when a TRUNC took that back
    uint64_t reloads = 0;
    bool leads = false;
    Epoch begun = 0;    // the last epoch that it has begun as a learner
    Zxid begun_behind;  // and the end of the history that this epoch begins with
  };
  std::vector<PeerPast> peer_pasts_;
  std::vector<Interval> apache_leads_;
  std::optional<std::string> excused_;
  std::vector<bool> wiped_;  // or damaged, and not yet whole and a voter again
  // Of ours: it holds what came as a SNAP of a ZooKeeper leader's, and not all that its sender had
  // applied meanwhile.
  std::vector<bool> fuzzy_;
  uint32_t apache_ = 0;                  // as in the profile, until servers are replaced
  std::vector<bool> replaces_;           // by one of the other kind when it dies
  std::vector<SimTime> inherits_until_;  // what ZooKeeper kept may be here
  struct Cut {
    uint32_t fault = 0;
    ServerIndex from = 0;
    ServerIndex to = 0;
    Path path{};
  };
  std::vector<Cut> cuts_;                          // in force
  std::vector<uint32_t> waiting_;                  // faults that wait for a packet, by id
  std::vector<std::optional<Duration>> down_for_;  // once it dies at a file operation
  std::vector<uint64_t> dies_at_;                  // that operation, of all its lives
  std::vector<bool> sync_fails_;                   // its next one of the log
  std::vector<std::optional<Duration>> tears_;  // its next write to the log; then down for so long
  std::vector<std::optional<Phase>> syncing_;   // by what, since it has a leader or is one
  int64_t fastest_ppm_ = 0;                     // of the clocks of this run, by ClockDrift
  int64_t slowest_ppm_ = 0;
  Ledger ledger_;
  Agreement agreement_;
  Ballots ballots_;
  Leadership leadership_;
  Durability durability_;
  ConfigCheck configs_;
  Operators operators_;
  ProtocolChecks protocol_;
  FailStop fail_stop_;
  Founding founding_;
  Truncations truncations_;
  PartialProgress partial_;
  std::vector<bool> drifts_;  // its clock
  Verdict verdict_;
  Outcome outcome_;
  bool healed_ = false;
  bool stuck_ = false;
  Observer* other_ = nullptr;
};

}  // namespace vivarium::sim
