// K-WATCH-RECONN: a watch that is set again after a re-attach fires at once if, and only if, what
// it watches has changed since the last zxid that the client had seen; the events come before the
// reply.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_watch_reconnect(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
