// libFuzzer over what storage reads from disks and takes from leaders: log files, damaged ones
// among them, snapshots (files and bodies), the frontier, epoch files, trailers, names of files.
// The first byte selects the reader, the second the size of pieces. What is read must not depend on
// the pieces; no size that a file names costs more than its bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/storage/damage.h"
#include "core/storage/epochs.h"
#include "core/storage/log_scanner.h"
#include "core/storage/record.h"
#include "core/storage/snapshot.h"
#include "fuzz/input.h"

namespace vivarium {
namespace {

// Feeds `bytes` in pieces until `feed` says that it wants no more.
template <class Feed>
void in_pieces(ByteView bytes, size_t piece, Feed feed) {
  for (size_t at = 0; at < bytes.size(); at += piece) {
    if (!feed(bytes.subspan(at, std::min(piece, bytes.size() - at)))) return;
  }
}

struct Scan {
  std::vector<Zxid> zxids;
  LogFacts facts;
};

Scan scan(ByteView file, size_t piece) {
  Scan result;
  LogScanner scanner(file.size());
  const auto take_records = [&] {
    while (const ScannedRecord* record = scanner.next()) {
      CHECK(record->end <= file.size() && record->offset < record->end);
      result.zxids.push_back(record->zxid);
    }
  };
  in_pieces(file, piece, [&](ByteView bytes) {
    scanner.feed(bytes);
    take_records();
    return true;
  });
  scanner.end();
  take_records();
  CHECK(scanner.done());
  result.facts = scanner.facts();
  CHECK(result.facts.records == result.zxids.size());
  CHECK(result.facts.good_end <= file.size() || result.zxids.empty());
  return result;
}

void check_log(ByteView file, size_t piece) {
  const Scan whole = scan(file, file.size() + 1);
  const Scan parts = scan(file, piece);
  CHECK(whole.zxids == parts.zxids);
  CHECK(whole.facts.bad == parts.facts.bad && whole.facts.good_end == parts.facts.good_end);
  CHECK(whole.facts.data_end == parts.facts.data_end);
  CHECK(whole.facts.could_be_torn == parts.facts.could_be_torn);
  CHECK(whole.facts.durable_behind == parts.facts.durable_behind);
}

Decoded read_body(ByteView body, size_t piece, DataTree& tree) {
  tree.clear();
  SnapshotBodyReader reader;
  Decoded state = Decoded::NeedMore;
  in_pieces(body, piece, [&](ByteView bytes) {
    size_t used = 0;
    state = reader.feed(bytes, tree, used);
    CHECK(used <= bytes.size());
    CHECK(state != Decoded::Bad || !reader.error().empty());
    return state == Decoded::NeedMore;
  });
  return state;
}

void check_body(ByteView body, size_t piece) {
  DataTree whole;
  DataTree parts;
  const Decoded state = read_body(body, body.size() + 1, whole);
  CHECK(read_body(body, piece, parts) == state);
  if (state != Decoded::Ok) return;
  CHECK(whole.digest() == parts.digest());
  // What a tree was made of can be made of the tree again.
  Bytes again;
  encode_snapshot_body(whole, again);
  DataTree third;
  CHECK(read_body(again, again.size() + 1, third) == Decoded::Ok);
  CHECK(third.digest() == whole.digest());
}

bool read_file(ByteView file, size_t piece) {
  DataTree tree;
  tree.clear();
  SnapshotFileReader reader;
  in_pieces(file, piece, [&](ByteView bytes) { return reader.feed(bytes, tree); });
  return reader.finish().has_value();
}

void check_frontier(ByteView file) {
  const std::optional<Frontier> found = newest_frontier(file);
  if (!found) return;
  Bytes slot;
  encode_frontier(*found, slot);
  CHECK(slot.size() <= kFrontierSlotBytes);
  CHECK(decode_frontier(slot) == found);
}

void check_trailer(ByteView covered) {
  const std::optional<Trailer> trailer = decode_trailer(covered);
  if (!trailer) return;
  Bytes again;
  encode_trailer(*trailer, again);
  CHECK(again.size() == kTrailerBytes && decode_trailer(again) == trailer);
}

void check_names(std::string_view name) {
  if (const auto first = parse_log_name(name)) CHECK(parse_log_name(log_name(*first)) == first);
  if (const auto snapshot = parse_snapshot_name(name)) {
    CHECK(parse_snapshot_name(snapshot_name(*snapshot)) == snapshot);
  }
  if (const auto number = parse_spare_name(name)) {
    CHECK(parse_spare_name(spare_name(*number)) == number);
  }
}

// --- a log of ours, damaged as the input says

struct OwnLog {
  static constexpr uint64_t kFileId = 77;
  static constexpr uint32_t kRecords = 12;

  Bytes file;
  std::vector<Bytes> entries;
  std::vector<uint64_t> ends;
  Frontier frontier;
};

Bytes entry_at(uint32_t counter) {
  TxnHeader header;
  header.zxid = Zxid(1, counter);
  header.type = TxnType::Create;
  const std::string path = "/n" + std::to_string(counter);
  const Bytes data(counter * 37, Byte{'d'});
  CreateTxn create;
  create.path = path;
  create.data = data;
  Txn txn{header, create, TxnDigest{kDigestVersion, counter}};
  return encode_txn(txn);
}

OwnLog make_own_log() {
  OwnLog log;
  log.file.resize(kLogHeaderBytes);
  put_u32(log.file.data(), kLogMagic);
  put_u32(log.file.data() + 4, kFileVersion);
  put_u64(log.file.data() + 8, OwnLog::kFileId);
  Trailer trailer;
  trailer.anchor = true;
  trailer.file_id = OwnLog::kFileId;
  for (uint32_t counter = 1; counter <= OwnLog::kRecords; ++counter) {
    const Bytes entry = entry_at(counter);
    trailer.previous_crc = trailer.entry_crc;
    trailer.entry_crc = crc32c(entry);
    trailer.offset = log.file.size();
    Bytes covered = entry;
    encode_trailer(trailer, covered);
    const size_t at = log.file.size();
    log.file.resize(at + kRecordHeadBytes);
    put_u64(log.file.data() + at, adler32(covered));
    put_u32(log.file.data() + at + 8, static_cast<uint32_t>(covered.size()));
    append_bytes(log.file, covered);
    log.file.push_back(kRecordEnd);
    log.entries.push_back(entry);
    log.ends.push_back(log.file.size());
    trailer.anchor = false;
    trailer.previous = trailer.durable = Zxid(1, counter);
  }
  log.frontier.zxid = Zxid(1, OwnLog::kRecords);
  log.frontier.file_id = OwnLog::kFileId;
  log.frontier.end_offset = log.file.size();
  log.frontier.entry_crc = trailer.entry_crc;
  log.file.resize(log.file.size() + 2048);
  return log;
}

// Bits, sectors that are zeros or copies of others, an early end.
void damage_file(Bytes& file, Input& input) {
  constexpr size_t kSector = 512;
  while (!input.empty() && !file.empty()) {
    const Byte what = input.byte();
    const size_t at = (size_t{input.byte()} << 8 | input.byte()) % file.size();
    const size_t sector = at / kSector * kSector;
    const size_t size = std::min(kSector, file.size() - sector);
    switch (what % 4) {
      case 0:
        file[at] = static_cast<Byte>(file[at] ^ (1U << (what >> 5)));
        break;
      case 1:
        std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(sector), size, Byte{0});
        break;
      case 2:
        std::copy_n(file.begin(), size, file.begin() + static_cast<std::ptrdiff_t>(sector));
        break;
      default:
        if (what == 0xff) file.resize(at);
        break;
    }
  }
}

// What a survey lists is right: every record up to the last that was acknowledged is the prefix's,
// salvaged as it was written, or missing by the list.
void check_survey(const Damage& damage, Zxid last, const OwnLog& log) {
  CHECK(damage.claimed <= log.frontier.zxid && damage.claimed >= last);
  size_t fault = 0;
  size_t salvaged = 0;
  for (uint32_t counter = last.counter() + 1; Zxid(1, counter) <= damage.claimed; ++counter) {
    const Zxid zxid(1, counter);
    while (fault < damage.faults.size() && damage.faults[fault].range.upto < zxid) ++fault;
    if (fault < damage.faults.size() && damage.faults[fault].range.after < zxid) continue;
    CHECK(salvaged < damage.salvaged.size() && damage.salvaged[salvaged].zxid == zxid);
    CHECK(*damage.salvaged[salvaged].entry == log.entries.at(counter - 1));
    ++salvaged;
  }
  CHECK(salvaged == damage.salvaged.size());
}

void check_damage(Byte choice, ByteView bytes) {
  static const OwnLog log = make_own_log();
  Input input(bytes);
  Bytes file = log.file;
  damage_file(file, input);
  const Scan found = scan(file, 4096);
  const size_t good = found.zxids.size();
  CHECK(good <= log.entries.size());
  for (size_t i = 0; i < good; ++i) CHECK(found.zxids[i] == Zxid(1, static_cast<uint32_t>(i) + 1));
  const Zxid last = good == 0 ? Zxid() : found.zxids.back();
  std::optional<uint32_t> last_crc;
  if (good != 0) last_crc = crc32c(log.entries[good - 1]);
  Frontier frontier = log.frontier;
  const size_t known = choice % log.entries.size();  // the frontier lags behind
  frontier.zxid = Zxid(1, static_cast<uint32_t>(known) + 1);
  frontier.end_offset = log.ends[known];
  frontier.entry_crc = crc32c(log.entries[known]);
  DamageSurvey survey(last, last_crc, frontier);
  survey.add_file(file, (choice & 0x80) != 0);
  std::string why;
  const std::optional<Damage> damage = survey.conclude(why);
  CHECK(damage ? why.empty() : !why.empty());
  if (!damage) return;
  CHECK(damage->claimed >= frontier.zxid);
  check_survey(*damage, last, log);
}

void run(uint8_t reader, size_t piece, ByteView bytes) {
  switch (reader % 8) {
    case 0:
      return check_log(bytes, piece);
    case 1:
      return check_body(bytes, piece);
    case 2:
      CHECK(read_file(bytes, piece) == read_file(bytes, bytes.size() + 1));
      return;
    case 3:
      return check_frontier(bytes);
    case 4:
      if (const std::optional<Epoch> epoch = parse_epoch_text(bytes)) {
        CHECK(parse_epoch_text(epoch_text(*epoch)) == epoch);
      }
      return;
    case 5:
      return check_trailer(bytes);
    case 6:
      return check_names(as_text(bytes));
    case 7:
      return check_damage(static_cast<Byte>(piece - 1), bytes);
  }
}

}  // namespace
}  // namespace vivarium

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  vivarium::run(data[0], size_t{data[1]} + 1, vivarium::ByteView(data + 2, size - 2));
  return 0;
}
