// Epochs: one established leader each (K-LEADER1), promises kept, and none asked for that a leader
// was told is given (K-PROMISE), durable epochs that never fall (K-EPOCHMONO).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/wire/peer_messages.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Leadership {
 public:
  explicit Leadership(uint32_t servers) : servers_(servers), told_(servers) {}

  void stepped(ServerIndex server, const NodeFacts& after, SimTime now, Verdict& verdict);
  // A new leader takes its epoch for the current one: of those who have acknowledged that epoch,
  // enough are no more recent than it is (hazards D4). `current`: its epoch before.
  void begun(ServerIndex leader, const NodeFacts& after, Epoch current, uint32_t voters,
             SimTime now, Verdict& verdict) const;
  // A learner's packet leaves for its leader.
  void packet_sent(ServerIndex server, ServerIndex leader, const NodeFacts& facts,
                   const QuorumPacket& packet, SimTime now, Verdict& verdict);
  // A voter tells its leader what it has promised, in so many bytes, and they arrive or the
  // connection is over. What a new leader has heard is below the epoch that it chooses (hazards
  // D3).
  void told(ServerIndex learner, ServerIndex leader, Epoch promise, size_t bytes) {
    told_[learner] = {leader, promise, bytes, {}};
  }
  // `link` is the leader's handle of the connection.
  void arrived(ServerIndex leader, ServerIndex learner, LinkId link, size_t bytes);
  void ended(ServerIndex leader, LinkId link);
  // A process ended: what it was told is forgotten.
  void died(ServerIndex leader);
  // The disk was wiped: its promises are gone.
  void wiped(ServerIndex server) { servers_[server] = {}; }
  size_t leaderships() const { return leaders_.size(); }

 private:
  struct Server {
    Epoch accepted = 0;
    Epoch current = 0;
    Epoch promised = 0;  // by a counted ACKEPOCH
    ServerIndex promised_to = 0;
    Epoch chosen = 0;  // by who leads
  };
  struct Told {
    ServerIndex leader = 0;
    Epoch promise = 0;
    size_t on_its_way = 0;
    LinkId link{};  // by which the first of it arrived
  };
  void check_choice(ServerIndex leader, Epoch epoch, SimTime now, Verdict& verdict) const;

  std::vector<Server> servers_;
  // What each has said of its history in an ACKEPOCH that was to be counted. Who has promised a
  // later epoch since, or lost its data, has said it all the same.
  std::map<Epoch, std::map<ServerIndex, std::pair<Epoch, int64_t>>> histories_;
  std::vector<std::optional<Told>> told_;  // by learner
  std::map<Epoch, ServerIndex> leaders_;
};

}  // namespace vivarium::sim
