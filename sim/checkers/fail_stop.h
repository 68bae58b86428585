// K-FAILSTOP: a server whose log, frontier or epoch could not be written says nothing any more: no
// acknowledgement, vote, heartbeat or answer, until it has started again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/world.h"
#include "sim/checkers/verdict.h"
#include "sim/observation.h"

namespace vivarium::sim {

class FailStop {
 public:
  explicit FailStop(uint32_t servers) : failed_(servers) {}

  // Whether what a server says rests on files of this name. The next log file is a spare, prepared
  // beside the others, until it is written in their place.
  static bool vital(std::string_view name, Lane lane);
  // A process ended because of its disk, as it should.
  void stopped(Verdict& verdict) const { verdict.evaluated(Checker::FailStop); }
  // It is told of a failure and goes on.
  void told(ServerIndex server, std::string_view file, Lane lane) {
    if (vital(file, lane)) failed_[server] = file;
  }
  void sends(ServerIndex server, SimTime now, Verdict& verdict) const;
  void died(ServerIndex server) { failed_[server].clear(); }

 private:
  std::vector<std::string> failed_;  // which file; empty: none
};

}  // namespace vivarium::sim
