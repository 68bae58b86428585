// K-SESSION: no session id is ever given twice; once the close of a session is committed, nothing
// of it is committed any more, and no server answers it in a state that has the close.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_sessions(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
