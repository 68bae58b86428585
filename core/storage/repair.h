// Repair: the two operations that replace history, as lists of durable steps. The same lists serve
// the running server and the restart that finds an intent in the frontier (RULES 4; hazards S10,
// S17, S19, R13).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/storage/disk_script.h"
#include "core/storage/record.h"

namespace vivarium {

// Snapshots on their way: names that Apache ignores (it looks at the part before the first dot).
inline constexpr const char* kTakingPrefix = "taking.";
inline constexpr const char* kReceivedPrefix = "received.";
std::string taking_name(Zxid zxid);
std::string received_name(Zxid zxid);

struct LogCut {
  Zxid log;
  uint64_t at = 0;
};

// Everything above `keep` goes. Found by reading (recovery.h), so that nothing is removed before it
// is certain that the state at `keep` can be rebuilt from what stays.
struct TruncationPlan {
  Zxid keep;
  std::vector<SnapshotName> snapshots;  // to be removed, ascending
  std::vector<Zxid> logs;               // to be removed whole, ascending
  std::optional<LogCut> cut;
  FrontierEdit::Position position;  // of the record `keep`
};

// Intent, snapshots, log files, cut, done. Snapshots go first and everything goes newest first, so
// that what Apache would find at any time is the old history or a prefix of it that still holds
// `keep`. `last` is the last zxid that a log file could be named for: one named beyond it is not
// ours.
void truncation_script(const TruncationPlan& plan, Zxid last, uint32_t generation,
                       DiskScript& script);

// The received file (synced, its name durable) becomes the state: intent, newer snapshots,
// name, log files, done. `logs` and `snapshots` are what is there, ascending. `named`: the file has
// its final name already.
void install_script(Zxid zxid, const std::vector<Zxid>& logs,
                    const std::vector<SnapshotName>& snapshots, bool named, Zxid last,
                    uint32_t generation, DiskScript& script, bool stays_member = true);

}  // namespace vivarium
