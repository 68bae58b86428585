// Profile: the frame of a schedule, drawn from its seed: topology, timing, tiny limits, how many
// clients and faults. The standard profile is what campaigns run; docs/testing.md tells its
// numbers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/config.h"
#include "sim/apache/flaws.h"
#include "sim/choices.h"
#include "sim/identities.h"
#include "sim/simulation.h"

namespace vivarium::sim {

// Faults of later kinds are drawn by swarms alone, and Replaced by mixed ensembles: the standard
// profile is frozen.
inline constexpr uint64_t kStandardFaults = (uint64_t{1} << 31) - 1;

inline constexpr uint32_t kFaultKindsDrawn = 37;  // by swarms

// Of the data that clients write, one in so many is longer, by up to so many bytes.
struct Padding {
  uint32_t one_in = 8;
  uint32_t bytes_max = 600;
};

struct Profile {
  uint32_t servers = 3;
  uint32_t observers = 0;  // of the servers, those behind the voters
  uint32_t spares = 0;     // the last ones: in no configuration at first
  bool shadow = false;     // the last observer is one (Config::shadow), which nobody else knows
  bool reconfig = false;   // the last client asks for other members
  uint32_t clients = 4;
  uint32_t absent = 0;  // a bit for each client that never comes
  uint32_t operations_per_client = 50;
  uint32_t faults = 20;
  Duration trouble{};  // faults begin within it
  Duration settle{};   // and then everything must be well within this
  Duration think{};
  uint32_t pipeline = 3;      // operations that a client may have in flight: 1 to so many
  uint32_t burst = 1;         // operations that it issues at once
  uint32_t slow_disks = 0;    // a bit for each server, until all faults are healed
  int64_t slow_factor = 1;    // of those
  bool has_operator = false;  // somebody who asks what servers say of themselves
  bool has_stranger = false;  // somebody who sends what nobody should
  bool quiet_end = false;     // after convergence nothing may change for some session timeouts
  bool partial_end = false;   // and behind that one server is in trouble, and the others go on
  int32_t session_timeout_ms = 1000;
  Padding padding;
  bool tears = false;         // a power loss keeps some sectors of a write, and not others
  uint32_t wrong_one_in = 0;  // so many connects of clients are with a wrong password or secret
  Config config;              // of every server; id and members are filled per server
  uint32_t split_per_1024 = NetOptions().split_per_1024;  // of what leaves, in several packets
  uint64_t fault_kinds = kStandardFaults;                 // a bit for each FaultKind that is drawn
  bool disks_fail_more = false;  // snapshots rot too, and syncs of a log not yet reopened fail
  uint32_t victims = 0;          // a bit for each server that faults strike; 0: all
  bool beyond = false;           // damage is not kept within what is promised to be survived
  uint32_t apache = 0;           // a bit for each server that is one of ZooKeeper's (sim/apache)
  apache::Flaws flaws;           // of those
  uint32_t apache_slice = 1;     // znodes that one of their snapshots takes at once

  bool is_apache(uint32_t server) const { return (apache >> server & 1) != 0; }
  int64_t slowness(uint32_t server) const {
    return (slow_disks >> server & 1) != 0 ? slow_factor : 1;
  }
  // At first.
  uint32_t voters() const { return servers - observers - spares; }
  bool observer(uint32_t server) const { return server >= voters() && !spare(server); }
  bool is_shadow(uint32_t server) const { return shadow && server + 1 == servers; }
  bool spare(uint32_t server) const { return server >= servers - spares; }
  bool is_absent(uint32_t client) const { return (absent >> client & 1) != 0; }
  bool changes_ensemble(uint32_t client) const { return reconfig && client + 1 == clients; }
  std::vector<bool> voter_set() const {
    std::vector<bool> set(servers, true);
    for (uint32_t i = voters(); i < servers; ++i) set[i] = false;
    return set;
  }
};

// Standard: 1, 3 or 5 voters, in some seeds observers beside them; frozen, docs/testing.md has it.
// Mixed: the same without what only an ensemble of ours has; 1 to all but one of the servers are
// ZooKeeper's. Swarm: everything is drawn anew, how many there are, what goes wrong and how often.
// Beyond: more disks are damaged and wiped than anybody promises to survive, all but one; nothing
// may be lost without a word all the same, and where a majority has lost its data nobody may lead.
enum class ProfileKind : uint8_t { Standard, Mixed, Swarm, Beyond };
inline constexpr std::array<ProfileKind, 4> kProfileKinds{ProfileKind::Standard, ProfileKind::Mixed,
                                                          ProfileKind::Swarm, ProfileKind::Beyond};
std::string_view name_of(ProfileKind kind);
std::optional<ProfileKind> profile_named(std::string_view name);
Profile profile_of(uint64_t seed, ProfileKind kind);
Config server_config(const Profile& profile, uint32_t server);
// What a client can prove. Every second one is alice; where servers know certificates and SASL,
// some are somebody else, or more than one.
Ids draw_ids(const Profile& profile, uint32_t client, Choices& choices);

}  // namespace vivarium::sim
