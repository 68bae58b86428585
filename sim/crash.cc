#include "sim/crash.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {

// Units come in the order that apply_names and apply_file read them back: the names of each
// directory, then per file its sizes and the sectors of its writes.
std::vector<CrashUnit> Crash::units(const SimDisk& disk) {
  std::vector<CrashUnit> out;
  for (uint32_t d = 0; d < disk.dirs_.size(); ++d) {
    const auto& ops = disk.dirs_[d].ops;
    for (uint32_t i = 0; i < ops.size(); ++i) {
      out.push_back({CrashUnit::Kind::Name, d, i, 0, 2, ops[i].sequence});
    }
  }
  for (Inode f = 0; f < disk.files_.size(); ++f) {
    const SimFile& file = disk.files_[f];
    if (!file.used || file.ops.empty()) continue;
    uint32_t sizes = 0;
    uint64_t oldest = 0;
    for (const FileOp& op : file.ops) {
      if (op.kind == FileOpKind::Data) continue;
      if (++sizes == 1) oldest = op.sequence;
    }
    if (sizes != 0) out.push_back({CrashUnit::Kind::Sizes, f, 0, 0, sizes + 1, oldest});
    for (uint32_t i = 0; i < file.ops.size(); ++i) {
      const FileOp& op = file.ops[i];
      if (op.kind != FileOpKind::Data) continue;
      for (uint64_t s = 0; s < op.length / kSectorBytes; ++s) {
        out.push_back({CrashUnit::Kind::Sector, f, i, s, 2, op.sequence});
      }
    }
  }
  return out;
}

size_t Crash::apply_names(SimDisk& disk, const std::vector<CrashUnit>& units,
                          const CrashPlan& plan) {
  size_t next = 0;
  for (; next < units.size() && units[next].kind == CrashUnit::Kind::Name; ++next) {
    SimDirectory& directory = disk.dirs_[units[next].owner];
    if (plan[next] != 0) SimDisk::apply(directory.durable, directory.ops[units[next].op]);
  }
  return next;
}

// Units from `next` on belong to one file; gives the index behind them.
size_t Crash::apply_file(SimDisk& disk, const std::vector<CrashUnit>& units, const CrashPlan& plan,
                         size_t next) {
  const Inode inode = units[next].owner;
  SimFile& file = disk.files_[inode];
  size_t sizes_kept = 0;
  if (units[next].kind == CrashUnit::Kind::Sizes) sizes_kept = plan[next++];
  size_t sizes_seen = 0;
  uint64_t freed_from = UINT64_MAX;  // behind a lost truncation: not reached by later writes
  for (const FileOp& op : file.ops) {
    if (op.kind != FileOpKind::Data) {
      if (sizes_seen++ < sizes_kept) {
        SimDisk::apply(file.durable, op, file.payloads);
      } else if (op.kind == FileOpKind::Truncate) {
        freed_from = std::min(freed_from, op.offset / kSectorBytes * kSectorBytes);
      }
      continue;
    }
    for (uint64_t at = 0; at < op.length; at += kSectorBytes, ++next) {
      CHECK(next < units.size() && units[next].owner == inode);
      if (plan[next] == 0 || op.offset + at >= freed_from) continue;
      FileOp sector = op;
      sector.offset += at;
      sector.length = kSectorBytes;
      sector.payload += at;
      SimDisk::apply(file.durable, sector, file.payloads);
    }
  }
  file.durable.resize(file.durable.size);  // data without the size is cut off
  return next;
}

void Crash::lose_power(SimDisk& disk, const std::vector<CrashUnit>& units, const CrashPlan& plan) {
  CHECK(units.size() == plan.size());
  size_t next = apply_names(disk, units, plan);
  while (next < units.size()) next = apply_file(disk, units, plan, next);
  disk.used_bytes_ = 0;
  for (SimFile& file : disk.files_) {
    if (!file.used) continue;
    file.ops.clear();
    file.payloads.clear();
    file.cached = file.durable;
    disk.used_bytes_ += file.cached.size;
  }
  for (SimDirectory& directory : disk.dirs_) {
    directory.ops.clear();
    directory.cached = directory.durable;
  }
  drop_handles(disk);
}

void Crash::drop_handles(SimDisk& disk) {
  for (SimFile& file : disk.files_) file.handles = 0;
  disk.collect();
}

// ---------------------------------------------------------------------------------- drawn crashes

CrashPlan Crash::draw(const SimDisk& disk, const std::vector<CrashUnit>& units, Choices& choices,
                      uint64_t subject, bool tears) {
  // More of kSectors where power losses tear.
  enum Mode : uint64_t {
    kNothing,
    kEverything,
    kPrefix,
    kOperations,
    kSectors,
    kByMode,
    kTearing = 12
  };
  CrashPlan plan(units.size(), 0);
  size_t i = 0;
  while (i < units.size()) {
    const CrashUnit& first = units[i];
    const bool names = first.kind == CrashUnit::Kind::Name;
    size_t end = i;
    while (end < units.size() && units[end].owner == first.owner &&
           (units[end].kind == CrashUnit::Kind::Name) == names) {
      ++end;
    }
    const uint64_t owner = (names ? 0 : 1000) + uint64_t{first.owner};
    const uint64_t mode =
        std::min<uint64_t>(kSectors, choices.below({ChoiceKind::CrashMode, subject, owner, 0},
                                                   tears ? kTearing : kByMode, kNothing));
    const size_t ops =
        names ? disk.dirs_[first.owner].ops.size() : disk.files_[first.owner].ops.size();
    const uint64_t boundary =
        choices.below({ChoiceKind::CrashKeep, subject, owner, UINT32_MAX}, ops + 1, 0);
    for (; i < end; ++i) {
      const CrashUnit& unit = units[i];
      const uint64_t nth = mode == kSectors ? (uint64_t{unit.op} << 32 | unit.sector) : unit.op;
      const uint64_t drawn = choices.below({ChoiceKind::CrashKeep, subject, owner, nth}, 2, 0);
      uint64_t fate = 0;
      if (unit.kind == CrashUnit::Kind::Sizes) {
        const auto& all = disk.files_[unit.owner].ops;
        const auto prefix = all.begin() + static_cast<ptrdiff_t>(boundary);
        fate = mode == kNothing ? 0
               : mode == kEverything
                   ? unit.fates - 1
                   : static_cast<uint64_t>(std::count_if(all.begin(), prefix, [](const FileOp& op) {
                       return op.kind != FileOpKind::Data;
                     }));
      } else {
        fate = mode == kNothing      ? 0
               : mode == kEverything ? 1
               : mode == kPrefix     ? (unit.op < boundary ? 1 : 0)
                                     : drawn;
      }
      plan[i] = static_cast<uint32_t>(fate);
    }
  }
  return plan;
}

void Crash::lose_power(SimDisk& disk, Choices& choices, HostId host, uint64_t life, bool tears) {
  const std::vector<CrashUnit> all = units(disk);
  lose_power(disk, all, draw(disk, all, choices, uint64_t{host.value} << 32 | life, tears));
}

void Crash::kill(SimDisk& disk, Choices& choices, HostId host, uint64_t life, SimTime now,
                 Duration lag) {
  const uint64_t subject = uint64_t{host.value} << 32 | life;
  const auto young = [now, lag](const auto& ops, uint64_t executed) {
    size_t count = 0;
    while (count < ops.size()) {
      const auto& op = ops[ops.size() - 1 - count];
      if (op.sequence <= executed || op.issued + lag < now) break;
      ++count;
    }
    return count;
  };
  for (uint32_t d = 0; d < disk.dirs_.size(); ++d) {
    SimDirectory& directory = disk.dirs_[d];
    const size_t dropped = choices.below({ChoiceKind::KillProgress, subject, d, 0},
                                         young(directory.ops, directory.executed) + 1, 0);
    if (dropped == 0) continue;
    directory.ops.resize(directory.ops.size() - dropped);
    directory.cached = directory.durable;
    for (const NameOp& op : directory.ops) SimDisk::apply(directory.cached, op);
  }
  for (Inode f = 0; f < disk.files_.size(); ++f) {
    SimFile& file = disk.files_[f];
    if (!file.used || file.ops.empty()) continue;
    size_t dropped = choices.below({ChoiceKind::KillProgress, subject, 1000 + uint64_t{f}, 0},
                                   young(file.ops, file.executed) + 1, 0);
    // One write is an Extend and its Data: the cache has both or none.
    const size_t kept = file.ops.size() - dropped;
    if (dropped != 0 && kept != 0 && file.ops[kept].kind == FileOpKind::Data &&
        file.ops[kept - 1].kind == FileOpKind::Extend) {
      --dropped;
    }
    if (dropped == 0) continue;
    file.ops.resize(file.ops.size() - dropped);
    file.cached = file.durable;
    for (const FileOp& op : file.ops) SimDisk::apply(file.cached, op, file.payloads);
  }
  disk.used_bytes_ = 0;
  for (const SimFile& file : disk.files_) {
    if (file.used) disk.used_bytes_ += file.cached.size;
  }
  drop_handles(disk);
}

// ---------------------------------------------------------------------------------- CrashImages

CrashImages::CrashImages(const SimDisk& disk) : CrashImages(disk, Options{}) {}

CrashImages::CrashImages(const SimDisk& disk, Options options)
    : disk_(disk), options_(options), units_(Crash::units(disk)), random_(options.seed) {
  uint64_t plans = 1;
  for (const CrashUnit& unit : units_) {
    plans = std::min<uint64_t>(plans * unit.fates, uint64_t{1} << 32);
  }
  complete_ = plans <= options_.plans_max && plans <= options_.images_max;
  for (size_t i = 0; i < units_.size(); ++i) {
    if (units_[i].kind != CrashUnit::Kind::Sizes) by_age_.push_back(i);
  }
  std::stable_sort(by_age_.begin(), by_age_.end(),
                   [this](size_t a, size_t b) { return units_[a].sequence < units_[b].sequence; });
}

bool CrashImages::count_up() {
  for (size_t i = 0; i < plan_.size(); ++i) {
    if (++plan_[i] < units_[i].fates) return true;
    plan_[i] = 0;
  }
  return false;
}

// The oldest `kept` names and sectors kept, and the size changes issued until then.
CrashPlan CrashImages::prefix(size_t kept) const {
  CrashPlan plan(units_.size(), 0);
  for (size_t i = 0; i < kept; ++i) plan[by_age_[i]] = 1;
  const uint64_t until = kept == by_age_.size() ? UINT64_MAX
                         : kept == 0            ? 0
                                                : units_[by_age_[kept - 1]].sequence;
  for (size_t i = 0; i < units_.size(); ++i) {
    if (units_[i].kind != CrashUnit::Kind::Sizes) continue;
    for (const FileOp& op : disk_.file(units_[i].owner).ops) {
      if (op.kind != FileOpKind::Data && op.sequence <= until) ++plan[i];
    }
  }
  return plan;
}

bool CrashImages::next_plan() {
  const size_t step = step_++;
  if (complete_) {
    if (step != 0) return count_up();
    plan_.assign(units_.size(), 0);
    return true;
  }
  if (step >= options_.plans_max) return false;
  const size_t n = by_age_.size();
  if (step == 0) {
    plan_.assign(units_.size(), 0);
  } else if (step <= 1 + n) {
    plan_ = prefix(n + 1 - step);  // everything first
  } else if (step <= 1 + 2 * n) {
    plan_ = prefix(n);
    plan_[by_age_[step - 2 - n]] = 0;
  } else if (step <= 1 + 3 * n) {
    // One alone, with all sizes: a sector behind the end would not show.
    plan_ = prefix(n);
    for (size_t i = 0; i < n; ++i) plan_[by_age_[i]] = i == step - 2 - 2 * n ? 1 : 0;
  } else {
    for (size_t i = 0; i < units_.size(); ++i) {
      plan_[i] = static_cast<uint32_t>(random_.below(units_[i].fates));
    }
  }
  return true;
}

bool CrashImages::next() {
  while (seen_.size() < options_.images_max && next_plan()) {
    image_ = disk_;
    Crash::lose_power(image_, units_, plan_);
    if (seen_.insert(image_.hash(SimDisk::Image::Durable)).second) return true;
  }
  return false;
}

std::string CrashImages::describe() const {
  std::string kept;
  std::string lost;
  for (size_t i = 0; i < units_.size(); ++i) {
    const CrashUnit& unit = units_[i];
    const std::string_view kind = unit.kind == CrashUnit::Kind::Name    ? "name"
                                  : unit.kind == CrashUnit::Kind::Sizes ? "size"
                                                                        : "sector";
    std::string& out = plan_[i] == 0 ? lost : kept;
    out += fmt::format(" {}{}.{}", kind, unit.owner, unit.sequence);
    if (unit.kind == CrashUnit::Kind::Sector) out += fmt::format("/{}", unit.sector);
    if (unit.kind == CrashUnit::Kind::Sizes) out += fmt::format("={}", plan_[i]);
  }
  return fmt::format("kept:{}; lost:{}", kept.empty() ? " -" : kept, lost.empty() ? " -" : lost);
}

}  // namespace vivarium::sim
