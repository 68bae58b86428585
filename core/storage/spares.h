// Spares: log files prepared ahead, `spare.N` (a name that Apache ignores): a log header and real
// zeros, synced before the file may become a log (RULES 5). Filled on Lane::Bulk, then opened for
// the log, so that filling never stands in the log's way. One is kept ready.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/event.h"
#include "core/storage/disk_script.h"

namespace vivarium {

struct Spare {
  FileId file;  // on Lane::Log
  std::string name;
  uint64_t file_id = 0;
  uint64_t size = 0;
};

class Spares {
 public:
  static constexpr Duration kRetryFullDisk = milliseconds(1000);
  static constexpr Duration kBetweenFullLines = milliseconds(10'000);

  // `next_number` is above that of any spare that may be on the disk.
  void start(uint64_t next_number, uint64_t bytes);
  bool started() const { return bytes_ != 0; }
  uint64_t next_number() const { return next_number_; }

  // Sees to it that a spare of at least `bytes_min` will be ready; replaces a smaller one.
  void prepare(Disk& disk, uint64_t bytes_min);
  bool ready(uint64_t bytes_min) const {
    return state_ == State::Ready && spare_.size >= bytes_min;
  }
  Spare take();
  // The log has something to write and no file to put it into.
  void hurry(Disk& disk) const {
    if (state_ == State::Filling) disk.world.hurry(spare_.file);
  }
  // Nothing is under way.
  bool idle() const { return state_ == State::None || state_ == State::Ready; }
  // There is no room for one; tried again from time to time.
  bool waits_for_room() const { return state_ == State::Full; }
  // Since when there has been none, attempts included; Instant::never(): there is.
  Instant full_since() const { return full_since_; }
  // Closes and removes what there is.
  void drop(Disk& disk);

  bool step(const Event& event, Disk& disk);
  // When a full disk is worth another try.
  Instant deadline() const { return state_ == State::Full ? retry_at_ : Instant::never(); }

 private:
  enum class State : uint8_t { None, Filling, Syncing, Opening, Ready, Full };

  void failed(Disk& disk);
  void has_room(Disk& disk);

  State state_ = State::None;
  Spare spare_;
  uint64_t next_number_ = 1;
  uint64_t bytes_ = 0;
  uint64_t token_ = 0;
  Instant retry_at_ = Instant::never();
  Instant full_since_ = Instant::never();
  Instant silent_until_;  // no further line about it before
};

}  // namespace vivarium
