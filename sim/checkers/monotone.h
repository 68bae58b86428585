// K-MONO: zxids that a client is shown never decrease, on one connection nor over several: a server
// that is behind what the client says it has seen turns it away.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_monotone(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
