// The part of recovery that concludes, and mends what is whole: nothing is written before the
// verdict.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/storage/recovery.h"

namespace vivarium {

// Why the tree, read up to `last`, is not known to be the state there; empty when nothing speaks
// against it. A directory without any digest has ZooKeeper's word alone: the log to its end, on
// whatever the snapshot holds.
std::string Recovery::what_is_untrue(Zxid last) const {
  if (limit_passed_ && last != limit_) return {};
  if (base_loaded_ && digests_.untrue()) {
    return fmt::format("behind zxid {:x} the tree is not the one that a digest tells of",
                       last.value);
  }
  const bool silent = base_loaded_ && !digests_.vouched();
  if (silent && seals_.digest_zxid > last) {
    return fmt::format("it holds txns up to {:x}, and the log ends at {:x}",
                       seals_.digest_zxid.value, last.value);
  }
  if (silent && seals_.unsettled() && limit_ != kNoLimit) {
    return "a server of ZooKeeper's sent it, and no digest tells how much of what came later it "
           "holds";
  }
  if (last < untrue_upto_) {
    return fmt::format("the log behind it ends at {:x}, before {:x}", last.value,
                       untrue_upto_.value);
  }
  return {};
}

void Recovery::tell_digests(World& world) const {
  if (const std::optional<DigestAudit::Difference>& first = digests_.first()) {
    world.log(LogLevel::Error,
              fmt::format("the tree's digest differs from that of {} txns in the log, first behind "
                          "{:x}; it was last equal behind {:x}",
                          digests_.differing(), first->zxid.value, digests_.agreed().value));
  }
  const bool silent = base_loaded_ && !digests_.vouched() && facts_.last != Zxid{};
  if (silent && !facts_.untrue) {
    world.log(LogLevel::Warn,
              "no digest, neither in the snapshot nor in the log, tells whether the "
              "tree is what it was");
  }
}

void Recovery::conclude(Disk& disk, DataTree& tree, History& history) {
  facts_.last = tree.last_applied();
  if (const std::string why = what_is_untrue(facts_.last); !why.empty()) {
    const bool older = base_loaded_ && snapshot_left_ != 0;
    if (base_loaded_) {
      SnapshotFile& file = snapshots_[snapshot_left_];
      disk.world.log(LogLevel::Warn,
                     fmt::format("{} is not used: {}", snapshot_name(file.name()), why));
      file.valid = false;
      file.bad = limit_ == kNoLimit;
    }
    untrue_upto_ = std::max({untrue_upto_, facts_.last, seals_.digest_zxid});
    if (untrue_why_.empty()) untrue_why_ = why;
    if (older) return read_again(tree, disk);
    facts_.untrue = true;
    where_ = untrue_why_;
  }
  for (const SnapshotFile& s : snapshots_) facts_.data = facts_.data || s.zxid > Zxid{};
  if (!facts_.frontier_file && facts_.accepted_file.value_or(0) > 0) facts_.data = true;
  const bool empty = snapshots_.empty() && !previous_ && facts_.end == PrefixEnd::Clean;
  facts_.trust_lone = config_.trust_empty_snapshot;
  facts_.lone_log = !base_loaded_ && snapshots_.empty() && (from_zero_ || from_first_);
  // Another's beginning is as good as a snapshot only as long as somebody says so.
  const bool lone_taken = facts_.lone_log && facts_.trust_lone && !facts_.misfit;
  const bool begins = foreign_era(facts_) ? facts_.lone_log : from_zero_ || lone_taken;
  facts_.base_found = base_loaded_ || empty || begins;
  facts_.later_file = facts_.end == PrefixEnd::Bad && end_place_.log_at + 1 < logs_.size();
  if (limit_ != kNoLimit) plan_truncation();

  const Verdict verdict = decide(facts_);
  recovered_.found = verdict.found;
  recovered_.last = facts_.last;
  recovered_.claimed = std::max(verdict.claimed, facts_.untrue ? untrue_upto_ : Zxid{});
  recovered_.vouched = digests_.vouched();
  recovered_.untrue = facts_.untrue;
  explain(verdict);
  tell_digests(disk.world);
  if (facts_.lone_log && facts_.misfit) {
    disk.world.log(LogLevel::Error, fmt::format("the log lacks what was before ({})", misfit_));
  }
  if (history.last() != facts_.last) history.reset(facts_.last);
  place_cuts(verdict);
  choose_epochs(verdict.found);
  fill_log_start(tree);
  if (may_survey(verdict)) {
    begin_survey(disk);
  } else if (first_) {
    settle(verdict, disk);
  } else {
    finish();
  }
}

void Recovery::finish() {
  step_ = Step::Idle;
  scanner_ = LogScanner();
  snapshot_reader_ = SnapshotFileReader();
  survey_ = DamageSurvey();
  surveyed_ = Bytes();
  effects_ = Effects();
}

// Files that end in a bad place are cut there; one without a single good record is no log at all.
void Recovery::place_cuts(const Verdict& verdict) {
  if (verdict.cut) cuts_.push_back({logs_[end_place_.log_at], end_place_.good_end});
  for (const LogCut& cut : cuts_) {
    if (cut.at <= kLogHeaderBytes) empty_logs_.push_back(cut.log);
  }
  std::sort(empty_logs_.begin(), empty_logs_.end());
}

void Recovery::explain(const Verdict& verdict) {
  const bool plain = verdict.found == Found::Blank || verdict.found == Found::Whole;
  if (plain && !verdict.cut) return;
  std::string& reason = recovered_.reason;
  reason = verdict.row;
  if (!where_.empty()) reason += fmt::format(" ({})", where_);
  if (verdict.found == Found::Damaged) {
    reason += fmt::format("; good up to zxid {:x}, acknowledged up to {:x}", facts_.last.value,
                          recovered_.claimed.value);
  } else if (facts_.data) {
    reason += fmt::format("; last zxid {:x}", facts_.last.value);
  }
}

// What a truncation to the limit would remove; only when exactly the limit was reached.
void Recovery::plan_truncation() {
  if (facts_.last != limit_ || !facts_.base_found || facts_.untrue) return;
  TruncationPlan plan;
  plan.keep = limit_;
  for (const SnapshotFile& s : snapshots_) {
    if (s.zxid > limit_) plan.snapshots.push_back(s.name());
  }
  for (const Zxid first : logs_) {
    // Files behind the cut, too, that begin with what their predecessor holds already.
    const bool behind = limit_cut_ && first > limit_cut_->log;
    if (first > limit_ || behind) plan.logs.push_back(first);
  }
  std::optional<LogCut> cut = limit_cut_;
  if (!cut && facts_.end == PrefixEnd::Bad) {
    cut = LogCut{logs_[end_place_.log_at], end_place_.good_end};
  }
  if (cut && cut->at <= kLogHeaderBytes) {
    plan.logs.insert(plan.logs.begin(), cut->log);
  } else {
    plan.cut = cut;
  }
  plan.position = {limit_, 0, 0, 0};
  if (previous_ && previous_->zxid == limit_) {
    plan.position = {limit_, previous_->file_id, previous_->end, previous_->crc};
  }
  truncation_ = plan;
  // The history ends here by decision: nothing behind it counts.
  facts_.end = PrefixEnd::Clean;
  facts_.durable_behind = Zxid{};
  facts_.unreadable = facts_.later_file = facts_.below_base = false;
  facts_.frontier.zxid = std::min(facts_.frontier.zxid, limit_);
}

void Recovery::fill_log_start(const DataTree& tree) {
  const bool linked = previous_ && previous_->zxid == facts_.last && previous_->ours;
  log_.last = facts_.last;
  log_.last_crc = linked ? previous_->crc : 0;
  log_.anchor = !linked;
  log_.anchor_digest = linked ? 0 : tree.digest();
  log_.generation = facts_.frontier.generation;
  for (const Zxid first : logs_) {
    const bool empty = std::binary_search(empty_logs_.begin(), empty_logs_.end(), first);
    const bool removed = truncation_ && std::binary_search(truncation_->logs.begin(),
                                                           truncation_->logs.end(), first);
    if (!empty && !removed) log_.files.push_back(first);
  }
  const LogFacts& f = last_facts_;
  const bool clean = f.bad == BadPlace::None && !f.unreadable && limit_ == kNoLimit;
  log_.reuse = linked && clean && f.file_id != 0 && f.file_id == previous_->file_id &&
               f.good_end == previous_->end && !log_.files.empty() &&
               log_.files.back() == previous_->file;
  if (!log_.reuse) return;
  log_.file_id = f.file_id;
  log_.end = f.good_end;
  log_.size = f.size;
}

// The frontier holds the promise, the files mirror it; in a foreign era Apache's rules for its
// files hold.
void Recovery::choose_epochs(Found found) {
  const Frontier frontier = facts_.frontier_valid ? facts_.frontier : Frontier{};
  accepted_ = std::max(frontier.accepted_epoch, facts_.accepted_file.value_or(0));
  current_ = std::max(frontier.current_epoch, facts_.current_file.value_or(0));
  if (found == Found::Foreign && !config_.standalone()) {
    const Epoch last = facts_.last.epoch();
    if (!facts_.current_file) current_ = std::max(current_, last);
    if (last > current_ && facts_.current_tmp_file) current_ = *facts_.current_tmp_file;
    if (!facts_.accepted_file) accepted_ = std::max(accepted_, last);
  }
  accepted_ = std::max(accepted_, current_);
}

void Recovery::settle(const Verdict& verdict, Disk& disk) {
  const bool whole = verdict.found == Found::Whole || verdict.found == Found::Foreign;
  if (!whole && verdict.found != Found::Blank) {
    finish();
    return;
  }
  if (whole) {
    settle_logs(verdict);
    FrontierEdit edit;
    edit.boot = true;
    edit.intent = Intent::None;
    edit.accepted_epoch = accepted_;
    edit.current_epoch = current_;
    if (verdict.found == Found::Foreign) {
      edit.member = true;
      // Apache may have cut what was acknowledged from here: it was another log (acknowledged.h).
      edit.generation = ++log_.generation;
    }
    edit.position = {facts_.last, log_.reuse ? log_.file_id : 0, log_.reuse ? log_.end : 0,
                     log_.last_crc};
    script_.save_frontier(edit);
    if (verdict.found == Found::Foreign) script_.save_frontier({});
    settle_epochs();
  }
  for (const auto& [dir, name] : leftovers_) script_.remove(dir, name);
  step_ = Step::Settle;
  script_.start(disk);
  if (!script_.running()) finish();
}

// Everything that the verdict rests on is made durable: a killed process leaves bytes that only the
// cache has, and a failed sync some that a later one would not write: those are written again.
void Recovery::settle_logs(const Verdict& verdict) {
  if (truncation_) {
    truncation_script(*truncation_, facts_.frontier.acknowledged, log_.generation, script_);
  }
  for (auto empty = empty_logs_.rbegin(); empty != empty_logs_.rend(); ++empty) {
    script_.remove(Dir::Logs, log_name(*empty));
    script_.sync_dir(Dir::Logs);
  }
  for (const LogCut& cut : cuts_) {
    if (cut.at > kLogHeaderBytes) script_.cut_file(Dir::Logs, log_name(cut.log), cut.at);
  }
  for (Unvouched& run : unvouched_) {
    const bool kept = std::find(log_.files.begin(), log_.files.end(), run.log) != log_.files.end();
    if (kept) script_.rewrite(Dir::Logs, log_name(run.log), run.offset, std::move(run.bytes));
  }
  unvouched_.clear();
  // A file that ends with its last record was cut. Should that sync have failed, only the cache
  // knows, and the next sync would write nothing: the size changes once more.
  const bool cut_before = previous_ && previous_->ours && !log_.files.empty() &&
                          log_.files.back() == previous_->file &&
                          last_facts_.size == previous_->end;
  if (cut_before) script_.cut_file_again(Dir::Logs, log_name(previous_->file), previous_->end);
  const size_t count = log_.files.size();
  const size_t from = verdict.found == Found::Foreign || count == 0 ? 0 : count - 1;
  for (size_t i = from; i < count; ++i) script_.sync_file(Dir::Logs, log_name(log_.files[i]));
  if (base_loaded_ && verdict.found == Found::Foreign) {
    script_.sync_file(Dir::Snapshots, snapshot_name({base_, base_coding_}));
  }
  script_.sync_dir(Dir::Logs);
  script_.sync_dir(Dir::Snapshots);
}

void Recovery::settle_epochs() {
  if (accepted_ != facts_.accepted_file.value_or(0)) {
    script_.write_file(Dir::Snapshots, kAcceptedTmpName, epoch_text(accepted_));
    script_.rename(Dir::Snapshots, kAcceptedTmpName, kAcceptedName);
    script_.sync_dir(Dir::Snapshots);
  }
  if (current_ != facts_.current_file.value_or(0)) {
    script_.write_file(Dir::Snapshots, kCurrentNextName, epoch_text(current_));
    script_.rename(Dir::Snapshots, kCurrentNextName, kCurrentName);
    script_.sync_dir(Dir::Snapshots);
  }
}

}  // namespace vivarium
