// The checkers of what clients see: each fires on a history with one thing made wrong, under its
// name, and passes the same history without it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "sim/checkers/atomic.h"
#include "sim/checkers/barrier.h"
#include "sim/checkers/ephemerals.h"
#include "sim/checkers/fifo.h"
#include "sim/checkers/monotone.h"
#include "sim/checkers/no_expire.h"
#include "sim/checkers/sequence.h"
#include "sim/checkers/sequence_names.h"
#include "sim/checkers/session.h"
#include "sim/checkers/watch_once.h"
#include "sim/checkers/watch_order.h"
#include "sim/checkers/watch_reconnect.h"
#include "tests/simulation/checker_support.h"

namespace vivarium::sim {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Check = std::function<void(const Past&, Verdict&)>;
using Steps = std::vector<HistoryTxn::Step>;

constexpr SessionId kOther{78};

// A client that did and heard what the test says, one thing a millisecond.
class Story {
 public:
  Story& attached(SessionId session, uint64_t seen = 0, int32_t timeout_ms = 1000) {
    session_ = session;
    Heard& heard = hear(HeardKind::Attached, static_cast<int64_t>(seen));
    heard.index = log_.ops.size();
    heard.session = session;
    heard.timeout_ms = timeout_ms;
    return *this;
  }
  // An operation and its answer; asked for only when `zxid` is 0.
  Story& did(Op op, std::string path, uint64_t zxid, bool watch = false,
             ErrorCode error = ErrorCode::Ok) {
    ClientOp made;
    made.session = session_;
    made.xid = static_cast<int32_t>(log_.ops.size()) + 1;
    made.op = op;
    made.path = std::move(path);
    made.watch = watch;
    made.error = error;
    made.invoked = now();
    log_.ops.push_back(made);
    if (zxid != 0) answer(log_.ops.size() - 1, zxid);
    return *this;
  }
  Story& answer(size_t index, uint64_t zxid) {
    ClientOp& op = log_.ops[index];
    op.answered = true;
    op.reply_zxid = Zxid{zxid};
    Heard& heard = hear(HeardKind::Reply, static_cast<int64_t>(zxid));
    op.returned = heard.at;
    heard.sent = op.invoked;
    heard.index = index;
    return *this;
  }
  Story& with_number(int32_t number) {
    log_.ops.back().version = number;
    return *this;
  }
  Story& with_flag(CreateFlag flag) {
    log_.ops.back().flags = static_cast<int32_t>(flag);
    return *this;
  }
  // The errors that the parts of the last operation, a multi, were answered with.
  Story& with_parts(const std::vector<ErrorCode>& errors) {
    for (const ErrorCode error : errors) log_.ops.back().parts.emplace_back().error = error;
    return *this;
  }
  Story& told(WatchEvent event, std::string path, int64_t zxid) {
    Heard& heard = hear(HeardKind::Event, zxid);
    heard.event = event;
    heard.path = std::move(path);
    return *this;
  }
  Story& rearmed(Rearm rearm, uint64_t zxid) {
    log_.rearms.push_back(std::move(rearm));
    hear(HeardKind::Rearmed, static_cast<int64_t>(zxid)).index = log_.rearms.size() - 1;
    return *this;
  }
  Story& asked_for(SessionId session, int64_t at_ns, bool answered = false) {
    log_.attempts.push_back({SimTime{at_ns}, session, answered});
    return *this;
  }
  Story& ponged(uint64_t zxid) {
    hear(HeardKind::Pong, static_cast<int64_t>(zxid));
    return *this;
  }
  const ClientLog& log() const { return log_; }

 private:
  SimTime now() { return at_ms(++ms_); }
  Heard& hear(HeardKind kind, int64_t zxid) {
    Heard heard;
    heard.kind = kind;
    heard.sent = now();
    heard.at = now();
    heard.zxid = zxid;
    log_.heard.push_back(std::move(heard));
    return log_.heard.back();
  }

  ClientLog log_;
  SessionId session_;
  int64_t ms_ = 0;
};

// What the ensemble did, from zxid 1 on; a txn is delivered at as many milliseconds as its zxid.
class Txns {
 public:
  Txns& add(TxnType type, Steps steps = {}, SessionId session = kSession, int32_t cxid = 0,
            ErrorCode error = ErrorCode::Ok) {
    HistoryTxn txn;
    txn.zxid = Zxid{++zxid_};
    txn.session = session;
    txn.cxid = cxid;
    txn.type = type;
    txn.error = error;
    txn.delivered = at_ms(static_cast<int64_t>(zxid_));
    txn.steps = std::move(steps);
    history_.add(std::move(txn));
    return *this;
  }
  Txns& create(std::string path, bool ephemeral = false, SessionId session = kSession,
               int32_t cxid = 0) {
    return add(TxnType::Create, {{TxnType::Create, std::move(path), ephemeral}}, session, cxid);
  }
  Txns& set(std::string path, int32_t cxid = 0) {
    return add(TxnType::SetData, {{TxnType::SetData, std::move(path)}}, kSession, cxid);
  }
  Txns& remove(std::string path) {
    return add(TxnType::Delete, {{TxnType::Delete, std::move(path)}});
  }
  Txns& multi(size_t parts, size_t failed_parts, size_t first_failed, int32_t cxid = 1) {
    HistoryTxn txn;
    txn.zxid = Zxid{++zxid_};
    txn.session = kSession;
    txn.cxid = cxid;
    txn.type = TxnType::Multi;
    txn.parts = parts;
    txn.failed_parts = failed_parts;
    txn.first_failed_part = first_failed;
    history_.add(std::move(txn));
    return *this;
  }
  const History& history() const { return history_; }

 private:
  uint64_t zxid_ = 0;
  History history_;
};

Verdict judge(const Check& check, const Txns& txns, const std::vector<const Story*>& stories,
              Past past = {}) {
  past.history = txns.history();
  for (const Story* story : stories) past.clients.push_back(&story->log());
  past.now = at_ms(10'000);
  past.expiry_slack = milliseconds(100);
  Verdict verdict;
  check(past, verdict);
  return verdict;
}

uint64_t evaluated(const Verdict& verdict, Checker checker) {
  return verdict.counts()[static_cast<size_t>(checker)];
}

void expect_well(const Check& check, Checker checker, const Txns& txns, const Story& story) {
  const Verdict verdict = judge(check, txns, {&story});
  EXPECT_FALSE(verdict.violation()) << verdict.violation()->text;
  EXPECT_GT(evaluated(verdict, checker), 0U);
}

void expect_violation(const Check& check, Checker checker, const Txns& txns, const Story& story,
                      const std::string& text) {
  const Verdict verdict = judge(check, txns, {&story});
  ASSERT_TRUE(verdict.violation());
  EXPECT_EQ(verdict.violation()->checker, name_of(checker));
  EXPECT_THAT(verdict.violation()->text, HasSubstr(text));
}

Txns x_changes_twice() {
  Txns txns;
  txns.add(TxnType::CreateSession).create("/x").set("/x").set("/x").create("/x/c").remove("/x/c");
  return txns;
}

TEST(ClientCheckers, WatchOnce) {
  const Txns txns = x_changes_twice();
  const auto watching = [] {
    return Story()
        .attached(kSession)
        .did(Op::GetData, "/x", 2, true)
        .did(Op::GetChildren2, "/x", 2, true);
  };
  const Story good = watching()
                         .told(WatchEvent::DataChanged, "/x", 3)
                         .ponged(4)
                         .told(WatchEvent::ChildrenChanged, "/x", 5)
                         .ponged(6);
  expect_well(check_watch_once, Checker::WatchOnce, txns, good);
  const Checker once = Checker::WatchOnce;
  expect_violation(check_watch_once, once, txns, watching().ponged(3),
                   "came without event 3 of /x");
  expect_violation(check_watch_once, once, txns,
                   Story(good).told(WatchEvent::ChildrenChanged, "/x", 6), "was not due");
  expect_violation(check_watch_once, once, txns, watching().told(WatchEvent::Deleted, "/x", 3),
                   "event 2 of /x at 3 came where event 3 of /x at 3 was due");
  expect_violation(check_watch_once, once, txns, watching().told(WatchEvent::DataChanged, "/y", 3),
                   "was due");
  // A read without a watch leaves none.
  expect_violation(
      check_watch_once, once, txns,
      Story().attached(kSession).did(Op::GetData, "/x", 2).told(WatchEvent::DataChanged, "/x", 3),
      "was not due");
}

TEST(ClientCheckers, WatchOnceOfPersistentAndRecursiveWatches) {
  const Txns txns = x_changes_twice();
  const Story persistent = Story()
                               .attached(kSession)
                               .did(Op::AddWatch, "/x", 1)
                               .with_number(0)
                               .told(WatchEvent::Created, "/x", 2)
                               .told(WatchEvent::DataChanged, "/x", 3)
                               .told(WatchEvent::DataChanged, "/x", 4)
                               .told(WatchEvent::ChildrenChanged, "/x", 5);
  expect_well(check_watch_once, Checker::WatchOnce, txns, persistent);
  const Story recursive = Story()
                              .attached(kSession)
                              .did(Op::AddWatch, "/", 4)
                              .with_number(1)
                              .told(WatchEvent::Created, "/x/c", 5)
                              .did(Op::CheckWatches, "/", 5)
                              .with_number(5)
                              .did(Op::RemoveWatches, "/", 5)
                              .with_number(5)
                              .ponged(6);
  expect_well(check_watch_once, Checker::WatchOnce, txns, recursive);
  expect_violation(check_watch_once, Checker::WatchOnce, txns,
                   Story(recursive).told(WatchEvent::Deleted, "/x/c", 6), "was not due");
  expect_violation(check_watch_once, Checker::WatchOnce, txns,
                   Story().attached(kSession).did(Op::CheckWatches, "/x", 2).with_number(2),
                   "answered 0");
}

TEST(ClientCheckers, WatchOrder) {
  const Txns txns = x_changes_twice();
  const auto watching = [] { return Story().attached(kSession).did(Op::GetData, "/x", 2, true); };
  expect_well(check_watch_order, Checker::WatchOrder, txns,
              watching().told(WatchEvent::DataChanged, "/x", 3).ponged(3));
  expect_violation(check_watch_order, Checker::WatchOrder, txns,
                   watching().ponged(3).told(WatchEvent::DataChanged, "/x", 3),
                   "behind a state of 3");
  expect_violation(check_watch_order, Checker::WatchOrder, txns,
                   Story()
                       .attached(kSession)
                       .did(Op::GetData, "/x", 0, true)
                       .told(WatchEvent::DataChanged, "/x", 3)
                       .answer(0, 3),
                   "before the reply that set its watch");
}

TEST(ClientCheckers, WatchReconn) {
  const Txns txns = x_changes_twice();
  Rearm rearm;
  rearm.since = Zxid{3};
  rearm.data = {"/x"};
  rearm.exist = {"/y"};
  rearm.child = {"/x"};
  const auto again = [] { return Story().attached(kSession, 3); };
  expect_well(check_watch_reconnect, Checker::WatchReconn, txns,
              again().told(WatchEvent::DataChanged, "/x", -1).rearmed(rearm, 4));
  expect_well(check_watch_reconnect, Checker::WatchReconn, txns,
              again()
                  .told(WatchEvent::DataChanged, "/x", -1)
                  .told(WatchEvent::ChildrenChanged, "/x", -1)
                  .rearmed(rearm, 6));
  const Checker reconn = Checker::WatchReconn;
  expect_violation(check_watch_reconnect, reconn, txns, again().rearmed(rearm, 4),
                   "was told nothing and should have been told 3 /x;");
  expect_violation(check_watch_reconnect, reconn, txns,
                   again().told(WatchEvent::DataChanged, "/x", -1).rearmed(rearm, 3),
                   "should have been told nothing");
  expect_violation(check_watch_reconnect, reconn, txns,
                   again().rearmed(Rearm(), 4).told(WatchEvent::Created, "/y", -1).ponged(4),
                   "should have been told nothing");
}

TEST(ClientCheckers, Fifo) {
  Txns txns = x_changes_twice();
  txns.set("/x", 1).set("/x", 2);
  const auto two = [] {
    return Story().attached(kSession).did(Op::SetData, "/x", 0).did(Op::SetData, "/x", 0);
  };
  expect_well(check_fifo, Checker::Fifo, txns, two().answer(0, 7).answer(1, 8));
  expect_violation(check_fifo, Checker::Fifo, txns, two().answer(1, 8),
                   "the reply to operation 1 came when 0 was due");
  Txns swapped = x_changes_twice();
  swapped.set("/x", 2).set("/x", 1);
  expect_violation(check_fifo, Checker::Fifo, swapped, two(), "a later write of the session");
}

TEST(ClientCheckers, Seq) {
  Txns txns = x_changes_twice();
  txns.set("/x", 1);
  const auto wrote = [] { return Story().attached(kSession).did(Op::SetData, "/x", 7); };
  expect_well(check_sequence, Checker::Seq, txns, wrote().did(Op::GetData, "/x", 7));
  expect_violation(check_sequence, Checker::Seq, txns, wrote().did(Op::GetData, "/x", 6),
                   "after its own write 7");
  expect_violation(check_sequence, Checker::Seq, x_changes_twice(),
                   Story().attached(kSession).did(Op::GetData, "/x", 5).did(Op::GetData, "/x", 4),
                   "after a state of 5");
}

TEST(ClientCheckers, Mono) {
  const Txns txns = x_changes_twice();
  const auto seen = [] { return Story().attached(kSession).ponged(5).attached(kSession, 5); };
  expect_well(check_monotone, Checker::Mono, txns, seen().ponged(5));
  expect_violation(check_monotone, Checker::Mono, txns, seen().ponged(4),
                   "is shown zxid 4 after 5");
}

TEST(ClientCheckers, Sync) {
  const Txns txns = x_changes_twice();
  const Story first = Story().attached(kSession).did(Op::GetData, "/x", 5);
  const auto synced = [&first](uint64_t zxid) { return Story(first).did(Op::Sync, "/", zxid); };
  expect_well(check_barrier, Checker::Sync, txns, synced(5));
  expect_violation(check_barrier, Checker::Sync, txns, synced(4),
                   "sync answered at 4, and 5 had been shown");
}

TEST(ClientCheckers, Atomic) {
  const Checker atomic = Checker::Atomic;
  const auto answered = [](const std::vector<ErrorCode>& errors) {
    return Story().attached(kSession).did(Op::Multi, "", 1).with_parts(errors);
  };
  const ErrorCode ok = ErrorCode::Ok;
  const ErrorCode no = ErrorCode::NoNode;
  expect_well(check_atomic, atomic, Txns().multi(2, 0, 2), answered({ok, ok}));
  expect_well(check_atomic, atomic, Txns().multi(2, 1, 1), answered({ok, no}));
  expect_violation(check_atomic, atomic, Txns().multi(3, 1, 1), Story(),
                   "goes on behind its part 1, which failed");
  expect_violation(check_atomic, atomic, Txns().multi(2, 0, 2), answered({ok, no}),
                   "answered as one that failed");
  expect_violation(check_atomic, atomic, Txns().multi(2, 1, 1), answered({ok, ok}),
                   "answered as one that was carried out");
  expect_violation(check_atomic, atomic, Txns().multi(3, 0, 3), answered({ok, ok}),
                   "a multi of 2 parts");
}

TEST(ClientCheckers, SequenceNames) {
  const Checker names = Checker::SeqName;
  const auto numbered = [](const std::string& path) {
    return Story()
        .attached(kSession)
        .did(Op::Create, path, 0)
        .with_flag(CreateFlag::PersistentSequential)
        .did(Op::Create, path, 0)
        .with_flag(CreateFlag::EphemeralSequential);
  };
  const auto made = [](const char* first, const char* second) {
    Txns txns;
    txns.create("/p").create(first, false, kSession, 1).create(second, false, kSession, 2);
    return txns;
  };
  const Story story = numbered("/p/s-");
  expect_well(check_sequence_names, names, made("/p/s-0000000000", "/p/s-0000000001"), story);
  expect_violation(check_sequence_names, names, made("/p/s-0000000004", "/p/s-0000000003"), story,
                   "after number 4");
  expect_violation(check_sequence_names, names, made("/p/s-0000000004", "/p/s-0000000004"), story,
                   "after number 4");
  // Another life of the parent begins anew; and of the root's children too it is asked.
  Txns twice;
  twice.create("/p").create("/p/s-0000000004", false, kSession, 1).remove("/p/s-0000000004");
  twice.remove("/p").create("/p").create("/p/s-0000000000", false, kSession, 2);
  expect_well(check_sequence_names, names, twice, story);
  expect_violation(check_sequence_names, names, made("/s-0000000004", "/s-0000000003"),
                   numbered("/s-"), "after number 4");
}

TEST(ClientCheckers, Session) {
  Txns txns;
  txns.add(TxnType::CreateSession).create("/x").add(TxnType::CloseSession);
  expect_well(check_sessions, Checker::Session, txns,
              Story().attached(kSession).did(Op::GetData, "/x", 2));
  const Checker session = Checker::Session;
  const Story nobody;
  expect_violation(check_sessions, session, Txns(txns).set("/x"), nobody, "was closed at 3");
  expect_violation(check_sessions, session, Txns(txns).add(TxnType::CreateSession), nobody,
                   "begins a second time");
  expect_violation(check_sessions, session, Txns(txns).create("/y", false, kOther), nobody,
                   "never began");
  expect_violation(check_sessions, session, txns,
                   Story().attached(kSession).did(Op::GetData, "/x", 3),
                   "was answered at 3, and closed at 3");
}

TEST(ClientCheckers, SessionsMoveWhenTheyAreAskedForElsewhere) {
  Txns txns;
  txns.add(TxnType::CreateSession);
  txns.add(TxnType::Error, {}, kSession, 1, ErrorCode::SessionMoved);
  const auto asked = [] { return Story().attached(kSession).did(Op::SetData, "/x", 0); };
  expect_violation(check_sessions, Checker::Session, txns, asked(),
                   "was refused at 2 as of a session that has moved, and it has not");
  // Again in time; too late; and another session.
  const Story again = asked().asked_for(kSession, at_ms(1).ns + 1);
  expect_well(check_sessions, Checker::Session, txns, again);
  expect_violation(check_sessions, Checker::Session, txns, asked().asked_for(kSession, at_ms(3).ns),
                   "and it has not");
  expect_violation(check_sessions, Checker::Session, txns,
                   asked().asked_for(kOther, at_ms(1).ns + 1), "and it has not");
  // Before, in a request that may be under way; or that was answered.
  expect_well(check_sessions, Checker::Session, txns, asked().asked_for(kSession, 1));
  expect_violation(check_sessions, Checker::Session, txns, asked().asked_for(kSession, 1, true),
                   "and it has not");
}

TEST(ClientCheckers, Eph) {
  const Check check = [](const Past& past, Verdict& verdict) {
    check_ephemerals(past, {}, verdict);
  };
  const Steps both = {{TxnType::Delete, "/a"}, {TxnType::Delete, "/b"}};
  Txns txns;
  txns.add(TxnType::CreateSession).create("/a", true).create("/b", true);
  const Story nobody;
  expect_well(check, Checker::Eph, Txns(txns).add(TxnType::CloseSession, both), nobody);
  const Checker eph = Checker::Eph;
  expect_violation(check, eph, Txns(txns).create("/c", true, kOther), nobody, "which is not open");
  expect_violation(check, eph, Txns(txns).add(TxnType::CloseSession, {both[0]}), nobody,
                   "removes 1 znodes, and it owned 2");
  expect_violation(check, eph, Txns(txns).remove("/a").add(TxnType::CloseSession, both), nobody,
                   "removes 2 znodes, and it owned 1");
  expect_violation(check, eph, Txns(txns).add(TxnType::CloseSession, both).create("/c", true),
                   nobody, "which is not open");
}

TEST(ClientCheckers, EphOfAServerThatForgotASession) {
  DataTree tree;
  Txn txn;
  txn.header = {kSession, 1, Zxid{1}, {1000}, TxnType::Create};
  CreateTxn create;
  create.path = "/a";
  create.ephemeral = true;
  create.parent_cversion = 1;
  txn.body = create;
  Effects effects;
  tree.apply(txn, effects);
  const Check check = [&tree](const Past& past, Verdict& verdict) {
    check_ephemerals(past, {&tree}, verdict);
  };
  expect_violation(check, Checker::Eph, Txns(), Story(), "s1 holds 1 ephemerals");
  tree.load_session(kSession, 1000);
  expect_well(check, Checker::Eph, Txns(), Story());
}

TEST(ClientCheckers, NoExpire) {
  // The client was last heard when it sent its ping at 5 ms, with 1000 ms to live and 100 of slack.
  const Story story = Story().attached(kSession).ponged(1).ponged(1);
  const auto expired_at = [](uint64_t ms, int32_t cxid) {
    Txns txns;
    txns.add(TxnType::CreateSession);
    for (uint64_t i = 2; i < ms; ++i) txns.set("/");
    txns.add(TxnType::CloseSession, {}, kSession, cxid);
    return txns;
  };
  expect_well(check_no_expire, Checker::NoExpire, expired_at(905, 0), story);
  expect_violation(check_no_expire, Checker::NoExpire, expired_at(904, 0), story,
                   "899 ms after its client was heard");
  const Verdict asked_for = judge(check_no_expire, expired_at(904, 7), {&story});
  EXPECT_FALSE(asked_for.violation());
  EXPECT_EQ(evaluated(asked_for, Checker::NoExpire), 0U);
  // A server whose clock goes half as fast again gives it 667 ms, and 100 are slack as before.
  Past hasty;
  hasty.clock_pace_ppm = 1'500'000;
  EXPECT_FALSE(judge(check_no_expire, expired_at(572, 0), {&story}, hasty).violation());
  EXPECT_TRUE(judge(check_no_expire, expired_at(571, 0), {&story}, hasty).violation());
}

}  // namespace
}  // namespace vivarium::sim
