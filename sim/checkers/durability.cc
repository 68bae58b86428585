#include "sim/checkers/durability.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/storage/record.h"

namespace vivarium::sim {
namespace {

// What recovery would take an epoch for: the frontier's copy or Apache's file, whichever is higher.
Epoch durable_epoch(const SimDisk& disk, std::string_view name) {
  Epoch frontier_epoch = 0;
  if (const auto bytes = disk.content(Dir::Logs, kFrontierName, SimDisk::Image::Durable)) {
    if (const std::optional<Frontier> frontier = newest_frontier(*bytes)) {
      frontier_epoch = name == "acceptedEpoch" ? frontier->accepted_epoch : frontier->current_epoch;
    }
  }
  const std::optional<Bytes> text = disk.content(Dir::Snapshots, name, SimDisk::Image::Durable);
  Epoch epoch = 0;
  if (!text) return frontier_epoch;
  for (const Byte c : *text) {
    if (c < '0' || c > '9') break;
    epoch = epoch * 10 + static_cast<Epoch>(c - '0');
  }
  return std::max(epoch, frontier_epoch);
}

}  // namespace

void Durability::packet_sent(ServerIndex server, const NodeFacts& facts, const QuorumPacket& packet,
                             const SimDisk& disk, const Ledger& ledger, SimTime now,
                             Verdict& verdict) {
  Server& s = servers_[server];
  // What it claims here, and what was committed before, it need not acknowledge again.
  if (packet.type == PacketType::AckEpoch) s.answered = facts.last_durable;
  if (packet.type == PacketType::AckEpoch && facts.standing == Standing::Voter) {
    verdict.expect(Checker::DurAck, durable_epoch(disk, "acceptedEpoch") >= facts.epoch, now, [&] {
      return fmt::format("s{} promises epoch {} and its disk does not hold it", server + 1,
                         facts.epoch);
    });
    return;
  }
  if (packet.type == PacketType::FollowerInfo) {  // a new connection
    s.synced_epoch = 0;
    s.sent_back.reset();
  }
  if (packet.type != PacketType::Ack) return;
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  if (zxid.counter() == 0) {
    // NEWLEADER (and again UPTODATE): history, then currentEpoch, both durable.
    s.began = std::max(s.began, zxid.epoch());
    if (s.synced_epoch >= zxid.epoch()) return;
    s.answered = std::max(s.answered, facts.committed);
    s.synced_epoch = zxid.epoch();
    verdict.expect(Checker::DurAck, durable_epoch(disk, "currentEpoch") == zxid.epoch(), now, [&] {
      return fmt::format("s{} acknowledges NEWLEADER of epoch {} and its currentEpoch says {}",
                         server + 1, zxid.epoch(), durable_epoch(disk, "currentEpoch"));
    });
    // The history before NEWLEADER is durable, whatever of it had been here before.
    verdict.expect(Checker::DurAck,
                   facts.last_durable == Zxid{} || ledger.durable(server, disk, facts.last_durable),
                   now, [&] {
                     return fmt::format("s{} acknowledges NEWLEADER and its disk lacks zxid {:x}",
                                        server + 1, facts.last_durable.value);
                   });
    s.acknowledged = std::max(s.acknowledged, facts.last_durable);
    s.said = std::max(s.said, facts.last_durable);
    return;
  }
  verdict.expect(Checker::DurAck, ledger.durable(server, disk, zxid), now, [&] {
    return fmt::format("s{} acknowledges zxid {:x} and its disk does not hold it", server + 1,
                       zxid.value);
  });
  s.answered = zxid;
  s.acknowledged = std::max(s.acknowledged, zxid);
  s.said = std::max(s.said, zxid);
}

void Durability::epoch_announced(ServerIndex server, Epoch epoch, const SimDisk& disk, SimTime now,
                                 Verdict& verdict) {
  verdict.expect(Checker::DurAck, durable_epoch(disk, "acceptedEpoch") >= epoch, now, [&] {
    return fmt::format("s{} announces epoch {} and its disk does not hold its own promise",
                       server + 1, epoch);
  });
}

void Durability::stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                         const SimDisk& disk, const Ledger& ledger, Zxid committed,
                         const std::vector<ConfigCheck::Need>& needs, SimTime now,
                         Verdict& verdict) {
  Server& s = servers_[server];
  if (before.role == ZabRole::Recovering && after.role != ZabRole::Recovering && s.voter &&
      !s.rotten) {
    // It may be one no more, which is another matter. A tree that digests refute is for nobody
    // (RULES 7).
    const bool aside =
        (after.standing == Standing::Aside && !after.refuted) || after.standing == Standing::Blank;
    verdict.expect(Checker::Recover, !aside, now, [&] {
      return fmt::format("s{} was a voter and stands aside after a crash that damaged nothing",
                         server + 1);
    });
  }
  // Nobody remembers of it what its disk does not hold (RULES 3): that would be damage.
  if (before.role != ZabRole::Recovering && before.standing == Standing::Voter && !s.rotten) {
    verdict.expect(Checker::Recover, after.standing != Standing::Aside || after.refuted, now, [&] {
      return fmt::format("s{} stands aside, and nothing was damaged", server + 1);
    });
  }
  if (after.role != ZabRole::Recovering) {
    s.voter = after.standing == Standing::Voter && !after.damaged;
  }
  if (before.role == ZabRole::Recovering && after.role != ZabRole::Recovering) {
    // Whoever died while it was going back may have got there, and no further than is allowed,
    // whether it is a member now or not.
    if (s.going_back) {
      const Zxid kept = s.sent_back.value_or(committed);
      s.acknowledged = std::min(s.acknowledged, std::max(kept, after.last_logged));
    }
    if (after.standing == Standing::Voter) {
      verdict.expect(Checker::Recover, after.last_logged >= s.acknowledged, now, [&] {
        return fmt::format("s{} recovered up to zxid {:x} and had acknowledged {:x}", server + 1,
                           after.last_logged.value, s.acknowledged.value);
      });
    }
  }
  if (after.role != ZabRole::Recovering) s.going_back = after.busy;
  // When it acknowledges NEWLEADER it has gone back, and vouches for the leader's history.
  if (after.established || s.synced_epoch != 0) s.sent_back.reset();
  // Known damage: what it claims is at least what it acknowledged (RULES 9).
  if (after.damaged && after.standing == Standing::Voter && before.standing != Standing::Voter) {
    verdict.expect(Checker::Recover, after.claimed >= s.acknowledged, now, [&] {
      return fmt::format("s{} is damaged, claims zxid {:x} and had acknowledged {:x}", server + 1,
                         after.claimed.value, s.acknowledged.value);
    });
  }
  // Recovery makes durable what it found, but for who stands aside and claims nothing.
  // Nor does an observer whose frontier is lost or whose log is damaged: it has no promise to keep.
  const bool forgetful = after.standing == Standing::Observer && after.unsettled;
  const bool stands_aside =
      after.standing == Standing::Aside || after.standing == Standing::Blank || forgetful;
  if (stands_aside && before.role == ZabRole::Recovering) return;
  // What was claimed durable is so; checked whenever the claim moves.
  if (after.last_durable != before.last_durable && after.last_durable != Zxid{} && !after.busy &&
      after.role != ZabRole::Recovering) {
    verdict.expect(Checker::MemDisk, ledger.durable(server, disk, after.last_durable), now, [&] {
      return fmt::format("s{} takes zxid {:x} for durable: {}", server + 1,
                         after.last_durable.value,
                         ledger.missing(server, disk, after.last_durable));
    });
  }
  if (after.current_epoch != before.current_epoch && after.role != ZabRole::Recovering) {
    // History, then epoch: what is logged of earlier epochs is the new one's initial history (S12).
    verdict.expect(
        Checker::MemDisk,
        after.busy || !after.vouches || after.last_logged.epoch() >= after.current_epoch ||
            after.last_durable == after.last_logged,
        now, [&] {
          return fmt::format("s{} has epoch {} on disk, and its history only to {:x} of {:x}",
                             server + 1, after.current_epoch, after.last_durable.value,
                             after.last_logged.value);
        });
    verdict.expect(
        Checker::MemDisk,
        !after.vouches || durable_epoch(disk, "currentEpoch") == after.current_epoch, now, [&] {
          return fmt::format("s{} takes epoch {} for durable and its disk says {}", server + 1,
                             after.current_epoch, durable_epoch(disk, "currentEpoch"));
        });
  }
  if (after.leading && after.established && after.committed > before.committed &&
      before.established) {
    for (const ConfigCheck::Need& need : needs) {
      check_commit(server, need, disk, ledger, now, verdict);
    }
  }
}

void Durability::established(ServerIndex leader, Epoch epoch, const std::vector<bool>& voters,
                             const SimDisk& disk, SimTime now, Verdict& verdict) const {
  size_t count = 0;
  size_t began = 0;
  for (ServerIndex i = 0; i < servers_.size(); ++i) {
    if (!voters[i]) continue;
    ++count;
    const bool own = i == leader && durable_epoch(disk, "currentEpoch") >= epoch;
    if (own || (i != leader && servers_[i].began >= epoch)) ++began;
  }
  verdict.expect(Checker::Quorum, count < 2 || began > count / 2, now, [&] {
    return fmt::format("s{} leads epoch {}, which {} of {} voters have begun", leader + 1, epoch,
                       began, count);
  });
}

void Durability::check_commit(ServerIndex leader, const ConfigCheck::Need& need,
                              const SimDisk& disk, const Ledger& ledger, SimTime now,
                              Verdict& verdict) {
  const bool own = ledger.durable(leader, disk, need.zxid);
  size_t voters = 0;
  size_t have = 0;
  for (ServerIndex i = 0; i < servers_.size(); ++i) {
    if (!need.voters[i]) continue;
    ++voters;
    if (i == leader) {
      if (own) ++have;
    } else if (servers_[i].said >= need.zxid) {
      ++have;
    }
  }
  if (own) servers_[leader].acknowledged = std::max(servers_[leader].acknowledged, need.zxid);
  verdict.expect(Checker::Quorum, have > voters / 2, now, [&] {
    return fmt::format("s{} committed zxid {:x} with {} of {} voters having it on disk", leader + 1,
                       need.zxid.value, have, voters);
  });
}

// What a server acknowledged and a quorum has committed never leaves its disk again (hazards B8).
void Durability::truncated(ServerIndex server, Zxid keep, Zxid committed, SimTime now,
                           Verdict& verdict) {
  const Zxid kept = servers_[server].sent_back.value_or(committed);
  const Zxid promised = std::min(servers_[server].acknowledged, kept);
  verdict.expect(Checker::DurAck, keep >= promised, now, [&] {
    return fmt::format("s{} goes back to zxid {:x}; it had acknowledged {:x}, which is committed",
                       server + 1, keep.value, promised.value);
  });
  servers_[server].acknowledged = std::min(servers_[server].acknowledged, keep);
}

void Durability::turn_ended(ServerIndex server, const NodeFacts& facts, SimTime now,
                            Verdict& verdict) const {
  const bool follows = facts.role == ZabRole::Learner && facts.established && !facts.busy;
  const bool waited_for = facts.standing == Standing::Voter && facts.last_durable > facts.committed;
  if (!follows || !waited_for) return;
  verdict.expect(Checker::DurAck, servers_[server].answered >= facts.last_durable, now, [&] {
    return fmt::format("s{} has zxid {:x} on its disk and does not say so", server + 1,
                       facts.last_durable.value);
  });
}

}  // namespace vivarium::sim
