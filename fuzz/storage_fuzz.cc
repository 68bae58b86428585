// libFuzzer over what storage reads from disks and takes from leaders: log files, snapshots (files
// and bodies), the frontier, epoch files. The first byte selects the reader, the second the size of
// pieces. What is read must not depend on the pieces; no size that a file names costs more than its
// bytes.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/check.h"
#include "core/storage/epochs.h"
#include "core/storage/log_scanner.h"
#include "core/storage/record.h"
#include "core/storage/snapshot.h"

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

void run(uint8_t reader, size_t piece, ByteView bytes) {
  switch (reader % 5) {
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
  }
}

}  // namespace
}  // namespace vivarium

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  vivarium::run(data[0], size_t{data[1]} + 1, vivarium::ByteView(data + 2, size - 2));
  return 0;
}
