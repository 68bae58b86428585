// vivctl's words: command lines, options, paths, ACLs, quotas, and how answers are printed.
#include "net/ctl_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "core/tree/path.h"
#include "net/ctl_commands.h"
#include "net/ctl_handlers.h"
#include "net/ctl_servers.h"
#include "net/ctl_shell.h"
#include "net/ctl_status.h"
#include "net/ctl_terminal.h"

namespace vivarium::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(CtlWords, EndAtWhiteSpaceAndMayBeQuoted) {
  EXPECT_THAT(split_words("  create /a  data "), ElementsAre("create", "/a", "data"));
  EXPECT_THAT(split_words(R"(create /a "two words" 'it is "quoted"')"),
              ElementsAre("create", "/a", "two words", "it is \"quoted\""));
  EXPECT_THAT(split_words(R"(set /a "" '')"), ElementsAre("set", "/a", "", ""));
  EXPECT_THAT(split_words(R"(set /a x"y z")"), ElementsAre("set", "/a", "x\"y", "z\""));
  EXPECT_THAT(split_words(R"(set /a "open end)"), ElementsAre("set", "/a", "open", "end"));
  EXPECT_THAT(split_words(R"("a"b)"), ElementsAre("a", "b"));
  EXPECT_THAT(split_words(" \t\r\n"), IsEmpty());
}

const std::vector<OptionSpec> kSpecs = {{"s"}, {"w"}, {"v", true}, {"add", true}};

TEST(CtlArguments, OptionsStandAnywhere) {
  const Result<Arguments> arguments =
      parse_arguments({"/a", "-s", "-v", "3", "data", "-w"}, kSpecs);
  ASSERT_TRUE(arguments);
  EXPECT_THAT(arguments->rest, ElementsAre("/a", "data"));
  EXPECT_TRUE(arguments->has("s"));
  EXPECT_TRUE(arguments->has("w"));
  EXPECT_EQ(arguments->value("v"), "3");
}

TEST(CtlArguments, OneOptionIsWrittenInManyWays) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"-v", "3"}, {"-v=3"}, {"-v3"}, {"--v", "3"}}) {
    const Result<Arguments> arguments = parse_arguments(words, kSpecs);
    ASSERT_TRUE(arguments) << words[0];
    EXPECT_EQ(arguments->value("v"), "3");
    EXPECT_THAT(arguments->rest, IsEmpty());
  }
  const Result<Arguments> flags = parse_arguments({"-sw"}, kSpecs);
  ASSERT_TRUE(flags);
  EXPECT_TRUE(flags->has("s") && flags->has("w"));
  EXPECT_EQ(parse_arguments({"-add=a=b"}, kSpecs)->value("add"), "a=b");
}

TEST(CtlArguments, NegativeNumbersAndWordsBehindTwoDashesAreNoOptions) {
  EXPECT_THAT(parse_arguments({"/a", "-17"}, kSpecs)->rest, ElementsAre("/a", "-17"));
  EXPECT_EQ(parse_arguments({"-v", "-1"}, kSpecs)->value("v"), "-1");
  EXPECT_THAT(parse_arguments({"/a", "--", "-s", "--"}, kSpecs)->rest,
              ElementsAre("/a", "-s", "--"));
  EXPECT_THAT(parse_arguments({"-"}, kSpecs)->rest, ElementsAre("-"));
}

TEST(CtlArguments, MistakesAreNamed) {
  EXPECT_EQ(parse_arguments({"-q"}, kSpecs).error().message, "Unrecognized option: -q");
  EXPECT_EQ(parse_arguments({"-sq"}, kSpecs).error().message, "Unrecognized option: -sq");
  EXPECT_EQ(parse_arguments({"-v"}, kSpecs).error().message, "Missing argument for option: v");
  EXPECT_EQ(parse_arguments({"-v", "-s"}, kSpecs).error().message,
            "Missing argument for option: v");
}

TEST(CtlNumbers, AreWhole) {
  EXPECT_EQ(parse_i32("-2147483648"), INT32_MIN);
  EXPECT_EQ(parse_i32("2147483648"), std::nullopt);
  EXPECT_EQ(parse_i32("1x"), std::nullopt);
  EXPECT_EQ(parse_i32(""), std::nullopt);
  EXPECT_EQ(parse_i64("+7"), 7);
  EXPECT_EQ(parse_i64("10000000a", 16), 0x10000000a);
}

TEST(CtlPaths, AreRefusedInZooKeepersWords) {
  EXPECT_EQ(path_complaint("/"), std::nullopt);
  EXPECT_EQ(path_complaint("/a/b.c/..d/e."), std::nullopt);
  EXPECT_EQ(path_complaint("/\xc3\xa4"), std::nullopt);
  EXPECT_EQ(path_complaint(""), "Path length must be > 0");
  EXPECT_EQ(path_complaint("a"), "Path must start with / character");
  EXPECT_EQ(path_complaint("/a/"), "Path must not end with / character");
  EXPECT_THAT(*path_complaint("/a//b"), HasSubstr("empty node name specified @3"));
  EXPECT_THAT(*path_complaint("/a/../b"), HasSubstr("relative paths not allowed @4"));
  EXPECT_THAT(*path_complaint("/a/.."), HasSubstr("relative paths not allowed @4"));
  EXPECT_THAT(*path_complaint("/./a"), HasSubstr("relative paths not allowed @1"));
  EXPECT_THAT(*path_complaint("/\xc3\xa4\x07"), HasSubstr("invalid character @2"));
  EXPECT_THAT(*path_complaint(std::string_view("/a\0b", 4)), HasSubstr("null character"));
}

RC_GTEST_PROP(CtlPaths, AreThoseOfTheServer, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "/", ".", "..", "a", "\x01", "\x7f", "\xc2\x80", "\xc3\xa4", "\xef\xbf\xbd", "\xee\x80\x80"));
  std::string path;
  for (const std::string& piece : pieces) path += piece;
  RC_ASSERT(path_complaint(path).has_value() != is_valid_path(path));
}

TEST(CtlServers, AListAndAChroot) {
  const Result<Servers> servers = parse_servers("one:2182, two,[::1]:2183/app/x");
  ASSERT_TRUE(servers) << servers.error().message;
  EXPECT_THAT(servers->members,
              ElementsAre(Address{"one", 2182}, Address{"two", 2181}, Address{"::1", 2183}));
  EXPECT_EQ(text_of(servers->members[2]), "[::1]:2183");
  EXPECT_EQ(servers->outside("/"), "/app/x");
  EXPECT_EQ(servers->outside("/n"), "/app/x/n");
  EXPECT_EQ(servers->inside("/app/x/n"), "/n");
  EXPECT_EQ(servers->inside("/app/x"), "/");
  EXPECT_EQ(servers->inside("/app/xy"), "/app/xy");
  EXPECT_EQ(parse_servers("one/")->outside("/n"), "/n");
}

TEST(CtlServers, WhatIsNone) {
  for (const char* text : {"", ",", "/app", ":2181", "h:0", "h:70000", "h:x", "[::1", "h/a/"}) {
    EXPECT_FALSE(parse_servers(text)) << text;
  }
}

TEST(CtlAcl, IsReadAndPrinted) {
  std::vector<std::string> complaints;
  const Acl acl = parse_acl("world:anyone:rwcda,digest:me:h=:r,ip:10.0.0.0/8:", complaints);
  EXPECT_THAT(complaints, IsEmpty());
  EXPECT_THAT(acl, ElementsAre(AclEntry{31, "world", "anyone"}, AclEntry{1, "digest", "me:h="},
                               AclEntry{0, "ip", "10.0.0.0/8"}));
  EXPECT_EQ(acl_text(acl), "'world,'anyone\n: cdrwa\n'digest,'me:h=\n: r\n'ip,'10.0.0.0/8\n: \n");
}

TEST(CtlAcl, SaysWhatItDoesNotUnderstand) {
  std::vector<std::string> complaints;
  EXPECT_THAT(parse_acl("world:anyone,auth::xr", complaints), ElementsAre(AclEntry{1, "auth", ""}));
  EXPECT_THAT(complaints, ElementsAre("world:anyone does not have the form scheme:id:perm",
                                      "Unknown perm type: x"));
}

TEST(CtlStat, PrintsAsZkCli) {
  setenv("TZ", "UTC", 1);
  tzset();
  Stat stat;
  stat.czxid = Zxid(1, 2);
  stat.mzxid = Zxid(1, 3);
  stat.pzxid = Zxid(1, 4);
  stat.mtime_ms = 1700000000999;
  stat.version = 5;
  stat.cversion = -1;
  stat.ephemeral_owner = static_cast<int64_t>(0xff00000000000001);
  stat.data_length = 7;
  stat.num_children = 8;
  EXPECT_EQ(stat_text(stat),
            "cZxid = 0x100000002\nctime = Thu Jan 01 00:00:00 UTC 1970\nmZxid = 0x100000003\n"
            "mtime = Tue Nov 14 22:13:20 UTC 2023\npZxid = 0x100000004\ncversion = -1\n"
            "dataVersion = 5\naclVersion = 0\nephemeralOwner = 0xff00000000000001\n"
            "dataLength = 7\nnumChildren = 8\n");
  EXPECT_EQ(date_text(-1), "Wed Dec 31 23:59:59 UTC 1969");
  EXPECT_EQ(date_text(INT64_MIN).empty(), false);
}

TEST(CtlErrors, AreWordedAsZkCli) {
  EXPECT_EQ(error_text(-101, "/x"), "Node does not exist: /x");
  EXPECT_EQ(error_text(-103, "/x"), "version No is not valid : /x");
  EXPECT_EQ(error_text(-4, "/x"), "KeeperErrorCode = ConnectionLoss for /x");
  EXPECT_EQ(error_text(-123, ""), "KeeperErrorCode = Reconfig is disabled");
  EXPECT_EQ(error_text(-9999, "/x"), "KeeperErrorCode = Unknown error -9999 for /x");
}

TEST(CtlEvents, AreWordedAsZkCli) {
  EXPECT_EQ(event_text(3, 3, "/x", 17),
            "WatchedEvent state:SyncConnected type:NodeDataChanged path:/x zxid: 17");
  EXPECT_EQ(event_text(-112, -1, "", -1),
            "WatchedEvent state:Expired type:None path:null zxid: -1");
  EXPECT_EQ(event_text(99, 99, "/x", -1), "WatchedEvent state:99 type:99 path:/x zxid: -1");
}

TEST(CtlQuota, KeepsWhatItDoesNotKnow) {
  Result<QuotaText> quota = QuotaText::parse("count=5,bytes=-1=;byteHardLimit=7;other=3");
  ASSERT_TRUE(quota);
  EXPECT_EQ(quota->get("count"), 5);
  EXPECT_EQ(quota->get("bytes"), -1);
  EXPECT_EQ(quota->get("byteHardLimit"), 7);
  EXPECT_EQ(quota->get("countHardLimit"), -1);
  quota->set("count", 6);
  EXPECT_EQ(quota->text(), "count=6,bytes=-1=;byteHardLimit=7;other=3");
  EXPECT_EQ(QuotaText::parse("count=5,bytes=9")->text(), "count=5,bytes=9");
  EXPECT_FALSE(QuotaText::parse("count=many"));
  EXPECT_EQ(QuotaText::parse("")->text(), "count=-1,bytes=-1");
}

TEST(CtlBytes, Base64AndHex) {
  EXPECT_EQ(base64(as_bytes("")), "");
  EXPECT_EQ(base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(base64(as_bytes("foo")), "Zm9v");
  EXPECT_EQ(from_base64("Zm9*"), std::nullopt);
  EXPECT_EQ(from_base64("Z"), std::nullopt);
  EXPECT_EQ(hex_dump(as_bytes("AB \x01")),
            "         +-------------------------------------------------+\n"
            "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n"
            "+--------+-------------------------------------------------+----------------+\n"
            "|00000000| 41 42 20 01                                     |AB..            |\n"
            "+--------+-------------------------------------------------+----------------+");
}

RC_GTEST_PROP(CtlBytes, Base64ComesBack, (const std::vector<uint8_t>& bytes)) {
  const std::optional<Bytes> back = from_base64(base64(bytes));
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == bytes);
}

TEST(CtlTerminal, IsShownNoControlCharacters) {
  EXPECT_EQ(harmless("a\tb\n\xc3\xa4"), "a\tb\n\xc3\xa4");
  EXPECT_EQ(harmless("\x1b[2J\x7f\r"), "\\x1b[2J\\x7f\\x0d");
  EXPECT_EQ(harmless("\xc2\x9b\xff\xc3"), "\\xc2\\x9b\\xff\\xc3");
}

TEST(CtlTerminal, CompletesWhatAllHaveInCommon) {
  EXPECT_EQ(common_beginning({"getAcl", "getAllChildrenNumber"}), "getA");
  EXPECT_EQ(common_beginning({"ls"}), "ls");
  EXPECT_EQ(common_beginning({"a", "b"}), "");
  EXPECT_EQ(common_beginning({}), "");
}

TEST(CtlCommands, AllOfZkClisAreThere) {
  for (const char* name :
       {"ls",       "ls2",           "get",      "set",           "create",
        "delete",   "deleteall",     "rmr",      "stat",          "sync",
        "getAcl",   "setAcl",        "addauth",  "getEphemerals", "getAllChildrenNumber",
        "addWatch", "removewatches", "setquota", "listquota",     "delquota",
        "config",   "reconfig",      "whoami",   "close"}) {
    ASSERT_NE(find_command(name), nullptr) << name;
    EXPECT_NE(find_command(name)->run, nullptr) << name;
    EXPECT_THAT(help_text(), HasSubstr(std::string("\t") + name));
  }
  for (const char* name :
       {"connect", "history", "redo", "printwatches", "quit", "version", "help"}) {
    EXPECT_THAT(command_names(), testing::Contains(name));
  }
}

TEST(CtlConfig, ClientAddressesOfTheMembers) {
  EXPECT_EQ(client_addresses("server.1=h1:2888:3888:participant;10.0.0.1:2181\n"
                             "server.2=h2:2888:3888:participant;2182\n"
                             "server.3=h3:2888:3888\nversion=1000000a"),
            "1000000a 10.0.0.1:2181,0.0.0.0:2182");
  EXPECT_EQ(client_addresses("version=0"), "0 ");
}

constexpr const char* kSrvr =
    "Zookeeper version: 3.8.0-abc, built on 2024-12-29 17:54 UTC\n"
    "Latency min/avg/max: 0/0.85/8\nReceived: 1\nSent: 0\nConnections: 4\nOutstanding: 2\n"
    "Zxid: 0x100000007\nMode: leader\nNode count: 5\nProposal sizes last/min/max: 1/1/1\n";

TEST(CtlStatus, ReadsWhatAServerSaysOfItself) {
  MemberStatus member;
  ASSERT_TRUE(read_srvr(kSrvr, member));
  EXPECT_EQ(member.role, "leader");
  EXPECT_EQ(member.zxid, "0x100000007");
  EXPECT_EQ(member.version, "3.8.0-abc");
  EXPECT_EQ(member.connections, "4");
  EXPECT_EQ(member.outstanding, "2");
  EXPECT_EQ(member.latency, "0/0.85/8");
  EXPECT_TRUE(member.serves);
  MemberStatus none;
  EXPECT_FALSE(read_srvr("This ZooKeeper instance is not currently serving requests\n", none));
  EXPECT_FALSE(read_srvr("srvr is not executed because it is not in the whitelist.\n", none));
  MemberStatus read_only;
  EXPECT_TRUE(read_srvr("Zookeeper version: 3.9.0, built\nMode: read-only\n", read_only));
  EXPECT_FALSE(read_only.serves);
}

TEST(CtlStatus, TellsWhatAShadowHasSeen) {
  const std::string said =
      "Zookeeper version: 3.9.0, built\nZxid: 0x100000007\nMode: shadow\nNode count: 5\n"
      "Shadow of: server.2\nBehind: 3\nDigests compared: 120\nDigests differing: ";
  MemberStatus fine;
  ASSERT_TRUE(read_srvr(said + "0\n", fine));
  fine.answers = true;
  fine.server = "s:2181";
  EXPECT_FALSE(fine.serves);
  EXPECT_TRUE(is_healthy({fine}));
  EXPECT_THAT(status_table({fine}),
              HasSubstr("shadow of server.2, 3 behind, 120 digests compared, none differs\n"));
  EXPECT_THAT(status_json({fine}), HasSubstr("\"digests_compared\": 120"));
  MemberStatus differs;
  ASSERT_TRUE(read_srvr(said + "2\nFirst difference: 0x100000003\n", differs));
  differs.answers = true;
  differs.server = "s:2181";
  EXPECT_TRUE(has_leader({differs}));
  EXPECT_FALSE(is_healthy({differs}));
  EXPECT_THAT(status_table({differs}), HasSubstr("2 differ, first at 0x100000003\n"));
  EXPECT_THAT(status_table({differs}), HasSubstr(", s:2181 differs\n"));
  EXPECT_THAT(status_json({differs}), HasSubstr("\"first_difference\": \"0x100000003\""));
  MemberStatus alone;
  ASSERT_TRUE(
      read_srvr("Zookeeper version: 3.9.0\nMode: shadow\nShadow of: nobody\n"
                "Digests compared: 0\nDigests differing: 0\n",
                alone));
  alone.answers = true;
  EXPECT_FALSE(has_leader({alone}));
  EXPECT_THAT(status_table({alone}), HasSubstr("shadow of nobody, 0 digests compared"));
}

TEST(CtlStatus, TellsAboutAllOfThem) {
  MemberStatus leader;
  leader.server = "one:2181";
  leader.answers = read_srvr(kSrvr, leader);
  MemberStatus gone;
  gone.server = "two:2181";
  gone.trouble = "Connection refused";
  const std::string table = status_table({leader, gone});
  EXPECT_THAT(table, HasSubstr("one:2181  leader  rw    0x100000007"));
  EXPECT_THAT(table, HasSubstr("unreachable: Connection refused\n"));
  EXPECT_THAT(table, HasSubstr("1 of 2 answer, leader one:2181\n"));
  EXPECT_TRUE(has_leader({gone, leader}));
  EXPECT_FALSE(has_leader({gone}));
  EXPECT_THAT(status_table({gone}), HasSubstr("0 of 1 answer, no leader\n"));
  EXPECT_THAT(status_json({leader, gone}), HasSubstr("\"healthy\": true"));
}

}  // namespace
}  // namespace vivarium::ctl
