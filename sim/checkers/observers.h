// K-OBS: observers do not count. None leads; that an epoch is begun, and a txn committed, by a
// quorum of voters alone is K-QUORUM (sim/checkers/durability.h).
#pragma once

#include "sim/checkers/verdict.h"
#include "sim/observation.h"

namespace vivarium::sim {

void check_observers(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                     SimTime now, Verdict& verdict);

}  // namespace vivarium::sim
