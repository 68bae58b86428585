// Which seeds a person means: "SEED" or "FIRST:COUNT", all below 2^64.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vivarium::sim {

struct SeedRange {
  uint64_t first = 0;
  uint64_t count = 0;
};

std::optional<uint64_t> parse_number(const std::string& text);
std::optional<SeedRange> parse_range(const std::string& text);

}  // namespace vivarium::sim
