// ClientLog: all that one client of the simulator invoked and heard, in its own order: what the
// checkers of client-visible properties look at when a run is over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/wire/codes.h"
#include "sim/observation.h"

namespace vivarium::sim {

enum class HeardKind : uint8_t {
  Attached,  // a connection begins: the ConnectResponse
  Reply,     // to ops[index]
  Rearmed,   // the reply to rearms[index]
  Event,
  Pong
};

struct Heard {
  HeardKind kind{};
  SimTime at{};
  SimTime sent{};    // what it answers; not of events
  int64_t zxid = 0;  // of the header; Attached: the last zxid seen, as the client told the server
  size_t index = 0;  // Attached: of the first operation that this connection may carry
  WatchEvent event{};
  std::string path{};
  SessionId session{};  // Attached
  int32_t timeout_ms = 0;
};

// One setWatches or setWatches2.
struct Rearm {
  SimTime sent{};
  Zxid since;
  std::vector<std::string> data;
  std::vector<std::string> exist;
  std::vector<std::string> child;
  std::vector<std::string> persistent;
  std::vector<std::string> recursive;
};

// One ConnectRequest.
struct Attempt {
  SimTime sent{};
  SessionId session{};    // none: a new one is asked for
  bool answered = false;  // whatever the answer was
};

struct ClientLog {
  Identity who;  // on all its connections, before it asks for anything
  std::vector<ClientOp> ops;
  std::vector<Heard> heard;
  std::vector<Rearm> rearms;
  std::vector<Attempt> attempts;
};

}  // namespace vivarium::sim
