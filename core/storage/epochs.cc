#include "core/storage/epochs.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "core/base/check.h"
#include "core/base/limits.h"

namespace vivarium {

Bytes epoch_text(Epoch epoch) {
  const std::string text = std::to_string(epoch);
  return Bytes(text.begin(), text.end());
}

std::optional<Epoch> parse_epoch_text(ByteView text) {
  std::string_view digits = as_text(text);
  while (!digits.empty() && (digits.back() == '\n' || digits.back() == '\r')) {
    digits.remove_suffix(1);
  }
  if (digits.empty() || digits.size() > 10) return std::nullopt;
  Epoch value = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end.ec != std::errc{} || end.ptr != digits.data() + digits.size()) return std::nullopt;
  if (value >= kEpochEnd) return std::nullopt;
  return value;
}

bool Epochs::idle() const {
  return task_ == Task::None && wanted_accepted_ == accepted_ && wanted_current_ == current_;
}

void Epochs::start(Epoch accepted, Epoch current, std::optional<Epoch> tmp) {
  CHECK(task_ == Task::None && accepted >= current);
  accepted_ = wanted_accepted_ = accepted;
  current_ = wanted_current_ = current;
  tmp_ = tmp;
  wanted_cover_ = current;
}

void Epochs::raise_accepted(Epoch epoch) { wanted_accepted_ = std::max(wanted_accepted_, epoch); }

void Epochs::raise_current(Epoch epoch, Zxid after) {
  if (epoch <= wanted_current_) return;
  CHECK(epoch <= wanted_accepted_);
  wanted_current_ = epoch;
  wanted_current_after_ = after;
}

// A txn of an epoch is seen only when that epoch was established, so its promise may be made late:
// by a server that stands aside and is synced before it promises anything itself.
void Epochs::want_cover(Epoch epoch) {
  wanted_cover_ = std::max(wanted_cover_, epoch);
  raise_accepted(wanted_cover_);
}

void Epochs::save_accepted(Disk& disk) {
  task_ = Task::Accepted;
  task_value_ = wanted_accepted_;
  FrontierEdit edit;
  edit.accepted_epoch = task_value_;
  script_.save_frontier(edit);
  script_.save_frontier({});
  script_.write_file(Dir::Snapshots, kAcceptedTmpName, epoch_text(task_value_));
  script_.rename(Dir::Snapshots, kAcceptedTmpName, kAcceptedName);
  script_.sync_dir(Dir::Snapshots);
  script_.start(disk);
}

void Epochs::save_tmp(Disk& disk, Epoch value) {
  CHECK(value <= accepted_);
  task_ = Task::Tmp;
  task_value_ = value;
  script_.write_file(Dir::Snapshots, kCurrentNextName, epoch_text(value));
  script_.rename(Dir::Snapshots, kCurrentNextName, kCurrentTmpName);
  script_.sync_dir(Dir::Snapshots);
  script_.start(disk);
}

void Epochs::save_current(Disk& disk) {
  CHECK(tmp_ && *tmp_ == wanted_current_ && wanted_current_ <= accepted_);
  task_ = Task::Current;
  task_value_ = wanted_current_;
  FrontierEdit edit;
  edit.current_epoch = task_value_;
  script_.save_frontier(edit);
  script_.save_frontier({});
  script_.rename(Dir::Snapshots, kCurrentTmpName, kCurrentName);
  script_.sync_dir(Dir::Snapshots);
  script_.start(disk);
}

void Epochs::finish() {
  switch (task_) {
    case Task::None:
      break;
    case Task::Accepted:
      CHECK(task_value_ > accepted_);
      accepted_ = task_value_;
      break;
    case Task::Tmp:
      tmp_ = task_value_;
      break;
    case Task::Current:
      CHECK(task_value_ > current_);
      current_ = task_value_;
      tmp_.reset();
      break;
  }
  task_ = Task::None;
}

void Epochs::advance(Disk& disk, Zxid last_durable, bool busy) {
  if (idle() && covers(wanted_cover_)) return;  // asked after every event: nearly always so
  while (!script_.running()) {
    finish();
    if (wanted_accepted_ > accepted_) {
      save_accepted(disk);
    } else if (wanted_current_ > current_) {
      // The value can be laid out while the history is still on its way to the disk.
      if (!tmp_ || *tmp_ != wanted_current_) {
        save_tmp(disk, wanted_current_);
      } else if (!busy && last_durable >= wanted_current_after_) {
        save_current(disk);
      } else {
        return;
      }
    } else if (!covers(wanted_cover_)) {
      CHECK(accepted_ >= wanted_cover_);
      save_tmp(disk, accepted_);
    } else {
      return;
    }
  }
}

bool Epochs::step(const Event& event, Disk& disk) { return script_.step(event, disk); }

}  // namespace vivarium
