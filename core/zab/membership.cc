#include "core/zab/membership.h"

#include <vector>

#include "core/wire/peer_messages.h"

namespace vivarium {

std::string membership_text(const Config& config) {
  std::vector<ConfigMember> members;
  members.reserve(config.members.size());
  for (const Member& m : config.members) {
    members.push_back(
        {m.id, m.quorum.host, m.quorum.port, m.election.host, m.election.port, m.observer, {}, 0});
  }
  return config_text(members, 0);
}

}  // namespace vivarium
