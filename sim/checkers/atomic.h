// K-ATOMIC: a multi happens as a whole or not at all, in its txn and in its answer. That no read
// sees half of one is K-RESULT's, which compares each with the state at its zxid; that no watch
// hears half of one is K-WATCH-ONCE's.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_atomic(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
