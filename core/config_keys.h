// The keys of ZooKeeper's zoo.cfg that Vivarium does not act on: which are ignored with a warning,
// which stop the server, and why. A key in neither list is none of ZooKeeper's.
#pragma once

#include <string_view>

namespace vivarium {

enum class KeyVerdict { Unknown, Ignored, Refused, Harmless };

struct KeyRuling {
  KeyVerdict verdict = KeyVerdict::Unknown;
  std::string_view reason;  // why it is refused or ignored
};
// Harmless: the value asks for nothing but what is done anyway.
KeyRuling rule_on_key(std::string_view key, std::string_view value);

}  // namespace vivarium
