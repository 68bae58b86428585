// The AdminServer's commands over HTTP, without sockets: names and fields are those of
// golden/admin-server.json.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/server/identity.h"
#include "tests/unit/admin_host.h"

namespace vivarium::server_test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kDigest = "Authorization: digest admin:secret\r\n";

std::string get(std::string_view path, std::string_view headers = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{}\r\n", path, headers);
}

std::string body_of(const std::string& answer) {
  const size_t end = answer.find("\r\n\r\n");
  EXPECT_NE(end, std::string::npos) << answer;
  std::string body = answer.substr(end + 4);
  if (answer.find("Transfer-Encoding: chunked") == std::string::npos) return body;
  std::string whole;
  for (;;) {
    const size_t line = body.find("\r\n");
    const size_t size = std::stoul(body.substr(0, line), nullptr, 16);
    if (size == 0) return whole;
    whole += body.substr(line + 2, size);
    body = body.substr(line + 2 + size + 2);
  }
}

json command(AdminHost& host, const std::string& name, std::string_view headers = kDigest) {
  const std::string answer = host.ask(Door::Admin, get("/commands/" + name, headers));
  const json parsed = json::parse(body_of(answer), nullptr, false);
  EXPECT_FALSE(parsed.is_discarded()) << answer;
  return parsed;
}

std::set<std::string> keys_of(const json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

TEST(AdminServer, TheListOfCommands) {
  AdminHost host;
  const std::string answer = host.ask(Door::Admin, get("/commands"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/html"));
  EXPECT_THAT(answer, HasSubstr("<a href=\"/commands/zabstate\">zabstate</a>\n<br/>\n"));
  EXPECT_THAT(host.ask(Door::Admin, get("/other")), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(host.ask(Door::Admin, get("/commandsx")), StartsWith("HTTP/1.1 404 "));
}

TEST(AdminServer, NamesAndAliases) {
  AdminHost host;
  EXPECT_EQ(command(host, "ruok"), (json{{"command", "ruok"}, {"error", nullptr}}));
  EXPECT_EQ(command(host, "mntr")["command"], "monitor");
  EXPECT_EQ(command(host, "lsnp")["command"], "last_snapshot");
  EXPECT_EQ(command(host, "nosuch"),
            (json{{"command", "nosuch"}, {"error", "Unknown command: nosuch"}}));
}

TEST(AdminServer, FieldsAsApache) {
  AdminHost host;
  using Keys = std::set<std::string>;
  EXPECT_EQ(keys_of(command(host, "configuration")),
            (Keys{"client_port", "client_port_listen_backlog", "command", "data_dir",
                  "data_log_dir", "error", "max_client_cnxns", "max_session_timeout",
                  "min_session_timeout", "server_id", "tick_time"}));
  EXPECT_EQ(
      command(host, "dirs"),
      (json{
          {"command", "dirs"}, {"error", nullptr}, {"datadir_size", 1200}, {"logdir_size", 1200}}));
  const json stats = command(host, "server_stats");
  EXPECT_EQ(keys_of(stats), (Keys{"client_response", "command", "error", "node_count", "read_only",
                                  "server_stats", "version"}));
  EXPECT_EQ(
      keys_of(stats["server_stats"]),
      (Keys{"auth_failed_count", "avg_latency", "client_response_stats", "data_dir_size",
            "fsync_threshold_exceed_count", "last_processed_zxid", "log_dir_size", "max_latency",
            "min_latency", "non_mtlslocal_conn_count", "non_mtlsremote_conn_count",
            "num_alive_client_connections", "outstanding_requests", "packets_received",
            "packets_sent", "provider_null", "server_state", "uptime"}));
  EXPECT_EQ(keys_of(command(host, "stats")),
            (Keys{"client_response", "command", "connections", "error", "node_count", "read_only",
                  "secure_connections", "server_stats", "version"}));
  EXPECT_EQ(command(host, "watch_summary"), (json{{"command", "watch_summary"},
                                                  {"error", nullptr},
                                                  {"num_connections", 0},
                                                  {"num_paths", 0},
                                                  {"num_total_watches", 0}}));
  EXPECT_EQ(command(host, "is_read_only")["read_only"], true);
  EXPECT_EQ(command(host, "leader")["error"], "server is not initialized");
  EXPECT_EQ(command(host, "hash")["digests"], json::array());
  EXPECT_EQ(command(host, "get_trace_mask")["tracemask"], 306);
  EXPECT_EQ(command(host, "environment")["host.name"], "h");
}

TEST(AdminServer, ListingsInChunksAndWithout) {
  // A member of an ensemble that has lost the others, with a client that only reads.
  Config config = AdminHost::default_config();
  config.local_sessions = true;
  config.id = ServerId{1};
  for (int64_t id = 1; id <= 3; ++id) {
    Member member;
    member.id = ServerId{id};
    member.quorum = {"h", 2888};
    member.election = {"h", 3888};
    config.members.push_back(member);
  }
  AdminHost host(config);
  const LinkId client = host.server.open("10.0.0.1");
  host.server.send_frame(client, connect_request({}, 10'000, {}, std::nullopt, true));
  host.server.settle();
  for (int i = 0; i < 1000; ++i) {
    host.server.send_frame(
        client, request_of(i, Op::Exists, PathWatchRequest{fmt::format("/{}", i), true}));
    host.server.settle();
  }
  const json by_path = command(host, "watches_by_path");
  EXPECT_EQ(by_path["path_to_session_ids"].size(), 1000U);
  EXPECT_EQ(by_path["command"], "watches_by_path");
  const json by_session = command(host, "watches");
  ASSERT_EQ(by_session["session_id_to_watched_paths"].size(), 1U);
  EXPECT_EQ(by_session["session_id_to_watched_paths"].begin()->size(), 1000U);
  const json connections = command(host, "cons");
  ASSERT_EQ(connections["connections"].size(), 1U);
  EXPECT_EQ(connections["connections"][0]["last_operation"], "EXIS");
  EXPECT_EQ(connections["secure_connections"], json::array());
  EXPECT_EQ(command(host, "dump")["session_id_to_ephemeral_paths"], json::object());

  const std::string old =
      host.ask(Door::Admin, fmt::format("GET /commands/watches HTTP/1.0\r\n{}\r\n", kDigest));
  EXPECT_THAT(old, Not(HasSubstr("Transfer-Encoding")));
  EXPECT_EQ(json::parse(body_of(old)), by_session);

  // A reader that is slow, and has ended its half.
  const LinkId slow = host.open(Door::Admin);
  host.send(slow, fmt::format("GET /commands/watches HTTP/1.1\r\nHost: h\r\n{}\r\n", kDigest));
  host.end_half(slow);
  for (int i = 0; i < 1000 && host.is_open(slow); ++i) {
    host.set_reading(slow, i % 2 == 1);
    host.end_turn();
  }
  EXPECT_EQ(host.server.end_of(slow), LinkEnd::Drained);
  EXPECT_EQ(json::parse(body_of(host.received(slow))), by_session);
}

TEST(AdminServer, OneConnectionForSeveralRequests) {
  AdminHost host;
  const LinkId link = host.open(Door::Admin);
  host.send(link,
            "GET /commands/ruok HTTP/1.1\r\nHost: h\r\n\r\nGET /commands/dirs HTTP/1.1\r\n"
            "Host: h\r\n\r\nGET /commands/isro HTTP/1.1\r\nHost: h\r\n\r\n");
  host.end_turn();
  host.answer_lists();
  host.end_turn();
  EXPECT_TRUE(host.is_open(link));
  const std::string all = host.received(link);
  const size_t first = all.find("\"ruok\"");
  const size_t second = all.find("\"dirs\"");
  const size_t third = all.find("\"is_read_only\"");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
}

// Whoever ends its half gets what it has asked for, and the end behind it.
TEST(AdminServer, AnAskerMayEndItsHalf) {
  AdminHost host;
  const std::string dirs = "GET /commands/dirs HTTP/1.1\r\nHost: h\r\n\r\n";
  const LinkId busy = host.open(Door::Admin);
  host.send(busy, dirs + dirs);
  host.end_half(busy);
  EXPECT_TRUE(host.is_open(busy));
  for (int i = 0; i < 2; ++i) {
    host.end_turn();
    host.answer_lists();
  }
  const std::string both = host.received(busy);
  EXPECT_NE(both.find("\"dirs\""), both.rfind("\"dirs\""));
  EXPECT_EQ(host.server.end_of(busy), LinkEnd::Drained);

  const LinkId answered = host.open(Door::Admin);
  host.send(answered, "GET /commands/ruok HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(host.is_open(answered));
  host.end_half(answered);
  EXPECT_EQ(host.server.end_of(answered), LinkEnd::Drained);

  const LinkId unfinished = host.open(Door::Admin);
  host.send(unfinished, "GET /commands/ruok HTT");
  host.end_half(unfinished);
  EXPECT_EQ(host.received(unfinished), "");
  EXPECT_FALSE(host.is_open(unfinished));
  EXPECT_EQ(host.admin.server().visitor_count(), 0U);
}

TEST(AdminServer, WhatChangesOrListsWantsAnIdentity) {
  AdminHost host;
  for (const char* name :
       {"connections", "stats", "dump", "watches", "watches_by_path", "observers", "environment",
        "system_properties", "stat_reset", "crst", "orst", "log_level?level=debug"}) {
    const std::string path = fmt::format("/commands/{}", name);
    EXPECT_THAT(host.ask(Door::Admin, get(path)), StartsWith("HTTP/1.1 401 ")) << name;
    EXPECT_THAT(host.ask(Door::Admin, get(path, "Authorization: ip 10.0.0.9\r\n")),
                StartsWith("HTTP/1.1 401 "))
        << name;
    EXPECT_THAT(host.ask(Door::Admin, get(path, kDigest)), StartsWith("HTTP/1.1 200 ")) << name;
  }
  for (const char* name :
       {"ruok", "monitor", "server_stats", "configuration", "dirs", "hash", "is_read_only",
        "leader", "last_snapshot", "voting_view", "watch_summary", "zabstate"}) {
    EXPECT_THAT(host.ask(Door::Admin, get(fmt::format("/commands/{}", name))),
                StartsWith("HTTP/1.1 200 "))
        << name;
  }
}

// The root's ACL decides: all permissions, not any of them (CVE-2025-58457).
TEST(AdminServer, AllPermissionsOnTheRootAreWanted) {
  Config config = AdminHost::default_config();
  const std::string boss = digest_id(as_bytes("boss:1"), DigestAlgorithm::Sha1);
  config.super_digest = Secret(digest_id(as_bytes("super:2"), DigestAlgorithm::Sha1));
  config.admin.audit = true;
  AdminHost host(config);
  Txn txn;
  txn.header.zxid = Zxid{1};
  txn.header.type = TxnType::SetAcl;
  txn.body = SetAclTxn{"/", Acl{{kPermAll, "digest", boss}, {kPermAll & ~1, "world", "anyone"}}, 1};
  Effects effects;
  host.server.tree.apply(txn, effects);
  const auto status = [&](std::string_view who) {
    return host
        .ask(Door::Admin, get("/commands/dump", fmt::format("Authorization: digest {}\r\n", who)))
        .substr(9, 3);
  };
  EXPECT_EQ(status("boss:1"), "200");
  EXPECT_EQ(status("boss:2"), "403");
  EXPECT_EQ(status("super:2"), "200");
  EXPECT_EQ(status("nocolon"), "401");
  EXPECT_THAT(host.server.world.audit_, testing::Contains(HasSubstr("dump refused to 10.0.0.9")));
}

TEST(AdminServer, BadRequestsEndTheConnection) {
  AdminHost host;
  const LinkId link = host.open(Door::Admin);
  host.send(link, "\x16\x03\x01\x02\r\n");
  EXPECT_FALSE(host.is_open(link));
  EXPECT_THAT(host.received(link), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(host.ask(Door::Admin, "POST /commands/ruok HTTP/1.1\r\nHost: h\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
}

std::string post(std::string_view path, std::string_view body, std::string_view headers = kDigest) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: h\r\n{}Content-Length: {}\r\n\r\n{}", path, headers,
                     body.size(), body);
}

TEST(AdminServer, CommandsForPost) {
  AdminHost host;
  const auto shed = [&](std::string_view body) {
    return host.ask(Door::Admin, post("/commands/shed_connections", body));
  };
  EXPECT_THAT(shed("{\"percentage\": 0}"), HasSubstr("\"connections_shed\" : 0"));
  EXPECT_THAT(shed(""), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Request body is required")));
  EXPECT_THAT(shed("{\"percent\": 5}"), HasSubstr("Missing required field: percentage"));
  for (const char* body :
       {"5", "[]", "{\"percentage\" 5}", "{\"percentage\": }", "{\"percentage\": 5",
        "{\"percentage\": 5}}", "{\"percentage\": [5]}", "{percentage: 5}"}) {
    EXPECT_THAT(shed(body), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("Invalid JSON"))) << body;
  }
  for (const char* number : {"101", "-1", "5.5", "\"x\"", "true"}) {
    EXPECT_THAT(shed(fmt::format("{{\"a\" : \"b\",\"percentage\":{}}}", number)),
                AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("between 0 and 100")))
        << number;
  }
  EXPECT_THAT(host.ask(Door::Admin, post("/commands/shed", "{\"percentage\": 0}", "")),
              StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(host.ask(Door::Admin, get("/commands/shed", kDigest)),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: POST\r\n")));
}

// Nobody reads a state that is not taken anyway.
TEST(AdminServer, RestoreIsRefusedInFrontOfItsBody) {
  AdminHost host;
  const LinkId link = host.open(Door::Admin);
  host.send(link, fmt::format("POST /commands/restore HTTP/1.1\r\nHost: h\r\n{}"
                              "Content-Length: 100000000\r\n\r\nZKSN",
                              kDigest));
  EXPECT_THAT(host.received(link),
              AllOf(StartsWith("HTTP/1.1 501 "), HasSubstr("restore is refused")));
  EXPECT_FALSE(host.is_open(link));
  EXPECT_THAT(host.ask(Door::Admin, post("/commands/rest", "", "")), StartsWith("HTTP/1.1 401 "));
  // Other bodies of that size are nobody's.
  const LinkId other = host.open(Door::Admin);
  host.send(other, "POST /commands/ruok HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
  EXPECT_THAT(host.received(other), StartsWith("HTTP/1.1 413 "));
}

TEST(AdminServer, NoSnapshotWithoutARole) {
  AdminHost host;
  EXPECT_THAT(host.ask(Door::Admin, get("/commands/snapshot", kDigest)),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("not currently serving")));
  Config config = AdminHost::default_config();
  config.admin.snapshot = false;
  AdminHost off(config);
  EXPECT_THAT(off.ask(Door::Admin, get("/commands/snap", kDigest)),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("admin.snapshot.enabled")));
}

TEST(AdminServer, SlowRequestsAndSlowReadersEnd) {
  AdminHost host;
  const LinkId slow = host.open(Door::Admin);
  host.send(slow, "GET /commands/ruok HTT");
  host.let_pass(29'000);
  EXPECT_TRUE(host.is_open(slow));
  host.let_pass(2'000);
  EXPECT_FALSE(host.is_open(slow));
}

TEST(AdminServer, IdleVisitorsMakeRoom) {
  AdminHost host;
  std::vector<LinkId> links;
  for (size_t i = 0; i < AdminServer::kVisitorsMax + 5; ++i)
    links.push_back(host.open(Door::Admin));
  EXPECT_EQ(host.admin.server().visitor_count(), AdminServer::kVisitorsMax);
  EXPECT_FALSE(host.is_open(links.front()));
  EXPECT_TRUE(host.is_open(links.back()));
}

// The word and the end of the link in one turn; another asker is answered all the same.
TEST(AdminWords, AnAskerThatIsGoneBeforeItsAnswer) {
  AdminHost host;
  const LinkId gone = host.open(Door::Client);
  const LinkId other = host.open(Door::Client);
  host.send(gone, "mntr");
  host.send(other, "ruok");
  host.break_link(gone);
  host.end_turn();
  EXPECT_EQ(host.received(gone), "");
  EXPECT_EQ(host.received(other), "imok");
  EXPECT_FALSE(host.is_open(other));
  EXPECT_EQ(host.admin.words().asker_count(), 0U);
}

TEST(Prometheus, TextFormat) {
  AdminHost host;
  const std::string answer = host.ask(Door::Metrics, get("/metrics"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("# TYPE znode_count gauge\nznode_count 5\n"));
  // What has not happened yet is there as well.
  EXPECT_THAT(answer, HasSubstr("# TYPE snapshot_error_count counter\nsnapshot_error_count 0\n"));
  EXPECT_THAT(answer, HasSubstr("readlatency{quantile=\"0.99\",} 0\nreadlatency_count 0\n"));
  EXPECT_THAT(host.ask(Door::Metrics, get("/commands/ruok")), StartsWith("HTTP/1.1 404 "));
}

}  // namespace
}  // namespace vivarium::server_test
