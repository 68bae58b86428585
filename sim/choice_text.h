// Choices as schedule files write them: four words that name hosts as the trace does, so that they
// stay what they are when an ensemble has other servers.
//
//   packet-delay  c1>s2:client#3  there  17    the 17th packet of the 3rd connection, to the server
//   sync-delay    s1/2            log    4096.0  life 2 of s1, the log when it was 4096 long
//   crash-keep    s1/2            file5  3     the 3rd operation on a file when power was lost
//   turn-length   s1/2            turn   17
//   workload      c1              pause  12    behind its 12th operation
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/choices.h"

namespace vivarium::sim {

// The hosts of a cluster: servers, clients, and whoever is behind them.
struct HostNames {
  uint32_t servers = 0;
  uint32_t clients = 0;

  std::string name(uint64_t host) const;
  std::optional<uint64_t> parse(const std::string& name) const;
};

std::string to_text(const Choice& choice, const HostNames& hosts);
// Four words.
std::optional<Choice> parse_choice(const std::vector<std::string>& words, const HostNames& hosts);
bool is_delay(ChoiceKind kind);

}  // namespace vivarium::sim
