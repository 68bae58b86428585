// K-IDEMP: the last txns, applied once more to the tree that holds them, leave it as it is.
// Snapshots of ZooKeeper's rest on it, which are behind themselves.
#pragma once

#include <vector>

#include "core/tree/data_tree.h"
#include "sim/checkers/verdict.h"
#include "sim/ledger.h"

namespace vivarium::sim {

// Asked of a tree that is that of the last of `order`.
void check_idempotent(const DataTree& tree, const std::vector<Zxid>& order, const Ledger& ledger,
                      SimTime now, Verdict& verdict);

}  // namespace vivarium::sim
