// K-FIFO: replies of a connection come in the order of its requests, none left out; writes of a
// session are committed in the order in which they were invoked.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_fifo(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
