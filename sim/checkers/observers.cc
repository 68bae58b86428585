#include "sim/checkers/observers.h"

#include <fmt/format.h>

namespace vivarium::sim {

void check_observers(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                     SimTime now, Verdict& verdict) {
  if (!after.leading) return;
  // A change of the ensemble may make it one later; then it leaves.
  const bool may_lead = before.leading || after.standing == Standing::Voter;
  verdict.expect(Checker::Obs, may_lead, now, [&] {
    return fmt::format("s{} leads epoch {} and is no voter (standing {})", server + 1, after.epoch,
                       static_cast<int>(after.standing));
  });
}

}  // namespace vivarium::sim
