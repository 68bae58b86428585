// FastLeaderElection (quorum-protocol section 4), line by line after ZooKeeper's.
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
#include "core/wire/peer_messages.h"
#include "core/world.h"
#include "sim/apache/election_links.h"

namespace vivarium::apache {

struct Vote {
  int32_t version = 0;
  ServerId leader;
  int64_t zxid = 0;
  int64_t round = 0;  // electionEpoch
  int64_t peer_epoch = 0;
  PeerState state = PeerState::Looking;
};

class Election {
 public:
  explicit Election(const Config& config);

  // lookForLeader(): what this server has, for its first vote.
  void look(Zxid last, Epoch current_epoch, World& world);
  // Somebody was agreed on; the server is not looking any more.
  std::optional<ServerId> take_decision();
  bool looking() const { return looking_; }

  // --- what others are told while it follows or leads
  void set_state(PeerState state) { state_ = state; }
  // updateElectionVote().
  void set_epoch(Epoch epoch) { current_.peer_epoch = epoch; }
  const Vote& current() const { return current_; }

  bool handle(const Event& event, World& world);
  Instant deadline() const;
  void on_timer(World& world);

 private:
  struct Heard {
    ServerId from;
    Vote vote;
  };
  using Votes = std::map<ServerId, Vote>;

  bool voter(ServerId id) const;
  void receive(const ElectionLinks::Message& message, World& world);
  void answer(ServerId to, const Vote& vote, World& world);
  void send_notifications(World& world);
  void drain(World& world);
  void process(const Heard& heard, World& world);
  void process_looking(const Heard& heard, World& world);
  void process_settled(const Heard& heard);
  void consider_quorum(World& world);
  bool quorum_for(const Votes& votes, const Vote& vote) const;
  bool check_leader(const Votes& votes, ServerId leader, int64_t round) const;
  void decide(const Vote& vote);

  Config config_;
  std::string text_;  // of the configuration
  ElectionLinks links_;
  PeerState state_ = PeerState::Looking;
  Vote current_;  // the last decision, or the first vote of this life
  bool begun_ = false;

  bool looking_ = false;
  Vote own_;
  Vote proposed_;
  int64_t round_ = 0;  // logicalclock
  Votes received_;     // recvset
  Votes outside_;      // outofelection
  std::deque<Heard> queue_;
  Duration patience_;
  Instant next_send_ = Instant::never();
  Instant quiet_at_ = Instant::never();  // a quorum agrees; nobody may say better until then
  std::optional<ServerId> decision_;
};

}  // namespace vivarium::apache
