#include "net/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "core/base/check.h"

namespace vivarium {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::Debug:
      return spdlog::level::debug;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Warn:
      return spdlog::level::warn;
    case LogLevel::Error:
      return spdlog::level::err;
  }
  CHECK(false);
  return spdlog::level::err;
}

}  // namespace

LogSink make_stderr_log(LogLevel least) {
  auto logger = std::make_shared<spdlog::logger>("vivariumd",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %-7l %v");
  logger->set_level(level_of(least));
  logger->flush_on(spdlog::level::info);
  return [logger](LogLevel level, std::string_view line) {
    // The line is data, never a format.
    logger->log(level_of(level), spdlog::string_view_t(line.data(), line.size()));
  };
}

}  // namespace vivarium
