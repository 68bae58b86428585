// Reaper: finds containers that have lost all their children and TTL nodes whose time is over, for
// the leader to remove (semantics section 5; ZooKeeper's ContainerManager). Goes over them once per
// interval, and yields no more than so many a minute. Preparation decides again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/time.h"
#include "core/config.h"
#include "core/tree/data_tree.h"

namespace vivarium {

class Reaper {
 public:
  // The first round begins an interval from now.
  void start(Instant now, const Config& config);
  Instant deadline() const { return deadline_; }
  // One to remove now, if there is one. To be asked while deadline() is not after `now`, which each
  // call moves on. Looks at a bounded number of znodes.
  std::optional<std::string> next(Instant now, WallTime wall, const DataTree& tree,
                                  const Config& config);

 private:
  Instant deadline_ = Instant::never();
  Instant next_round_ = Instant::never();
  bool in_round_ = false;
  DataTree::Slot position_ = 0;  // znodes of this round before it have been looked at
};

}  // namespace vivarium
