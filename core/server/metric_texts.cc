#include "core/server/metric_texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/metrics.h"
#include "core/server/admin_text.h"

namespace vivarium {
namespace {

// Summaries that ZooKeeper keeps with quantiles, of those that exist here.
constexpr std::string_view kDetailed[] = {"commit_propagation_latency",
                                          "propagation_latency",
                                          "quorum_ack_latency",
                                          "readlatency",
                                          "sync_processor_queue_flush_time_ms",
                                          "updatelatency"};

bool is_detailed(std::string_view name) {
  return std::find(std::begin(kDetailed), std::end(kDetailed), name) != std::end(kDetailed);
}

class PrometheusLines final : public FactWriter {
 public:
  explicit PrometheusLines(std::string& out) : out_(out) {}
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
  void summary(std::string_view name, const MetricSummary& summary) {
    type(name, "summary");
    quantile(name, "0.5", summary.quantile(500));
    if (is_detailed(name)) {
      quantile(name, "0.9", summary.quantile(900));
      quantile(name, "0.99", summary.quantile(990));
    }
    out_ += fmt::format("{}_count {}\n{}_sum {}\n", name, summary.count(), name, summary.sum());
  }

 private:
  void type(std::string_view name, std::string_view kind) {
    out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, name, name, kind);
  }
  void quantile(std::string_view name, std::string_view of, int64_t value) {
    out_ += fmt::format("{}{{quantile=\"{}\",}} {}\n", name, of, value);
  }

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
                                          "connection_rejected",
                                          "connection_request_count",
                                          "connection_revalidate_count",
                                          "diff_count",
                                          "fsync_threshold_exceed_count",
                                          "learner_commit_received_count",
                                          "learner_proposal_received_count",
                                          "looking_count",
                                          "proposal_count",
                                          "sessionless_connections_expired",
                                          "slow_readers_dropped",
                                          "snap_count",
                                          "snapshot_error_count"};
constexpr std::string_view kSummaries[] = {"election_time", "fsynctime", "propagation_latency",
                                           "snapshottime"};

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
  for (const auto& [name, summary] : table.summaries()) {
    out.decimal("avg_" + name, decimal_average(summary.sum(), summary.count()));
    out.number("min_" + name, summary.min());
    out.number("max_" + name, summary.max());
    out.number("cnt_" + name, summary.count());
    out.number("sum_" + name, summary.sum());
    if (!is_detailed(name)) continue;
    out.number("p50_" + name, summary.quantile(500));
    out.number("p95_" + name, summary.quantile(950));
    out.number("p99_" + name, summary.quantile(990));
    out.number("p999_" + name, summary.quantile(999));
  }
}

std::string prometheus_text(const AdminParts& parts) {
  std::string out;
  PrometheusLines lines(out);
  if (serving(parts)) write_monitor(parts, 0, lines);
  put_process(parts.world.process_facts(), lines);
  const MetricTable table = gathered(parts);
  for (const auto& [name, value] : table.counters()) lines.counter(name, value);
  for (const auto& [name, value] : table.gauges()) lines.number(name, value);
  for (const auto& [name, summary] : table.summaries()) lines.summary(name, summary);
  return out;
}

}  // namespace vivarium
