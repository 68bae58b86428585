// K-CONTIG: in a log, in what a leader sends to a learner, and in what is delivered, (e,c) is
// followed by (e,c+1) or by the first of a later epoch.
#pragma once

#include <vector>

#include "sim/checkers/verdict.h"
#include "sim/ledger.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Contiguous {
 public:
  explicit Contiguous(uint32_t servers) : servers_(servers), sent_(size_t{servers} * servers) {}

  // What a server has just written into its log.
  void logged(ServerIndex server, const Ledger& ledger, SimTime now, Verdict& verdict) const;
  // A synchronisation begins: another place of the history.
  void stream_begins(ServerIndex leader, ServerIndex learner) { sent(leader, learner) = Zxid{}; }
  void proposed(ServerIndex leader, ServerIndex learner, Zxid zxid, SimTime now, Verdict& verdict);
  void delivered(Zxid zxid, SimTime now, Verdict& verdict);

 private:
  Zxid& sent(ServerIndex leader, ServerIndex learner) {
    return sent_[size_t{leader} * servers_ + learner];
  }
  uint32_t servers_;
  std::vector<Zxid> sent_;  // last PROPOSAL, by leader and learner
  Zxid delivered_;
};

}  // namespace vivarium::sim
