#include "sim/checkers/integrity.h"

#include <fmt/format.h>

namespace vivarium::sim {

void check_origin(ServerIndex server, const NodeFacts& facts, Zxid zxid,
                  const Broadcasts& broadcasts, SimTime now, Verdict& verdict) {
  if (facts.leading && facts.epoch == zxid.epoch()) return verdict.evaluated(Checker::Integrity);
  check_integrity(server, zxid, broadcasts, now, verdict);
}

void check_integrity(ServerIndex server, Zxid zxid, const Broadcasts& broadcasts, SimTime now,
                     Verdict& verdict) {
  verdict.expect(Checker::Integrity, broadcasts.knows(zxid), now, [&] {
    return fmt::format("s{} has zxid {:x}, which no leader of epoch {} has broadcast", server + 1,
                       zxid.value, zxid.epoch());
  });
}

}  // namespace vivarium::sim
