// K-PROMISE: the promises of a server are gone with its data. It votes again when a leader has
// synchronised it, or when it founds an ensemble in which nobody has anything yet (hazards E10,
// docs/decisions.md, 98).
#pragma once

#include <vector>

#include "core/base/ids.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Founding {
 public:
  explicit Founding(uint32_t servers) : lives_(servers) {}

  // A life begins; `delivered` is the last txn that anybody has delivered by then.
  void begun(ServerIndex server, Zxid delivered) { lives_[server] = {delivered == Zxid{}, false}; }
  // It takes all voters for blank. The others may have begun without it since they said so, but not
  // before.
  void founds(ServerIndex server) { lives_[server].founds = lives_[server].nothing_yet; }
  // A server that was wiped has recovered.
  void recovered(ServerIndex server, const NodeFacts& facts, Zxid delivered, SimTime now,
                 Verdict& verdict) const;

 private:
  struct Life {
    bool nothing_yet = false;
    bool founds = false;
  };
  std::vector<Life> lives_;
};

}  // namespace vivarium::sim
