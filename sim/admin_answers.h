// What operators' tools read out of a server's answers: four-letter words line by line, the
// AdminServer's as HTTP and JSON. Strict, as a program that reads them would be; written from
// client-protocol sections 14 and 15.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/ids.h"
#include "core/base/result.h"

namespace vivarium::sim {

struct AdminAnswer {
  bool serving = true;         // it did not say that it serves nobody
  bool allowed = true;         // the word or command was not refused
  std::string mode{};          // "leader", "follower" ...; empty: it does not say
  std::optional<Zxid> zxid{};  // last processed
};

// Errors say what is wrong with the text. `text` is all that came before the connection ended.
Result<AdminAnswer> read_word_answer(std::string_view word, std::string_view text);
Result<AdminAnswer> read_http_answer(std::string_view command, std::string_view bytes);

// The members of a JSON object whose values are texts, numbers or literals, those of objects in it
// too. nullopt: it is no object, or not well-formed.
std::optional<std::map<std::string, std::string>> read_json(std::string_view text);

}  // namespace vivarium::sim
