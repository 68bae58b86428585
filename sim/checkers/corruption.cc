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
    const std::string what =
        gap == Zxid{} ? fmt::format("it can be read to {:x} only", last.value)
                      : fmt::format("what comes before {:x} is in no file of it", gap.value);
    return fmt::format("s{} takes its log for whole to {:x}, and {}", server + 1,
                       after.last_durable.value, what);
  });
}

}  // namespace vivarium::sim
