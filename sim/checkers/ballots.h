// K-QUORUM of elections: whoever takes himself for elected was voted for, in his round, by a
// majority of the voters (hazards E3), and who changes his vote within a round changes it for a
// better one: epoch, then zxid, then id (E4). By what servers say of their votes and decisions.
#pragma once

#include <cstdint>
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
  // A line that a server has logged.
  void said(ServerIndex server, std::string_view line, SimTime now, Verdict& verdict);

 private:
  using Vote = std::tuple<int64_t, int64_t, int64_t, int64_t>;  // round; epoch, zxid, for whom

  uint32_t voters_ = 0;
  std::vector<Vote> last_;
  std::set<std::tuple<int64_t, ServerIndex, ServerIndex>> votes_;  // round, for whom, by whom
};

}  // namespace vivarium::sim
