// What bounds a server's clients: bytes before a session, connections, deadlines, frames, requests
// under way, output that nobody reads. Whoever goes too far pays alone.
#include <gtest/gtest.h>

#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

ReplyHeader header_of(ByteView frame) { return decode_reply_header(frame).value(); }

std::vector<int32_t> xids_of(const std::vector<Bytes>& frames) {
  std::vector<int32_t> xids;
  for (const Bytes& frame : frames) xids.push_back(header_of(frame).xid);
  return xids;
}

std::vector<int32_t> numbers(int32_t from, int32_t to) {
  std::vector<int32_t> out;
  for (int32_t i = from; i <= to; ++i) out.push_back(i);
  return out;
}

TEST(ServerLimits, BeforeASessionAtMostOneKibibyteArrives) {
  ServerHost host;
  host.commits_by_itself = false;
  const LinkId slow = host.open();
  Bytes unfinished(4);
  put_u32(unfinished.data(), 1020);
  host.send(slow, unfinished);
  for (int i = 0; i < 1019; ++i) host.send(slow, Bytes(1));
  // One whose session is being created, with requests behind the ConnectRequest.
  const LinkId eager = host.open();
  host.send_frame(eager, connect_request());
  for (int i = 0; i < 100; ++i) host.send_frame(eager, ping());
  host.settle();
  for (const LinkId link : {slow, eager}) {
    EXPECT_EQ(host.end_of(link), LinkEnd::Open);
    EXPECT_LE(host.world.links_.at(link).arrived, 1024U);
    EXPECT_GT(host.server.bytes_held(link), 900U);
    EXPECT_LE(host.server.bytes_held(link), 1024U);
  }
  host.commits_by_itself = true;
  host.settle();
  EXPECT_EQ(host.received(eager).size(), 101U);
}

TEST(ServerLimits, AListingBeyondAllBuffersIsAnErrorAndNothingElse) {
  ServerHost host;
  const LinkId link = joined(host, "10.0.0.1");
  const std::string name(1'000'000, 'n');
  for (int32_t i = 1; i <= 68; ++i) {
    host.send_frame(link, create(i, "/" + name + std::to_string(i)));
    host.settle();
    ASSERT_EQ(header_of(host.received(link).back()).error, ErrorCode::Ok);
  }
  host.send_frame(link, read(69, Op::GetChildren2, "/"));
  host.send_frame(link, read(70, Op::GetData, "/"));
  host.settle();
  const std::vector<Bytes> answers = host.received(link);
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(header_of(answers[0]).error, ErrorCode::MarshallingError);
  EXPECT_EQ(answers[0].size(), 16U);
  EXPECT_EQ(header_of(answers[1]).error, ErrorCode::Ok);
}

TEST(ServerLimits, AFirstFrameThatCannotFitIsRefusedByItsLength) {
  ServerHost host;
  for (const uint32_t length : {1021U, 0x100000U, 0x7fffffffU, 0xffffffffU, 0x72756f6cU}) {
    const LinkId link = host.open();
    Bytes start(4);
    put_u32(start.data(), length);
    host.send(link, start);
    EXPECT_NE(host.end_of(link), LinkEnd::Open) << length;
    EXPECT_TRUE(host.received(link).empty());
  }
  EXPECT_EQ(host.server.connection_count(), 0U);
}

TEST(ServerLimits, AConnectionWithoutASessionHasADeadline) {
  ServerHost host;
  const LinkId silent = host.open();
  host.let_pass(1000);
  const LinkId busy = host.open();
  join(host, busy);
  EXPECT_EQ(host.server.deadline(), Instant{1'000'000'000} + milliseconds(10'000));
  host.let_pass(8'500);
  host.send_frame(busy, ping());
  EXPECT_EQ(host.end_of(silent), LinkEnd::Open);
  host.let_pass(500);
  EXPECT_EQ(host.end_of(silent), LinkEnd::Aborted);
  EXPECT_EQ(host.end_of(busy), LinkEnd::Open);
  EXPECT_EQ(host.server.deadline(), Instant::never());
}

TEST(ServerLimits, ConnectionsAreCountedPerAddressAndInAll) {
  Config config = ServerHost::default_config();
  config.connections_per_address_max = 2;
  config.connections_max = 3;
  ServerHost host(config);
  const LinkId first = host.open("10.0.0.1");
  EXPECT_EQ(host.end_of(host.open("10.0.0.1")), LinkEnd::Open);
  EXPECT_NE(host.end_of(host.open("10.0.0.1")), LinkEnd::Open);
  EXPECT_EQ(host.end_of(host.open("10.0.0.2")), LinkEnd::Open);
  EXPECT_NE(host.end_of(host.open("10.0.0.3")), LinkEnd::Open);
  host.break_link(first);
  EXPECT_EQ(host.end_of(host.open("10.0.0.1")), LinkEnd::Open);
  EXPECT_EQ(host.world.counts_["connection_rejected"], 2);
}

TEST(ServerLimits, ALargestFrameIsTakenInSmallWindows) {
  ServerHost host;
  const LinkId link = host.open();
  join(host, link);
  // Exactly jute.maxbuffer (client-protocol section 12); a value that Apache takes too.
  const Bytes small = create(1, "/big", "");
  const std::string data(host.config.packet_bytes_max - small.size(), 'x');
  const Bytes frame = create(1, "/big", data);
  ASSERT_EQ(frame.size(), host.config.packet_bytes_max);
  host.send_frame(link, frame);
  uint64_t most_credit = 0;
  for (int i = 0; i < 100; ++i) {
    host.settle();
    most_credit = std::max(most_credit, host.world.links_.at(link).credit);
  }
  EXPECT_LE(most_credit, 64U << 10);
  const auto frames = host.received(link);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(header_of(frames[0]).error, ErrorCode::Ok);
  EXPECT_EQ(host.server.bytes_held(link), 0U);
}

TEST(ServerLimits, BuffersGrowWithWhatArrived) {
  ServerHost host;
  const LinkId link = host.open();
  join(host, link);
  Bytes start(4);
  put_u32(start.data(), host.config.packet_bytes_max);
  host.send(link, start);
  host.settle();
  EXPECT_EQ(host.server.bytes_held(link), 4U);
}

TEST(ServerLimits, RequestsBehindTheConnectRequestWaitForTheSession) {
  for (const bool at_once : {false, true}) {
    ServerHost host;
    host.answers_at_once = at_once;
    const LinkId first = host.open();
    const SessionId session = join(host, first);
    const LinkId link = host.open();
    host.send_frame(link, connect_request(session));
    host.send_frame(link, create(1, "/x", "1"));
    host.send_frame(link, read(2, Op::GetData, "/x"));
    host.settle();
    const auto frames = host.received(link);
    ASSERT_EQ(frames.size(), 3U) << at_once;
    EXPECT_EQ(decode_connect_response(frames[0])->session, session);
    EXPECT_EQ(header_of(frames[1]).xid, 1);
    EXPECT_EQ(header_of(frames[2]).error, ErrorCode::Ok);
  }
}

TEST(ServerLimits, WritesWaitInLineWhileThePipelineIsFull) {
  Config config = ServerHost::default_config();
  config.outstanding_requests_max = 4;
  ServerHost host(config);
  const LinkId a = host.open();
  const LinkId b = host.open();
  join(host, a);
  join(host, b);
  host.commits_by_itself = false;
  for (int32_t xid = 1; xid <= 10; ++xid) host.send_frame(a, set_data(xid, "/none", ""));
  host.send_frame(b, set_data(1, "/none", ""));
  host.settle();
  EXPECT_EQ(host.proposed_count(), 4U);
  EXPECT_EQ(host.server.requests_in_flight(), 4U);
  // Who has nothing under way is served meanwhile.
  const LinkId c = host.open();
  host.send_frame(c, connect_request());
  host.settle();
  EXPECT_EQ(host.proposed_count(), 4U);
  // b stands behind a in the line, and before c; nobody is forgotten.
  for (int round = 0; round < 20; ++round) {
    host.commit(1);
    host.settle();
    EXPECT_LE(host.proposed_count(), 4U);
  }
  EXPECT_EQ(xids_of(host.received(a)), numbers(1, 10));
  EXPECT_EQ(xids_of(host.received(b)), numbers(1, 1));
  EXPECT_EQ(host.received(c).size(), 1U);
  EXPECT_EQ(host.server.requests_in_flight(), 0U);
}

TEST(ServerLimits, ACongestedPipelineStopsWritersButNotReaders) {
  ServerHost host;
  const LinkId writer = host.open();
  const LinkId reader = host.open();
  join(host, writer);
  join(host, reader);
  host.is_congested = true;
  for (int32_t xid = 1; xid <= 3; ++xid) host.send_frame(writer, set_data(xid, "/none", ""));
  host.send_frame(reader, read(1, Op::Exists, "/"));
  host.settle();
  EXPECT_TRUE(host.received(writer).empty());
  EXPECT_EQ(host.received(reader).size(), 1U);
  // No credit beyond the first window while the writer waits.
  for (int i = 0; i < 10'000; ++i) host.send_frame(writer, ping());
  host.settle();
  EXPECT_LE(host.server.bytes_held(writer), 64U << 10);
  host.is_congested = false;
  host.settle();
  EXPECT_EQ(host.received(writer).size(), 10'003U);
}

TEST(ServerLimits, AReaderThatPausesIsAnsweredNoFurtherUntilItReads) {
  for (const bool told : {true, false}) {
    ServerHost host;
    host.tells_of_draining = told;
    const LinkId link = host.open();
    join(host, link);
    host.send_frame(link, create(1, "/x", std::string(100'000, 'x')));
    host.settle();
    host.received(link);
    host.world.links_.at(link).reads = false;
    for (int32_t xid = 2; xid <= 101; ++xid) host.send_frame(link, read(xid, Op::GetData, "/x"));
    for (int i = 0; i < 10; ++i) host.settle();
    EXPECT_LT(host.world.links_.at(link).unsent, 1'400'000U);
    EXPECT_GT(host.world.links_.at(link).unsent, 1'000'000U);
    host.world.links_.at(link).reads = true;
    // The wire may have taken all without a word: then the server looks again by itself.
    for (int i = 0; i < 30; ++i) {
      host.settle();
      if (!told) host.let_pass(1);
    }
    host.let_pass(1);
    EXPECT_EQ(xids_of(host.received(link)), numbers(2, 101));
    EXPECT_EQ(host.end_of(link), LinkEnd::Open);
    EXPECT_EQ(host.server.deadline(), Instant::never());
  }
}

TEST(ServerLimits, ReadsBehindAWriteDoNotFloodTheOutputEither) {
  ServerHost host;
  const LinkId link = host.open();
  join(host, link);
  host.send_frame(link, create(1, "/x", std::string(100'000, 'x')));
  host.settle();
  host.received(link);
  host.world.links_.at(link).reads = false;
  host.commits_by_itself = false;
  host.send_frame(link, set_data(2, "/none", ""));
  for (int32_t xid = 3; xid <= 102; ++xid) host.send_frame(link, read(xid, Op::GetData, "/x"));
  host.settle();
  host.commit();
  EXPECT_LT(host.world.links_.at(link).unsent, 1'400'000U);
  host.world.links_.at(link).reads = true;
  for (int i = 0; i < 30; ++i) host.settle();
  EXPECT_EQ(xids_of(host.received(link)), numbers(2, 102));
}

// They may not wait for the output to leave, because they would see the write behind them.
TEST(ServerLimits, ReadsBetweenWritesSeeTheStateBetweenThemHoweverSlowTheClientReads) {
  ServerHost host;
  const LinkId link = host.open();
  join(host, link);
  host.send_frame(link, create(1, "/x", std::string(100'000, 'x')));
  host.settle();
  host.received(link);
  host.world.links_.at(link).reads = false;
  host.commits_by_itself = false;
  int32_t xid = 2;
  for (int round = 0; round < 4; ++round) {
    host.send_frame(link, set_data(xid++, "/x", std::string(100'000, 'y')));
    for (int i = 0; i < 30; ++i) host.send_frame(link, read(xid++, Op::GetData, "/x"));
  }
  host.settle();
  EXPECT_EQ(host.proposed_count(), 2U) << "more reads than may wait in front of a write";
  for (int i = 0; i < 10; ++i) {
    host.commit();
    host.settle();
    EXPECT_LT(host.world.links_.at(link).unsent, 5'000'000U);
  }
  host.world.links_.at(link).reads = true;
  for (int i = 0; i < 30; ++i) {
    host.settle();
    host.commit();
  }
  const auto frames = host.received(link);
  ASSERT_EQ(frames.size(), 4U * 31U);
  for (size_t i = 0; i < frames.size(); ++i) {
    const auto stat = decode_stat(ByteView(frames[i]).subspan(frames[i].size() - 68));
    EXPECT_EQ(stat->version, static_cast<int32_t>(i / 31 + 1)) << i;
  }
}

TEST(ServerLimits, AClientThatNeverReadsLosesItsConnectionAndNobodyElseDoes) {
  Config config = ServerHost::default_config();
  config.connection_unsent_bytes_max = 2000;
  ServerHost host(config);
  const LinkId deaf = host.open();
  const LinkId other = host.open();
  join(host, deaf);
  join(host, other);
  host.world.links_.at(deaf).reads = false;
  for (int32_t xid = 1; xid <= 200; ++xid) {
    if (host.end_of(deaf) == LinkEnd::Open) host.send_frame(deaf, ping());
    host.send_frame(other, ping());
    host.settle();
  }
  EXPECT_EQ(host.end_of(deaf), LinkEnd::Aborted);
  EXPECT_LE(host.world.links_.at(deaf).unsent, 2000U);
  EXPECT_EQ(host.received(other).size(), 200U);
  EXPECT_EQ(host.world.counts_["slow_readers_dropped"], 1);
}

TEST(ServerLimits, WatchEventsCountAgainstAClientThatNeverReads) {
  Config config = ServerHost::default_config();
  config.connection_unsent_bytes_max = 1000;
  ServerHost host(config);
  const LinkId deaf = host.open();
  const LinkId writer = host.open();
  join(host, deaf);
  join(host, writer);
  for (int32_t xid = 1; xid <= 100; ++xid) {
    const std::string path = "/n" + std::to_string(xid);
    host.send_frame(deaf, read(xid, Op::Exists, path, true));
  }
  host.settle();
  host.received(deaf);
  EXPECT_EQ(host.server.watch_count(), 100U);
  host.world.links_.at(deaf).reads = false;
  for (int32_t xid = 1; xid <= 100; ++xid) {
    host.send_frame(writer, create(xid, "/n" + std::to_string(xid)));
    host.settle();
  }
  EXPECT_EQ(host.end_of(deaf), LinkEnd::Aborted);
  EXPECT_EQ(host.server.watch_count(), 0U);
  EXPECT_EQ(xids_of(host.received(writer)), numbers(1, 100));
}

TEST(ServerLimits, OneSendPerConnectionAndTurn) {
  ServerHost host;
  const LinkId link = host.open();
  join(host, link);
  const size_t before = host.world.sends_;
  for (int32_t xid = 1; xid <= 50; ++xid) {
    host.send_frame(link, create(xid, "/n" + std::to_string(xid)));
  }
  for (int i = 0; i < 50; ++i) host.send_frame(link, ping());
  host.settle();
  EXPECT_EQ(host.received(link).size(), 100U);
  EXPECT_EQ(host.world.sends_, before + 1);
}

}  // namespace
}  // namespace vivarium::server_test
