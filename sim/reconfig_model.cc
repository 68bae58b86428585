#include "sim/reconfig_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

constexpr std::string_view kServer = "server.";
constexpr std::string_view kObserver = ":observer";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

int64_t number(std::string_view text) {
  int64_t value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void take_line(std::string_view line, ConfigLines& lines) {
  const size_t equals = line.find('=');
  if (!line.starts_with(kServer) || equals == std::string_view::npos) return;
  lines[number(line.substr(kServer.size(), equals - kServer.size()))] = line.substr(equals + 1);
}

std::string server_line(uint32_t server, bool observer) {
  return fmt::format("server.{}={}", server + 1, member_spec(server, observer));
}

}  // namespace

std::string member_spec(uint32_t server, bool observer) {
  return fmt::format("s{0}:{1}:{2}:{3};s{0}:{4}", server + 1, kQuorumPort, kElectionPort,
                     observer ? "observer" : "participant", kClientPort);
}

ConfigLines config_lines(std::string_view text) {
  ConfigLines lines;
  for (const std::string_view line : split(text, '\n')) take_line(line, lines);
  return lines;
}

ConfigLines asked_lines(ConfigLines now, const ReconfigAsk& ask) {
  if (ask.members) {
    now.clear();
    for (const std::string_view line : split(*ask.members, ',')) take_line(line, now);
    return now;
  }
  for (const std::string_view id : split(ask.leaving, ',')) now.erase(number(id));
  for (const std::string_view line : split(ask.joining, ',')) take_line(line, now);
  return now;
}

std::string config_text_of(const ConfigLines& lines, Zxid version) {
  std::string text;
  for (const auto& [id, spec] : lines) text += fmt::format("server.{}={}\n", id, spec);
  return text + fmt::format("version={:x}", version.value);
}

std::vector<bool> voters_of(const ConfigLines& lines, uint32_t servers) {
  std::vector<bool> voters(servers, false);
  for (const auto& [id, spec] : lines) {
    const bool observer = spec.find(kObserver) != std::string::npos;
    if (id >= 1 && id <= int64_t{servers} && !observer) voters[static_cast<size_t>(id - 1)] = true;
  }
  return voters;
}

ReconfigAsk draw_reconfig(uint64_t nth, uint32_t servers, Choices& choices) {
  const auto draw = [&](uint64_t what, uint64_t n) {
    return choices.below({ChoiceKind::Workload, 1'000'000, nth, what}, n);
  };
  const auto any = [&](uint64_t what) { return static_cast<uint32_t>(draw(what, servers)); };
  ReconfigAsk ask;
  const uint64_t roll = draw(0, 16);
  if (roll < 3) {
    ask.joining = server_line(any(1), false);
  } else if (roll < 5) {
    ask.joining = server_line(any(1), true);
  } else if (roll < 8) {
    ask.leaving = std::to_string(any(1) + 1);
  } else if (roll < 11) {
    ask.joining = server_line(any(1), draw(2, 4) == 0);
    ask.leaving = std::to_string(any(3) + 1);
  } else {
    std::string members;
    for (uint32_t i = 0; i < servers; ++i) {
      const uint64_t part = draw(10 + i, 8);
      if (part < 2) continue;
      members += (members.empty() ? "" : ",") + server_line(i, part == 2);
    }
    ask.members = members;
  }
  if (draw(4, 10) == 0) ask.version = 5;
  return ask;
}

std::string first_zoo_cfg(const std::vector<Member>& members) {
  std::string text = "# as a person wrote it\nreconfigEnabled=true\ntickTime=100\n";
  for (const Member& m : members) {
    const auto server = static_cast<uint32_t>(m.id.value - 1);
    text += server_line(server, m.observer) + "\n";
  }
  return text;
}

std::optional<Membership> membership_on(const SimDisk& disk) {
  const auto read = [&](std::string_view name) -> std::optional<std::string> {
    const auto bytes = disk.content(Dir::Config, name, SimDisk::Image::Cached);
    if (!bytes) return std::nullopt;
    return std::string(as_text(*bytes));
  };
  std::optional<std::string> text = read(kZooCfg);
  if (!text || text->find("tickTime=100\n") == std::string::npos) return std::nullopt;
  constexpr std::string_view kPointer = "dynamicConfigFile=";
  Zxid version;
  if (const size_t at = text->find(kPointer); at != std::string::npos) {
    if (text->find("\nserver.") != std::string::npos) return std::nullopt;
    std::string_view path = std::string_view(*text).substr(at + kPointer.size());
    path = path.substr(0, path.find('\n'));
    const std::string name(path.substr(path.rfind('/') + 1));
    const std::string_view hex = std::string_view(name).substr(name.rfind('.') + 1);
    std::from_chars(hex.data(), hex.data() + hex.size(), version.value, 16);
    text = read(name);
    if (!text || version == Zxid()) return std::nullopt;
  }
  const Result<Membership> membership =
      parse_membership(config_text_of(config_lines(*text), version));
  if (!membership) return std::nullopt;
  return *membership;
}

}  // namespace vivarium::sim
