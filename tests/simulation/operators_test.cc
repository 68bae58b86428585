// K-ADMIN fires: on each kind of answer that a server must not give, under its name, and passes
// the answers that real servers give in a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "sim/checkers/operators.h"
#include "sim/cluster.h"
#include "tests/simulation/checker_support.h"

namespace vivarium::sim {
namespace {

using testing::HasSubstr;

constexpr ServerIndex kServer = 1;

std::string srvr(std::string_view zxid, std::string_view mode) {
  return "Zookeeper version: 3.9\nLatency min/avg/max: 0/0.0/0\nReceived: 3\nSent: 2\n"
         "Connections: 1\nOutstanding: 0\nZxid: " +
         std::string(zxid) + "\nMode: " + std::string(mode) + "\nNode count: 5\n";
}

std::string http(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

// A follower that has applied 0x100000005; others have logged one more.
class Asked {
 public:
  Asked() : Asked({3, 3, true, false}) {}
  explicit Asked(const Operators::Rules& rules) : operators_(rules) {
    operators_.life_changed(kServer);
    facts_.delivers = true;
    facts_.last_applied = facts_.last_logged = Zxid(1, 5);
    step(1);
    NodeFacts other = facts_;
    other.last_logged = Zxid(1, 6);
    operators_.stepped(0, other, other, at_ms(1));
  }
  void step(int64_t ms) { operators_.stepped(kServer, facts_, facts_, at_ms(ms)); }
  // What the checker says of an answer; empty: it is content.
  std::string says(std::string_view what, std::string_view answer, bool is_http = false) {
    Asking asking;
    asking.server = kServer;
    asking.http = is_http;
    asking.what = what;
    asking.sent = at_ms(10);
    Verdict verdict;
    operators_.stepped({asking}, at_ms(10), verdict);
    asking.answer = answer;
    asking.ended = at_ms(12);
    operators_.stepped({asking}, at_ms(12), verdict);
    EXPECT_EQ(verdict.counts()[static_cast<size_t>(Checker::Admin)], 1U);
    return verdict.violation() ? verdict.violation()->checker + ": " + verdict.violation()->text
                               : "";
  }
  Operators& operators() { return operators_; }
  NodeFacts& facts() { return facts_; }

 private:
  Operators operators_;
  NodeFacts facts_;
};

TEST(OperatorChecker, PassesWhatServersSay) {
  EXPECT_EQ(Asked().says("srvr", srvr("0x100000005", "follower")), "");
  EXPECT_EQ(Asked().says("srvr", srvr("0x100000006", "follower")), "");
  EXPECT_EQ(Asked().says("ruok", "imok"), "");
  EXPECT_EQ(Asked().says("ruok", ""), "");  // the end of the connection
  EXPECT_EQ(Asked().says("mntr", "zk_version\t3.9\nzk_server_state\tfollower\n"), "");
  EXPECT_EQ(Asked().says("srvr", "This ZooKeeper instance is not currently serving requests\n"),
            "");
  EXPECT_EQ(Asked().says("leader",
                         http("{\n  \"is_leader\" : false,\n  \"command\" : \"leader\","
                              "\n  \"error\" : null\n}"),
                         true),
            "");
}

TEST(OperatorChecker, FiresOnAZxidThatCannotBe) {
  EXPECT_EQ(Asked().says("srvr", srvr("0x100000004", "follower")),
            "K-ADMIN: s2 was asked srvr: it says that it is at 100000004, and 100000005 had been "
            "applied");
  EXPECT_EQ(Asked().says("srvr", srvr("0x100000007", "follower")),
            "K-ADMIN: s2 was asked srvr: it says that it is at 100000007, and 100000006 had been "
            "logged by all");
  EXPECT_THAT(Asked().says("server_stats",
                           http("{ \"server_stats\" : { \"last_processed_zxid\" : 4294967303 },"
                                "\"command\" : \"server_stats\", \"error\" : null }"),
                           true),
              HasSubstr("it says that it is at 100000007"));
}

TEST(OperatorChecker, FiresOnAModeThatCannotBe) {
  EXPECT_EQ(Asked().says("srvr", srvr("0x100000005", "leader")),
            "K-ADMIN: s2 was asked srvr: it says that it is leader");
  EXPECT_THAT(Asked().says("srvr", srvr("0x100000005", "observer")), HasSubstr("it is observer"));
  EXPECT_THAT(Asked().says("srvr", srvr("0x100000005", "standalone")), HasSubstr("is standalone"));
  // It led while it was asked.
  Asked was;
  was.facts().leading = true;
  was.step(11);
  was.facts().leading = false;
  was.step(11);
  EXPECT_EQ(was.says("srvr", srvr("0x100000005", "leader")), "");
  Asked observer({3, 1, true, false});
  EXPECT_EQ(observer.says("srvr", srvr("0x100000005", "observer")), "");
}

TEST(OperatorChecker, FiresOnAnswersThatDoNotRead) {
  EXPECT_THAT(Asked().says("ruok", "imo"), HasSubstr("not imok in an answer of 3 bytes"));
  EXPECT_THAT(Asked().says("srvr", srvr("0x100000005", "follower").substr(0, 100)),
              HasSubstr("its last line is not whole"));
  EXPECT_THAT(Asked().says("mntr", "zk_version 3.9\n"), HasSubstr("a line"));
  EXPECT_THAT(Asked().says("dump", "nothing"), HasSubstr("not whole"));
  EXPECT_THAT(Asked().says("leader", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", true),
              HasSubstr("a body of another length"));
  EXPECT_THAT(Asked().says("leader", http("{ \"command\" : \"leader\" "), true),
              HasSubstr("no JSON"));
  EXPECT_THAT(Asked().says("leader", http("{ \"command\" : \"hash\", \"error\" : null }"), true),
              HasSubstr("another command"));
}

TEST(OperatorChecker, FiresWhenTheWhitelistIsNotKept) {
  const std::string refusal = "ruok is not executed because it is not in the whitelist.\n";
  EXPECT_THAT(Asked().says("ruok", refusal), HasSubstr("it refused"));
  EXPECT_EQ(Asked({3, 3, false, false}).says("ruok", refusal), "");
  EXPECT_THAT(Asked({3, 3, false, false}).says("ruok", "imok"),
              HasSubstr("it answered, and nobody may ask that"));
  EXPECT_THAT(Asked().says("connections",
                           http("{ \"command\" : \"connections\", \"error\" : null }"), true),
              HasSubstr("it answered, and nobody may ask that"));
}

TEST(OperatorChecker, FiresOnSilence) {
  Asking asking;
  asking.server = kServer;
  asking.what = "srvr";
  asking.sent = at_ms(10);
  Verdict verdict;
  Asked asked;
  asked.operators().stepped(std::vector<Asking>{asking}, at_ms(10), verdict);
  for (int i = 0; i < 20; ++i) {
    asked.operators().passed(kServer, false, milliseconds(50), at_ms(60), verdict);
    asked.operators().passed(kServer, true, milliseconds(5000), at_ms(60), verdict);
  }
  EXPECT_FALSE(verdict.violation());
  asked.operators().passed(kServer, false, milliseconds(50), at_ms(60), verdict);
  ASSERT_TRUE(verdict.violation());
  EXPECT_EQ(verdict.violation()->text, "s2 was asked srvr, and has said nothing for 1050 ms");
}

// A schedule in which somebody asks: some questions are judged, and none of the answers is wrong.
TEST(OperatorChecker, JudgesRealAnswers) {
  uint64_t judged = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Cluster cluster(seed);
    const Outcome outcome = cluster.run();
    ASSERT_FALSE(outcome.violation) << seed << ": " << outcome.violation->text;
    const uint64_t here = outcome.evaluated[static_cast<size_t>(Checker::Admin)];
    EXPECT_EQ(here > 0, cluster.profile().has_operator) << seed;
    judged += here;
  }
  EXPECT_GT(judged, 20U);
}

}  // namespace
}  // namespace vivarium::sim
