// The throttles that an operator may set: requests that waited too long, large requests, and
// clients that connect (throttled_op_wait_time and those beside it).
#include <gtest/gtest.h>

#include <functional>

#include "core/server/connection_throttle.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

std::vector<ErrorCode> errors_of(const std::vector<Bytes>& frames) {
  std::vector<ErrorCode> errors;
  for (const Bytes& frame : frames) errors.push_back(decode_reply_header(frame).value().error);
  return errors;
}

int64_t counted(ServerHost& host, const std::string& key) { return host.world.counts_[key]; }

// --- requests that wait in line

Config one_at_a_time() {
  Config config = ServerHost::default_config();
  config.throttle_requests_max = 1;
  return config;
}

// One write is under way, and another waits for `ms` until it is its turn.
LinkId two_writes_and_a_pause(ServerHost& host, int64_t ms) {
  const LinkId link = host.open();
  join(host, link);
  host.commits_by_itself = false;
  host.send_frame(link, set_data(1, "/none", ""));
  host.send_frame(link, set_data(2, "/none", ""));
  host.settle();
  EXPECT_EQ(host.proposed_count(), 1U);
  host.let_pass(ms);
  host.commits_by_itself = true;
  host.settle();
  return link;
}

TEST(ServerThrottle, WhoWaitedTooLongIsToldSoAndNothingIsDone) {
  for (const int64_t limit : {0, 100, 900}) {
    Config config = one_at_a_time();
    config.throttled_wait_ms = limit;
    ServerHost host(config);
    const LinkId link = two_writes_and_a_pause(host, 500);
    const bool throttled = limit == 100;
    const ErrorCode second = throttled ? ErrorCode::ThrottledOp : ErrorCode::NoNode;
    EXPECT_EQ(errors_of(host.received(link)), (std::vector<ErrorCode>{ErrorCode::NoNode, second}))
        << limit;
    EXPECT_EQ(counted(host, "throttled_ops"), throttled ? 1 : 0);
    EXPECT_EQ(counted(host, "request_throttle_wait_count"), 1);
    // Each request's own waiting counts.
    host.send_frame(link, set_data(3, "/none", ""));
    host.settle();
    EXPECT_EQ(errors_of(host.received(link)), std::vector<ErrorCode>{ErrorCode::NoNode});
    EXPECT_EQ(host.server.requests_in_flight(), 0U);
  }
}

TEST(ServerThrottle, ASessionIsClosedHoweverLongThatHadToWait) {
  Config config = one_at_a_time();
  config.throttled_wait_ms = 1;
  ServerHost host(config);
  const LinkId link = host.open();
  const SessionId session = join(host, link);
  host.commits_by_itself = false;
  host.send_frame(link, set_data(1, "/none", ""));
  host.send_frame(link, close_session(2));
  host.settle();
  host.let_pass(500);
  host.commits_by_itself = true;
  host.settle();
  EXPECT_EQ(errors_of(host.received(link)),
            (std::vector<ErrorCode>{ErrorCode::NoNode, ErrorCode::Ok}));
  EXPECT_EQ(host.tree.sessions().count(session), 0U);
}

TEST(ServerThrottle, ARequestOlderThanItsSessionIsTheEndOfItsConnection) {
  for (const bool drops : {true, false}) {
    Config config = one_at_a_time();
    config.session_timeout_min_ms = 1000;
    config.session_timeout_max_ms = 1000;
    config.stale_by_latency = true;
    config.drop_stale = drops;
    ServerHost host(config);
    const LinkId link = host.open();
    const SessionId session = join(host, link);
    host.commits_by_itself = false;
    host.send_frame(link, set_data(1, "/none", ""));
    host.send_frame(link, set_data(2, "/none", ""));
    host.settle();
    for (int i = 0; i < 3; ++i) {  // the session lives, by another word of its client
      host.let_pass(500);
      ASSERT_TRUE(host.touch(session, 1000));
    }
    host.commits_by_itself = true;
    host.settle();
    EXPECT_EQ(host.received(link).size(), drops ? 1U : 2U);
    EXPECT_EQ(host.end_of(link) == LinkEnd::Open, !drops);
    EXPECT_EQ(counted(host, "stale_requests"), 1);
    EXPECT_EQ(counted(host, "stale_requests_dropped"), drops ? 1 : 0);
    EXPECT_EQ(host.tree.sessions().count(session), 1U) << "the client may come back to it";
  }
}

// --- large requests

TEST(ServerThrottle, LargeRequestsShareWhatTheyMayHave) {
  Config config = ServerHost::default_config();
  config.large_request_bytes = 1000;
  config.large_requests_bytes_max = 5000;
  ServerHost host(config);
  const LinkId a = host.open();
  const LinkId b = host.open();
  join(host, a);
  join(host, b);
  host.commits_by_itself = false;
  const std::string large(2000, 'x');
  host.send_frame(a, create(1, "/a", large));
  host.send_frame(a, create(2, "/b", large));
  host.send_frame(b, create(1, "/small", std::string(500, 'y')));
  host.settle();
  EXPECT_EQ(host.proposed_count(), 3U);
  EXPECT_GT(host.server.large_request_bytes(), 4000U);
  // One more is one too many, be it announced alone; small ones never are.
  Bytes start(4);
  put_u32(start.data(), 2000);
  host.send(b, start);
  host.settle();
  EXPECT_NE(host.end_of(b), LinkEnd::Open);
  EXPECT_EQ(counted(host, "large_requests_rejected"), 1);
  const LinkId c = host.open();
  host.commits_by_itself = true;
  join(host, c);
  EXPECT_EQ(host.server.large_request_bytes(), 0U) << "answered, or gone with their connection";
  host.send_frame(c, create(1, "/c", large));
  host.settle();
  EXPECT_EQ(errors_of(host.received(c)), std::vector<ErrorCode>{ErrorCode::Ok});
  EXPECT_EQ(errors_of(host.received(a)), (std::vector<ErrorCode>{ErrorCode::Ok, ErrorCode::Ok}));
}

TEST(ServerThrottle, WhatWasLargeGoesWithItsConnection) {
  Config config = ServerHost::default_config();
  config.large_request_bytes = 1000;
  ServerHost host(config);
  const LinkId link = host.open();
  join(host, link);
  host.commits_by_itself = false;
  host.send_frame(link, create(1, "/a", std::string(2000, 'x')));
  host.settle();
  EXPECT_GT(host.server.large_request_bytes(), 2000U);
  host.break_link(link);
  EXPECT_EQ(host.server.large_request_bytes(), 0U);
  host.stop_serving();
  host.start_serving();
}

// --- connections

TEST(ServerThrottle, ConnectsTakeTokensThatComeBackWithTime) {
  Config config = ServerHost::default_config();
  config.connection_throttle.tokens_max = 2;
  config.connection_throttle.fill_ms = 1000;
  ServerHost host(config);
  const auto connects = [&] {
    const LinkId link = host.open();
    host.send_frame(link, connect_request());
    host.settle();
    return host.received(link).size() == 1;
  };
  EXPECT_TRUE(connects());
  EXPECT_TRUE(connects());
  EXPECT_FALSE(connects());
  EXPECT_EQ(counted(host, "connection_rejected"), 1);
  EXPECT_EQ(counted(host, "connection_request_count"), 2);
  host.let_pass(500);
  EXPECT_FALSE(connects());
  host.let_pass(1500);
  EXPECT_TRUE(connects());
}

ThrottleConfig weighted() {
  ThrottleConfig config;
  config.tokens_max = 2;
  config.fill_ms = 100;
  config.weighted = true;
  return config;
}

using Kind = ConnectionThrottle::Kind;

TEST(ConnectionThrottle, SessionsCostWhatTheyWeigh) {
  const ThrottleConfig config = weighted();
  FakeWorld world;
  ConnectionThrottle throttle;
  throttle.start(config, world.now());
  ASSERT_EQ(config.tokens_when_full(), 6U) << "tokens are counted in new sessions";
  EXPECT_TRUE(throttle.admit(Kind::Global, config, world));
  EXPECT_EQ(throttle.deficit(config), 3U);
  EXPECT_TRUE(throttle.admit(Kind::Renewed, config, world));
  EXPECT_FALSE(throttle.admit(Kind::Renewed, config, world)) << "one is left";
  EXPECT_TRUE(throttle.admit(Kind::Local, config, world));
  EXPECT_FALSE(throttle.admit(Kind::Local, config, world));
  world.now_ = world.now_ + milliseconds(101);
  EXPECT_TRUE(throttle.admit(Kind::Global, config, world));
  world.now_ = world.now_ + milliseconds(int64_t{1} << 42);
  EXPECT_TRUE(throttle.admit(Kind::Local, config, world));
  EXPECT_EQ(throttle.deficit(config), 1U) << "full, and no more";
}

TEST(ConnectionThrottle, NoWeightIsBelowThatOfALocalSession) {
  ThrottleConfig config = weighted();
  config.global_weight = 1;
  config.renew_weight = 1;
  config.local_weight = 4;
  FakeWorld world;
  ConnectionThrottle throttle;
  throttle.start(config, world.now());
  ASSERT_EQ(config.tokens_when_full(), 8U);
  EXPECT_TRUE(throttle.admit(Kind::Global, config, world));
  EXPECT_TRUE(throttle.admit(Kind::Renewed, config, world));
  EXPECT_EQ(throttle.deficit(config), 8U);
}

TEST(ConnectionThrottle, AnEmptyBucketMakesItLikelierToBeTurnedAway) {
  ThrottleConfig config;
  config.tokens_max = 1;
  config.fill_ms = 1'000'000;
  config.freeze_ms = 10;
  config.drop_increase = 400'000;
  config.drop_decrease = 300'000;
  config.decrease_ratio = 1'000'000;
  FakeWorld world;
  world.chance_ = 500'000;
  ConnectionThrottle throttle;
  throttle.start(config, world.now());
  const auto after = [&](int64_t ms) {
    world.now_ = world.now_ + milliseconds(ms);
    return throttle.admit(Kind::Global, config, world);
  };
  EXPECT_TRUE(after(0));
  EXPECT_FALSE(after(11));
  EXPECT_EQ(throttle.drop_millionths(), 400'000U);
  EXPECT_FALSE(after(5)) << "within the freeze time nothing changes";
  EXPECT_EQ(throttle.drop_millionths(), 400'000U);
  EXPECT_FALSE(after(11));
  EXPECT_FALSE(after(11));
  EXPECT_EQ(throttle.drop_millionths(), 1'000'000U);
  // With a full bucket, it is chance alone.
  EXPECT_FALSE(after(1'000'001));
  EXPECT_EQ(throttle.drop_millionths(), 700'000U);
  EXPECT_TRUE(after(11)) << "0.5 is not below 0.4";
  EXPECT_EQ(throttle.drop_millionths(), 400'000U);
}

}  // namespace
}  // namespace vivarium::server_test
