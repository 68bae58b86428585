// Would Apache ZooKeeper 3.8 start on this disk, and on what? Its rules for names, snapshots, log
// records and epoch files (disk-formats sections 2, 4, 5 and 6), written down a second time and
// independently of core/storage, so that every crash image of ours can be held against them (RULES
// 6 and 8).
#pragma once

#include <string>

#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/tree/data_tree.h"
#include "sim/sim_disk.h"

namespace vivarium::storage_test {

struct ApacheStart {
  bool fresh = false;  // no database: an empty one would be created
  Zxid last;           // last zxid after replay
  Epoch accepted = 0;
  Epoch current = 0;
  DataTree tree;
};

// Errors: why it would refuse. `standalone` servers do not look at the epoch files. `trust_empty`:
// snapshot.trust.empty.
Result<ApacheStart> apache_start(const sim::SimDisk& disk, bool standalone,
                                 bool trust_empty = false);

}  // namespace vivarium::storage_test
