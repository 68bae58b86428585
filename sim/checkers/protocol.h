// ProtocolChecks: the checkers of Zab's order and messages together, with what they share, fed by
// the cluster as it watches.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/wire/peer_messages.h"
#include "sim/broadcasts.h"
#include "sim/checkers/agreement.h"
#include "sim/checkers/contiguous.h"
#include "sim/checkers/conversations.h"
#include "sim/checkers/local_order.h"
#include "sim/checkers/verdict.h"
#include "sim/ledger.h"
#include "sim/observation.h"

namespace vivarium::sim {

class ProtocolChecks {
 public:
  explicit ProtocolChecks(uint32_t servers) : contiguous_(servers) {}

  // A server has written into its log what the ledger knows by now. `facts` are as of within the
  // step.
  void logged(ServerIndex server, const NodeFacts& facts, const Ledger& ledger, SimTime now,
              Verdict& verdict);
  // A packet of a connection between a leader and a learner leaves, to `peer`.
  struct Sent {
    uint64_t link = 0;
    ServerIndex server = 0;
    ServerIndex peer = 0;
    bool learner = false;  // the sender is
  };
  void packet_sent(const Sent& sent, const QuorumPacket& packet, SimTime now, Verdict& verdict);
  // After a step, when the agreement knows of it.
  void stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
               const Agreement& agreement, const Ledger& ledger, SimTime now, Verdict& verdict);

 private:
  void broadcast(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                 const Agreement& agreement, SimTime now, Verdict& verdict);
  void delivered(ServerIndex server, const Agreement& agreement, SimTime now, Verdict& verdict);

  Broadcasts broadcasts_;
  LocalOrder local_order_;
  Contiguous contiguous_;
  Conversations conversations_;
  size_t delivered_ = 0;  // of the agreement's order
};

}  // namespace vivarium::sim
