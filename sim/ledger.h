// Ledger: what was ever written under which zxid, and what each server's log holds, read from the
// bytes that servers write and from their disks with a parser of its own. Checkers rest on it, not
// on the code under test.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "sim/observation.h"
#include "sim/sim_disk.h"

namespace vivarium::sim {

// Zxids of the whole records in what is written at `offset` of a log file, as far as they follow
// each other.
struct LoggedTxn {
  Zxid zxid;
  ByteView entry;
};
std::vector<LoggedTxn> records_in(uint64_t offset, ByteView bytes);

class Ledger {
 public:
  explicit Ledger(uint32_t servers) : logs_(servers) {}

  // A server writes `bytes` at `offset` of a log file (or a spare). Returns a line when a zxid is
  // bound to a second payload (K-ZXIDUNIQ).
  std::optional<std::string> log_written(ServerIndex server, Inode inode, uint64_t offset,
                                         ByteView bytes);
  // A server's recovery is over: what its log holds is read from its disk again. Returns a line as
  // above. `apaches`: its snapshots have their names before they are whole.
  std::optional<std::string> reread(ServerIndex server, const SimDisk& disk, bool apaches = false);
  void truncated(ServerIndex server, Zxid keep);
  // A state at `zxid` replaced the whole log.
  void installed(ServerIndex server, Zxid zxid);

  // Is the record of `zxid` in the durable image of the server's disk, under a durable log name?
  bool durable(ServerIndex server, const SimDisk& disk, Zxid zxid) const {
    return missing(server, disk, zxid).empty();
  }
  // Why it is not; empty when it is.
  std::string missing(ServerIndex server, const SimDisk& disk, Zxid zxid) const;
  // The server's log holds zxid, or rests on a state at or above it.
  bool holds(ServerIndex server, Zxid zxid) const;
  // Zxids in the server's log above `after` and up to `last`, ascending.
  std::vector<Zxid> between(ServerIndex server, Zxid after, Zxid last) const;
  Zxid base(ServerIndex server) const { return logs_[server].base; }
  // Some of its records above `after` may be no part of its history: ZooKeeper leaves its log as it
  // is when a state replaces it.
  bool may_be_leftovers(ServerIndex server, Zxid after) const {
    const Log& log = logs_[server];
    return log.apaches && log.base > after && !between(server, after, log.base).empty();
  }
  // Texts of the configurations that were ever written under a zxid.
  const std::map<Zxid, std::string>& reconfigs() const { return reconfigs_; }
  // The entry of a zxid (header, body, digest); empty when it was never seen.
  ByteView entry(Zxid zxid) const;
  // Of the last log_written(): all of it, and what had not been seen anywhere.
  const std::vector<Zxid>& last_written() const { return written_; }
  const std::vector<Zxid>& last_new() const { return new_; }
  // What stands in front of `zxid` in the server's log, or the state that it rests on; 0: nothing.
  Zxid before(ServerIndex server, Zxid zxid) const;

 private:
  struct Record {
    Zxid zxid;
    Inode inode = kNoInode;
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  struct Log {
    Zxid base;                    // the log begins after it
    std::vector<Record> records;  // by zxid, ascending
    bool apaches = false;
  };
  // The first record at or above `zxid`; above it.
  static std::vector<Record>::const_iterator at_least(const Log& log, Zxid zxid);
  static std::vector<Record>::const_iterator above(const Log& log, Zxid zxid);
  static void put(Log& log, const Record& record);
  void note_reconfig(Zxid zxid, ByteView entry);
  std::optional<std::string> take(ServerIndex server, Inode inode, uint64_t offset, ByteView bytes);

  std::vector<Log> logs_;
  std::vector<Zxid> written_;
  std::vector<Zxid> new_;
  std::map<Zxid, Bytes> entries_;
  std::map<Zxid, std::string> reconfigs_;
};

}  // namespace vivarium::sim
