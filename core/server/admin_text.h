// Texts for operators: numbers and dates as ZooKeeper's Java prints them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>

#include "core/base/time.h"

namespace vivarium {

// A quotient with up to four decimals, rounded half up, and at least one: "0.0", "1.7692". 0 for a
// count of 0.
std::string decimal_average(int64_t sum, int64_t count);

// java.util.Date in UTC: "Mon Nov 23 08:35:05 UTC 2026".
std::string java_date(WallTime time);

// At the end of `out`.
template <class... Args>
void put(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  out += fmt::format(format, std::forward<Args>(args)...);
}

}  // namespace vivarium
