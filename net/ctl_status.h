// `vivctl status`: what every member of a connection string says of itself, in one table or as
// JSON. A member is asked with the word srvr; one that does not answer words is asked for a
// session, which shows at least that it serves. All members are asked at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/world.h"
#include "net/ctl_session.h"

namespace vivarium::ctl {

struct MemberStatus {
  std::string server;    // host:port
  bool answers = false;  // to anything
  bool serves = false;   // clients that want to write
  std::string role;  // leader, follower, observer, standalone; read-only; shadow; empty: not told
  std::string zxid;  // "0x100000002"
  std::string version;
  std::string connections;
  std::string outstanding;
  std::string latency;  // ms, "min/avg/max"
  std::string trouble;  // why there is less
  // Of a shadow alone: whom it follows and how far behind, and what comparing digests has shown.
  struct Shadow {
    std::string of;  // "server.2", "nobody"
    std::string behind;
    std::string compared;
    std::string differing;
    std::string first;  // zxid
    bool follows() const { return !of.empty() && of != "nobody"; }
    bool differs() const { return !differing.empty() && differing != "0"; }
  };
  Shadow shadow{};
};

// The answer to srvr. False: it is none.
bool read_srvr(std::string_view answer, MemberStatus& member);
MemberStatus ask_member(const Address& address, int64_t timeout_ms);
std::vector<MemberStatus> ask_members(const std::vector<Address>& addresses, int64_t timeout_ms);

// Somebody leads: the ensemble does its work. A shadow that follows tells as much.
bool has_leader(const std::vector<MemberStatus>& members);
// That, and no shadow has seen a difference.
bool is_healthy(const std::vector<MemberStatus>& members);
std::string status_table(const std::vector<MemberStatus>& members);
std::string status_json(const std::vector<MemberStatus>& members);

// The command. 0: there is a leader (or a standalone server), and no shadow differs; 1: otherwise;
// 2: wrong usage.
int run_status(const std::string& default_servers, const std::vector<std::string>& words,
               Console& console);

}  // namespace vivarium::ctl
