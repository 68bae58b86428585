// K-LINW: updates are linearizable: the order of zxids is one of their orders in real time. One
// that was asked for when another had been answered has the larger zxid.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_linear(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
