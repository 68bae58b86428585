#include "sim/apache/database.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/wire/txn.h"
#include "sim/apache/files.h"

namespace vivarium::apache {
namespace {

constexpr uint64_t kEpochNamed = 103;

}  // namespace

Database::Database(const Config& config, Flaws flaws) : config_(config), flaws_(flaws) {}

// ---------------------------------------------------------------------------------- jobs

void Database::advance(World& world) {
  while (!jobs_.empty() && !jobs_.front().started) {
    const size_t before = jobs_.size();
    start(world);
    if (jobs_.size() >= before) break;
  }
  log_.advance(config_, world);
  if (log_.take_snapshot_due() && !saver_) {
    saver_.emplace(tree_, !flaws_.unsynced_files, world);
    saver_is_job_ = false;
  }
  if (saver_ && saver_->writing()) {
    saver_->advance(tree_, config_.snapshot_slice_elements, world);
  }
  if (saver_ && saver_->done()) {
    saved_ = std::max(saved_, saver_->zxid());
    if (saved_ > synced_) ++reloads_;
    saver_.reset();
    if (std::exchange(saver_is_job_, false)) end_job();
  }
  if (!jobs_.empty() && jobs_.front().kind == Job::Flush && jobs_.front().started && log_.idle()) {
    end_job();
  }
}

bool Database::wants_a_turn() const {
  return (saver_ && saver_->writing()) || (!jobs_.empty() && !jobs_.front().started);
}

void Database::start(World& world) {
  Job& job = jobs_.front();
  switch (job.kind) {
    case Job::Load:
    case Job::FastForward:
      job.started = true;
      return begin_reading(world);
    case Job::Truncate:
      job.started = true;
      log_.close(world);
      return begin_reading(world);
    case Job::Snapshot:
      if (saver_) return;  // FileSnap.serialize: one at a time
      job.started = true;
      saver_.emplace(tree_, job.synced || !flaws_.unsynced_files, world);
      saver_is_job_ = true;
      return;
    case Job::AcceptedEpoch:
      job.started = true;
      return save_epoch(kAcceptedEpoch, job.epoch, world);
    case Job::CurrentEpoch:
      job.started = true;
      return save_epoch(kCurrentEpoch, job.epoch, world);
    case Job::Flush:
      job.started = true;
      return;
  }
}

void Database::end_job() {
  CHECK(!jobs_.empty() && jobs_.front().started);
  jobs_.pop_front();
}

DataTree& Database::clear_tree(World& world) {
  if (saver_ && saver_->writing()) {
    saver_->advance(tree_, std::numeric_limits<size_t>::max(), world);
  }
  tree_.clear();
  return tree_;
}

void Database::install(Zxid zxid) {
  committed_.clear();
  unremembered_ = {};
  tree_.set_last_applied(zxid);
  tree_.recount_quotas();
  last_txn_ = zxid.counter() == 0 ? std::nullopt : std::optional<Zxid>(zxid);
  if (zxid == Zxid()) last_txn_ = zxid;
  fuzzy_until_ = Zxid(UINT64_MAX);  // the sender does not say
  initialised_ = true;
  if (log_end_ > zxid) {
    harmed(fmt::format("a log to {:x} stays behind a SNAP of {:x}", log_end_.value, zxid.value));
  }
}

void Database::save_snapshot(bool synced) {
  Job job{Job::Snapshot};
  job.synced = synced;
  jobs_.push_back(job);
}

// Learner.shutdown, Leader.shutdown and ZooKeeperServer.shutdown. Mended: the log's queue is
// drained first, and a synchronisation that was not over has left nothing in memory.
void Database::end_role(SyncState reached, bool by_snap) {
  log_.forget_acknowledgements();
  if (!flaws_.memory_is_not_disk) {
    flush();
    if (reached == SyncState::Open) {
      initialised_ = false;
      return load();
    }
    if (reached != SyncState::None) jobs_.push_back({Job::FastForward});
    return;
  }
  if (by_snap && reached == SyncState::Open) {
    initialised_ = false;
    return load();
  }
  if (reached == SyncState::Over) {
    jobs_.push_back({Job::FastForward});
  } else {
    check_memory();
  }
}

// What the next election goes by is what a restart would find, or a flaw has struck.
void Database::check_memory() {
  const Zxid disk = std::max(log_end_, saved_);
  const Zxid memory = last_txn_.value_or(last_processed());
  if (memory == disk || disk.counter() == 0 || (!last_txn_ && disk < memory)) return;
  harmed(fmt::format("the tree is at {:x} and the disk at {:x} when a role ends", memory.value,
                     disk.value));
}

// ---------------------------------------------------------------------------------- memory

void Database::log(const Proposal& txn, bool acknowledge) {
  log_end_ = std::max(log_end_, txn.zxid);
  log_.append(txn.zxid, txn.entry, acknowledge);
}

void Database::apply(const Proposal& txn, bool remember_it) {
  const Result<Txn> decoded = decode_txn(*txn.entry);
  CHECK(decoded.has_value());
  Effects effects;
  tree_.apply(*decoded, effects);
  last_txn_ = last_txn_ ? std::max(*last_txn_, txn.zxid) : txn.zxid;
  if (remember_it || !flaws_.hole_in_cache) {
    remember(txn);
  } else {
    unremembered_ = txn.zxid;
  }
}

void Database::committed_log_used(Zxid keep) {
  if (unremembered_ <= keep) return;
  harmed(fmt::format("a learner is brought from {:x} to {:x} without {:x}", keep.value,
                     last_processed().value, unremembered_.value));
}

// ZKDatabase.addCommittedProposal.
void Database::remember(const Proposal& txn) {
  if (committed_.size() > config_.history_txns_max) committed_.pop_front();
  committed_.push_back(txn);
}

// ---------------------------------------------------------------------------------- epochs

// AtomicFileWritingIdiom: beside its name, synced, renamed.
void Database::save_epoch(std::string_view name, Epoch epoch, World& world) {
  epoch_name_ = name;
  epoch_file_ = world.open(Dir::Snapshots, temporary(epoch_name_), OpenMode::Create, Lane::Log,
                           OnError::Stop);
  world.write(epoch_file_, 0, as_bytes(fmt::format("{}", epoch)));
  world.sync(epoch_file_, 0);
}

bool Database::handle_epoch(const Event& event, World& world) {
  if (const auto* opened = std::get_if<FileOpened>(&event)) return opened->file == epoch_file_;
  if (const auto* synced = std::get_if<FileSynced>(&event); synced && synced->file == epoch_file_) {
    world.close(epoch_file_);
    epoch_file_ = {};
    world.rename(Dir::Snapshots, temporary(epoch_name_), epoch_name_, Lane::Log);
    world.sync_dir(Dir::Snapshots, kEpochNamed, Lane::Log);
    return true;
  }
  const auto* named = std::get_if<DirSynced>(&event);
  if (named == nullptr || named->dir != Dir::Snapshots || named->token != kEpochNamed) return false;
  Epoch& kept = jobs_.front().kind == Job::AcceptedEpoch ? accepted_ : current_;
  kept = jobs_.front().epoch;
  end_job();
  return true;
}

bool Database::handle(const Event& event, World& world) {
  if (handle_epoch(event, world)) return true;
  if (saver_ && saver_->handle(event, world)) return true;
  if (log_.handle(event, world)) {
    synced_ = std::max(synced_, log_.synced());
    return true;
  }
  return handle_reading(event, world);
}

}  // namespace vivarium::apache
