// What our own servers tell each other where Apache does not read (RULES 14): behind the fixed
// parts of the notification, of LearnerInfo, LEADERINFO and ACKEPOCH. Its presence says "one of
// ours"; its list, "these zxids are missing here" (RULES 9). And the packets with which a damaged
// leader is filled, which go only to servers that have shown the extension.
//
//   u32 magic "VvPx", u8 version 1, u8 flags (1 DAMAGED, 2 REMEMBERED, 4 LOG, 8 CONFIG), u16 count,
//   then per fault i64 after, i64 upto
//   REMEMBERED: u64 directory, u32 generation, u32 epoch, i64 upto
//   LOG:        u64 directory, u32 generation
//   CONFIG:     u32 length, text
//   FILLASK   (to a follower, before LEADERINFO)  zxid: upto; data: i64 after FILLENTRY
//   (answer, per entry, in order)       zxid: its; data: the entry FILLEND   (answer, its end)
//   zxid: upto; data: i64 after, i32 FillRest
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/acknowledged.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/zxid_range.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

inline constexpr size_t kPeerFaultsMax = 64;

struct PeerExtension {
  bool damaged = false;
  std::vector<ZxidRange> faults;  // ascending
  // In a notification: what the receiver has acknowledged, as the sender remembers it.
  std::optional<Acknowledged> remembered;
  // In ACK of NEWLEADER: the log that this and the following acknowledgements are of.
  std::optional<LogId> log;
  // In LEADERINFO: the configuration that the leader knows to be committed, as text. In a
  // notification: the one that is pending with the sender, or that it has heard of as pending.
  std::string_view config{};
};
void encode(const PeerExtension& extension, Bytes& out);
// Nullopt: not one of ours, or a list that makes no sense. Bytes behind it are left to later
// versions.
std::optional<PeerExtension> decode_peer_extension(ByteView in);

// Types of QuorumPackets beside Apache's, far from what it may come to use.
inline constexpr PacketType kFillAsk = static_cast<PacketType>(0x56760001);
inline constexpr PacketType kFillEntry = static_cast<PacketType>(0x56760002);
inline constexpr PacketType kFillEnd = static_cast<PacketType>(0x56760003);

// What a server says of the zxids of a range behind the entries that it sent.
enum class FillRest : int32_t {
  None = 0,    // nothing: the entries reach the end
  Never = 1,   // it never had them
  Unknown = 2  // they are damaged here too, or not at hand
};
void encode_fill_ask(ZxidRange range, Bytes& out);
std::optional<ZxidRange> decode_fill_ask(const QuorumPacket& packet);
struct FillEnd {
  ZxidRange range;
  FillRest rest{};
};
void encode(const FillEnd& end, Bytes& out);
std::optional<FillEnd> decode_fill_end(const QuorumPacket& packet);

}  // namespace vivarium
