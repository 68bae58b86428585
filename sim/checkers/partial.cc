#include "sim/checkers/partial.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace vivarium::sim {

bool PartialProgress::since(uint32_t members, SimTime then) const {
  for (uint32_t a = 0; a < voters_; ++a) {
    for (uint32_t b = a + 1; b < voters_; ++b) {
      const bool both = (members >> a & 1) != 0 && (members >> b & 1) != 0;
      if (both && together_since_[size_t{a} * voters_ + b] > then) return false;
    }
  }
  return true;
}

void PartialProgress::looked(const std::vector<bool>& together, const std::vector<bool>& serve,
                             SimTime now, Verdict& verdict) {
  for (size_t i = 0; i < together.size(); ++i) {
    if (!together[i]) together_since_[i] = now;
  }
  for (uint32_t i = 0; i < voters_; ++i) {
    if (serve[i]) served_[i] = now;
  }
  if (now < SimTime{} + within_ || voters_ < 2) return;
  const SimTime then = now - within_;
  const auto majority = static_cast<int>(voters_ / 2 + 1);
  for (uint32_t members = 0; members < 1U << voters_; ++members) {
    if (std::popcount(members) != majority || !since(members, then)) continue;
    bool served = false;
    for (uint32_t i = 0; i < voters_; ++i) {
      served = served || ((members >> i & 1) != 0 && served_[i] > then);
    }
    verdict.expect(Checker::Partial, served, now, [&] {
      std::string names;
      for (uint32_t i = 0; i < voters_; ++i) {
        if ((members >> i & 1) != 0) names += fmt::format(" s{}", i + 1);
      }
      return fmt::format("nobody has served for {} ms, and{} are well and connected", within_.ms(),
                         names);
    });
  }
}

}  // namespace vivarium::sim
