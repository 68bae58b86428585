// The names of quorum packets, as captures and transcripts write them.
#pragma once

#include <map>
#include <string>

#include "core/wire/peer_messages.h"

namespace vivarium {

inline const std::map<PacketType, std::string>& packet_names() {
  static const std::map<PacketType, std::string> names = {
      {PacketType::Request, "REQUEST"},
      {PacketType::Proposal, "PROPOSAL"},
      {PacketType::Ack, "ACK"},
      {PacketType::Commit, "COMMIT"},
      {PacketType::Ping, "PING"},
      {PacketType::Revalidate, "REVALIDATE"},
      {PacketType::Sync, "SYNC"},
      {PacketType::Inform, "INFORM"},
      {PacketType::CommitAndActivate, "COMMITANDACTIVATE"},
      {PacketType::NewLeader, "NEWLEADER"},
      {PacketType::FollowerInfo, "FOLLOWERINFO"},
      {PacketType::UpToDate, "UPTODATE"},
      {PacketType::Diff, "DIFF"},
      {PacketType::Trunc, "TRUNC"},
      {PacketType::Snap, "SNAP"},
      {PacketType::ObserverInfo, "OBSERVERINFO"},
      {PacketType::LeaderInfo, "LEADERINFO"},
      {PacketType::AckEpoch, "ACKEPOCH"},
      {PacketType::InformAndActivate, "INFORMANDACTIVATE"}};
  return names;
}

}  // namespace vivarium
