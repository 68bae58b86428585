#include "sim/checkers/leadership.h"

#include <fmt/format.h>

#include "core/wire/jute.h"

namespace vivarium::sim {

void Leadership::stepped(ServerIndex server, const NodeFacts& after, SimTime now,
                         Verdict& verdict) {
  if (after.role == ZabRole::Recovering) return;
  Server& s = servers_[server];
  // Who stands aside promises nothing yet: what a killed process left in the cache may go again.
  // An observer promises nothing to anybody; what recovery has found whole it has made durable.
  const bool aside = after.standing == Standing::Aside || after.standing == Standing::Blank ||
                     (after.standing == Standing::Observer && after.unsettled);
  const bool promises = !aside;
  verdict.expect(
      Checker::EpochMono,
      !promises || (after.accepted_epoch >= s.accepted && after.current_epoch >= s.current &&
                    after.current_epoch <= after.accepted_epoch),
      now, [&] {
        return fmt::format("s{} holds epochs accepted {} current {} after {} and {}", server + 1,
                           after.accepted_epoch, after.current_epoch, s.accepted, s.current);
      });
  s.accepted = after.accepted_epoch;
  s.current = after.current_epoch;
  if (after.leading && after.established) {
    const auto entered = leaders_.try_emplace(after.epoch, server);
    const ServerIndex leader = entered.first->second;
    verdict.expect(Checker::Leader1, leader == server, now, [&] {
      return fmt::format("s{} and s{} both lead epoch {}", server + 1, leader + 1, after.epoch);
    });
  }
}

void Leadership::packet_sent(ServerIndex server, ServerIndex leader, const NodeFacts& facts,
                             const QuorumPacket& packet, SimTime now, Verdict& verdict) {
  if (packet.type != PacketType::AckEpoch && packet.type != PacketType::Ack) return;
  if (facts.standing == Standing::Aside || facts.standing == Standing::Blank) return;
  Server& s = servers_[server];
  verdict.expect(Checker::Promise, facts.epoch >= s.promised, now, [&] {
    return fmt::format("s{} promised epoch {} and acknowledges to the leader of epoch {}",
                       server + 1, s.promised, facts.epoch);
  });
  if (packet.type != PacketType::AckEpoch) return;
  JuteReader in(packet.data);
  if (in.i32() < 0) return;  // not to be counted
  verdict.expect(Checker::Promise, facts.epoch > s.promised || s.promised_to == leader, now, [&] {
    return fmt::format("s{} promised epoch {} to s{} and to s{}", server + 1, facts.epoch,
                       s.promised_to + 1, leader + 1);
  });
  s.promised = facts.epoch;
  s.promised_to = leader;
}

}  // namespace vivarium::sim
