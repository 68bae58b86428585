// Four-letter words on the client door of a standalone server, as nc sees them. The forms are
// those of Apache's answers in golden/four-letter-words.json.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <regex>

#include "core/server/admin_text.h"
#include "tests/simulation/admin_bench.h"

namespace vivarium::sim {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

size_t occurrences(std::string_view text, std::string_view of) {
  size_t n = 0;
  for (size_t at = text.find(of); at != std::string_view::npos; at = text.find(of, at + 1)) ++n;
  return n;
}

TEST(AdminWords, OnlySrvrIsAnsweredUnlessTheWhitelistSaysMore) {
  Config config = AdminBench::default_config();
  config.admin.words = {"ruok"};
  AdminBench bench(config);
  EXPECT_EQ(bench.ask("ruok"), "imok");
  EXPECT_THAT(bench.ask("srvr"), StartsWith("Zookeeper version: 3.9."));
  for (const std::string word : {"conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash",
                                 "isro", "mntr", "srst", "stat", "stmk", "wchc", "wchp", "wchs"}) {
    EXPECT_EQ(bench.ask(word), word + " is not executed because it is not in the whitelist.\n");
  }
}

TEST(AdminWords, WhatIsNoWordIsAClientsFrame) {
  AdminBench bench;
  EXPECT_EQ(bench.ask("nope"), "");
  EXPECT_EQ(bench.ask("\xff\xf4\xff\xfd"), "");
  const LinkId link = bench.open_session();
  EXPECT_NE(bench.session_of(link), SessionId());
}

TEST(AdminWords, AWordInPiecesAndWithMoreBehindIt) {
  AdminBench bench;
  const LinkId link = bench.connect();
  bench.send(link, "ru");
  bench.run(milliseconds(50));
  EXPECT_EQ(bench.received(link), "");
  bench.send(link, "ok");
  EXPECT_TRUE(bench.until([&] { return bench.ended(link); }));
  EXPECT_EQ(bench.received(link), "imok");
  EXPECT_EQ(bench.ask("ruok\r\nGET / HTTP/1.0\r\n\r\n"), "imok");
}

TEST(AdminWords, SrvrAndStat) {
  AdminBench bench;
  const LinkId client = bench.open_session();
  bench.create(client, 1, "/a");
  const char* const lines =
      "Latency min/avg/max: [0-9]+/[0-9.]+/[0-9]+\nReceived: 3\nSent: 2\nConnections: 2\n"
      "Outstanding: 0\nZxid: 0x2\nMode: standalone\nNode count: 6\n";
  EXPECT_THAT(bench.ask("srvr"), MatchesRegex(std::string("Zookeeper version: [^\n]+\n") + lines));
  EXPECT_THAT(bench.ask("stat"),
              MatchesRegex("Zookeeper version: [^\n]+\nClients:\n"
                           " /[^ ]+\\[0\\]\\(queued=0,recved=1,sent=0\\)\n"
                           " /[^ ]+\\[1\\]\\(queued=0,recved=2,sent=2\\)\n\nLatency (.|\n)*"));
}

TEST(AdminWords, ConsShowsWhatEachClientDid) {
  AdminBench bench;
  const LinkId client = bench.open_session();
  const int64_t id = bench.session_of(client).value;
  bench.create(client, 7, "/a");
  const std::string sid = fmt::format("{:x}", static_cast<uint64_t>(id));
  EXPECT_THAT(bench.ask("cons"),
              MatchesRegex(" /[^ ]+\\[0\\]\\(queued=0,recved=1,sent=0\\)\n"
                           " /[^ ]+\\[1\\]\\(queued=0,recved=2,sent=2,sid=0x" +
                           sid +
                           ",lop=CREA,est=[0-9]+,to=10000,lcxid=0x7,lzxid=0x2,lresp=[0-9]+,"
                           "llat=[0-9]+,minlat=[0-9]+,avglat=[0-9]+,maxlat=[0-9]+\\)\n\n"));
  EXPECT_EQ(bench.ask("crst"), "Connection stats reset.\n");
  EXPECT_THAT(bench.ask("cons"), HasSubstr("(queued=0,recved=0,sent=0,sid=0x" + sid + ",lop=NA,"));
  EXPECT_EQ(bench.ask("srst"), "Server stats reset.\n");
  EXPECT_THAT(bench.ask("srvr"), HasSubstr("\nReceived: 1\nSent: 1\n"));
}

TEST(AdminWords, ConfDirsEnvi) {
  AdminBench bench;
  EXPECT_THAT(bench.ask("conf"),
              MatchesRegex("clientPort=2181\nsecureClientPort=-1\ndataDir=/data/version-2\n"
                           "dataDirSize=[1-9][0-9]*\ndataLogDir=/logs/version-2\n"
                           "dataLogSize=[1-9][0-9]*\ntickTime=1000\nmaxClientCnxns=60\n"
                           "minSessionTimeout=2000\nmaxSessionTimeout=20000\n"
                           "clientPortListenBacklog=-1\nserverId=0\n"));
  EXPECT_THAT(bench.ask("dirs"),
              MatchesRegex("datadir_size: [1-9][0-9]*\nlogdir_size: [1-9][0-9]*\n"));
  EXPECT_EQ(bench.ask("envi"), fmt::format("Environment:\nzookeeper.version={}\nhost.name=h\n"
                                           "os.name=Linux\n",
                                           kServerVersion));
  EXPECT_EQ(bench.ask("isro"), "rw");
  EXPECT_EQ(bench.ask("gtmk"), "306");
}

TEST(AdminWords, DumpListsSessionsEphemeralsAndConnections) {
  AdminBench bench;
  EXPECT_THAT(bench.ask("dump"), HasSubstr("ephemeral nodes dump:\nSessions with Ephemerals (0):\n"
                                           "Connections dump:\nConnections Sets (0)/(0):\n"));
  const LinkId client = bench.open_session();
  bench.create(client, 1, "/e1", CreateFlag::Ephemeral);
  bench.create(client, 2, "/e2", CreateFlag::Ephemeral);
  const std::string sid =
      fmt::format("0x{:x}", static_cast<uint64_t>(bench.session_of(client).value));
  EXPECT_THAT(
      bench.ask("dump"),
      MatchesRegex("SessionTracker dump:\nSession Sets \\([1-9]\\)/\\(1\\):\n"
                   "(0 expire at [^\n]+:\n)*1 expire at [A-Z][a-z][a-z] [^\n]+ UTC 20[0-9][0-9]:\n"
                   "\t" +
                   sid +
                   "\n(0 expire at [^\n]+:\n)*"
                   "ephemeral nodes dump:\nSessions with Ephemerals \\(1\\):\n" +
                   sid +
                   ":\n\t/e1\n\t/e2\nConnections dump:\nConnections Sets \\(1\\)/\\(1\\):\n"
                   "1 expire at [^\n]+:\n\tip: /[^ ]+ sessionId: " +
                   sid + "\n"));
}

TEST(AdminWords, Watches) {
  AdminBench bench;
  EXPECT_EQ(bench.ask("wchs"), "0 connections watching 0 paths\nTotal watches:0\n");
  EXPECT_EQ(bench.ask("wchc"), "\n");
  EXPECT_EQ(bench.ask("wchp"), "\n");
  const LinkId client = bench.open_session();
  bench.watch(client, 1, "/a");
  bench.watch(client, 2, "/b");
  const std::string sid =
      fmt::format("0x{:x}", static_cast<uint64_t>(bench.session_of(client).value));
  EXPECT_EQ(bench.ask("wchs"), "1 connections watching 2 paths\nTotal watches:2\n");
  const std::string by_session = bench.ask("wchc");
  EXPECT_TRUE(by_session == sid + "\n\t/a\n\t/b\n\n" || by_session == sid + "\n\t/b\n\t/a\n\n")
      << by_session;
  EXPECT_EQ(bench.ask("wchp"), "/a\n\t" + sid + "\n/b\n\t" + sid + "\n\n");
}

TEST(AdminWords, MntrHasALinePerFact) {
  AdminBench bench;
  const LinkId client = bench.open_session();
  bench.create(client, 1, "/e", CreateFlag::Ephemeral);
  const std::string text = bench.ask("mntr");
  const std::regex line("zk_[a-z0-9_]+\t[^\t]+");
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    EXPECT_TRUE(std::regex_match(text.substr(begin, end - begin), line))
        << text.substr(begin, end - begin);
    begin = end + 1;
  }
  EXPECT_EQ(begin, text.size());
  for (const char* fact :
       {"zk_server_state\tstandalone\n", "zk_znode_count\t6\n", "zk_ephemerals_count\t1\n",
        "zk_num_alive_connections\t2\n", "zk_watch_count\t0\n", "zk_global_sessions\t1\n",
        "zk_outstanding_requests\t0\n", "zk_packets_received\t3\n"}) {
    EXPECT_THAT(text, HasSubstr(fact));
  }
}

TEST(AdminWords, HashListsTheDigestOfEvery128thZxid) {
  AdminBench bench;
  const LinkId client = bench.open_session();
  for (int32_t i = 0; i < 140; ++i) bench.create(client, i, fmt::format("/n{}", i));
  EXPECT_THAT(bench.ask("hash"), MatchesRegex("80: -?[0-9]+\n"));
}

TEST(AdminWords, WhileNothingIsServed) {
  // The other voter says nothing.
  Config config = AdminBench::default_config();
  config.id = ServerId{1};
  for (const char* host : {"s1", "c1"}) {
    Member member;
    member.id = ServerId{static_cast<int64_t>(config.members.size()) + 1};
    member.quorum = {host, kQuorumPort};
    member.election = {host, kElectionPort};
    config.members.push_back(member);
  }
  AdminBench bench(config, false);
  ASSERT_FALSE(bench.node().zab().serving());
  const LinkId ruok = bench.connect();
  const LinkId srvr = bench.connect();
  const LinkId isro = bench.connect();
  const LinkId client = bench.connect();
  ASSERT_FALSE(bench.node().zab().serving());
  bench.send(ruok, "ruok");
  bench.send(srvr, "srvr");
  bench.send(isro, "isro");
  bench.send(client, std::string("\0\0\0\x2c", 4) + std::string(44, '\0'));
  EXPECT_TRUE(bench.until([&] {
    return bench.ended(ruok) && bench.ended(srvr) && bench.ended(isro) && bench.ended(client);
  }));
  EXPECT_EQ(bench.received(ruok), "imok");
  EXPECT_EQ(bench.received(client), "");
}

// A long listing leaves in portions; a reader that stops reading holds little, and not for ever.
TEST(AdminWords, ASlowReaderOfALongListingIsBounded) {
  AdminBench bench;
  const LinkId client = bench.open_session();
  constexpr int32_t kWatches = 3000;
  const std::string name(200, 'x');
  for (int32_t i = 0; i < kWatches; ++i) bench.watch(client, i, fmt::format("/{}{}", name, i));
  const std::string by_path = bench.ask("wchp");
  EXPECT_EQ(occurrences(by_path, "\n\t0x"), static_cast<size_t>(kWatches));
  const std::string by_session = bench.ask("wchc");
  EXPECT_EQ(occurrences(by_session, "\n\t/x"), static_cast<size_t>(kWatches));
  EXPECT_EQ(occurrences(by_session, "0x"), 1U);

  bench.asker.credit = 0;
  const LinkId slow = bench.connect();
  bench.send(slow, "wchp");
  ASSERT_TRUE(bench.until([&] { return bench.node().admin().words().asker_count() == 1; }));
  uint64_t most = 0;
  EXPECT_TRUE(bench.until([&] {
    const AdminWords& words = bench.node().admin().words();
    if (words.asker_count() == 0) return true;
    most = std::max(most, bench.sim.network().unsent(AdminBench::kServer, words.links().front()));
    return false;
  }));
  EXPECT_GT(most, 0U);
  EXPECT_LT(most, by_path.size() / 2);
  // The end stands behind the bytes that were not read.
  bench.sim.act(AdminBench::kAsker, bench, [&](World& world) { world.give_credit(slow, 1 << 20); });
  EXPECT_TRUE(bench.until([&] { return bench.ended(slow); }));
  EXPECT_LT(bench.received(slow).size(), by_path.size() / 2);
}

TEST(AdminWords, SilentAskersMakeRoomWhileNothingIsServed) {
  AdminBench bench(AdminBench::default_config(), false);
  std::vector<LinkId> silent;
  bench.sim.act(AdminBench::kAsker, bench, [&](World& world) {
    for (int i = 0; i < 100; ++i) silent.push_back(world.connect({"s1", kClientPort}));
  });
  size_t most = 0;
  EXPECT_TRUE(bench.until([&] {
    most = std::max(most, bench.node().admin().words().asker_count());
    return bench.asker.down.size() >= silent.size();
  }));
  EXPECT_GT(most, 10U);
  EXPECT_LE(most, AdminWords::kAskersMax);
}

TEST(AdminText, AveragesAndDatesAsJavaHasThem) {
  EXPECT_EQ(decimal_average(0, 0), "0.0");
  EXPECT_EQ(decimal_average(0, 3), "0.0");
  EXPECT_EQ(decimal_average(23, 13), "1.7692");
  EXPECT_EQ(decimal_average(206, 13), "15.8462");
  EXPECT_EQ(decimal_average(1, 2), "0.5");
  EXPECT_EQ(decimal_average(99'999, 50'000), "2.0");
  EXPECT_EQ(decimal_average(-1, 2), "-0.5");
  EXPECT_EQ(java_date({1795422905000}), "Mon Nov 23 08:35:05 UTC 2026");
  EXPECT_EQ(java_date({0}), "Thu Jan 01 00:00:00 UTC 1970");
  EXPECT_EQ(java_date({951'782'400'000}), "Tue Feb 29 00:00:00 UTC 2000");
  EXPECT_EQ(java_date({-1}), "Wed Dec 31 23:59:59 UTC 1969");
}

}  // namespace
}  // namespace vivarium::sim
