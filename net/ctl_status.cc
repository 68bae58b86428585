#include "net/ctl_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "net/ctl_servers.h"
#include "net/ctl_text.h"
#include "net/ctl_words.h"

namespace vivarium::ctl {
namespace {

constexpr int64_t kTimeoutMs = 5000;
constexpr std::string_view kUsage = "status [-server servers] [-timeout ms] [--json]";

// One line of srvr: the text behind `key` and a colon.
std::optional<std::string> value_of(std::string_view line, std::string_view key) {
  if (line.substr(0, key.size()) != key || line.substr(key.size(), 1) != ":") return std::nullopt;
  return std::string(trimmed(line.substr(key.size() + 1)));
}

size_t leaders(const std::vector<MemberStatus>& members) {
  return static_cast<size_t>(
      std::count_if(members.begin(), members.end(), [](const MemberStatus& member) {
        return member.role == "leader" || member.role == "standalone";
      }));
}

std::string summary(const std::vector<MemberStatus>& members) {
  const auto answering = std::count_if(members.begin(), members.end(),
                                       [](const MemberStatus& member) { return member.answers; });
  std::string text = fmt::format("{} of {} answer", answering, members.size());
  for (const MemberStatus& member : members) {
    if (member.role == "leader") text += fmt::format(", leader {}", member.server);
  }
  if (!has_leader(members)) return text + ", no leader";
  if (leaders(members) == 0) text += ", led by a server that is not listed or did not say so";
  for (const MemberStatus& member : members) {
    if (member.shadow.differs()) text += fmt::format(", {} differs", member.server);
  }
  return text;
}

// Columns as wide as their widest entry, two blanks between them.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += fmt::format("{: <{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string shadow_note(const MemberStatus::Shadow& shadow) {
  if (shadow.of.empty()) return {};
  std::string text = "shadow of " + shadow.of;
  if (!shadow.behind.empty()) text += fmt::format(", {} behind", shadow.behind);
  text += fmt::format(", {} digests compared, ", or_dash(shadow.compared));
  if (!shadow.differs()) return text + "none differs";
  return text + fmt::format("{} differ, first at {}", shadow.differing, or_dash(shadow.first));
}

std::string mode_of(const MemberStatus& member) {
  if (member.serves) return "rw";
  return member.role == "read-only" ? "ro" : "-";
}

}  // namespace

bool read_srvr(std::string_view answer, MemberStatus& member) {
  bool any = false;
  while (!answer.empty()) {
    const std::string_view line = answer.substr(0, answer.find('\n'));
    answer.remove_prefix(std::min(answer.size(), line.size() + 1));
    if (const auto version = value_of(line, "Zookeeper version")) {
      member.version = version->substr(0, version->find(','));
      any = true;
    }
    if (const auto latency = value_of(line, "Latency min/avg/max")) member.latency = *latency;
    if (const auto connections = value_of(line, "Connections")) member.connections = *connections;
    if (const auto outstanding = value_of(line, "Outstanding")) member.outstanding = *outstanding;
    if (const auto zxid = value_of(line, "Zxid")) member.zxid = *zxid;
    if (const auto mode = value_of(line, "Mode")) member.role = *mode;
    MemberStatus::Shadow& shadow = member.shadow;
    if (const auto of = value_of(line, "Shadow of")) shadow.of = *of;
    if (const auto behind = value_of(line, "Behind")) shadow.behind = *behind;
    if (const auto compared = value_of(line, "Digests compared")) shadow.compared = *compared;
    if (const auto differing = value_of(line, "Digests differing")) shadow.differing = *differing;
    if (const auto first = value_of(line, "First difference")) shadow.first = *first;
  }
  constexpr std::array serving = {"leader", "follower", "observer", "standalone"};
  member.serves = std::find(serving.begin(), serving.end(), member.role) != serving.end();
  return any && !member.role.empty();
}

MemberStatus ask_member(const Address& address, int64_t timeout_ms) {
  MemberStatus member;
  member.server = text_of(address);
  const Result<std::string> answer = ask_word(address, "srvr", timeout_ms);
  if (answer) {
    member.answers = true;
    if (read_srvr(*answer, member)) return member;
    member.trouble = trimmed(answer->substr(0, answer->find('\n')));
  }
  // It serves perhaps, but does not answer words.
  const Result<Greeting> greeting = ask_session(address, timeout_ms);
  if (greeting) {
    member.answers = true;
    member.serves = !greeting->read_only;
    if (greeting->read_only) member.role = "read-only";
    if (greeting->zxid > 0) member.zxid = fmt::format("0x{:x}", greeting->zxid);
    if (member.trouble.empty()) member.trouble = answer.error().message;
  } else if (!answer) {
    member.trouble = greeting.error().message;
  }
  return member;
}

std::vector<MemberStatus> ask_members(const std::vector<Address>& addresses, int64_t timeout_ms) {
  std::vector<MemberStatus> members(addresses.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < addresses.size(); ++i) {
    threads.emplace_back([&member = members[i], &address = addresses[i], timeout_ms] {
      member = ask_member(address, timeout_ms);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return members;
}

bool has_leader(const std::vector<MemberStatus>& members) {
  return std::any_of(members.begin(), members.end(), [](const MemberStatus& member) {
    return member.serves || member.shadow.follows();
  });
}

bool is_healthy(const std::vector<MemberStatus>& members) {
  return has_leader(members) &&
         std::none_of(members.begin(), members.end(),
                      [](const MemberStatus& member) { return member.shadow.differs(); });
}

std::string status_table(const std::vector<MemberStatus>& members) {
  std::vector<std::vector<std::string>> rows = {
      {"SERVER", "ROLE", "MODE", "ZXID", "CONNECTIONS", "OUTSTANDING", "LATENCY", "VERSION", ""}};
  for (const MemberStatus& member : members) {
    std::string note = member.trouble.empty() ? shadow_note(member.shadow) : member.trouble;
    if (!member.answers) note = fmt::format("unreachable: {}", member.trouble);
    rows.push_back({member.server, or_dash(member.role), mode_of(member), or_dash(member.zxid),
                    or_dash(member.connections), or_dash(member.outstanding),
                    or_dash(member.latency), or_dash(member.version), note});
  }
  return aligned(rows) + summary(members) + "\n";
}

std::string status_json(const std::vector<MemberStatus>& members) {
  using Json = nlohmann::ordered_json;
  const auto number = [](const std::string& text) -> Json {
    const std::optional<int64_t> value = parse_i64(text);
    if (value) return *value;
    return nullptr;
  };
  const auto text = [](const std::string& value) -> Json {
    if (value.empty()) return nullptr;
    return value;
  };
  Json list = Json::array();
  for (const MemberStatus& member : members) {
    Json one;
    one["server"] = member.server;
    one["reachable"] = member.answers;
    one["serving"] = member.serves;
    one["role"] = text(member.role);
    one["mode"] = mode_of(member) == "-" ? Json(nullptr) : Json(mode_of(member));
    one["zxid"] = text(member.zxid);
    one["version"] = text(member.version);
    one["connections"] = number(member.connections);
    one["outstanding"] = number(member.outstanding);
    one["latency_ms"] = text(member.latency);
    one["error"] = text(member.trouble);
    if (!member.shadow.of.empty()) {
      one["shadow"] = {{"of", member.shadow.follows() ? text(member.shadow.of) : Json(nullptr)},
                       {"behind", number(member.shadow.behind)},
                       {"digests_compared", number(member.shadow.compared)},
                       {"digests_differing", number(member.shadow.differing)},
                       {"first_difference", text(member.shadow.first)}};
    }
    list.push_back(std::move(one));
  }
  const Json all = {{"healthy", is_healthy(members)}, {"members", std::move(list)}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

int run_status(const std::string& default_servers, const std::vector<std::string>& words,
               Console& console) {
  constexpr int kNotWell = 1;
  constexpr int kWrongUsage = 2;
  const Result<Arguments> arguments =
      parse_arguments(words, {{"server", true}, {"timeout", true}, {"json"}});
  if (!arguments || !arguments->rest.empty()) {
    console.error(arguments ? std::string(kUsage) : arguments.error().message);
    return kWrongUsage;
  }
  int64_t timeout_ms = kTimeoutMs;
  if (arguments->has("timeout")) {
    timeout_ms = parse_i32(arguments->value("timeout")).value_or(0);
    if (timeout_ms <= 0) {
      console.error("-timeout takes milliseconds");
      return kWrongUsage;
    }
  }
  const Result<Servers> servers = parse_servers(
      arguments->has("server") ? arguments->value("server") : std::string_view(default_servers));
  if (!servers) {
    console.error(servers.error().message);
    return kWrongUsage;
  }
  const std::vector<MemberStatus> members = ask_members(servers->members, timeout_ms);
  console.text(arguments->has("json") ? status_json(members) : status_table(members));
  console.flush();
  return is_healthy(members) ? 0 : kNotWell;
}

}  // namespace vivarium::ctl
