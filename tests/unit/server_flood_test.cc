// Many at once: silent connections, a flood of handshakes, and read-only clients. What they hold is
// bounded, and whoever was there before goes on.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

std::string address_of(int i) { return fmt::format("10.1.{}.{}", i / 200, i % 200); }

TEST(ServerFlood, FiveThousandSilentConnectionsHoldLittleAndGo) {
  constexpr int kSilent = 5000;
  ServerHost host;
  const LinkId client = joined(host, "10.0.0.1");
  std::vector<LinkId> silent;
  for (int i = 0; i < kSilent; ++i) {
    silent.push_back(host.open(address_of(i)));
    Bytes part(4);
    put_u32(part.data(), 1000);
    part.resize(900);
    if (i % 2 == 0) host.send(silent.back(), part);
  }
  host.settle();
  EXPECT_EQ(host.server.connection_count(), size_t{kSilent} + 1);
  uint64_t held = 0;
  for (const LinkId link : silent) {
    held += host.server.bytes_held(link);
    EXPECT_LE(host.world.links_.at(link).credit_given, 1024U);
  }
  EXPECT_LE(held, uint64_t{kSilent} * 1024);
  host.send_frame(client, create(1, "/x"));
  host.settle();
  EXPECT_EQ(host.received(client).size(), 1U);
  host.let_pass(5000);
  host.send_frame(client, ping());
  host.let_pass(5500);
  for (const LinkId link : silent) EXPECT_EQ(host.end_of(link), LinkEnd::Aborted);
  EXPECT_EQ(host.server.connection_count(), 1U);
  EXPECT_EQ(host.world.counts_["sessionless_connections_expired"], kSilent);
  host.send_frame(client, create(2, "/y"));
  host.settle();
  EXPECT_EQ(host.received(client).size(), 2U);
}

TEST(ServerFlood, HandshakesTakeTheirTurnsInThePipeline) {
  constexpr int kFlood = 2000;
  Config config = ServerHost::default_config();
  config.outstanding_requests_max = 100;
  ServerHost host(config);
  const LinkId client = joined(host, "10.0.0.1");
  host.commits_by_itself = false;
  std::vector<LinkId> flood;
  for (int i = 0; i < kFlood; ++i) {
    flood.push_back(host.open(address_of(i)));
    host.send_frame(flood.back(), connect_request());
  }
  host.settle();
  EXPECT_EQ(host.proposed_count(), 100U);
  host.send_frame(client, set_data(1, "/none", ""));
  host.send_frame(client, read(2, Op::Exists, "/"));
  host.settle();
  size_t rounds = 0;
  for (; host.received(client).empty() && rounds < 100; ++rounds) {
    EXPECT_LE(host.proposed_count(), 100U);
    host.commit();
    host.settle();
  }
  // It stood behind those who had come before it, and nobody came in between.
  EXPECT_LE(rounds, size_t{kFlood} / 100 + 2);
  host.commits_by_itself = true;
  host.settle();
  size_t answered = 0;
  for (const LinkId link : flood) answered += host.received(link).size();
  EXPECT_EQ(answered, size_t{kFlood});
}

// The last watcher asks for something meanwhile: the event is in front of the answer.
TEST(ServerFlood, ManyWatchersAreToldTurnByTurn) {
  constexpr size_t kWatchers = 300;
  constexpr size_t kInATurn = 64;
  ServerHost host;
  const LinkId writer = joined(host, "10.0.0.1");
  host.send_frame(writer, create(1, "/x"));
  std::vector<LinkId> watchers;
  for (size_t i = 0; i < kWatchers; ++i) {
    watchers.push_back(joined(host, address_of(static_cast<int>(i))));
    host.send_frame(watchers.back(), read(1, Op::GetData, "/x", true));
    host.settle();
    EXPECT_EQ(host.received(watchers.back()).size(), 1U);
  }
  host.received(writer);
  host.tells_of_draining = false;  // one settle() is one turn
  host.send_frame(writer, set_data(2, "/x", "new"));
  host.settle();
  EXPECT_EQ(host.received(writer).size(), 1U);
  size_t told = 0;
  for (const LinkId watcher : watchers) told += host.received(watcher).size();
  EXPECT_EQ(told, kInATurn);
  EXPECT_LE(host.server.deadline(), host.world.now());
  host.send_frame(watchers.back(), ping());
  host.settle();
  const std::vector<Bytes> last = host.received(watchers.back());
  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(decode_reply_header(last[0])->xid, kXidWatchEvent);
  EXPECT_EQ(decode_reply_header(last[1])->xid, kXidPing);
  host.let_pass(2500);
  told += 1;
  for (const LinkId watcher : watchers) told += host.received(watcher).size();
  EXPECT_EQ(told, kWatchers);
  EXPECT_EQ(host.server.watch_count(), 0U);
}

// Somebody with many watches goes: nobody is told in its place, and it may go on while the server
// stops.
TEST(ServerFlood, TheWatchesOfWhoIsGoneGoTurnByTurn) {
  constexpr int kWatches = 3000;
  ServerHost host;
  const LinkId other = joined(host, "10.0.0.1");
  host.send_frame(other, read(1, Op::Exists, "/w0", true));
  for (const bool stops : {false, true}) {
    const LinkId gone = joined(host, "10.0.0.2");
    for (int i = 0; i < kWatches; ++i) {
      host.send_frame(gone, read(i + 1, Op::Exists, fmt::format("/w{}", i), true));
    }
    host.settle();
    EXPECT_EQ(host.received(gone).size(), size_t{kWatches});
    const size_t before = host.server.watch_count();
    host.break_link(gone);
    EXPECT_LT(host.server.watch_count(), before);
    EXPECT_GT(host.server.watch_count(), size_t{kWatches} / 2);
    if (stops) {
      host.stop_serving();
      EXPECT_EQ(host.server.watch_count(), 0U);
      continue;
    }
    host.received(other);
    host.send_frame(other, create(2, "/w0"));
    host.settle();
    EXPECT_EQ(host.received(other).size(), 2U);  // the event and the answer
    host.let_pass(2500);
    EXPECT_EQ(host.server.watch_count(), 0U);
  }
}

TEST(ServerFlood, MembersShareTheLimitOfRequests) {
  Config config = ServerHost::default_config();
  config.outstanding_requests_max = 8;
  for (int64_t id = 1; id <= 5; ++id) config.members.push_back({ServerId{id}, {}, {}});
  ServerHost host(config);
  const LinkId client = joined(host, "10.0.0.1");
  host.commits_by_itself = false;
  for (int32_t xid = 1; xid <= 10; ++xid) host.send_frame(client, set_data(xid, "/none", ""));
  host.settle();
  EXPECT_EQ(host.proposed_count(), 2U);
}

TEST(ServerFlood, TheThrottleIsAnotherLimit) {
  Config config = ServerHost::default_config();
  config.throttle_requests_max = 3;
  ServerHost host(config);
  const LinkId client = joined(host, "10.0.0.1");
  host.commits_by_itself = false;
  for (int32_t xid = 1; xid <= 10; ++xid) host.send_frame(client, set_data(xid, "/none", ""));
  host.settle();
  EXPECT_EQ(host.proposed_count(), 3U);
}

TEST(ServerReadOnly, WithoutLocalSessionsTheAnswerIsAReplyHeader) {
  ServerHost host;
  const LinkId writer = joined(host, "10.0.0.1");
  host.send_frame(writer, create(1, "/x"));
  host.settle();
  host.stop_serving();
  host.start_read_only();
  const LinkId link = host.open();
  host.send_frame(link, connect_request({}, 10'000, {}, std::nullopt, true));
  host.settle();
  const auto frames = host.received(link);
  ASSERT_EQ(frames.size(), 1U);
  ASSERT_EQ(frames[0].size(), 16U) << "as captured with Apache";
  const ReplyHeader header = decode_reply_header(frames[0]).value();
  EXPECT_EQ(header.xid, 0);
  EXPECT_EQ(header.zxid, host.tree.last_applied().wire());
  EXPECT_EQ(header.error, ErrorCode::NotReadOnly);
  EXPECT_NE(host.end_of(link), LinkEnd::Open);
  EXPECT_EQ(host.server.connection_count(), 0U);
}

TEST(ServerLocalSessions, WritesAreMarkedUntilTheSessionIsTheEnsembles) {
  Config config = ServerHost::default_config();
  config.local_sessions = config.local_sessions_upgrade = true;
  for (int64_t id = 1; id <= 3; ++id) config.members.push_back({ServerId{id}, {}, {}});
  ServerHost host(config);
  const LinkId link = joined(host, "10.0.0.1");
  EXPECT_TRUE(host.tree.sessions().empty());
  EXPECT_EQ(host.server.local_session_count(), 1U);
  host.send_frame(link, create(1, "/x"));
  host.settle();
  EXPECT_TRUE(host.last_was_local);
  host.send_frame(link, create(2, "/x/e", "", CreateFlag::Ephemeral));
  host.settle();
  EXPECT_FALSE(host.last_was_local);
  EXPECT_EQ(host.tree.sessions().size(), 1U);
  EXPECT_EQ(host.server.local_session_count(), 0U);
  EXPECT_EQ(host.received(link).size(), 2U);
  host.send_frame(link, close_session(3));
  host.settle();
  EXPECT_TRUE(host.tree.sessions().empty());
  EXPECT_EQ(host.tree.find("/x/e"), DataTree::kNone);
}

// Its end is answered by its server alone, and is as quick as that.
TEST(ServerLocalSessions, TheirEndHasALatencyLikeAnything) {
  Config config = ServerHost::default_config();
  config.local_sessions = config.local_sessions_upgrade = true;
  for (int64_t id = 1; id <= 3; ++id) config.members.push_back({ServerId{id}, {}, {}});
  ServerHost host(config);
  host.let_pass(3'600'000);
  const LinkId link = joined(host, "10.0.0.1");
  host.send_frame(link, close_session(1));
  host.settle();
  EXPECT_EQ(host.server.local_session_count(), 0U);
  EXPECT_LT(host.server.stats().latency.max_ms, 1000);
}

TEST(ServerLocalSessions, ALostUpgradeAsksNobodyElse) {
  Config config = ServerHost::default_config();
  config.local_sessions = config.local_sessions_upgrade = true;
  for (int64_t id = 1; id <= 3; ++id) config.members.push_back({ServerId{id}, {}, {}});
  ServerHost host(config);
  const LinkId link = joined(host, "10.0.0.1");
  // The leader stands down while it takes the createSession: the connection is gone with it.
  host.stops_at_submit = true;
  host.send_frame(link, create(1, "/e", "", CreateFlag::Ephemeral));
  EXPECT_NE(host.end_of(link), LinkEnd::Open);
  EXPECT_EQ(host.server.connection_count(), 0U);
}

}  // namespace
}  // namespace vivarium::server_test
