// Socket addresses: literals to and from text, lookups, and listening sockets. Only resolve() may
// block; see resolver.h.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/world.h"
#include "disk/fd.h"

namespace vivarium {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  uint16_t port() const;
  void set_port(uint16_t port);
  // "a.b.c.d" or IPv6 text, without the port; an IPv4 address mapped into IPv6 reads as IPv4.
  std::string text() const;
};

// The system sends something now and then when nobody else does.
void keep_alive(const Fd& socket);

// The addresses of a literal (one) or of a name (by the system's resolver, which may block).
Result<std::vector<SocketAddress>> resolve_literal(const Address& address);
Result<std::vector<SocketAddress>> resolve(const Address& address);

// Listens on every address that `address` means; an empty host is all interfaces, IPv6 and IPv4.
// `backlog` below 1: as long as is sensible.
Result<std::vector<Fd>> listen_on(const Address& address, int backlog = -1);
Result<SocketAddress> local_address(const Fd& socket);

// A non-blocking stream socket that is about to connect.
Result<Fd> begin_connect(const SocketAddress& to);

}  // namespace vivarium
