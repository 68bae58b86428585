// Messages between servers: election notifications with their connection's opening message, and the
// leader port's QuorumPackets (quorum-protocol sections 2, 3 and 5). QuorumPackets have no length
// in front: the decoder finds the end itself. Views point into the input.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/wire/codes.h"

namespace vivarium {

// A REQUEST of a session that only the learner knows carries this for a zxid. Apache says -1 always
// and reads nothing there.
inline constexpr int64_t kLocalSessionZxid = -2;

// Outcome of decoding the front of a byte stream.
enum class Decoded : uint8_t { Ok, NeedMore, Bad };

// --- election port

struct ElectionHello {
  ServerId from;
  std::string address;  // "host:port", the sender's election address, as sent
};
// Accepts protocol versions -65536 and -65535 and the bare id of very old peers. Bad: another
// negative version, an address length outside 1..2048, an address without a port. `used` is set on
// Ok.
Decoded decode_election_hello(ByteView in, ElectionHello& out, size_t& used);
void encode(const ElectionHello& hello, Bytes& out);  // version -65536

struct Notification {
  PeerState state{};
  ServerId leader;
  int64_t zxid = 0;            // wire form: -1 is "no data"
  int64_t election_epoch = 0;  // the sender's round
  int64_t peer_epoch = 0;      // epoch of the proposed leader
  int32_t version = 2;
  std::string_view config;
  ByteView
      extension;  // what stands behind the configuration, where Apache does not read (RULES 14)
};
inline constexpr uint32_t kNotificationBytesMax = 524288;
// One message without its length. Errors as quorum-protocol section 3; the forms of 28 and 40 bytes
// are accepted.
Result<Notification> decode_notification(ByteView message);
// With the length in front.
void encode_notification_frame(const Notification& n, Bytes& out);

// --- leader port

struct AuthId {
  std::string scheme;
  std::string id;
  bool operator==(const AuthId&) const = default;
};

struct QuorumPacket {
  PacketType type{};
  int64_t zxid = 0;  // wire form
  bool null_data = true;
  ByteView data;
  bool null_auth = true;
  std::vector<AuthId> auth;
};
// Bad: a negative length other than -1, or a length above `data_bytes_max`, which also bounds all
// of authinfo together. NeedMore costs no more than looking at the bytes present.
Decoded decode_quorum_packet(ByteView in, size_t data_bytes_max, QuorumPacket& out, size_t& used);
void encode(const QuorumPacket& packet, Bytes& out);
// The common forms.
void encode_packet(PacketType type, int64_t zxid, Bytes& out);  // null data, null auth
void encode_packet(PacketType type, int64_t zxid, ByteView data, Bytes& out);  // null auth
void encode_packet(PacketType type, int64_t zxid, ByteView data, std::span<const AuthId> auth,
                   Bytes& out);

// FOLLOWERINFO and OBSERVERINFO.
struct LearnerInfo {
  ServerId id;
  int32_t protocol_version = 0x10000;
  int64_t config_version = 0;
  ByteView extension;  // bytes behind the 20 that Apache reads
};
std::optional<LearnerInfo> decode_learner_info(ByteView data);  // 8, 12, 20 or more bytes
void encode(const LearnerInfo& info, Bytes& out);

// LEADERINFO: int protocol version. ACKEPOCH: int current epoch or -1.
inline constexpr int32_t kLeaderProtocolVersion = 0x10000;
// Behind the state of a SNAP.
inline constexpr std::string_view kSnapSignature = "BenWasHere";

// REQUEST: a client's request as a learner forwards it.
struct ForwardedRequest {
  SessionId session;
  int32_t cxid = 0;
  Op op{};
  ByteView body;
};
std::optional<ForwardedRequest> decode_forwarded_request(ByteView data);
void encode(const ForwardedRequest& request, Bytes& out);

// The touch table of a learner's PING answer, and REVALIDATE.
struct SessionTouch {
  SessionId session;
  int32_t timeout_ms = 0;
};
std::optional<std::vector<SessionTouch>> decode_touches(ByteView data);
void encode_touches(const std::vector<SessionTouch>& touches, Bytes& out);
std::optional<SessionTouch> decode_revalidate(ByteView data);
void encode(const SessionTouch& touch, Bytes& out);
struct RevalidateAnswer {
  SessionId session;
  bool valid = false;
};
std::optional<RevalidateAnswer> decode_revalidate_answer(ByteView data);
void encode(const RevalidateAnswer& answer, Bytes& out);

// Configuration text of NEWLEADER, notifications and /zookeeper/config (quorum-protocol section
// 12).
struct ConfigMember {
  ServerId id;
  std::string quorum_host;
  uint16_t quorum_port = 0;
  std::string election_host;  // not in the text, which has one host for both ports
  uint16_t election_port = 0;
  bool observer = false;
  std::string client_host;   // printed when the member's own line names a client port
  uint16_t client_port = 0;  // 0: it does not
};
// In the order of ids; `version` 0 for a configuration that came from zoo.cfg.
std::string config_text(const std::vector<ConfigMember>& members, uint64_t version);

}  // namespace vivarium
