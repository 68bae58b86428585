// The clockwork of sessions: ZooKeeper's buckets, owners, and a loop that overslept (RULES 16).
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <vector>

#include "core/tree/sessions.h"

namespace vivarium {
namespace {

constexpr int64_t kTickMs = 1000;

Instant at_ms(int64_t ms) { return Instant{ms * 1'000'000}; }

std::vector<int64_t> ids(const std::vector<SessionId>& sessions) {
  std::vector<int64_t> values;
  for (const SessionId session : sessions) values.push_back(session.value);
  return values;
}

// Calls expire() often enough for no gap to count, up to and including `to_ms`.
std::vector<int64_t> expire_until(SessionTracker& tracker, int64_t from_ms, int64_t to_ms) {
  std::vector<int64_t> all;
  for (int64_t ms = from_ms; ms <= to_ms; ms += kTickMs / 2) {
    for (const int64_t id : ids(tracker.expire(at_ms(ms)))) all.push_back(id);
  }
  for (const int64_t id : ids(tracker.expire(at_ms(to_ms)))) all.push_back(id);
  return all;
}

TEST(TreeSessions, DeadlinesAreBuckets) {
  SessionTracker tracker(milliseconds(kTickMs));
  tracker.add(SessionId{1}, 2000, at_ms(500));  // (2500 / 1000 + 1) * 1000 = 3000
  tracker.add(SessionId{2}, 2500, at_ms(500));  // exactly 3000: one more, 4000
  EXPECT_EQ(expire_until(tracker, 500, 2999), std::vector<int64_t>{});
  EXPECT_EQ(ids(tracker.expire(at_ms(3000))), std::vector<int64_t>{1});
  EXPECT_TRUE(tracker.closing(SessionId{1}));
  EXPECT_EQ(expire_until(tracker, 3000, 3999), std::vector<int64_t>{});
  EXPECT_EQ(ids(tracker.expire(at_ms(4000))), std::vector<int64_t>{2});
  EXPECT_EQ(expire_until(tracker, 4000, 9000), std::vector<int64_t>{});
}

TEST(TreeSessions, ClosingSessionsAreNotTouched) {
  SessionTracker tracker(milliseconds(kTickMs));
  EXPECT_FALSE(tracker.touch(SessionId{1}, 1000, at_ms(0)));
  tracker.add(SessionId{1}, 1000, at_ms(0));
  EXPECT_TRUE(tracker.touch(SessionId{1}, 1000, at_ms(100)));
  tracker.set_closing(SessionId{1});
  EXPECT_FALSE(tracker.touch(SessionId{1}, 1000, at_ms(200)));
  tracker.add(SessionId{1}, 1000, at_ms(200));
  EXPECT_TRUE(tracker.closing(SessionId{1}));
  EXPECT_TRUE(tracker.known(SessionId{1}));
  EXPECT_EQ(expire_until(tracker, 200, 5000), std::vector<int64_t>{});
  tracker.remove(SessionId{1});
  EXPECT_FALSE(tracker.known(SessionId{1}));
  EXPECT_EQ(tracker.size(), 0U);
}

TEST(TreeSessions, Owners) {
  SessionTracker tracker(milliseconds(kTickMs));
  EXPECT_EQ(tracker.check(SessionId{1}, ServerId{1}), ErrorCode::SessionExpired);
  tracker.set_owner(SessionId{1}, ServerId{1});
  EXPECT_FALSE(tracker.known(SessionId{1}));
  tracker.add(SessionId{1}, 1000, at_ms(0));
  EXPECT_EQ(tracker.check(SessionId{1}, ServerId{1}), ErrorCode::Ok);  // the first asker owns it
  EXPECT_EQ(tracker.check(SessionId{1}, ServerId{2}), ErrorCode::SessionMoved);
  tracker.set_owner(SessionId{1}, ServerId{2});
  EXPECT_EQ(tracker.check(SessionId{1}, ServerId{2}), ErrorCode::Ok);
  EXPECT_EQ(tracker.check(SessionId{1}, ServerId{1}), ErrorCode::SessionMoved);
  tracker.set_closing(SessionId{1});
  EXPECT_EQ(tracker.check(SessionId{1}, ServerId{2}), ErrorCode::SessionExpired);
}

TEST(TreeSessions, ALoopThatSleptExpiresNobodyForIt) {
  SessionTracker tracker(milliseconds(kTickMs));
  tracker.add(SessionId{1}, 2000, at_ms(0));  // due at 3000
  tracker.add(SessionId{2}, 4000, at_ms(0));  // due at 5000
  EXPECT_EQ(expire_until(tracker, 0, 1000), std::vector<int64_t>{});
  // Ten seconds of silence: 3000 becomes 13000, 5000 becomes 15000.
  EXPECT_EQ(ids(tracker.expire(at_ms(11'000))), std::vector<int64_t>{});
  EXPECT_TRUE(tracker.touch(SessionId{2}, 4000, at_ms(11'000)));  // (15000 / 1000 + 1) * 1000
  EXPECT_EQ(expire_until(tracker, 11'000, 12'999), std::vector<int64_t>{});
  EXPECT_EQ(ids(tracker.expire(at_ms(13'000))), std::vector<int64_t>{1});
  EXPECT_EQ(expire_until(tracker, 13'000, 15'999), std::vector<int64_t>{});
  EXPECT_EQ(ids(tracker.expire(at_ms(16'000))), std::vector<int64_t>{2});
}

// Input is drained before a sweep, so the first call after a sleep is a touch.
TEST(TreeSessions, ATouchAfterASleepShiftsTheOthersToo) {
  SessionTracker tracker(milliseconds(kTickMs));
  tracker.add(SessionId{1}, 2000, at_ms(0));
  tracker.add(SessionId{2}, 2000, at_ms(0));
  EXPECT_TRUE(tracker.touch(SessionId{1}, 2000, at_ms(10'000)));
  EXPECT_EQ(expire_until(tracker, 10'000, 12'500), std::vector<int64_t>{});
  EXPECT_EQ(ids(tracker.expire(at_ms(13'000))), (std::vector<int64_t>{1, 2}));
}

TEST(TreeSessions, AsksToBeCalledEveryHalfTick) {
  SessionTracker tracker(milliseconds(kTickMs));
  EXPECT_EQ(tracker.next_deadline(), Instant::never());
  tracker.add(SessionId{1}, 60'000, at_ms(100));
  EXPECT_EQ(tracker.next_deadline(), at_ms(600));
  tracker.expire(at_ms(600));
  EXPECT_EQ(tracker.next_deadline(), at_ms(1100));
  tracker.add(SessionId{2}, 100, at_ms(600));  // due at 1000
  EXPECT_EQ(tracker.next_deadline(), at_ms(1000));
  tracker.remove(SessionId{1});
  tracker.remove(SessionId{2});
  EXPECT_EQ(tracker.next_deadline(), Instant::never());
}

struct Touch {
  int session = 0;
  int32_t timeout_ms = 0;
  int64_t later_ms = 0;  // never a gap
};

TEST(TreeSessions, ExpiresExactlyByTheFormula) {
  const bool held = rc::check([] {
    const auto touches = *rc::gen::container<std::vector<Touch>>(rc::gen::build<Touch>(
        rc::gen::set(&Touch::session, rc::gen::inRange(0, 6)),
        rc::gen::set(&Touch::timeout_ms, rc::gen::inRange(1, 5000)),
        rc::gen::set(&Touch::later_ms, rc::gen::inRange<int64_t>(0, kTickMs))));
    SessionTracker tracker(milliseconds(kTickMs));
    std::map<int64_t, int64_t> deadlines;
    int64_t now_ms = 0;
    for (const Touch& touch : touches) {
      now_ms += touch.later_ms;
      std::vector<int64_t> due;
      for (const auto& [id, deadline_ms] : deadlines) {
        if (deadline_ms <= now_ms) due.push_back(id);
      }
      std::vector<int64_t> expired = ids(tracker.expire(at_ms(now_ms)));
      std::sort(expired.begin(), expired.end());
      RC_ASSERT(expired == due);
      for (const int64_t id : due) {
        deadlines.erase(id);
        tracker.remove(SessionId{id});
      }
      const bool known = deadlines.contains(touch.session);
      RC_ASSERT(tracker.touch(SessionId{touch.session}, touch.timeout_ms, at_ms(now_ms)) == known);
      if (!known) tracker.add(SessionId{touch.session}, touch.timeout_ms, at_ms(now_ms));
      deadlines[touch.session] = ((now_ms + touch.timeout_ms) / kTickMs + 1) * kTickMs;
      RC_ASSERT(tracker.size() == deadlines.size());
    }
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace vivarium
