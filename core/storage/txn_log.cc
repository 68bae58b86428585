#include "core/storage/txn_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace vivarium {

LogPace::LogPace(const Config& config)
    : delay(milliseconds(config.flush_delay_ms)),
      quiet(config.flush_quiet()),
      txns_max(config.flush_txns_max == 0 ? SIZE_MAX : config.flush_txns_max),
      slow_sync(milliseconds(config.slow_sync_ms)) {}

void TxnLog::start(Disk& disk, const LogStart& start, uint64_t segment_bytes, uint64_t next_spare,
                   const LogPace& pace) {
  CHECK(!started_ && idle() && !file_.valid());
  CHECK(std::is_sorted(start.files.begin(), start.files.end()));
  started_ = true;
  segment_bytes_ = segment_bytes;
  pace_ = pace;
  spares_.start(next_spare, segment_bytes);
  files_ = start.files;
  written_ = last_logged_ = start.last;
  written_crc_ = start.last_crc;
  anchor_ = start.anchor;
  anchor_digest_ = start.anchor_digest;
  generation_ = start.generation;
  durable_ = {start.last, start.reuse ? start.file_id : 0, start.reuse ? start.end : 0,
              start.last_crc};
  roll_ = false;
  name_token_ = 0;
  if (!start.reuse) return;
  CHECK(!files_.empty() && !anchor_ && start.end <= start.size && start.file_id != 0);
  file_ = disk.world.open(Dir::Logs, log_name(files_.back()), OpenMode::Update, Lane::Log,
                          OnError::Stop);
  file_id_ = start.file_id;
  end_ = start.end;
  size_ = start.size;
}

void TxnLog::stop(Disk& disk) {
  started_ = false;
  if (file_.valid()) disk.world.close(file_);
  file_ = FileId{};
  spares_.drop(disk);
  pending_.clear();
  pending_bytes_ = 0;
  pending_seen_ = 0;
  flush_at_ = Instant::never();
  flights_.clear();
  flight_bytes_ = 0;
  name_token_ = 0;
  last_logged_ = durable_.zxid;
}

void TxnLog::append(Zxid zxid, SharedBytes entry) {
  CHECK(started_);
  CHECK(zxid.follows(last_logged_));
  CHECK(entry->size() >= kTxnHeaderBytes);
  last_logged_ = zxid;
  pending_bytes_ += entry->size();
  pending_.push_back({zxid, std::move(entry)});
}

void TxnLog::roll() {
  // A file without a record cannot be left: its name is the first zxid that went into it.
  if (file_.valid()) roll_ = true;
}

void TxnLog::prepare_spare(Disk& disk) {
  if (started_) spares_.prepare(disk, 0);
}

bool TxnLog::fits(const Pending& p) const {
  return file_.valid() && !roll_ && end_ + record_bytes(p) <= size_;
}

// True: the file for the first pending record is there.
bool TxnLog::begin_file(Disk& disk) {
  if (!flights_.empty()) return false;
  const Pending& first = pending_.front();
  const uint64_t need = kLogHeaderBytes + record_bytes(first);
  if (!spares_.ready(need)) {
    spares_.prepare(disk, need);
    spares_.hurry(disk);
    return false;
  }
  CHECK(durable_.zxid == written_);
  if (file_.valid()) disk.world.close(file_);
  const Spare spare = spares_.take();
  disk.world.rename(Dir::Logs, spare.name, log_name(first.zxid), Lane::Log);
  name_token_ = disk.token();
  disk.world.sync_dir(Dir::Logs, name_token_, Lane::Log);
  CHECK(files_.empty() || files_.back() < first.zxid);
  files_.push_back(first.zxid);
  file_ = spare.file;
  file_id_ = spare.file_id;
  size_ = spare.size;
  end_ = kLogHeaderBytes;
  roll_ = false;
  spares_.prepare(disk, 0);
  return true;
}

void TxnLog::encode(const Pending& p, const DataTree& tree, Bytes& out) {
  Trailer trailer;
  trailer.anchor = anchor_;
  trailer.entry_crc = crc32c(*p.entry);
  trailer.previous_crc = anchor_ ? 0 : written_crc_;
  trailer.previous = written_;
  trailer.durable = durable_.zxid;
  trailer.file_id = file_id_;
  trailer.offset = end_;
  trailer.generation = generation_;
  trailer.state_zxid = tree.last_applied();
  trailer.state_hash = tree.state_hash();
  trailer.anchor_digest = anchor_ ? anchor_digest_ : 0;

  const size_t head = out.size();
  out.resize(head + kRecordHeadBytes);
  append_bytes(out, *p.entry);
  encode_trailer(trailer, out);
  const ByteView covered = ByteView(out).subspan(head + kRecordHeadBytes);
  const uint32_t checksum = adler32(covered);
  const auto length = static_cast<uint32_t>(covered.size());
  put_u64(out.data() + head, checksum);
  put_u32(out.data() + head + 8, length);
  out.push_back(kRecordEnd);

  end_ += out.size() - head;
  CHECK(end_ <= size_);
  written_ = p.zxid;
  written_crc_ = trailer.entry_crc;
  anchor_ = false;
}

void TxnLog::write_batch(Disk& disk, const DataTree& tree, const Epochs& epochs, bool epochless) {
  const uint64_t at = end_;
  Flight flight;
  Bytes records;
  records.reserve(std::min(size_ - end_, pending_bytes_ + pending_.size() * kRecordMoreBytes));
  size_t txns = 0;
  while (!pending_.empty() && fits(pending_.front()) && txns < pace_.txns_max &&
         (epochless || epochs.covers(pending_.front().zxid.epoch()))) {
    const Pending& p = pending_.front();
    encode(p, tree, records);
    pending_bytes_ -= p.entry->size();
    flight.bytes += p.entry->size();
    pending_.pop_front();
    ++txns;
  }
  CHECK(!records.empty() && at + records.size() == end_);
  disk.world.write_shared(file_, at, share(std::move(records)));
  flight.upto = {written_, file_id_, end_, written_crc_};
  flight.token = disk.token();
  disk.world.sync(file_, flight.token);
  flight.issued = disk.world.now();
  disk.world.sample("sync_processor_batch_size", static_cast<int64_t>(txns));
  flight_bytes_ += flight.bytes;
  flights_.push_back(flight);
}

// Group commit as flushDelay, maxWriteQueuePollTime and maxBatchSize have it: more may come.
bool TxnLog::holds_back(Instant now) {
  if (pace_.delay == Duration()) return false;
  if (pending_seen_ == 0) oldest_pending_ = now;
  if (pending_.size() != pending_seen_) newest_pending_ = now;
  pending_seen_ = pending_.size();
  if (pending_.size() >= pace_.txns_max) return false;
  const Instant due = std::min(oldest_pending_ + pace_.delay, newest_pending_ + pace_.quiet);
  if (due <= now) return false;
  flush_at_ = due;
  return true;
}

void TxnLog::flush(Disk& disk, const DataTree& tree, const Epochs& epochs, bool epochless) {
  flush_at_ = Instant::never();
  while (!pending_.empty() && flights_.size() < kFlightsMax) {
    if (holds_back(disk.world.now())) return;
    const Pending& first = pending_.front();
    if (!epochless && !epochs.covers(first.zxid.epoch())) return;
    if (!fits(first) && !begin_file(disk)) return;
    write_batch(disk, tree, epochs, epochless);
    pending_seen_ = 0;
  }
}

void TxnLog::complete() {
  while (!flights_.empty() && flights_.front().synced && name_token_ == 0) {
    const Flight& done = flights_.front();
    CHECK(done.upto.zxid > durable_.zxid && done.upto.zxid <= last_logged_);
    durable_ = done.upto;
    flight_bytes_ -= done.bytes;
    flights_.pop_front();
  }
}

// ZooKeeper's fsync.warningthresholdms.
void TxnLog::note_sync(World& world, Duration took) const {
  world.sample("fsynctime", took.ms());
  if (took < pace_.slow_sync) return;
  world.count("fsync_threshold_exceed_count", 1);
  world.log(LogLevel::Warn,
            fmt::format("a sync of the log took {} ms: its disk is slow", took.ms()));
}

bool TxnLog::step(const Event& event, Disk& disk) {
  if (const auto* synced = std::get_if<FileSynced>(&event)) {
    if (file_.valid() && synced->file == file_) {
      const auto flight = std::find_if(flights_.begin(), flights_.end(),
                                       [&](const Flight& f) { return f.token == synced->token; });
      CHECK(flight != flights_.end() && !flight->synced);
      flight->synced = true;
      note_sync(disk.world, disk.world.now() - flight->issued);
      complete();
      return true;
    }
  } else if (const auto* named = std::get_if<DirSynced>(&event)) {
    if (name_token_ == 0 || named->token != name_token_) return false;
    name_token_ = 0;
    complete();
    return true;
  } else if (const auto* opened = std::get_if<FileOpened>(&event)) {
    if (file_.valid() && opened->file == file_) return true;
  }
  return spares_.step(event, disk);
}

void TxnLog::forget_first_file() {
  CHECK(files_.size() > 1);
  files_.erase(files_.begin());
}

}  // namespace vivarium
