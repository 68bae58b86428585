// Quorums: a majority of the voters of the configuration. Only voters count, each once, whatever
// set is asked about (hazards E8, O1, K-QUORUM).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/base/ids.h"
#include "core/config.h"

namespace vivarium {

class Quorum {
 public:
  Quorum() = default;
  explicit Quorum(const Config& config) {
    if (config.standalone()) voters_.push_back(config.id);
    for (const Member& m : config.members) {
      if (!m.observer) voters_.push_back(m.id);
    }
  }
  bool is_voter(ServerId id) const {
    return std::find(voters_.begin(), voters_.end(), id) != voters_.end();
  }
  const std::vector<ServerId>& voters() const { return voters_; }
  // `has(voter)` tells whether a voter is in the set asked about.
  template <class Has>
  bool holds(Has&& has) const {
    size_t in = 0;
    for (const ServerId id : voters_) {
      if (has(id)) ++in;
    }
    return in > voters_.size() / 2;
  }

 private:
  std::vector<ServerId> voters_;
};

}  // namespace vivarium
