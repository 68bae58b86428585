#include "core/storage/storage.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/storage/repair.h"
#include "core/storage/snapshot.h"

namespace vivarium {
namespace {

bool is_of_files(const Event& event) {
  return std::holds_alternative<FileOpened>(event) || std::holds_alternative<FileFailed>(event) ||
         std::holds_alternative<Preallocated>(event) || std::holds_alternative<FileSynced>(event) ||
         std::holds_alternative<ReadDone>(event) || std::holds_alternative<DirSynced>(event) ||
         std::holds_alternative<DirListed>(event);
}

}  // namespace

Storage::Storage(const Config& config)
    : config_(config),
      config_files_(config),
      history_(config.history_txns_max, config.history_bytes_max),
      taker_(config) {}

// ------------------------------------------------------------------------------------- recovery

void Storage::recover(World& world, DataTree& tree) {
  CHECK(!recovering_ && task_ == Task::None && !log_.started());
  recovering_ = true;
  tree = DataTree();
  recovery_began_ = world.now();
  Disk d = disk(world);
  recovery_.start(d, config_);
}

void Storage::start_log(Disk& disk, const LogStart& start) {
  log_.start(disk, start, config_.log_prealloc_bytes, recovery_.next_spare(), LogPace(config_));
}

void Storage::stop_log(Disk& disk) {
  resting_last_ = last_logged();
  if (log_.started()) log_.stop(disk);
}

void Storage::adopt_recovery(Disk& disk) {
  recovered_ = recovery_.recovered();
  resting_last_ = recovered_.last;
  const bool whole = recovered_.found == Found::Whole || recovered_.found == Found::Foreign;
  if (whole) start_log(disk, recovery_.log());
}

void Storage::note_recovery(World& world) const {
  const Instant now = world.now();
  const Instant logs = std::min(recovery_.logs_begun(), now);
  world.sample("dbinittime", (now - recovery_began_).ms());
  world.sample("startup_snap_load_time", (logs - recovery_began_).ms());
  world.sample("startup_txns_load_time", (now - logs).ms());
  world.sample("startup_txns_loaded", static_cast<int64_t>(recovery_.replayed()));
  const auto mismatches = static_cast<int64_t>(recovery_.digests().differing());
  if (mismatches > 0) world.count("digest_mismatches_count", mismatches);
}

void Storage::on_recovery_done(Disk& disk, const DataTree& tree) {
  if (task_ == Task::TruncateRead) return advance_truncation(disk);
  if (task_ == Task::TruncateUndo) {
    task_ = Task::None;
    truncate_failed_ = true;
    return adopt_recovery(disk);
  }
  CHECK(recovering_);
  recovering_ = false;
  note_recovery(disk.world);
  adopt_recovery(disk);
  CHECK(tree.last_applied() == recovered_.last || recovered_.found == Found::Refused);
  snapshots_ = recovery_.snapshots();
  txns_since_snapshot_ = recovery_.replayed();
  bytes_since_snapshot_ = 0;
  if (config_.purge && config_.purge_interval_ms > 0) purge_at_ = disk.world.now();
  const bool usable = std::any_of(snapshots_.begin(), snapshots_.end(),
                                  [](const SnapshotFile& s) { return s.valid; });
  snapshot_due_ = recovered_.found == Found::Foreign || !usable || !recovery_.base_exact();
  // An install that a crash had interrupted may just have been finished, with its snapshot.
  if (recovered_.found == Found::Whole) purge_behind_snapshot(disk.world);
  epochs_.start(recovery_.accepted_epoch(), recovery_.current_epoch(), recovery_.current_tmp());
  member_ = frontier_.exists() && frontier_.value().member;
  if (!frontier_.exists()) {
    // Should it be created, it must not be older than the files that mirror it.
    frontier_.edit().accepted_epoch = epochs_.accepted();
    frontier_.edit().current_epoch = epochs_.current();
  }
}

// ------------------------------------------------------------------------------------- turns

// Nothing that is not a file's event changes what Storage waits for.
bool Storage::step(const Event& event, World& world, DataTree& tree) {
  if (!is_of_files(event)) return false;
  Disk d = disk(world);
  bool mine = frontier_.step(event, world);
  if (recovery_.running()) {
    mine = recovery_.step(event, d, tree, history_) || mine;
    if (!recovery_.running()) on_recovery_done(d, tree);
  }
  const Zxid durable = log_.last_durable();
  mine = log_.step(event, d) || mine;
  if (log_.started() && log_.last_durable() != durable) {
    FrontierEdit edit;
    edit.position = log_.durable_position();
    edit.apply(frontier_.edit());
    frontier_.write(world);
  }
  mine = epochs_.step(event, d) || mine;
  mine = config_files_.step(event, d) || mine;
  mine = script_.step(event, d) || mine;
  mine = taker_.step(event, d) || mine;
  mine = receiver_.step(event, d) || mine;
  mine = search_.step(event, d) || mine;
  if (!recovering_) advance(d);
  return mine;
}

void Storage::advance(Disk& disk) {
  if (const auto taken = taker_.take_finished()) on_snapshot_taken(disk, *taken);
  if (taker_.take_failed()) on_snapshot_failed(disk.world);
  epochs_.advance(disk, last_durable(), busy());
  config_files_.advance(disk);
  switch (task_) {
    case Task::None:
      return;
    case Task::Found:
      if (!script_.running()) finish_founding(disk);
      break;
    case Task::Claim:
      if (!script_.running()) task_ = Task::None;
      break;
    case Task::TruncateWait:
      if (log_.idle()) advance_truncation(disk);
      break;
    case Task::TruncateRead:
    case Task::TruncateUndo:
      break;
    case Task::TruncateWrite:
      if (!script_.running()) finish_truncation(disk);
      break;
    case Task::InstallFile:
    case Task::InstallCover:
    case Task::InstallWrite:
      advance_install(disk);
      break;
  }
  // What has ended may let an epoch go on.
  epochs_.advance(disk, last_durable(), busy());
}

void Storage::end_turn(World& world, DataTree& tree) {
  if (recovering_) return;
  Disk d = disk(world);
  if (log_.started()) {
    const Epoch waiting = log_.waiting_epoch();
    const bool epochless = config_.standalone();
    if (!epochless && !epochs_.covers(waiting)) epochs_.want_cover(waiting);
    epochs_.advance(d, last_durable(), busy());
    log_.flush(d, tree, epochs_, epochless);
    log_.prepare_spare(d);
    history_.trim(tree.last_applied());
    if (purge_due_) purge_when_due(world);
  }
  taker_.advance(d, tree);
  advance(d);
}

Instant Storage::deadline() const {
  return std::min(
      {frontier_.deadline(), log_.deadline(), taker_.deadline(), snapshot_retry_, purge_at_});
}

void Storage::on_deadline(World& world) {
  frontier_.on_deadline(world);
  Disk d = disk(world);
  log_.prepare_spare(d);
  if (world.now() >= snapshot_retry_) {
    snapshot_retry_ = Instant::never();
    snapshot_again_ = true;
  }
  if (world.now() >= purge_at_) {
    purge_at_ = world.now() + milliseconds(config_.purge_interval_ms);
    purge_due_ = true;
  }
}

bool Storage::quiesced(World& world) {
  if (recovering_) return true;  // nothing was begun that the next life would not do again
  Disk d = disk(world);
  stop_snapshot(d);
  if (receiver_.state() == SnapshotReceiver::State::Receiving) receiver_.cancel(d);
  // What waits for room may wait for ever; an epoch behind it, too. None of it was acknowledged.
  const bool ends = log_.waits_for_room() || (log_.idle() && epochs_.idle() && config_saved());
  if (!ends || task_ != Task::None) return false;
  frontier_.hurry(world);
  return frontier_.idle();
}

// ------------------------------------------------------------------------------------- facts

Zxid Storage::last_logged() const { return log_.started() ? log_.last_logged() : resting_last_; }
Zxid Storage::last_durable() const { return log_.started() ? log_.last_durable() : resting_last_; }

// ------------------------------------------------------------------------------------- commands

void Storage::append(World&, Zxid zxid, SharedBytes entry) {
  CHECK(!busy() && !installing());
  CHECK(log_.started());
  history_.push(zxid, entry);
  bytes_since_snapshot_ += entry->size();
  log_.append(zxid, std::move(entry));
  ++txns_since_snapshot_;
}

void Storage::save_accepted_epoch(World& world, Epoch epoch) {
  CHECK(!recovering_);
  epochs_.raise_accepted(epoch);
  Disk d = disk(world);
  epochs_.advance(d, last_durable(), busy());
}

void Storage::save_current_epoch(World& world, Epoch epoch) {
  CHECK(!recovering_ && log_.started());
  epochs_.raise_current(epoch, last_logged());
  Disk d = disk(world);
  epochs_.advance(d, last_durable(), busy());
}

void Storage::save_config(World& world, const Membership& active,
                          const std::optional<Membership>& pending) {
  CHECK(!recovering_);
  config_files_.want(active, pending);
  Disk d = disk(world);
  config_files_.advance(d);
}

void Storage::found_new(World& world) {
  CHECK(!busy() && !installing() && !member_);
  CHECK(log_.started() || recovered_.found == Found::Blank);
  task_ = Task::Found;
  Disk d = disk(world);
  FrontierEdit edit;
  edit.member = true;
  if (!log_.started()) {
    // Apache refuses a log without a snapshot (disk-formats section 6).
    Bytes snapshot;
    encode_snapshot_file(DataTree(), snapshot);
    script_.write_file(Dir::Snapshots, taking_name(Zxid{}), std::move(snapshot));
    script_.rename(Dir::Snapshots, taking_name(Zxid{}), snapshot_name(Zxid{}));
    script_.sync_dir(Dir::Snapshots);
    edit.boot = true;
  }
  script_.save_frontier(edit);
  script_.start(d);
}

void Storage::finish_founding(Disk& disk) {
  task_ = Task::None;
  member_ = true;
  if (log_.started()) return;
  LogStart start;
  start.anchor_digest = DataTree().digest();
  start.generation = frontier_.value().generation;
  start_log(disk, start);
  add_snapshot({Zxid{}});
  snapshot_due_ = false;
}

// ------------------------------------------------------------------------------------- damage

// What was read may be in the cache alone.
void Storage::claim(World& world) {
  CHECK(damage() != nullptr && !busy() && !installing() && !claims_);
  claims_ = true;
  task_ = Task::Claim;
  FrontierEdit edit;
  edit.boot = true;
  edit.accepted_epoch = epochs_.accepted();
  edit.current_epoch = epochs_.current();
  script_.save_frontier(edit);
  script_.save_frontier({});
  if (epochs_.accepted() != 0) {
    script_.write_file(Dir::Snapshots, kAcceptedTmpName, epoch_text(epochs_.accepted()));
    script_.rename(Dir::Snapshots, kAcceptedTmpName, kAcceptedName);
    script_.sync_dir(Dir::Snapshots);
  }
  if (epochs_.current() != 0) {
    script_.write_file(Dir::Snapshots, kCurrentNextName, epoch_text(epochs_.current()));
    script_.rename(Dir::Snapshots, kCurrentNextName, kCurrentName);
    script_.sync_dir(Dir::Snapshots);
  }
  Disk d = disk(world);
  script_.start(d);
}

// ------------------------------------------------------------------------------------- others'
// acknowledgements

std::optional<LogId> Storage::log_id() const {
  const Frontier& f = frontier_.value();
  if (!frontier_.exists() || f.uuid_high == 0) return std::nullopt;
  return LogId{f.uuid_high, f.generation};
}

void Storage::remember(World& world, ServerId voter,
                       const std::optional<Acknowledged>& acknowledged) {
  if (!frontier_.exists() || remembered(voter) == acknowledged) return;
  std::vector<RememberedAck>& all = frontier_.edit().remembered;
  std::erase_if(all, [voter](const RememberedAck& one) { return one.voter == voter; });
  if (acknowledged && all.size() < kRememberedMax) {
    const auto place = std::find_if(
        all.begin(), all.end(), [voter](const RememberedAck& one) { return one.voter > voter; });
    all.insert(place, {voter, *acknowledged});
  }
  frontier_.touch(world);
}

void Storage::search_log(World& world, ZxidRange range) {
  CHECK(!busy() && !installing() && last_logged() == last_durable());
  Disk d = disk(world);
  const bool whole = damage() == nullptr && log_.started();
  search_.start(d, range, log_.started() ? log_.files() : recovery_.log_files(),
                whole ? std::optional<Zxid>(last_logged()) : std::nullopt);
}

void Storage::stop_search(World& world) {
  Disk d = disk(world);
  search_.stop(d);
}

void Storage::found_untrue() {
  claims_ = false;
  recovered_.found = Found::Damaged;
  recovered_.untrue = true;
  recovered_.damage.reset();
}

// Told by the frontier, the fact is what recovery finds of any log that ends too early.
void Storage::found_short(World& world, Zxid acknowledged) {
  CHECK(!busy() && !installing() && frontier_.exists());
  CHECK(acknowledged > claimed() && last_logged() == last_durable());
  claims_ = false;
  recovered_.found = Found::Damaged;
  recovered_.claimed = acknowledged;
  recovered_.damage.reset();
  task_ = Task::Claim;
  FrontierEdit edit;
  edit.position = {acknowledged, 0, 0, 0};
  script_.save_frontier(edit);
  script_.save_frontier({});
  Disk d = disk(world);
  script_.start(d);
}

// Nothing of the old history is touched before the file is whole and durable; from the intent on a
// restart goes on (RULES 4). So intact records are never lost on the way.
void Storage::refill(World& world, const DataTree& tree, std::vector<History::Item> items) {
  CHECK(damage() != nullptr && claims_);
  CHECK(items.empty() || items.back().zxid == tree.last_applied());
  refilled_ = std::move(items);
  Bytes body;
  encode_snapshot_body(tree, body);
  begin_install(world, tree.last_applied());
  install_bytes(world, body);
  finish_install(world, tree, true);
}

// ------------------------------------------------------------------------------------- truncation

void Storage::truncate(World& world, Zxid keep, DataTree&) {
  CHECK(!busy() && !installing() && log_.started());
  CHECK(keep < last_logged());
  keep_ = keep;
  truncate_failed_ = false;
  task_ = Task::TruncateWait;
  Disk d = disk(world);
  advance(d);
}

// Reads first: nothing is removed before it is certain that what stays gives the state at keep_.
void Storage::advance_truncation(Disk& disk) {
  if (task_ == Task::TruncateWait) {
    stop_snapshot(disk);
    stop_log(disk);
    task_ = Task::TruncateRead;
    return recovery_.reload(disk, config_, keep_);
  }
  if (!recovery_.truncation()) {
    task_ = Task::TruncateUndo;
    return recovery_.reload(disk, config_, Recovery::kNoLimit);
  }
  task_ = Task::TruncateWrite;
  truncation_script(*recovery_.truncation(), resting_last_, log_.generation() + 1, script_);
  script_.start(disk);
}

void Storage::finish_truncation(Disk& disk) {
  task_ = Task::None;
  std::erase_if(snapshots_, [this](const SnapshotFile& s) { return s.zxid > keep_; });
  LogStart start = recovery_.log();
  start.generation = frontier_.value().generation;
  CHECK(start.last == keep_ && history_.last() == keep_);
  resting_last_ = keep_;
  start_log(disk, start);
}

// ------------------------------------------------------------------------------------- install

void Storage::begin_install(World& world, Zxid zxid) {
  CHECK(!busy() && !installing());
  Disk d = disk(world);
  install_failed_ = false;
  receiver_.begin(d, zxid);
}

void Storage::install_bytes(World& world, ByteView body) {
  Disk d = disk(world);
  receiver_.bytes(d, body);
}

void Storage::finish_install(World& world, const DataTree& tree, bool exact) {
  CHECK(!busy() && installing());
  CHECK(tree.last_applied() == receiver_.zxid());
  Disk d = disk(world);
  receiver_.finish(d, tree.digest(), exact);
  task_ = Task::InstallFile;
  advance(d);
}

void Storage::abort_install(World& world) {
  if (!installing() || (task_ != Task::None && task_ != Task::InstallFile)) return;
  task_ = Task::None;
  Disk d = disk(world);
  receiver_.cancel(d);
}

void Storage::advance_install(Disk& disk) {
  if (task_ == Task::InstallFile) {
    if (receiver_.state() == SnapshotReceiver::State::Failed) {
      receiver_.cancel(disk);
      refilled_.reset();
      task_ = Task::None;
      install_failed_ = true;
      return;
    }
    if (receiver_.state() != SnapshotReceiver::State::Ready) return;
    task_ = Task::InstallCover;
    // Apache holds a snapshot's epoch against currentEpoch as it does a record's.
    if (!config_.standalone()) epochs_.want_cover(receiver_.zxid().epoch());
    epochs_.advance(disk, last_durable(), true);
  }
  if (task_ == Task::InstallCover) {
    if (!config_.standalone() && !epochs_.covers(receiver_.zxid().epoch())) return;
    task_ = Task::InstallWrite;
    return write_install(disk);
  }
  if (!script_.running()) end_install(disk);
}

void Storage::end_install(Disk& disk) {
  const Zxid zxid = receiver_.zxid();
  LogStart start;
  start.last = zxid;
  start.anchor_digest = receiver_.digest();
  start.generation = frontier_.value().generation;
  snapshot_due_ = !receiver_.exact();
  receiver_.done();
  task_ = Task::None;
  // A refill knows the txns of the state; a received one is all there is.
  if (refilled_) {
    for (const History::Item& item : *refilled_) history_.push(item.zxid, item.entry);
    CHECK(history_.last() == zxid);
    refilled_.reset();
  } else {
    history_.reset(zxid);
  }
  claims_ = false;
  std::erase_if(snapshots_, [zxid](const SnapshotFile& s) { return s.zxid > zxid; });
  add_snapshot({zxid});
  snapshot_time_ = disk.world.wall_now();
  txns_since_snapshot_ = 0;
  bytes_since_snapshot_ = 0;
  snapshot_again_ = false;
  recovered_ = Recovered{};
  recovered_.found = Found::Whole;
  recovered_.last = recovered_.claimed = zxid;
  start_log(disk, start);
  // Who is sent one state after the other takes no snapshots, and would keep them all.
  purge_behind_snapshot(disk.world);
}

void Storage::write_install(Disk& disk) {
  stop_snapshot(disk);
  std::vector<Zxid> logs = recovery_.log_files();
  if (log_.started()) logs = log_.files();
  const uint32_t generation = frontier_.value().generation + 1;
  stop_log(disk);
  std::vector<SnapshotName> snapshots;
  for (const SnapshotFile& s : snapshots_) snapshots.push_back(s.name());
  // What was received while standing aside may lack what this server acknowledged: a restart must
  // not take it for a voter (RULES 9, 10). Who has made its claim is filled by a leader that holds
  // it, or fills itself.
  const bool damaged = recovered_.found == Found::Damaged && !claims_;
  const bool lost = damaged || recovered_.found == Found::Amnesia;
  if (lost) member_ = false;
  // Files behind a damaged place have names above the last zxid that could be read.
  const Zxid last = logs.empty() ? resting_last_ : std::max(resting_last_, logs.back());
  install_script(receiver_.zxid(), logs, snapshots, false, last, generation, script_, !lost);
  script_.start(disk);
}

// ------------------------------------------------------------------------------------- snapshots

void Storage::choose_snapshot_interval(World& world) {
  const uint64_t half = std::max<uint64_t>(config_.snapshot_every_txns / 2, 1);
  snapshot_after_txns_ = half + world.random() % half;
  const uint64_t half_bytes = config_.snapshot_every_bytes / 2;
  snapshot_after_bytes_ = half_bytes == 0 ? 0 : half_bytes + world.random() % half_bytes;
}

bool Storage::enough_for_snapshot() const {
  return txns_since_snapshot_ >= snapshot_after_txns_ ||
         (snapshot_after_bytes_ != 0 && bytes_since_snapshot_ >= snapshot_after_bytes_);
}

void Storage::maybe_snapshot(World& world, DataTree& tree, bool exact) {
  if (busy() || installing() || taker_.running() || !log_.started()) return;
  if (snapshot_retry_ != Instant::never() && !snapshot_asked_) return;
  if (snapshot_after_txns_ == 0) choose_snapshot_interval(world);
  const bool due = snapshot_due_ || snapshot_again_ || snapshot_asked_;
  if (!due && !enough_for_snapshot()) return;
  const Zxid zxid = tree.last_applied();
  if (zxid > last_durable()) return;
  const bool asked = std::exchange(snapshot_asked_, false);
  const bool there = !snapshots_.empty() && snapshots_.back().zxid >= zxid;
  if (there && !snapshot_due_ && !(asked && !snapshots_.back().valid)) return;
  choose_snapshot_interval(world);
  txns_since_snapshot_ = 0;
  bytes_since_snapshot_ = 0;
  snapshot_again_ = false;
  Disk d = disk(world);
  taker_.start(d, tree, exact);
}

std::optional<SnapshotName> Storage::newest_valid_snapshot() const {
  for (auto s = snapshots_.rbegin(); s != snapshots_.rend(); ++s) {
    if (s->valid) return s->name();
  }
  return std::nullopt;
}

void Storage::on_snapshot_failed(World& world) {
  ++snapshots_failed_;
  snapshot_retry_ = world.now() + snapshot_pause_;
  snapshot_pause_ = std::min(snapshot_pause_ + snapshot_pause_, kSnapshotPauseMax);
}

void Storage::add_snapshot(SnapshotName name) {
  std::erase_if(snapshots_, [name](const SnapshotFile& s) { return s.name() == name; });
  const auto place = std::find_if(snapshots_.begin(), snapshots_.end(),
                                  [name](const SnapshotFile& s) { return s.name() > name; });
  snapshots_.insert(place, SnapshotFile{name.zxid, name.coding, true, name.zxid});
}

void Storage::stop_snapshot(Disk& disk) {
  if (const std::optional<SnapshotName> named = taker_.cancel(disk)) add_snapshot(*named);
}

void Storage::on_snapshot_taken(Disk& disk, SnapshotName name) {
  add_snapshot(name);
  snapshot_time_ = disk.world.wall_now();
  snapshot_due_ = false;
  snapshot_pause_ = kSnapshotPauseMin;
  log_.roll();
  purge_behind_snapshot(disk.world);
}

// Without an interval.
void Storage::purge_behind_snapshot(World& world) {
  if (config_.purge && config_.purge_interval_ms == 0) purge(world);
}

// autopurge.purgeInterval: at the start, and then every so often.
void Storage::purge_when_due(World& world) {
  if (busy() || installing()) return;
  purge_due_ = false;
  purge(world);
}

// Keeps the newest snapshots, and every log file that holds a txn behind the oldest of them
// (hazards R7). Those found unusable do not count. Of the others the newest has been read or
// written in this life; older ones count unread, or else a server that takes one snapshot a life
// would keep all.
void Storage::purge(World& world) {
  uint32_t kept = 0;
  bool any_valid = false;
  Zxid oldest;
  for (auto s = snapshots_.rbegin(); s != snapshots_.rend() && kept < config_.snapshots_kept; ++s) {
    if (s->bad) continue;
    ++kept;
    any_valid = any_valid || s->valid;
    oldest = s->zxid;
  }
  if (kept < config_.snapshots_kept || !any_valid) return;
  while (snapshots_.front().zxid < oldest) {
    world.remove(Dir::Snapshots, snapshot_name(snapshots_.front().name()), Lane::Log);
    snapshots_.erase(snapshots_.begin());
  }
  while (log_.files().size() > 1 && log_.files()[1].value <= oldest.value + 1) {
    world.remove(Dir::Logs, log_name(log_.files().front()), Lane::Log);
    log_.forget_first_file();
  }
}

}  // namespace vivarium
