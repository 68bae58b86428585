// K-SYNC: a completed sync has brought its server up to everything that any client had been shown
// when the sync was invoked.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_barrier(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
