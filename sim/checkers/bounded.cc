#include "sim/checkers/bounded.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/storage/record.h"
#include "core/storage/snapshot.h"

namespace vivarium::sim {
namespace {

bool can_be_read(const SimDisk& disk, const std::string& name) {
  const auto file = disk.content(Dir::Snapshots, name, SimDisk::Image::Cached);
  DataTree tree;
  tree.clear();
  SnapshotFileReader reader;
  return file && reader.feed(*file, tree) && reader.finish().has_value();
}

}  // namespace

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
  std::vector<std::string> names;
  for (const DirEntry& file : disk.list(Dir::Snapshots, SimDisk::Image::Cached)) {
    const auto name = parse_snapshot_name(file.name);
    if (!name) continue;
    snapshots.push_back(name->zxid);
    names.push_back(file.name);
  }
  // One more may just have got its name, and a SNAP installed brings another. Those that rot are
  // not counted when it is asked whether there are enough, and stay for so long.
  const size_t most = config.snapshots_kept + 2;
  size_t damaged = 0;
  if (snapshots.size() > most) {
    damaged = static_cast<size_t>(std::count_if(
        names.begin(), names.end(), [&](const std::string& n) { return !can_be_read(disk, n); }));
  }
  const bool few = snapshots.size() - damaged <= most && damaged <= most;
  verdict.expect(Checker::Bounded, few, now, [&] {
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
