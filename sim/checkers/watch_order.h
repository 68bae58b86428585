// K-WATCH-ORDER: on one connection the event of zxid z comes before any reply or event that
// reflects a state of z or later, and after the reply that set its watch.
#pragma once

#include "sim/checkers/past.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

void check_watch_order(const Past& past, Verdict& verdict);

}  // namespace vivarium::sim
