// Java properties syntax, as zoo.cfg and its relatives have it: '#' and '!' comments, '=', ':' or
// blanks between key and value, backslash escapes and continued lines, later keys win. As ZooKeeper
// does, keys and values are trimmed.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace vivarium {

// Errors: a broken \u escape. `repeated` takes the keys that stand there again, each time they do.
Result<std::map<std::string, std::string>> parse_properties(
    std::string_view text, std::vector<std::string>* repeated = nullptr);

// Without blanks at both ends.
std::string_view trimmed(std::string_view text);

// What stands between commas, trimmed; nothing for two commas in a row. Views of the text.
std::vector<std::string_view> comma_separated(std::string_view text);

// Of a key that is either `word` ("true", "false", "yes", "no"), in any case, or its opposite, as
// ZooKeeper takes whatever else stands there: a line for what is neither.
void warn_if_neither(std::string_view key, std::string_view value, std::string_view word,
                     std::vector<std::string>& warnings);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace vivarium
