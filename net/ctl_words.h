// Short conversations with one server, for `vivctl status`: a four letter word and its answer, or a
// session that is opened and closed. Each blocks for its time at most, but for the look-up of a
// name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/world.h"

namespace vivarium::ctl {

// All that the server sends until it closes; an error also when that is nothing.
Result<std::string> ask_word(const Address& address, std::string_view word, int64_t timeout_ms);

struct Greeting {
  bool read_only = false;
  int64_t zxid = 0;
};
Result<Greeting> ask_session(const Address& address, int64_t timeout_ms);

}  // namespace vivarium::ctl
