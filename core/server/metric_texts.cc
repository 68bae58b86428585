#include "core/server/metric_texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/metrics.h"
#include "core/server/admin_text.h"

namespace vivarium {
namespace {

// Summaries that ZooKeeper keeps with quantiles, of those that exist here.
constexpr std::string_view kDetailed[] = {"ack_latency",
                                          "commit_propagation_latency",
                                          "proposal_latency",
                                          "propagation_latency",
                                          "quorum_ack_latency",
                                          "readlatency",
                                          "sync_processor_queue_flush_time_ms",
                                          "updatelatency"};

bool is_detailed(std::string_view name) {
  return std::find(std::begin(kDetailed), std::end(kDetailed), name) != std::end(kDetailed);
}

// Sets stand in a MetricTable as "name\1key".
constexpr char kSetMark = '\1';

struct Series {
  explicit Series(std::string_view table_name)
      : name(table_name.substr(0, table_name.find(kSetMark))),
        key(table_name.substr(std::min(name.size() + 1, table_name.size()))) {}
  std::string shown() const { return key.empty() ? name : key + "_" + name; }
  std::string name;
  std::string key;
};

// What a label's value may hold.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

class PrometheusLines final : public FactWriter {
 public:
  explicit PrometheusLines(std::string& out) : out_(out) {}
  void member(std::string_view name, std::string_view key, int64_t value) override {
    type(name, "gauge");
    out_ += fmt::format("{}{{key=\"{}\",}} {}\n", name, escaped(key), value);
  }
  // What is no number is no metric.
  void text(std::string_view, std::string_view) override {}
  void number(std::string_view name, int64_t value) override {
    type(name, "gauge");
    out_ += fmt::format("{} {}\n", name, value);
  }
  void decimal(std::string_view name, std::string_view value) override {
    type(name, "gauge");
    out_ += fmt::format("{} {}\n", name, value);
  }
  void counter(std::string_view name, int64_t value) {
    type(name, "counter");
    out_ += fmt::format("{} {}\n", name, value);
  }
  void summary(const Series& series, const MetricSummary& summary) {
    const std::string& name = series.name;
    const std::string label =
        series.key.empty() ? std::string() : fmt::format("key=\"{}\",", escaped(series.key));
    const auto quantile = [&](std::string_view of, int64_t per_mille) {
      out_ += fmt::format("{}{{{}quantile=\"{}\",}} {}\n", name, label, of,
                          summary.quantile(per_mille));
    };
    type(name, "summary");
    quantile("0.5", 500);
    if (is_detailed(name)) {
      quantile("0.9", 900);
      quantile("0.99", 990);
    }
    const std::string braces = label.empty() ? label : "{" + label + "}";
    out_ += fmt::format("{0}_count{1} {2}\n{0}_sum{1} {3}\n", name, braces, summary.count(),
                        summary.sum());
  }

 private:
  // Once for all members of a set, which follow each other.
  void type(std::string_view name, std::string_view kind) {
    if (name == typed_) return;
    typed_ = name;
    out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, name, name, kind);
  }

  std::string typed_;

  std::string& out_;
};

// Thousandths written as a decimal fraction.
std::string thousandths(int64_t value) {
  return fmt::format("{}.{:03}", value / 1000, value % 1000);
}

void put_process(const ProcessFacts& process, PrometheusLines& lines) {
  if (process.open_descriptors >= 0) lines.number("process_open_fds", process.open_descriptors);
  if (process.descriptors_max >= 0) lines.number("process_max_fds", process.descriptors_max);
  if (process.resident_bytes >= 0) {
    lines.number("process_resident_memory_bytes", process.resident_bytes);
  }
  if (process.virtual_bytes >= 0) {
    lines.number("process_virtual_memory_bytes", process.virtual_bytes);
  }
  if (process.cpu_ms >= 0) lines.decimal("process_cpu_seconds_total", thousandths(process.cpu_ms));
}

// What is counted is shown from the start: an alert on something that never happened has to find
// it.
constexpr std::string_view kCounters[] = {"admin_commands_refused",
                                          "admin_words_timed_out",
                                          "auth_failed_count",
                                          "bad_admin_requests",
                                          "bad_frames",
                                          "cnxn_closed_without_zk_server_running",
                                          "commit_count",
                                          "connection_drop_count",
                                          "connection_rejected",
                                          "connection_request_count",
                                          "connection_revalidate_count",
                                          "diff_count",
                                          "digest_mismatches_count",
                                          "fsync_threshold_exceed_count",
                                          "large_requests_rejected",
                                          "learner_commit_received_count",
                                          "learner_proposal_received_count",
                                          "looking_count",
                                          "proposal_count",
                                          "quit_leading_due_to_disloyal_voter",
                                          "request_throttle_wait_count",
                                          "revalidate_count",
                                          "sessionless_connections_expired",
                                          "slow_readers_dropped",
                                          "snap_count",
                                          "snapshot_error_count",
                                          "snapshot_rate_limited_count",
                                          "stale_replies",
                                          "stale_requests",
                                          "stale_requests_dropped",
                                          "stale_sessions_expired",
                                          "throttled_ops",
                                          "tls_handshake_exceeded",
                                          "unsuccessful_handshake"};
constexpr std::string_view kSummaries[] = {"connection_token_deficit",
                                           "dbinittime",
                                           "election_time",
                                           "follower_sync_time",
                                           "fsynctime",
                                           "inflight_diff_count",
                                           "inflight_snap_count",
                                           "leader_unavailable_time",
                                           "observer_sync_time",
                                           "proposal_latency",
                                           "request_throttle_queue_time_ms",
                                           "snapshottime",
                                           "startup_snap_load_time",
                                           "startup_txns_load_time",
                                           "startup_txns_loaded",
                                           "sync_processor_batch_size",
                                           "unavailable_time"};

// What the World was told, and what Server keeps by itself.
MetricTable gathered(const AdminParts& parts) {
  MetricTable table;
  for (const std::string_view name : kCounters) table.count(name, 0);
  for (const std::string_view name : kSummaries) table.sample(name, MetricSummary());
  table.gauge("outstanding_tls_handshake", 0);
  if (const MetricTable* told = parts.world.metrics(); told != nullptr) {
    for (const auto& [name, value] : told->counters()) table.count(name, value);
    for (const auto& [name, value] : told->gauges()) table.gauge(name, value);
    for (const auto& [name, summary] : told->summaries()) table.sample(name, summary);
  }
  parts.server.traffic().add_to(table);
  if (const Leader* leader = parts.zab.leader_role(); leader != nullptr) {
    table.sample("quorum_ack_latency", leader->quorum_ack_latency());
    for (const Leader::LearnerFacts& learner : leader->learner_facts()) {
      if (!learner.voter) continue;
      table.sample(fmt::format("ack_latency{}{}", kSetMark, learner.id.value), learner.ack_latency);
    }
  }
  return table;
}

}  // namespace

int64_t counter(const AdminParts& parts, std::string_view key) {
  const MetricTable* table = parts.world.metrics();
  return table == nullptr ? 0 : table->counter(key);
}

void write_metrics(const AdminParts& parts, FactWriter& out) {
  const MetricTable table = gathered(parts);
  for (const auto& [name, value] : table.counters()) out.number(name, value);
  for (const auto& [name, value] : table.gauges()) out.number(name, value);
  for (const auto& [table_name, summary] : table.summaries()) {
    const Series series(table_name);
    const std::string name = series.shown();
    out.decimal("avg_" + name, decimal_average(summary.sum(), summary.count()));
    out.number("min_" + name, summary.min());
    out.number("max_" + name, summary.max());
    out.number("cnt_" + name, summary.count());
    out.number("sum_" + name, summary.sum());
    if (!is_detailed(series.name)) continue;
    out.number("p50_" + name, summary.quantile(500));
    out.number("p95_" + name, summary.quantile(950));
    out.number("p99_" + name, summary.quantile(990));
    out.number("p999_" + name, summary.quantile(999));
  }
}

std::string prometheus_text(const AdminParts& parts) {
  std::string out;
  PrometheusLines lines(out);
  if (running(parts)) write_monitor(parts, 0, lines);
  put_process(parts.world.process_facts(), lines);
  const MetricTable table = gathered(parts);
  for (const auto& [name, value] : table.counters()) lines.counter(name, value);
  for (const auto& [name, value] : table.gauges()) lines.number(name, value);
  for (const auto& [name, summary] : table.summaries()) lines.summary(Series(name), summary);
  return out;
}

}  // namespace vivarium
