// Many at once: silent connections, a flood of handshakes, and read-only clients. What they hold is
// bounded, and whoever was there before goes on.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/wire/jute.h"
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

// One of the last to be told asks for something meanwhile: the event is in front of the answer.
TEST(ServerFlood, ManyWatchersAreToldTurnByTurn) {
  constexpr size_t kWatchers = 300;
  constexpr size_t kInATurn = 128;
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
  host.send_frame(watchers.front(), ping());
  host.settle();
  const std::vector<Bytes> last = host.received(watchers.front());
  ASSERT_EQ(last.size(), 2U);
  EXPECT_EQ(decode_reply_header(last[0])->xid, kXidWatchEvent);
  EXPECT_EQ(decode_reply_header(last[1])->xid, kXidPing);
  host.let_pass(2500);
  told += 1;
  for (const LinkId watcher : watchers) told += host.received(watcher).size();
  EXPECT_EQ(told, kWatchers);
  EXPECT_EQ(host.server.watch_count(), 0U);
}

// A multi that changes the data of each.
Bytes set_all(int32_t xid, const std::vector<std::string>& paths) {
  Bytes body;
  for (const std::string& path : paths) {
    JuteWriter part(body);
    part.i32(static_cast<int32_t>(Op::SetData));
    part.boolean(false);
    part.i32(-1);
    encode(SetDataRequest{path, as_bytes("new"), false, -1}, body);
  }
  JuteWriter end(body);
  end.i32(-1);
  end.boolean(true);
  end.i32(-1);
  return request(xid, Op::Multi, body);
}

std::string path_of_event(const Bytes& frame) {
  return std::string(decode_watch_event(ByteView(frame).subspan(16))->path);
}

// A server that tells two watchers a turn, with ten that watch /x and /y for good, and a writer.
struct SlowTelling {
  static constexpr size_t kWatchers = 10;
  static Config config() {
    Config config = ServerHost::default_config();
    config.step_told_max = 2;
    return config;
  }
  ServerHost host{config()};
  LinkId writer = joined(host, "10.0.0.1");
  std::vector<LinkId> watchers;
  std::vector<int32_t> xids;  // of what somebody received last

  SlowTelling() {
    for (const char* path : {"/x", "/y"}) host.send_frame(writer, create(1, path));
    for (size_t i = 0; i < kWatchers; ++i) {
      watchers.push_back(joined(host, address_of(static_cast<int>(i))));
      for (const char* path : {"/x", "/y"}) {
        host.send_frame(watchers.back(), request_of(1, Op::AddWatch, PathVersionRequest{path, 0}));
      }
      host.settle();
      host.received(watchers.back());
    }
    host.received(writer);
    host.commits_by_itself = false;
    host.tells_of_draining = false;
  }
  void turn() {
    ServerParts parts = host.parts();
    if (host.server.deadline() <= host.world.now()) host.server.on_deadline(parts);
    host.server.end_turn(parts);
  }
  std::vector<Bytes> received(LinkId link) {
    std::vector<Bytes> frames = host.received(link);
    xids.clear();
    for (const Bytes& frame : frames) xids.push_back(decode_reply_header(frame)->xid);
    return frames;
  }
};

constexpr int32_t kEvent = kXidWatchEvent;

TEST(ServerFlood, NothingIsAppliedUntilAllAreTold) {
  SlowTelling t;
  t.host.send_frame(t.writer, set_data(2, "/x", "a"));
  t.host.send_frame(t.writer, set_data(3, "/y", "b"));
  t.host.settle();
  EXPECT_EQ(t.host.commit(), 1U);
  EXPECT_FALSE(t.host.server.takes_more());
  size_t turns = 0;
  for (; t.host.commit() == 0; ++turns) {
    t.turn();
    const bool all = t.host.server.takes_more();
    EXPECT_TRUE(all || t.host.server.deadline() <= t.host.world.now());
  }
  EXPECT_EQ(turns, SlowTelling::kWatchers / 2);
  for (size_t i = 0; i < SlowTelling::kWatchers; ++i) t.turn();
  for (const LinkId watcher : t.watchers) {
    const std::vector<Bytes> events = t.received(watcher);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(path_of_event(events[0]), "/x");
    EXPECT_EQ(path_of_event(events[1]), "/y");
  }
}

// Whoever asks for something is told first, once; what it watches from then on is of later changes.
TEST(ServerFlood, WhoAsksMeanwhileIsToldFirst) {
  for (const size_t asks : {size_t{0}, size_t{5}, SlowTelling::kWatchers - 1}) {
    SlowTelling t;
    const LinkId asker = t.watchers[asks];
    t.host.send_frame(t.writer, set_data(2, "/x", "a"));
    t.host.settle();
    EXPECT_EQ(t.host.commit(), 1U);
    t.host.send_frame(asker, read(7, Op::GetData, "/x", true));
    for (size_t i = 0; i < SlowTelling::kWatchers; ++i) t.turn();
    const std::vector<Bytes> frames = t.received(asker);
    EXPECT_EQ(t.xids, (std::vector<int32_t>{kEvent, 7}));
    for (const LinkId watcher : t.watchers) {
      if (watcher == asker) continue;
      EXPECT_EQ(t.received(watcher).size(), 1U);
    }
    t.host.send_frame(t.writer, set_data(3, "/x", "b"));
    t.host.settle();
    EXPECT_EQ(t.host.commit(), 1U);
    for (size_t i = 0; i < SlowTelling::kWatchers; ++i) t.turn();
    for (const LinkId watcher : t.watchers) {
      t.received(watcher);
      EXPECT_EQ(t.xids, std::vector<int32_t>{kEvent});
    }
  }
}

// The events of one txn: in their order to everybody, and all of them before an answer.
TEST(ServerFlood, TheEventsOfAMultiKeepTheirOrder) {
  for (const size_t asks : {size_t{0}, size_t{4}, SlowTelling::kWatchers - 1}) {
    SlowTelling t;
    const LinkId asker = t.watchers[asks];
    t.host.send_frame(t.writer, set_all(2, {"/y", "/x", "/y"}));
    t.host.settle();
    EXPECT_EQ(t.host.commit(), 1U);
    t.turn();
    t.host.send_frame(asker, ping());
    for (size_t i = 0; i < 3 * SlowTelling::kWatchers; ++i) t.turn();
    EXPECT_TRUE(t.host.server.takes_more());
    for (const LinkId watcher : t.watchers) {
      const std::vector<Bytes> frames = t.received(watcher);
      ASSERT_EQ(frames.size(), watcher == asker ? 4U : 3U);
      EXPECT_EQ(path_of_event(frames[0]), "/y");
      EXPECT_EQ(path_of_event(frames[1]), "/x");
      EXPECT_EQ(path_of_event(frames[2]), "/y");
      EXPECT_EQ(t.xids.back(), watcher == asker ? kXidPing : kEvent);
    }
  }
}

// Watchers go while they are told, whoever is next among them, and so does the server's role.
TEST(ServerFlood, WhoIsGoneIsNotWaitedFor) {
  for (size_t gone = 0; gone < SlowTelling::kWatchers; ++gone) {
    SlowTelling t;
    t.host.send_frame(t.writer, set_data(2, "/x", "a"));
    t.host.settle();
    EXPECT_EQ(t.host.commit(), 1U);
    t.turn();
    t.host.break_link(t.watchers[gone]);
    for (size_t i = 0; i < SlowTelling::kWatchers; ++i) t.turn();
    EXPECT_TRUE(t.host.server.takes_more());
    for (const LinkId watcher : t.watchers) {
      if (watcher == t.watchers[gone]) continue;
      EXPECT_EQ(t.received(watcher).size(), 1U);
    }
  }
  SlowTelling t;
  t.host.send_frame(t.writer, set_data(2, "/x", "a"));
  t.host.settle();
  EXPECT_EQ(t.host.commit(), 1U);
  t.host.stop_serving();
  EXPECT_TRUE(t.host.server.takes_more());
  for (const LinkId watcher : t.watchers) EXPECT_EQ(t.received(watcher).size(), 1U);
}

// Reads of /x that a client sends at once.
Bytes pipelined_reads(int32_t count) {
  Bytes out;
  for (int32_t i = 1; i <= count; ++i) {
    ServerHost::append_frame(read(i, Op::Exists, "/x", false), out);
  }
  return out;
}

// A flood of one client's requests is taken a few a turn, and others have their turn in between.
TEST(ServerFlood, RequestsOfOneAreTakenTurnByTurn) {
  Config config = ServerHost::default_config();
  config.step_requests_max = 3;
  ServerHost host(config);
  const LinkId busy = joined(host, "10.0.0.1");
  const LinkId other = joined(host, "10.0.0.2");
  host.send(busy, pipelined_reads(20));
  host.send_frame(other, ping());
  ServerParts parts = host.parts();
  host.server.end_turn(parts);
  EXPECT_EQ(host.received(other).size(), 1U);
  size_t answered = host.received(busy).size();
  EXPECT_EQ(answered, 6U);
  while (answered < 20) {
    EXPECT_LE(host.server.deadline(), host.world.now());
    host.server.on_deadline(parts);
    host.server.end_turn(parts);
    const size_t now = host.received(busy).size();
    EXPECT_GT(now, 0U);
    EXPECT_LE(now, 3U);
    answered += now;
  }
  EXPECT_EQ(answered, 20U);
}

// Who waits for the pipeline takes no share of a turn, and no turn comes for him alone.
TEST(ServerFlood, WhoHasToWaitIsNotTriedAgainAtOnce) {
  Config config = ServerHost::default_config();
  config.step_requests_max = 1;
  ServerHost host(config);
  const LinkId first = joined(host, "10.0.0.1");
  const LinkId second = joined(host, "10.0.0.2");
  const LinkId reader = joined(host, "10.0.0.3");
  host.is_congested = true;
  for (const LinkId link : {first, second}) host.send_frame(link, create(1, "/x"));
  host.send_frame(reader, read(1, Op::Exists, "/x", false));
  ServerParts parts = host.parts();
  for (int turn = 0; turn < 3; ++turn) host.server.end_turn(parts);
  EXPECT_EQ(host.received(reader).size(), 1U);
  EXPECT_GT(host.server.deadline(), host.world.now());
  EXPECT_EQ(host.proposed_count(), 0U);
  host.is_congested = false;
  for (int turn = 0; turn < 3; ++turn) host.server.end_turn(parts);
  EXPECT_EQ(host.proposed_count(), 2U);
}

// Where a turn's share is used up by others, who waits for the pipeline still comes before
// newcomers.
TEST(ServerFlood, NobodyPassesThoseWhoWaitForThePipeline) {
  Config config = ServerHost::default_config();
  config.step_requests_max = 1;
  config.outstanding_requests_max = 1;
  ServerHost host(config);
  const LinkId waiter = joined(host, "10.0.0.1");
  const LinkId reader = joined(host, "10.0.0.2");
  const LinkId first = joined(host, "10.0.0.3");
  const LinkId late = joined(host, "10.0.0.4");
  host.commits_by_itself = false;
  ServerParts parts = host.parts();
  host.send_frame(first, create(1, "/a"));
  host.send(reader, pipelined_reads(30));
  host.send_frame(waiter, create(1, "/b"));
  host.server.end_turn(parts);  // the reader has all of its share
  EXPECT_EQ(host.commit(), 1U);
  host.send_frame(late, create(1, "/c"));
  EXPECT_EQ(host.proposed_count(), 0U);
  for (int turn = 0; turn < 80 && host.proposed_count() == 0; ++turn) host.server.end_turn(parts);
  EXPECT_EQ(host.commit(), 1U);
  host.server.end_turn(parts);
  EXPECT_EQ(host.received(waiter).size(), 1U);
  EXPECT_EQ(host.received(late).size(), 0U);
}

// A write does not overtake the reads in front of it that have to wait for their turn.
TEST(ServerFlood, ReadsThatWaitAreAnsweredBeforeALaterWrite) {
  Config config = ServerHost::default_config();
  config.step_requests_max = 1;
  ServerHost host(config);
  const LinkId client = joined(host, "10.0.0.1");
  host.commits_by_itself = false;
  host.send_frame(client, create(1, "/x"));
  for (int32_t i = 2; i <= 5; ++i) host.send_frame(client, read(i, Op::Exists, "/y", false));
  EXPECT_EQ(host.commit(), 1U);
  host.send_frame(client, create(6, "/y"));
  host.send_frame(client, read(7, Op::Exists, "/y", false));
  EXPECT_EQ(host.commit(), 0U) << "the reads in front of it have still to be answered";
  ServerParts parts = host.parts();
  std::vector<int32_t> xids;
  for (int turn = 0; turn < 20; ++turn) {
    host.server.end_turn(parts);
    host.commit();
    for (const Bytes& frame : host.received(client)) {
      const auto header = decode_reply_header(frame);
      xids.push_back(header->xid);
      const bool finds = header->error == ErrorCode::Ok;
      EXPECT_EQ(finds, header->xid == 1 || header->xid >= 6) << header->xid;
    }
  }
  EXPECT_EQ(xids, (std::vector<int32_t>{1, 2, 3, 4, 5, 6, 7}));
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
