// A connection string, "host:port,host:port/chroot", and what stands in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/world.h"

namespace vivarium::ctl {

struct Servers {
  std::vector<Address> members;  // never empty
  std::string chroot;            // empty: none

  // The path that the servers know, and back. A path outside the chroot comes back as it is.
  std::string outside(std::string_view path) const;
  std::string inside(std::string_view path) const;
};

// Ports default to 2181; IPv6 hosts stand in brackets. The error is one line.
Result<Servers> parse_servers(std::string_view text);
std::string text_of(const Address& address);  // "host:port"

}  // namespace vivarium::ctl
