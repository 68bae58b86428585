// Epochs: one established leader each (K-LEADER1), promises kept (K-PROMISE), durable epochs that
// never fall (K-EPOCHMONO).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/wire/peer_messages.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Leadership {
 public:
  explicit Leadership(uint32_t servers) : servers_(servers) {}

  void stepped(ServerIndex server, const NodeFacts& after, SimTime now, Verdict& verdict);
  // A learner's packet leaves for its leader.
  void packet_sent(ServerIndex server, ServerIndex leader, const NodeFacts& facts,
                   const QuorumPacket& packet, SimTime now, Verdict& verdict);
  // The disk was wiped: its promises are gone.
  void wiped(ServerIndex server) { servers_[server] = {}; }
  size_t leaderships() const { return leaders_.size(); }

 private:
  struct Server {
    Epoch accepted = 0;
    Epoch current = 0;
    Epoch promised = 0;  // by a counted ACKEPOCH
    ServerIndex promised_to = 0;
  };
  std::vector<Server> servers_;
  std::map<Epoch, ServerIndex> leaders_;
};

}  // namespace vivarium::sim
