#include "core/value_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/number.h"
#include "core/properties.h"

namespace vivarium {
namespace {

// --- keys whose value is one number

struct NumberKey {
  std::string_view key;
  int64_t min;
  int64_t max;
  void (*set)(Config& config, int64_t value);
};

constexpr int64_t kKiBMax = 4 << 20;
constexpr int64_t kSnapshotKiBMax = int64_t{1} << 40;
constexpr int64_t kFlushMsMax = 1000;  // a log that waits longer looks stuck
constexpr uint32_t kSnapshotsKeptMin = 3;
constexpr int64_t kTokensMax = 1'000'000;
constexpr int64_t kWeightMax = 1000;

constexpr NumberKey kNumberKeys[] = {
    {"tickTime", 1, 3'600'000, [](Config& c, int64_t v) { c.tick_ms = v; }},
    {"initLimit", 1, kTicksMax, [](Config& c, int64_t v) { c.init_limit_ticks = v; }},
    {"syncLimit", 1, kTicksMax, [](Config& c, int64_t v) { c.sync_limit_ticks = v; }},
    {"connectToLearnerMasterLimit", 0, kTicksMax,
     [](Config& c, int64_t v) { c.connect_limit_ticks = v; }},
    {"leaderConnectDelayDuringRetryMs", 1, kMsMax,
     [](Config& c, int64_t v) { c.connect_pause_ms = v; }},
    {"leader.maxTimeToWaitForEpoch", -1, kMsMax, [](Config& c, int64_t v) { c.epoch_wait_ms = v; }},
    {"leader.maxConcurrentSnapSyncs", 1, INT32_MAX,
     [](Config& c, int64_t v) { c.snap_syncs_max = static_cast<uint32_t>(v); }},
    {"leader.maxConcurrentDiffSyncs", 1, INT32_MAX,
     [](Config& c, int64_t v) { c.diff_syncs_max = static_cast<uint32_t>(v); }},
    {"observer.reconnectDelayMs", 0, kMsMax,
     [](Config& c, int64_t v) { c.observer_reconnect_delay_ms = v; }},
    {"observer.election.DelayMs", 0, kMsMax,
     [](Config& c, int64_t v) { c.observer_election_delay_ms = v; }},
    {"cnxTimeout", 1, kMsMax, [](Config& c, int64_t v) { c.election_connect_ms = v; }},
    {"quorumCnxnTimeoutMs", -1, kMsMax, [](Config& c, int64_t v) { c.election_hello_ms = v; }},
    {"electionPortBindRetry", 0, INT32_MAX,
     [](Config& c, int64_t v) { c.sockets.election_bind_retries = static_cast<uint32_t>(v); }},
    {"clientPortListenBacklog", -1, INT32_MAX,
     [](Config& c, int64_t v) { c.sockets.client_backlog = static_cast<int>(v); }},
    {"minSessionTimeout", -1, kMsMax, [](Config& c, int64_t v) { c.session_timeout_min_ms = v; }},
    {"maxSessionTimeout", -1, kMsMax, [](Config& c, int64_t v) { c.session_timeout_max_ms = v; }},
    {"maxClientCnxns", 0, INT32_MAX,
     [](Config& c, int64_t v) {  // 0: as many as come
       c.connections_per_address_max = v == 0 ? UINT32_MAX : static_cast<uint32_t>(v);
     }},
    {"maxCnxns", 0, INT32_MAX,
     [](Config& c, int64_t v) { c.connections_max = static_cast<uint32_t>(v); }},
    {"globalOutstandingLimit", 1, INT32_MAX,
     [](Config& c, int64_t v) { c.outstanding_requests_max = static_cast<uint32_t>(v); }},
    {"request_throttle_max_requests", 0, INT32_MAX,
     [](Config& c, int64_t v) { c.throttle_requests_max = static_cast<uint32_t>(v); }},
    {"requestThrottleLimit", 0, INT32_MAX,  // the name in ZooKeeper's guide
     [](Config& c, int64_t v) { c.throttle_requests_max = static_cast<uint32_t>(v); }},
    {"throttled_op_wait_time", 0, kMsMax, [](Config& c, int64_t v) { c.throttled_wait_ms = v; }},
    {"largeRequestThreshold", -1, INT32_MAX,
     [](Config& c, int64_t v) { c.large_request_bytes = v > 0 ? v : -1; }},
    {"largeRequestMaxBytes", 1, INT32_MAX,
     [](Config& c, int64_t v) { c.large_requests_bytes_max = static_cast<uint64_t>(v); }},
    {"connection_throttle_tokens", 0, kTokensMax,
     [](Config& c, int64_t v) { c.connection_throttle.tokens_max = static_cast<uint32_t>(v); }},
    {"connection_throttle_fill_time", 1, kMsMax,
     [](Config& c, int64_t v) { c.connection_throttle.fill_ms = v; }},
    {"connection_throttle_fill_count", 1, kTokensMax,
     [](Config& c, int64_t v) { c.connection_throttle.fill_count = static_cast<uint32_t>(v); }},
    {"connection_throttle_freeze_time", -1, kMsMax,
     [](Config& c, int64_t v) { c.connection_throttle.freeze_ms = v; }},
    {"connection_throttle_global_session_weight", 1, kWeightMax,
     [](Config& c, int64_t v) { c.connection_throttle.global_weight = static_cast<uint32_t>(v); }},
    {"connection_throttle_renew_session_weight", 1, kWeightMax,
     [](Config& c, int64_t v) { c.connection_throttle.renew_weight = static_cast<uint32_t>(v); }},
    {"connection_throttle_local_session_weight", 1, kWeightMax,
     [](Config& c, int64_t v) { c.connection_throttle.local_weight = static_cast<uint32_t>(v); }},
    {"jute.maxbuffer", 1024, int64_t{kPacketBytesMax},
     [](Config& c, int64_t v) { c.packet_bytes_max = static_cast<uint32_t>(v); }},
    {"nio.sessionlessCnxnTimeout", 1, kMsMax,
     [](Config& c, int64_t v) { c.handshake_deadline_ms = v; }},
    {"preAllocSize", 16, kKiBMax,
     [](Config& c, int64_t v) { c.log_prealloc_bytes = static_cast<uint64_t>(v) << 10; }},
    {"txnLogSizeLimitInKb", -1, kKiBMax,
     [](Config& c, int64_t v) {  // not above 0: no limit of the operator's
       if (v > 0) c.log_segment_bytes_max = static_cast<uint64_t>(v) << 10;
     }},
    {"flushDelay", 0, kFlushMsMax, [](Config& c, int64_t v) { c.flush_delay_ms = v; }},
    {"maxWriteQueuePollTime", 0, kFlushMsMax, [](Config& c, int64_t v) { c.flush_quiet_ms = v; }},
    {"maxBatchSize", 0, INT32_MAX,  // 0: no limit
     [](Config& c, int64_t v) { c.flush_txns_max = static_cast<uint32_t>(v); }},
    {"fsync.warningthresholdms", 0, kMsMax, [](Config& c, int64_t v) { c.slow_sync_ms = v; }},
    {"snapCount", 2, INT32_MAX,
     [](Config& c, int64_t v) { c.snapshot_every_txns = static_cast<uint32_t>(v); }},
    {"snapSizeLimitInKb", -1, kSnapshotKiBMax,
     [](Config& c, int64_t v) {  // not above 0: no limit
       c.snapshot_every_bytes = v > 0 ? static_cast<uint64_t>(v) << 10 : 0;
     }},
    {"commitLogCount", 1, kTicksMax,
     [](Config& c, int64_t v) { c.history_txns_max = static_cast<uint32_t>(v); }},
    {"autopurge.snapRetainCount", 0, INT32_MAX,
     [](Config& c, int64_t v) {  // ZooKeeper, too, raises smaller numbers to 3
       c.snapshots_kept = std::max(kSnapshotsKeptMin, static_cast<uint32_t>(v));
     }},
    {"znode.container.checkIntervalMs", 1, kMsMax,
     [](Config& c, int64_t v) { c.container_check_ms = v; }},
    {"znode.container.maxPerMinute", 1, INT32_MAX,
     [](Config& c, int64_t v) { c.container_removals_per_minute = static_cast<uint32_t>(v); }},
    {"znode.container.maxNeverUsedIntervalMs", 0, INT64_MAX / 2,
     [](Config& c, int64_t v) { c.container_never_used_ms = v; }},
    {"fastleader.minNotificationInterval", 1, kMsMax,
     [](Config& c, int64_t v) { c.notification_min_ms = v; }},
    {"fastleader.maxNotificationInterval", 1, kMsMax,
     [](Config& c, int64_t v) { c.notification_max_ms = v; }},
};

// ZooKeeper's guide gives the default of jute.maxbuffer as 0xfffff, and its server reads it so.
std::optional<int64_t> parse_value(std::string_view key, std::string_view text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (key != "jute.maxbuffer" || !hexadecimal) return parse_number(text);
  const std::optional<uint64_t> value = parse_hex(text.substr(2));
  if (!value || *value > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(*value);
}

Result<void> take_number(const NumberKey& number, std::string_view value, Config& config,
                         std::vector<std::string>& warnings) {
  const std::optional<int64_t> parsed = parse_value(number.key, value);
  if (!parsed || *parsed < number.min || *parsed > number.max) {
    return fail(fmt::format("{}: '{}' is not a whole number from {} to {}", number.key, value,
                            number.min, number.max));
  }
  number.set(config, *parsed);
  if (number.key == "autopurge.snapRetainCount" && *parsed < kSnapshotsKeptMin) {
    warnings.push_back(fmt::format("{}={} is ignored: {} snapshots are kept", number.key, value,
                                   kSnapshotsKeptMin));
  }
  return {};
}

// --- keys that are on or off

struct FlagKey {
  std::string_view key;
  std::string_view
      word;  // as in ZooKeeper, it alone counts: whatever is not this word is the other
  bool means;
  bool Config::*flag;
  std::string_view warning = {};  // when the word stands there
};

constexpr FlagKey kFlagKeys[] = {
    {"skipACL", "yes", true, &Config::skip_acl, "every client may do everything"},
    {"DigestAuthenticationProvider.enabled", "true", true, &Config::digest_auth},
    {"extendedTypesEnabled", "true", true, &Config::extended_types},
    {"enforceQuota", "true", true, &Config::enforce_quota},
    {"localSessionsEnabled", "true", true, &Config::local_sessions},
    {"localSessionsUpgradingEnabled", "true", true, &Config::local_sessions_upgrade},
    {"readonlymode.enabled", "true", true, &Config::read_only_mode},
    {"leaderServes", "no", false, &Config::leader_serves},
    {"forceSnapshotSync", "true", true, &Config::snap_only},
    {"forceSync", "no", false, &Config::sync_log,
     "what is acknowledged is not on the disk: a crash of the machine loses it"},
    {"snapshot.trust.empty", "true", true, &Config::trust_empty_snapshot,
     "a log without a snapshot may be taken for all there is; to be removed after the first start"},
    {"datadir.autocreate", "true", true, &Config::create_directories},
    {"request_stale_latency_check", "true", true, &Config::stale_by_latency},
    {"request_throttle_drop_stale", "true", true, &Config::drop_stale},
    {"requestThrottleDropStale", "true", true, &Config::drop_stale},  // ZooKeeper's guide's name
};

constexpr std::pair<std::string_view, bool SocketConfig::*> kSocketFlagKeys[] = {
    {"clientTcpKeepAlive", &SocketConfig::client_keep_alive},
    {"tcpKeepAlive", &SocketConfig::peer_keep_alive},
    {"quorumListenOnAllIPs", &SocketConfig::peers_on_all_interfaces},
};

void take_flag(const FlagKey& key, std::string_view value, Config& config,
               std::vector<std::string>& warnings) {
  const bool word = equal_ignoring_case(value, key.word);
  warn_if_neither(key.key, value, key.word, warnings);
  config.*key.flag = word ? key.means : !key.means;
  if (word && !key.warning.empty()) {
    warnings.push_back(fmt::format("{}={}: {}", key.key, value, key.warning));
  }
}

// --- fractions, kept as millionths

struct FractionKey {
  std::string_view key;
  uint32_t ThrottleConfig::*millionths;
};

constexpr FractionKey kFractionKeys[] = {
    {"connection_throttle_drop_increase", &ThrottleConfig::drop_increase},
    {"connection_throttle_drop_decrease", &ThrottleConfig::drop_decrease},
    {"connection_throttle_decrease_ratio", &ThrottleConfig::decrease_ratio},
};

// From 0 to 1 as a decimal fraction; digits behind the sixth say nothing.
std::optional<uint32_t> parse_millionths(std::string_view text) {
  const size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  const std::string_view digits = text.substr(std::min(point + 1, text.size()));
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (whole.empty() && digits.empty()) return std::nullopt;
  if (!std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  if (!whole.empty() && whole != "0" && whole != "1") return std::nullopt;
  uint32_t value = whole == "1" ? 1 : 0;
  for (size_t i = 0; i < 6; ++i) {
    value = value * 10 + (i < digits.size() ? static_cast<uint32_t>(digits[i] - '0') : 0);
  }
  if (value > 1'000'000) return std::nullopt;
  return value;
}

Result<void> take_fraction(const FractionKey& key, std::string_view value, Config& config) {
  const std::optional<uint32_t> millionths = parse_millionths(value);
  if (!millionths) {
    return fail(fmt::format("{}: '{}' is no fraction from 0 to 1", key.key, value));
  }
  config.connection_throttle.*key.millionths = *millionths;
  return {};
}

// --- times with a unit

constexpr int64_t kHoursMsMax = int64_t{100} * 366 * 86'400'000;  // a hundred years

// Hours, or with a unit as ZooKeeper 3.10 has it. nullopt: malformed.
std::optional<int64_t> parse_hours(std::string_view value) {
  struct Unit {
    std::string_view suffix;
    int64_t ms;
  };
  constexpr Unit kUnits[] = {{"ms", 1},        {"s", 1000},       {"m", 60'000},
                             {"h", 3'600'000}, {"d", 86'400'000}, {"", 3'600'000}};
  for (const Unit& unit : kUnits) {
    if (!value.ends_with(unit.suffix)) continue;
    const std::string_view digits = value.substr(0, value.size() - unit.suffix.size());
    const std::optional<int64_t> number = parse_number(digits);
    if (!number || *number > kHoursMsMax / unit.ms) return std::nullopt;
    return std::max<int64_t>(*number, 0) * unit.ms;
  }
  return std::nullopt;
}

Result<void> take_purge_interval(std::string_view value, Config& config,
                                 std::vector<std::string>& warnings) {
  constexpr std::string_view kKey = "autopurge.purgeInterval";
  const std::optional<int64_t> ms = parse_hours(value);
  if (!ms) return fail(fmt::format("{}: '{}' is no number of hours", kKey, value));
  config.purge = *ms > 0;
  config.purge_interval_ms = *ms;
  if (!config.purge) {
    warnings.push_back(fmt::format(
        "{}={}: snapshots and logs are never removed, and fill the disk; without this key they "
        "are purged behind each snapshot",
        kKey, value));
  }
  return {};
}

// ZooKeeper takes a method that it does not know for none.
Result<void> take_snapshot_coding(std::string_view value, Config& config) {
  constexpr std::string_view kKey = "snapshot.compression.method";
  if (value.empty()) {
    config.snapshot_coding = Coding::Plain;
  } else if (equal_ignoring_case(value, "gz")) {
    config.snapshot_coding = Coding::Gzip;
  } else if (equal_ignoring_case(value, "snappy")) {
    config.snapshot_coding = Coding::Snappy;
  } else {
    return fail(fmt::format("{}: '{}' is neither gz nor snappy", kKey, value));
  }
  return {};
}

}  // namespace

std::optional<Result<void>> take_value_key(std::string_view key, std::string_view value,
                                           Config& config, std::vector<std::string>& warnings) {
  for (const NumberKey& number : kNumberKeys) {
    if (number.key == key) return take_number(number, value, config, warnings);
  }
  for (const FlagKey& flag : kFlagKeys) {
    if (flag.key != key) continue;
    take_flag(flag, value, config, warnings);
    return Result<void>();
  }
  for (const auto& [name, flag] : kSocketFlagKeys) {
    if (name != key) continue;
    config.sockets.*flag = equal_ignoring_case(value, "true");
    warn_if_neither(key, value, "true", warnings);
    return Result<void>();
  }
  for (const FractionKey& fraction : kFractionKeys) {
    if (fraction.key == key) return take_fraction(fraction, value, config);
  }
  if (key == "connection_throttle_weight_enabled") {
    config.connection_throttle.weighted = equal_ignoring_case(value, "true");
    warn_if_neither(key, value, "true", warnings);
    return Result<void>();
  }
  if (key == "autopurge.purgeInterval") return take_purge_interval(value, config, warnings);
  if (key == "snapshot.compression.method") return take_snapshot_coding(value, config);
  return std::nullopt;
}

}  // namespace vivarium
