#include "sim/checkers/truncation.h"

#include <fmt/format.h>

#include <utility>

#include "core/storage/frontier.h"
#include "core/storage/record.h"

namespace vivarium::sim {

void Truncations::born(ServerIndex server, const SimDisk& disk) {
  begun_[server].reset();
  const auto file = disk.content(Dir::Logs, kFrontierName, SimDisk::Image::Cached);
  const std::optional<Frontier> frontier = file ? newest_frontier(*file) : std::nullopt;
  if (frontier && frontier->intent == Intent::Truncation) begun_[server] = frontier->intent_zxid;
}

void Truncations::recovered(ServerIndex server, const NodeFacts& facts, SimTime now,
                            Verdict& verdict) {
  const std::optional<Zxid> keeps = std::exchange(begun_[server], std::nullopt);
  const bool whole = facts.standing == Standing::Voter || facts.standing == Standing::Observer ||
                     facts.standing == Standing::NonVoting;
  if (!keeps || !whole || facts.damaged || facts.unsettled) return;
  verdict.expect(Checker::Recover, facts.last_logged <= *keeps, now, [&] {
    return fmt::format("s{} had begun to cut its log back to {:x}, and starts with it to {:x}",
                       server + 1, keeps->value, facts.last_logged.value);
  });
}

}  // namespace vivarium::sim
