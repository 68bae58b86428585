// Past: what the checkers of client-visible properties are given when a run is over: every client's
// log and the one history of txns.
#pragma once

#include <vector>

#include "core/base/time.h"
#include "sim/client_log.h"
#include "sim/event_queue.h"
#include "sim/history.h"
#include "sim/sim_clock.h"

namespace vivarium::sim {

struct Interval {
  SimTime from{};
  SimTime to = SimTime::never();
};

struct Past {
  std::vector<const ClientLog*> clients;
  History history;
  SimTime now{};
  bool local_sessions = false;  // sessions may act that never began for the ensemble
  // How much sooner than its timeout a session may seem to expire to who only knows when the client
  // sent what was answered: a follower that has lost its leader does not know it for so long, and
  // while it is paused. By the simulator's clock, of which the server's may be a slow one.
  Duration expiry_slack{};
  // How fast a server's clock went at most: its timeouts are that much shorter.
  int64_t clock_pace_ppm = kMillion;
  // When a server of ZooKeeper's led, who answers a sync without asking anybody (RULES 13, 15).
  std::vector<Interval> apache_leads;
};

}  // namespace vivarium::sim
