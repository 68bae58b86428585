// NameLane: carries out what concerns names (open, rename, remove, sync and list a directory,
// measure free space), one after the other in the order issued. It is apart from the lanes of the
// files, because bulk work on a directory's files must not stall a rename in it, nor the other way
// round.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "disk/disk_op.h"
#include "disk/reclaimer.h"

namespace vivarium {

class NameLane {
 public:
  // `dirs` are open directories, by Dir. `hidden_name` is never listed.
  NameLane(DiskShared& shared, std::array<int, kDirs> dirs, std::string hidden_name);
  void run(std::vector<DiskOp>& batch);
  // As of the last measurement. On any thread.
  uint64_t free_bytes(Dir dir) const;

 private:
  int fd(Dir dir) const { return dirs_[static_cast<size_t>(dir)]; }
  void execute(DiskOp& op);
  void open(OpenFile& file);
  void rename(const DiskOp& op);
  void remove(const DiskOp& op);
  void sync_dir(const DiskOp& op);
  void list(const DiskOp& op);
  void measure_free(Dir dir);

  DiskShared& shared_;
  std::array<int, kDirs> dirs_;
  std::string hidden_name_;
  std::array<std::atomic<uint64_t>, kDirs> free_bytes_{};
  Reclaimer reclaimer_;
};

}  // namespace vivarium
