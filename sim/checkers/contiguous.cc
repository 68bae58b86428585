#include "sim/checkers/contiguous.h"

#include <fmt/format.h>

#include <utility>

namespace vivarium::sim {

void Contiguous::logged(ServerIndex server, const Ledger& ledger, SimTime now,
                        Verdict& verdict) const {
  for (const Zxid zxid : ledger.last_written()) {
    const Zxid before = ledger.before(server, zxid);
    verdict.expect(Checker::Contig, before == Zxid{} || zxid.follows(before), now, [&] {
      return fmt::format("s{} logs zxid {:x} behind {:x}", server + 1, zxid.value, before.value);
    });
  }
}

void Contiguous::proposed(ServerIndex leader, ServerIndex learner, Zxid zxid, SimTime now,
                          Verdict& verdict) {
  const Zxid before = std::exchange(sent(leader, learner), zxid);
  verdict.expect(Checker::Contig, before == Zxid{} || zxid.follows(before), now, [&] {
    return fmt::format("s{} sends zxid {:x} to s{} behind {:x}", leader + 1, zxid.value,
                       learner + 1, before.value);
  });
}

void Contiguous::delivered(Zxid zxid, SimTime now, Verdict& verdict) {
  const Zxid before = std::exchange(delivered_, zxid);
  verdict.expect(Checker::Contig, before == Zxid{} || zxid.follows(before), now, [&] {
    return fmt::format("zxid {:x} is delivered behind {:x}", zxid.value, before.value);
  });
}

}  // namespace vivarium::sim
