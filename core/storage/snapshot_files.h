// Snapshots on their way to the disk: SnapshotTaker writes this server's own tree, SnapshotReceiver
// a state that arrives by SNAP, always plain. Both write under a name that Apache ignores, on
// Lane::Bulk, and a failure is that file's failure only.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/config.h"
#include "core/event.h"
#include "core/storage/disk_script.h"
#include "core/storage/record.h"
#include "core/storage/snapshot.h"
#include "core/tree/data_tree.h"

namespace vivarium {

// The state is that of the start, encoded in slices between which the tree may change: one in a
// turn at most, with a pause behind it, and none while the disk owes more than a bound. A snapshot
// for which too many old images would have to be kept is given up; the next attempt takes twice as
// much at a time.
class SnapshotTaker {
 public:
  static constexpr size_t kSliceBytes = 512 << 10;
  static constexpr Duration kSlicePause = milliseconds(1);
  static constexpr uint32_t kDoublingsMax = 16;

  SnapshotTaker() = default;
  explicit SnapshotTaker(const Config& config);

  bool running() const { return state_ != State::Idle; }
  void start(Disk& disk, DataTree& tree, bool exact);
  // Gives up. The result is a snapshot that has its name already and must be reckoned with.
  std::optional<SnapshotName> cancel(Disk& disk);
  bool step(const Event& event, Disk& disk);
  // The next slice when it is due; once in a turn.
  void advance(Disk& disk, DataTree& tree);
  Instant deadline() const;
  // The snapshot that has become durable under its name since the last call.
  std::optional<SnapshotName> take_finished();
  // One could not be written since the last call.
  bool take_failed() { return std::exchange(failed_, false); }

 private:
  enum class State : uint8_t { Idle, Encoding, Syncing, Naming };

  uint64_t owed_bytes() const { return size_ - synced_; }
  uint64_t owed_bytes_max() const { return owed_bytes_max_ << doublings_; }
  void fail(Disk& disk);
  void sync(Disk& disk);

  uint32_t slice_elements_ = 0;
  uint64_t image_bytes_max_ = 0;
  uint64_t owed_bytes_max_ = 0;
  Coding coding_ = Coding::Plain;

  State state_ = State::Idle;
  SnapshotName file_name_;
  FileId file_;
  uint64_t token_ = 0;
  Instant started_;
  std::optional<SnapshotName> finished_;
  bool failed_ = false;

  uint64_t name_ = 0;  // of the tree's snapshot; 0: none
  std::optional<SnapshotEncoder> encoder_;
  Instant next_slice_;
  uint32_t doublings_ = 0;
  uint64_t size_ = 0;     // written so far
  uint64_t syncing_ = 0;  // of that, what the sync under way covers; 0: there is none
  uint64_t synced_ = 0;
};

class SnapshotReceiver {
 public:
  enum class State : uint8_t {
    Idle,
    Receiving,
    Syncing,  // the file, then its name
    Naming,
    Ready,  // whole and durable as received_name(zxid())
    Failed
  };

  State state() const { return state_; }
  Zxid zxid() const { return zxid_; }
  // Of the state; it is not written when the state may be ahead of its zxid.
  uint64_t digest() const { return digest_; }
  bool exact() const { return exact_; }

  void begin(Disk& disk, Zxid zxid);
  void bytes(Disk& disk, ByteView body);
  void finish(Disk& disk, uint64_t digest, bool exact);
  // Removes what was received.
  void cancel(Disk& disk);
  // The file has got its final name.
  void done() { *this = SnapshotReceiver(); }
  bool step(const Event& event, Disk& disk);

 private:
  void put(Disk& disk, ByteView bytes);

  State state_ = State::Idle;
  Zxid zxid_;
  uint64_t digest_ = 0;
  bool exact_ = true;
  FileId file_;
  uint64_t size_ = 0;
  uint32_t adler_ = 1;
  uint64_t token_ = 0;
};

}  // namespace vivarium
