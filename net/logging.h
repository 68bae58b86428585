// Log lines for people: to stderr through spdlog, with time and level.
#pragma once

#include <functional>
#include <string_view>

#include "core/world.h"

namespace vivarium {

using LogSink = std::function<void(LogLevel, std::string_view)>;

// Lines below `least` are left out. The sink may be called on any thread and never waits for a
// reader, but for an Error line up to a second: what is not taken is dropped and counted (decision
// 82).
LogSink make_stderr_log(LogLevel least);

}  // namespace vivarium
