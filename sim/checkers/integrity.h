// K-INTEGRITY: every txn that is logged or delivered was broadcast by the primary of its epoch.
// That a zxid means one payload is K-ZXIDUNIQ.
#pragma once

#include "sim/broadcasts.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

// A server logs a txn that nobody had logged before. The leader itself does so in the step in which
// it brings it up; `facts` are as of then.
void check_origin(ServerIndex server, const NodeFacts& facts, Zxid zxid,
                  const Broadcasts& broadcasts, SimTime now, Verdict& verdict);
// It delivers a txn.
void check_integrity(ServerIndex server, Zxid zxid, const Broadcasts& broadcasts, SimTime now,
                     Verdict& verdict);

}  // namespace vivarium::sim
