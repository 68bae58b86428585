// Which seeds a person means, "SEED" or "FIRST:COUNT", all below 2^64; which share of them, "I/N";
// and for how long, "90s", "10m" or "2h".
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace vivarium::sim {

struct SeedRange {
  uint64_t first = 0;
  uint64_t count = 0;
  auto operator<=>(const SeedRange&) const = default;
};

// Every `of`-th seed of a range, from the one at `index` (0 ...) on: a share says nothing of how
// quick its machine is, and all shares together are the range.
struct Shard {
  uint64_t index = 0;
  uint64_t of = 1;
  uint64_t size(uint64_t count) const { return index < count ? (count - index - 1) / of + 1 : 0; }
};

std::optional<uint64_t> parse_number(const std::string& text);
std::optional<SeedRange> parse_range(const std::string& text);
std::optional<Shard> parse_shard(const std::string& text);
// "1/N"; "0": none.
std::optional<uint64_t> parse_one_in(const std::string& text);
std::optional<std::chrono::seconds> parse_span(const std::string& text);
std::string to_text(const SeedRange& range);  // "FIRST:COUNT"

}  // namespace vivarium::sim
