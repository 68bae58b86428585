#include "sim/checkers/observers.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {

void ObserverCheck::packet_sent(ServerIndex server, const QuorumPacket& packet) {
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  if (packet.type != PacketType::Ack || zxid.counter() != 0) return;
  acknowledged_[zxid.epoch()].insert(server);
}

void ObserverCheck::stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                            const std::vector<bool>& voters, SimTime now, Verdict& verdict) const {
  if (!after.leading) return;
  // A change of the ensemble may make it one later; then it leaves.
  const bool may_lead = before.leading || after.standing == Standing::Voter;
  verdict.expect(Checker::Obs, may_lead, now, [&] {
    return fmt::format("s{} leads epoch {} and is no voter (standing {})", server + 1, after.epoch,
                       static_cast<int>(after.standing));
  });
  if (!after.established || before.established) return;
  const auto found = acknowledged_.find(after.epoch);
  const auto has = [&](ServerIndex i) {
    return i == server || (found != acknowledged_.end() && found->second.count(i) != 0);
  };
  size_t count = 0;
  size_t have = 0;
  for (ServerIndex i = 0; i < voters.size(); ++i) {
    if (!voters[i]) continue;
    ++count;
    if (has(i)) ++have;
  }
  verdict.expect(Checker::Obs, have > count / 2, now, [&] {
    return fmt::format("s{} establishes epoch {} with {} of {} voters", server + 1, after.epoch,
                       have, count);
  });
}

}  // namespace vivarium::sim
