#include "sim/ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/storage/record.h"
#include "core/wire/jute.h"
#include "core/wire/txn.h"

namespace vivarium::sim {
namespace {

struct FoundRecord {
  Zxid zxid;
  ByteView entry;
  uint64_t offset = 0;
  uint64_t length = 0;
};

// The record at `at`, when there is a whole one with right checksum; moves `at` behind it.
std::optional<FoundRecord> parse_record(ByteView bytes, size_t& at) {
  if (at + kRecordHeadBytes + 32 > bytes.size()) return std::nullopt;
  const Byte* p = bytes.data() + at;
  const uint32_t length = get_u32(p + 8);
  if (length < 32 || length > (64U << 20)) return std::nullopt;
  if (at + kRecordHeadBytes + length + 1 > bytes.size()) return std::nullopt;
  const ByteView covered = bytes.subspan(at + kRecordHeadBytes, length);
  if (get_u64(p) != adler32(covered) || bytes[at + kRecordHeadBytes + length] != kRecordEnd) {
    return std::nullopt;
  }
  FoundRecord found;
  found.entry = decode_trailer(covered) ? covered.first(length - kTrailerBytes) : covered;
  found.zxid = Zxid(get_u64(found.entry.data() + 12));
  found.offset = at;
  found.length = kRecordHeadBytes + length + 1;
  at += found.length;
  return found;
}

// Where records begin in what is written at `offset`.
size_t first_record(uint64_t offset, ByteView bytes) {
  const bool header =
      offset == 0 && bytes.size() >= kLogHeaderBytes && get_u32(bytes.data()) == kLogMagic;
  return header ? kLogHeaderBytes : 0;
}

// The last seal of a snapshot: an Adler-32 of all before it, and "/".
bool sealed(ByteView file) {
  constexpr size_t kSealBytes = 13;
  if (file.size() < kSealBytes) return false;
  const ByteView seal = file.last(kSealBytes);
  return get_u64(seal.data()) == adler32(file.first(file.size() - kSealBytes)) &&
         get_u32(seal.data() + 8) == 1 && seal.back() == '/';
}

// The range of a file as it is stored: a record that reaches beyond what is stored is not whole.
ByteView stored(const FileImage& image, uint64_t offset, uint64_t length) {
  const uint64_t end = std::min<uint64_t>(image.size, image.data.size());
  if (offset >= end) return {};
  return ByteView(image.data).subspan(offset, std::min(length, end - offset));
}

}  // namespace

std::vector<LoggedTxn> records_in(uint64_t offset, ByteView bytes) {
  std::vector<LoggedTxn> txns;
  size_t at = first_record(offset, bytes);
  while (const std::optional<FoundRecord> record = parse_record(bytes, at)) {
    txns.push_back({record->zxid, record->entry});
  }
  return txns;
}

std::vector<Ledger::Record>::const_iterator Ledger::at_least(const Log& log, Zxid zxid) {
  return std::lower_bound(log.records.begin(), log.records.end(), zxid,
                          [](const Record& r, Zxid z) { return r.zxid < z; });
}

std::vector<Ledger::Record>::const_iterator Ledger::above(const Log& log, Zxid zxid) {
  return std::upper_bound(log.records.begin(), log.records.end(), zxid,
                          [](Zxid z, const Record& r) { return z < r.zxid; });
}

void Ledger::put(Log& log, const Record& record) {
  if (log.records.empty() || log.records.back().zxid < record.zxid) {
    log.records.push_back(record);
    return;
  }
  const auto at = log.records.begin() + (at_least(log, record.zxid) - log.records.begin());
  if (at->zxid == record.zxid) {
    *at = record;
  } else {
    log.records.insert(at, record);
  }
}

std::optional<std::string> Ledger::take(ServerIndex server, Inode inode, uint64_t offset,
                                        ByteView bytes) {
  size_t at = first_record(offset, bytes);
  while (const std::optional<FoundRecord> record = parse_record(bytes, at)) {
    put(logs_[server], {record->zxid, inode, offset + record->offset, record->length});
    Bytes& known = entries_[record->zxid];
    written_.push_back(record->zxid);
    if (known.empty()) new_.push_back(record->zxid);
    // A server alone may lose what it never acknowledged, and use the zxid again.
    if (known.empty() || logs_.size() == 1) {
      known.assign(record->entry.begin(), record->entry.end());
      note_reconfig(record->zxid, known);
    } else if (!std::equal(known.begin(), known.end(), record->entry.begin(),
                           record->entry.end())) {
      return fmt::format("s{} wrote another payload under zxid {:x} than was written before",
                         server + 1, record->zxid.value);
    }
  }
  return std::nullopt;
}

void Ledger::note_reconfig(Zxid zxid, ByteView entry) {
  constexpr size_t kTypeOffset = 28;
  if (entry.size() < kTxnHeaderBytes ||
      get_u32(entry.data() + kTypeOffset) != static_cast<uint32_t>(TxnType::Reconfig)) {
    return;
  }
  JuteReader body(entry.subspan(kTxnHeaderBytes));
  (void)body.string();
  reconfigs_[zxid] = body.string();
}

std::optional<std::string> Ledger::log_written(ServerIndex server, Inode inode, uint64_t offset,
                                               ByteView bytes) {
  written_.clear();
  new_.clear();
  return take(server, inode, offset, bytes);
}

Zxid Ledger::before(ServerIndex server, Zxid zxid) const {
  const Log& log = logs_[server];
  const auto at = at_least(log, zxid);
  const Zxid record = at == log.records.begin() ? Zxid{} : (at - 1)->zxid;
  return log.base < zxid ? std::max(record, log.base) : record;
}

std::optional<std::string> Ledger::reread(ServerIndex server, const SimDisk& disk, bool apaches) {
  Log& log = logs_[server];
  log.apaches = apaches;
  log.records.clear();
  log.base = Zxid{};
  written_.clear();
  new_.clear();
  std::optional<std::string> wrong;
  for (const DirEntry& file : disk.list(Dir::Logs, SimDisk::Image::Cached)) {
    if (!parse_log_name(file.name)) continue;
    const Inode inode = disk.find(Dir::Logs, file.name);
    CHECK(inode != kNoInode);
    const ByteView bytes = stored(disk.file(inode).cached, 0, file.size);
    std::optional<std::string> found = take(server, inode, 0, bytes);
    if (found && !wrong) wrong = std::move(found);
  }
  // Whatever the newest snapshot covers is held, with or without its records.
  for (const DirEntry& file : disk.list(Dir::Snapshots, SimDisk::Image::Cached)) {
    const std::optional<SnapshotName> name = parse_snapshot_name(file.name);
    if (!name || name->zxid <= log.base) continue;
    if (apaches && !sealed(*disk.content(Dir::Snapshots, file.name, SimDisk::Image::Cached))) {
      continue;
    }
    log.base = name->zxid;
  }
  return wrong;
}

void Ledger::truncated(ServerIndex server, Zxid keep) {
  Log& log = logs_[server];
  log.records.erase(above(log, keep), log.records.end());
}

void Ledger::installed(ServerIndex server, Zxid zxid) {
  logs_[server].records.clear();
  logs_[server].base = zxid;
}

std::string Ledger::missing(ServerIndex server, const SimDisk& disk, Zxid zxid) const {
  const Log& log = logs_[server];
  const auto found = at_least(log, zxid);
  if (found == log.records.end() || found->zxid != zxid) {
    if (zxid > log.base)
      return fmt::format("no record, and the log begins after {:x}", log.base.value);
    for (const DirEntry& file : disk.list(Dir::Snapshots, SimDisk::Image::Durable)) {
      const std::optional<SnapshotName> name = parse_snapshot_name(file.name);
      if (name && name->zxid == log.base) return "";
    }
    return fmt::format("snapshot {:x} is not durable", log.base.value);
  }
  const Record& place = *found;
  if (!disk.durable_name(Dir::Logs, place.inode, "log.")) return "its file has no durable name";
  size_t at = 0;
  const std::optional<FoundRecord> parsed =
      parse_record(stored(disk.file(place.inode).durable, place.offset, place.length), at);
  const ByteView known = entry(zxid);
  const bool same =
      parsed && std::equal(known.begin(), known.end(), parsed->entry.begin(), parsed->entry.end());
  return same ? ""
              : fmt::format("its record at {} of inode {} is not durable", place.offset,
                            place.inode);
}

bool Ledger::holds(ServerIndex server, Zxid zxid) const {
  const Log& log = logs_[server];
  if (zxid <= log.base) return true;
  const auto found = at_least(log, zxid);
  return found != log.records.end() && found->zxid == zxid;
}

std::vector<Zxid> Ledger::between(ServerIndex server, Zxid after, Zxid last) const {
  std::vector<Zxid> zxids;
  const Log& log = logs_[server];
  for (auto it = above(log, after); it != log.records.end() && it->zxid <= last; ++it) {
    zxids.push_back(it->zxid);
  }
  return zxids;
}

ByteView Ledger::entry(Zxid zxid) const {
  const auto found = entries_.find(zxid);
  return found == entries_.end() ? ByteView{} : ByteView(found->second);
}

}  // namespace vivarium::sim
