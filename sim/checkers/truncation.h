// K-RECOVER: a truncation that was begun is finished by the start that finds it, also where a
// snapshot covers what it keeps: what it took back does not return (hazards R14).
#pragma once

#include <optional>

#include "core/base/ids.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"
#include "sim/sim_disk.h"

namespace vivarium::sim {

// Up to where a truncation that is under way keeps the log, by what a start finds on the disk.
std::optional<Zxid> truncation_begun(const SimDisk& disk);
// Of a server that has recovered, and is not damaged.
void check_truncated(ServerIndex server, Zxid keeps, const NodeFacts& after, SimTime now,
                     Verdict& verdict);

}  // namespace vivarium::sim
