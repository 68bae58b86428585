#include "sim/checkers/primary_integrity.h"

#include <fmt/format.h>

namespace vivarium::sim {

void check_new_primary(Epoch epoch, Zxid last, const Broadcasts& broadcasts, SimTime now,
                       Verdict& verdict) {
  const Broadcasts::Primary& primary = *broadcasts.of(epoch);
  verdict.expect(Checker::PrimInt, last.epoch() >= epoch || last <= primary.delivered, now, [&] {
    return fmt::format(
        "s{} begins to broadcast in epoch {} with {:x} delivered, and others have "
        "delivered {:x}",
        primary.server + 1, epoch, primary.delivered.value, last.value);
  });
}

void check_later_primaries(Zxid delivered, const Broadcasts& broadcasts, SimTime now,
                           Verdict& verdict) {
  const auto& primaries = broadcasts.primaries();
  for (auto later = primaries.upper_bound(delivered.epoch()); later != primaries.end(); ++later) {
    const Epoch epoch = later->first;
    const Broadcasts::Primary& primary = later->second;
    verdict.expect(Checker::PrimInt, delivered <= primary.delivered, now, [&] {
      return fmt::format("zxid {:x} is delivered, and s{} broadcasts in epoch {} without it",
                         delivered.value, primary.server + 1, epoch);
    });
  }
}

}  // namespace vivarium::sim
