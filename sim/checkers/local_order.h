// K-LOCALORD: the txns of a primary are delivered in the order in which it broadcast them, without
// gaps.
#pragma once

#include <cstddef>
#include <map>

#include "sim/broadcasts.h"
#include "sim/checkers/verdict.h"

namespace vivarium::sim {

class LocalOrder {
 public:
  void delivered(Zxid zxid, const Broadcasts& broadcasts, SimTime now, Verdict& verdict);

 private:
  std::map<Epoch, size_t> delivered_;  // how many of each
};

}  // namespace vivarium::sim
