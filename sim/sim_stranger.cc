#include "sim/sim_stranger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>

#include "core/wire/client_messages.h"
#include "core/wire/peer_messages.h"
#include "sim/sim_network.h"

namespace vivarium::sim {
namespace {

// What it does with the message that the door expects.
enum class Insult : uint8_t { Silence, Half, Lengths, Changed, Noise, Unread };
constexpr uint64_t kInsults = 6;

// One changed byte cannot make a member's id of it.
constexpr ServerId kNobody{0x5a5a'5a5a'5a5a'5a5a};
constexpr std::array<uint16_t, 4> kDoors{kClientPort, kQuorumPort, kElectionPort, kAdminPort};
constexpr uint64_t kUnreadRequests = 400;

void add_frame(ByteView message, Bytes& out) { JuteWriter(out).buffer(message); }

// A session that nobody has: whoever lets it in has made a mistake.
Bytes client_message() {
  const Bytes password(16, Byte{0x5a});
  ConnectRequest connect;
  connect.timeout_ms = 1000;
  connect.session = SessionId{0x5a5a'5a5a'5a5a'5a5a};
  connect.password = password;
  Bytes body;
  encode(connect, body);
  Bytes out;
  add_frame(body, out);
  body.clear();
  encode(RequestHeader{1, static_cast<int32_t>(Op::GetChildren2)}, body);
  encode(PathWatchRequest{"/", true}, body);
  add_frame(body, out);
  return out;
}

Bytes quorum_message() {
  Bytes info;
  encode(LearnerInfo{kNobody, 0x10000, 0, {}}, info);
  Bytes out;
  encode_packet(PacketType::FollowerInfo, 0, info, out);
  encode_packet(PacketType::Ack, 0, out);
  return out;
}

Bytes election_message() {
  Bytes out;
  encode(ElectionHello{kNobody, "nowhere:3"}, out);
  Notification n;
  n.state = PeerState::Looking;
  n.leader = kNobody;
  n.zxid = 1;
  n.election_epoch = 1;
  encode_notification_frame(n, out);
  return out;
}

Bytes message_for(uint16_t door) {
  switch (door) {
    case kClientPort:
      return client_message();
    case kQuorumPort:
      return quorum_message();
    case kElectionPort:
      return election_message();
    default: {
      const std::string_view text = "GET /commands/monitor HTTP/1.1\r\nHost: s\r\n\r\n";
      return Bytes(text.begin(), text.end());
    }
  }
}

Bytes insult(Insult kind, uint16_t door, const std::function<uint64_t(uint64_t, uint64_t)>& draw) {
  Bytes bytes = message_for(door);
  switch (kind) {
    case Insult::Silence:
      return {};
    case Insult::Half:
      bytes.resize(1 + draw(10, bytes.size() - 1));
      return bytes;
    case Insult::Lengths: {
      constexpr std::array<int32_t, 6> kLengths{-1, INT32_MIN, INT32_MAX, 0, 1 << 24, 1};
      const size_t at = draw(10, bytes.size() - 3);
      put_u32(bytes.data() + at, static_cast<uint32_t>(kLengths[draw(11, kLengths.size())]));
      return bytes;
    }
    case Insult::Changed:
      bytes[draw(10, bytes.size())] ^= static_cast<Byte>(1 + draw(11, 255));
      return bytes;
    case Insult::Noise:
      bytes.resize(1 + draw(10, 600));
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<Byte>(draw(20 + i, 256));
      return bytes;
    case Insult::Unread: {
      const Bytes once = bytes;
      for (uint64_t i = 0; i < kUnreadRequests; ++i) append_bytes(bytes, once);
      return bytes;
    }
  }
  return bytes;
}

}  // namespace

uint64_t SimStranger::draw(Choices& choices, uint64_t what, uint64_t n) const {
  // Behind the numbers of clients and operators.
  return choices.below({ChoiceKind::Workload, 2000, visits_, what}, n);
}

void SimStranger::step(const Event& event, World& world, Choices& choices) {
  if (std::holds_alternative<Started>(event)) {
    next_ = world.now() + options_.pause;
  } else if (const auto* up = std::get_if<LinkUp>(&event)) {
    if (up->link == link_ && !unsent_.empty()) world.send(link_, unsent_);
  } else if (const auto* down = std::get_if<LinkDown>(&event)) {
    if (down->link == link_) leave(world, false);
  } else if (std::holds_alternative<TurnEnded>(event)) {
    const Instant now = world.now();
    if (link_.valid() && leave_ <= now) leave(world, true);
    if (!link_.valid() && next_ <= now && visits_ < options_.visits) visit(world, choices);
    const bool over = !link_.valid() && visits_ >= options_.visits;
    world.set_timer(over ? Instant::never() : link_.valid() ? leave_ : next_);
  }
}

void SimStranger::visit(World& world, Choices& choices) {
  ++visits_;
  const uint64_t server = draw(choices, 0, options_.servers);
  const uint16_t door = kDoors[draw(choices, 1, kDoors.size())];
  const auto kind = static_cast<Insult>(draw(choices, 2, kInsults));
  unsent_ = insult(kind, door, [&](uint64_t what, uint64_t n) { return draw(choices, what, n); });
  link_ = world.connect({fmt::format("s{}", server + 1), door});
  leave_ = world.now() + milliseconds(static_cast<int64_t>(1 + draw(choices, 3, 400)));
}

void SimStranger::leave(World& world, bool close_link) {
  if (close_link) world.close(link_, false);
  link_ = LinkId{};
  next_ = world.now() + options_.pause;
}

}  // namespace vivarium::sim
