// K-RESULT: every reply equals what the reference model answers at the reply's zxid; every write
// that committed is what its request had to become in the state before it, once; an answered sync
// has seen every write that had been answered before it was asked (K-SYNC).
#pragma once

#include <utility>
#include <vector>

#include "core/base/ids.h"
#include "sim/checkers/verdict.h"
#include "sim/client.h"
#include "sim/ledger.h"
#include "sim/model.h"

namespace vivarium::sim {

// `order` is the one sequence of delivered txns, complete.
void check_history(const std::vector<SimClient>& clients, const std::vector<Zxid>& order,
                   const Ledger& ledger, const ModelRules& rules, SimTime now, Verdict& verdict);

// An answered sync has seen every write that was answered before it was invoked; `writes` are times
// of answers, with the zxids of the txns.
void check_syncs(std::vector<std::pair<SimTime, Zxid>> writes, std::vector<const ClientOp*> syncs,
                 SimTime now, Verdict& verdict);

}  // namespace vivarium::sim
