// K-SEQ: what a session reads contains its own earlier writes, and states never go back from one of
// its answers to the next.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_sequence(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
