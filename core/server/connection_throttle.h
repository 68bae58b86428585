// ConnectionThrottle: how many clients may connect in a time (connection_throttle_*), by a bucket
// of tokens that fills steadily and, when wanted, by chance: BLUE, which turns more clients away
// the longer the bucket has been empty. Chances are millionths, since there are no fractions here.
#pragma once

#include <cstdint>

#include "core/base/time.h"
#include "core/config.h"
#include "core/world.h"

namespace vivarium {

class ConnectionThrottle {
 public:
  enum class Kind : uint8_t { Global, Renewed, Local };  // the session that is asked for

  // Full, and nobody is turned away by chance.
  void start(const ThrottleConfig& config, Instant now);
  // Takes the tokens. False: the client has to come again.
  bool admit(Kind kind, const ThrottleConfig& config, World& world);
  // Tokens that are missing.
  uint32_t deficit(const ThrottleConfig& config) const {
    return config.tokens_when_full() - tokens_;
  }
  uint32_t drop_millionths() const { return drop_; }

 private:
  void fill(const ThrottleConfig& config, Instant now);
  void weigh(const ThrottleConfig& config, Instant now);

  uint32_t tokens_ = 0;
  Instant filled_at_;
  uint32_t drop_ = 0;  // the chance of being turned away, in millionths
  Instant weighed_at_;
};

}  // namespace vivarium
