// K-PARTIAL: while a majority of the voters is well and connected with each other there is
// progress, whatever befalls the others: one of that majority serves.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/time.h"
#include "sim/checkers/verdict.h"
#include "sim/event_queue.h"
#include "sim/observation.h"

namespace vivarium::sim {

class PartialProgress {
 public:
  // `within`: time for a leader outside of the majority to be found silent, for elections that
  // choose such a one again, and for a synchronisation.
  PartialProgress(uint32_t voters, Duration within)
      : voters_(voters),
        within_(within),
        together_since_(size_t{voters} * voters),
        served_(voters) {}

  // Asked again and again how things are: which pairs of voters are both well in every way and hear
  // each other (by a * voters + b, a < b), and which voters serve.
  void looked(const std::vector<bool>& together, const std::vector<bool>& serve, SimTime now,
              Verdict& verdict);

 private:
  // Whether all of these, a bit each, have been together since then.
  bool since(uint32_t members, SimTime then) const;

  uint32_t voters_;
  Duration within_;
  std::vector<SimTime> together_since_;
  std::vector<SimTime> served_;  // last
};

}  // namespace vivarium::sim
