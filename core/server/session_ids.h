// SessionIds: the ids that this server gives to new sessions (client-protocol section 3): the low
// byte of its own id on top, then 40 bits of milliseconds and 16 bits of counter, then one more per
// session. Never an id that is in use, and never the same twice in a life, whatever the clock does.
// After a restart with a clock that has stepped back, ids that were given and are closed by now can
// be known from nothing: then the first one is a long and random way above all that are in use.
#pragma once

#include <cstdint>
#include <map>

#include "core/base/ids.h"
#include "core/base/time.h"

namespace vivarium {

class SessionIds {
 public:
  // Before the first session of a serving period; `sessions` are all that the ensemble has.
  void start(ServerId server, WallTime now, const std::map<SessionId, int32_t>& sessions,
             uint64_t random);
  SessionId next();

 private:
  uint64_t next_ = 0;
};

}  // namespace vivarium
