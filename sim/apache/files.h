// Names and records of ZooKeeper's files (disk-formats sections 1, 2 and 5), read as its own reader
// does: a log ends at its first record that is not whole, and the next file goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/ids.h"

namespace vivarium::apache {

inline constexpr std::string_view kLog = "log";
inline constexpr std::string_view kSnapshot = "snapshot";
inline constexpr std::string_view kAcceptedEpoch = "acceptedEpoch";
inline constexpr std::string_view kCurrentEpoch = "currentEpoch";
// AtomicFileOutputStream's name for what is not whole yet.
std::string temporary(std::string_view name);
std::string file_name(std::string_view prefix, Zxid zxid);
// Nullopt: no such file. What stands behind a second dot is another's business.
std::optional<Zxid> zxid_in(std::string_view name, std::string_view prefix);

void append_log_header(Bytes& out);
void append_record(ByteView entry, Bytes& out);

struct Record {
  Zxid zxid;
  ByteView entry;
  size_t end = 0;  // where the next one begins
};

class LogReader {
 public:
  explicit LogReader(ByteView file);
  // False: the file has ended for ZooKeeper's reader. A checksum that is wrong ends its process
  // there, until a person has cut the log (zkTxnLogToolkit.sh); here that person has been.
  bool next(Record& record);
  // It was that person's doing that the file ended there.
  bool took_a_person() const { return person_; }

 private:
  ByteView file_;
  size_t at_ = 0;
  bool person_ = false;
};

// "12" and back; nullopt when it is no number.
std::optional<Epoch> parse_epoch(std::string_view text);

}  // namespace vivarium::apache
