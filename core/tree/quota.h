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
std::string quota_limits_path(std::string_view target);
std::string quota_stats_path(std::string_view target);

// "count=N,bytes=M", then further keys. -1 is "no limit".
struct QuotaText {
  int64_t count = -1;
  int64_t bytes = -1;
  std::map<std::string, int64_t, std::less<>> more;
};
inline constexpr std::string_view kQuotaByteHardLimit = "byteHardLimit";
inline constexpr std::string_view kQuotaCountHardLimit = "countHardLimit";
std::optional<QuotaText> parse_quota(std::string_view text);
std::string format_quota(const QuotaText& quota);

// Would a change of these amounts exceed the limits? A hard limit counts before a soft one; what
// does not grow or shrink is not asked about. `line` says what is exceeded, for the log.
struct QuotaCheck {
  enum class Over : uint8_t { Nothing, Soft, Hard };
  Over over = Over::Nothing;
  std::string line;
};
QuotaCheck check_limits(std::string_view target, const QuotaText& limits, const QuotaText& stats,
                        int64_t bytes, int64_t count);

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
