// Counters of what clients asked and how long it took, of one connection and of the server, as
// ZooKeeper's srvr, cons and mntr show them. Latencies are whole milliseconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/ids.h"
#include "core/base/stats.h"
#include "core/base/time.h"
#include "core/metrics.h"
#include "core/wire/codes.h"

namespace vivarium {

struct ConnectionStats {
  uint16_t port = 0;  // of the client's end
  WallTime established;
  int64_t received = 0;
  int64_t sent = 0;
  Op last_op = Op::Notification;  // none yet
  int32_t last_cxid = -1;
  int64_t last_zxid = -1;
  Instant last_response;
  int64_t last_latency_ms = 0;
  LatencyStats latency;

  void answered(Op op, int32_t cxid, Zxid zxid, Instant since, Instant now) {
    last_op = op;
    if (cxid >= 0) last_cxid = cxid;
    last_zxid = zxid.wire();
    last_response = now;
    last_latency_ms = (now - since).ms();
    latency.add(last_latency_ms);
    ++sent;
  }
  // crst: what the connection is stays.
  void reset() {
    ConnectionStats fresh;
    fresh.port = port;
    fresh.established = established;
    *this = fresh;
  }
};

struct ServerStats {
  Instant serving_since;
  int64_t received = 0;
  int64_t sent = 0;
  LatencyStats latency;
  SizeStats responses;

  // srst.
  void reset() {
    ServerStats fresh;
    fresh.serving_since = serving_since;
    *this = fresh;
  }
};

// Metrics that every request adds to: kept here rather than by name in the World.
struct TrafficMetrics {
  int64_t bytes_received = 0;
  int64_t response_bytes = 0;
  MetricSummary reads;        // ms from a request to its answer
  MetricSummary updates;      // the same of writes
  MetricSummary propagation;  // ms from a txn's time until it is applied here
  int64_t watch_bytes = 0;
  // Clients told of an event, of those that somebody had to be told of.
  MetricSummary told_created;
  MetricSummary told_deleted;
  MetricSummary told_changed;
  MetricSummary told_children;
  // Requests, by place_of() their operation.
  static constexpr size_t kOperationsMax = 32;
  std::array<int64_t, kOperationsMax> operations{};

  void note_told(WatchEvent event, size_t clients);
  void add_to(MetricTable& table) const;
};

// The four letters that cons has for the last operation; NA before the first.
std::string_view last_operation_name(Op op);

}  // namespace vivarium
