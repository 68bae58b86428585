// Leader: discovery, the wait for a quorum of NEWLEADER's acknowledgements, broadcast; after
// Leader.lead() and its helpers. What a LearnerHandler does for one learner is in handler.h.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/config.h"
#include "core/event.h"
#include "core/tree/pending_changes.h"
#include "core/tree/prepare.h"
#include "core/tree/sessions.h"
#include "core/world.h"
#include "sim/apache/database.h"
#include "sim/apache/election.h"
#include "sim/apache/handler.h"
#include "sim/apache/learner.h"
#include "sim/apache/quorum_stream.h"

namespace vivarium::apache {

class Leader {
 public:
  explicit Leader(Lent lent);

  bool handle(const Event& event, Lent lent);
  void advance(Lent lent);
  Instant deadline() const;
  void on_timer(Lent lent);
  const std::string& over() const { return over_; }
  void end(Lent lent);

  // A SNAP is on its way to somebody.
  bool sending_state() const;

  // --- facts
  Epoch epoch() const { return epoch_fixed_ ? epoch_ : 0; }
  bool serving() const { return phase_ == Phase::Broadcast; }
  Zxid committed() const { return committed_; }
  // The end of the history that its epoch begins with; 0 before it serves.
  Zxid history_end() const { return history_end_; }

 private:
  // What the main thread waits for.
  enum class Phase : uint8_t {
    Loading,    // loadData(): the snapshot
    Epoch,      // getEpochToPropose()
    Accepting,  // acceptedEpoch on its way to the disk
    EpochAck,   // waitForEpochAck()
    Beginning,  // currentEpoch on its way
    NewLeader,  // waitForNewLeaderAck()
    Broadcast
  };
  struct Outstanding {
    Proposal txn;
    std::set<ServerId> acks;
    std::set<ServerId> stale;  // of acks: who has been told to give the txn up
  };

  void advance_phase(Lent lent);
  void consider_epoch(Lent lent);
  void start_server(Lent lent);
  void enter(Phase phase, Lent lent);
  bool quorum(const std::set<ServerId>& servers, const Config& config) const;
  static bool participant(ServerId id, const Config& config);
  void leave(std::string why) {
    if (over_.empty()) over_ = std::move(why);
  }

  // --- learners
  void accept(LinkId link, Lent lent);
  void serve(Handler& handler, Lent lent);
  bool serve_once(Handler& handler, Lent lent);
  bool on_info(Handler& handler, const Packet& packet, Lent lent);
  void on_epoch_ack(Handler& handler, const Packet& packet, Lent lent);
  void synchronise(Handler& handler, Lent lent);
  void forget_acks(const Handler& handler, Lent lent);
  void start_forwarding(Handler& handler, Zxid last_seen);
  bool on_new_leader_ack(Handler& handler, const Packet& packet, Lent lent);
  void on_packet(Handler& handler, const Packet& packet, Lent lent);
  void on_request(Handler& handler, const Packet& packet, Lent lent);
  void on_revalidate(Handler& handler, const Packet& packet, Lent lent);
  void drop(Handler& handler, Lent lent);
  void flush(Lent lent);

  // --- broadcast
  void submit(const WriteRequest& request, Lent lent);
  void propose(const WriteRequest& request, Lent lent);
  void process_ack(ServerId from, Zxid zxid, Lent lent);
  void commit(Zxid zxid, Lent lent);
  void expire_sessions(Lent lent);
  void tick(Lent lent);

  Phase phase_ = Phase::Loading;
  Instant phase_until_ = Instant::never();
  std::string over_;
  std::vector<Handler> handlers_;

  Epoch epoch_ = 0;
  bool epoch_fixed_ = false;       // and promised by this server, on its disk
  std::set<ServerId> connecting_;  // connectingFollowers
  std::set<ServerId> electing_;    // electingFollowers
  bool election_finished_ = false;
  std::set<ServerId> new_leader_acks_;
  bool quorum_formed_ = false;
  Epoch own_epoch_ = 0;  // leaderStateSummary
  Zxid own_last_;

  Zxid last_proposed_;
  Zxid last_committed_;
  Zxid committed_;
  Zxid history_end_;
  std::map<Zxid, Outstanding> outstanding_;
  std::map<Zxid, std::vector<ServerId>> pending_syncs_;
  PendingChanges pending_;
  SessionTracker sessions_;
  WriteRules rules_;
  Instant next_half_tick_ = Instant::never();
  bool tick_skip_ = true;
  int64_t tick_count_ = 0;
};

}  // namespace vivarium::apache
