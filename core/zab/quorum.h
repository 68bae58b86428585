// Quorums: a majority of the voters of the configuration; while one configuration is about to
// replace another, a majority of the voters of each (quorum-protocol section 12, hazards X3). Only
// voters count, each once, whatever set is asked about (hazards E8, O1, K-QUORUM).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/base/ids.h"
#include "core/config.h"
#include "core/membership.h"

namespace vivarium {

class Quorum {
 public:
  Quorum() = default;
  explicit Quorum(const Config& config) {
    if (config.standalone()) {
      active_ = voters_ = {config.id};
    } else {
      *this = Quorum(config.membership());
    }
  }
  explicit Quorum(const Membership& active) : active_(voters_of(active)), voters_(active_) {}
  Quorum(const Membership& active, const Membership& pending)
      : active_(voters_of(active)), pending_(voters_of(pending)), voters_(active_) {
    for (const ServerId id : pending_) {
      if (!contains(voters_, id)) voters_.push_back(id);
    }
    std::sort(voters_.begin(), voters_.end());
  }

  // Of either configuration.
  bool is_voter(ServerId id) const { return contains(voters_, id); }
  const std::vector<ServerId>& voters() const { return voters_; }
  // `has(voter)` tells whether a voter is in the set asked about.
  template <class Has>
  bool holds(Has&& has) const {
    return majority(active_, has) && (pending_.empty() || majority(pending_, has));
  }
  // In one of the two: whoever leads by it may be followed, and nothing else.
  template <class Has>
  bool holds_in_one(Has&& has) const {
    return majority(active_, has) || (!pending_.empty() && majority(pending_, has));
  }
  bool operator==(const Quorum&) const = default;

 private:
  static std::vector<ServerId> voters_of(const Membership& membership) {
    std::vector<ServerId> voters;
    for (const Member& m : membership.members) {
      if (!m.observer) voters.push_back(m.id);
    }
    return voters;
  }
  static bool contains(const std::vector<ServerId>& ids, ServerId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  }
  template <class Has>
  static bool majority(const std::vector<ServerId>& voters, Has&& has) {
    size_t in = 0;
    for (const ServerId id : voters) {
      if (has(id)) ++in;
    }
    return in > voters.size() / 2;
  }

  std::vector<ServerId> active_;
  std::vector<ServerId> pending_;  // empty: nothing is about to replace it
  std::vector<ServerId> voters_;
};

}  // namespace vivarium
