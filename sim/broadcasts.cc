#include "sim/broadcasts.h"

#include <algorithm>

namespace vivarium::sim {

bool Broadcasts::add(ServerIndex server, Zxid zxid, Zxid delivered) {
  const auto [found, first] = primaries_.try_emplace(zxid.epoch());
  Primary& primary = found->second;
  if (first) primary = {server, delivered, {}};
  // A server alone may lose what it never acknowledged, and use the zxid again.
  while (!primary.txns.empty() && primary.txns.back() >= zxid) primary.txns.pop_back();
  primary.txns.push_back(zxid);
  return first;
}

const Broadcasts::Primary* Broadcasts::of(Epoch epoch) const {
  const auto found = primaries_.find(epoch);
  return found == primaries_.end() ? nullptr : &found->second;
}

// Mostly the last ones are asked for.
bool Broadcasts::knows(Zxid zxid) const {
  const Primary* primary = of(zxid.epoch());
  if (primary == nullptr) return false;
  return std::find(primary->txns.rbegin(), primary->txns.rend(), zxid) != primary->txns.rend();
}

}  // namespace vivarium::sim
