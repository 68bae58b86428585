// K-GLOBALORD: along what a server delivers epochs never decrease.
#pragma once

#include "sim/checkers/verdict.h"
#include "sim/observation.h"

namespace vivarium::sim {

void check_global_order(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                        SimTime now, Verdict& verdict);

}  // namespace vivarium::sim
