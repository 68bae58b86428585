// K-BOUNDED: what a server keeps stays within what it is told to keep: snapshots, log files that no
// snapshot needs, the history in memory. That purging leaves enough is K-RECOVER.
#pragma once

#include "core/node.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"
#include "sim/sim_disk.h"

namespace vivarium::sim {

void check_bounded(ServerIndex server, const Node& node, const SimDisk& disk, SimTime now,
                   Verdict& verdict);

}  // namespace vivarium::sim
