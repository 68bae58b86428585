#include "sim/page/streams.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <type_traits>
#include <variant>

#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "core/wire/peer_messages.h"
#include "core/wire/txn.h"
#include "sim/page/words.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

constexpr size_t kSaidBytesMax = 16 << 20;

std::string_view text_of(PeerState state) {
  switch (state) {
    case PeerState::Looking:
      return "looking";
    case PeerState::Following:
      return "following";
    case PeerState::Leading:
      return "leading";
    case PeerState::Observing:
      return "observing";
  }
  return "?";
}

std::string_view text_of(TxnType type) {
  switch (type) {
    case TxnType::CreateSession:
      return "createSession";
    case TxnType::CloseSession:
      return "closeSession";
    case TxnType::Error:
      return "error";
    case TxnType::Create:
    case TxnType::Delete:
    case TxnType::SetData:
    case TxnType::SetAcl:
    case TxnType::Check:
    case TxnType::Multi:
    case TxnType::Create2:
    case TxnType::Reconfig:
    case TxnType::CreateContainer:
    case TxnType::DeleteContainer:
    case TxnType::CreateTtl:
      return op_name(static_cast<Op>(type));
  }
  return "?";
}

std::string_view text_of(WatchEvent event) {
  switch (event) {
    case WatchEvent::Created:
      return "created";
    case WatchEvent::Deleted:
      return "deleted";
    case WatchEvent::DataChanged:
      return "data changed";
    case WatchEvent::ChildrenChanged:
      return "children changed";
  }
  return "?";
}

void describe_packet(const QuorumPacket& packet, Said& said) {
  said.name = packet_name(packet.type);
  if (packet.zxid > 0) said.zxid = Zxid::from_wire(packet.zxid);
  said.minor = packet.type == PacketType::Ping;
  if (packet.type == PacketType::Proposal || packet.type == PacketType::Inform) {
    said.detail = describe_txn(packet.data);
  } else if (packet.type == PacketType::AckEpoch && packet.data.size() >= 4) {
    const auto current = static_cast<int32_t>(get_u32(packet.data.data()));
    said.detail = current < 0 ? "not to be counted" : fmt::format("current epoch {}", current);
  } else if (packet.type == PacketType::LeaderInfo || packet.type == PacketType::NewLeader ||
             packet.type == PacketType::FollowerInfo || packet.type == PacketType::ObserverInfo) {
    said.detail = fmt::format("epoch {}", said.zxid.epoch());
  } else if (packet.type == PacketType::Request) {
    if (const auto request = decode_forwarded_request(packet.data)) {
      said.detail = fmt::format("{}, operation {}", op_name(request->op), request->cxid);
    }
  }
}

std::string path_in(Op op, ByteView body) {
  JuteReader in(body);
  const bool has_path = op != Op::Multi && op != Op::MultiRead && op != Op::CloseSession &&
                        op != Op::SetWatches && op != Op::SetWatches2 && op != Op::Sasl &&
                        op != Op::Auth && op != Op::WhoAmI && op != Op::Reconfig;
  if (!has_path) return "";
  const std::string_view path = in.string();
  return in.ok() && path.starts_with('/') && path.size() < 80 ? " " + std::string(path) : "";
}

// From which zxid on, and which znodes: whose data, whose existence, whose children.
std::string watches_in(ByteView body) {
  constexpr std::array<std::string_view, 5> kKinds{"data", "exists", "children", "persistent",
                                                   "recursive"};
  JuteReader in(body);
  std::string text = fmt::format(" since {:x}", static_cast<uint64_t>(in.i64()));
  for (const std::string_view kind : kKinds) {
    const int32_t count = in.i32();
    if (!in.ok() || count <= 0) continue;
    text += fmt::format(", {}", kind);
    for (int32_t i = 0; i < count && in.ok(); ++i) text += fmt::format(" {}", in.string());
  }
  return text;
}

void describe_request(ByteView frame, Said& said) {
  const std::optional<RequestHeader> header = decode_request_header(frame);
  if (!header) return;
  const Op op = static_cast<Op>(header->type);
  said.name = op_name(op);
  said.minor = op == Op::Ping;
  const bool watches = op == Op::SetWatches || op == Op::SetWatches2;
  const ByteView body = frame.subspan(8);
  said.detail =
      watches ? fmt::format("{}{}", op_name(op), watches_in(body))
              : fmt::format("{}{}, operation {}", op_name(op), path_in(op, body), header->xid);
}

void describe_reply(ByteView frame, Said& said) {
  JuteReader in(frame);
  const int32_t xid = in.i32();
  const int64_t zxid = in.i64();
  const int32_t error = in.i32();
  if (!in.ok()) return;
  if (zxid > 0) said.zxid = Zxid::from_wire(zxid);
  if (xid == kXidPing) {
    said.name = "pong";
    said.minor = true;
  } else if (xid == kXidWatchEvent) {
    const auto event = static_cast<WatchEvent>(in.i32());
    in.i32();
    said.name = "watch event";
    said.detail = fmt::format("{} {}", in.string(), text_of(event));
  } else {
    said.name = "reply";
    said.detail = error == 0 ? fmt::format("operation {}: well", xid)
                             : fmt::format("operation {}: {}", xid,
                                           plain_words(static_cast<ErrorCode>(error)));
  }
}

}  // namespace

std::string_view packet_name(PacketType type) {
  switch (type) {
    case PacketType::Request:
      return "REQUEST";
    case PacketType::Proposal:
      return "PROPOSAL";
    case PacketType::Ack:
      return "ACK";
    case PacketType::Commit:
      return "COMMIT";
    case PacketType::Ping:
      return "PING";
    case PacketType::Revalidate:
      return "REVALIDATE";
    case PacketType::Sync:
      return "SYNC";
    case PacketType::Inform:
      return "INFORM";
    case PacketType::CommitAndActivate:
      return "COMMITANDACTIVATE";
    case PacketType::NewLeader:
      return "NEWLEADER";
    case PacketType::FollowerInfo:
      return "FOLLOWERINFO";
    case PacketType::UpToDate:
      return "UPTODATE";
    case PacketType::Diff:
      return "DIFF";
    case PacketType::Trunc:
      return "TRUNC";
    case PacketType::Snap:
      return "SNAP";
    case PacketType::ObserverInfo:
      return "OBSERVERINFO";
    case PacketType::LeaderInfo:
      return "LEADERINFO";
    case PacketType::AckEpoch:
      return "ACKEPOCH";
    case PacketType::InformAndActivate:
      return "INFORMANDACTIVATE";
  }
  return "a packet of no type";
}

std::string_view op_name(Op op) {
  switch (op) {
    case Op::Notification:
      return "notification";
    case Op::Create:
      return "create";
    case Op::Delete:
      return "delete";
    case Op::Exists:
      return "exists";
    case Op::GetData:
      return "getData";
    case Op::SetData:
      return "setData";
    case Op::GetAcl:
      return "getACL";
    case Op::SetAcl:
      return "setACL";
    case Op::GetChildren:
      return "getChildren";
    case Op::Sync:
      return "sync";
    case Op::Ping:
      return "ping";
    case Op::GetChildren2:
      return "getChildren2";
    case Op::Check:
      return "check";
    case Op::Multi:
      return "multi";
    case Op::Create2:
      return "create2";
    case Op::Reconfig:
      return "reconfig";
    case Op::CheckWatches:
      return "checkWatches";
    case Op::RemoveWatches:
      return "removeWatches";
    case Op::CreateContainer:
      return "createContainer";
    case Op::DeleteContainer:
      return "deleteContainer";
    case Op::CreateTtl:
      return "createTTL";
    case Op::MultiRead:
      return "multiRead";
    case Op::Auth:
      return "auth";
    case Op::SetWatches:
      return "setWatches";
    case Op::Sasl:
      return "sasl";
    case Op::GetEphemerals:
      return "getEphemerals";
    case Op::GetAllChildrenNumber:
      return "getAllChildrenNumber";
    case Op::SetWatches2:
      return "setWatches2";
    case Op::AddWatch:
      return "addWatch";
    case Op::WhoAmI:
      return "whoAmI";
    case Op::CreateSession:
      return "createSession";
    case Op::CloseSession:
      return "closeSession";
    case Op::Error:
      return "error";
  }
  return "an unknown operation";
}

std::string hex(Zxid zxid) { return fmt::format("{:x}", zxid.value); }

std::string describe_parts(const MultiTxn& multi) {
  std::string text = fmt::format(" of {} parts:", multi.parts.size());
  for (const MultiTxn::Part& part : multi.parts) {
    text += fmt::format("{}{}", &part == multi.parts.data() ? " " : ", ", text_of(part.type));
    const Result<TxnBody> body = decode_body(part.type, part.body);
    if (!body) continue;
    std::visit(
        [&](const auto& its) {
          if constexpr (requires { its.path; }) text += fmt::format(" {}", its.path);
        },
        *body);
  }
  return text;
}

std::string describe_txn(ByteView entry) {
  const Result<Txn> txn = decode_txn(entry);
  if (!txn) return "";
  std::string text(text_of(txn->header.type));
  std::visit(
      [&](const auto& body) {
        using T = std::decay_t<decltype(body)>;
        if constexpr (requires { body.path; }) {
          text += fmt::format(" {}", body.path);
        } else if constexpr (std::is_same_v<T, MultiTxn>) {
          text += describe_parts(body);
        } else if constexpr (std::is_same_v<T, ErrorTxn>) {
          text += fmt::format(" {} ({})", static_cast<int>(body.error), plain_words(body.error));
        } else {
          text += fmt::format(" {:x}", static_cast<uint64_t>(txn->header.session.value));
        }
      },
      txn->body);
  if (txn->header.cxid > 0) {
    text += fmt::format(", for operation {} of session {:x}", txn->header.cxid,
                        static_cast<uint64_t>(txn->header.session.value));
  }
  return text;
}

std::vector<Said> SaidReader::feed(ByteView bytes) {
  std::vector<Said> out;
  append_bytes(in_, bytes);
  Said said;
  while (at_ < in_.size() && next(said)) {
    out.push_back(said);
    said = Said{};
  }
  in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
  return out;
}

void SaidReader::take(size_t bytes, Said& said) {
  at_ += bytes;
  position_ += bytes;
  said.end = position_;
}

bool SaidReader::next(Said& said) {
  if (!opaque_ && port_ == kQuorumPort) return in_state_ ? next_state(said) : next_packet(said);
  if (!opaque_ && port_ == kElectionPort) return next_notification(said);
  if (!opaque_ && port_ == kClientPort) return next_frame(said);
  said.name = fmt::format("{} bytes", rest().size());
  take(rest().size(), said);
  return true;
}

bool SaidReader::next_packet(Said& said) {
  QuorumPacket packet;
  size_t used = 0;
  const Decoded state = decode_quorum_packet(rest(), kSaidBytesMax, packet, used);
  if (state == Decoded::NeedMore) return false;
  if (state == Decoded::Bad) {
    opaque_ = true;
    return next(said);
  }
  describe_packet(packet, said);
  in_state_ = packet.type == PacketType::Snap;
  take(used, said);
  return true;
}

// The state behind a SNAP has no length: its end is the signature.
bool SaidReader::next_state(Said& said) {
  const ByteView signature = as_bytes(kSnapSignature);
  const ByteView bytes = rest();
  const auto found = std::search(bytes.begin(), bytes.end(), signature.begin(), signature.end());
  if (found == bytes.end()) return false;
  in_state_ = false;
  const auto used = static_cast<size_t>(found - bytes.begin()) + signature.size();
  said.name = "the state of SNAP";
  said.detail = fmt::format("{} bytes", used);
  take(used, said);
  return true;
}

bool SaidReader::next_notification(Said& said) {
  if (from_connector_ && !greeted_) {
    ElectionHello hello;
    size_t used = 0;
    const Decoded state = decode_election_hello(rest(), hello, used);
    if (state == Decoded::NeedMore) return false;
    opaque_ = state == Decoded::Bad;
    if (opaque_) return next(said);
    greeted_ = true;
    said.name = "hello";
    said.minor = true;
    take(used, said);
    return true;
  }
  if (rest().size() < 4) return false;
  const uint32_t length = get_u32(rest().data());
  if (length > kSaidBytesMax) {
    opaque_ = true;
    return next(said);
  }
  if (rest().size() < 4 + size_t{length}) return false;
  if (const Result<Notification> n = decode_notification(rest().subspan(4, length))) {
    said.name = fmt::format("vote s{}", n->leader.value);
    if (n->zxid > 0) said.zxid = Zxid::from_wire(n->zxid);
    said.detail = fmt::format("{}, for s{} at epoch {}, round {}", text_of(n->state),
                              n->leader.value, n->peer_epoch, n->election_epoch);
  } else {
    said.name = "a vote that does not decode";
  }
  take(4 + size_t{length}, said);
  return true;
}

bool SaidReader::next_frame(Said& said) {
  if (rest().size() < 4) return false;
  const uint32_t length = get_u32(rest().data());
  if (length > kSaidBytesMax) {  // four letters, or nonsense
    opaque_ = true;
    return next(said);
  }
  if (rest().size() < 4 + size_t{length}) return false;
  const ByteView frame = rest().subspan(4, length);
  if (!greeted_) {
    greeted_ = true;
    said.name = from_connector_ ? "connect" : "session";
  } else if (from_connector_) {
    describe_request(frame, said);
  } else {
    describe_reply(frame, said);
  }
  if (said.name.empty()) said.name = fmt::format("{} bytes", length);
  take(4 + size_t{length}, said);
  return true;
}

}  // namespace vivarium::sim
