// OrphanSweep: ephemerals whose session does not exist. Only data of ZooKeeper's can hold them: it
// removes them from its own tree alone when it loads one (ZooKeeperServer.loadData()), and so
// leaves them to whoever takes over its files or its SNAP. Here the leader closes their session by
// a txn, the same on every server (RULES 16; hazards N1). Nobody can make new ones, so one round
// behind the beginning of a leadership is enough.
#pragma once

#include <optional>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/tree/data_tree.h"
#include "core/tree/sessions.h"

namespace vivarium {

class OrphanSweep {
 public:
  void start(Instant now);
  // never() when the round is over.
  Instant deadline() const { return deadline_; }
  // A session to close now, if there is one. To be asked while deadline() is not after `now`. Looks
  // at a bounded number of owners.
  std::optional<SessionId> next(Instant now, const DataTree& tree, const SessionTracker& sessions);

 private:
  Instant deadline_ = Instant::never();
  SessionId position_;  // owners before it have been looked at
};

// TTL nodes of ZooKeeper 3.5.3 look like ephemerals of a session: the sign bit and a number of ms.
// They stay (docs/decisions.md, entry 83). A session's id of server 128 has that form only if it
// was made in the first five hours after 2^40 ms have passed once more, which is every 35 years.
bool is_ttl_of_353(SessionId owner);

}  // namespace vivarium
