#include "sim/checkers/total_order.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {

void check_total_order(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                       const std::vector<Zxid>& order, const Ledger& ledger, SimTime now,
                       Verdict& verdict) {
  if (!after.delivers || after.last_applied == before.last_applied) return;
  // What a state holds that it was handed is for K-LOGTREE.
  const Zxid from = std::max(before.last_applied, ledger.base(server));
  if (from >= after.last_applied) return;
  const std::vector<Zxid> own = ledger.between(server, from, after.last_applied);
  const auto first = std::upper_bound(order.begin(), order.end(), from);
  const auto last = std::upper_bound(first, order.end(), after.last_applied);
  verdict.expect(Checker::Total, std::equal(own.begin(), own.end(), first, last), now, [&] {
    return fmt::format("s{} delivers {} txns between {:x} and {:x}, where others have {}",
                       server + 1, own.size(), from.value, after.last_applied.value, last - first);
  });
}

}  // namespace vivarium::sim
