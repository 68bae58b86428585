// zoo.cfg: what is taken, what is named as ignored, what stops the server, and the one line that
// says so.
#include "core/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/base/limits.h"
#include "core/config_keys.h"
#include "core/properties.h"

namespace vivarium {
namespace {

const std::string kMinimal = "dataDir=/data\nclientPort=2181\n";
const std::string kEnsemble = kMinimal +
                              "initLimit=10\n"
                              "syncLimit=5\n"
                              "server.1=zoo1:2888:3888\n"
                              "server.2=zoo2:2888:3888\n"
                              "server.3=zoo3:2888:3888\n";

ServerFile parsed(const std::string& text, std::string_view my_id = "1") {
  Result<ServerFile> file = parse_server_file(text, my_id);
  EXPECT_TRUE(file) << file.error().message;
  return file ? *file : ServerFile{};
}

// The error's one line.
std::string refusal(const std::string& text, std::string_view my_id = "1") {
  const Result<ServerFile> file = parse_server_file(text, my_id);
  EXPECT_FALSE(file);
  if (file) return "accepted";
  EXPECT_EQ(file.error().message.find('\n'), std::string::npos);
  return file.error().message;
}

// --- properties

TEST(Properties, SyntaxIsJavas) {
  const auto properties = parse_properties(
      "# comment\n"
      "! comment too\\\n"
      "  \t\n"
      "a=1\r\n"
      "b : 2\r"
      "c 3\n"
      "  d =  4 5  \n"
      "e\n"
      "f=first\n"
      "long=one \\\n"
      "     two,\\\n"
      "  #three\n"
      "esc\\=aped\\ key=\\u0041\\t\\\\x\n"
      "f=second\n"
      "utf=\\u00e9\\u20ac\n"
      "last=end\\");
  ASSERT_TRUE(properties);
  const std::map<std::string, std::string> expected = {{"a", "1"},
                                                       {"b", "2"},
                                                       {"c", "3"},
                                                       {"d", "4 5"},
                                                       {"e", ""},
                                                       {"f", "second"},
                                                       {"long", "one two,#three"},
                                                       {"esc=aped key", "A\t\\x"},
                                                       {"utf", "\u00e9\u20ac"},
                                                       {"last", "end"}};
  EXPECT_EQ(*properties, expected);
}

TEST(Properties, BrokenEscapesAreRefused) {
  EXPECT_FALSE(parse_properties("a=\\u12"));
  EXPECT_FALSE(parse_properties("a=\\u12x4"));
  EXPECT_TRUE(parse_properties("a=\\q"));
}

RC_GTEST_PROP(PropertiesProperty, NoTextCrashes, ()) {
  const std::string text = *rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("ab=:\\u0 \t\r\n#!|;[].server1")));
  (void)parse_properties(text).has_value();
  (void)parse_server_file(text, text).has_value();
  (void)parse_server_file(kEnsemble + "server.4=" + text, "1").has_value();
}

// --- standalone

TEST(ServerFile, StandaloneWithDefaults) {
  const ServerFile file = parsed(kMinimal, "");
  EXPECT_TRUE(file.config.standalone());
  EXPECT_EQ(file.config.id, ServerId{1});
  EXPECT_EQ(file.data_dir, "/data");
  EXPECT_EQ(file.data_log_dir, "/data");
  EXPECT_EQ(file.client, (Address{"", 2181}));
  EXPECT_EQ(file.config.tick_ms, 3000);
  EXPECT_EQ(file.config.min_session_timeout(), 6000);
  EXPECT_EQ(file.config.max_session_timeout(), 60000);
  EXPECT_TRUE(file.warnings.empty());
}

TEST(ServerFile, EveryNumberReachesItsSetting) {
  const ServerFile file = parsed(kMinimal +
                                 "dataLogDir=/log\n"
                                 "clientPortAddress=10.0.0.1\n"
                                 "tickTime=200\n"
                                 "initLimit=20\n"
                                 "syncLimit=7\n"
                                 "minSessionTimeout=300\n"
                                 "maxSessionTimeout=9000\n"
                                 "maxClientCnxns=0\n"
                                 "maxCnxns=1000\n"
                                 "globalOutstandingLimit=50\n"
                                 "jute.maxbuffer=4194304\n"
                                 "nio.sessionlessCnxnTimeout=2500\n"
                                 "preAllocSize=64\n"
                                 "txnLogSizeLimitInKb=1024\n"
                                 "snapCount=100\n"
                                 "zookeeper.commitLogCount=5\n"
                                 "autopurge.snapRetainCount=4\n"
                                 "fastleader.minNotificationInterval=50\n"
                                 "fastleader.maxNotificationInterval=5000\n");
  EXPECT_EQ(file.data_log_dir, "/log");
  EXPECT_EQ(file.client, (Address{"10.0.0.1", 2181}));
  const Config& c = file.config;
  EXPECT_EQ(c.tick_ms, 200);
  EXPECT_EQ(c.init_limit_ticks, 20);
  EXPECT_EQ(c.sync_limit_ticks, 7);
  EXPECT_EQ(c.min_session_timeout(), 300);
  EXPECT_EQ(c.max_session_timeout(), 9000);
  EXPECT_EQ(c.connections_per_address_max, UINT32_MAX);
  EXPECT_EQ(c.connections_max, 1000U);
  EXPECT_EQ(c.outstanding_requests_max, 50U);
  EXPECT_EQ(c.packet_bytes_max, 4194304U);
  EXPECT_EQ(c.handshake_deadline_ms, 2500);
  EXPECT_EQ(c.log_prealloc_bytes, 65536U);
  EXPECT_EQ(c.log_segment_bytes_max, 1048576U);
  EXPECT_EQ(c.snapshot_every_txns, 100U);
  EXPECT_EQ(c.history_txns_max, 5U);
  EXPECT_EQ(c.snapshots_kept, 4U);
  EXPECT_EQ(c.notification_min_ms, 50);
  EXPECT_EQ(c.notification_max_ms, 5000);
  EXPECT_TRUE(file.warnings.empty());
}

TEST(ServerFile, SessionTimeoutsOfMinusOneAreTheDefaults) {
  const ServerFile file =
      parsed(kMinimal + "minSessionTimeout=-1\nmaxSessionTimeout=-1\ntickTime=100");
  EXPECT_EQ(file.config.min_session_timeout(), 200);
  EXPECT_EQ(file.config.max_session_timeout(), 2000);
}

TEST(ServerFile, ClientAddressForms) {
  EXPECT_EQ(parsed(kMinimal + "clientPortAddress=0.0.0.0").client.host, "");
  EXPECT_EQ(parsed(kMinimal + "clientPortAddress=[::1]").client.host, "::1");
  EXPECT_EQ(refusal("dataDir=/data\nclientPortAddress=h"),
            "clientPortAddress is set but clientPort is not");
  EXPECT_EQ(refusal("dataDir=/data\n"), "clientPort is not set");
  EXPECT_EQ(refusal("dataDir=/data\nclientPort=65536"),
            "clientPort: '65536' is no port from 1 to 65535");
}

TEST(ServerFile, ASingleServerLineIsStandaloneAsInZooKeeper) {
  const ServerFile file = parsed("dataDir=/d\nserver.5=h:2888:3888;2182\n", "");
  EXPECT_TRUE(file.config.standalone());
  EXPECT_EQ(file.config.id, ServerId{1});
  EXPECT_EQ(file.client, (Address{"", 2182}));
  ASSERT_EQ(file.warnings.size(), 1U);
  EXPECT_EQ(file.warnings[0], "server.5 is ignored: a single server runs standalone");
}

// --- ensembles

TEST(ServerFile, Ensemble) {
  const ServerFile file = parsed(kEnsemble +
                                     "server.10=[fe80::1%eth0]:2888:3888:observer;[::1]:2182\n"
                                     "server.4 = zoo4 : 2888 : 3888 : PARTICIPANT ; 2183\n",
                                 "2\n");
  const Config& c = file.config;
  EXPECT_FALSE(c.standalone());
  EXPECT_EQ(c.id, ServerId{2});
  ASSERT_EQ(c.members.size(), 5U);
  EXPECT_EQ(c.voter_count(), 4U);
  EXPECT_EQ(c.members[0].quorum, (Address{"zoo1", 2888}));
  EXPECT_EQ(c.members[0].election, (Address{"zoo1", 3888}));
  EXPECT_EQ(c.members[0].client.port, 0);
  const Member* four = c.find(ServerId{4});
  ASSERT_NE(four, nullptr);
  EXPECT_FALSE(four->observer);
  EXPECT_EQ(four->quorum, (Address{"zoo4", 2888}));
  EXPECT_EQ(four->client, (Address{"0.0.0.0", 2183}));
  const Member* ten = c.find(ServerId{10});
  ASSERT_NE(ten, nullptr);
  EXPECT_EQ(ten, &c.members[4]);
  EXPECT_TRUE(ten->observer);
  EXPECT_EQ(ten->quorum, (Address{"fe80::1%eth0", 2888}));
  EXPECT_EQ(ten->client, (Address{"::1", 2182}));
  EXPECT_EQ(c.find(ServerId{11}), nullptr);
}

TEST(ServerFile, TheOwnLineMayNameTheClientPort) {
  const std::string servers =
      "dataDir=/d\ninitLimit=5\nsyncLimit=2\nserver.1=a:1:2;10.0.0.1:2181\nserver.2=b:1:2;2182\n";
  EXPECT_EQ(parsed(servers, "1").client, (Address{"10.0.0.1", 2181}));
  EXPECT_EQ(parsed(servers, "2").client, (Address{"", 2182}));
  EXPECT_EQ(parsed(servers + "clientPort=2181", "1").client, (Address{"10.0.0.1", 2181}));
  EXPECT_EQ(refusal(servers + "clientPort=2199", "1"),
            "clientPort and clientPortAddress differ from what server.1 says");
  EXPECT_EQ(refusal(servers + "clientPort=2181\nclientPortAddress=10.0.0.2", "1"),
            "clientPort and clientPortAddress differ from what server.1 says");
}

TEST(ServerFile, LaterKeysWin) {
  const ServerFile thrice = parsed(kMinimal + "tickTime=100\ntickTime=200\ntickTime=300");
  EXPECT_EQ(thrice.config.tick_ms, 300);
  EXPECT_EQ(thrice.warnings,
            std::vector<std::string>{"tickTime is set more than once: the last line counts"});
  const ServerFile file = parsed(kEnsemble + "server.3=other:2888:3888");
  EXPECT_EQ(file.config.find(ServerId{3})->quorum.host, "other");
  EXPECT_EQ(file.warnings,
            std::vector<std::string>{"server.3 is set more than once: the last line counts"});
}

TEST(ServerFile, FramesThatCouldNotBeReadBackAreRefused) {
  EXPECT_EQ(parsed(kMinimal + "jute.maxbuffer=67108864").config.packet_bytes_max, kPacketBytesMax);
  EXPECT_EQ(refusal(kMinimal + "jute.maxbuffer=67108865"),
            "jute.maxbuffer: '67108865' is not a whole number from 1024 to 67108864");
  EXPECT_EQ(parsed(kMinimal + "jute.maxbuffer=0x9fffff").config.packet_bytes_max, 0x9fffffU);
  for (const char* nonsense : {"0x", "0x-9fffff", "0x4000001", "0xffffffffffffffff", "9fffff"}) {
    EXPECT_EQ(
        refusal(kMinimal + "jute.maxbuffer=" + nonsense),
        fmt::format("jute.maxbuffer: '{}' is not a whole number from 1024 to 67108864", nonsense));
  }
}

TEST(ServerFile, EnsembleNeedsItsKeysAndItsMyid) {
  const auto without = [](const std::string& key) {
    std::string text = kEnsemble;
    const size_t at = text.find(key);
    return text.erase(at, text.find('\n', at) + 1 - at);
  };
  EXPECT_EQ(refusal(without("dataDir")), "dataDir is not set");
  EXPECT_EQ(refusal(without("initLimit")), "initLimit is not set");
  EXPECT_EQ(refusal(without("syncLimit")), "syncLimit is not set");
  EXPECT_EQ(refusal(kEnsemble, ""), "myid: the file is missing or empty in dataDir");
  EXPECT_EQ(refusal(kEnsemble, "one\n"), "myid: 'one' is no server id");
  EXPECT_EQ(refusal(kEnsemble, "4\n"), "myid: there is no line server.4");
  EXPECT_EQ(refusal(kMinimal + "server.1=a:1:2\nserver.2=b:1:2:observer"),
            "observers need at least two participants");
}

TEST(ServerFile, MalformedServerLines) {
  for (const char* value :
       {"", "host", "host:1", "host:1:", "host:x:2", "host:0:2", "host:1:65536", "host:1:2:leader",
        "host:1:2:observer:3", ":1:2", "::1:1:2", "[::1:1:2", "[::1]1:2", "host:1:2;", "host:1:2;x",
        "host:1:2;h:0", "host:1:2;2181;2281", "h1:1:2|h2:1:2"}) {
    const std::string message = refusal(kEnsemble + "server.4=" + value);
    EXPECT_TRUE(message.starts_with(std::string("server.4=") + value + ": ")) << message;
  }
  for (const char* id : {"", "x", "-1", "1.5", "9223372036854775807", "9223372036854775808"}) {
    const std::string message = refusal(kEnsemble + "server." + id + "=host:1:2");
    EXPECT_TRUE(message.ends_with("the id is no whole number")) << message;
  }
  EXPECT_EQ(refusal(kEnsemble + "server.01=zoo9:2888:3888"), "there are two servers with the id 1");
  EXPECT_EQ(refusal(kEnsemble + "server.511=zoo9:2888:3888"),
            "the id 511 cannot be used: below 2^40, and its last byte not 255");
  EXPECT_EQ(refusal(kEnsemble + "server.1099511627776=zoo9:2888:3888"),
            "the id 1099511627776 cannot be used: below 2^40, and its last byte not 255");
  EXPECT_EQ(refusal(kEnsemble + "server.4=zoo1:2888:3889"),
            "the address zoo1:2888 stands in the server lines twice");
}

// --- keys that are not for us

TEST(ServerFile, AccessControlAndWrites) {
  const Config defaults = parsed(kMinimal).config;
  EXPECT_FALSE(defaults.skip_acl || defaults.extended_types || defaults.enforce_quota ||
               defaults.sasl_ids || defaults.x509_ids);
  EXPECT_TRUE(defaults.digest_auth && defaults.super_digest.empty());
  EXPECT_EQ(defaults.container_check_ms, 60'000);
  EXPECT_EQ(defaults.container_removals_per_minute, 10'000U);
  EXPECT_EQ(defaults.container_never_used_ms, 0);

  const ServerFile file = parsed(kMinimal +
                                 "skipACL=yes\n"
                                 "extendedTypesEnabled=true\n"
                                 "enforceQuota=TRUE\n"
                                 "zookeeper.DigestAuthenticationProvider.superDigest=super:h=\n"
                                 "DigestAuthenticationProvider.enabled=false\n"
                                 "DigestAuthenticationProvider.digestAlg=SHA-256\n"
                                 "letAnySaslUserDoX=any\n"
                                 "authProvider.1=org.apache.zookeeper.server.auth."
                                 "SASLAuthenticationProvider\n"
                                 "authProvider.x=org.apache.zookeeper.server.auth."
                                 "X509AuthenticationProvider\n"
                                 "znode.container.checkIntervalMs=5\n"
                                 "znode.container.maxPerMinute=6\n"
                                 "znode.container.maxNeverUsedIntervalMs=7\n");
  const Config& c = file.config;
  EXPECT_TRUE(c.skip_acl && c.extended_types && c.enforce_quota && c.sasl_ids && c.x509_ids);
  EXPECT_FALSE(c.digest_auth);
  EXPECT_TRUE(c.super_digest.is("super:h="));
  EXPECT_FALSE(c.super_digest.is("super:h") || c.super_digest.is("super:i="));
  EXPECT_EQ(c.digest_algorithm, DigestAlgorithm::Sha256);
  EXPECT_EQ(c.any_sasl_user, "any");
  EXPECT_EQ(c.container_check_ms, 5);
  EXPECT_EQ(c.container_removals_per_minute, 6U);
  EXPECT_EQ(c.container_never_used_ms, 7);
  EXPECT_EQ(file.warnings, std::vector<std::string>{"skipACL=yes: every client may do everything"});
  // As in ZooKeeper, only the one word is a yes; what is no word at all has a line.
  EXPECT_EQ(parsed(kMinimal + "forceSync=maybe\nreadonlymode.enabled=yes\naudit.enable=TRUE\n"
                              "admin.enableServer=yes\n"
                              "4lw.commands.whitelist=ruok, rouk, *\ntcpKeepAlive=on\n")
                .warnings,
            (std::vector<std::string>{
                "4lw.commands.whitelist: there is no word 'rouk'",
                "admin.enableServer=yes is neither false nor true: taken as true",
                "forceSync=maybe is neither no nor yes: taken as yes",
                "readonlymode.enabled=yes is neither true nor false: taken as false",
                "tcpKeepAlive=on is neither true nor false: taken as false"}));
  EXPECT_FALSE(parsed(kMinimal + "skipACL=true\nenforceQuota=yes\n").config.skip_acl);
  EXPECT_NE(refusal(kMinimal + "DigestAuthenticationProvider.digestAlg=MD5\n").find("MD5"),
            std::string::npos);
  EXPECT_NE(refusal(kMinimal + "authProvider.1=com.example.Mine\n").find("com.example.Mine"),
            std::string::npos);
}

TEST(ServerFile, IgnoredKeysAreNamed) {
  const ServerFile file = parsed(kMinimal +
                                 "nio.numWorkerThreads=9\n"
                                 "metricsProvider.exportJvmInfo=true\n"
                                 "zookeeper.db.autocreate=true\n"
                                 "ssl.quorum.keyStore.password=hidden\n"
                                 "autopurge.snapRetainCount=1\n");
  const std::vector<std::string> expected = {
      "autopurge.snapRetainCount=1 is ignored: 3 snapshots are kept",
      "metricsProvider.exportJvmInfo is ignored: there is no Java here",
      "nio.numWorkerThreads is ignored: there are no such threads here",
      "ssl.quorum.keyStore.password is ignored: TLS between servers is not supported",
      "db.autocreate is ignored: a blank server begins an ensemble only when all voters are heard "
      "and blank; otherwise the others fill it before it votes"};
  EXPECT_EQ(file.warnings, expected);
  EXPECT_EQ(file.config.snapshots_kept, 3U);
}

// What is done anyway is worth no line.
TEST(ServerFile, ValuesThatAskForNothingElseAreSilent) {
  const ServerFile file = parsed(
      kMinimal +
      "db.autocreate=false\ndigest.enabled=true\nenableEagerACLCheck=false\nsyncEnabled=true\n"
      "serializeLastProcessedZxid.enabled=true\nsnapshot.trust.empty=false\n"
      "closeSessionTxn.enabled=true\nsnapshot.compression.method=\nensembleAuthName=\n"
      "IPAuthenticationProvider.usexforwardedfor=false\nforceSync=yes\nleaderServes=yes\n");
  EXPECT_EQ(file.warnings, std::vector<std::string>{});
}

TEST(ServerFile, ALogAloneIsTakenByWord) {
  EXPECT_FALSE(parsed(kMinimal).config.trust_empty_snapshot);
  EXPECT_FALSE(parsed(kMinimal + "snapshot.trust.empty=yes\n").config.trust_empty_snapshot);
  const ServerFile file = parsed(kMinimal + "zookeeper.snapshot.trust.empty=TRUE\n");
  EXPECT_TRUE(file.config.trust_empty_snapshot);
  ASSERT_EQ(file.warnings.size(), 1U);
  EXPECT_NE(file.warnings[0].find("removed after the first start"), std::string::npos);
}

TEST(ServerFile, SnapshotsAreCompressedWhenAsked) {
  const auto coding = [](const std::string& line) {
    return parsed(kMinimal + line).config.snapshot_coding;
  };
  EXPECT_EQ(coding(""), Coding::Plain);
  EXPECT_EQ(coding("snapshot.compression.method=\n"), Coding::Plain);
  EXPECT_EQ(coding("snapshot.compression.method=gz\n"), Coding::Gzip);
  EXPECT_EQ(coding("snapshot.compression.method=Snappy\n"), Coding::Snappy);
}

TEST(ServerFile, SettingsOfTheLogTheQuorumAndTheDoors) {
  const ServerFile file = parsed(kMinimal +
                                 "snapSizeLimitInKb=8\n"
                                 "flushDelay=9\n"
                                 "maxBatchSize=10\n"
                                 "fsync.warningthresholdms=11\n"
                                 "autopurge.purgeInterval=12\n"
                                 "datadir.autocreate=false\n"
                                 "connectToLearnerMasterLimit=13\n"
                                 "leaderConnectDelayDuringRetryMs=14\n"
                                 "leader.maxTimeToWaitForEpoch=15\n"
                                 "leader.maxConcurrentSnapSyncs=16\n"
                                 "leader.maxConcurrentDiffSyncs=17\n"
                                 "leaderServes=no\n"
                                 "forceSnapshotSync=true\n"
                                 "observer.reconnectDelayMs=18\n"
                                 "observer.election.DelayMs=19\n"
                                 "cnxTimeout=20\n"
                                 "quorumCnxnTimeoutMs=21\n"
                                 "electionPortBindRetry=22\n"
                                 "clientPortListenBacklog=23\n"
                                 "clientTcpKeepAlive=true\n"
                                 "tcpKeepAlive=true\n"
                                 "quorumListenOnAllIPs=true\n");
  const Config& c = file.config;
  EXPECT_EQ(c.snapshot_every_bytes, 8192U);
  EXPECT_EQ(c.flush_delay_ms, 9);
  EXPECT_EQ(c.flush_quiet(), milliseconds(3));
  EXPECT_EQ(c.flush_txns_max, 10U);
  EXPECT_EQ(c.slow_sync_ms, 11);
  EXPECT_TRUE(c.purge);
  EXPECT_EQ(c.purge_interval_ms, 12 * 3'600'000);
  EXPECT_FALSE(c.create_directories || c.leader_serves);
  EXPECT_EQ(c.connect_limit_ticks, 13);
  EXPECT_EQ(c.connect_pause_ms, 14);
  EXPECT_EQ(c.epoch_wait_ms, 15);
  EXPECT_EQ(c.snap_syncs_max, 16U);
  EXPECT_EQ(c.diff_syncs_max, 17U);
  EXPECT_TRUE(c.snap_only);
  EXPECT_EQ(c.observer_reconnect_delay_ms, 18);
  EXPECT_EQ(c.observer_election_delay_ms, 19);
  EXPECT_EQ(c.election_connect_ms, 20);
  EXPECT_EQ(c.election_hello_ms, 21);
  EXPECT_EQ(c.sockets.election_bind_retries, 22U);
  EXPECT_EQ(c.sockets.client_backlog, 23);
  EXPECT_TRUE(c.sockets.client_keep_alive && c.sockets.peer_keep_alive &&
              c.sockets.peers_on_all_interfaces);
  EXPECT_TRUE(file.warnings.empty());
  const Config defaults = parsed(kMinimal).config;
  EXPECT_TRUE(defaults.leader_serves && defaults.sync_log && defaults.purge &&
              defaults.create_directories);
  EXPECT_EQ(defaults.purge_interval_ms, 0);
  EXPECT_EQ(parsed(kMinimal + "flushDelay=9\nmaxWriteQueuePollTime=0").config.flush_quiet(),
            Duration());
  EXPECT_EQ(parsed(kMinimal + "snapSizeLimitInKb=-1").config.snapshot_every_bytes, 0U);
}

TEST(ServerFile, Throttles) {
  const ServerFile file = parsed(kMinimal +
                                 "requestThrottleLimit=1\n"
                                 "throttled_op_wait_time=2\n"
                                 "request_stale_latency_check=true\n"
                                 "requestThrottleDropStale=false\n"
                                 "largeRequestThreshold=3\n"
                                 "largeRequestMaxBytes=4\n"
                                 "connection_throttle_tokens=5\n"
                                 "connection_throttle_fill_time=6\n"
                                 "connection_throttle_fill_count=7\n"
                                 "connection_throttle_freeze_time=8\n"
                                 "connection_throttle_drop_increase=0.09\n"
                                 "connection_throttle_drop_decrease=.01\n"
                                 "connection_throttle_decrease_ratio=1.0\n"
                                 "connection_throttle_weight_enabled=true\n"
                                 "connection_throttle_global_session_weight=12\n"
                                 "connection_throttle_renew_session_weight=13\n"
                                 "connection_throttle_local_session_weight=14\n");
  const Config& c = file.config;
  EXPECT_EQ(c.throttle_requests_max, 1U);
  EXPECT_EQ(c.throttled_wait_ms, 2);
  EXPECT_TRUE(c.stale_by_latency);
  EXPECT_FALSE(c.drop_stale);
  EXPECT_EQ(c.large_request_bytes, 3);
  EXPECT_EQ(c.large_requests_bytes_max, 4U);
  const ThrottleConfig& t = c.connection_throttle;
  EXPECT_EQ(t.tokens_max, 5U);
  EXPECT_EQ(t.fill_ms, 6);
  EXPECT_EQ(t.fill_count, 7U);
  EXPECT_EQ(t.freeze_ms, 8);
  EXPECT_EQ(t.drop_increase, 90'000U);
  EXPECT_EQ(t.drop_decrease, 10'000U);
  EXPECT_EQ(t.decrease_ratio, 1'000'000U);
  EXPECT_TRUE(t.weighted);
  EXPECT_EQ(t.global_weight, 12U);
  EXPECT_EQ(t.renew_weight, 13U);
  EXPECT_EQ(t.local_weight, 14U);
  EXPECT_EQ(t.global_cost(), 14U);
  EXPECT_TRUE(file.warnings.empty());
  for (const char* fraction : {"", ".", "2", "1.1", "-0.1", "1e-2", "0.x", "00.1"}) {
    EXPECT_NE(refusal(kMinimal + "connection_throttle_drop_increase=" + fraction), "accepted")
        << fraction;
  }
  EXPECT_TRUE(parsed(kMinimal + "request_throttle_drop_stale=true").config.drop_stale);
  EXPECT_EQ(parsed(kMinimal + "largeRequestThreshold=-1").config.large_request_bytes, -1);
}

TEST(ServerFile, DangerousValuesAreNamed) {
  const ServerFile file = parsed(kMinimal + "forceSync=no\nautopurge.purgeInterval=0\n");
  EXPECT_FALSE(file.config.sync_log || file.config.purge);
  const std::vector<std::string> expected = {
      "autopurge.purgeInterval=0: snapshots and logs are never removed, and fill the disk; without "
      "this key they are purged behind each snapshot",
      "forceSync=no: what is acknowledged is not on the disk: a crash of the machine loses it"};
  EXPECT_EQ(file.warnings, expected);
}

TEST(ServerFile, PurgeIntervalsMayHaveAUnit) {
  const auto ms = [](const std::string& value) {
    return parsed(kMinimal + "autopurge.purgeInterval=" + value).config.purge_interval_ms;
  };
  EXPECT_EQ(ms("1"), 3'600'000);
  EXPECT_EQ(ms("250ms"), 250);
  EXPECT_EQ(ms("3s"), 3000);
  EXPECT_EQ(ms("2m"), 120'000);
  EXPECT_EQ(ms("2h"), 7'200'000);
  EXPECT_EQ(ms("1d"), 86'400'000);
  EXPECT_NE(refusal(kMinimal + "autopurge.purgeInterval=36601d"), "accepted");
  EXPECT_NE(refusal(kMinimal + "autopurge.purgeInterval=9223372036854775807"), "accepted");
  EXPECT_EQ(refusal(kMinimal + "autopurge.purgeInterval=often"),
            "autopurge.purgeInterval: 'often' is no number of hours");
}

TEST(ServerFile, RefusedKeysSayWhy) {
  EXPECT_EQ(refusal(kMinimal + "weight.1=2"), "weight.1=2: hierarchical quorums are not supported");
  EXPECT_EQ(refusal(kMinimal + "electionAlg=0"),
            "electionAlg=0: there is only election algorithm 3");
  EXPECT_EQ(refusal(kMinimal + "snapshot.compression.method=zstd"),
            "snapshot.compression.method: 'zstd' is neither gz nor snappy");
  EXPECT_EQ(refusal(kMinimal + "closeSessionTxn.enabled=false"),
            "closeSessionTxn.enabled=false: servers older than ZooKeeper 3.6 are not supported");
  EXPECT_EQ(refusal(kMinimal + "ensembleAuthName=east"),
            "ensembleAuthName=east: authentication of the ensemble is not supported");
  EXPECT_EQ(refusal(kMinimal + "SASLAuthenticationProvider.superPassword=hidden"),
            "SASLAuthenticationProvider.superPassword is set but java.security.auth.login.config "
            "is not: there is no SASL");
  EXPECT_EQ(refusal(kMinimal + "clientProt=2181"), "clientProt: unknown key");
  EXPECT_EQ(refusal(kMinimal + "no separator here"), "no: unknown key");
}

TEST(ServerFile, ValuesThatAskForNothingAreNoReasonToRefuse) {
  const ServerFile file = parsed(kMinimal +
                                 "electionAlg=3\nreconfigEnabled=False\nsslQuorum=false\n"
                                 "standaloneEnabled=true");
  EXPECT_TRUE(file.warnings.empty());
  EXPECT_EQ(refusal(kMinimal + "standaloneEnabled=false"),
            "standaloneEnabled=false: there is no participant among the server lines");
  EXPECT_TRUE(parsed(kEnsemble + "standaloneEnabled=false").warnings.empty());
}

TEST(ServerFile, PeerTypeMustNotContradictTheServerLine) {
  EXPECT_TRUE(parsed(kEnsemble + "peerType=participant").warnings.empty());
  EXPECT_EQ(parsed(kEnsemble + "peerType=observer").warnings,
            std::vector<std::string>{"peerType is ignored: server.1 says participant"});
  EXPECT_EQ(refusal(kEnsemble + "peerType=leader"),
            "peerType: 'leader' is neither participant nor observer");
}

TEST(ServerFile, AShadowIsNoneOfTheServers) {
  const std::string shadow = kEnsemble + "peerType=observer\nshadow=true\n";
  const ServerFile file = parsed(shadow + "readonlymode.enabled=true\n", "9");
  EXPECT_TRUE(file.config.shadow);
  EXPECT_EQ(file.config.id, ServerId{9});
  EXPECT_EQ(file.config.members.size(), 3U);
  EXPECT_EQ(file.config.find(ServerId{9}), nullptr);
  EXPECT_FALSE(file.config.read_only_mode);
  EXPECT_EQ(file.warnings, std::vector<std::string>{
                               "readonlymode.enabled is ignored: a shadow serves no clients"});
  const std::string number =
      "myid: a shadow needs a number that no server of the ensemble has, above all of them: ";
  EXPECT_EQ(refusal(shadow, "2"), number + "2 is not above 3");
  EXPECT_EQ(refusal(shadow + "server.10=z:2888:3888\n", "9"), number + "9 is not above 10");
  EXPECT_EQ(refusal(shadow, ""), "myid: the file is missing or empty in dataDir");
  EXPECT_EQ(refusal(kEnsemble + "peerType=participant\nshadow=true\n", "9"),
            "shadow=true: peerType has to be observer");
  EXPECT_EQ(refusal(kEnsemble + "shadow=yes\n", "9"), "shadow: 'yes' is neither true nor false");
  EXPECT_EQ(refusal(kEnsemble + "shadow=false\n", "9"), "myid: there is no line server.9");
  for (const char* servers : {"", "server.1=a:1:2\n"}) {
    EXPECT_EQ(refusal(kMinimal + servers + "shadow=true\n", "9"),
              "shadow=true: the server lines of an ensemble are missing; a single server has no "
              "port at which it could be followed");
  }
}

TEST(ServerFile, NumbersOutOfRange) {
  EXPECT_EQ(refusal(kMinimal + "tickTime=0"),
            "tickTime: '0' is not a whole number from 1 to 3600000");
  for (const char* line :
       {"tickTime=x", "tickTime=", "tickTime=1.5", "tickTime=+-1", "tickTime=99999999999999999999",
        "initLimit=-5", "snapCount=1", "preAllocSize=0", "minSessionTimeout=0",
        "minSessionTimeout=-2", "maxClientCnxns=-1"}) {
    EXPECT_NE(refusal(kMinimal + line), "accepted") << line;
  }
  EXPECT_EQ(refusal(kMinimal + "minSessionTimeout=9000\nmaxSessionTimeout=8000"),
            "minSessionTimeout 9000 is above maxSessionTimeout 8000");
}

TEST(ServerFile, DataDirAlone) {
  EXPECT_EQ(parse_data_dir("dataDir = /var/zk \nwhat=ever").value(), "/var/zk");
  EXPECT_FALSE(parse_data_dir("clientPort=1"));
  EXPECT_FALSE(parse_data_dir("dataDir=\n"));
}

TEST(KeyRulings, NoKeyIsBothIgnoredAndRefused) {
  // quorum.auth.* and multiAddress.* are ignored but for the switches themselves.
  EXPECT_EQ(rule_on_key("quorum.auth.kerberos.servicePrincipal", "x").verdict, KeyVerdict::Ignored);
  EXPECT_EQ(rule_on_key("quorum.auth.enableSasl", "true").verdict, KeyVerdict::Refused);
  EXPECT_EQ(rule_on_key("quorum.auth.enableSasl", "false").verdict, KeyVerdict::Harmless);
  EXPECT_EQ(rule_on_key("multiAddress.reachabilityCheckEnabled", "true").verdict,
            KeyVerdict::Ignored);
  EXPECT_EQ(rule_on_key("dataDirectory", "x").verdict, KeyVerdict::Unknown);
}

// --- Config by itself

Config three_servers() {
  Config config;
  for (int64_t id = 1; id <= 3; ++id) {
    Member member;
    member.id = ServerId{id};
    member.quorum = {"host" + std::to_string(id), 2888};
    member.election = {member.quorum.host, 3888};
    config.members.push_back(member);
  }
  return config;
}

TEST(ConfigChecked, AcceptsWhatIsSound) {
  EXPECT_TRUE(checked(Config{}));
  EXPECT_TRUE(checked(three_servers()));
}

TEST(ConfigChecked, RefusesNonsense) {
  const auto message = [](auto change) {
    Config config = three_servers();
    change(config);
    const Result<Config> result = checked(config);
    return result ? std::string("accepted") : result.error().message;
  };
  EXPECT_EQ(message([](Config& c) { c.id = ServerId{4}; }),
            "server 4 is none of the configured servers");
  EXPECT_EQ(message([](Config& c) { c.shadow = true; }), "server 1 is a member: a shadow is none");
  EXPECT_EQ(message([](Config& c) { c.members[1].id = ServerId{1}; }),
            "there are two servers with the id 1");
  EXPECT_EQ(message([](Config& c) { std::swap(c.members[0], c.members[1]); }),
            "servers are not in the order of ids");
  EXPECT_EQ(message([](Config& c) { c.members[1].quorum.host.clear(); }),
            "server.2 lacks an address");
  EXPECT_EQ(message([](Config& c) {
              for (Member& m : c.members) m.observer = true;
            }),
            "there is no participant among the servers");
  EXPECT_NE(message([](Config& c) { c.tick_ms = 0; }), "accepted");
  EXPECT_NE(message([](Config& c) { c.sync_limit_ticks = 0; }), "accepted");
  EXPECT_NE(message([](Config& c) { c.session_timeout_min_ms = 100'000; }), "accepted");
  EXPECT_NE(message([](Config& c) { c.packet_bytes_max = 0; }), "accepted");
  EXPECT_NE(message([](Config& c) { c.snapshots_kept = 0; }), "accepted");
  EXPECT_NE(message([](Config& c) { c.notification_max_ms = 1; }), "accepted");
}

}  // namespace
}  // namespace vivarium
