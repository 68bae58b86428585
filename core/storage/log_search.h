// LogSearch: what this server's log files hold of a range of zxids, for a leader that lacks it
// (RULES 9) when the history in memory does not reach back so far. Reads the files by events from
// the one that the range begins in, and changes nothing. "Never" is said only where an intact
// record's link to the one before it, or the end of a whole log, shows it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/ids.h"
#include "core/base/zxid_range.h"
#include "core/event.h"
#include "core/storage/disk_script.h"
#include "core/storage/file_reader.h"
#include "core/storage/history.h"
#include "core/storage/log_scanner.h"
#include "core/wire/peer_extension.h"

namespace vivarium {

class LogSearch {
 public:
  // More than this is not given at once; the rest is "cannot tell".
  static constexpr uint64_t kBytesMax = uint64_t{64} << 20;

  struct Found {
    std::vector<History::Item> entries;  // from the range's beginning on
    FillRest rest = FillRest::Unknown;   // of what is behind them
  };

  // `files` by their first zxids, ascending. `whole_to`: the log is whole, and this is its last
  // zxid; nullopt: it is damaged, and what it does not hold it may have held.
  void start(Disk& disk, ZxidRange range, std::vector<Zxid> files, std::optional<Zxid> whole_to);
  bool running() const { return running_; }
  void stop(Disk& disk);
  bool step(const Event& event, Disk& disk);
  // When it runs no more.
  Found take();

 private:
  void next_file(Disk& disk);
  void on_chunk(FileReader::Got got, ByteView chunk, Disk& disk);
  void on_record(const ScannedRecord& record);
  void conclude(FillRest rest);
  // What may be said of zxids that were not found where they would be.
  FillRest not_there() const { return whole_to_ ? FillRest::Never : FillRest::Unknown; }

  bool running_ = false;
  ZxidRange range_;
  std::vector<Zxid> files_;  // not opened yet, the next one last
  std::optional<Zxid> whole_to_;
  FileReader reader_;
  LogScanner scanner_;
  bool scanner_ready_ = false;
  Zxid at_;                       // everything of the range up to here is found
  std::optional<Zxid> previous_;  // the record directly before, with nothing bad in between
  uint64_t bytes_ = 0;
  bool decided_ = false;
  Found found_;
};

}  // namespace vivarium
