// DamageSurvey: what a damaged log still holds behind its first fault, and exactly what it lacks
// (RULES 9). It reads whole files, finds intact records again by their trailers, and follows their
// links. Only a list that is complete is given: each bad place must be bounded by an intact record
// behind it or by the frontier, and the place where the log ends must be there to be seen.
// Otherwise the server can only stand aside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/zxid_range.h"
#include "core/storage/record.h"

namespace vivarium {

struct Fault {
  ZxidRange range;   // `after` is intact, or the end of the fault before
  uint32_t crc = 0;  // CRC32C of the entry of range.upto, by the link or the frontier
  bool operator==(const Fault&) const = default;
};

// "100000003, 100000007-100000009"
std::string describe(const std::vector<Fault>& faults);

// An intact record behind the first fault.
struct SalvagedRecord {
  Zxid zxid;
  Zxid previous;
  SharedBytes entry;
};

struct Damage {
  Zxid claimed;               // the last zxid that may have been acknowledged
  std::vector<Fault> faults;  // ascending, complete; none when only what a snapshot covers is bad
  std::vector<SalvagedRecord> salvaged;  // ascending, complete but for the faults
};

class DamageSurvey {
 public:
  // More faults, or more intact bytes behind them, than a server should list and hold.
  static constexpr size_t kFaultsMax = 64;
  static constexpr uint64_t kSalvagedBytesMax = uint64_t{256} << 20;

  DamageSurvey() = default;
  // `last` ends the good prefix; `last_crc` is that of its entry when it is a record of ours.
  DamageSurvey(Zxid last, std::optional<uint32_t> last_crc, const Frontier& frontier);

  // Each log file from the one that holds `last` on, in the order of their names. `unreadable`:
  // reading ended before the file did.
  void add_file(ByteView bytes, bool unreadable);
  // Nullopt: the damage cannot be listed; `why` says what is in the way.
  std::optional<Damage> conclude(std::string& why) const;

 private:
  struct Record {
    uint64_t end = 0;
    Zxid zxid;
    Trailer trailer;
    ByteView entry;
    bool ours = false;
  };
  // What a file shows behind its last intact record.
  struct Tail {
    uint64_t file_id = 0;
    bool readable = true;
    bool has_records = false;
    bool ends_there = false;  // zeros behind the last record, or what a crash leaves
    bool empty = false;       // no data at all
    bool ends_at_frontier = false;
  };

  std::optional<Record> record_at(ByteView file, uint64_t at,
                                  std::optional<uint64_t> file_id) const;
  // The offset of the first intact record behind `at`. `orphans` counts trailers of this file that
  // have none.
  std::optional<uint64_t> next_record(ByteView file, uint64_t at, std::optional<uint64_t> file_id,
                                      uint32_t& orphans) const;
  void take(const Record& record);
  bool ends_at_frontier(ByteView file, uint64_t data_end) const;
  void contradiction(std::string_view why);

  Zxid last_;
  std::optional<uint32_t> last_crc_;
  Frontier frontier_;

  std::vector<Fault> faults_;
  std::vector<SalvagedRecord> salvaged_;
  uint64_t salvaged_bytes_ = 0;
  Zxid at_;  // last intact record so far
  std::optional<uint32_t> at_crc_;
  std::vector<Tail> tails_;
  std::string contradiction_;
};

}  // namespace vivarium
