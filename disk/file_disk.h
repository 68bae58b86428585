// FileDisk: the file half of World on a real file system. The loop's thread calls it and never
// waits; a thread per lane carries out file operations (file_lane.h), and one more those on names
// (name_lane.h). Operations leave at flush(), once per turn; completions are announced at
// wake_fd().
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/event.h"
#include "core/world.h"
#include "disk/directories.h"
#include "disk/disk_op.h"
#include "disk/file_lane.h"
#include "disk/name_lane.h"
#include "disk/syscalls.h"
#include "disk/worker.h"

namespace vivarium {

struct FileDiskOptions {
  std::string data_dir;
  std::string data_log_dir{};  // empty: data_dir
  std::string config_dir{};    // Dir::Config; empty: there is none
  // Receives one line when the process must end; unset: the line goes to stderr and the process
  // exits with 1. When it returns, nothing more is carried out and dead() is true.
  std::function<void(const std::string&)> fatal{};
  std::shared_ptr<Syscalls> calls{};  // unset: the real ones
  bool create = true;                 // false: directories that are missing are an error
  bool sync_log = true;  // false: syncs of log files say nothing about the disk (forceSync=no)
};

class FileDisk {
 public:
  using Deliver = std::function<void(const Event&)>;

  // Creates the directories where missing, and locks them.
  static Result<std::unique_ptr<FileDisk>> make(FileDiskOptions options);
  // Drops what has not been carried out, as kill -9 does.
  ~FileDisk();
  FileDisk(const FileDisk&) = delete;
  FileDisk& operator=(const FileDisk&) = delete;

  // --- World's operations. Calls on a dead handle do nothing.
  FileId open(Dir dir, std::string_view name, OpenMode mode, Lane lane, OnError on_error,
              Coding coding = Coding::Plain);
  void end_coded(FileId file);
  void write(FileId file, uint64_t offset, ByteView bytes);
  void write_shared(FileId file, uint64_t offset, SharedBytes bytes);
  void preallocate(FileId file, uint64_t offset, uint64_t length);
  void hurry(FileId file);
  void truncate(FileId file, uint64_t size);
  void sync(FileId file, uint64_t token);
  void read(FileId file, uint64_t offset, uint64_t length, uint64_t token);
  void close(FileId file);
  void rename(Dir dir, std::string_view from, std::string_view to);
  void remove(Dir dir, std::string_view name);
  void sync_dir(Dir dir, uint64_t token);
  void list(Dir dir, uint64_t token);
  // As of a second ago or so; asking starts the next measurement.
  uint64_t free_bytes(Dir dir);

  // --- the loop's side.
  int wake_fd() const { return shared_->wake_fd(); }
  // Hands the operations of this turn to the threads.
  void flush(Instant now);
  // Delivers completions as events, those of dead handles left out. `deliver` may call anything
  // above.
  void deliver(const Deliver& deliver);
  // Carries out all operations issued so far; their completions are dropped. Blocks.
  void finish();
  bool dead() const { return shared_->dead(); }

 private:
  struct Slot {
    uint32_t generation = 1;
    bool used = false;
    bool opened = false;  // until then operations wait in `waiting`
    bool closed = false;  // by the core: no event any more
    OpenFilePtr file;
    std::vector<DiskOp> waiting;
  };

  FileDisk(Directories directories, std::shared_ptr<Syscalls> calls,
           std::function<void(const std::string&)> fatal);
  Slot* find(FileId file);
  void issue(Slot& slot, DiskOp&& op);
  void issue_name(DiskOp&& op);
  static bool append_to_last(std::vector<DiskOp>& ops, const OpenFilePtr& file, uint64_t offset,
                             ByteView bytes);
  // A file of the log that is being prepared has a lane of its own here: the log waits for it where
  // bulk work may take long, such as packing a snapshot.
  std::vector<DiskOp>& staged(const OpenFile& file) {
    if (file.is_spare) return spare_ops_;
    return file.lane == Lane::Log ? log_ops_ : bulk_ops_;
  }
  void release(uint32_t index);
  void handle(Completion& done, const Deliver& deliver);
  void handle_opened(const Completion& done, const Deliver& deliver);
  void hand_over();

  bool sync_log_ = true;
  Directories directories_;
  std::shared_ptr<Syscalls> calls_;
  std::unique_ptr<DiskShared> shared_;
  std::deque<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<DiskOp> log_ops_;
  std::vector<DiskOp> bulk_ops_;
  std::vector<DiskOp> spare_ops_;
  std::vector<DiskOp> name_ops_;
  std::vector<Completion> completions_;
  std::array<bool, kDirs> want_free_{};
  std::array<Instant, kDirs> measured_{};

  FileLane log_lane_;
  FileLane bulk_lane_;
  FileLane spare_lane_;
  NameLane name_lane_;
  // Last, so that the threads end first.
  std::unique_ptr<Worker> log_worker_;
  std::unique_ptr<Worker> bulk_worker_;
  std::unique_ptr<Worker> spare_worker_;
  std::unique_ptr<Worker> name_worker_;
};

}  // namespace vivarium
