#include "core/admin_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/properties.h"
#include "core/wire/host_port.h"

namespace vivarium {
namespace {

constexpr std::string_view kPrometheus =
    "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
constexpr std::string_view kPlainProviders[] = {
    "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
    "org.apache.zookeeper.metrics.impl.NullMetricsProvider"};

std::string unbracketed(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return std::string(host);
}

Result<void> take_port(std::string_view key, std::string_view value, uint16_t& port) {
  const std::optional<uint16_t> parsed = parse_port(value);
  if (!parsed) return fail(fmt::format("{}: '{}' is no port from 1 to 65535", key, value));
  port = *parsed;
  return {};
}

Result<void> take_command_url(std::string_view value, AdminConfig& config) {
  while (value.size() > 1 && value.back() == '/') value.remove_suffix(1);
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '-' || c == '_' || c == '.';
  });
  if (value.size() < 2 || value.front() != '/' || !plain) {
    return fail(fmt::format("admin.commandURL: '{}' is no path like /commands", value));
  }
  config.command_url = value;
  return {};
}

Result<void> take_ms(std::string_view key, std::string_view value, int64_t min, int64_t& ms) {
  const bool digits =
      !value.empty() && value.size() < 10 &&
      std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
  int64_t taken = digits ? 0 : -1;
  for (const char c : value.substr(0, digits ? value.size() : 0)) taken = taken * 10 + (c - '0');
  if (taken < min) return fail(fmt::format("{}: '{}' is no time in ms", key, value));
  ms = taken;
  return {};
}

Result<void> take_provider(std::string_view value, AdminConfig& config) {
  config.metrics = value == kPrometheus;
  const bool plain = std::find(std::begin(kPlainProviders), std::end(kPlainProviders), value) !=
                     std::end(kPlainProviders);
  if (config.metrics || plain) return {};
  return fail(fmt::format("metricsProvider.className={}: there is no such provider here", value));
}

void take_words(std::string_view value, AdminConfig& config, std::vector<std::string>& warnings) {
  const std::vector<std::string_view> words = comma_separated(value);
  config.words.assign(words.begin(), words.end());
  for (const std::string_view word : words) {
    const bool known = std::find(std::begin(kFourLetterWords), std::end(kFourLetterWords), word) !=
                       std::end(kFourLetterWords);
    if (known || word == "*") continue;
    warnings.push_back(fmt::format("4lw.commands.whitelist: there is no word '{}'", word));
  }
}

}  // namespace

std::optional<Result<void>> take_admin_key(std::string_view key, std::string_view value,
                                           AdminConfig& config,
                                           std::vector<std::string>& warnings) {
  if (key.starts_with("admin.server") || key == "admin.commandURL") config.server_wanted = true;
  if (key == "4lw.commands.whitelist") {
    take_words(value, config, warnings);
  } else if (key == "admin.enableServer") {
    // AdminServerFactory: whatever is not this word is "on".
    config.server = config.server_wanted = !equal_ignoring_case(value, "false");
    warn_if_neither(key, value, "false", warnings);
  } else if (key == "admin.serverAddress") {
    config.host = unbracketed(value);
  } else if (key == "admin.serverPort") {
    return take_port(key, value, config.port);
  } else if (key == "admin.commandURL") {
    return take_command_url(value, config);
  } else if (key == "admin.idleTimeout") {
    return take_ms(key, value, 1, config.idle_timeout_ms);
  } else if (key == "admin.rateLimiterIntervalInMS") {
    return take_ms(key, value, 0, config.snapshot_pause_ms);
  } else if (key == "admin.snapshot.enabled") {
    config.snapshot = equal_ignoring_case(value, "true");
    warn_if_neither(key, value, "true", warnings);
  } else if (key == "metricsProvider.className") {
    return take_provider(value, config);
  } else if (key == "metricsProvider.httpHost") {
    config.metrics_host = unbracketed(value);
  } else if (key == "metricsProvider.httpPort") {
    return take_port(key, value, config.metrics_port);
  } else if (key == "audit.enable") {
    config.audit = equal_ignoring_case(value, "true");
    warn_if_neither(key, value, "true", warnings);
  } else {
    return std::nullopt;
  }
  return Result<void>();
}

}  // namespace vivarium
