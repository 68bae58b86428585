#include "net/socket_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vivarium {
namespace {

constexpr int kBacklog = 4096;

Result<std::vector<SocketAddress>> look_up(const Address& address, int flags) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(address.port);
  const int error = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &list);
  if (error != 0) {
    return fail(fmt::format("cannot resolve {}: {}", address.host, gai_strerror(error)));
  }
  std::vector<SocketAddress> found;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    SocketAddress next;
    if (one->ai_addrlen > sizeof next.storage) continue;
    std::memcpy(&next.storage, one->ai_addr, one->ai_addrlen);
    next.length = one->ai_addrlen;
    found.push_back(next);
  }
  freeaddrinfo(list);
  if (found.empty()) return fail(fmt::format("cannot resolve {}: no address", address.host));
  return found;
}

bool set_flag(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

Result<Fd> listen_at(const SocketAddress& address, bool both_families, int backlog) {
  Fd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto cannot = [&](const char* verb) {
    return fail(fmt::format("cannot {} {} port {}: {}", verb, address.text(), address.port(),
                            std::strerror(errno)));
  };
  if (!fd.valid()) return cannot("open a socket for");
  set_flag(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.storage.ss_family == AF_INET6) {
    set_flag(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
  }
  if (bind(fd.get(), address.get(), address.length) != 0) return cannot("bind");
  if (listen(fd.get(), backlog > 0 ? backlog : kBacklog) != 0) return cannot("listen on");
  return fd;
}

Result<std::vector<Fd>> listen_on_all_interfaces(uint16_t port, int backlog) {
  std::vector<Fd> sockets;
  for (const char* host : {"::", "0.0.0.0"}) {
    const Result<std::vector<SocketAddress>> any = resolve_literal(Address{host, port});
    if (!any) continue;
    Result<Fd> socket = listen_at(any->front(), true, backlog);
    if (socket) {
      sockets.push_back(std::move(*socket));
      return sockets;
    }
    // A kernel without IPv6 has the second form only; any other error is the answer.
    const bool last = any->front().storage.ss_family == AF_INET;
    if (last || errno == EADDRINUSE || errno == EACCES) {
      return tl::unexpected<Error>(socket.error());
    }
  }
  return fail("no address family to listen on");
}

}  // namespace

uint16_t SocketAddress::port() const {
  if (storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

void SocketAddress::set_port(uint16_t port) {
  if (storage.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
  }
}

std::string SocketAddress::text() const {
  char out[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET6) {
    const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
      inet_ntop(AF_INET, &address.s6_addr[12], out, sizeof out);
    } else {
      inet_ntop(AF_INET6, &address, out, sizeof out);
    }
  } else {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, out, sizeof out);
  }
  return out;
}

Result<std::vector<SocketAddress>> resolve_literal(const Address& address) {
  return look_up(address, AI_NUMERICHOST);
}

Result<std::vector<SocketAddress>> resolve(const Address& address) { return look_up(address, 0); }

Result<std::vector<Fd>> listen_on(const Address& address, int backlog) {
  if (address.host.empty()) return listen_on_all_interfaces(address.port, backlog);
  Result<std::vector<SocketAddress>> found = resolve(address);
  if (!found) return tl::unexpected<Error>(found.error());
  // One door has one port: with port 0 the first address chooses it.
  std::vector<Fd> sockets;
  std::vector<std::string> done;
  uint16_t port = address.port;
  for (SocketAddress& one : *found) {
    const std::string text = one.text();
    if (std::find(done.begin(), done.end(), text) != done.end()) continue;
    one.set_port(port);
    Result<Fd> socket = listen_at(one, text == "::", backlog);
    if (!socket) return tl::unexpected<Error>(socket.error());
    const Result<SocketAddress> local = local_address(*socket);
    if (!local) return tl::unexpected<Error>(local.error());
    port = local->port();
    sockets.push_back(std::move(*socket));
    done.push_back(text);
  }
  return sockets;
}

void keep_alive(const Fd& socket) { set_flag(socket.get(), SOL_SOCKET, SO_KEEPALIVE, 1); }

Result<SocketAddress> local_address(const Fd& socket) {
  SocketAddress local;
  local.length = sizeof local.storage;
  if (getsockname(socket.get(), local.get(), &local.length) != 0) {
    return fail(fmt::format("cannot read the address of a socket: {}", std::strerror(errno)));
  }
  return local;
}

Result<Fd> begin_connect(const SocketAddress& to) {
  Fd fd(socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto cannot = [&] {
    return fail(fmt::format("cannot connect to {} port {}: {}", to.text(), to.port(),
                            std::strerror(errno)));
  };
  if (!fd.valid()) return cannot();
  set_flag(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (connect(fd.get(), to.get(), to.length) != 0 && errno != EINPROGRESS) return cannot();
  return fd;
}

}  // namespace vivarium
