// The part of recovery that reads the log: which records belong to the history of this server.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/storage/lone_log.h"
#include "core/storage/recovery.h"
#include "core/wire/txn.h"

namespace vivarium {

void Recovery::begin_logs(Disk& disk, DataTree& tree, History& history) {
  step_ = Step::Logs;
  logs_begun_ = disk.world.now();
  if (!base_loaded_) {
    tree = DataTree();
    digests_ = DigestAudit();
    digests_.doubt();
  }
  history = History(config_.history_txns_max, config_.history_bytes_max);
  // From the file that holds the first record behind the snapshot (Apache's rule), and one more for
  // the history: what is below the snapshot need not be there.
  const Zxid next{base_.value + 1};
  const auto above = std::upper_bound(logs_.begin(), logs_.end(), next);
  log_at_ = static_cast<size_t>(above - logs_.begin());
  log_at_ -= std::min<size_t>(log_at_, 2);
  first_log_ = log_at_;
  next_log(disk, tree, history);
}

void Recovery::next_log(Disk& disk, DataTree& tree, History& history) {
  if (limit_passed_ || log_at_ >= logs_.size() || logs_[log_at_] > limit_) {
    return conclude(disk, tree, history);
  }
  scanner_ready_ = false;
  first_in_file_ = true;
  reader_.open(disk, Dir::Logs, log_name(logs_[log_at_]));
}

void Recovery::on_log_chunk(FileReader::Got got, ByteView chunk, Disk& disk, DataTree& tree,
                            History& history) {
  if (!scanner_ready_) scanner_ = LogScanner(reader_.size(), generation());
  scanner_ready_ = true;
  scanner_.feed(chunk);
  if (got != FileReader::Got::Chunk) scanner_.end(got == FileReader::Got::Failed);
  while (!limit_passed_) {
    const ScannedRecord* record = scanner_.next();
    if (record == nullptr) break;
    on_record(*record, tree, history);
    first_in_file_ = false;
  }
  if (limit_passed_) {
    if (reader_.active()) reader_.stop(disk);
  } else if (got == FileReader::Got::Chunk) {
    return;
  } else {
    CHECK(scanner_.done());
    on_log_end(tree);
  }
  ++log_at_;
  next_log(disk, tree, history);
}

void Recovery::on_log_end(const DataTree& tree) {
  const LogFacts& f = scanner_.facts();
  const Zxid name = logs_[log_at_];
  if (f.records != 0 && facts_.end == PrefixEnd::Clean) last_facts_ = f;
  facts_.durable_behind = std::max(facts_.durable_behind, f.durable_behind);
  if (f.trailers_behind != 0) facts_.ours = true;
  if (f.size == 0 || (f.bad == BadPlace::None && !f.unreadable)) {
    if (f.records == 0) empty_logs_.push_back(name);
    return;
  }
  facts_.data = true;
  if (facts_.end != PrefixEnd::Clean) return;
  const bool ours = f.header && f.file_id != 0;
  facts_.end = PrefixEnd::Bad;
  facts_.foreign_end = !ours;
  facts_.bad = f.bad;
  facts_.could_be_torn = f.could_be_torn;
  facts_.data_behind = f.data_behind;
  facts_.unreadable = f.unreadable;
  where_ = fmt::format("{} at {}: {}", log_name(name), f.good_end,
                       f.unreadable ? "a read error" : to_string(f.bad));
  end_place_.log_at = log_at_;
  end_place_.good_end = f.good_end;
  const Zxid last = tree.last_applied();
  // A snapshot is named only when the log is durable up to it (RULES 7): no crash tears what it
  // covers.
  facts_.below_base = base_loaded_ && (f.records != 0 ? previous_->zxid < base_ : name <= base_);
  const bool apache_end =
      (f.bad == BadPlace::PastEnd || f.bad == BadPlace::EndByte) && !f.data_behind && !f.unreadable;
  const bool our_end = f.could_be_torn && f.durable_behind <= last &&
                       !(facts_.frontier_valid && facts_.frontier.zxid > last);
  end_place_.tolerable = ours ? our_end : apache_end;
}

// The next record of a history whose last zxid is `last`: by its link if it is ours, by its zxid if
// it is Apache's.
bool Recovery::follows(const ScannedRecord& record, Zxid last) const {
  if (!record.trailer) return record.zxid.follows(last);
  const Trailer& t = *record.trailer;
  if (t.previous != last) return false;
  if (t.anchor) return true;
  if (!previous_ || previous_->zxid != last) return true;  // rests on a snapshot
  return previous_->ours && previous_->crc == t.previous_crc;
}

// Whether the history goes on behind a bad place: Apache went on behind what it took for the end of
// a file, or a snapshot covers everything that the bad place may have held.
bool Recovery::resumes(const ScannedRecord& record, Zxid last) const {
  const bool passable = facts_.end == PrefixEnd::Bad || facts_.end == PrefixEnd::Stale;
  if (!passable || !first_in_file_) return false;
  if (record.trailer && record.zxid > last && follows(record, last)) return true;
  if (facts_.end == PrefixEnd::Stale) return false;
  if (end_place_.tolerable) return !record.trailer && record.zxid.follows(last);
  if (!base_loaded_ || last != base_ || facts_.unreadable) return false;
  return record.zxid <= base_ || (record.trailer && record.trailer->previous <= base_);
}

// Everything of an older generation is at or below the zxid that the truncation has kept, and the
// frontier of this generation began with that: what is above it was removed once.
bool Recovery::is_stale(const ScannedRecord& record) const {
  return record.trailer && record.trailer->generation < generation() &&
         record.zxid > facts_.frontier.zxid;
}

// A good record behind the end of the good prefix says what was durable before it was written.
void Recovery::note_evidence(const ScannedRecord& record) {
  if (!record.trailer || record.trailer->generation < generation()) return;
  facts_.durable_behind = std::max(facts_.durable_behind, record.trailer->durable);
  if (first_in_file_) {
    facts_.durable_behind = std::max(facts_.durable_behind, record.trailer->previous);
  }
}

void Recovery::on_record(const ScannedRecord& record, DataTree& tree, History& history) {
  const Zxid last = tree.last_applied();
  if (record.zxid > limit_) {
    limit_passed_ = true;
    limit_cut_ = LogCut{logs_[log_at_], record.offset};
    return;
  }
  facts_.data = true;
  if (record.trailer) facts_.ours = true;
  if (facts_.end != PrefixEnd::Clean) {
    if (!resumes(record, last)) return note_evidence(record);
    if (facts_.end == PrefixEnd::Stale || (!record.trailer && end_place_.tolerable)) {
      cuts_.push_back({logs_[end_place_.log_at], end_place_.good_end});
    }
    facts_.end = PrefixEnd::Clean;
    facts_.bad = BadPlace::None;
    facts_.could_be_torn = facts_.data_behind = facts_.unreadable = facts_.foreign_end = false;
    facts_.below_base = false;
    where_.clear();
  }
  if (!previous_ && !base_loaded_ && record.trailer && record.trailer->anchor &&
      record.trailer->previous == Zxid{}) {
    from_zero_ = true;
  }
  if (!previous_ && !base_loaded_ && !record.trailer && first_of_all(record.zxid)) {
    from_first_ = true;
  }
  if (is_stale(record)) {
    facts_.end = PrefixEnd::Stale;
    where_ = fmt::format("{} at {}: zxid {:x}", log_name(logs_[log_at_]), record.offset,
                         record.zxid.value);
    end_place_ = {log_at_, record.offset, false};
    return;
  }
  const bool backwards = previous_ && record.zxid <= previous_->zxid;
  // A follower of ZooKeeper's may append once more what its log holds (ZOOKEEPER-4394: it gives up
  // a DIFF in the middle, and gets it again). ZooKeeper applies it again, and ends where it was.
  if (backwards && !record.trailer && !previous_->ours) return;
  if (backwards || (record.zxid > last && !follows(record, last))) {
    facts_.end = PrefixEnd::Gap;
    where_ = fmt::format("{} at {}: zxid {:x} behind {:x}", log_name(logs_[log_at_]), record.offset,
                         record.zxid.value, last.value);
    end_place_ = {};
    end_place_.log_at = log_at_;
    return note_evidence(record);
  }
  if (record.zxid == last && base_loaded_ && last == base_ && !seals_.has_digest()) {
    // The txn behind which the snapshot stands says what its seals do not.
    if (const Result<Txn> txn = decode_txn(record.entry)) digests_.compare(*txn, tree);
  }
  if (record.zxid > last) {
    apply(record, tree);
    ++replayed_;
    if (facts_.end != PrefixEnd::Clean) return;
  }
  remember(record, history);
  note_unvouched(record);
}

// The frontier is written after a sync has succeeded, never before: it vouches although it may
// itself be only in the cache. What is above it may be in the cache alone and, after a sync that
// failed, in pages that count as clean: reading it back and syncing again would claim what the disk
// has not.
void Recovery::note_unvouched(const ScannedRecord& record) {
  if (!first_ || !record.trailer || record.zxid <= facts_.frontier.zxid) return;
  const Zxid log = logs_[log_at_];
  if (unvouched_.empty() || unvouched_.back().log != log ||
      unvouched_.back().offset + unvouched_.back().bytes.size() != record.offset) {
    unvouched_.push_back({log, record.offset, {}});
  }
  append_bytes(unvouched_.back().bytes, record.raw);
}

void Recovery::apply(const ScannedRecord& record, DataTree& tree) {
  const Result<Txn> txn = decode_txn(record.entry);
  if (!txn.has_value()) {
    facts_.end = PrefixEnd::Undecodable;
    where_ = fmt::format("{} at {}: zxid {:x}: {}", log_name(logs_[log_at_]), record.offset,
                         record.zxid.value, txn.error().message);
    return;
  }
  CHECK(txn->header.zxid == record.zxid);
  if (base_loaded_) {
    effects_.clear();
    tree.apply(*txn, effects_);
  } else if (!apply_fitting(*txn, tree, effects_) && !facts_.misfit) {
    facts_.misfit = true;
    misfit_ = fmt::format("{} at {}: zxid {:x}", log_name(logs_[log_at_]), record.offset,
                          record.zxid.value);
  }
  CHECK(tree.last_applied() == record.zxid);
  digests_.compare(*txn, tree);
  if (seals_.has_digest() && seals_.digest_zxid == record.zxid && base_ < record.zxid) {
    digests_.compare(record.zxid, seals_.digest, tree);
  }
}

void Recovery::remember(const ScannedRecord& record, History& history) {
  const Zxid zxid = record.zxid;
  const Trailer* trailer = record.trailer ? &*record.trailer : nullptr;
  const bool linked = trailer == nullptr || trailer->previous == history.last();
  if (!previous_ || !linked || !zxid.follows(history.last())) {
    // What is before this record is not here, or not known to be all.
    if (trailer != nullptr) {
      history.reset(trailer->previous);
    } else if (zxid.counter() > 1) {
      history.reset(Zxid{zxid.value - 1});
    } else {
      history.reset(zxid);
    }
  }
  if (zxid.follows(history.last())) {
    history.push(zxid, share(Bytes(record.entry.begin(), record.entry.end())));
    history.trim(zxid);
  } else {
    history.reset(zxid);
  }
  previous_ = Previous{zxid,       record.entry_crc,         trailer != nullptr,
                       record.end, scanner_.facts().file_id, logs_[log_at_]};
  facts_.foreign_tail = trailer == nullptr;
}

}  // namespace vivarium
