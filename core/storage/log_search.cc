#include "core/storage/log_search.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/storage/record.h"

namespace vivarium {

void LogSearch::start(Disk& disk, ZxidRange range, std::vector<Zxid> files,
                      std::optional<Zxid> whole_to) {
  CHECK(!running_ && range.after < range.upto);
  CHECK(std::is_sorted(files.begin(), files.end()));
  *this = LogSearch();
  running_ = true;
  range_ = range;
  at_ = range.after;
  whole_to_ = whole_to;
  const auto above = std::upper_bound(files.begin(), files.end(), range.after);
  const auto first = above == files.begin() ? above : above - 1;
  files_.assign(std::make_reverse_iterator(files.end()), std::make_reverse_iterator(first));
  next_file(disk);
}

void LogSearch::stop(Disk& disk) {
  if (reader_.active()) reader_.stop(disk);
  *this = LogSearch();
}

LogSearch::Found LogSearch::take() {
  CHECK(!running_);
  Found found = std::move(found_);
  *this = LogSearch();
  return found;
}

void LogSearch::conclude(FillRest rest) {
  CHECK((rest == FillRest::None) == (at_ == range_.upto));
  found_.rest = rest;
  decided_ = true;
}

void LogSearch::next_file(Disk& disk) {
  // The end of a whole log: nothing was ever behind it.
  if (!decided_ && files_.empty()) {
    conclude(whole_to_ && at_ == *whole_to_ ? FillRest::Never : FillRest::Unknown);
  }
  if (decided_) {
    running_ = false;
    return;
  }
  scanner_ready_ = false;
  reader_.open(disk, Dir::Logs, log_name(files_.back()));
  files_.pop_back();
}

bool LogSearch::step(const Event& event, Disk& disk) {
  if (!running_) return false;
  ByteView chunk;
  const FileReader::Got got = reader_.step(event, disk, chunk);
  if (got == FileReader::Got::NotMine) return false;
  if (got != FileReader::Got::Nothing) on_chunk(got, chunk, disk);
  return true;
}

void LogSearch::on_chunk(FileReader::Got got, ByteView chunk, Disk& disk) {
  if (!scanner_ready_) scanner_ = LogScanner(reader_.size());
  scanner_ready_ = true;
  scanner_.feed(chunk);
  if (got != FileReader::Got::Chunk) scanner_.end(got == FileReader::Got::Failed);
  while (!decided_) {
    const ScannedRecord* record = scanner_.next();
    if (record == nullptr) break;
    on_record(*record);
  }
  if (decided_) {
    if (reader_.active()) reader_.stop(disk);
  } else if (got == FileReader::Got::Chunk) {
    return;
  } else {
    CHECK(scanner_.done());
    const LogFacts& facts = scanner_.facts();
    if (facts.bad != BadPlace::None || facts.unreadable || !facts.header) previous_.reset();
  }
  next_file(disk);
}

void LogSearch::on_record(const ScannedRecord& record) {
  // What stands before it: by its link, or by its place in the file if it is Apache's.
  std::optional<Zxid> before;
  if (record.trailer) {
    before = record.trailer->previous;
  } else if (previous_ && record.zxid.follows(*previous_)) {
    before = previous_;
  }
  previous_ = record.zxid;
  if (record.zxid <= at_) return;
  // The log begins behind `at_` (a snapshot covers what was before), or something bad is between.
  if (!before || *before > at_) return conclude(FillRest::Unknown);
  // Nothing stood between the two: neither `at_`, then, nor what followed it elsewhere.
  if (*before < at_ || record.zxid > range_.upto) return conclude(not_there());
  at_ = record.zxid;
  bytes_ += record.entry.size();
  found_.entries.push_back({at_, share(Bytes(record.entry.begin(), record.entry.end()))});
  if (at_ == range_.upto) return conclude(FillRest::None);
  if (bytes_ > kBytesMax) conclude(FillRest::Unknown);
}

}  // namespace vivarium
