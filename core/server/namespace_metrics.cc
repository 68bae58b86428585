#include "core/server/namespace_metrics.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "core/tree/quota.h"

namespace vivarium {
namespace {

// An answer has an end, however many quotas there are.
constexpr size_t kQuotasMax = 1000;

struct Sums {
  int64_t count_limit = 0;
  int64_t bytes_limit = 0;
  int64_t count_usage = 0;
  int64_t bytes_usage = 0;
};

std::optional<QuotaText> quota_at(const DataTree& tree, const std::string& path) {
  const DataTree::Slot slot = tree.find(path);
  if (slot == DataTree::kNone) return std::nullopt;
  return parse_quota(as_text(tree.view(slot).data));
}

// A hard limit counts before a soft one; -1 is none.
int64_t limit_of(const QuotaText& limits, std::string_view hard_key, int64_t soft) {
  const auto hard = limits.more.find(hard_key);
  return hard != limits.more.end() && hard->second > -1 ? hard->second : soft;
}

std::string first_name(std::string_view path) {
  path.remove_prefix(std::min<size_t>(path.size(), 1));
  return std::string(path.substr(0, path.find('/')));
}

// What clients write there may be anything: a sum may not overflow.
void add(int64_t& sum, int64_t more) {
  sum = static_cast<int64_t>(static_cast<uint64_t>(sum) + static_cast<uint64_t>(more));
}

}  // namespace

void write_quotas(const DataTree& tree, FactWriter& out) {
  std::map<std::string, Sums> spaces;
  size_t seen = 0;
  for (const std::string& target : tree.quota_paths().all()) {
    if (++seen > kQuotasMax) break;
    Sums& sums = spaces[first_name(target)];
    if (const auto limits = quota_at(tree, quota_limits_path(target))) {
      add(sums.count_limit, limit_of(*limits, kQuotaCountHardLimit, limits->count));
      add(sums.bytes_limit, limit_of(*limits, kQuotaByteHardLimit, limits->bytes));
    }
    if (const auto stats = quota_at(tree, quota_stats_path(target))) {
      add(sums.count_usage, stats->count);
      add(sums.bytes_usage, stats->bytes);
    }
  }
  const auto write = [&](std::string_view name, int64_t Sums::*value) {
    for (const auto& [space, sums] : spaces) out.member(name, space, sums.*value);
  };
  write("quota_count_limit_per_namespace", &Sums::count_limit);
  write("quota_bytes_limit_per_namespace", &Sums::bytes_limit);
  write("quota_count_usage_per_namespace", &Sums::count_usage);
  write("quota_bytes_usage_per_namespace", &Sums::bytes_usage);
}

}  // namespace vivarium
