// Learner, Follower and Observer: from the connection to the leader to its end. Its methods follow
// Learner.registerWithLeader, syncWithLeader and Follower.processPacket in their order; where those
// wait for the disk, packets wait too.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/config.h"
#include "core/event.h"
#include "core/world.h"
#include "sim/apache/database.h"
#include "sim/apache/election.h"
#include "sim/apache/quorum_stream.h"

namespace vivarium::apache {

// What a role works on, lent for a step.
struct Lent {
  const Config& config;
  World& world;
  Database& database;
  Election& election;
};

class Learner {
 public:
  Learner(ServerId leader, Lent lent);

  bool handle(const Event& event, Lent lent);
  // What waited for the disk goes on; acknowledgements leave.
  void advance(Lent lent);
  Instant deadline() const { return deadline_; }
  void on_timer(Lent lent);
  // Not empty: the role is over, and why.
  const std::string& over() const { return over_; }
  void end(Lent lent);

  // --- facts
  ServerId leader() const { return leader_; }
  Epoch epoch() const { return epoch_; }
  bool serving() const { return stage_ == Stage::Broadcast; }
  bool synchronising() const { return stage_ >= Stage::Sync && !acknowledged_; }
  // The history that it has said to have with its ACK of NEWLEADER.
  Zxid vouched() const { return vouched_; }
  // The end of the history that its epoch begins with; 0 before NEWLEADER.
  Zxid history_end() const { return history_end_; }
  Zxid committed() const { return committed_; }
  // A txn that came without those in front of it; 0: none did.
  Zxid gap() const { return gap_; }

 private:
  enum class Stage : uint8_t { Connecting, LeaderInfo, Op, Snap, Sync, Broadcast };
  // What goes on when the disk is done.
  enum class Then : uint8_t { Nothing, Promise, Truncated, Saved, NewLeader };

  void connect(Lent lent);
  void greet(Lent lent);
  void read(Lent lent);
  void resume(Lent lent);
  void wait_longer(Lent lent);
  void on_packet(const Packet& packet, Lent lent);
  void on_leader_info(const Packet& packet, Lent lent);
  void on_op(const Packet& packet, Lent lent);
  void on_state(Lent lent);
  void on_sync_packet(const Packet& packet, Lent lent);
  void on_sync_commit(Zxid zxid, Lent lent);
  void on_sync_inform(const Proposal& txn, Lent lent);
  void on_new_leader(Lent lent);
  void begin_history(Lent lent);
  void acknowledge_new_leader(Lent lent);
  void on_up_to_date(Lent lent);
  void on_broadcast(const Packet& packet, Lent lent);
  void log_request(const Proposal& txn, Lent lent);
  void commit(Zxid zxid, Lent lent);
  void apply(const Proposal& txn, bool remember, Lent lent);
  void ping(const Packet& packet, Lent lent);
  void note_gap(Zxid zxid);
  void leave(std::string why) {
    if (over_.empty()) over_ = std::move(why);
  }

  ServerId leader_;
  bool observer_ = false;
  QuorumStream stream_;
  bool connected_ = false;
  uint32_t tries_ = 0;
  Instant retry_at_ = Instant::never();
  Stage stage_ = Stage::Connecting;
  Then then_ = Then::Nothing;
  Instant deadline_ = Instant::never();
  std::string over_;

  Epoch epoch_ = 0;
  bool answers_with_epoch_ = false;
  Zxid last_logged_;  // as it is told to the leader
  Epoch last_epoch_ = 0;
  PacketType op_{};
  Zxid op_zxid_;
  bool write_to_log_ = false;
  bool acknowledged_ = false;         // NEWLEADER
  std::deque<Proposal> uncommitted_;  // packetsNotCommitted
  std::deque<Zxid> commits_;          // packetsCommitted
  std::deque<Zxid> to_acknowledge_;   // requestsToAck
  std::deque<Proposal> pending_;      // pendingTxns
  std::map<int64_t, int32_t> touched_;
  Zxid last_queued_;
  Zxid gap_;
  Zxid vouched_;
  Zxid history_end_;
  Zxid committed_;
};

}  // namespace vivarium::apache
