// K-OBS: observers are in no quorum: none leads, and an epoch is established by voters that have
// acknowledged NEWLEADER.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "core/wire/peer_messages.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"

namespace vivarium::sim {

class ObserverCheck {
 public:
  // A learner's packet leaves.
  void packet_sent(ServerIndex server, const QuorumPacket& packet);
  // `voters` of its configuration.
  void stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
               const std::vector<bool>& voters, SimTime now, Verdict& verdict) const;

 private:
  std::map<Epoch, std::set<ServerIndex>> acknowledged_;  // NEWLEADER
};

}  // namespace vivarium::sim
