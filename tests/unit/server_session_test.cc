// Sessions as the server sees them: ids, who holds which, writes that outlive their connection,
// access rights of reads and events, and calls that come back while one is being made.
#include <gtest/gtest.h>

#include <type_traits>

#include "core/server/session_ids.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

uint64_t bits(SessionId session) { return static_cast<uint64_t>(session.value); }

std::vector<ReplyHeader> headers(ServerHost& host, LinkId link) {
  std::vector<ReplyHeader> out;
  for (const Bytes& frame : host.received(link)) out.push_back(decode_reply_header(frame).value());
  return out;
}

TEST(SessionIds, CarryTheServerTheClockAndACounter) {
  SessionIds ids;
  ids.start(ServerId{1}, WallTime{0x0123456789ab}, {}, 0);
  // As ZooKeeper: the low 40 bits of the milliseconds, 16 bits lower than the top byte.
  EXPECT_EQ(bits(ids.next()), 0x0123456789ab0000U);
  EXPECT_EQ(bits(ids.next()), 0x0123456789ab0001U);
  SessionIds other;
  other.start(ServerId{0x1fe}, WallTime{0x1'00'0000'0001}, {}, 0);
  EXPECT_EQ(bits(other.next()), 0xfe00000000010000U);
}

TEST(SessionIds, StartAboveAllThatTheEnsembleHasOfThisServer) {
  const auto id = [](uint64_t v) { return SessionId{static_cast<int64_t>(v)}; };
  // The clock stepped back: ids of an earlier life are ahead of it.
  const std::map<SessionId, int32_t> sessions = {
      {id(0x0100000000990005), 1}, {id(0x0200000000ffffff), 1}, {id(0x8100000000ffffff), 1}};
  SessionIds ids;
  ids.start(ServerId{1}, WallTime{0x10}, sessions, 5);
  EXPECT_EQ(bits(ids.next()), 0x010000010099000aU) << "2^32 and 5 above the largest";
  ids.start(ServerId{1}, WallTime{0x05}, {}, 0);
  EXPECT_EQ(bits(ids.next()), 0x010000010099000bU) << "never twice in a life";
  SessionIds fresh;
  fresh.start(ServerId{3}, WallTime{0x10}, sessions, 0);
  EXPECT_EQ(bits(fresh.next()), 0x0300000000100000U);
  SessionIds negative;
  negative.start(ServerId{0x81}, WallTime{0x10}, sessions, 0);
  EXPECT_EQ(bits(negative.next()), 0x8100000100ffffffU);
}

// Seed 361: the clock stepped back, the server restarted, and what it had given last was closed.
TEST(SessionIds, ALifeWithAClockThatSteppedBackRepeatsNoneOfThoseBefore) {
  const std::map<SessionId, int32_t> sessions = {{SessionId{0x0100000000990005}, 1}};
  SessionIds life;
  life.start(ServerId{1}, WallTime{0x10}, sessions, 77);
  SessionIds later;
  later.start(ServerId{1}, WallTime{0x10}, sessions, uint64_t{77} << 30);
  const uint64_t first = bits(life.next());
  const uint64_t second = bits(later.next());
  EXPECT_GT(first, 0x0100000000990005U + 0xffffffffU);
  EXPECT_GT(second, first + 0xffffffffU);
  EXPECT_LT(second, 0x0200000000000000U);
  // At the end of the range there is nowhere far to go.
  const std::map<SessionId, int32_t> full = {{SessionId{0x01fffffffffffff0}, 1}};
  SessionIds end;
  end.start(ServerId{1}, WallTime{0x10}, full, 77);
  EXPECT_EQ(bits(end.next()), 0x01fffffffffffff1U);
}

TEST(SessionIds, AreNeitherNoSessionNorApachesContainerMark) {
  SessionIds zero;
  zero.start(ServerId{0}, WallTime{0}, {}, 0);
  EXPECT_EQ(bits(zero.next()), 1U);
  SessionIds container;
  container.start(ServerId{0x80}, WallTime{0}, {}, 0);
  EXPECT_EQ(bits(container.next()), 0x8000000000000001U);
}

TEST(ServerSession, AnIdThatSomebodyAsksForBeforeItExistsIsNotGivenToAnother) {
  ServerHost host;
  const LinkId first = host.open();
  const SessionId session = join(host, first);
  host.commits_by_itself = false;
  // Ids and, with Apache's form, passwords can be guessed.
  const SessionId next{session.value + 1};
  const LinkId guesser = host.open();
  host.send_frame(guesser, connect_request(next));
  const LinkId client = host.open();
  host.send_frame(client, connect_request());
  host.commits_by_itself = true;
  host.settle();
  const auto frames = host.received(client);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(decode_connect_response(frames[0])->session, SessionId{session.value + 2});
  const auto refusal = host.received(guesser);
  ASSERT_EQ(refusal.size(), 1U);
  EXPECT_EQ(decode_connect_response(refusal[0])->session, SessionId());
}

TEST(ServerSession, WritesOfLostConnectionsAreAccountedForUntilTheirTxnsCome) {
  ServerHost host;
  const LinkId link = host.open();
  join(host, link);
  host.commits_by_itself = false;
  for (int32_t xid = 1; xid <= 5; ++xid) host.send_frame(link, set_data(xid, "/none", ""));
  host.send_frame(link, sync(6, "/"));
  host.settle();
  host.break_link(link);
  EXPECT_EQ(host.server.connection_count(), 0U);
  EXPECT_EQ(host.server.requests_in_flight(), 6U);
  host.commit();
  host.answer_syncs();
  EXPECT_EQ(host.server.requests_in_flight(), 0U);
}

// The floor of a re-attach does not cover a write that was submitted before it and is proposed
// after it: the write's own place in the line does (hazards B1).
TEST(ServerSession, ALateTxnOfALostConnectionIsNobodysAnswer) {
  ServerHost host;
  host.hears_of_proposals = false;
  const LinkId lost = host.open();
  const SessionId session = join(host, lost);
  host.commits_by_itself = false;
  host.send_frame(lost, create(1, "/x", "old"));
  host.break_link(lost);
  const LinkId link = host.open();
  host.send_frame(link, connect_request(session));
  host.answer_revalidations();
  host.send_frame(link, create(1, "/x", "new"));
  host.settle();
  EXPECT_EQ(host.received(link).size(), 1U) << "the ConnectResponse";
  host.commit(1);
  host.settle();
  EXPECT_TRUE(host.received(link).empty());
  host.commit(1);
  host.settle();
  const auto replies = headers(host, link);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].error, ErrorCode::NodeExists);
}

TEST(ServerSession, AFrameOfASessionThatIsGoneEndsTheConnection) {
  ServerHost host;
  const LinkId link = host.open();
  const SessionId session = join(host, link);
  const size_t touches = host.touches;
  host.send_frame(link, read(1, Op::Exists, "/"));
  EXPECT_EQ(host.touches, touches + 1);
  host.settle();
  host.received(link);
  host.tracker().set_closing(session);
  host.send_frame(link, create(2, "/x"));
  host.settle();
  EXPECT_TRUE(host.received(link).empty());
  EXPECT_NE(host.end_of(link), LinkEnd::Open);
  EXPECT_EQ(host.tree.find("/x"), DataTree::kNone);
}

TEST(ServerSession, ASecondAskerForASessionTakesTheFirstOnesPlace) {
  ServerHost host;
  const LinkId owner = host.open();
  const SessionId session = join(host, owner);
  host.commits_by_itself = false;
  const LinkId second = host.open();
  const LinkId third = host.open();
  host.send_frame(second, connect_request(session));
  EXPECT_NE(host.end_of(owner), LinkEnd::Open);
  host.send_frame(third, connect_request(session));
  EXPECT_NE(host.end_of(second), LinkEnd::Open);
  host.answer_revalidations();
  host.settle();
  EXPECT_TRUE(host.received(second).empty());
  ASSERT_EQ(host.received(third).size(), 1U) << "the second answer is for nobody";
  host.send_frame(third, ping());
  host.settle();
  EXPECT_EQ(host.received(third).size(), 1U);
}

TEST(ServerSession, ReadsNeedTheReadPermission) {
  ServerHost host;
  const LinkId link = host.open();
  join(host, link);
  const Acl secret = {AclEntry{kPermAll & ~kPermRead, "world", "anyone"}};
  const Acl here = {AclEntry{kPermRead, "ip", "10.0.0.1"}};
  host.send_frame(link, create(1, "/secret", "s", CreateFlag::Persistent, secret));
  host.send_frame(link, create(2, "/here", "h", CreateFlag::Persistent, here));
  host.settle();
  host.received(link);
  for (const Op op : {Op::GetData, Op::Exists, Op::GetChildren, Op::GetChildren2}) {
    host.send_frame(link, read(3, op, "/secret", true));
    host.send_frame(link, read(4, op, "/here"));
    host.settle();
    const auto replies = headers(host, link);
    ASSERT_EQ(replies.size(), 2U);
    EXPECT_EQ(replies[0].error, ErrorCode::NoAuth);
    EXPECT_EQ(replies[1].error, ErrorCode::Ok);
  }
  EXPECT_EQ(host.server.watch_count(), 0U);
}

TEST(ServerSession, EventsOfNodesThatAConnectionMayNotReadAreNotTold) {
  ServerHost host;
  const LinkId near = host.open("10.0.0.1");
  const LinkId far = host.open("10.0.0.2");
  join(host, near);
  join(host, far);
  for (const LinkId link : {near, far}) host.send_frame(link, read(1, Op::Exists, "/x", true));
  host.settle();
  host.received(near);
  host.received(far);
  const Acl acl = {AclEntry{kPermAll, "ip", "10.0.0.1"}};
  host.send_frame(near, create(2, "/x", "", CreateFlag::Persistent, acl));
  host.settle();
  EXPECT_EQ(headers(host, near).size(), 2U);
  EXPECT_TRUE(headers(host, far).empty());
  EXPECT_EQ(host.server.watch_count(), 0U) << "a one-shot watch is spent all the same";
}

TEST(ServerSession, AnswersMayComeWithinTheCall) {
  ServerHost host;
  host.answers_at_once = true;
  const LinkId first = host.open();
  const SessionId session = join(host, first);
  const LinkId link = host.open();
  join(host, link, session);
  EXPECT_NE(host.end_of(first), LinkEnd::Open);
  host.send_frame(link, sync(1, "/a"));
  host.send_frame(link, create(2, "/x"));
  host.send_frame(link, sync(3, "/b"));
  host.send_frame(link, read(4, Op::Exists, "/x"));
  host.settle();
  const auto replies = headers(host, link);
  ASSERT_EQ(replies.size(), 4U);
  for (int32_t i = 0; i < 4; ++i) EXPECT_EQ(replies[static_cast<size_t>(i)].xid, i + 1);
  EXPECT_EQ(replies[3].error, ErrorCode::Ok);
}

// A leader may have to stand down while it is taking a request, in the middle of a client's bytes.
TEST(ServerSession, ServingMayStopWithinTheCall) {
  ServerHost host;
  const LinkId link = host.open();
  const LinkId other = host.open();
  join(host, link);
  join(host, other);
  Bytes many;
  for (int32_t xid = 1; xid <= 10; ++xid) {
    const Bytes payload = create(xid, "/n" + std::to_string(xid));
    Bytes length(4);
    put_u32(length.data(), static_cast<uint32_t>(payload.size()));
    append_bytes(many, length);
    append_bytes(many, payload);
  }
  host.stops_at_submit = true;
  host.send(link, many);
  EXPECT_EQ(host.server.connection_count(), 0U);
  EXPECT_NE(host.end_of(link), LinkEnd::Open);
  EXPECT_NE(host.end_of(other), LinkEnd::Open);
  EXPECT_NE(host.end_of(host.open()), LinkEnd::Open) << "not while not serving";
  host.stops_at_submit = false;
  host.start_serving();
  join(host, host.open());
  EXPECT_EQ(host.server.requests_in_flight(), 0U);
}

TEST(ServerSession, WhoComesDuringAnElectionWaitsForItsEnd) {
  ServerHost host;
  host.lose_leader();
  const LinkId early = host.open();
  host.send_frame(early, connect_request({}));
  host.settle();
  const LinkId silent = host.open();
  host.let_pass(400);
  EXPECT_TRUE(host.received(early).empty());
  EXPECT_EQ(host.end_of(early), LinkEnd::Open);
  host.commits_by_itself = false;
  host.start_serving();
  host.settle();
  host.let_pass(200);
  host.commits_by_itself = true;
  host.settle();
  EXPECT_EQ(host.received(early).size(), 1U) << "its session is there, and no time was too short";
  join(host, silent);
}

TEST(ServerSession, NobodyWaitsForAnElectionThatTakesLong) {
  ServerHost host;
  host.lose_leader();
  const LinkId early = host.open();
  host.send_frame(early, connect_request({}));
  host.settle();
  const LinkId silent = host.open();
  host.let_pass(500);
  EXPECT_NE(host.end_of(early), LinkEnd::Open) << "it has to find another server";
  EXPECT_EQ(host.end_of(silent), LinkEnd::Open) << "it may be an operator";
  host.send_frame(silent, connect_request({}));
  host.settle();
  EXPECT_NE(host.end_of(silent), LinkEnd::Open);
  EXPECT_NE(host.end_of(host.open()), LinkEnd::Open);
  EXPECT_EQ(host.world.counts_["cnxn_closed_without_zk_server_running"], 2);
}

// A client gives each of three servers a third of its timeout.
TEST(ServerSession, NobodyWaitsForAnElectionLongerThanAThirdOfItsTimeout) {
  for (const int32_t timeout_ms : {0, 900, -1}) {
    ServerHost host;
    host.lose_leader();
    const LinkId link = host.open();
    host.send_frame(link, connect_request({}, timeout_ms));
    host.settle();
    const int64_t third = std::max(0, timeout_ms) / 3;
    if (third > 0) {
      host.let_pass(third - 1);
      EXPECT_EQ(host.end_of(link), LinkEnd::Open) << timeout_ms;
    }
    host.let_pass(1);
    EXPECT_NE(host.end_of(link), LinkEnd::Open) << timeout_ms;
  }
}

TEST(ServerSession, ManyWhoHaveWaitedAreLetInOverSeveralTurns) {
  Config config = ServerHost::default_config();
  config.connections_per_address_max = 0;
  ServerHost host(config);
  host.lose_leader();
  for (int i = 0; i < 1000; ++i) host.send_frame(host.open(), connect_request({}));
  host.commits_by_itself = false;
  host.start_serving();
  host.settle();
  EXPECT_EQ(host.proposed_count(), 128U);
  EXPECT_EQ(host.server.deadline(), host.world.now()) << "another turn is due";
  host.settle();
  EXPECT_EQ(host.proposed_count(), 256U);
  for (int turns = 2; turns < 8; ++turns) host.settle();
  EXPECT_EQ(host.proposed_count(), 1000U);
}

TEST(ServerSession, WhoWaitsForAnElectionHoldsLittleAndIsCounted) {
  Config config = ServerHost::default_config();
  config.connections_per_address_max = 2;
  ServerHost host(config);
  host.lose_leader();
  const LinkId first = host.open();
  const LinkId word = host.open();
  EXPECT_NE(host.end_of(host.open()), LinkEnd::Open);
  host.send_frame(first, connect_request({}));
  host.send(first, Bytes(4096, 0xff));
  host.settle();
  EXPECT_LE(host.world.links_.at(first).credit_given, 1024U);
  host.closes_words = true;
  host.send(word, Bytes{'r', 'u', 'o', 'k'});
  host.settle();
  EXPECT_NE(host.end_of(word), LinkEnd::Open) << "an operator is answered meanwhile";
}

TEST(ServerSession, NothingIsReadBehindARequestThatEndsTheConnection) {
  ServerHost host;
  for (const Bytes& last : {close_session(1), request(1, static_cast<Op>(999))}) {
    const LinkId link = host.open();
    join(host, link);
    host.commits_by_itself = false;
    host.send_frame(link, set_data(7, "/none", ""));
    host.send_frame(link, last);
    host.send_frame(link, create(2, "/behind"));
    host.send(link, Bytes(1000, 0xff));
    host.commits_by_itself = true;
    host.settle();
    const auto replies = headers(host, link);
    ASSERT_EQ(replies.size(), 2U);
    EXPECT_EQ(replies[0].xid, 7);
    EXPECT_EQ(replies[1].xid, 1);
    EXPECT_EQ(host.end_of(link), LinkEnd::Drained);
  }
  EXPECT_EQ(host.tree.find("/behind"), DataTree::kNone);
}

// A write goes out after the session's earlier syncs, or the reads between them would see it.
TEST(ServerSession, AWriteDoesNotOvertakeASync) {
  ServerHost host;
  const LinkId link = host.open();
  join(host, link);
  host.commits_by_itself = false;
  host.send_frame(link, sync(1, "/"));
  host.send_frame(link, read(2, Op::Exists, "/x"));
  host.send_frame(link, create(3, "/x"));
  host.send_frame(link, close_session(4));
  host.settle();
  EXPECT_EQ(host.proposed_count(), 0U);
  host.answer_syncs();
  host.settle();
  EXPECT_EQ(host.proposed_count(), 2U);
  host.commit();
  host.settle();
  const auto replies = headers(host, link);
  ASSERT_EQ(replies.size(), 4U);
  EXPECT_EQ(replies[1].error, ErrorCode::NoNode);
  EXPECT_EQ(replies[2].error, ErrorCode::Ok);
  EXPECT_EQ(host.end_of(link), LinkEnd::Drained);
}

TEST(ServerSession, ACopyHasTheSameFuture) {
  static_assert(std::is_copy_constructible_v<Server>);
  ServerHost host;
  const LinkId a = host.open();
  const LinkId b = host.open();
  join(host, a);
  join(host, b);
  host.commits_by_itself = false;
  host.send_frame(a, create(1, "/x", "1"));
  host.send_frame(a, sync(2, "/"));
  host.send_frame(b, read(1, Op::Exists, "/x", true));
  host.send(b, Bytes(3, 0));
  host.settle();
  ServerHost copy = host;
  for (ServerHost* one : {&copy, &host}) {
    one->commits_by_itself = true;
    one->send(b, Bytes{8});
    one->send(b, request(kXidPing, Op::Ping));
    one->settle();
    one->let_pass(30'000);
  }
  for (const LinkId link : {a, b}) {
    EXPECT_EQ(copy.world.links_.at(link).from_server, host.world.links_.at(link).from_server);
    EXPECT_GT(host.received(link).size(), 1U);
    EXPECT_EQ(copy.end_of(link), host.end_of(link));
  }
  EXPECT_EQ(copy.tree.state_hash(), host.tree.state_hash());
}

}  // namespace
}  // namespace vivarium::server_test
