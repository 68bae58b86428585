// Metrics as mntr, the AdminServer and Prometheus show them, out of the World's table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/server/admin_facts.h"
#include "core/server/admin_parts.h"

namespace vivarium {

// A counter of the World's; 0 when nothing was counted.
int64_t counter(const AdminParts& parts, std::string_view key);
// Counters, gauges and summaries; of a summary avg_, min_, max_, cnt_, sum_, and p50_ to p999_ of
// those that ZooKeeper has in detail.
void write_metrics(const AdminParts& parts, FactWriter& out);
// The text format of Prometheus, version 0.0.4.
std::string prometheus_text(const AdminParts& parts);

}  // namespace vivarium
