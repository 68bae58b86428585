#include "sim/checkers/global_order.h"

#include <fmt/format.h>

namespace vivarium::sim {

void check_global_order(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                        SimTime now, Verdict& verdict) {
  if (!before.delivers || !after.delivers || after.last_applied == before.last_applied) return;
  const Epoch from = before.last_applied.epoch();
  const Epoch to = after.last_applied.epoch();
  verdict.expect(Checker::GlobalOrd, to >= from, now, [&] {
    return fmt::format("s{} delivers txns of epoch {} behind those of epoch {}", server + 1, to,
                       from);
  });
}

}  // namespace vivarium::sim
