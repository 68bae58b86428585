// Vote: what servers compare in an election: whom, and how recent his history is. The order is a
// total one, the same for every comparison, whole votes only (quorum-protocol section 4, hazards
// E4).
#pragma once

#include <compare>
#include <cstdint>

#include "core/base/ids.h"

namespace vivarium {

// Wire forms: a zxid of -1 is "no data", observers vote with the smallest numbers there are.
struct Vote {
  ServerId leader;
  int64_t zxid = 0;        // the leader's last logged zxid
  int64_t peer_epoch = 0;  // the leader's current epoch
  constexpr bool operator==(const Vote&) const = default;
};

// Greater is better: the newer epoch, then the longer history, then the larger id.
constexpr std::strong_ordering compare_votes(const Vote& a, const Vote& b) {
  if (const auto by_epoch = a.peer_epoch <=> b.peer_epoch; by_epoch != 0) return by_epoch;
  if (const auto by_zxid = a.zxid <=> b.zxid; by_zxid != 0) return by_zxid;
  return a.leader <=> b.leader;
}

}  // namespace vivarium
