#include "sim/checkers/founding.h"

#include <fmt/format.h>

namespace vivarium::sim {

void Founding::recovered(ServerIndex server, const NodeFacts& facts, Zxid delivered, SimTime now,
                         Verdict& verdict) const {
  if (lives_[server].founds) return;
  const bool forgot =
      facts.accepted_epoch == 0 && facts.last_logged == Zxid{} && delivered != Zxid{};
  verdict.expect(Checker::Promise, !forgot || facts.standing != Standing::Voter, now, [&] {
    return fmt::format("s{} has lost its data, and votes before it was synchronised", server + 1);
  });
}

}  // namespace vivarium::sim
