// K-WATCH-ONCE: each connection is told exactly of what its watches were for: nothing missed,
// nothing twice, nothing else, with the right type and path, in the order of txns and of the
// changes within one; and checkWatches and removeWatches answer as the model does.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_watch_once(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
