// Text from outside in a line of a log: control characters as \xNN, so that a line stays a line.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace vivarium {

inline std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace vivarium
