// K-PRIMINT: when the primary of an epoch broadcasts its first txn, it has delivered everything of
// earlier epochs that anybody delivers, then or later.
#pragma once

#include "sim/broadcasts.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

// It has just begun to broadcast; `last` is what anybody has delivered last.
void check_new_primary(Epoch epoch, Zxid last, const Broadcasts& broadcasts, SimTime now,
                       Verdict& verdict);
void check_later_primaries(Zxid delivered, const Broadcasts& broadcasts, SimTime now,
                           Verdict& verdict);

}  // namespace vivarium::sim
