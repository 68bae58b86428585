// Quotas: which paths have one, and the text of their statistics (semantics section 6). A quota of
// path P is the znode /zookeeper/quota/P/zookeeper_limits, its statistics are zookeeper_stats
// beside it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace vivarium {

inline constexpr std::string_view kQuotaLimitsName = "zookeeper_limits";
inline constexpr std::string_view kQuotaStatsName = "zookeeper_stats";

// The quota's path P for the parent of a limits or stats znode; empty when it is none.
std::string_view quota_target(std::string_view parent_path);
std::string quota_stats_path(std::string_view target);

// "count=N,bytes=M", then further keys. -1 is "no limit".
struct QuotaText {
  int64_t count = -1;
  int64_t bytes = -1;
  std::map<std::string, int64_t, std::less<>> more;
};
std::optional<QuotaText> parse_quota(std::string_view text);
std::string format_quota(const QuotaText& quota);

// The paths that have limits.
class QuotaPaths {
 public:
  void add(std::string_view target) { targets_.emplace(target); }
  void remove(std::string_view target);
  bool empty() const { return targets_.empty(); }
  // The longest registered path that is `path` or an ancestor of it; empty when there is none.
  std::string_view deepest(std::string_view path) const;
  const std::set<std::string, std::less<>>& all() const { return targets_; }

 private:
  std::set<std::string, std::less<>> targets_;
};

}  // namespace vivarium
