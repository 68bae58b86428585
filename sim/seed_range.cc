#include "sim/seed_range.h"

#include <fmt/format.h>

#include <stdexcept>

namespace vivarium::sim {

std::optional<uint64_t> parse_number(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  try {
    return std::stoull(text);
  } catch (const std::out_of_range&) {
    return std::nullopt;
  }
}

std::optional<SeedRange> parse_range(const std::string& text) {
  const size_t colon = text.find(':');
  const std::optional<uint64_t> first = parse_number(text.substr(0, colon));
  if (!first) return std::nullopt;
  if (colon == std::string::npos) return SeedRange{*first, 1};
  const std::optional<uint64_t> count = parse_number(text.substr(colon + 1));
  if (!count || *count == 0 || *count - 1 > UINT64_MAX - *first) return std::nullopt;
  return SeedRange{*first, *count};
}

std::optional<Shard> parse_shard(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const std::optional<uint64_t> index = parse_number(text.substr(0, slash));
  const std::optional<uint64_t> of = parse_number(text.substr(slash + 1));
  if (!index || !of || *index >= *of) return std::nullopt;
  return Shard{*index, *of};
}

std::optional<uint64_t> parse_one_in(const std::string& text) {
  if (text == "0") return 0;
  if (!text.starts_with("1/")) return std::nullopt;
  const std::optional<uint64_t> n = parse_number(text.substr(2));
  return n == uint64_t{0} ? std::nullopt : n;
}

std::optional<std::chrono::seconds> parse_span(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const uint64_t unit = text.back() == 's' ? 1 : text.back() == 'm' ? 60 : 3600;
  if (unit == 3600 && text.back() != 'h') return std::nullopt;
  const std::optional<uint64_t> units = parse_number(text.substr(0, text.size() - 1));
  constexpr uint64_t kYear = uint64_t{366} * 24 * 3600;
  if (!units || *units == 0 || *units > kYear / unit) return std::nullopt;
  return std::chrono::seconds(*units * unit);
}

std::string to_text(const SeedRange& range) {
  return fmt::format("{}:{}", range.first, range.count);
}

}  // namespace vivarium::sim
