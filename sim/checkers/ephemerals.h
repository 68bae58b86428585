// K-EPH: an ephemeral is only created by an open session, and a closeSession removes exactly those
// of its session, in the same zxid; what a server holds in the end belongs to sessions it knows.
#pragma once

#include <vector>

#include "core/tree/data_tree.h"
#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_ephemerals(const Past& past, const std::vector<const DataTree*>& trees,
                      Verdict& verdict);

}  // namespace vivarium::sim
