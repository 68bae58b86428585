#include "core/wire/host_port.h"

#include <charconv>

namespace vivarium {

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || stop != end || port == 0) return std::nullopt;
  return port;
}

std::optional<std::string_view> take_host(std::string_view& text) {
  const bool bracketed = text.starts_with('[');
  if (bracketed) text.remove_prefix(1);
  size_t length = text.find(bracketed ? ']' : ':');
  if (length == std::string_view::npos) {
    if (bracketed) return std::nullopt;
    length = text.size();
  }
  if (length == 0) return std::nullopt;
  const std::string_view host = text.substr(0, length);
  if (host.find('[') != std::string_view::npos) return std::nullopt;  // no name, and would not last
  text.remove_prefix(length + (bracketed ? 1 : 0));
  if (!text.empty() && text.front() != ':') return std::nullopt;
  return host;
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  const std::optional<std::string_view> host = take_host(text);
  if (!host || text.empty()) return std::nullopt;
  const std::optional<uint16_t> port = parse_port(text.substr(1));
  if (!port) return std::nullopt;
  return HostPort{*host, *port};
}

std::string bracketed_host(std::string_view host) {
  if (host.find(':') == std::string_view::npos) return std::string(host);
  std::string text = "[";
  text += host;
  text += ']';
  return text;
}

}  // namespace vivarium
