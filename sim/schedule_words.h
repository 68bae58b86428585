// Words and times of schedule files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium::sim {

// Between blanks, as far as a word that begins with '#'.
std::vector<std::string> words_of(std::string_view line);
// A name of several words as one: "power loss of all" is power-loss-of-all.
std::string word_of(std::string_view name);
// "12.5ms", exact to the nanosecond.
std::string milliseconds_text(int64_t ns);
std::optional<int64_t> parse_milliseconds(const std::string& text);

}  // namespace vivarium::sim
