// Snapshots on their way to the disk: SnapshotTaker writes this server's own tree, SnapshotReceiver
// a state that arrives by SNAP. Both write under a name that Apache ignores, on Lane::Bulk, and a
// failure is that file's failure only.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/event.h"
#include "core/storage/disk_script.h"
#include "core/tree/data_tree.h"

namespace vivarium {

class SnapshotTaker {
 public:
  static constexpr size_t kSliceBytes = 1 << 20;

  bool running() const { return state_ != State::Idle; }
  void start(Disk& disk, const DataTree& tree);
  // Gives up. The result is a snapshot that has its name already and must be reckoned with.
  std::optional<Zxid> cancel(Disk& disk);
  bool step(const Event& event, Disk& disk);
  // The snapshot that has become durable under its name since the last call.
  std::optional<Zxid> take_finished();
  // One could not be written since the last call.
  bool take_failed() { return std::exchange(failed_, false); }

 private:
  enum class State : uint8_t { Idle, Writing, Naming };

  State state_ = State::Idle;
  Zxid zxid_;
  FileId file_;
  uint64_t token_ = 0;
  Instant started_;
  std::optional<Zxid> finished_;
  bool failed_ = false;
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
  uint64_t digest() const { return digest_; }

  void begin(Disk& disk, Zxid zxid);
  void bytes(Disk& disk, ByteView body);
  void finish(Disk& disk, uint64_t digest);
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
  FileId file_;
  uint64_t size_ = 0;
  uint32_t adler_ = 1;
  uint64_t token_ = 0;
};

}  // namespace vivarium
