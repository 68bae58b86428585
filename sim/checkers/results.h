// K-RESULT: every reply equals what the reference model answers at the reply's zxid; every write
// that committed is what its request had to become in the state before it, once; what the history
// of real time orders, zxids order too (K-LINW).
#pragma once

#include <vector>

#include "core/base/ids.h"
#include "sim/checkers/verdict.h"
#include "sim/client.h"
#include "sim/ledger.h"

namespace vivarium::sim {

// `order` is the one sequence of delivered txns, complete.
void check_history(const std::vector<SimClient>& clients, const std::vector<Zxid>& order,
                   const Ledger& ledger, SimTime now, Verdict& verdict);

}  // namespace vivarium::sim
