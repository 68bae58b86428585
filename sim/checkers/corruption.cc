#include "sim/checkers/corruption.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vivarium::sim {

void check_corruption(ServerIndex server, const NodeFacts& after, const Ledger& ledger, SimTime now,
                      Verdict& verdict) {
  if (after.standing != Standing::Voter || after.damaged || after.unsettled) return;
  const Zxid base = ledger.base(server);
  if (after.last_durable <= base) return;
  Zxid last = base;
  Zxid gap;
  for (const Zxid zxid : ledger.between(server, base, after.last_durable)) {
    const Zxid before = std::exchange(last, zxid);
    if (gap == Zxid{} && before != Zxid{} && !zxid.follows(before)) gap = zxid;
  }
  verdict.expect(Checker::Corrupt, gap == Zxid{} && last == after.last_durable, now, [&] {
    return fmt::format("s{} takes its log for whole to {:x}, and it can be read to {:x} only",
                       server + 1, after.last_durable.value,
                       gap == Zxid{} ? last.value : gap.value);
  });
}

}  // namespace vivarium::sim
