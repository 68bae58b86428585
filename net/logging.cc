#include "net/logging.h"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

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

// A stderr that nobody reads (a full pipe, a terminal that was stopped) must not stop the server:
// what it does not take at once is dropped, and counted in the first line that it takes again.
// Errors wait for a second, since a process may be ending with one.
class PatientSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override {
    const int patience_ms = msg.level >= spdlog::level::err ? kErrorPatienceMs : 0;
    if (dropped_ > 0) {
      const std::string line = fmt::format("{} lines were dropped: nobody read them\n", dropped_);
      if (!write_all(line, patience_ms)) {
        ++dropped_;
        return;
      }
      dropped_ = 0;
    }
    spdlog::memory_buf_t line;
    formatter_->format(msg, line);
    if (!write_all({line.data(), line.size()}, patience_ms)) ++dropped_;
  }
  void flush_() override {}

 private:
  static constexpr int kErrorPatienceMs = 1000;
  // What a pipe that is ready to be written to takes without blocking (PIPE_BUF).
  static constexpr size_t kPieceBytes = 4096;

  // False: the rest of the text did not go.
  static bool write_all(std::string_view text, int patience_ms) {
    while (!text.empty()) {
      pollfd ready{STDERR_FILENO, POLLOUT, 0};
      if (::poll(&ready, 1, patience_ms) <= 0 || (ready.revents & POLLOUT) == 0) return false;
      const ssize_t written =
          ::write(STDERR_FILENO, text.data(), std::min(text.size(), kPieceBytes));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      text.remove_prefix(static_cast<size_t>(written));
    }
    return true;
  }

  uint64_t dropped_ = 0;
};

}  // namespace

LogSink make_stderr_log(LogLevel least) {
  auto logger = std::make_shared<spdlog::logger>("vivariumd", std::make_shared<PatientSink>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %-7l %v");
  logger->set_level(level_of(least));
  return [logger](LogLevel level, std::string_view line) {
    // The line is data, never a format.
    logger->log(level_of(level), spdlog::string_view_t(line.data(), line.size()));
  };
}

}  // namespace vivarium
