// Epochs: the promises acceptedEpoch and currentEpoch, in Apache's files and in the frontier. The
// frontier is first, twice (so that no single slot holds an older promise), and the file mirrors
// it: a file newer than the frontier therefore means that Apache was here (RULES 2 and 6). accepted
// >= current in every crash image, because accepted is whole before current begins.
//
// `currentEpoch.tmp` lets Apache start on a log whose epoch is above currentEpoch (disk-formats
// section 5). It is put in place whole, by renaming `currentEpoch.next`.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/ids.h"
#include "core/event.h"
#include "core/storage/disk_script.h"

namespace vivarium {

inline constexpr const char* kAcceptedName = "acceptedEpoch";
inline constexpr const char* kAcceptedTmpName = "acceptedEpoch.tmp";
inline constexpr const char* kCurrentName = "currentEpoch";
inline constexpr const char* kCurrentTmpName = "currentEpoch.tmp";
inline constexpr const char* kCurrentNextName = "currentEpoch.next";

// The decimal text of an epoch file and back. Nullopt: no epoch, or one that no leadership can
// have (kEpochEnd, RULES 20).
Bytes epoch_text(Epoch epoch);
std::optional<Epoch> parse_epoch_text(ByteView text);

class Epochs {
 public:
  // What recovery found; all of it durable.
  void start(Epoch accepted, Epoch current, std::optional<Epoch> tmp);

  Epoch accepted() const { return accepted_; }
  Epoch current() const { return current_; }
  std::optional<Epoch> tmp() const { return tmp_; }
  // Records of `epoch` may be on disk: Apache would start on them.
  bool covers(Epoch epoch) const { return epoch <= current_ || (tmp_ && *tmp_ >= epoch); }
  bool idle() const;

  void raise_accepted(Epoch epoch);
  // Takes effect when everything up to `after` is durable in the log.
  void raise_current(Epoch epoch, Zxid after);
  // Asks for a `currentEpoch.tmp` that covers `epoch`.
  void want_cover(Epoch epoch);

  // Begins what can begin. `busy`: history is being replaced, so currentEpoch waits.
  void advance(Disk& disk, Zxid last_durable, bool busy);
  bool step(const Event& event, Disk& disk);

 private:
  enum class Task : uint8_t { None, Accepted, Tmp, Current };

  void save_accepted(Disk& disk);
  void save_tmp(Disk& disk, Epoch value);
  void save_current(Disk& disk);
  void finish();

  Epoch accepted_ = 0;
  Epoch current_ = 0;
  std::optional<Epoch> tmp_;
  Epoch wanted_accepted_ = 0;
  Epoch wanted_current_ = 0;
  Zxid wanted_current_after_;
  Epoch wanted_cover_ = 0;
  Task task_ = Task::None;
  Epoch task_value_ = 0;
  DiskScript script_;
};

}  // namespace vivarium
