#include "sim/checkers/fail_stop.h"

#include <fmt/format.h>

namespace vivarium::sim {

bool FailStop::vital(std::string_view name, Lane lane) {
  if (name.starts_with("spare.")) return lane == Lane::Log;
  return name.starts_with("log.") || name.starts_with("frontier") ||
         name.starts_with("acceptedEpoch") || name.starts_with("currentEpoch");
}

void FailStop::sends(ServerIndex server, SimTime now, Verdict& verdict) const {
  if (failed_[server].empty()) return;
  verdict.expect(Checker::FailStop, false, now, [&] {
    return fmt::format("s{} goes on sending, and {} could not be written", server + 1,
                       failed_[server]);
  });
}

}  // namespace vivarium::sim
