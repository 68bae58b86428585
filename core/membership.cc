#include "core/membership.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/check.h"
#include "core/base/number.h"
#include "core/properties.h"
#include "core/wire/host_port.h"
#include "core/wire/peer_messages.h"

namespace vivarium {
namespace {

// Ids from here on are those of servers that stand aside (core/zab/learner.cc, RULES 10).
constexpr int64_t kServerIdEnd = int64_t{1} << 40;
// A session id begins with the low byte of its server's id, and an ephemeral owner that begins with
// this one is a TTL (ZooKeeper's EphemeralType refuses such ids too).
constexpr int64_t kTtlOwnerByte = 0xff;

// Takes ":text" off the front, up to the next colon.
std::string_view take_field(std::string_view& text) {
  if (text.empty()) return {};
  CHECK(text.front() == ':');
  text.remove_prefix(1);
  const std::string_view field = text.substr(0, text.find(':'));
  text.remove_prefix(field.size());
  return trimmed(field);
}

std::optional<Address> parse_client_address(std::string_view text) {
  if (const std::optional<uint16_t> port = parse_port(text)) return Address{"0.0.0.0", *port};
  const std::optional<HostPort> address = parse_host_port(text);
  if (!address) return std::nullopt;
  return Address{std::string(address->host), address->port};
}

}  // namespace

const Member* Membership::find(ServerId id) const {
  for (const Member& member : members) {
    if (member.id == id) return &member;
  }
  return nullptr;
}

bool Membership::is_voter(ServerId id) const {
  const Member* member = find(id);
  return member != nullptr && !member->observer;
}

size_t Membership::voter_count() const {
  size_t voters = 0;
  for (const Member& member : members) voters += member.observer ? 0 : 1;
  return voters;
}

std::optional<bool> parse_role(std::string_view role) {
  const auto is = [&](std::string_view word) {
    return role.size() == word.size() &&
           std::equal(role.begin(), role.end(), word.begin(), [](char a, char b) {
             return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
           });
  };
  if (role.empty() || is("participant")) return false;
  if (is("observer")) return true;
  return std::nullopt;
}

Result<Member> parse_member(std::string_view key, std::string_view value) {
  const auto malformed = [&](std::string_view what) {
    return fail(fmt::format("{}={}: {}", key, value, what));
  };
  CHECK(key.starts_with(kServerPrefix));
  const std::optional<int64_t> id = parse_number(key.substr(kServerPrefix.size()));
  if (!id || *id < 0 || *id == INT64_MAX) return malformed("the id is no whole number");
  Member member;
  member.id = ServerId{*id};

  std::string_view rest = value.substr(0, value.find(';'));
  std::string_view client_part = value.substr(rest.size());
  rest = trimmed(rest);
  if (rest.find('|') != std::string_view::npos) {
    return malformed("several addresses per server are not supported");
  }
  const std::optional<std::string_view> host = take_host(rest);
  if (!host) return malformed("expected host:quorumPort:electionPort[:role][;clientPort]");
  const std::optional<uint16_t> quorum_port = parse_port(take_field(rest));
  const std::optional<uint16_t> election_port = parse_port(take_field(rest));
  if (!quorum_port || !election_port) {
    return malformed("expected host:quorumPort:electionPort with ports from 1 to 65535");
  }
  const std::optional<bool> observer = parse_role(take_field(rest));
  if (!observer || !rest.empty()) return malformed("the role is participant or observer");
  member.quorum = {std::string(trimmed(*host)), *quorum_port};
  member.election = {member.quorum.host, *election_port};
  member.observer = *observer;

  if (!client_part.empty()) {
    client_part = trimmed(client_part.substr(1));
    if (client_part.find(';') != std::string_view::npos) {
      return malformed("a port for TLS clients is not supported");
    }
    const std::optional<Address> client = parse_client_address(client_part);
    if (!client) return malformed("expected [clientHost:]clientPort behind the ';'");
    member.client = *client;
  }
  return member;
}

std::string to_text(const Membership& membership) {
  std::vector<ConfigMember> members;
  members.reserve(membership.members.size());
  for (const Member& m : membership.members) {
    members.push_back({m.id, m.quorum.host, m.quorum.port, m.election.host, m.election.port,
                       m.observer, m.client.host, m.client.port});
  }
  return config_text(members, membership.version.value);
}

Result<Membership> parse_membership(std::string_view text) {
  std::vector<std::string> repeated;
  const Result<std::map<std::string, std::string>> properties = parse_properties(text, &repeated);
  if (!properties) return tl::unexpected<Error>(properties.error());
  if (!repeated.empty()) return fail(fmt::format("{} stands there twice", repeated.front()));
  Membership membership;
  for (const auto& [key, value] : *properties) {
    if (key == "version") {
      const std::optional<uint64_t> version = parse_hex(value);
      if (!version) return fail(fmt::format("version={}: not a zxid in hex", value));
      membership.version = Zxid(*version);
    } else if (key.starts_with(kServerPrefix)) {
      Result<Member> member = parse_member(key, value);
      if (!member) return tl::unexpected<Error>(member.error());
      membership.members.push_back(std::move(*member));
    } else if (key.starts_with("group") || key.starts_with("weight")) {
      return fail(fmt::format("{}: hierarchical quorums are not supported", key));
    } else {
      return fail(fmt::format("{}: no line of a configuration", key));
    }
  }
  std::sort(membership.members.begin(), membership.members.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  if (const std::optional<Error> error = check_members(membership.members)) {
    return tl::unexpected<Error>(*error);
  }
  return membership;
}

std::optional<Error> check_members(const std::vector<Member>& members) {
  std::vector<std::pair<std::string, uint16_t>> addresses;
  bool voter = false;
  for (size_t i = 0; i < members.size(); ++i) {
    const Member& m = members[i];
    voter = voter || !m.observer;
    if (i > 0 && members[i - 1].id == m.id) {
      return Error{fmt::format("there are two servers with the id {}", m.id.value)};
    }
    if (i > 0 && m.id < members[i - 1].id) return Error{"servers are not in the order of ids"};
    if (m.id.value < 0 || m.id.value >= kServerIdEnd || (m.id.value & 0xff) == kTtlOwnerByte) {
      return Error{fmt::format("the id {} cannot be used: below 2^40, and its last byte not 255",
                               m.id.value)};
    }
    for (const Address* address : {&m.quorum, &m.election}) {
      if (address->host.empty() || address->port == 0) {
        return Error{fmt::format("server.{} lacks an address", m.id.value)};
      }
      addresses.emplace_back(address->host, address->port);
    }
  }
  std::sort(addresses.begin(), addresses.end());
  const auto twice = std::adjacent_find(addresses.begin(), addresses.end());
  if (twice != addresses.end()) {
    return Error{fmt::format("the address {}:{} stands in the server lines twice",
                             bracketed_host(twice->first), twice->second)};
  }
  if (!voter) return Error{"there is no participant among the servers"};
  return std::nullopt;
}

}  // namespace vivarium
