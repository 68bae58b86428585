// Reconfiguration as the simulator sees it, by a parser of its own: what an operator asks for, what
// becomes of a list of members by it, and the files of a simulated server that say who they are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "core/config.h"
#include "sim/choices.h"
#include "sim/sim_disk.h"

namespace vivarium::sim {

struct ReconfigAsk {
  std::string joining;  // server lines, commas between
  std::string leaving;  // ids
  std::optional<std::string> members;
  int64_t version = -1;
};

// Specifications by id, as they stand behind "server.N=".
using ConfigLines = std::map<int64_t, std::string>;

std::string member_spec(uint32_t server, bool observer);
ConfigLines config_lines(std::string_view text);
ConfigLines asked_lines(ConfigLines now, const ReconfigAsk& ask);
std::string config_text_of(const ConfigLines& lines, Zxid version);
// By server index.
std::vector<bool> voters_of(const ConfigLines& lines, uint32_t servers);

// The n-th thing that an operator asks for, of `servers` that there are.
ReconfigAsk draw_reconfig(uint64_t nth, uint32_t servers, Choices& choices);

// zoo.cfg of a server that has not run yet.
inline constexpr const char* kZooCfg = "zoo.cfg";
std::string first_zoo_cfg(const std::vector<Member>& members);
// What a process finds in its files as it starts. Nullopt: they make no sense.
std::optional<Membership> membership_on(const SimDisk& disk);

}  // namespace vivarium::sim
