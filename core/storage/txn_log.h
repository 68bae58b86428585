// TxnLog: the log's writing end. append() only takes an entry; flush() writes all that waits as one
// write and one sync (group commit), up to kFlightsMax syncs in flight. Every record goes into a
// file prepared ahead (spares.h). A new file is begun only when everything before it is durable, so
// that its mere existence under a log's name says so (RULES 3).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/config.h"
#include "core/event.h"
#include "core/storage/disk_script.h"
#include "core/storage/epochs.h"
#include "core/storage/record.h"
#include "core/storage/spares.h"
#include "core/tree/data_tree.h"

namespace vivarium {

// Where recovery, an install or the founding of an empty history leaves the log. All of it is
// durable.
struct LogStart {
  Zxid last;  // of the last record, or of the snapshot or foreign state before the next one
  uint32_t last_crc = 0;  // CRC32C of the last entry
  bool anchor = true;     // the next record does not continue a chain of ours
  uint64_t anchor_digest = 0;
  uint32_t generation = 0;
  std::vector<Zxid> files;  // names on disk, ascending
  // The last of `files` may be continued: it is ours, and zeros from `end` to `size`.
  bool reuse = false;
  uint64_t file_id = 0;
  uint64_t end = 0;
  uint64_t size = 0;
};

// When the log writes, and what it has to say of its disk.
struct LogPace {
  LogPace() = default;
  explicit LogPace(const Config& config);
  Duration delay;  // a write waits so long for more txns; zero: it does not
  Duration quiet;  // and no longer than so long behind the last one
  size_t txns_max = SIZE_MAX;
  Duration slow_sync = milliseconds(1000);
};

class TxnLog {
 public:
  static constexpr size_t kFlightsMax = 2;

  void start(Disk& disk, const LogStart& start, uint64_t segment_bytes, uint64_t next_spare,
             const LogPace& pace);
  // Forgets all that is not durable and lets go of the files: history is about to be replaced.
  // Completions of this time never arrive (their handles are closed).
  void stop(Disk& disk);
  bool started() const { return started_; }

  void append(Zxid zxid, SharedBytes entry);
  // Writes what may be written: nothing of an epoch that `epochs` does not cover, unless
  // `epochless`.
  void flush(Disk& disk, const DataTree& tree, const Epochs& epochs, bool epochless);
  // The next record begins a new file.
  void roll();
  // Keeps the spare's place filled.
  void prepare_spare(Disk& disk);
  bool step(const Event& event, Disk& disk);
  Instant deadline() const { return std::min(spares_.deadline(), flush_at_); }

  Zxid last_logged() const { return last_logged_; }
  Zxid last_durable() const { return durable_.zxid; }
  // Where the last durable record ends, for the frontier. file_id 0: in no log file.
  const FrontierEdit::Position& durable_position() const { return durable_; }
  uint64_t unsynced_bytes() const { return pending_bytes_ + flight_bytes_; }
  bool idle() const { return pending_.empty() && flights_.empty(); }
  // What is left waits for room on the disk: it was never written, nor acknowledged.
  bool waits_for_room() const {
    return !pending_.empty() && flights_.empty() && spares_.waits_for_room();
  }
  // Since when the next write would have to wait for room, or does; Instant::never(): it need not.
  Instant no_room_since() const {
    const bool wanted = started_ && (!pending_.empty() || !file_.valid());
    return wanted ? spares_.full_since() : Instant::never();
  }
  // Since when the oldest sync is under way, or there is no room; Instant::never(): neither.
  Instant waiting_since() const {
    return flights_.empty() ? no_room_since() : std::min(flights_.front().issued, no_room_since());
  }
  // The epoch of the first record that waits, 0 when none does.
  Epoch waiting_epoch() const { return pending_.empty() ? 0 : pending_.front().zxid.epoch(); }
  uint32_t generation() const { return generation_; }
  uint64_t next_spare() const { return spares_.next_number(); }

  // Log files by first zxid, ascending; the last one is being written.
  const std::vector<Zxid>& files() const { return files_; }
  // The first file has been removed.
  void forget_first_file();

 private:
  struct Pending {
    Zxid zxid;
    SharedBytes entry;
  };
  struct Flight {
    FrontierEdit::Position upto;
    uint64_t bytes = 0;
    uint64_t token = 0;
    Instant issued;
    bool synced = false;
  };

  static constexpr uint64_t kRecordMoreBytes = kRecordHeadBytes + kTrailerBytes + 1;
  static uint64_t record_bytes(const Pending& p) { return kRecordMoreBytes + p.entry->size(); }
  bool fits(const Pending& p) const;
  bool holds_back(Instant now);
  bool begin_file(Disk& disk);
  void encode(const Pending& p, const DataTree& tree, Bytes& out);
  void write_batch(Disk& disk, const DataTree& tree, const Epochs& epochs, bool epochless);
  void complete();
  void note_sync(World& world, Duration took) const;

  bool started_ = false;
  uint64_t segment_bytes_ = 0;
  LogPace pace_;
  Spares spares_;
  std::vector<Zxid> files_;

  // The file being written.
  FileId file_;
  uint64_t file_id_ = 0;
  uint64_t end_ = 0;
  uint64_t size_ = 0;
  bool roll_ = false;
  uint64_t name_token_ = 0;  // of the sync_dir that makes its name durable; 0: it is

  // What the next record is linked to.
  Zxid written_;
  uint32_t written_crc_ = 0;
  bool anchor_ = true;
  uint64_t anchor_digest_ = 0;
  uint32_t generation_ = 0;

  Zxid last_logged_;
  FrontierEdit::Position durable_;
  std::deque<Pending> pending_;
  uint64_t pending_bytes_ = 0;
  size_t pending_seen_ = 0;  // when the pace was last looked at
  Instant oldest_pending_;
  Instant newest_pending_;
  Instant flush_at_ = Instant::never();  // what waits for more txns is written then
  std::deque<Flight> flights_;
  uint64_t flight_bytes_ = 0;
};

}  // namespace vivarium
