// Broadcasts: what the primary of each epoch has broadcast, in its order, taken down when its log
// grows: what it proposes it appends in the same step. Checkers of the protocol's order rest on it.
#pragma once

#include <map>
#include <vector>

#include "core/base/ids.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Broadcasts {
 public:
  struct Primary {
    ServerIndex server = 0;
    Zxid delivered;  // by it, when it broadcast its first txn
    std::vector<Zxid> txns;
  };

  // By `server`, which has delivered so much. True: it is the first of its epoch.
  bool add(ServerIndex server, Zxid zxid, Zxid delivered);
  bool knows(Zxid zxid) const;
  const std::map<Epoch, Primary>& primaries() const { return primaries_; }
  const Primary* of(Epoch epoch) const;

 private:
  std::map<Epoch, Primary> primaries_;
};

}  // namespace vivarium::sim
