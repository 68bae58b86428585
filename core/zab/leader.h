// Leader: discovery, synchronisation and broadcast from the leading side, in the paper's order
// (docs/zab.md). A standalone server is a leader without peers whose epoch is 0 and who is
// established at once. Everything counted in a quorum is counted through Quorum, by voters' ids.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "core/base/stats.h"
#include "core/base/time.h"
#include "core/event.h"
#include "core/metrics.h"
#include "core/tree/prepare.h"
#include "core/tree/sessions.h"
#include "core/wire/jute.h"
#include "core/wire/peer_messages.h"
#include "core/zab/orphan_sweep.h"
#include "core/zab/parts.h"
#include "core/zab/quorum.h"
#include "core/zab/quorum_link.h"
#include "core/zab/reaper.h"
#include "core/zab/refill.h"
#include "core/zab/snap_sending.h"

namespace vivarium {

class Leader {
 public:
  // `settled_at`: from then on nobody counts any more what an earlier life of this server has
  // acknowledged (RULES 10); txns that it lost may be given up.
  Leader(Instant settled_at, Parts& parts);

  bool step(const Event& event, Parts& parts);
  void advance(Parts& parts);
  void end_turn(Parts& parts);
  Instant deadline() const;
  void on_deadline(Parts& parts);

  const std::string& over() const { return over_; }
  bool established() const { return phase_ == Phase::Broadcast; }
  Epoch epoch() const { return epoch_; }
  Zxid committed() const { return established() ? committed_ : Zxid{}; }
  void leave(Parts& parts);
  // It could not be made whole from those who followed: another may try without it (RULES 9).
  bool stood_down() const { return stood_down_; }
  // Who leads next, when this server has committed an ensemble without itself as a voter.
  std::optional<ServerId> designated() const { return designated_; }
  // The state that a refill under way makes durable, when the role ends: Zab adopts it.
  std::optional<DataTree> take_refilled();

  void submit(const WriteRequest& request, Parts& parts);
  void sync(uint64_t ticket);
  void revalidate(SessionId session, int32_t timeout_ms, Parts& parts);
  bool touch(SessionId session, int32_t timeout_ms, Parts& parts);
  // --- for operators
  struct LearnerFacts {
    ServerId id;
    bool voter = false;     // counts for the quorum
    bool follower = false;  // otherwise an observer
    bool synced = false;    // has been told UPTODATE
    std::string address;
    WallTime accepted;
    Zxid acked;
    uint64_t unsent = 0;  // bytes on their way to it
    MetricSummary ack_latency;
  };
  // Those that have said who they are.
  std::vector<LearnerFacts> learner_facts() const;
  size_t pending_syncs() const { return syncs_.size(); }
  const SessionTracker& session_tracker() const { return sessions_; }
  const SizeStats& proposal_sizes() const { return proposal_sizes_; }
  // ms from a proposal to its acknowledgement by a quorum, of one proposal in half a tick.
  const MetricSummary& quorum_ack_latency() const { return quorum_ack_latency_; }
  void reset_statistics();
  Instant established_at() const { return established_at_; }
  // It has waited for the promises of a quorum for longer than leader.maxTimeToWaitForEpoch.
  bool waits_for_epoch_too_long(const Parts& parts) const;

  // Txns proposed and not yet committed.
  uint64_t outstanding(const Parts& parts) const;

 private:
  enum class Phase : uint8_t {
    Promise,    // FOLLOWERINFO from a quorum, then the promise durable here
    AckEpoch,   // ACKEPOCH from a quorum, then currentEpoch durable here
    NewLeader,  // ACK of NEWLEADER from a quorum
    Broadcast   // established
  };

  // One learner's connection.
  struct Peer {
    enum class Stage : uint8_t {
      Info,        // FOLLOWERINFO or OBSERVERINFO awaited
      LeaderInfo,  // it waits for LEADERINFO
      AckEpoch,    // its ACKEPOCH is awaited
      Plan,        // it waits for the epoch quorum
      NewLeader,   // sync and NEWLEADER sent, its ACK awaited
      Synced       // NEWLEADER acknowledged
    };
    QuorumLink link;
    Stage stage = Stage::Info;
    ServerId id;
    bool voter = false;     // a voter of the configuration that came as a follower
    bool follower = false;  // gets PROPOSAL and COMMIT; otherwise INFORM
    Epoch accepted_epoch = 0;
    std::optional<Zxid> last_zxid;
    bool ours = false;            // it has shown our extension
    bool asked = false;           // for what is missing here
    bool damaged = false;         // its last zxid is a claim, and no place to go on from
    bool counts_epoch = false;    // its ACKEPOCH counts for the quorum
    Zxid acked;                   // highest ACK, NEWLEADER's meaning all sent before it
    Zxid sent;                    // highest PROPOSAL or INFORM sent
    Zxid newleader_sent;          // what its ACK of NEWLEADER vouches for
    std::optional<Zxid> plan_at;  // the commit point when its ACKEPOCH came
    Zxid early_ack;               // ACK of a proposal that came before that of NEWLEADER
    std::optional<LogId> log;     // what it acknowledges from
    Instant synced_at;
    bool up_to_date = false;
    Instant deadline;                 // silent until then: dropped
    std::optional<SnapSending> snap;  // until its last byte was handed to the network
    uint64_t snap_bytes = 0;          // of the SNAP that is on its way, so far
    uint64_t unsent = 0;              // at the last look: whether the network takes anything
    std::deque<uint64_t> pings;       // rounds of the PINGs not yet answered
    uint64_t confirmed_round = 0;
    bool dropped = false;
    bool held_up = false;  // was told to wait for its synchronisation
    bool probed = false;   // it has acknowledged probe_
    MetricSummary ack_latency;
    std::string address;
    WallTime accepted;
  };

  Peer* find_peer(LinkId link);
  void accept(const LinkAccepted& event, Parts& parts);
  void drop(Peer& peer, std::string_view why, Parts& parts);
  // Until when its next word is awaited, counted from now.
  Instant patience(const Peer& peer, const Parts& parts) const;
  void sweep_dropped();
  void read_packets(Peer& peer, Parts& parts);
  void on_packet(Peer& peer, const QuorumPacket& packet, Parts& parts);
  void on_follower_info(Peer& peer, const QuorumPacket& packet, Parts& parts);
  void on_ack_epoch(Peer& peer, const QuorumPacket& packet, Parts& parts);
  bool may_be_ahead(const Peer& peer, const Parts& parts) const;
  void on_ack(Peer& peer, const QuorumPacket& packet, Parts& parts);
  void remember(const Peer& peer, Parts& parts);
  void note_ack_latency(Peer& peer, Parts& parts);
  void on_ping(Peer& peer, const QuorumPacket& packet, Parts& parts);
  void on_request(Peer& peer, const QuorumPacket& packet, Parts& parts);
  void on_revalidate(Peer& peer, const QuorumPacket& packet, Parts& parts);

  void enter(Phase phase, Parts& parts);
  static Epoch highest_own_epoch(const Parts& parts);
  bool fits_config(const LearnerInfo& info, Parts& parts);
  // --- leader_refill.cc
  bool filling() const { return refill_.has_value(); }
  void ask_for_faults(Peer& peer);
  void on_fill_entry(Peer& peer, const QuorumPacket& packet, Parts& parts);
  void on_fill_end(Peer& peer, const QuorumPacket& packet, Parts& parts);
  void advance_refill(Parts& parts);
  void begin_refill(std::vector<History::Item> items, Parts& parts);
  void stand_down(Parts& parts);

  // --- leader_join.cc
  void choose_epoch(Parts& parts);
  void announce_epoch(Parts& parts);
  void begin_new_leader(Parts& parts);
  void synchronise(Peer& peer, Parts& parts);
  bool must_wait(Peer& peer, bool for_snap, Parts& parts) const;
  void advance_snap(Peer& peer, Parts& parts);
  static void end_snap(Peer& peer, Parts& parts);
  void establish(Parts& parts);
  void send_up_to_date(Peer& peer, Parts& parts);

  // --- leader_reconfig.cc
  ReconfigVerdict judge(const WriteRequest& request, Zxid zxid, const Parts& parts) const;
  void take_configs(Parts& parts);
  Membership announced(const Parts& parts) const;
  void establish_config(Parts& parts);
  bool stays_leader(const Parts& parts) const;
  ServerId designate(Zxid zxid, const Parts& parts) const;
  void hand_over(ServerId to, Parts& parts);
  void watch_hand_over(Parts& parts);
  void propose(Zxid zxid, const WriteRequest& request, Parts& parts);
  // The packet that commits `item`; `activates` while it is a change of the ensemble.
  void send_commit(const History::Item& item, std::optional<ServerId> activates);

  void advance_commit(Parts& parts);
  Zxid quorum_acked(const Parts& parts) const;
  Zxid reached_by(ServerId id, const Parts& parts) const;
  // The last of them may be a change of the ensemble, in which `leads` leads.
  void send_commits(Zxid from, Zxid to, std::optional<ServerId> leads, Parts& parts);
  void apply(Parts& parts);
  void release_syncs(Parts& parts);
  void queue_sync(LinkId link, uint64_t ticket);
  void send_pings(Parts& parts);
  void check_liveness(Parts& parts);
  void tell_of_stuck_log(Parts& parts);
  void expire_sessions(Parts& parts);
  void close_session(SessionId session, Parts& parts);
  void close_orphans(Parts& parts);
  void reap(Parts& parts);
  void tell_of_quota(std::string_view line, Parts& parts);
  bool is_synced_voter(ServerId id) const;
  void over(std::string why);

  Phase phase_ = Phase::Promise;
  Epoch epoch_ = 0;
  bool epoch_chosen_ = false;
  bool own_epoch_acked_ = false;
  Quorum quorum_;
  ServerId self_;
  Instant since_;
  std::vector<Peer> peers_;
  std::string over_;
  Instant phase_deadline_;
  Instant next_ping_;
  Instant next_check_;
  Instant next_line_;  // about strangers

  // Until its own history is whole.
  std::optional<Refill> refill_;
  std::optional<DataTree> refilled_;  // on its way to the disk
  Instant settled_at_;
  bool stood_down_ = false;
  // Nothing is committed any more: the designated leader does.
  std::optional<ServerId> designated_;
  Instant leave_at_ = Instant::never();

  Zxid initial_last_;  // end of the initial history
  Zxid last_proposed_;
  Zxid committed_;
  Zxid commits_sent_;
  // What had been proposed at past half ticks: whoever has not acknowledged a sample of sync_limit
  // ago is stuck, be it a learner or our own log.
  struct Sample {
    Instant at;
    Zxid proposed;
  };
  std::deque<Sample> samples_;
  Instant stuck_silent_until_;  // standalone: no further line about a stuck log before

  PendingChanges pending_;
  SessionTracker sessions_;
  WriteRules rules_;
  Reaper reaper_;
  OrphanSweep orphans_;
  Instant quota_silent_until_;
  Effects effects_;
  Instant apply_again_ = Instant::never();  // more could be applied
  std::deque<SessionId> expired_;           // still to be closed
  Instant expire_again_ = Instant::never();

  struct PendingSync {
    LinkId link;  // none: our own client's
    uint64_t ticket = 0;
    Zxid barrier;        // last proposal when it came
    uint64_t round = 0;  // PING round that confirms our leadership
  };
  std::deque<PendingSync> syncs_;
  SizeStats proposal_sizes_;
  // The proposal whose acknowledgements are timed; 0: the next one.
  Zxid probe_;
  Instant probe_at_;
  bool probe_committed_ = false;
  MetricSummary quorum_ack_latency_;
  Instant established_at_;
  uint64_t round_ = 0;         // last PING round sent
  bool round_wanted_ = false;  // a sync waits for the next one
};

}  // namespace vivarium
