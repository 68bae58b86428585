#include "tests/simulation/apache_start_conditions.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "core/base/hash.h"
#include "core/storage/record.h"
#include "core/storage/snapshot.h"
#include "core/wire/txn.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;
constexpr uint64_t kReasonableLength = 2 * 0xfffff;

struct Named {
  Zxid zxid;
  std::string name;
};

// Util.getZxidFromName: split at dots, the first part is the prefix, the second parses as hex.
std::optional<Zxid> zxid_of(const std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() <= prefix.size() || name[prefix.size()] != '.') {
    return std::nullopt;
  }
  std::string_view hex = std::string_view(name).substr(prefix.size() + 1);
  hex = hex.substr(0, hex.find('.'));
  uint64_t value = 0;
  const auto end = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
  if (hex.empty() || end.ec != std::errc{} || end.ptr != hex.data() + hex.size()) {
    return std::nullopt;
  }
  return Zxid{value};
}

std::vector<Named> sorted_names(const sim::SimDisk& disk, Dir dir, std::string_view prefix) {
  std::vector<Named> found;
  for (const DirEntry& entry : disk.list(dir, Image::Durable)) {
    if (const auto zxid = zxid_of(entry.name, prefix)) found.push_back({*zxid, entry.name});
  }
  std::sort(found.begin(), found.end(),
            [](const Named& a, const Named& b) { return a.zxid < b.zxid; });
  return found;
}

bool looks_like_a_snapshot(const Bytes& file) {
  const Bytes tail = {0, 0, 0, 1, '/'};
  return file.size() >= 10 && std::equal(tail.begin(), tail.end(), file.end() - 5);
}

bool load_snapshot(const Bytes& file, DataTree& tree) {
  tree.clear();
  SnapshotFileReader reader;
  reader.feed(file, tree);
  return reader.finish().has_value();
}

// Reads one log file as FileTxnIterator does. Error: it throws.
Result<bool> replay(const std::string& name, const Bytes& file, ApacheStart& start) {
  if (file.size() < 16) return fail(name + " has no header");
  if (get_u32(file.data()) != 0x5a4b4c47) return fail(name + " has a wrong magic number");
  Effects effects;
  size_t at = 16;
  while (true) {
    if (file.size() - at < 12) return true;
    const uint64_t checksum = get_u64(file.data() + at);
    const auto length = static_cast<int32_t>(get_u32(file.data() + at + 8));
    if (length == 0) return true;
    const std::string where = name + " at " + std::to_string(at);
    if (length < 0 || static_cast<uint64_t>(length) > kReasonableLength) {
      return fail(where + ": unreasonable length");
    }
    const auto bytes = static_cast<size_t>(length);
    if (file.size() - at < 12 + bytes + 1) return true;
    const ByteView covered = ByteView(file).subspan(at + 12, bytes);
    if (file[at + 12 + bytes] != 'B') return true;
    if (adler32(covered) != checksum) return fail(where + ": CRC check failed");
    at += 12 + bytes + 1;
    // It stops reading behind the digest: a record of ours is decoded without its trailer.
    const std::optional<Trailer> trailer = decode_trailer(covered);
    const ByteView entry = covered.first(bytes - (trailer ? kTrailerBytes : 0));
    const Result<Txn> txn = decode_txn(entry);
    if (!txn.has_value()) return fail(where + ": " + txn.error().message);
    if (trailer && !txn->digest) return fail(where + ": a trailer where the digest should be");
    if (txn->header.zxid <= start.last) continue;
    effects.clear();
    start.tree.apply(*txn, effects);
    start.last = txn->header.zxid;
  }
}

std::optional<Epoch> epoch_file(const sim::SimDisk& disk, std::string_view name, bool& broken) {
  const std::optional<Bytes> content = disk.content(Dir::Snapshots, name, Image::Durable);
  if (!content) return std::nullopt;
  const std::string_view text = as_text(*content);
  Epoch value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  broken = text.empty() || end.ec != std::errc{} || end.ptr != text.data() + text.size();
  return value;
}

// QuorumPeer.loadDataBase.
Result<bool> check_epochs(const sim::SimDisk& disk, ApacheStart& start) {
  bool broken = false;
  const Epoch last = start.last.epoch();
  const std::optional<Epoch> current = epoch_file(disk, "currentEpoch", broken);
  if (broken) return fail("currentEpoch cannot be read");
  start.current = current.value_or(last);
  if (last > start.current) {
    const std::optional<Epoch> tmp = epoch_file(disk, "currentEpoch.tmp", broken);
    if (!tmp) return fail("the current epoch is older than the last zxid");
    if (broken) return fail("currentEpoch.tmp cannot be read");
    start.current = *tmp;
  }
  const std::optional<Epoch> accepted = epoch_file(disk, "acceptedEpoch", broken);
  if (broken) return fail("acceptedEpoch cannot be read");
  start.accepted = accepted.value_or(last);
  if (start.accepted < start.current) return fail("the accepted epoch is below the current epoch");
  return true;
}

}  // namespace

Result<ApacheStart> apache_start(const sim::SimDisk& disk, bool standalone, bool trust_empty) {
  ApacheStart start;
  const std::vector<Named> snapshots = sorted_names(disk, Dir::Snapshots, "snapshot");
  const std::vector<Named> logs = sorted_names(disk, Dir::Logs, "log");
  bool loaded = false;
  for (auto s = snapshots.rbegin(); s != snapshots.rend() && !loaded; ++s) {
    const Bytes file = *disk.content(Dir::Snapshots, s->name, Image::Durable);
    loaded = looks_like_a_snapshot(file) && load_snapshot(file, start.tree);
    if (loaded) start.last = s->zxid;
  }
  if (!loaded) {
    start.tree = DataTree();
    start.last = Zxid{};
    if (!snapshots.empty()) return fail("no valid snapshot");
  }
  size_t from = 0;
  for (size_t i = 0; i < logs.size(); ++i) {
    if (logs[i].zxid.value <= start.last.value + 1) from = i;
  }
  start.tree.set_last_applied(start.last);
  const Zxid base = start.last;
  for (size_t i = from; i < logs.size(); ++i) {
    const Bytes file = *disk.content(Dir::Logs, logs[i].name, Image::Durable);
    const Result<bool> read = replay(logs[i].name, file, start);
    if (!read.has_value()) return fail(read.error().message);
  }
  if (!loaded) {
    start.fresh = start.last == base;
    if (!start.fresh && !trust_empty) return fail("no snapshot, but a log with transactions");
  }
  if (!standalone) {
    const Result<bool> epochs = check_epochs(disk, start);
    if (!epochs.has_value()) return fail(epochs.error().message);
  }
  return start;
}

}  // namespace vivarium::storage_test
