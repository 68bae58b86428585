#include "sim/checkers/idempotent.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/wire/txn.h"

namespace vivarium::sim {

void check_idempotent(const DataTree& tree, const std::vector<Zxid>& order, const Ledger& ledger,
                      SimTime now, Verdict& verdict) {
  constexpr std::ptrdiff_t kTxns = 40;
  if (order.empty() || tree.last_applied() != order.back()) return;  // it holds more, or less
  const auto end = order.end();
  const auto begin = end - std::min(kTxns, end - order.begin());
  DataTree again = tree;
  for (auto zxid = begin; zxid != end; ++zxid) {
    const Result<Txn> txn = decode_txn(ledger.entry(*zxid));
    if (!txn) return;  // in nobody's log any more
    Effects effects;
    again.apply(*txn, effects);
  }
  verdict.expect(
      Checker::Idemp, again.state_hash() == tree.state_hash() && again.digest() == tree.digest(),
      now, [&] {
        return fmt::format("the txns from {:x} to {:x}, applied twice, leave another tree",
                           begin->value, (end - 1)->value);
      });
}

}  // namespace vivarium::sim
