#include "sim/checkers/local_order.h"

#include <fmt/format.h>

namespace vivarium::sim {

void LocalOrder::delivered(Zxid zxid, const Broadcasts& broadcasts, SimTime now, Verdict& verdict) {
  const Broadcasts::Primary* primary = broadcasts.of(zxid.epoch());
  if (primary == nullptr) return;  // K-INTEGRITY says so
  size_t& before = delivered_[zxid.epoch()];
  const size_t nth = before++;
  verdict.expect(Checker::LocalOrd, nth < primary->txns.size() && primary->txns[nth] == zxid, now,
                 [&] {
                   return fmt::format(
                       "zxid {:x} is delivered as number {} of its epoch, and was broadcast "
                       "in another place",
                       zxid.value, nth + 1);
                 });
}

}  // namespace vivarium::sim
