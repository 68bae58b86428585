#include "sim/checkers/leadership.h"

#include <fmt/format.h>

#include <algorithm>

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
  const Epoch chosen = after.leading ? after.epoch : 0;
  if (chosen != s.chosen && chosen != 0) check_choice(server, chosen, now, verdict);
  s.chosen = chosen;
  if (after.leading && after.established) {
    const auto entered = leaders_.try_emplace(after.epoch, server);
    const ServerIndex leader = entered.first->second;
    verdict.expect(Checker::Leader1, leader == server, now, [&] {
      return fmt::format("s{} and s{} both lead epoch {}", server + 1, leader + 1, after.epoch);
    });
  }
}

void Leadership::arrived(ServerIndex leader, ServerIndex learner, LinkId link, size_t bytes) {
  std::optional<Told>& told = told_[learner];
  if (!told || told->leader != leader) return;
  told->on_its_way -= std::min(told->on_its_way, bytes);
  told->link = link;
}

void Leadership::ended(ServerIndex leader, LinkId link) {
  for (std::optional<Told>& told : told_) {
    if (told && told->leader == leader && told->link == link) told.reset();
  }
}

void Leadership::died(ServerIndex leader) {
  for (std::optional<Told>& told : told_) {
    if (told && told->leader == leader) told.reset();
  }
}

void Leadership::check_choice(ServerIndex leader, Epoch epoch, SimTime now,
                              Verdict& verdict) const {
  for (ServerIndex i = 0; i < told_.size(); ++i) {
    if (!told_[i] || told_[i]->leader != leader || told_[i]->on_its_way != 0) continue;
    verdict.expect(Checker::Promise, told_[i]->promise < epoch, now, [&] {
      return fmt::format("s{} begins epoch {} and was told that s{} has promised epoch {}",
                         leader + 1, epoch, i + 1, told_[i]->promise);
    });
  }
}

void Leadership::begun(ServerIndex leader, const NodeFacts& after, Epoch current, uint32_t voters,
                       SimTime now, Verdict& verdict) const {
  const std::pair own{current, after.last_logged.wire()};
  const auto said = histories_.find(after.epoch);
  uint32_t count = 1;
  for (ServerIndex i = 0; i < voters; ++i) {
    if (i == leader || said == histories_.end()) continue;
    const auto history = said->second.find(i);
    if (history != said->second.end() && history->second <= own) ++count;
  }
  verdict.expect(Checker::Committed, count > voters / 2, now, [&] {
    return fmt::format(
        "s{} begins epoch {}, and only {} of {} have said that nobody is more recent", leader + 1,
        after.epoch, count, voters);
  });
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
  const int32_t current = in.i32();
  if (current < 0) return;  // not to be counted
  histories_[facts.epoch][server] = {static_cast<Epoch>(current), packet.zxid};
  verdict.expect(Checker::Promise, facts.epoch > s.promised || s.promised_to == leader, now, [&] {
    return fmt::format("s{} promised epoch {} to s{} and to s{}", server + 1, facts.epoch,
                       s.promised_to + 1, leader + 1);
  });
  s.promised = facts.epoch;
  s.promised_to = leader;
}

}  // namespace vivarium::sim
