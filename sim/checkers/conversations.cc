#include "sim/checkers/conversations.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {

// What is wrong with saying it now; null: nothing. Types of our own, which only servers of ours
// send, are told by the transcripts.
const char* Conversations::wrong_of_learner(const Conversation& c, const QuorumPacket& packet) {
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  switch (packet.type) {
    case PacketType::FollowerInfo:
    case PacketType::ObserverInfo:
      return c.introduced ? "a second introduction" : nullptr;
    case PacketType::AckEpoch:
      if (!c.led) return "ACKEPOCH before LEADERINFO";
      return c.promised ? "a second ACKEPOCH" : nullptr;
    case PacketType::Ack:
      if (c.blind) return nullptr;
      if (!c.new_leader) return "ACK before NEWLEADER";
      if (zxid.counter() == 0) return nullptr;
      return zxid > c.proposed ? "ACK of what was not proposed" : nullptr;
    case PacketType::Request:
    case PacketType::Revalidate:
      return c.up_to_date || c.blind ? nullptr : "a client's business before UPTODATE";
    case PacketType::Proposal:
    case PacketType::Commit:
    case PacketType::Ping:
    case PacketType::Sync:
    case PacketType::Inform:
    case PacketType::CommitAndActivate:
    case PacketType::NewLeader:
    case PacketType::UpToDate:
    case PacketType::Diff:
    case PacketType::Trunc:
    case PacketType::Snap:
    case PacketType::LeaderInfo:
    case PacketType::InformAndActivate:
      return nullptr;
  }
  return nullptr;
}

const char* Conversations::wrong_of_leader(const Conversation& c, const QuorumPacket& packet) {
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  switch (packet.type) {
    case PacketType::LeaderInfo:
      return c.led ? "a second LEADERINFO" : nullptr;
    case PacketType::Diff:
    case PacketType::Trunc:
    case PacketType::Snap:
      if (!c.promised) return "a synchronisation before ACKEPOCH";
      return c.synchronising ? "a second synchronisation" : nullptr;
    case PacketType::Proposal:
      if (!c.synchronising) return "PROPOSAL before a synchronisation";
      return zxid <= c.proposed ? "PROPOSAL of what had been proposed" : nullptr;
    case PacketType::Commit:
    case PacketType::CommitAndActivate:
      if (!c.synchronising) return "COMMIT before a synchronisation";
      if (zxid > c.proposed) return "COMMIT of what was not proposed";
      return zxid <= c.committed ? "COMMIT of what had been committed" : nullptr;
    case PacketType::Inform:
    case PacketType::InformAndActivate:
      if (!c.observer) return "INFORM to a follower";
      return c.synchronising ? nullptr : "INFORM before a synchronisation";
    case PacketType::NewLeader:
      if (!c.synchronising) return "NEWLEADER before a synchronisation";
      return c.new_leader ? "a second NEWLEADER" : nullptr;
    case PacketType::UpToDate:
      if (!c.new_leader) return "UPTODATE before NEWLEADER";
      return c.up_to_date ? "a second UPTODATE" : nullptr;
    case PacketType::Request:
    case PacketType::Ack:
    case PacketType::Ping:
    case PacketType::Revalidate:
    case PacketType::Sync:
    case PacketType::FollowerInfo:
    case PacketType::ObserverInfo:
    case PacketType::AckEpoch:
      return nullptr;
  }
  return nullptr;
}

const char* Conversations::wrong(const Conversation& c, bool learner, const QuorumPacket& packet) {
  const bool introduces =
      packet.type == PacketType::FollowerInfo || packet.type == PacketType::ObserverInfo;
  if (!c.introduced && !(learner && introduces)) return "something before an introduction";
  return learner ? wrong_of_learner(c, packet) : wrong_of_leader(c, packet);
}

void Conversations::note(Conversation& c, bool learner, const QuorumPacket& packet) {
  const Zxid zxid = Zxid::from_wire(packet.zxid);
  switch (packet.type) {
    case PacketType::ObserverInfo:
      c.observer = true;
      c.introduced = true;
      break;
    case PacketType::FollowerInfo:
      c.introduced = true;
      break;
    case PacketType::LeaderInfo:
      c.led = true;
      break;
    case PacketType::AckEpoch:
      // What it has already need not be proposed to it.
      c.promised = true;
      if (packet.zxid != kNoZxidWire) c.proposed = zxid;
      break;
    case PacketType::Snap:
      c.blind = true;
      c.synchronising = true;
      break;
    case PacketType::Diff:
      c.synchronising = true;
      break;
    case PacketType::Trunc:
      c.synchronising = true;
      c.proposed = zxid;
      break;
    case PacketType::Proposal:
      c.proposed = zxid;
      break;
    case PacketType::Inform:
    case PacketType::InformAndActivate:
      c.proposed = c.committed = zxid;
      break;
    case PacketType::Commit:
    case PacketType::CommitAndActivate:
      c.committed = zxid;
      break;
    case PacketType::NewLeader:
      if (!learner) c.new_leader = true;
      break;
    case PacketType::UpToDate:
      c.up_to_date = true;
      break;
    case PacketType::Request:
    case PacketType::Ack:
    case PacketType::Ping:
    case PacketType::Revalidate:
    case PacketType::Sync:
      break;
  }
}

bool Conversations::sent(uint64_t link, ServerIndex server, bool learner,
                         const QuorumPacket& packet, SimTime now, Verdict& verdict) {
  Conversation& c = all_[link];
  if (c.blind && !learner) return false;
  const char* what = wrong(c, learner, packet);
  verdict.expect(Checker::TlaMsg, what == nullptr, now, [&] {
    return fmt::format("s{} sends its {} {}", server + 1, learner ? "leader" : "learner", what);
  });
  note(c, learner, packet);
  return true;
}

}  // namespace vivarium::sim
