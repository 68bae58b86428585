// What a crash leaves of a disk. The unsynced operations of a disk are a list of units, each with a
// few possible fates: one operation on a name (lost or kept), the size changes of one file (how
// many of them, in order: file systems journal metadata), one sector of one write (lost or kept). A
// plan gives each unit its fate; every plan is a state that power loss could leave:
//  - sectors survive or not independently, so writes are lost, kept, torn and reordered;
//  - a size may survive without the data (zeros), and data without the size (cut off);
//  - a name operation whose source did not survive did not happen;
//  - a write behind a truncation that did not survive has not reached the truncated part.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "sim/choices.h"
#include "sim/sim_disk.h"

namespace vivarium::sim {

struct CrashUnit {
  enum class Kind : uint8_t { Name, Sizes, Sector };
  Kind kind{};
  uint32_t owner = 0;   // directory index, or inode
  uint32_t op = 0;      // index in its list of operations
  uint64_t sector = 0;  // within the operation
  uint32_t fates = 2;   // 0 is lost; fates - 1 is kept
  uint64_t sequence = 0;
};
// One fate per unit.
using CrashPlan = std::vector<uint32_t>;

class Crash {
 public:
  static std::vector<CrashUnit> units(const SimDisk& disk);
  // Power is lost: cached and durable become what the plan leaves. Handles are gone.
  static void lose_power(SimDisk& disk, const std::vector<CrashUnit>& units, const CrashPlan& plan);
  // As above with a plan drawn by name; `life` tells crashes of one host apart. Each file and
  // directory draws its own mode: nothing, everything, a prefix, any subset, any sectors.
  static void lose_power(SimDisk& disk, Choices& choices, HostId host, uint64_t life,
                         bool tears = false);
  // The process is killed, the cache survives: operations younger than `lag` whose completion was
  // not reported may not have been carried out, per file a suffix of them.
  static void kill(SimDisk& disk, Choices& choices, HostId host, uint64_t life, SimTime now,
                   Duration lag);

 private:
  static CrashPlan draw(const SimDisk& disk, const std::vector<CrashUnit>& units, Choices& choices,
                        uint64_t subject, bool tears);
  static size_t apply_names(SimDisk& disk, const std::vector<CrashUnit>& units,
                            const CrashPlan& plan);
  static size_t apply_file(SimDisk& disk, const std::vector<CrashUnit>& units,
                           const CrashPlan& plan, size_t next);
  static void drop_handles(SimDisk& disk);
};

// All crash images of one state of a disk, or the most telling ones when there are too many:
// nothing kept, everything kept, every prefix in the order issued, each unit alone lost, each alone
// kept, and then random plans. Equal images are given once.
class CrashImages {
 public:
  struct Options {
    size_t images_max = 256;
    size_t plans_max = 1024;
    uint64_t seed = 1;
  };
  explicit CrashImages(const SimDisk& disk);
  CrashImages(const SimDisk& disk, Options options);

  // The next image, or false when there is none left.
  bool next();
  const SimDisk& image() const { return image_; }
  // Names the units that were kept, for a person.
  std::string describe() const;
  // Whether every plan is tried.
  bool complete() const { return complete_; }

 private:
  bool next_plan();
  bool count_up();
  CrashPlan prefix(size_t kept) const;

  SimDisk disk_;
  Options options_;
  std::vector<CrashUnit> units_;
  std::vector<size_t> by_age_;  // indices of units but Sizes, oldest first
  bool complete_ = false;
  size_t step_ = 0;
  CrashPlan plan_;
  SimDisk image_;
  Random random_;
  std::set<uint64_t> seen_;
};

}  // namespace vivarium::sim
