// Settings that do not come from zoo.cfg itself: operators' keys, a dynamic file, the options of a
// Java process, the variables of container images.
#include "core/config_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config.h"

namespace vivarium {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

const std::string kSmallest = "dataDir=/data\nclientPort=2181\n";

ServerFile parsed(const ConfigTexts& texts) {
  Result<ServerFile> file = parse_server_file(texts);
  EXPECT_TRUE(file) << file.error().message;
  return file ? *file : ServerFile{};
}
std::string refusal(const ConfigTexts& texts) {
  const Result<ServerFile> file = parse_server_file(texts);
  return file ? "accepted" : file.error().message;
}

TEST(AdminKeys, AreCarriedOut) {
  const AdminConfig plain = parsed({kSmallest, "", "", ""}).config.admin;
  EXPECT_THAT(plain.words, IsEmpty());
  EXPECT_TRUE(plain.server);
  EXPECT_FALSE(plain.server_wanted);
  EXPECT_EQ(plain.host, "127.0.0.1");
  EXPECT_EQ(plain.port, 8080);
  EXPECT_FALSE(plain.metrics || plain.audit);
  EXPECT_EQ(plain.client_port, 2181);

  const std::string text =
      kSmallest +
      "4lw.commands.whitelist= stat, ruok ,,\nadmin.serverAddress=[::1]\n"
      "zookeeper.admin.serverPort=9090\nadmin.commandURL=/c/\n"
      "admin.idleTimeout=500\naudit.enable=true\nmetricsProvider.httpPort=7001\n"
      "metricsProvider.className=org.apache.zookeeper.metrics.prometheus."
      "PrometheusMetricsProvider\n";
  const ServerFile file = parsed({text, "", "", ""});
  EXPECT_THAT(file.warnings, IsEmpty());
  const AdminConfig& admin = file.config.admin;
  EXPECT_THAT(admin.words, ElementsAre("stat", "ruok"));
  EXPECT_TRUE(admin.server_wanted);
  EXPECT_EQ(admin.host, "::1");
  EXPECT_EQ(admin.port, 9090);
  EXPECT_EQ(admin.command_url, "/c");
  EXPECT_EQ(admin.idle_timeout_ms, 500);
  EXPECT_TRUE(admin.metrics && admin.audit);
  EXPECT_EQ(admin.metrics_port, 7001);
  EXPECT_FALSE(parsed({kSmallest + "admin.enableServer=false\n", "", "", ""}).config.admin.server);
}

TEST(AdminKeys, NonsenseIsRefused) {
  for (const char* line : {"admin.serverPort=0", "admin.serverPort=x", "admin.commandURL=commands",
                           "admin.commandURL=/", "admin.commandURL=/a b", "admin.idleTimeout=0",
                           "admin.idleTimeout=-1", "metricsProvider.httpPort=70000",
                           "metricsProvider.className=com.example.Mine", "admin.forceHttps=true"}) {
    const std::string key = std::string(line).substr(0, std::string(line).find('='));
    EXPECT_THAT(refusal({kSmallest + line, "", "", ""}), HasSubstr(key)) << line;
  }
}

// What ZooKeeper 3.9 and 3.10 read: each is carried out, ignored with a line, or refused with a
// reason, and none is a typing error.
TEST(ServerFile, EveryKeyOfZooKeeperIsKnown) {
  constexpr const char* kKeys[] = {
      "dataDir",
      "dataLogDir",
      "clientPort",
      "clientPortAddress",
      "secureClientPort",
      "secureClientPortAddress",
      "tickTime",
      "initLimit",
      "syncLimit",
      "connectToLearnerMasterLimit",
      "minSessionTimeout",
      "maxSessionTimeout",
      "maxClientCnxns",
      "clientPortListenBacklog",
      "electionAlg",
      "peerType",
      "server.1",
      "group.1",
      "weight.1",
      "version",
      "dynamicConfigFile",
      "standaloneEnabled",
      "reconfigEnabled",
      "syncEnabled",
      "quorumListenOnAllIPs",
      "observerMasterPort",
      "localSessionsEnabled",
      "localSessionsUpgradingEnabled",
      "autopurge.snapRetainCount",
      "autopurge.purgeInterval",
      "sslQuorum",
      "portUnification",
      "sslQuorumReloadCertFiles",
      "quorum.auth.enableSasl",
      "quorum.auth.serverRequireSasl",
      "quorum.auth.learnerRequireSasl",
      "quorum.auth.learner.saslLoginContext",
      "quorum.auth.server.saslLoginContext",
      "quorum.auth.kerberos.servicePrincipal",
      "quorum.cnxn.threads.size",
      "multiAddress.enabled",
      "multiAddress.reachabilityCheckEnabled",
      "multiAddress.reachabilityCheckTimeoutMs",
      "oraclePath",
      "jvm.pause.monitor",
      "jvm.pause.sleep.time.ms",
      "jvm.pause.info-threshold.ms",
      "jvm.pause.warn-threshold.ms",
      "preAllocSize",
      "snapCount",
      "snapSizeLimitInKb",
      "txnLogSizeLimitInKb",
      "commitLogCount",
      "snapshotSizeFactor",
      "snapshot.compression.method",
      "snapshot.trust.empty",
      "serializeLastProcessedZxid.enabled",
      "digest.enabled",
      "closeSessionTxn.enabled",
      "datadir.autocreate",
      "db.autocreate",
      "forceSync",
      "fsync.warningthresholdms",
      "flushDelay",
      "maxWriteQueuePollTime",
      "maxBatchSize",
      "forceSnapshotSync",
      "extendedTypesEnabled",
      "emulate353TTLNodes",
      "znode.container.checkIntervalMs",
      "znode.container.maxPerMinute",
      "znode.container.maxNeverUsedIntervalMs",
      "intBufferStartingSizeBytes",
      "globalOutstandingLimit",
      "maxCnxns",
      "jute.maxbuffer",
      "jute.maxbuffer.extrasize",
      "largeRequestMaxBytes",
      "largeRequestThreshold",
      "request_throttle_max_requests",
      "request_throttle_stall_time",
      "request_throttle_drop_stale",
      "request_stale_connection_check",
      "request_stale_latency_check",
      "request_throttler.shutdownTimeout",
      "throttled_op_wait_time",
      "requestThrottleLimit",
      "requestThrottleStallTime",
      "requestThrottleDropStale",
      "connection_throttle_tokens",
      "connection_throttle_fill_time",
      "connection_throttle_fill_count",
      "connection_throttle_freeze_time",
      "connection_throttle_drop_increase",
      "connection_throttle_drop_decrease",
      "connection_throttle_decrease_ratio",
      "connection_throttle_weight_enabled",
      "connection_throttle_global_session_weight",
      "connection_throttle_renew_session_weight",
      "connection_throttle_local_session_weight",
      "enforceQuota",
      "maxResponseCacheSize",
      "maxGetChildrenResponseCacheSize",
      "watchManagerName",
      "watcherCleanThreshold",
      "watcherCleanIntervalInSeconds",
      "watcherCleanThreadsNum",
      "maxInProcessingDeadWatchers",
      "bitHashCacheSize",
      "nio.numSelectorThreads",
      "nio.numWorkerThreads",
      "nio.directBufferBytes",
      "nio.shutdownTimeout",
      "nio.sessionlessCnxnTimeout",
      "commitProcessor.numWorkerThreads",
      "commitProcessor.maxReadBatchSize",
      "commitProcessor.maxCommitBatchSize",
      "commitProcessor.shutdownTimeout",
      "serverCnxnFactory",
      "netty.advancedFlowControl.enabled",
      "netty.server.outstandingHandshake.limit",
      "netty.server.earlyDropSecureConnectionHandshakes",
      "clientTcpKeepAlive",
      "tcpKeepAlive",
      "cnxTimeout",
      "quorumCnxnTimeoutMs",
      "electionPortBindRetry",
      "fastleader.minNotificationInterval",
      "fastleader.maxNotificationInterval",
      "leader.maxTimeToWaitForEpoch",
      "leader.maxConcurrentSnapSyncs",
      "leader.maxConcurrentDiffSyncs",
      "leader.ackLoggingFrequency",
      "leaderServes",
      "leader.nodelay",
      "follower.nodelay",
      "leader.closeSocketAsync",
      "learner.closeSocketAsync",
      "learner.asyncSending",
      "leaderConnectDelayDuringRetryMs",
      "follower.skipLearnerRequestToNextProcessor",
      "forward_learner_requests_to_commit_processor_disabled",
      "observer.syncEnabled",
      "observer.reconnectDelayMs",
      "observer.election.DelayMs",
      "observerMaster.sizeLimit",
      "readonlymode.enabled",
      "authProvider.1",
      "DigestAuthenticationProvider.enabled",
      "DigestAuthenticationProvider.superDigest",
      "DigestAuthenticationProvider.digestAlg",
      "IPAuthenticationProvider.usexforwardedfor",
      "X509AuthenticationProvider.superUser",
      "superUser",
      "SASLAuthenticationProvider.superPassword",
      "skipACL",
      "enableEagerACLCheck",
      "enforce.auth.enabled",
      "enforce.auth.schemes",
      "sessionRequireClientSASLAuth",
      "allowSaslFailedClients",
      "letAnySaslUserDoX",
      "ensembleAuthName",
      "kerberos.removeHostFromPrincipal",
      "kerberos.removeRealmFromPrincipal",
      "kerberos.canonicalizeHostNames",
      "security.auth_to_local",
      "requireKerberosConfig",
      "sasl.serverconfig",
      "java.security.auth.login.config",
      "kerberos.minReLoginTimeMs",
      "kinit",
      "ssl.protocol",
      "ssl.quorum.protocol",
      "ssl.keyStore.location",
      "ssl.trustStore.passwordPath",
      "ssl.context.supplier.class",
      "ssl.authProvider",
      "ssl.sslProvider",
      "client.certReload",
      "client.portUnification",
      "fips-mode",
      "ssl.hostnameVerification",
      "4lw.commands.whitelist",
      "admin.enableServer",
      "admin.serverAddress",
      "admin.serverPort",
      "admin.idleTimeout",
      "admin.commandURL",
      "admin.httpVersion",
      "admin.portUnification",
      "admin.forceHttps",
      "admin.needClientAuth",
      "admin.rateLimiterIntervalInMS",
      "admin.snapshot.enabled",
      "admin.restore.enabled",
      "metricsProvider.className",
      "metricsProvider.httpHost",
      "metricsProvider.httpPort",
      "metricsProvider.exportJvmInfo",
      "metricsProvider.numWorkerThreads",
      "metricsProvider.maxQueueSize",
      "metricsProvider.workerShutdownTimeoutMs",
      "metricsProvider.httpsPort",
      "metricsProvider.ssl.keyStore.location",
      "metricsProvider.prometheusMetricsSummaryRotateIntervalSeconds",
      "audit.enable",
      "audit.impl.class",
      "pathStats.enabled",
      "pathStats.slotCapacity",
      "messageTracker.Enabled",
      "messageTracker.BufferSize",
      "jmx.log4j.disable",
      "controllerPort",
      "test.x",
      "testingonly.initialZxid",
  };
  for (const std::string key : kKeys) {
    const std::string said = refusal({kSmallest + key + "=1\n", "1", "", ""});
    EXPECT_THAT(said, Not(HasSubstr("unknown key"))) << key;
    // With a value that does not fit, the line says whose it is.
    if (said != "accepted") {
      EXPECT_THAT(said, HasSubstr(key.substr(0, key.find('.')))) << key;
    }
  }
  EXPECT_EQ(refusal({kSmallest + "requestThrottleLimt=1\n", "", "", ""}),
            "requestThrottleLimt: unknown key");
}

TEST(DynamicFile, ItsLinesAreTheServerLines) {
  const std::string text =
      "dataDir=/d\nclientPort=2181\ninitLimit=5\nsyncLimit=2\n"
      "dynamicConfigFile=/conf/zoo.cfg.dynamic.100\n";
  EXPECT_EQ(parse_dynamic_file(text).value(), "/conf/zoo.cfg.dynamic.100");
  EXPECT_EQ(parse_dynamic_file(kSmallest).value(), "");
  const std::string dynamic =
      "server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
      "version=100000000\n";
  const ServerFile file = parsed({text, "2\n", dynamic, ""});
  EXPECT_EQ(file.config.members.size(), 2U);
  EXPECT_EQ(file.config.id, ServerId{2});
  EXPECT_EQ(refusal({text + "server.1=a:1:2\n", "1", dynamic, ""}),
            "server.1: belongs into dynamicConfigFile, since there is one");
  EXPECT_EQ(refusal({text, "1", dynamic + "tickTime=5\n", ""}),
            "tickTime: does not belong into dynamicConfigFile");
}

TEST(JvmFlags, WordsAndQuotes) {
  const JvmFlags flags =
      parse_jvm_flags(" -Xmx1g -Dzookeeper.a.b=1 -Djute.maxbuffer=5 '-Dc=x y' -Dd -De=\"p q\"r\n");
  EXPECT_THAT(flags.others, ElementsAre("-Xmx1g"));
  EXPECT_THAT(flags.properties,
              UnorderedElementsAre(Pair("a.b", "1"), Pair("jute.maxbuffer", "5"), Pair("c", "x y"),
                                   Pair("d", ""), Pair("e", "p qr")));
}

TEST(JvmFlags, AWarningIsOneLineWhateverIsWarnedOf) {
  const ServerFile file = parsed({kSmallest, "", "", "'-Xrun\nWARN all is well'"});
  EXPECT_THAT(file.warnings,
              testing::Contains("-Xrun\\x0aWARN all is well of JVMFLAGS is ignored"));
}

TEST(JvmFlags, SetWhatTheFileDoesNot) {
  const ServerFile file = parsed({kSmallest + "maxCnxns=7\n", "", "",
                                  "-Xmx1g -Djute.maxbuffer=4194304 -Dzookeeper.maxCnxns=9 "
                                  "-Dzookeeper.4lw.commands.whitelist=* "
                                  "-Dfile.encoding=UTF-8 -DdataDir=/other -Dserver.1=x:1:2"});
  EXPECT_EQ(file.config.packet_bytes_max, 4194304U);
  EXPECT_EQ(file.config.connections_max, 7U);
  EXPECT_EQ(file.data_dir, "/data");
  EXPECT_THAT(file.config.admin.words, ElementsAre("*"));
  EXPECT_THAT(file.warnings, UnorderedElementsAre("-Xmx1g of JVMFLAGS is ignored",
                                                  "-Dfile.encoding of JVMFLAGS is ignored",
                                                  "-DdataDir of JVMFLAGS is ignored",
                                                  "-Dserver.1 of JVMFLAGS is ignored"));
  EXPECT_THAT(refusal({kSmallest, "", "", "-Djute.maxbuffer=lots"}), HasSubstr("jute.maxbuffer"));
  // What has its only form here, in ZooKeeper's guide.
  const std::string flags =
      "-Dzookeeper.DigestAuthenticationProvider.superDigest=super:x -Dreadonlymode.enabled=true "
      "-Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
  const ServerFile secured = parsed({kSmallest, "", "", flags});
  EXPECT_THAT(secured.warnings, IsEmpty());
  EXPECT_TRUE(secured.config.super_digest.is("super:x"));
  EXPECT_TRUE(secured.config.read_only_mode && secured.config.sasl_ids);
}

TEST(Container, TheImagesDefaultsAndVariables) {
  const std::string plain = zoo_cfg_of_container({{"ZOO_MY_ID", "1"}});
  const ServerFile one = parsed({plain, "1\n", "", ""});
  EXPECT_EQ(one.data_dir, "/data");
  EXPECT_EQ(one.data_log_dir, "/datalog");
  EXPECT_EQ(one.client.port, 2181);
  EXPECT_EQ(one.config.tick_ms, 2000);
  EXPECT_TRUE(one.config.standalone());

  const Environment variables = {
      {"ZOO_MY_ID", "2"},
      {"ZOO_SERVERS", "server.1=a:2888:3888;2181 server.2=b:2888:3888;2181"},
      {"ZOO_TICK_TIME", "500"},
      {"ZOO_DATA_DIR", "/d"},
      {"ZOO_ADMINSERVER_ENABLED", "false"},
      {"ZOO_4LW_COMMANDS_WHITELIST", "ruok,mntr"},
      {"ZOO_CFG_EXTRA", "maxCnxns=5 snapCount=1000"}};
  EXPECT_EQ(container_variable(variables, "ZOO_CONF_DIR"), "/conf");
  const ServerFile two = parsed({zoo_cfg_of_container(variables), "2\n", "", ""});
  EXPECT_EQ(two.data_dir, "/d");
  EXPECT_EQ(two.config.tick_ms, 500);
  EXPECT_EQ(two.config.init_limit_ticks, 5);
  EXPECT_EQ(two.config.members.size(), 2U);
  EXPECT_EQ(two.config.connections_max, 5U);
  EXPECT_FALSE(two.config.admin.server);
  EXPECT_THAT(two.config.admin.words, ElementsAre("ruok", "mntr"));
}

}  // namespace
}  // namespace vivarium
