// One server's storage on one simulated disk, without a node around it: a World whose operations
// complete one at a time, when the test says so, so that a crash can be placed between any two of
// them. Every event is a turn of its own.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/config.h"
#include "core/storage/storage.h"
#include "core/tree/data_tree.h"
#include "core/wire/txn.h"
#include "core/world.h"
#include "sim/sim_disk.h"

namespace vivarium::storage_test {

class DiskWorld : public World {
 public:
  explicit DiskWorld(sim::SimDisk disk, uint64_t seed = 1)
      : disk_(std::move(disk)), random_(seed) {}

  sim::SimDisk& disk() { return disk_; }
  const sim::SimDisk& disk() const { return disk_; }
  // Something is on its way.
  bool pending() const { return !queue_.empty(); }
  // Carries out the oldest operation of one randomly chosen file or directory and hands its event
  // to `to`.
  void deliver(const std::function<void(const Event&)>& to);
  // Syncs of files whose names begin so are not carried out, nor what is behind them in their
  // queue; "dir" holds those of directories.
  void hold(std::string prefix) { held_.push_back(std::move(prefix)); }
  void release() { held_.clear(); }
  // Carries out the oldest operation that is not held. False: there is none.
  bool deliver_oldest(const std::function<void(const Event&)>& to);
  void pass(Duration time) { now_ = now_ + time; }
  // The next preallocation finds no room.
  void fill_disk(bool full) { full_ = full; }
  // The next sync of a file with this prefix fails, and what it should have written counts as
  // clean. The process ends, or hears of it, as the file was opened.
  void fail_sync_of(std::string prefix) { failing_ = std::move(prefix); }

  const std::optional<std::string>& stopped() const { return stopped_; }
  const std::vector<std::string>& lines() const { return lines_; }

  Instant now() const override { return now_; }
  WallTime wall_now() const override { return {1'700'000'000'000}; }
  uint64_t random() override { return random_.next(); }
  void set_timer(Instant) override {}

  LinkId connect(const Address&) override { return {}; }
  void send(LinkId, ByteView) override {}
  void send_shared(LinkId, SharedBytes) override {}
  uint64_t unsent(LinkId) const override { return 0; }
  void give_credit(LinkId, uint64_t) override {}
  void close(LinkId, bool) override {}

  FileId open(Dir dir, std::string_view name, OpenMode mode, Lane lane, OnError on_error) override;
  void write(FileId file, uint64_t offset, ByteView bytes) override;
  void write_shared(FileId file, uint64_t offset, SharedBytes bytes) override {
    write(file, offset, *bytes);
  }
  void preallocate(FileId file, uint64_t offset, uint64_t length) override;
  void truncate(FileId file, uint64_t size) override;
  void sync(FileId file, uint64_t token) override;
  void read(FileId file, uint64_t offset, uint64_t length, uint64_t token) override;
  void close(FileId file) override;
  void rename(Dir dir, std::string_view from, std::string_view to, Lane lane) override;
  void remove(Dir dir, std::string_view name, Lane lane) override;
  void sync_dir(Dir dir, uint64_t token, Lane lane) override;
  void list(Dir dir, uint64_t token) override;
  uint64_t free_bytes(Dir) const override { return full_ ? 0 : uint64_t{1} << 40; }

  void log(LogLevel, std::string_view line) override { lines_.emplace_back(line); }
  void count(std::string_view, int64_t) override {}
  void gauge(std::string_view, int64_t) override {}
  void audit(std::string_view) override {}
  void stop(StopReason, std::string_view why) override { stopped_ = std::string(why); }

 private:
  enum class Kind : uint8_t { Opened, Failed, Preallocated, Synced, Read, DirSynced, Listed };
  struct Due {
    Kind kind{};
    uint64_t queue = 0;  // of one file or directory: in order
    FileId file;
    Dir dir{};
    uint64_t token = 0;
    uint64_t sequence = 0;
    uint64_t offset = 0;
    uint64_t length = 0;
    bool ok = true;
    FileError error{};
  };
  struct Open {
    sim::Inode inode = sim::kNoInode;
    std::string name;
    OnError on_error{};
    bool broken = false;
  };

  Open* find(FileId file);
  void add(Due due);
  bool is_held(const Due& due);
  void carry_out(std::deque<Due>::iterator at, const std::function<void(const Event&)>& to);

  sim::SimDisk disk_;
  Random random_;
  Instant now_{1'000'000'000};
  sim::SimTime sim_now_{};
  std::map<FileId, Open> files_;
  uint32_t next_slot_ = 0;
  std::deque<Due> queue_;
  bool full_ = false;
  std::string failing_;
  std::vector<std::string> held_;
  std::optional<std::string> stopped_;
  std::vector<std::string> lines_;
};

// A server's storage with the tree above it. Txns create /t0, /t1, ... with data of a chosen
// length, in the order of their zxids, so that every state is known by its zxid.
class StorageHost {
 public:
  explicit StorageHost(sim::SimDisk disk, Config config = small_config(), uint64_t seed = 1);

  // Segments of a few records, a short history, two snapshots kept.
  static Config small_config();
  static Config standalone_config();

  Storage& storage() { return storage_; }
  DataTree& tree() { return tree_; }
  DiskWorld& world() { return world_; }
  sim::SimDisk& disk() { return world_.disk(); }

  // Begins recovery; finish it with run().
  void start();
  // One event and the end of its turn. False: nothing is pending.
  bool step();
  // Steps until nothing is pending, deadlines included.
  void run();
  // Steps until the condition holds; fails the test when nothing is pending before.
  void run_until(const std::function<bool()>& condition);
  // Called before every event: where a crash may happen.
  void on_each_step(std::function<void()> hook) { hook_ = std::move(hook); }
  void end_turn() { storage_.end_turn(world_, tree_); }

  // Recovery of a fresh directory and the founding of an empty history.
  void found();
  void append(Zxid zxid, size_t data_bytes = 10);
  // A change of the ensemble.
  void append_config(Zxid zxid, const std::string& text);
  void append_run(Epoch epoch, uint32_t from, uint32_t to, size_t data_bytes = 10);
  // Applies everything that is durable.
  void apply();

 private:
  DiskWorld world_;
  Storage storage_;
  DataTree tree_;
  std::function<void()> hook_;
};

// The txn of `zxid`, the same for everybody who asks: a create with its digest over `ahead`, which
// gets it applied.
Bytes make_entry(Zxid zxid, size_t data_bytes, DataTree& ahead);
// A log file as Apache writes it, with zeros behind the last record.
Bytes apache_log(const std::vector<Bytes>& entries);

}  // namespace vivarium::storage_test
