#include "sim/quota_model.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace vivarium::sim {
namespace {

constexpr std::string_view kQuotas = "/zookeeper/quota/";
constexpr std::string_view kLimits = "/zookeeper_limits";
constexpr std::string_view kStatistics = "/zookeeper_stats";

// "/zookeeper/quota" + P + `end`.
std::string between(const std::string& path, std::string_view end) {
  const bool fits =
      path.size() > kQuotas.size() + end.size() && path.starts_with(kQuotas) && path.ends_with(end);
  if (!fits) return {};
  return path.substr(kQuotas.size() - 1, path.size() - end.size() - (kQuotas.size() - 1));
}

int64_t number_behind(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  int64_t number = -1;
  if (at == std::string_view::npos) return number;
  const std::string_view rest = text.substr(at + key.size());
  (void)std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return number;
}

}  // namespace

std::string QuotaModel::limited_by(const std::string& path) { return between(path, kLimits); }
std::string QuotaModel::counted_by(const std::string& path) { return between(path, kStatistics); }

// As far as workloads go: a text without any "key=value".
bool QuotaModel::is_bad(const std::string& path, ByteView data) {
  if (limited_by(path).empty() && counted_by(path).empty()) return false;
  return as_text(data).find('=') == std::string_view::npos;
}

std::string QuotaModel::target_of(const std::string& path) {
  return path.substr(0, path.find('/', 1));
}

void QuotaModel::epoch(Epoch epoch) {
  if (epoch == epoch_) return;
  epoch_ = epoch;
  for (auto& [target, states] : states_) states.erase(states.begin(), states.end() - 1);
}

QuotaModel::State& QuotaModel::change(const std::string& target) {
  std::vector<State>& states = states_[target];
  if (states.empty()) states.emplace_back();  // before: no quota
  states.push_back(states.back());
  return states.back();
}

void QuotaModel::limits(const std::string& target, std::optional<std::string_view> text) {
  State& state = change(target);
  const bool had = std::exchange(state.has_limits, text.has_value());
  state.count_hard = text ? number_behind(*text, "countHardLimit=") : -1;
  state.bytes_hard = text ? number_behind(*text, "byteHardLimit=") : -1;
  if (!had || !text) state.exact = false;
}

void QuotaModel::statistics(const std::string& target, std::optional<SubtreeSize> size) {
  State& state = change(target);
  state.has_statistics = size.has_value();
  state.exact = size && state.has_limits;
  state.size = size.value_or(SubtreeSize{});
}

void QuotaModel::changed(const std::string& path, int64_t count, int64_t bytes) {
  const std::string target = target_of(path);
  const auto found = states_.find(target);
  if (found == states_.end() || !found->second.back().has_limits) return;
  if (!found->second.back().has_statistics) return;
  State& state = change(target);
  state.size.count += count;
  state.size.bytes += bytes;
}

bool QuotaModel::known(const std::string& target) const {
  const auto found = states_.find(target);
  return found != states_.end() && found->second.back().exact;
}

std::optional<std::string> QuotaModel::text(const std::string& target) const {
  if (!known(target)) return std::nullopt;
  const SubtreeSize& size = states_.at(target).back().size;
  return fmt::format("count={},bytes={}", size.count, size.bytes);
}

QuotaModel::Verdicts QuotaModel::verdicts(const std::string& path, int64_t count,
                                          int64_t bytes) const {
  const auto found = states_.find(target_of(path));
  if (found == states_.end()) return {true, false};
  Verdicts verdicts;
  for (const State& s : found->second) {
    const bool limited = s.has_limits && s.has_statistics;
    const bool too_many = count != 0 && s.count_hard > -1 && s.size.count + count > s.count_hard;
    const bool too_much = bytes != 0 && s.bytes_hard > -1 && s.size.bytes + bytes > s.bytes_hard;
    const bool exceeds = limited && (too_many || too_much);
    if (!exceeds || !s.exact) verdicts.may_fit = true;
    if (exceeds || (limited && !s.exact)) verdicts.may_exceed = true;
  }
  return verdicts;
}

}  // namespace vivarium::sim
