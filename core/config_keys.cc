#include "core/config_keys.h"

#include "core/properties.h"
#include "core/value_keys.h"

namespace vivarium {
namespace {

struct RefusedKey {
  std::string_view key;       // ends in '.': everything that begins so
  std::string_view harmless;  // the value that is no refusal; empty: none
  std::string_view reason;
  bool may_be_empty = false;  // which is no refusal either
};

// What a server must not silently do without: who may connect, who is asked, where members are.
constexpr RefusedKey kRefused[] = {
    {"admin.forceHttps", "false", "TLS for the AdminServer is not supported"},
    {"admin.needClientAuth", "false", "TLS for the AdminServer is not supported"},
    {"admin.portUnification", "false", "TLS for the AdminServer is not supported"},
    {"closeSessionTxn.enabled", "true", "servers older than ZooKeeper 3.6 are not supported"},
    {"controllerPort", "", "it belongs to ZooKeeper's own tests"},
    {"electionAlg", "3", "there is only election algorithm 3"},
    {"ensembleAuthName", "", "authentication of the ensemble is not supported", true},
    {"group.", "", "hierarchical quorums are not supported"},
    {"metricsProvider.httpsPort", "", "TLS for Prometheus is not supported"},
    {"multiAddress.enabled", "false", "several addresses per server are not supported"},
    {"observerMasterPort", "0", "observer masters are not supported"},
    {"oraclePath", "", "oracle quorums are not supported"},
    {"portUnification", "false", "TLS between servers is not supported"},
    {"quorum.auth.enableSasl", "false", "SASL between servers is not supported"},
    {"quorum.auth.learnerRequireSasl", "false", "SASL between servers is not supported"},
    {"quorum.auth.serverRequireSasl", "false", "SASL between servers is not supported"},
    {"sslQuorum", "false", "TLS between servers is not supported"},
    {"test.", "", "it belongs to ZooKeeper's own tests"},
    {"testingonly.", "", "it belongs to ZooKeeper's own tests"},
    {"version", "0", "a configuration version belongs into dynamic configuration files"},
    {"weight.", "", "hierarchical quorums are not supported"},
};

struct IgnoredKey {
  std::string_view key;  // ends in '.': everything that begins so
  std::string_view reason;
  std::string_view harmless = {};  // the value that asks for what is done anyway; empty: none
};

constexpr std::string_view kNoJava = "there is no Java here";
constexpr std::string_view kNoSuchThreads = "there are no such threads here";
constexpr std::string_view kNoSuchCache = "there is no such cache here";
constexpr std::string_view kLoopWaits = "the loop waits for nobody";
constexpr std::string_view kGoesOn = "whoever waits goes on as soon as there is room";
constexpr std::string_view kNotKept = "this is not measured here";
constexpr std::string_view kNoLogin = "who accepts tickets has to log in nowhere";
constexpr std::string_view kNoFeature = "what it belongs to is not supported";

// First those with a longer key, where one begins like another.
constexpr IgnoredKey kIgnored[] = {
    {"IPAuthenticationProvider.usexforwardedfor",
     "nobody identifies himself to the AdminServer by an address", "false"},
    {"admin.httpVersion", "the AdminServer speaks HTTP/1.1"},
    {"admin.restore.enabled", "the command restore is always refused", "false"},
    {"audit.impl.class", kNoJava},
    {"bitHashCacheSize", kNoSuchCache},
    {"client.", kNoFeature},
    {"commitProcessor.", kNoSuchThreads},
    {"db.autocreate",
     "a blank server begins an ensemble only when all voters are heard and blank; otherwise the "
     "others fill it before it votes",
     "false"},
    {"digest.enabled", "the digest of each txn is a part of the log here", "true"},
    {"emulate353TTLNodes",
     "TTL nodes that ZooKeeper 3.5.3 made stay until a client deletes them; no later version makes "
     "such",
     "false"},
    {"enableEagerACLCheck", "ACLs of writes are checked once, in the leader's order", "false"},
    {"follower.", kLoopWaits},
    {"forward_learner_requests_to_commit_processor_disabled", kNoSuchThreads},
    {"intBufferStartingSizeBytes", kNoJava},
    {"jmx.log4j.", kNoJava},
    {"jute.maxbuffer.extrasize", "logs and peers take whatever a server can acknowledge"},
    {"jvm.pause.", kNoJava},
    {"kerberos.", kNoLogin},
    {"kinit", kNoLogin},
    {"leader.ackLoggingFrequency", kNotKept},
    {"leader.closeSocketAsync", kLoopWaits},
    {"leader.nodelay", "packets are never held back"},
    {"learner.asyncSending", kLoopWaits},
    {"learner.closeSocketAsync", kLoopWaits},
    {"maxGetChildrenResponseCacheSize", kNoSuchCache},
    {"maxInProcessingDeadWatchers", kNoSuchThreads},
    {"maxResponseCacheSize", kNoSuchCache},
    {"messageTracker.", kNotKept},
    {"metricsProvider.exportJvmInfo", kNoJava},
    {"metricsProvider.maxQueueSize", kNoSuchThreads},
    {"metricsProvider.numWorkerThreads", kNoSuchThreads},
    {"metricsProvider.prometheusMetricsSummaryRotateIntervalSeconds",
     "summaries are since the start"},
    {"metricsProvider.ssl.", "TLS for Prometheus is not supported"},
    {"metricsProvider.workerShutdownTimeoutMs", kNoSuchThreads},
    {"multiAddress.", kNoFeature},
    {"netty.", kNoJava},
    {"nio.", kNoSuchThreads},
    {"observer.syncEnabled", "observers keep their log on the disk like all servers", "true"},
    {"observerMaster.", kNoFeature},
    {"pathStats.", kNotKept},
    {"quorum.auth.", kNoFeature},
    {"quorum.cnxn.threads.size", kNoSuchThreads},
    {"requestThrottleStallTime", kGoesOn},
    {"request_stale_connection_check",
     "what a lost connection has not submitted is never carried out", "true"},
    {"request_throttle_stall_time", kGoesOn},
    {"request_throttler.", kLoopWaits},
    {"requireClientAuthScheme", "ZooKeeper itself never looks at it: see enforce.auth.schemes"},
    {"sasl.", "it is a client's"},
    {"serializeLastProcessedZxid.enabled", "snapshots always end with their zxid", "true"},
    {"serverCnxnFactory", kNoJava},
    {"snapshotSizeFactor", "DIFF is made of what commitLogCount keeps in memory"},
    {"ssl.quorum.", "TLS between servers is not supported"},
    {"sslQuorumReloadCertFiles", "files of TLS are always read again"},
    {"syncEnabled", "observers keep their log on the disk like all servers", "true"},
    {"watchManagerName", kNoJava},
    {"watcherCleanIntervalInSeconds", kNoSuchThreads},
    {"watcherCleanThreadsNum", kNoSuchThreads},
    {"watcherCleanThreshold", kNoSuchThreads},
};

bool matches(std::string_view key, std::string_view pattern) {
  return pattern.ends_with('.') ? key.starts_with(pattern) : key == pattern;
}

}  // namespace

KeyRuling rule_on_key(std::string_view key, std::string_view value) {
  for (const RefusedKey& refused : kRefused) {
    if (!matches(key, refused.key)) continue;
    const bool unset = refused.may_be_empty && value.empty();
    if (unset || (!refused.harmless.empty() && equal_ignoring_case(value, refused.harmless))) {
      return {KeyVerdict::Harmless, {}};
    }
    return {KeyVerdict::Refused, refused.reason};
  }
  for (const IgnoredKey& ignored : kIgnored) {
    if (!matches(key, ignored.key)) continue;
    const bool harmless = !ignored.harmless.empty() && equal_ignoring_case(value, ignored.harmless);
    return {harmless ? KeyVerdict::Harmless : KeyVerdict::Ignored, ignored.reason};
  }
  return {};
}

}  // namespace vivarium
