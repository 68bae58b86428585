// PageDisks: what servers write, what of it is durable when, and what crashes have left of the
// rest.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "sim/page/model.h"
#include "sim/simulation.h"

namespace vivarium::sim {

class PageDisks {
 public:
  // Write, Truncate, Sync, Rename, Remove, SyncDir; Open is told for its names. Others are ignored.
  void called(const Simulation& sim, HostId host, const Call& call, PageModel& model);
  void synced(const Simulation& sim, HostId host, FileId file, uint64_t token, PageModel& model);
  void dir_synced(const Simulation& sim, HostId host, Dir dir, uint64_t token, PageModel& model);
  // Gives what was unsynced its fate, and a line about it; empty when nothing was.
  std::string crashed(const Simulation& sim, HostId host, PageModel& model);

 private:
  struct Unsynced {
    size_t event = 0;
    uint64_t nth = 0;
    Inode inode = kNoInode;  // of a write or a cut
    uint64_t offset = 0;
    Bytes bytes;  // none: it was cut to `offset`
  };
  struct UnsyncedName {
    size_t event = 0;
    uint64_t nth = 0;
    Dir dir{};
    std::string from;
    std::string to;  // none: it was removed
  };
  struct Syncing {
    size_t event = 0;
    uint64_t nth = 0;
    FileId file;
    Inode inode = kNoInode;
    size_t dir = 0;
    uint64_t token = 0;
  };
  struct Host {
    uint64_t calls = 0;
    std::vector<Unsynced> writes;
    std::vector<UnsyncedName> names;
    std::vector<Syncing> files;
    std::vector<Syncing> dirs;
    std::map<std::string, std::string, std::less<>> renamed;  // open files by their first name
  };

  void write(const Simulation& sim, HostId host, const Call& call, PageModel& model);
  void cut(const Simulation& sim, HostId host, const Call& call, PageModel& model);
  void change_name(const Simulation& sim, HostId host, const Call& call, PageModel& model);
  void begin_sync(const Simulation& sim, HostId host, const Call& call, PageModel& model);
  std::string name_of(const Simulation& sim, HostId host, FileId file);
  static Fate left_of(const SimDisk& disk, const Unsynced& write);
  static Fate left_of(const SimDisk& disk, const UnsyncedName& name);

  std::map<uint32_t, Host> hosts_;
};

}  // namespace vivarium::sim
