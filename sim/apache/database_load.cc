// Reading the directory: FileTxnSnapLog.restore, fastForwardFromEdits and truncateLog, and
// QuorumPeer.loadDataBase with its epochs.
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "sim/apache/database.h"
#include "sim/apache/files.h"
#include "sim/apache/snapshot.h"

namespace vivarium::apache {
namespace {

constexpr uint64_t kReadingToken = 104;  // of listings and of syncs of directories

Zxid after(Zxid zxid) { return Zxid(zxid.value + 1); }

}  // namespace

void Database::begin_reading(World& world) {
  reading_ = Reading::Lists;
  lists_left_ = 2;
  snapshots_.clear();
  logs_.clear();
  contents_.clear();
  epochs_.clear();
  epoch_texts_.clear();
  world.list(Dir::Snapshots, kReadingToken);
  world.list(Dir::Logs, kReadingToken);
}

void Database::listed(const DirListed& event, World& world) {
  for (const DirEntry& entry : *event.entries) {
    const std::string_view name = entry.name;
    if (event.dir == Dir::Logs) {
      if (const auto zxid = zxid_in(name, kLog)) logs_.push_back(*zxid);
      continue;
    }
    if (const auto zxid = zxid_in(name, kSnapshot)) snapshots_.push_back(*zxid);
    if (name.starts_with(kAcceptedEpoch) || name.starts_with(kCurrentEpoch)) {
      epochs_.emplace_back(name);
    }
  }
  if (--lists_left_ > 0) return;
  std::sort(snapshots_.begin(), snapshots_.end());
  std::sort(logs_.begin(), logs_.end());
  const Job& job = jobs_.front();
  if (job.kind == Job::Load) {
    reading_ = Reading::Snapshots;
    clear_tree(world);
    committed_.clear();
    unremembered_ = {};
  } else {
    reading_ = Reading::Logs;
    choose_logs(job.kind == Job::Truncate ? job.zxid : after(tree_.last_applied()));
  }
  read_next(world);
}

// FileTxnIterator.init: the files from `from` on, and the one before them.
void Database::choose_logs(Zxid from) {
  auto first = std::lower_bound(logs_.begin(), logs_.end(), from);
  if (first != logs_.begin()) --first;
  logs_.erase(logs_.begin(), first);
}

void Database::read_next(World& world) {
  if (reading_ == Reading::Snapshots) {
    if (snapshots_.empty()) return begin_empty(world);
    return reader_.begin(Dir::Snapshots, file_name(kSnapshot, snapshots_.back()), world);
  }
  if (reading_ == Reading::Logs) {
    if (contents_.size() == logs_.size()) return logs_read(world);
    return reader_.begin(Dir::Logs, file_name(kLog, logs_[contents_.size()]), world);
  }
  CHECK(reading_ == Reading::Epochs);
  if (epoch_texts_.size() == epochs_.size()) return take_epochs(world);
  reader_.begin(Dir::Snapshots, epochs_[epoch_texts_.size()], world);
}

// No snapshot: a new database, unless there are txns.
void Database::begin_empty(World& world) {
  if (!logs_.empty()) {
    // A snapshot that was written over the one of the same name, and not synced.
    if (flaws_.unsynced_files) return harmed("No snapshot found, but there are log entries");
    return world.stop(StopReason::Fatal, "No snapshot found, but there are log entries");
  }
  tree_ = DataTree();
  last_txn_ = Zxid();
  fuzzy_until_ = Zxid();
  Job first{Job::Snapshot};
  first.synced = true;
  jobs_.insert(jobs_.begin() + 1, first);
  reading_ = Reading::Logs;
  read_next(world);
}

void Database::snapshot_read(World& world) {
  SnapshotSeals seals;
  const Zxid zxid = snapshots_.back();
  tree_.clear();
  if (!read_file(reader_.bytes(), tree_, seals)) {
    snapshots_.pop_back();
    return read_next(world);
  }
  tree_.set_last_applied(zxid);
  tree_.recount_quotas();
  last_txn_ = zxid;
  if (zxid.counter() == 0 && zxid != Zxid()) last_txn_.reset();
  fuzzy_until_ = std::max(seals.digest_zxid, zxid);
  saved_ = zxid;
  const Zxid holds = seals.digest_zxid.counter() == 0 ? zxid : fuzzy_until_;
  if (cut_at_ && holds > *cut_at_) {
    harmed(fmt::format("TRUNC to {:x} loads a snapshot of {:x}", cut_at_->value, holds.value));
  }
  reading_ = Reading::Logs;
  choose_logs(after(zxid));
  read_next(world);
}

void Database::logs_read(World& world) {
  const Job::Kind kind = jobs_.front().kind;
  if (kind == Job::Truncate) return cut_log(world);
  replay();
  contents_.clear();
  if (kind == Job::FastForward) {
    end_reading();
    return check_memory();
  }
  sync_logs(world);
}

void Database::replay() {
  const Zxid from = after(tree_.last_applied());
  bool begun = false;
  for (const Bytes& content : contents_) {
    LogReader reader(content);
    Record record;
    while (reader.next(record)) {
      log_end_ = std::max(log_end_, record.zxid);
      begun = begun || record.zxid >= from;
      if (!begun) continue;
      // What was not synced has gone: a file of the log, or the snapshot that it rests on.
      const Zxid last = tree_.last_applied();
      if (flaws_.unsynced_files && record.zxid > last && !record.zxid.follows(last)) {
        harmed(fmt::format("its log goes on with {:x} behind {:x}", record.zxid.value, last.value));
      }
      apply({record.zxid, share(Bytes(record.entry.begin(), record.entry.end()))});
    }
  }
}

// What the directory of the epochs holds is durable, as the log's with its first sync
// (log_thread.h): a killed process may have left the last rename in the cache. Mended: so is what
// it may have left there of the files, before it is counted.
void Database::sync_logs(World& world) {
  reading_ = Reading::Syncs;
  world.sync_dir(Dir::Snapshots, kReadingToken, Lane::Log);
  ++dirs_syncing_;
  if (!flaws_.unsynced_files) {
    for (const Zxid zxid : logs_) {
      const FileId file =
          world.open(Dir::Logs, file_name(kLog, zxid), OpenMode::Update, Lane::Log, OnError::Stop);
      world.sync(file, 0);
      syncing_.push_back(file);
    }
    world.sync_dir(Dir::Logs, kReadingToken, Lane::Log);
    ++dirs_syncing_;
  }
}

void Database::syncs_done(World& world) {
  if (jobs_.front().kind == Job::Truncate) {
    cut_at_ = jobs_.front().zxid;
    jobs_.front() = Job{Job::Load};
    reading_ = Reading::Nothing;
    return;
  }
  reading_ = Reading::Epochs;
  read_next(world);
}

// ---------------------------------------------------------------------------------- TRUNC

// FileTxnLog.truncate: behind the first record at or above the zxid; later files go.
void Database::cut_log(World& world) {
  const Zxid keep = jobs_.front().zxid;
  if (saver_ && last_txn_.value_or(Zxid()) > keep) {
    harmed(fmt::format("a snapshot is written while TRUNC goes to {:x}", keep.value));
  }
  size_t at = 0;
  size_t end = 0;
  for (; at < contents_.size() && end == 0; ++at) {
    LogReader reader(contents_[at]);
    Record record;
    while (reader.next(record)) {
      if (record.zxid < keep) continue;
      // Its last txn is in a snapshot only, and the one behind it stays.
      if (record.zxid > keep) {
        harmed(fmt::format("TRUNC to {:x} leaves txn {:x}", keep.value, record.zxid.value));
      }
      end = record.end;
      break;
    }
  }
  if (end == 0) return world.stop(StopReason::Fatal, "not able to truncate the log");
  const bool mended = !flaws_.unsynced_files;
  const FileId file = world.open(Dir::Logs, file_name(kLog, logs_[at - 1]), OpenMode::Update,
                                 Lane::Log, OnError::Stop);
  world.truncate(file, end);
  if (mended) {
    world.sync(file, 0);
    syncing_.push_back(file);
  } else {
    world.close(file);
  }
  for (; at < logs_.size(); ++at) world.remove(Dir::Logs, file_name(kLog, logs_[at]), Lane::Log);
  if (mended) {
    world.sync_dir(Dir::Logs, kReadingToken, Lane::Log);
    ++dirs_syncing_;
  }
  contents_.clear();
  log_end_ = keep;
  reading_ = Reading::Syncs;
  if (syncing_.empty() && dirs_syncing_ == 0) syncs_done(world);
}

// ---------------------------------------------------------------------------------- epochs

// What an epoch file says; nullopt: it is not there.
std::optional<Epoch> Database::epoch_in(std::string_view name) const {
  for (size_t i = 0; i < epochs_.size(); ++i) {
    if (epochs_[i] == name) return parse_epoch(epoch_texts_[i]);
  }
  return std::nullopt;
}

void Database::take_epochs(World& world) {
  const std::optional<Epoch> accepted = epoch_in(kAcceptedEpoch);
  const std::optional<Epoch> current = epoch_in(kCurrentEpoch);
  const Epoch of_log = tree_.last_applied().epoch();
  current_ = current ? *current : of_log;
  // ZooKeeper takes currentEpoch.tmp for it then, or refuses to start, and a person writes what the
  // log says.
  if (of_log > current_) {
    const std::optional<Epoch> begun = epoch_in(temporary(kCurrentEpoch));
    current_ = std::max(begun ? *begun : of_log, of_log);
  }
  accepted_ = std::max(accepted ? *accepted : of_log, current_);
  std::vector<Job> writes;
  if (!accepted || *accepted != accepted_) {
    writes.push_back({Job::AcceptedEpoch, {}, accepted_});
  }
  if (!current || *current != current_) writes.push_back({Job::CurrentEpoch, {}, current_});
  jobs_.insert(jobs_.begin() + 1, writes.begin(), writes.end());
  world.log(LogLevel::Info,
            fmt::format("loaded to {:x}, log {:x}, epochs {} and {}", tree_.last_applied().value,
                        log_end_.value, accepted_, current_));
  end_reading();
}

void Database::end_reading() {
  if (jobs_.front().kind == Job::Load) {
    ++reloads_;
    initialised_ = true;
    cut_at_.reset();
  }
  // A queue that lives on is in the log's end already, and not on the disk.
  synced_ = log_.idle() ? log_end_ : std::min(synced_, log_end_);
  reading_ = Reading::Nothing;
  end_job();
}

// ---------------------------------------------------------------------------------- events

bool Database::handle_reading(const Event& event, World& world) {
  if (reading_ == Reading::Nothing) return false;
  if (const auto* list = std::get_if<DirListed>(&event); list && list->token == kReadingToken) {
    listed(*list, world);
    return true;
  }
  if (const auto* named = std::get_if<DirSynced>(&event); named && named->token == kReadingToken) {
    CHECK(dirs_syncing_ > 0);
    --dirs_syncing_;
    if (syncing_.empty() && dirs_syncing_ == 0) syncs_done(world);
    return true;
  }
  if (const auto* synced = std::get_if<FileSynced>(&event)) {
    if (std::erase(syncing_, synced->file) == 0) return false;
    world.close(synced->file);
    if (syncing_.empty() && dirs_syncing_ == 0) syncs_done(world);
    return true;
  }
  if (const auto* opened = std::get_if<FileOpened>(&event)) {
    if (std::find(syncing_.begin(), syncing_.end(), opened->file) != syncing_.end()) return true;
  }
  if (!reader_.handle(event, world)) return false;
  if (!reader_.done()) return true;
  if (reading_ == Reading::Snapshots) {
    snapshot_read(world);
    return true;
  }
  if (reading_ == Reading::Logs) {
    contents_.push_back(reader_.bytes());
  } else {
    epoch_texts_.emplace_back(as_text(reader_.bytes()));
  }
  read_next(world);
  return true;
}

}  // namespace vivarium::apache
