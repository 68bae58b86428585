#include "core/zab/orphan_sweep.h"

#include <cstdint>

#include "core/base/check.h"

namespace vivarium {

namespace {

constexpr size_t kOwnersAtOnce = 1000;

}  // namespace

bool is_ttl_of_353(SessionId owner) {
  const auto bits = static_cast<uint64_t>(owner.value);
  return bits >> 40 == 0x800000;
}

void OrphanSweep::start(Instant now) {
  deadline_ = now;
  position_ = SessionId{INT64_MIN};
}

std::optional<SessionId> OrphanSweep::next(Instant now, const DataTree& tree,
                                           const SessionTracker& sessions) {
  CHECK(deadline_ <= now);
  for (size_t looks = 0; looks < kOwnersAtOnce; ++looks) {
    const std::optional<SessionId> owner = tree.ephemeral_owner_from(position_);
    if (!owner) {
      deadline_ = Instant::never();
      return std::nullopt;
    }
    const bool is_last = owner->value == INT64_MAX;
    if (is_last) {
      deadline_ = Instant::never();
    } else {
      position_ = SessionId{owner->value + 1};
    }
    // A session known here may be one that is being opened.
    const bool lives = tree.sessions().count(*owner) > 0 || sessions.known(*owner);
    if (!lives && !is_ttl_of_353(*owner)) return owner;
    if (is_last) return std::nullopt;
  }
  deadline_ = now + milliseconds(1);
  return std::nullopt;
}

}  // namespace vivarium
