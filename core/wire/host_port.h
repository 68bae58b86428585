// Addresses as text: "host:port", an IPv6 host in brackets. Nothing is resolved. Views point into
// the input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vivarium {

struct HostPort {
  std::string_view host;  // without brackets, never empty
  uint16_t port = 0;      // never 0
};
// Nothing but a host, a colon and a decimal port may stand in `text`.
std::optional<HostPort> parse_host_port(std::string_view text);
// 1 to 65535 in decimal digits.
std::optional<uint16_t> parse_port(std::string_view text);
// Takes the host off the front of `text`; what is left is empty or begins with the colon behind it.
std::optional<std::string_view> take_host(std::string_view& text);
// The host with brackets if it is an IPv6 literal.
std::string bracketed_host(std::string_view host);

}  // namespace vivarium
