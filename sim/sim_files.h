// The files of one simulated process: handles onto a SimDisk, when operations complete, and which
// fail. Operations take effect in the cached image when issued, in the order of issue; their
// answers come later, in order per file and per directory and in no order between them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/world.h"
#include "sim/choices.h"
#include "sim/event_queue.h"
#include "sim/sim_disk.h"

namespace vivarium::sim {

// What a part of the simulation needs of the whole for the length of one call.
struct Moment {
  EventQueue& queue;
  Choices& choices;
  SimTime now;
};

struct DiskOptions {
  Delay open{microseconds(20), microseconds(30), 0, {}};
  Delay preallocate{microseconds(50), microseconds(200), 0, {}};
  Delay zeros{Duration{}, Duration{}, 128, milliseconds(3000)};  // on top, unless it is hurried
  Delay sync{microseconds(80), microseconds(150), 8, milliseconds(20)};
  Delay read{microseconds(20), microseconds(60), 8, milliseconds(5)};
  Delay names{microseconds(60), microseconds(150), 8, milliseconds(20)};  // sync_dir and list
  int64_t bulk_factor = 2;  // Lane::Bulk is slower by this
  bool tears = false;       // most power losses take sectors rather than operations
  // A killed process may not have carried out operations younger than this.
  Duration kill_lag = microseconds(500);
};

// Operations that are made to fail: behind the first `skip` that match, the next `times`.
enum class DiskOp : uint8_t {
  Open,
  Write,
  Preallocate,
  Truncate,
  Sync,
  Read,
  Rename,
  Remove,
  SyncDir
};
std::string_view name_of(DiskOp op);
struct DiskFault {
  DiskOp op{};
  std::string name_prefix;  // of the file; empty matches every file
  uint32_t skip = 0;
  FileError error = FileError::Io;
  uint32_t times = 1;         // UINT32_MAX: for ever
  bool of_this_life = false;  // forgotten when the process ends
};

// A write that the disk takes and does not do, or does elsewhere: the (skip + 1)-th that matches.
struct QuietFault {
  std::string name_prefix;
  uint32_t skip = 0;
  int64_t shift_bytes = 0;  // whole sectors; 0: nowhere
};

class SimFiles {
 public:
  explicit SimFiles(const DiskOptions& options, HostId host) : options_(options), host_(host) {}

  bool tears() const { return options_.tears; }

  // --- the World's side. A stale handle is ignored.
  FileId open(Moment& m, SimDisk& disk, Dir dir, std::string_view name, OpenMode mode, Lane lane,
              OnError on_error);
  void write(Moment& m, SimDisk& disk, FileId file, uint64_t offset, ByteView bytes);
  void preallocate(Moment& m, SimDisk& disk, FileId file, uint64_t offset, uint64_t length);
  void hurry(Moment& m, SimDisk& disk, FileId file);
  void truncate(Moment& m, SimDisk& disk, FileId file, uint64_t size);
  void sync(Moment& m, SimDisk& disk, FileId file, uint64_t token);
  void read(Moment& m, SimDisk& disk, FileId file, uint64_t offset, uint64_t length,
            uint64_t token);
  void close(SimDisk& disk, FileId file);
  void rename(Moment& m, SimDisk& disk, Dir dir, std::string_view from, std::string_view to);
  void remove(Moment& m, SimDisk& disk, Dir dir, std::string_view name);
  void sync_dir(Moment& m, SimDisk& disk, Dir dir, uint64_t token, Lane lane);
  void list(Moment& m, SimDisk& disk, Dir dir, uint64_t token);

  // --- completions. carry_out() has the effect; an event is due unless the result is Nothing.
  enum class Outcome : uint8_t { Nothing, Report, Stop };
  Outcome carry_out(SimDisk& disk, const Happening& happening);
  // For events that borrow: valid until the next call.
  ReadDone read_done(const Happening& happening) const;
  DirListed listed(const Happening& happening) const;
  // After the event was delivered: buffers and failed handles are free again.
  void delivered(SimDisk& disk, const Happening& happening);
  // Why carry_out() said Stop.
  const std::string& stop_reason() const { return stop_reason_; }

  // A life ends: all handles are stale. The disk's own handles are dropped by kill or power loss.
  void end_life();
  void begin_life(uint32_t life) { life_ = life; }

  // --- faults
  void arm(const DiskFault& fault) { faults_.push_back(fault); }
  void arm(const QuietFault& fault) { quiet_faults_.push_back(fault); }
  void clear_faults() {
    faults_.clear();
    quiet_faults_.clear();
  }
  size_t armed() const { return faults_.size() + quiet_faults_.size(); }
  // Slower by this factor until set back to 1.
  void set_slowness(int64_t factor) { slowness_ = factor; }
  int64_t slowness() const { return slowness_; }
  // When all that was asked of names and directories is done.
  SimTime names_ready() const {
    return *std::max_element(std::begin(names_ready_), std::end(names_ready_));
  }
  // When all that was asked of anything is done.
  SimTime ready() const {
    SimTime at = names_ready();
    for (const Open& open : opens_) {
      if (open.used) at = std::max(at, open.ready);
    }
    return at;
  }

  const DiskOptions& options() const { return options_; }
  std::string_view name_of(FileId file) const;  // under which it was opened
  Inode inode_of(FileId file) const;
  // Something was to be written to it by this handle.
  bool was_written(FileId file) const {
    return file.slot < opens_.size() && opens_[file.slot].written;
  }
  Lane lane_of(FileId file) const { return opens_[file.slot].lane; }  // of one that is open

 private:
  struct Open {
    uint32_t generation = 0;
    bool used = false;
    bool closed = false;  // close() was called: carried out, not reported
    bool broken = false;  // an operation failed: nothing more is carried out
    Inode inode = kNoInode;
    OnError on_error{};
    Lane lane{};
    uint32_t pending = 0;  // happenings on their way
    Dir dir{};
    uint32_t role = 0;    // in roles_
    uint32_t nth = 0;     // file of this role that this life has opened
    uint32_t fills = 0;   // preallocate() was called as often
    uint32_t filled = 0;  // and answered
    bool fill_ok = false;
    bool hurried = false;  // the last of them
    bool written = false;
    SimTime ready;  // no completion before this
    std::string name;
  };

  Open* find(FileId file);
  uint32_t take_slot();
  void free_slot(SimDisk& disk, uint32_t slot);
  std::optional<FileError> verdict(DiskOp op, std::string_view name);
  void answer(Moment& m, FileId file, Happens kind, uint64_t a, uint64_t b, SimTime at);
  void spoil_write(SimDisk& disk, const Open& open);
  void fail(Moment& m, FileId file, FileError error, std::string_view what);
  void fail_dir(Moment& m, Dir dir, FileError error, std::string_view what);
  Duration delay(Moment& m, const Choice& choice, const Delay& d, Lane lane);
  // What choices are about: host, life and a file's role, which is its name as far as the first
  // dot; and what of that role came before.
  struct Role {
    uint64_t subject = 0;
    uint64_t opens = 0;
    uint64_t fills = 0;
    uint64_t hurries = 0;
    uint64_t syncs = 0;
  };
  uint64_t subject_of(std::string_view name) const;
  uint32_t role_of(std::string_view name);
  SimTime after_names(const SimDisk& disk, Dir dir, SimTime at);
  uint32_t take_buffer();

  DiskOptions options_;
  HostId host_;
  uint32_t life_ = 0;
  int64_t slowness_ = 1;
  std::vector<Open> opens_;
  std::vector<uint32_t> free_slots_;
  std::vector<Role> roles_;  // of this life
  std::array<SimTime, kDirs> names_ready_;
  std::array<uint64_t, kDirs> names_count_{};
  std::vector<DiskFault> faults_;
  std::vector<QuietFault> quiet_faults_;
  std::vector<std::string> reasons_;
  std::string stop_reason_;
  // What reads and listings found, until delivered.
  struct Buffer {
    bool used = false;
    uint64_t token = 0;
    uint64_t offset = 0;
    Bytes bytes;
    std::vector<DirEntry> entries;
  };
  std::vector<Buffer> buffers_;
};

}  // namespace vivarium::sim
