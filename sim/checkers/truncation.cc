#include "sim/checkers/truncation.h"

#include <fmt/format.h>

#include "core/storage/frontier.h"
#include "core/storage/record.h"

namespace vivarium::sim {

std::optional<Zxid> truncation_begun(const SimDisk& disk) {
  const auto file = disk.content(Dir::Logs, kFrontierName, SimDisk::Image::Cached);
  const std::optional<Frontier> frontier = file ? newest_frontier(*file) : std::nullopt;
  if (!frontier || frontier->intent != Intent::Truncation) return std::nullopt;
  return frontier->intent_zxid;
}

void check_truncated(ServerIndex server, Zxid keeps, const NodeFacts& after, SimTime now,
                     Verdict& verdict) {
  verdict.expect(Checker::Recover, after.last_logged <= keeps, now, [&] {
    return fmt::format("s{} had begun to cut its log back to {:x}, and starts with it to {:x}",
                       server + 1, keeps.value, after.last_logged.value);
  });
}

}  // namespace vivarium::sim
