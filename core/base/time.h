// Time as the core sees it. Monotonic instants for deadlines, wall-clock milliseconds for what goes
// into txns. Both are constant within a step.
#pragma once

#include <compare>
#include <cstdint>

namespace vivarium {

struct Duration {
  int64_t ns = 0;
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator*(int64_t k) const { return {ns * k}; }
  constexpr Duration operator/(int64_t k) const { return {ns / k}; }
  constexpr Duration operator+(Duration d) const { return {ns + d.ns}; }
  constexpr Duration operator-(Duration d) const { return {ns - d.ns}; }
  constexpr int64_t ms() const { return ns / 1'000'000; }
};
constexpr Duration milliseconds(int64_t ms) { return {ms * 1'000'000}; }
constexpr Duration microseconds(int64_t us) { return {us * 1'000}; }

// A point on the monotonic clock; its zero is arbitrary and differs between servers and lives.
struct Instant {
  int64_t ns = 0;
  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration d) const { return {ns + d.ns}; }
  constexpr Duration operator-(Instant other) const { return {ns - other.ns}; }
  static constexpr Instant never() { return {INT64_MAX}; }
};

// Milliseconds since 1970, as in TxnHeader.time and Stat.
struct WallTime {
  int64_t ms = 0;
  constexpr auto operator<=>(const WallTime&) const = default;
};

}  // namespace vivarium
