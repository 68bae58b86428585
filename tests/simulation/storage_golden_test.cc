// Data directories of real ZooKeeper 3.8.0 servers, and directories that Apache and we have written
// in turns (RULES 6).
#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/tree/path.h"
#include "tests/simulation/apache_start_conditions.h"
#include "tests/simulation/image_sample.h"
#include "tests/simulation/storage_host.h"
#include "tests/unit/golden_data.h"

namespace vivarium::storage_test {
namespace {

using Image = sim::SimDisk::Image;

Zxid zxid_in(const nlohmann::json& expected) {
  return Zxid{static_cast<uint64_t>(golden::to_i64(expected["last_zxid"]))};
}

// The version-2 folder under `folder` of an archive.
sim::SimDisk disk_of(const std::string& archive, const std::string& folder) {
  sim::SimDisk disk;
  const std::string prefix = folder + "/version-2/";
  for (const auto& [path, content] : golden::read_archive(archive)) {
    if (path.starts_with(prefix)) disk.put(Dir::Snapshots, path.substr(prefix.size()), content);
  }
  return disk;
}

StorageHost recovered(sim::SimDisk disk, Config config) {
  StorageHost host(std::move(disk), std::move(config));
  host.start();
  host.run();
  return host;
}

Config trusting(Config config) {
  config.trust_empty_snapshot = true;
  return config;
}

// What clients of that server saw, as a line for each znode; without /zookeeper/config, which each
// server writes for itself.
std::vector<std::string> node_lines_of(const nlohmann::json& expected) {
  std::vector<std::string> lines;
  for (const auto& node : expected["nodes"]) {
    const auto path = node["path"].get<std::string>();
    if (path == kConfigPath) continue;
    const auto& stat = node["stat"];
    Bytes data;
    Acl acl;
    DataTree::NodeView view;
    view.null_data = node["data"].is_null();
    if (!view.null_data) data = golden::from_hex(node["data"].get<std::string>());
    view.data = data;
    for (const auto& entry : node["acl"]) {
      acl.push_back({entry["perms"].get<int32_t>(), entry["scheme"].get<std::string>(),
                     entry["id"].get<std::string>()});
    }
    view.acl = &acl;
    view.stat = {
        Zxid{stat["czxid"].get<uint64_t>()}, Zxid{stat["mzxid"].get<uint64_t>()},
        stat["ctime"].get<int64_t>(),        stat["mtime"].get<int64_t>(),
        stat["version"].get<int32_t>(),      node["stored"]["cversion"].get<int32_t>(),
        stat["aversion"].get<int32_t>(),     golden::to_i64(node["stored"]["ephemeralOwner"]),
        Zxid{stat["pzxid"].get<uint64_t>()}};
    lines.push_back(node_line(path, view));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::vector<std::string> without_config(const DataTree& tree) {
  std::vector<std::string> lines = node_lines(tree);
  std::erase_if(lines, [](const std::string& line) {
    return line.starts_with("node " + std::string(kConfigPath) + " ");
  });
  return lines;
}

void expect_state(StorageHost& host, const nlohmann::json& expected) {
  EXPECT_EQ(host.storage().recovered().found, Found::Foreign) << host.storage().recovered().reason;
  EXPECT_EQ(host.storage().last_durable(), zxid_in(expected));
  EXPECT_EQ(host.tree().last_applied(), zxid_in(expected));
  EXPECT_EQ(host.tree().digest(),
            static_cast<uint64_t>(golden::to_i64(expected["tree_digest_v2"])));
  EXPECT_EQ(host.tree().sessions().size(), expected["sessions"].size());
  for (const auto& session : expected["sessions"]) {
    const SessionId id{golden::to_i64(session["id"])};
    ASSERT_TRUE(host.tree().sessions().contains(id));
    EXPECT_EQ(host.tree().sessions().at(id), session["timeout"].get<int32_t>());
  }
  EXPECT_EQ(without_config(host.tree()), node_lines_of(expected));
  EXPECT_TRUE(host.storage().member());
  for (const std::string& line : host.world().lines()) {
    EXPECT_EQ(line.find("digest"), std::string::npos) << line;
  }
}

TEST(StorageGolden, AStandaloneServersDirectory) {
  StorageHost host =
      recovered(disk_of("standalone.tar.gz", "standalone"), StorageHost::standalone_config());
  expect_state(host, golden::read_json("data/expected-standalone.json"));
  EXPECT_EQ(host.storage().history().last(), Zxid(0xc6));
  EXPECT_EQ(host.storage().history().size(), 20U);
}

TEST(StorageGolden, FromAnyOfItsSnapshots) {
  const auto expected = golden::read_json("data/expected-standalone.json");
  for (const char* removed : {"snapshot.8a", "snapshot.46"}) {
    sim::SimDisk disk = disk_of("standalone.tar.gz", "standalone");
    disk.erase(Dir::Snapshots, "snapshot.8a");
    disk.erase(Dir::Snapshots, removed);
    StorageHost host = recovered(disk, StorageHost::standalone_config());
    expect_state(host, expected);
  }
}

// As servers before 3.5.3 left it, which began without one: the log holds everything from the first
// txn on. lone_log_test.cc has what only looks like that.
TEST(StorageGolden, WithoutAnySnapshot) {
  sim::SimDisk disk = disk_of("standalone.tar.gz", "standalone");
  for (const char* name : {"snapshot.0", "snapshot.46", "snapshot.8a"}) {
    ASSERT_TRUE(disk.erase(Dir::Snapshots, name));
  }
  {
    StorageHost host = recovered(disk, StorageHost::standalone_config());
    EXPECT_EQ(host.storage().recovered().found, Found::Refused) << "as by ZooKeeper";
  }
  StorageHost host = recovered(disk, trusting(StorageHost::standalone_config()));
  expect_state(host, golden::read_json("data/expected-standalone.json"));
  for (int server = 1; server <= 3; ++server) {
    const std::string name = "ensemble-" + std::to_string(server);
    sim::SimDisk member = disk_of(name + ".tar.gz", name);
    for (const DirEntry& entry : member.list(Dir::Snapshots, Image::Durable)) {
      if (entry.name.starts_with("snapshot.")) member.erase(Dir::Snapshots, entry.name);
    }
    StorageHost again = recovered(member, trusting(StorageHost::small_config()));
    expect_state(again, golden::read_json("data/expected-ensemble.json"));
    EXPECT_EQ(again.storage().accepted_epoch(), 1U);
  }
}

// The state that the log files of a server make, up to a zxid.
DataTree replayed(const std::string& server, const std::vector<std::string>& logs, Zxid upto) {
  const sim::SimDisk disk = disk_of(server + ".tar.gz", server);
  DataTree tree;
  Effects effects;
  for (const std::string& name : logs) {
    for (const Bytes& entry : golden::log_entries(*disk.content(Dir::Logs, name, Image::Durable))) {
      const Result<Txn> txn = decode_txn(entry);
      if (!txn || txn->header.zxid > upto) break;
      tree.apply(*txn, effects);
    }
  }
  return tree;
}

TEST(StorageGolden, WithoutDigests) {
  StorageHost host = recovered(disk_of("standalone-nodigest.tar.gz", "standalone-nodigest"),
                               StorageHost::standalone_config());
  EXPECT_EQ(host.storage().recovered().found, Found::Foreign);
  EXPECT_EQ(host.storage().last_durable(), Zxid(6));
  const auto expected = golden::read_json("data/expected-standalone-nodigest.json");
  EXPECT_EQ(host.tree().digest(),
            static_cast<uint64_t>(golden::to_i64(expected["tree_digest_v2"])));
  EXPECT_EQ(host.tree().sessions().size(), expected["sessions"].size());
  EXPECT_EQ(without_config(host.tree()),
            without_config(replayed("standalone-nodigest", {"log.1"}, Zxid(6))));
  // The same from the log alone.
  sim::SimDisk disk = disk_of("standalone-nodigest.tar.gz", "standalone-nodigest");
  ASSERT_TRUE(disk.erase(Dir::Snapshots, "snapshot.0"));
  StorageHost alone = recovered(disk, trusting(StorageHost::standalone_config()));
  EXPECT_EQ(alone.storage().recovered().found, Found::Foreign);
  EXPECT_EQ(alone.tree().state_hash(), host.tree().state_hash());
}

TEST(StorageGolden, TheServersOfAnEnsemble) {
  const auto expected = golden::read_json("data/expected-ensemble.json");
  Hash128 first;
  for (int server = 1; server <= 3; ++server) {
    const std::string name = "ensemble-" + std::to_string(server);
    StorageHost host = recovered(disk_of(name + ".tar.gz", name), StorageHost::small_config());
    expect_state(host, expected);
    EXPECT_EQ(host.storage().accepted_epoch(), 1U);
    EXPECT_EQ(host.storage().current_epoch(), 1U);
    if (server == 1) first = host.tree().state_hash();
    EXPECT_EQ(host.tree().state_hash(), first) << "server " << server;
  }
}

TEST(StorageGolden, DirectoriesWithADefect) {
  struct Case {
    const char* folder;
    Found found;
    uint64_t last;
    bool trusting = false;  // snapshot.trust.empty
  };
  const std::vector<Case> cases = {
      {"torn", Found::Foreign, 0xc5},      {"torn_pad", Found::Foreign, 0xc5},
      {"noeor", Found::Foreign, 0xc5},     {"hdr_only", Found::Foreign, 0xc6},
      {"bad_snap", Found::Foreign, 0xc6},  {"trunc_snap", Found::Foreign, 0xc6},
      {"empty_log", Found::Foreign, 0xc6},  // as 3.9.3: an empty file holds nothing
      {"badcrc", Found::Refused, 0},       {"badcrc_mid", Found::Refused, 0},
      {"neglen", Found::Refused, 0},       {"biglen", Found::Refused, 0},
      {"no_snap", Found::Refused, 0},      {"no_snap", Found::Foreign, 0xc6, true},
      {"noeor_mid", Found::Refused, 0},  // Apache starts, silently short
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.folder);
    const sim::SimDisk disk = disk_of("edge.tar.gz", std::string("edge/") + c.folder);
    Config config = StorageHost::standalone_config();
    config.trust_empty_snapshot = c.trusting;
    StorageHost host = recovered(disk, config);
    EXPECT_EQ(host.storage().recovered().found, c.found) << host.storage().recovered().reason;
    if (c.found == Found::Foreign) {
      EXPECT_EQ(host.storage().last_durable(), Zxid(c.last));
      EXPECT_EQ(
          without_config(host.tree()),
          without_config(replayed("standalone", {"log.1", "log.48", "log.8c"}, Zxid(c.last))));
      const auto apache = apache_start(host.disk(), true, c.trusting);
      ASSERT_TRUE(apache.has_value()) << apache.error().message;
      EXPECT_EQ(apache->last, Zxid(c.last));
    } else {
      EXPECT_FALSE(host.storage().recovered().reason.empty());
      EXPECT_EQ(host.disk().hash(Image::Cached), disk.hash(Image::Cached)) << "not touched";
    }
  }
}

// The start-up conditions that the crash images are held against say of Apache's own directories
// what a real server did with them.
TEST(StorageGolden, TheStartConditionsAreApaches) {
  for (const char* good : {"torn", "torn_pad", "noeor", "noeor_mid", "hdr_only", "bad_snap"}) {
    const auto start = apache_start(disk_of("edge.tar.gz", std::string("edge/") + good), true);
    EXPECT_TRUE(start.has_value()) << good;
  }
  for (const char* bad : {"badcrc", "badcrc_mid", "neglen", "biglen", "empty_log", "no_snap"}) {
    const auto start = apache_start(disk_of("edge.tar.gz", std::string("edge/") + bad), true);
    EXPECT_FALSE(start.has_value()) << bad;
  }
}

// --- turns

// What Apache does to a directory: it cuts the history behind `keep` (a TRUNC), goes to a new
// epoch, and writes records without trailers into a file of its own.
void apache_turn(sim::SimDisk& disk, StorageHost& before, Zxid keep, Epoch epoch, uint32_t count) {
  DataTree tree;
  Effects effects;
  for (const DirEntry& entry : disk.list(Dir::Logs, Image::Durable)) {
    const std::optional<Zxid> first = parse_log_name(entry.name);
    if (!first) continue;
    if (*first > keep) {
      disk.erase(Dir::Logs, entry.name);
      continue;
    }
    Bytes file = *disk.content(Dir::Logs, entry.name, Image::Durable);
    LogScanner scanner(file.size());
    scanner.feed(file);
    scanner.end();
    while (const ScannedRecord* record = scanner.next()) {
      if (record->zxid > keep) {
        const Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(record->offset));
        disk.put(Dir::Logs, entry.name, cut);
        break;
      }
      effects.clear();
      tree.apply(*decode_txn(record->entry), effects);
    }
  }
  ASSERT_EQ(tree.last_applied(), keep) << "the test's history begins with nothing";
  std::vector<Bytes> entries;
  for (uint32_t counter = 1; counter <= count; ++counter) {
    entries.push_back(make_entry({epoch, counter}, 10, tree));
  }
  if (count != 0) disk.put(Dir::Logs, log_name({epoch, 1}), apache_log(entries));
  disk.put(Dir::Snapshots, kAcceptedName, epoch_text(epoch));
  disk.put(Dir::Snapshots, kCurrentName, epoch_text(epoch));
  before.tree() = tree;  // what the next life should find
}

StorageHost with_history(uint32_t count) {
  StorageHost host(sim::SimDisk{});
  host.found();
  host.storage().save_accepted_epoch(host.world(), 1);
  host.storage().save_current_epoch(host.world(), 1);
  host.append_run(1, 1, count, 40);
  host.run();
  host.apply();
  return host;
}

// The frontier with the intent of a truncation to `keep`, durable, and nothing of it done.
void intend_to_truncate(sim::SimDisk& disk, Zxid keep) {
  Bytes file = *disk.content(Dir::Logs, kFrontierName, Image::Durable);
  const auto slot = [&](size_t i) {
    return decode_frontier(
        ByteView(file).subspan(i * kFrontierSlotStride).first(kFrontierSlotBytes));
  };
  size_t newest = 0;
  if (slot(1) && (!slot(0) || slot(1)->sequence > slot(0)->sequence)) newest = 1;
  Frontier frontier = *slot(newest);
  frontier.acknowledged = frontier.zxid;
  frontier.zxid = frontier.intent_zxid = keep;
  frontier.file_id = frontier.end_offset = 0;
  frontier.entry_crc = 0;
  frontier.intent = Intent::Truncation;
  ++frontier.generation;
  ++frontier.sequence;
  Bytes bytes;
  encode_frontier(frontier, bytes);
  bytes.resize(kFrontierSlotBytes);
  std::copy(bytes.begin(), bytes.end(),
            file.begin() + static_cast<ptrdiff_t>((1 - newest) * kFrontierSlotStride));
  disk.put(Dir::Logs, kFrontierName, file);
}

// Apache does not know of the intent and goes on from all that is there: what the truncation would
// have removed is its history.
TEST(StorageTurns, ApacheGoesOnFromAnIntentThatItCannotRead) {
  for (const uint32_t written : {3U, 0U}) {
    SCOPED_TRACE(written);
    StorageHost host = with_history(20);
    sim::SimDisk disk = host.disk();
    intend_to_truncate(disk, {1, 17});
    {
      StorageHost alone = recovered(disk, StorageHost::small_config());
      EXPECT_EQ(alone.storage().last_durable(), Zxid(1, 17)) << "without Apache it is carried out";
    }
    apache_turn(disk, host, {1, 20}, 2, written);
    StorageHost ours = recovered(disk, StorageHost::small_config());
    ASSERT_EQ(ours.storage().recovered().found, Found::Foreign)
        << ours.storage().recovered().reason;
    EXPECT_EQ(ours.storage().last_durable(), written == 0 ? Zxid(1, 20) : Zxid(2, written));
    EXPECT_EQ(ours.tree().state_hash(), host.tree().state_hash());
    EXPECT_EQ(ours.storage().frontier().intent, Intent::None);
  }
}

TEST(StorageTurns, OursThenApacheThenOurs) {
  for (const uint32_t written : {3U, 0U}) {
    SCOPED_TRACE(written);
    StorageHost host = with_history(20);
    sim::SimDisk disk = host.disk();
    apache_turn(disk, host, {1, 17}, 2, written);
    StorageHost ours = recovered(disk, StorageHost::small_config());
    ASSERT_EQ(ours.storage().recovered().found, Found::Foreign)
        << ours.storage().recovered().reason;
    const Zxid last = written == 0 ? Zxid(1, 17) : Zxid(2, written);
    EXPECT_EQ(ours.storage().last_durable(), last);
    EXPECT_EQ(ours.tree().state_hash(), host.tree().state_hash());
    EXPECT_EQ(ours.storage().current_epoch(), 2U);
    EXPECT_EQ(ours.storage().frontier().current_epoch, 2U);

    // Ours goes on, with an anchor, and takes a snapshot at the first occasion.
    ours.append_run(2, written + 1, written + 5);
    ours.run();
    ours.apply();
    ours.storage().maybe_snapshot(ours.world(), ours.tree());
    ours.run();
    const std::string snapshot = snapshot_name({2, written + 5});
    EXPECT_TRUE(ours.disk().content(Dir::Snapshots, snapshot, Image::Durable));
    for (const bool with_snapshot : {true, false}) {
      sim::SimDisk copy = ours.disk();
      if (!with_snapshot) copy.erase(Dir::Snapshots, snapshot);
      StorageHost again = recovered(copy, StorageHost::small_config());
      EXPECT_EQ(again.storage().recovered().found, Found::Whole)
          << again.storage().recovered().reason;
      EXPECT_EQ(again.storage().last_durable(), Zxid(2, written + 5));
      EXPECT_EQ(again.tree().state_hash(), ours.tree().state_hash());
      const auto apache = apache_start(again.disk(), false);
      ASSERT_TRUE(apache.has_value()) << apache.error().message;
      EXPECT_EQ(apache->last, Zxid(2, written + 5));
    }
  }
}

// We crash in the middle of a write, Apache takes the torn record for the end of the file and goes
// on.
TEST(StorageTurns, ApacheGoesOnBehindOurTornTail) {
  StorageHost host = with_history(4);
  sim::SimDisk disk = host.disk();
  std::string newest;
  for (const DirEntry& entry : disk.list(Dir::Logs, Image::Durable)) {
    if (parse_log_name(entry.name)) newest = entry.name;
  }
  Bytes file = *disk.content(Dir::Logs, newest, Image::Durable);
  size_t end = file.size();
  while (file[end - 1] == 0) --end;
  // The head of a record and nothing behind the sector's end.
  const size_t sector_end = (end / kSectorBytes + 1) * kSectorBytes;
  ASSERT_LT(end + kRecordHeadBytes, sector_end);
  put_u64(&file[end], 0x12345678);
  put_u32(&file[end + 8], 400);
  for (size_t i = end + kRecordHeadBytes; i < sector_end; ++i) file[i] = 7;
  disk.put(Dir::Logs, newest, file);
  apache_turn(disk, host, {1, 4}, 2, 4);
  StorageHost ours = recovered(disk, StorageHost::small_config());
  ASSERT_EQ(ours.storage().recovered().found, Found::Foreign) << ours.storage().recovered().reason;
  EXPECT_EQ(ours.storage().last_durable(), Zxid(2, 4));
  EXPECT_EQ(ours.tree().state_hash(), host.tree().state_hash());
  ours.append_run(2, 5, 6);
  ours.run();
  StorageHost again = recovered(ours.disk(), StorageHost::small_config());
  EXPECT_EQ(again.storage().recovered().found, Found::Whole) << again.storage().recovered().reason;
  EXPECT_EQ(again.storage().last_durable(), Zxid(2, 6));
}

// A record of ours rots, and Apache has gone on behind it: nobody may guess what was there.
TEST(StorageTurns, RotBehindApachesBackIsRefused) {
  StorageHost host = with_history(8);
  sim::SimDisk disk = host.disk();
  apache_turn(disk, host, {1, 8}, 2, 4);
  std::string first;
  for (const DirEntry& entry : disk.list(Dir::Logs, Image::Durable)) {
    if (parse_log_name(entry.name) == Zxid(1, 1)) first = entry.name;
  }
  ASSERT_TRUE(disk.flip_bit(Dir::Logs, first, 8 * 300));
  StorageHost ours = recovered(disk, StorageHost::small_config());
  EXPECT_EQ(ours.storage().recovered().found, Found::Refused);
}

}  // namespace
}  // namespace vivarium::storage_test
