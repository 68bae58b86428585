// LogScanner: reads one log file in chunks, to its very end and past zeros, and says what is there
// without judging it: good records one by one, then LogFacts. What the facts mean is decided in
// recovery_table.cc. Accepts Apache's files and ours; nothing in a file can make it fail.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/storage/record.h"

namespace vivarium {

// The unit that a disk writes whole. Larger physical sectors are multiples of it.
inline constexpr uint64_t kSectorBytes = 512;

struct ScannedRecord {
  uint64_t offset = 0;
  uint64_t end = 0;
  Zxid zxid;
  ByteView raw;  // the whole record, as it stands in the file
  ByteView entry;
  uint32_t entry_crc = 0;
  std::optional<Trailer> trailer;  // none: Apache's
};

// Why a file's good records end before its data does.
enum class BadPlace : uint8_t {
  None,      // behind the last good record is nothing but zeros, or nothing
  Header,    // no log header
  Hole,      // zeros where a record should begin, and something behind them
  Length,    // a length that no record has
  PastEnd,   // the record would end behind the end of the file
  EndByte,   // no 'B' behind the record
  Checksum,  // the Adler-32 differs
  Trailer    // well in itself, but not of this place: file id, offset or entry CRC differ
};
const char* to_string(BadPlace bad);

// Whether a crash may have left the record at `at`, which was zeros before: whole sectors, each as
// it was or as it was to be. `bytes` are those of the file from `base` on. `extent_end` is where
// the record ends, 0 when that is not known.
bool could_be_torn(ByteView bytes, uint64_t base, uint64_t at, uint64_t extent_end);

struct LogFacts {
  uint64_t size = 0;
  bool header = false;
  uint64_t file_id = 0;
  uint64_t records = 0;   // good ones, before the first bad place
  uint64_t good_end = 0;  // where the last of them ends; kLogHeaderBytes when there is none
  uint64_t data_end = 0;  // behind the last byte of the file that is not zero

  BadPlace bad = BadPlace::None;
  // Each sector of the record at good_end is either its old zeros or possibly its new content, and
  // at least one is zeros: what a crash during the write may leave. Else something else did it.
  bool could_be_torn = false;
  bool data_behind = false;  // bytes that are not zero behind the bad record
  bool unreadable = false;   // reading ended before the file did
  // Trailers of this file found from the bad place on.
  uint32_t trailers_behind = 0;
  Zxid durable_behind;  // the highest zxid that they say is durable
};

class LogScanner {
 public:
  LogScanner() = default;
  // Trailers behind a bad place count from `generation_min` on: what a truncation has removed since
  // they were written may come back, but says nothing any more.
  explicit LogScanner(uint64_t file_size, uint32_t generation_min = 0)
      : generation_min_(generation_min) {
    facts_.size = file_size;
  }

  // The next bytes of the file, and then its end.
  void feed(ByteView bytes);
  void end(bool unreadable = false);

  // The next good record, valid until the next call. Null: feed more, or done().
  const ScannedRecord* next();
  bool done() const { return state_ == State::Done; }
  const LogFacts& facts() const { return facts_; }

 private:
  enum class State : uint8_t { Header, Records, Search, Done };

  uint64_t available_end() const { return base_ + buffer_.size(); }
  ByteView view(uint64_t from, uint64_t to) const;
  bool zeros(uint64_t from, uint64_t to) const;
  void consume(uint64_t up_to);
  bool read_header();  // false: more bytes are needed
  bool read_record();  // false: more bytes are needed, or record_ is set
  void check_record(uint64_t end);
  void found_bad(BadPlace bad, uint64_t extent_end);
  void search();
  void look_for_trailers(uint64_t to);

  LogFacts facts_;
  uint32_t generation_min_ = 0;
  State state_ = State::Header;
  Bytes buffer_;
  uint64_t base_ = 0;  // file offset of the buffer's first byte
  uint64_t at_ = 0;    // file offset of the next record, or of the search
  uint64_t extent_end_ = 0;
  bool ended_ = false;
  bool has_record_ = false;
  ScannedRecord record_;
};

}  // namespace vivarium
