// K-TLAMSG: nobody on the leader port is sent what the protocol has no rule for in that place
// (quorum-protocol section 5): each connection is one conversation, and of both its ends only what
// is due is said. What stands behind a SNAP in one stream with it is not looked at.
#pragma once

#include <cstdint>
#include <map>

#include "core/wire/peer_messages.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Conversations {
 public:
  // A packet leaves, on the connection `link`. `learner`: the sender is the one who connected.
  // False: it stands where this checker cannot read.
  bool sent(uint64_t link, ServerIndex server, bool learner, const QuorumPacket& packet,
            SimTime now, Verdict& verdict);

 private:
  struct Conversation {
    bool introduced = false;  // FOLLOWERINFO or OBSERVERINFO
    bool observer = false;
    bool led = false;            // LEADERINFO
    bool promised = false;       // ACKEPOCH
    bool synchronising = false;  // DIFF, TRUNC or SNAP
    bool blind = false;          // a SNAP: what its leader says is not known from here on
    bool new_leader = false;
    bool up_to_date = false;
    Zxid proposed;
    Zxid committed;
  };
  static const char* wrong(const Conversation& c, bool learner, const QuorumPacket& packet);
  static const char* wrong_of_learner(const Conversation& c, const QuorumPacket& packet);
  static const char* wrong_of_leader(const Conversation& c, const QuorumPacket& packet);
  static void note(Conversation& c, bool learner, const QuorumPacket& packet);

  std::map<uint64_t, Conversation> all_;
};

}  // namespace vivarium::sim
