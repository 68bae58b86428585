#include "core/tree/quota.h"

#include <fmt/format.h>

#include <charconv>

#include "core/tree/path.h"

namespace vivarium {
namespace {

constexpr std::string_view kCount = "count";
constexpr std::string_view kBytes = "bytes";
constexpr std::string_view kSeparators = ",;";

// "key=value", and whatever stands behind a second '='. An empty value is -1.
bool parse_pair(std::string_view pair, QuotaText& quota) {
  const size_t equals = pair.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view key = pair.substr(0, equals);
  std::string_view value = pair.substr(equals + 1);
  value = value.substr(0, value.find('='));
  int64_t number = -1;
  if (!value.empty()) {
    const char* const end = value.data() + value.size();
    const auto [at, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc() || at != end) return false;
  }
  if (key == kCount) {
    quota.count = number;
  } else if (key == kBytes) {
    quota.bytes = number;
  } else {
    quota.more.insert_or_assign(std::string(key), number);
  }
  return true;
}

}  // namespace

std::string_view quota_target(std::string_view parent_path) {
  if (!parent_path.starts_with(kQuotaPath)) return {};
  const std::string_view target = parent_path.substr(kQuotaPath.size());
  return target.starts_with('/') ? target : std::string_view();
}

std::string quota_limits_path(std::string_view target) {
  return fmt::format("{}{}/{}", kQuotaPath, target, kQuotaLimitsName);
}

std::string quota_stats_path(std::string_view target) {
  return fmt::format("{}{}/{}", kQuotaPath, target, kQuotaStatsName);
}

std::optional<QuotaText> parse_quota(std::string_view text) {
  QuotaText quota;
  while (!text.empty()) {
    const size_t end = text.find_first_of(kSeparators);
    const std::string_view pair = text.substr(0, end);
    if (!pair.empty() && !parse_pair(pair, quota)) return std::nullopt;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return quota;
}

std::string format_quota(const QuotaText& quota) {
  std::string text = fmt::format("count={},bytes={}", quota.count, quota.bytes);
  if (!quota.more.empty()) text += '=';
  for (const auto& [key, value] : quota.more) text += fmt::format(";{}={}", key, value);
  return text;
}

namespace {

void check_one(std::string_view target, std::string_view what, int64_t soft, int64_t hard,
               int64_t value, QuotaCheck& check) {
  const bool is_hard = hard > -1;
  const int64_t limit = is_hard ? hard : soft;
  if (limit <= -1 || value <= limit || check.over == QuotaCheck::Over::Hard) return;
  check.over = is_hard ? QuotaCheck::Over::Hard : QuotaCheck::Over::Soft;
  check.line = fmt::format("quota of {} exceeded: {} {} of {} ({})", target, what, value, limit,
                           is_hard ? "hard" : "soft");
}

int64_t hard_limit(const QuotaText& limits, std::string_view key) {
  const auto found = limits.more.find(key);
  return found == limits.more.end() ? -1 : found->second;
}

}  // namespace

QuotaCheck check_limits(std::string_view target, const QuotaText& limits, const QuotaText& stats,
                        int64_t bytes, int64_t count) {
  // Statistics are a client's text until they are counted anew: no sum of them may overflow.
  const auto sum = [](int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  };
  QuotaCheck check;
  if (count != 0) {
    check_one(target, "count", limits.count, hard_limit(limits, kQuotaCountHardLimit),
              sum(stats.count, count), check);
  }
  if (bytes != 0) {
    check_one(target, "bytes", limits.bytes, hard_limit(limits, kQuotaByteHardLimit),
              sum(stats.bytes, bytes), check);
  }
  return check;
}

void QuotaPaths::remove(std::string_view target) {
  const auto found = targets_.find(target);
  if (found != targets_.end()) targets_.erase(found);
}

std::string_view QuotaPaths::deepest(std::string_view path) const {
  if (targets_.empty()) return {};
  while (!path.empty()) {
    const auto found = targets_.find(path);
    if (found != targets_.end()) return *found;
    path = parent_path(path);
  }
  return {};
}

}  // namespace vivarium
