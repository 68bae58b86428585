#include "sim/checkers/bounded.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/storage/record.h"
#include "core/storage/snapshot.h"

namespace vivarium::sim {

void check_bounded(ServerIndex server, const Node& node, const SimDisk& disk, SimTime now,
                   Verdict& verdict) {
  const Config& config = node.config();
  // What is not committed yet, or not sent, is kept beyond that, and trimmed with the next txn.
  constexpr size_t kUnderWay = 100;
  const size_t history = node.storage().history().size();
  verdict.expect(Checker::Bounded, history <= config.history_txns_max + kUnderWay, now, [&] {
    return fmt::format("s{} keeps {} txns in memory, of {}", server + 1, history,
                       config.history_txns_max);
  });
  // With an interval, or never, purging is not due whenever there is a new one.
  if (!config.purge || config.purge_interval_ms != 0) return;
  std::vector<Zxid> snapshots;
  for (const DirEntry& file : disk.list(Dir::Snapshots, SimDisk::Image::Cached)) {
    if (const auto name = parse_snapshot_name(file.name)) snapshots.push_back(name->zxid);
  }
  // One more may just have got its name, and a SNAP installed brings another.
  const size_t most = config.snapshots_kept + 2;
  verdict.expect(Checker::Bounded, snapshots.size() <= most, now, [&] {
    return fmt::format("s{} has {} snapshots, of {}", server + 1, snapshots.size(),
                       config.snapshots_kept);
  });
  // With fewer than are kept nothing is purged.
  if (snapshots.size() <= config.snapshots_kept) return;
  const Zxid oldest = *std::min_element(snapshots.begin(), snapshots.end());
  std::vector<Zxid> logs;
  for (const DirEntry& file : disk.list(Dir::Logs, SimDisk::Image::Cached)) {
    if (const auto name = parse_log_name(file.name)) logs.push_back(*name);
  }
  std::sort(logs.begin(), logs.end());
  const auto needed = std::upper_bound(logs.begin(), logs.end(), oldest);
  // The one in which the oldest snapshot lies is needed, and one before it for the history.
  constexpr std::ptrdiff_t kBelow = 4;
  verdict.expect(Checker::Bounded, needed - logs.begin() <= kBelow, now, [&] {
    return fmt::format("s{} keeps {} log files that begin below its oldest snapshot {:x}",
                       server + 1, needed - logs.begin(), oldest.value);
  });
}

}  // namespace vivarium::sim
