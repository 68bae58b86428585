// What a server has acknowledged, as others remember it (RULES 2, 3). An acknowledgement holds for
// one log: that of a data directory, until the next truncation or installation replaces its end or
// all of it. Whoever has cut its log by the protocol has another log since, and no old
// acknowledgement can be held against it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/ids.h"

namespace vivarium {

struct LogId {
  uint64_t directory = 0;   // the first half of the data directory's UUID
  uint32_t generation = 0;  // truncations and installations
  constexpr auto operator<=>(const LogId&) const = default;
};

struct Acknowledged {
  LogId log;
  Epoch epoch = 0;  // of the leadership that it was given to
  Zxid upto;
  constexpr bool operator==(const Acknowledged&) const = default;
};

struct RememberedAck {
  ServerId voter;
  Acknowledged acknowledged;
  constexpr bool operator==(const RememberedAck&) const = default;
};

// Ascending by voter.
inline std::optional<Acknowledged> find_remembered(const std::vector<RememberedAck>& all,
                                                   ServerId voter) {
  for (const RememberedAck& one : all) {
    if (one.voter == voter) return one.acknowledged;
  }
  return std::nullopt;
}

}  // namespace vivarium
