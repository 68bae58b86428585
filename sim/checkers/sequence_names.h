// K-SEQNAME: the numbers of sequential znodes under one parent increase with their zxids, as long
// as that parent lives, and none comes twice.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_sequence_names(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
