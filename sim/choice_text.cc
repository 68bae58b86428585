#include "sim/choice_text.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "sim/schedule_words.h"
#include "sim/seed_range.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

constexpr uint64_t kNoAcceptor = 0xffff;  // a connection to no host of the simulation
constexpr uint64_t kHostsMax = 1024;
constexpr uint64_t kFileOwners = 1000;  // in crashes, files are numbered behind directories

// What the numbers of a choice mean.
enum class Family : uint8_t { Life, Link, File, Crash, Client };

Family family_of(const Choice& choice) {
  switch (choice.kind) {
    case ChoiceKind::LinkEnd:  // also what a process that stops still sends
      return choice.subject < kHostsMax ? Family::Life : Family::Link;
    case ChoiceKind::ConnectDelay:
    case ChoiceKind::PacketDelay:
    case ChoiceKind::PacketSplit:
    case ChoiceKind::PacketCut:
    case ChoiceKind::WindowDelay:
    case ChoiceKind::LinkEndDelay:
    case ChoiceKind::LinkEndCut:
      return Family::Link;
    case ChoiceKind::OpenDelay:
    case ChoiceKind::SyncDelay:
    case ChoiceKind::ReadDelay:
    case ChoiceKind::NameDelay:
    case ChoiceKind::FailedSync:
      return Family::File;
    case ChoiceKind::KillProgress:
    case ChoiceKind::CrashMode:
    case ChoiceKind::CrashKeep:
      return Family::Crash;
    case ChoiceKind::Workload:
      return Family::Client;
    case ChoiceKind::Random:
    case ChoiceKind::ClockZero:
    case ChoiceKind::TurnLength:
    case ChoiceKind::Fault:
    case ChoiceKind::Topology:
      break;
  }
  return Family::Life;
}

constexpr std::array<std::pair<uint64_t, std::string_view>, 4> kPorts{{{kClientPort, "client"},
                                                                       {kQuorumPort, "quorum"},
                                                                       {kElectionPort, "election"},
                                                                       {kAdminPort, "admin"}}};
constexpr std::array<std::string_view, 4> kClientChoices{"server", "pause", "move", "lie"};
// Of the files of a server, their names as far as the first dot.
constexpr std::array<std::string_view, 10> kRoles{
    "log",          "snapshot", "spare",      "frontier", "acceptedEpoch",
    "currentEpoch", "zoo",      "initialize", "myid",     ""};

uint64_t role_hash(std::string_view role) { return hash64(as_bytes(role)) & UINT32_MAX; }

std::string role_text(uint64_t hash) {
  for (const std::string_view role : kRoles) {
    if (role_hash(role) == hash) return role.empty() ? "names" : std::string(role);
  }
  return fmt::format("role-{}", hash);
}

std::optional<uint64_t> parse_role(const std::string& text) {
  if (text == "names") return role_hash("");
  if (text.substr(0, 5) != "role-") return role_hash(text);
  return parse_number(text.substr(5));
}

// "a<mark>b": both ends.
std::optional<std::pair<std::string, std::string>> halves(const std::string& text, char mark) {
  const size_t at = text.find(mark);
  if (at == std::string::npos) return std::nullopt;
  return std::pair{text.substr(0, at), text.substr(at + 1)};
}

std::string link_text(const Choice& choice, const HostNames& hosts) {
  const uint64_t to = choice.subject >> 16 & 0xffff;
  const uint64_t port = choice.subject & 0xffff;
  std::string door = std::to_string(port);
  for (const auto& [number, name] : kPorts) {
    if (number == port) door = name;
  }
  return fmt::format("{}>{}:{}#{} {} {}", hosts.name(choice.subject >> 40),
                     to == kNoAcceptor ? "nobody" : hosts.name(to), door, choice.detail >> 1,
                     (choice.detail & 1) == 0 ? "there" : "back", choice.nth);
}

std::optional<uint64_t> parse_door(const std::string& door) {
  for (const auto& [number, name] : kPorts) {
    if (door == name) return number;
  }
  return parse_number(door);
}

bool parse_link(const std::vector<std::string>& words, const HostNames& hosts, Choice& choice) {
  const auto ends = halves(words[1], '>');
  const auto rest = ends ? halves(ends->second, ':') : std::nullopt;
  const auto numbered = rest ? halves(rest->second, '#') : std::nullopt;
  if (!numbered || (words[2] != "there" && words[2] != "back")) return false;
  const auto from = hosts.parse(ends->first);
  const auto to = rest->first == "nobody" ? kNoAcceptor : hosts.parse(rest->first);
  const auto port = parse_door(numbered->first);
  const auto connection = parse_number(numbered->second);
  const auto nth = parse_number(words[3]);
  if (!from || !to || !port || *port > 0xffff || !connection || !nth) return false;
  choice.subject = *from << 40 | *to << 16 | *port;
  choice.detail = *connection << 1 | (words[2] == "back" ? 1 : 0);
  choice.nth = *nth;
  return true;
}

// "s1/2": a host and its life.
struct Life {
  uint64_t host = 0;
  uint64_t life = 0;
};

std::string life_text(uint64_t host, uint64_t life, const HostNames& hosts) {
  return fmt::format("{}/{}", hosts.name(host), life);
}

std::optional<Life> parse_life(const std::string& text, const HostNames& hosts) {
  const auto both = halves(text, '/');
  if (!both) return std::nullopt;
  const auto host = hosts.parse(both->first);
  const auto life = parse_number(both->second);
  if (!host || !life || *life > UINT32_MAX) return std::nullopt;
  return Life{*host, *life};
}

std::string file_text(const Choice& choice, const HostNames& hosts) {
  return fmt::format("{} {} {}.{}",
                     life_text(choice.subject >> 48, choice.subject >> 32 & 0xffff, hosts),
                     role_text(choice.subject & UINT32_MAX), choice.detail, choice.nth);
}

bool parse_file(const std::vector<std::string>& words, const HostNames& hosts, Choice& choice) {
  const auto life = parse_life(words[1], hosts);
  const auto role = parse_role(words[2]);
  const auto numbers = halves(words[3], '.');
  const auto detail = numbers ? parse_number(numbers->first) : std::nullopt;
  const auto nth = numbers ? parse_number(numbers->second) : std::nullopt;
  if (!life || life->life > 0xffff || !role || *role > UINT32_MAX || !detail || !nth) return false;
  choice.subject = life->host << 48 | life->life << 32 | *role;
  choice.detail = *detail;
  choice.nth = *nth;
  return true;
}

std::string crash_text(const Choice& choice, const HostNames& hosts) {
  const bool file = choice.detail >= kFileOwners;
  return fmt::format(
      "{} {}{} {}", life_text(choice.subject >> 32, choice.subject & UINT32_MAX, hosts),
      file ? "file" : "dir", file ? choice.detail - kFileOwners : choice.detail, choice.nth);
}

bool parse_crash(const std::vector<std::string>& words, const HostNames& hosts, Choice& choice) {
  const auto life = parse_life(words[1], hosts);
  const bool file = words[2].substr(0, 4) == "file";
  if (!life || (!file && words[2].substr(0, 3) != "dir")) return false;
  const auto owner = parse_number(words[2].substr(file ? 4 : 3));
  const auto nth = parse_number(words[3]);
  if (!owner || !nth) return false;
  choice.subject = life->host << 32 | life->life;
  choice.detail = *owner + (file ? kFileOwners : 0);
  choice.nth = *nth;
  return true;
}

bool parse_client(const std::vector<std::string>& words, const HostNames& hosts, Choice& choice) {
  const auto host = hosts.parse(words[1]);
  const auto detail = parse_number(words[3]);
  if (!host || *host < hosts.servers || *host >= hosts.servers + hosts.clients || !detail) {
    return false;
  }
  choice.subject = *host - hosts.servers;
  choice.detail = *detail;
  for (size_t i = 0; i < kClientChoices.size(); ++i) {
    choice.nth = kServerChoice + i;
    if (kClientChoices[i] == words[2]) return true;
  }
  return false;
}

bool parse_life_choice(const std::vector<std::string>& words, const HostNames& hosts,
                       Choice& choice) {
  const auto life = parse_life(words[1], hosts);
  const auto nth = parse_number(words[3]);
  if (!life || !nth || words[2] != "turn") return false;
  choice.subject = life->host;
  choice.detail = life->life;
  choice.nth = *nth;
  return true;
}

}  // namespace

std::string HostNames::name(uint64_t host) const {
  if (host < servers) return fmt::format("s{}", host + 1);
  if (host < servers + clients) return fmt::format("c{}", host - servers + 1);
  return fmt::format("o{}", host - servers - clients + 1);
}

std::optional<uint64_t> HostNames::parse(const std::string& name) const {
  const auto number = name.empty() ? std::nullopt : parse_number(name.substr(1));
  if (!number || *number == 0) return std::nullopt;
  if (name[0] == 's' && *number <= servers) return *number - 1;
  if (name[0] == 'c' && *number <= clients) return servers + *number - 1;
  if (name[0] == 'o' && *number == 1) return uint64_t{servers} + clients;
  return std::nullopt;
}

bool is_delay(ChoiceKind kind) {
  return kind == ChoiceKind::ConnectDelay || kind == ChoiceKind::PacketDelay ||
         kind == ChoiceKind::WindowDelay || kind == ChoiceKind::LinkEndDelay ||
         kind == ChoiceKind::OpenDelay || kind == ChoiceKind::SyncDelay ||
         kind == ChoiceKind::ReadDelay || kind == ChoiceKind::NameDelay;
}

std::string to_text(const Choice& choice, const HostNames& hosts) {
  std::string rest;
  switch (family_of(choice)) {
    case Family::Life:
      rest = fmt::format("{} turn {}", life_text(choice.subject, choice.detail, hosts), choice.nth);
      break;
    case Family::Link:
      rest = link_text(choice, hosts);
      break;
    case Family::File:
      rest = file_text(choice, hosts);
      break;
    case Family::Crash:
      rest = crash_text(choice, hosts);
      break;
    case Family::Client:
      rest = fmt::format("{} {} {}", hosts.name(hosts.servers + choice.subject),
                         kClientChoices.at(choice.nth - kServerChoice), choice.detail);
      break;
  }
  return fmt::format("{} {}", name_of(choice.kind), rest);
}

std::optional<Choice> parse_choice(const std::vector<std::string>& words, const HostNames& hosts) {
  if (words.size() != 4) return std::nullopt;
  Choice choice;
  bool known = false;
  for (uint8_t i = 0; i <= static_cast<uint8_t>(ChoiceKind::Topology) && !known; ++i) {
    choice.kind = static_cast<ChoiceKind>(i);
    known = name_of(choice.kind) == words[0];
  }
  if (!known) return std::nullopt;
  const bool stops = choice.kind == ChoiceKind::LinkEnd && words[1].find('/') != std::string::npos;
  choice.subject = stops ? 0 : kHostsMax;
  bool good = false;
  switch (family_of(choice)) {
    case Family::Life:
      good = parse_life_choice(words, hosts, choice);
      break;
    case Family::Link:
      good = parse_link(words, hosts, choice);
      break;
    case Family::File:
      good = parse_file(words, hosts, choice);
      break;
    case Family::Crash:
      good = parse_crash(words, hosts, choice);
      break;
    case Family::Client:
      good = parse_client(words, hosts, choice);
      break;
  }
  if (!good || is_frame(choice)) return std::nullopt;
  return choice;
}

}  // namespace vivarium::sim
