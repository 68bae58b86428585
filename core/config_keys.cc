#include "core/config_keys.h"

#include <algorithm>
#include <iterator>

namespace vivarium {
namespace {

struct RefusedKey {
  std::string_view key;       // ends in '.': everything that begins so
  std::string_view harmless;  // the value that is no refusal; empty: none
  std::string_view reason;
};

// What a server must not silently do without: who may connect, who is asked, where members are.
constexpr RefusedKey kRefused[] = {
    {"admin.forceHttps", "false", "TLS for the AdminServer is not supported"},
    {"admin.needClientAuth", "false", "TLS for the AdminServer is not supported"},
    {"admin.portUnification", "false", "TLS for the AdminServer is not supported"},
    {"controllerPort", "", "it belongs to ZooKeeper's own tests"},
    {"electionAlg", "3", "there is only election algorithm 3"},
    {"emulate353TTLNodes", "false", "TTL nodes of ZooKeeper 3.5.3 are not supported"},
    {"group.", "", "hierarchical quorums are not supported"},
    {"metricsProvider.httpsPort", "", "TLS for Prometheus is not supported"},
    {"multiAddress.enabled", "false", "several addresses per server are not supported"},
    {"observerMasterPort", "0", "observer masters are not supported"},
    {"oraclePath", "", "oracle quorums are not supported"},
    {"portUnification", "false", "TLS between servers is not supported"},
    {"quorum.auth.enableSasl", "false", "SASL between servers is not supported"},
    {"quorum.auth.learnerRequireSasl", "false", "SASL between servers is not supported"},
    {"quorum.auth.serverRequireSasl", "false", "SASL between servers is not supported"},
    {"reconfigEnabled", "false", "reconfiguration is not supported"},
    {"requireKerberosConfig", "false", "Kerberos is not supported"},
    {"sslQuorum", "false", "TLS between servers is not supported"},
    {"test.", "", "it belongs to ZooKeeper's own tests"},
    {"testingonly.", "", "it belongs to ZooKeeper's own tests"},
    {"version", "0", "a configuration version belongs into dynamic configuration files"},
    {"weight.", "", "hierarchical quorums are not supported"},
};

constexpr std::string_view kIgnored[] = {
    "DigestAuthenticationProvider.",
    "IPAuthenticationProvider.",
    "SASLAuthenticationProvider.",
    "X509AuthenticationProvider.",
    "admin.httpVersion",
    "admin.rateLimiterIntervalInMS",
    "admin.restore.enabled",
    "admin.snapshot.enabled",
    "allowSaslFailedClients",
    "audit.impl.class",
    "autopurge.purgeInterval",
    "bitHashCacheSize",
    "client.",
    "clientPortListenBacklog",
    "clientTcpKeepAlive",
    "closeSessionTxn.enabled",
    "cnxTimeout",
    "commitProcessor.",
    "connectToLearnerMasterLimit",
    "connection_throttle_decrease_ratio",
    "connection_throttle_drop_decrease",
    "connection_throttle_drop_increase",
    "connection_throttle_fill_count",
    "connection_throttle_fill_time",
    "connection_throttle_freeze_time",
    "connection_throttle_global_session_weight",
    "connection_throttle_local_session_weight",
    "connection_throttle_renew_session_weight",
    "connection_throttle_tokens",
    "connection_throttle_weight_enabled",
    "datadir.autocreate",
    "db.autocreate",
    "digest.enabled",
    "electionPortBindRetry",
    "enableEagerACLCheck",
    "enforce.auth.",
    "ensembleAuthName",
    "fips-mode",
    "flushDelay",
    "follower.",
    "forceSnapshotSync",
    "forceSync",
    "forward_learner_requests_to_commit_processor_disabled",
    "fsync.warningthresholdms",
    "intBufferStartingSizeBytes",
    "java.security.auth.login.config",
    "jmx.log4j.",
    "jute.maxbuffer.extrasize",
    "jvm.pause.",
    "kerberos.",
    "kinit",
    "largeRequestMaxBytes",
    "largeRequestThreshold",
    "leader.",
    "leaderConnectDelayDuringRetryMs",
    "leaderServes",
    "learner.",
    "maxBatchSize",
    "maxGetChildrenResponseCacheSize",
    "maxInProcessingDeadWatchers",
    "maxResponseCacheSize",
    "maxWriteQueuePollTime",
    "messageTracker.",
    "metricsProvider.exportJvmInfo",
    "metricsProvider.maxQueueSize",
    "metricsProvider.numWorkerThreads",
    "metricsProvider.prometheusMetricsSummaryRotateIntervalSeconds",
    "metricsProvider.ssl.",
    "metricsProvider.workerShutdownTimeoutMs",
    "multiAddress.",
    "netty.",
    "nio.",
    "observer.",
    "observerMaster.",
    "pathStats.",
    "quorum.auth.",
    "quorum.cnxn.threads.size",
    "quorumCnxnTimeoutMs",
    "quorumListenOnAllIPs",
    "requestThrottleDropStale",
    "requireClientAuthScheme",  // in many guides, and ZooKeeper never looked at it
    "requestThrottleStallTime",
    "request_stale_connection_check",
    "request_stale_latency_check",
    "request_throttle_drop_stale",
    "request_throttle_stall_time",
    "request_throttler.",
    "sasl.",
    "sessionRequireClientSASLAuth",
    "security.auth_to_local",
    "serializeLastProcessedZxid.enabled",
    "serverCnxnFactory",
    "snapSizeLimitInKb",
    "snapshot.compression.method",
    "snapshot.trust.empty",
    "snapshotSizeFactor",
    "ssl.",
    "sslQuorumReloadCertFiles",
    "superUser",
    "syncEnabled",
    "tcpKeepAlive",
    "throttled_op_wait_time",
    "watchManagerName",
    "watcherCleanIntervalInSeconds",
    "watcherCleanThreadsNum",
    "watcherCleanThreshold",
};

bool matches(std::string_view key, std::string_view pattern) {
  return pattern.ends_with('.') ? key.starts_with(pattern) : key == pattern;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

KeyRuling rule_on_key(std::string_view key, std::string_view value) {
  for (const RefusedKey& refused : kRefused) {
    if (!matches(key, refused.key)) continue;
    if (!refused.harmless.empty() && equal_ignoring_case(value, refused.harmless)) {
      return {KeyVerdict::Harmless, {}};
    }
    return {KeyVerdict::Refused, refused.reason};
  }
  const bool ignored = std::any_of(std::begin(kIgnored), std::end(kIgnored),
                                   [&](std::string_view pattern) { return matches(key, pattern); });
  return {ignored ? KeyVerdict::Ignored : KeyVerdict::Unknown, {}};
}

}  // namespace vivarium
