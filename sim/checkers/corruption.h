// K-CORRUPT: no record with a failing checksum counts: what a server that has recovered as a whole
// voter takes for its log can be read, record by record, by another reader than its own.
#pragma once

#include "sim/checkers/verdict.h"
#include "sim/ledger.h"
#include "sim/observation.h"

namespace vivarium::sim {

// A recovery is over, and the ledger has read the log again.
void check_corruption(ServerIndex server, const NodeFacts& after, const Ledger& ledger, SimTime now,
                      Verdict& verdict);

}  // namespace vivarium::sim
