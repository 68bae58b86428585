#include "sim/seed_range.h"

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

}  // namespace vivarium::sim
