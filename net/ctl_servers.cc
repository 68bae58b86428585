#include "net/ctl_servers.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/wire/host_port.h"
#include "net/ctl_text.h"

namespace vivarium::ctl {
namespace {

constexpr uint16_t kDefaultPort = 2181;

Result<Address> parse_member(std::string_view text) {
  std::string_view rest = text;
  const std::optional<std::string_view> host = take_host(rest);
  const std::string wrong = fmt::format("not host:port: '{}'", text);
  if (!host || host->empty()) return fail(wrong);
  Address address{std::string(*host), kDefaultPort};
  if (rest.empty() || rest == ":") return address;
  const std::optional<uint16_t> port = parse_port(rest.substr(1));
  if (!port) return fail(wrong);
  address.port = *port;
  return address;
}

}  // namespace

std::string Servers::outside(std::string_view path) const {
  if (chroot.empty()) return std::string(path);
  return path == "/" ? chroot : fmt::format("{}{}", chroot, path);
}

std::string Servers::inside(std::string_view path) const {
  if (chroot.empty() || path.substr(0, chroot.size()) != chroot) return std::string(path);
  const std::string_view rest = path.substr(chroot.size());
  if (rest.empty()) return "/";
  return std::string(rest[0] == '/' ? rest : path);
}

Result<Servers> parse_servers(std::string_view text) {
  Servers servers;
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos && slash + 1 < text.size()) {
    servers.chroot = text.substr(slash);
    if (const std::optional<std::string> why = path_complaint(servers.chroot)) return fail(*why);
  }
  std::string_view list = text.substr(0, slash);
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    if (trimmed(one).empty()) continue;
    Result<Address> member = parse_member(trimmed(one));
    if (!member) return tl::unexpected<Error>(member.error());
    servers.members.push_back(std::move(*member));
  }
  if (servers.members.empty()) return fail(fmt::format("no server in '{}'", text));
  return servers;
}

std::string text_of(const Address& address) {
  return fmt::format("{}:{}", bracketed_host(address.host), address.port);
}

}  // namespace vivarium::ctl
