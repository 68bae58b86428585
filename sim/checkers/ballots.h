// K-QUORUM of elections: whoever takes himself for elected was voted for, in his round, by a
// majority of the voters (hazards E3); who follows another one has voted for him in such a round,
// or heard him say that he leads (E2); and who changes his vote within a round changes it for a
// better one: epoch, then zxid, then id (E4). By what servers say of their votes and decisions.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string_view>
#include <tuple>
#include <vector>

#include "sim/checkers/verdict.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Ballots {
 public:
  // The first servers are the voters.
  explicit Ballots(uint32_t voters) : voters_(voters), last_(voters) {}
  // A line that a server has logged. `leads`: whether the last that it has heard of another is that
  // it leads.
  using Leads = std::function<bool(ServerIndex)>;
  void said(ServerIndex server, std::string_view line, const Leads& leads, SimTime now,
            Verdict& verdict);

 private:
  uint32_t votes_for(ServerIndex candidate, int64_t round) const;

  using Vote = std::tuple<int64_t, int64_t, int64_t, int64_t>;  // round; epoch, zxid, for whom

  uint32_t voters_ = 0;
  std::vector<Vote> last_;
  std::set<std::tuple<int64_t, ServerIndex, ServerIndex>> votes_;  // round, for whom, by whom
};

}  // namespace vivarium::sim
