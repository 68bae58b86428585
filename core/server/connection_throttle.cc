#include "core/server/connection_throttle.h"

#include <algorithm>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr uint32_t kMillion = 1'000'000;

uint32_t weight_of(ConnectionThrottle::Kind kind, const ThrottleConfig& config) {
  if (!config.weighted) return 1;
  switch (kind) {
    case ConnectionThrottle::Kind::Global:
      return config.global_cost();
    case ConnectionThrottle::Kind::Renewed:
      return std::max(config.renew_weight, config.local_weight);
    case ConnectionThrottle::Kind::Local:
      return config.local_weight;
  }
  return 1;
}

}  // namespace

void ConnectionThrottle::start(const ThrottleConfig& config, Instant now) {
  tokens_ = config.tokens_when_full();
  filled_at_ = weighed_at_ = now;
  drop_ = 0;
}

void ConnectionThrottle::fill(const ThrottleConfig& config, Instant now) {
  const int64_t ms = (now - filled_at_).ms();
  if (ms <= config.fill_ms) return;
  filled_at_ = now;
  // By parts, so that nothing overflows after a long time.
  const uint64_t rounds = static_cast<uint64_t>(ms / config.fill_ms);
  const uint64_t rest = static_cast<uint64_t>(ms % config.fill_ms);
  const uint64_t count = config.refill();
  const uint64_t missing = deficit(config);
  if (count != 0 && rounds > missing / count) {
    tokens_ = config.tokens_when_full();
    return;
  }
  const uint64_t added = rounds * count + rest * count / static_cast<uint64_t>(config.fill_ms);
  tokens_ += static_cast<uint32_t>(std::min(added, missing));
}

// Whoever finds the bucket empty, one freeze time after the other, makes it likelier that the next
// ones are turned away; a bucket that is full enough makes it less likely again.
void ConnectionThrottle::weigh(const ThrottleConfig& config, Instant now) {
  if ((now - weighed_at_).ms() <= config.freeze_ms) return;
  weighed_at_ = now;
  const uint64_t missing = deficit(config);
  const uint64_t enough =
      (uint64_t{config.tokens_when_full()} * config.decrease_ratio + kMillion / 2) / kMillion;
  if (tokens_ == 0 && drop_ < kMillion) {
    drop_ = std::min(drop_ + config.drop_increase, kMillion);
  } else if (missing <= enough) {
    drop_ -= std::min(drop_, config.drop_decrease);
  }
}

bool ConnectionThrottle::admit(Kind kind, const ThrottleConfig& config, World& world) {
  if (config.tokens_max == 0) return true;
  const Instant now = world.now();
  fill(config, now);
  CHECK(tokens_ <= config.tokens_when_full() && drop_ <= kMillion);
  if (config.freeze_ms >= 0) {
    weigh(config, now);
    if (drop_ != 0 && world.random() % kMillion < drop_) return false;
  }
  const uint32_t needed = weight_of(kind, config);
  if (tokens_ < needed) return false;
  tokens_ -= needed;
  return true;
}

}  // namespace vivarium
