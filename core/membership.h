// Membership: who belongs to the ensemble, as a value, and the text that servers tell each other
// and write down: one line `server.N=host:quorumPort:electionPort:role[;clientHost:clientPort]` for
// each member in the order of ids, then `version=<zxid in hex>` (quorum-protocol section 12). The
// version is the zxid of the txn that made it; 0 is a list from zoo.cfg that nobody has agreed on
// yet.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/world.h"

namespace vivarium {

struct Member {
  ServerId id;
  Address quorum;    // leader port
  Address election;  // election port
  bool observer = false;
  Address client{};  // as the server's own line names it; port 0: it does not
  bool operator==(const Member&) const = default;
};

struct Membership {
  Zxid version;
  std::vector<Member> members;  // sorted by id

  const Member* find(ServerId id) const;
  bool is_voter(ServerId id) const;
  size_t voter_count() const;
  bool operator==(const Membership&) const = default;
};

std::string to_text(const Membership& membership);
// Errors: a line that is none of these, an id twice, what check_members() refuses. A text without a
// version has version 0.
Result<Membership> parse_membership(std::string_view text);

inline constexpr std::string_view kServerPrefix = "server.";
// One server line.
Result<Member> parse_member(std::string_view key, std::string_view value);
// "participant" or nothing: false; "observer": true.
std::optional<bool> parse_role(std::string_view role);
// What no ensemble can have: ids out of order, twice or out of range, addresses missing or twice,
// no participant.
std::optional<Error> check_members(const std::vector<Member>& members);

}  // namespace vivarium
