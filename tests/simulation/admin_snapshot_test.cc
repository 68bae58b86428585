// The AdminServer's command `snapshot` on a whole server in the simulator: what it sends is an
// exact snapshot and the file on the disk, whoever reads it how slowly, and whatever happens
// meanwhile.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>

#include "core/storage/snapshot.h"
#include "tests/simulation/admin_bench.h"

namespace vivarium::sim {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kGet =
    "GET /commands/snapshot HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    "Authorization: digest admin:secret\r\n\r\n";

Config config_of(int64_t pause_ms = 0) {
  Config config = AdminBench::default_config();
  config.snapshots_kept = 1;
  config.admin.snapshot_pause_ms = pause_ms;
  return config;
}

struct Fetched {
  explicit Fetched(const std::string& answer)
      : head(answer.substr(0, answer.find("\r\n\r\n") + 2)),
        body(answer.substr(std::min(answer.size(), head.size() + 2))) {}
  std::string header(const std::string& name) const {
    const size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const size_t start = at + name.size() + 4;
    return head.substr(start, head.find("\r\n", start) - start);
  }
  Zxid zxid() const { return Zxid(std::stoull(header("last_zxid"), nullptr, 16)); }
  std::string file_name() const { return "snapshot." + header("last_zxid").substr(2); }
  std::string head;
  std::string body;
};

std::optional<Bytes> on_disk(AdminBench& bench, const std::string& name) {
  return bench.sim.disk(AdminBench::kServer).content(Dir::Snapshots, name, SimDisk::Image::Cached);
}

void create_some(AdminBench& bench, LinkId client, int32_t from, int32_t to, size_t bytes) {
  const Bytes data(bytes, 'x');
  for (int32_t xid = from; xid <= to; ++xid) {
    const std::string path = fmt::format("/n{}", xid);
    CreateRequest request;
    request.path = path;
    request.data = data;
    request.acl = {AclEntry{kPermAll, "world", "anyone"}};
    bench.call(client, xid, Op::Create, request);
    ASSERT_TRUE(bench.until([&] { return bench.node().tree().find(path) != DataTree::kNone; }));
  }
}

TEST(AdminSnapshot, IsTheStateAtItsZxidAndTheFileOnTheDisk) {
  AdminBench bench(config_of());
  const LinkId client = bench.open_session();
  create_some(bench, client, 1, 30, 1000);
  const Fetched got(bench.ask(kGet, kAdminPort));
  ASSERT_THAT(got.head,
              StartsWith("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"));
  EXPECT_EQ(got.zxid(), bench.node().tree().last_applied());
  EXPECT_EQ(got.header("snapshot_size"), std::to_string(got.body.size()));
  const std::optional<Bytes> file = on_disk(bench, got.file_name());
  ASSERT_TRUE(file);
  EXPECT_EQ(as_text(*file), got.body);
  DataTree tree;
  tree.clear();
  SnapshotFileReader reader;
  ASSERT_TRUE(reader.feed(as_bytes(got.body), tree));
  const auto seals = reader.finish();
  ASSERT_TRUE(seals);
  EXPECT_EQ(seals->digest_zxid, got.zxid());
  EXPECT_EQ(seals->digest, tree.digest());
  tree.set_last_applied(got.zxid());
  EXPECT_EQ(tree.state_hash(), bench.node().tree().state_hash());
  // Nothing has come since: there is no other file to be written.
  const Fetched again(bench.ask(kGet, kAdminPort));
  EXPECT_EQ(again.body, got.body);
}

TEST(AdminSnapshot, OneInATime) {
  AdminBench bench(config_of(10'000));
  EXPECT_THAT(bench.ask(kGet, kAdminPort), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(bench.ask(kGet, kAdminPort), StartsWith("HTTP/1.1 429 "));
  bench.run(milliseconds(10'000));
  EXPECT_THAT(bench.ask(kGet, kAdminPort), StartsWith("HTTP/1.1 200 "));
}

// A reader takes a little and stops. It costs one portion, its file is purged meanwhile, clients go
// on; and when it reads on it gets the rest of that same file.
TEST(AdminSnapshot, ASlowReaderGetsWhatItBeganToRead) {
  Config config = config_of();
  config.snapshot_every_txns = 10;
  AdminBench bench(config);
  const LinkId client = bench.open_session();
  create_some(bench, client, 1, 40, 40'000);
  const Zxid wanted = bench.node().tree().last_applied();
  bench.asker.credit = 20'000;
  const LinkId slow = bench.connect(kAdminPort);
  bench.send(slow, kGet);
  ASSERT_TRUE(bench.until([&] { return bench.received(slow).size() >= 20'000; }));
  const std::string name = Fetched(bench.received(slow)).file_name();
  ASSERT_TRUE(on_disk(bench, name));
  bench.asker.credit = UINT64_MAX;
  create_some(bench, client, 41, 70, 10);
  const Fetched busy(bench.ask(kGet, kAdminPort));
  EXPECT_THAT(busy.head, StartsWith("HTTP/1.1 429 ")) << "one at a time";
  EXPECT_TRUE(bench.until([&] { return !on_disk(bench, name); })) << "purged behind newer ones";
  bench.run(milliseconds(5'000));
  EXPECT_EQ(bench.received(slow).size(), 20'000U);
  bench.sim.act(AdminBench::kAsker, bench,
                [&](World& world) { world.give_credit(slow, uint64_t{1} << 40); });
  ASSERT_TRUE(bench.until([&] { return bench.ended(slow); }));
  const Fetched got(bench.received(slow));
  EXPECT_EQ(got.header("snapshot_size"), std::to_string(got.body.size()));
  EXPECT_GE(got.zxid(), wanted);
  EXPECT_GT(got.body.size(), 40U * 40'000U);
  SnapshotFileReader reader;
  DataTree tree;
  tree.clear();
  ASSERT_TRUE(reader.feed(as_bytes(got.body), tree));
  EXPECT_TRUE(reader.finish());
}

TEST(AdminSnapshot, AReaderThatReadsNoMoreIsDropped) {
  AdminBench bench(config_of());
  const LinkId client = bench.open_session();
  create_some(bench, client, 1, 40, 40'000);
  bench.asker.credit = 20'000;
  const LinkId slow = bench.connect(kAdminPort);
  bench.send(slow, kGet);
  ASSERT_TRUE(bench.until([&] { return bench.ended(slow); }));
  bench.asker.credit = UINT64_MAX;
  EXPECT_THAT(bench.ask(kGet, kAdminPort), StartsWith("HTTP/1.1 200 "))
      << "the place is free again";
}

TEST(AdminSnapshot, AReaderMayLeaveAtAnyTime) {
  for (int64_t us = 100; us < 200'000; us = us * 3 / 2) {
    AdminBench bench(config_of());
    const LinkId client = bench.open_session();
    create_some(bench, client, 1, 5, 100'000);
    const LinkId link = bench.connect(kAdminPort);
    bench.send(link, kGet);
    bench.run(microseconds(us));
    bench.close(link);
    bench.run(milliseconds(1'000));
    const Fetched got(bench.ask(kGet, kAdminPort));
    EXPECT_EQ(got.header("snapshot_size"), std::to_string(got.body.size())) << us;
  }
}

}  // namespace
}  // namespace vivarium::sim
