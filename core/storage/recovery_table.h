// What recovery concludes from what it found: one pure function, one row per situation (RULES 3, 6,
// 9, 10, 11). The first row that applies decides; docs/formats.md prints the same table with its
// reasons.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/ids.h"
#include "core/storage/log_scanner.h"
#include "core/storage/record.h"

namespace vivarium {

// What recovery found, one row of the table below.
enum class Found : uint8_t {
  Blank,    // no data, no frontier: never used, or wiped
  Whole,    // everything claimed is there (a torn tail may have been cut)
  Amnesia,  // data, but the frontier (with the epoch promise) is lost
  Damaged,  // something acknowledged is corrupt or missing; see `faulty`
  Foreign,  // last written by Apache ZooKeeper: its rules applied, a new anchor follows
  Refused   // cannot be used and must not be touched; `reason` says why
};
const char* to_string(Found found);

// Why the good prefix of the log ends where it ends.
enum class PrefixEnd : uint8_t {
  Clean,       // the log ends
  Bad,         // a bad place: `bad`
  Stale,       // a good record that a truncation had removed
  Gap,         // a good record that does not follow: one before it is missing
  Undecodable  // a good record with a txn that this version does not know
};

struct RecoveryFacts {
  bool standalone = false;  // no epochs: Apache does not look at the epoch files then
  // --- the directory
  bool data = false;           // a record, a bad place, or a snapshot above zxid 0
  bool frontier_file = false;  // there is one
  bool frontier_valid = false;
  bool mark_file = false;  // beside the snapshots: there was a frontier
  Frontier frontier;
  std::optional<Epoch> accepted_file;  // Apache's files
  std::optional<Epoch> current_file;
  std::optional<Epoch> current_tmp_file;
  bool epoch_file_unreadable = false;
  bool install_lost = false;  // a begun install whose snapshot is under no name

  // --- the state that was rebuilt
  bool base_found = false;    // a snapshot, or a log that begins with the empty history
  bool lone_log = false;      // the log begins so, and there is no file of a snapshot at all
  bool trust_lone = false;    // snapshot.trust.empty
  bool misfit = false;        // without a snapshot: a txn was made for another state
  bool untrue = false;        // the state is not what digests say, or may be ahead of its zxid
  Zxid unread;                // a snapshot up to here is there, and cannot be used
  bool ours = false;          // a record of ours was seen
  bool foreign_tail = false;  // the last good record is Apache's
  bool foreign_end = false;   // and so is the file with the bad place
  Zxid last;                  // the last zxid of the good prefix

  // --- its end
  PrefixEnd end = PrefixEnd::Clean;
  BadPlace bad = BadPlace::None;
  bool could_be_torn = false;
  bool data_behind = false;
  bool unreadable = false;
  bool later_file = false;  // a log file with a later name exists
  bool below_base = false;  // the bad record is one that the snapshot covers
  Zxid durable_behind;      // what trailers and links behind the good prefix say is durable
};

struct Verdict {
  Found found = Found::Blank;
  bool cut = false;  // the log ends at the good prefix: what is behind it is to be removed
  Zxid claimed;      // the last zxid that this server may have acknowledged
  const char* row = "";
};

// True when Apache has written here since we did (RULES 6): frontier and links are void.
bool foreign_era(const RecoveryFacts& facts);
Verdict decide(const RecoveryFacts& facts);

}  // namespace vivarium
