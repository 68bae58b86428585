// K-TOTAL: a server that delivers a txn has delivered all that anybody delivered before it: what it
// has in its log between two of its states is what the one sequence has there.
#pragma once

#include <vector>

#include "sim/checkers/verdict.h"
#include "sim/ledger.h"
#include "sim/observation.h"

namespace vivarium::sim {

// `order`: what has been delivered by anybody, this server included.
void check_total_order(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                       const std::vector<Zxid>& order, const Ledger& ledger, SimTime now,
                       Verdict& verdict);

}  // namespace vivarium::sim
