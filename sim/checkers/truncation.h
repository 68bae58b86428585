// K-RECOVER: a truncation that was begun is finished by the start that finds it, also where a
// snapshot covers what it keeps: what it took back does not return (hazards R14).
#pragma once

#include <optional>
#include <vector>

#include "core/base/ids.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"
#include "sim/sim_disk.h"

namespace vivarium::sim {

class Truncations {
 public:
  explicit Truncations(uint32_t servers) : begun_(servers) {}

  // A life begins, and finds this disk.
  void born(ServerIndex server, const SimDisk& disk);
  // Its recovery is over. Who is damaged has other reasons for what it takes.
  void recovered(ServerIndex server, const NodeFacts& facts, SimTime now, Verdict& verdict);

 private:
  std::vector<std::optional<Zxid>> begun_;  // up to where the log is to be kept
};

}  // namespace vivarium::sim
