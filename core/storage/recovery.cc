#include "core/storage/recovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"

namespace vivarium {
namespace {

// What an epoch or frontier file may hold; anything longer is none.
constexpr size_t kSmallBytesMax = 64 << 10;

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

void Recovery::start(Disk& disk, const Config& config) { begin(disk, config, kNoLimit, true); }

void Recovery::reload(Disk& disk, const Config& config, Zxid limit) {
  begin(disk, config, limit, false);
}

void Recovery::begin(Disk& disk, const Config& config, Zxid limit, bool first) {
  CHECK(!running());
  *this = Recovery();
  config_ = config;
  limit_ = limit;
  first_ = first;
  small_files_done_ = !first;
  facts_.standalone = config.standalone();
  if (!first) {
    facts_.frontier_file = facts_.frontier_valid = disk.frontier.exists();
    facts_.frontier = disk.frontier.value();
  }
  list(disk);
}

// ------------------------------------------------------------------------------------- names

void Recovery::list(Disk& disk) {
  step_ = Step::List;
  snapshots_.clear();
  logs_.clear();
  leftovers_.clear();
  lists_left_ = 2;
  list_tokens_[0] = disk.token();
  disk.world.list(Dir::Snapshots, list_tokens_[0]);
  list_tokens_[1] = disk.token();
  disk.world.list(Dir::Logs, list_tokens_[1]);
}

void Recovery::on_list(const DirListed& listed) {
  const Dir dir = listed.token == list_tokens_[0] ? Dir::Snapshots : Dir::Logs;
  for (const DirEntry& entry : *listed.entries) on_name(dir, entry.name);
  --lists_left_;
}

void Recovery::on_name(Dir dir, const std::string& name) {
  const std::string_view view = name;
  if (dir == Dir::Logs) {
    if (const std::optional<Zxid> first = parse_log_name(name)) {
      logs_.push_back(*first);
    } else if (const std::optional<uint64_t> spare = parse_spare_name(name)) {
      next_spare_ = std::max(next_spare_, *spare + 1);
      leftovers_.emplace_back(dir, name);
    } else if (name == kFrontierName) {
      small_files_.emplace_back(Small::Frontier, name);
    } else if (name == kFrontierNewName) {
      leftovers_.emplace_back(dir, name);
    }
    return;
  }
  if (const std::optional<SnapshotName> snapshot = parse_snapshot_name(name)) {
    snapshots_.push_back({snapshot->zxid, snapshot->coding, false, snapshot->zxid});
  } else if (name == kFrontierMarkName) {
    facts_.mark_file = true;
  } else if (name == kAcceptedName) {
    small_files_.emplace_back(Small::Accepted, name);
  } else if (name == kCurrentName) {
    small_files_.emplace_back(Small::Current, name);
  } else if (name == kCurrentTmpName) {
    small_files_.emplace_back(Small::CurrentTmp, name);
  } else if (name == kAcceptedTmpName || name == kCurrentNextName ||
             view.starts_with(kTakingPrefix) || view.starts_with(kReceivedPrefix)) {
    leftovers_.emplace_back(dir, name);
  }
}

// ------------------------------------------------------------------------------------- small files

void Recovery::next_small_file(Disk& disk) {
  step_ = Step::SmallFiles;
  small_content_.clear();
  if (small_files_.empty()) return after_small_files(disk);
  const bool frontier = small_files_.back().first == Small::Frontier;
  reader_.open(disk, frontier ? Dir::Logs : Dir::Snapshots, small_files_.back().second);
}

void Recovery::on_small_file(Disk& disk) {
  const Small kind = small_files_.back().first;
  small_files_.pop_back();
  if (kind == Small::Frontier) {
    facts_.frontier_file = true;
    facts_.frontier_valid = disk.frontier.load(small_content_);
    if (facts_.frontier_valid) {
      facts_.frontier = disk.frontier.value();
      disk.frontier.open(disk.world);
    }
    if (disk.frontier.slot_damaged()) {
      disk.world.log(LogLevel::Warn, "a slot of the frontier file is damaged");
    }
    return;
  }
  const std::optional<Epoch> value = parse_epoch_text(small_content_);
  if (kind == Small::Accepted) facts_.accepted_file = value;
  if (kind == Small::Current) facts_.current_file = value;
  if (kind == Small::CurrentTmp) facts_.current_tmp_file = value;
  if (!value && kind != Small::CurrentTmp) facts_.epoch_file_unreadable = true;
}

// An intent is void when Apache has run since: it does not know of it, and has gone on from what it
// found.
bool Recovery::apache_after_intent() const {
  const Frontier& f = facts_.frontier;
  return (facts_.accepted_file && *facts_.accepted_file > f.accepted_epoch) ||
         (facts_.current_file && *facts_.current_file > f.current_epoch) ||
         (!logs_.empty() && logs_.back() > f.acknowledged);
}

void Recovery::after_small_files(Disk& disk) {
  small_files_done_ = true;
  if (first_ && facts_.mark_file) disk.frontier.found_mark();
  if (first_ && facts_.frontier_valid && facts_.frontier.intent != Intent::None) {
    if (apache_after_intent()) {
      // The intent has lowered the frontier and begun a new generation; nothing of it was done.
      intent_void_ = true;
      disk.world.log(LogLevel::Warn, "Apache ZooKeeper has run since an operation was begun here");
    } else if (facts_.frontier.intent == Intent::Truncation) {
      limit_ = facts_.frontier.intent_zxid;
    } else {
      return finish_install(disk);
    }
  }
  directory_facts_ = facts_;
  snapshot_left_ = static_cast<size_t>(
      std::count_if(snapshots_.begin(), snapshots_.end(),
                    [this](const SnapshotFile& s) { return s.zxid <= limit_; }));
  step_ = Step::Snapshots;
}

void Recovery::finish_install(Disk& disk) {
  const Zxid zxid = facts_.frontier.intent_zxid;
  std::vector<SnapshotName> snapshots;
  for (const SnapshotFile& s : snapshots_) snapshots.push_back(s.name());
  const bool named = !contains(leftovers_, {Dir::Snapshots, received_name(zxid)});
  if (named && !contains(snapshots, SnapshotName{zxid})) {
    facts_.install_lost = true;
    directory_facts_ = facts_;
    snapshot_left_ = snapshots_.size();
    step_ = Step::Snapshots;
    return;
  }
  step_ = Step::FinishInstall;
  install_script(zxid, logs_, snapshots, named, facts_.frontier.acknowledged,
                 facts_.frontier.generation, script_);
  script_.start(disk);
}

// ------------------------------------------------------------------------------------- snapshots

void Recovery::next_snapshot(Disk& disk, DataTree& tree) {
  CHECK(snapshot_left_ > 0);
  --snapshot_left_;
  tree.clear();
  snapshot_reader_ = SnapshotFileReader();
  const SnapshotName name = snapshots_[snapshot_left_].name();
  reader_.open(disk, Dir::Snapshots, snapshot_name(name), name.coding);
}

// Sets base_loaded_ when the snapshot is good; else the next older one is due.
void Recovery::on_snapshot_chunk(FileReader::Got got, ByteView chunk, Disk& disk, DataTree& tree) {
  bool good = got != FileReader::Got::Failed && snapshot_reader_.feed(chunk, tree);
  if (good && got == FileReader::Got::Chunk) return;
  if (reader_.active()) reader_.stop(disk);
  SnapshotFile& file = snapshots_[snapshot_left_];
  std::string why = reader_.error() == FileError::Damaged ? "what is compressed in it is damaged"
                                                          : "it cannot be read";
  if (got != FileReader::Got::Failed) {
    const Result<SnapshotFileReader::Seals> seals = snapshot_reader_.finish();
    good = good && seals.has_value();
    if (good) {
      seals_ = *seals;
      file.upto = std::max(file.zxid, seals->digest_zxid);
      good = file.upto <= limit_;
      why = "it holds what came later";
      if (seals->digest_zxid != file.zxid) tree.recount_quotas();
    } else if (!seals.has_value()) {
      why = seals.error().message;
    }
  }
  if (!good) {
    file.bad = file.upto <= limit_;
    if (file.bad) facts_.unread = std::max(facts_.unread, file.zxid);
    disk.world.log(LogLevel::Warn,
                   fmt::format("{} is not used: {}", snapshot_name(file.name()), why));
    return;
  }
  if (const size_t closed = snapshot_reader_.closed_nodes(); closed != 0) {
    disk.world.log(LogLevel::Warn,
                   fmt::format("{}: the ACLs of {} znodes stand in no list: closed until the log "
                               "says what they are",
                               snapshot_name(file.name()), closed));
  }
  file.valid = true;
  base_loaded_ = true;
  base_ = file.zxid;
  base_coding_ = file.coding;
  tree.set_last_applied(base_);
  weigh_seals(seals_, tree);
}

// A state is exact where its digest is that of its own zxid, and right. Any other may be ahead of
// its zxid until the log has caught up with it (RULES 7).
void Recovery::weigh_seals(const SnapshotFileReader::Seals& seals, const DataTree& tree) {
  digests_ = DigestAudit();
  digests_.doubt();
  base_exact_ = base_ == Zxid{};  // the state in which all begin
  if (!seals.has_digest()) return;
  digests_.doubt_until(seals.digest_zxid);
  // No digest covers ACLs: where some are missing, txns were applied while it was written.
  if (seals.digest_zxid != base_ || snapshot_reader_.closed_nodes() != 0) return;
  digests_.compare(base_, seals.digest, tree);
  base_exact_ = digests_.vouched();
}

// Once more, with the next older snapshot: what lies in the directories stays as it was found.
void Recovery::read_again(DataTree& tree, Disk& disk) {
  Recovery again;
  again.config_ = std::move(config_);
  again.first_ = first_;
  again.limit_ = limit_;
  again.facts_ = directory_facts_;
  again.facts_.unread = facts_.unread;
  again.directory_facts_ = directory_facts_;
  again.snapshots_ = std::move(snapshots_);
  again.logs_ = std::move(logs_);
  again.leftovers_ = std::move(leftovers_);
  again.next_spare_ = next_spare_;
  again.small_files_done_ = small_files_done_;
  again.intent_void_ = intent_void_;
  again.snapshot_left_ = snapshot_left_;
  again.untrue_upto_ = untrue_upto_;
  again.untrue_why_ = std::move(untrue_why_);
  *this = std::move(again);
  step_ = Step::Snapshots;
  next_snapshot(disk, tree);
}

// ------------------------------------------------------------------------------------- events

bool Recovery::step(const Event& event, Disk& disk, DataTree& tree, History& history) {
  if (!running()) return false;
  bool mine = false;
  if (step_ == Step::List) {
    const auto* listed = std::get_if<DirListed>(&event);
    mine =
        listed != nullptr && (listed->token == list_tokens_[0] || listed->token == list_tokens_[1]);
    if (!mine) return false;
    on_list(*listed);
    if (lists_left_ != 0) return true;
    std::sort(snapshots_.begin(), snapshots_.end(),
              [](const SnapshotFile& a, const SnapshotFile& b) { return a.name() < b.name(); });
    std::sort(logs_.begin(), logs_.end());
    if (small_files_done_) {
      small_files_.clear();
      after_small_files(disk);
    } else {
      next_small_file(disk);
    }
  } else if (step_ == Step::FinishInstall || step_ == Step::Settle) {
    mine = script_.step(event, disk);
    if (script_.running()) return mine;
    if (step_ == Step::Settle) {
      finish();
      return mine;
    }
    facts_.frontier = disk.frontier.value();
    list(disk);
    return mine;
  } else {
    ByteView chunk;
    const FileReader::Got got = reader_.step(event, disk, chunk);
    if (got == FileReader::Got::NotMine) return false;
    mine = true;
    if (got == FileReader::Got::Nothing) return true;
    if (step_ == Step::Logs) {
      on_log_chunk(got, chunk, disk, tree, history);
      return true;
    }
    if (step_ == Step::Survey) {
      on_survey_chunk(got, chunk, disk);
      return true;
    }
    if (step_ == Step::SmallFiles) {
      if (small_content_.size() < kSmallBytesMax) append_bytes(small_content_, chunk);
      if (got == FileReader::Got::Chunk) return true;
      on_small_file(disk);
      next_small_file(disk);
    } else {
      on_snapshot_chunk(got, chunk, disk, tree);
    }
  }
  if (step_ != Step::Snapshots || reader_.active()) return mine;
  if (!base_loaded_ && snapshot_left_ != 0) {
    next_snapshot(disk, tree);
  } else {
    begin_logs(disk, tree, history);
  }
  return mine;
}

}  // namespace vivarium
