// Keys of zoo.cfg whose value is one number, switch or time and fills one field of Config: a table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/config.h"

namespace vivarium {

inline constexpr int64_t kMsMax = INT32_MAX;
inline constexpr int64_t kTicksMax = 1'000'000;

// nullopt: the key is none of these. `warnings` takes a line about a value that is allowed and
// dangerous, or that counts for another one.
std::optional<Result<void>> take_value_key(std::string_view key, std::string_view value,
                                           Config& config, std::vector<std::string>& warnings);

}  // namespace vivarium
