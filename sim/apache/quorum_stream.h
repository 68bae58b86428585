// A connection of the quorum port: packets out, and packets in as far as they are whole.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/wire/peer_messages.h"
#include "core/world.h"

namespace vivarium::apache {

// A packet that owns its bytes.
struct Packet {
  PacketType type{};
  int64_t zxid = 0;
  Bytes data;
  std::vector<AuthId> auth;
};

class QuorumStream {
 public:
  static constexpr uint64_t kCredit = 1 << 20;
  static constexpr size_t kDataBytesMax = 1 << 24;

  QuorumStream() = default;
  explicit QuorumStream(LinkId id) : id_(id) {}
  LinkId id() const { return id_; }

  void receive(ByteView bytes, World& world) {
    append_bytes(in_, bytes);
    world.give_credit(id_, bytes.size());
  }
  // Bytes that are no packets: the state behind SNAP.
  ByteView bytes() const { return in_; }
  void consume(size_t count) {
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(count));
  }
  // The next whole packet. `bad`: there will never be one.
  std::optional<Packet> next(bool& bad) {
    QuorumPacket packet;
    size_t used = 0;
    const Decoded state = decode_quorum_packet(in_, kDataBytesMax, packet, used);
    bad = state == Decoded::Bad;
    if (state != Decoded::Ok) return std::nullopt;
    Packet out{packet.type, packet.zxid, Bytes(packet.data.begin(), packet.data.end()),
               std::move(packet.auth)};
    consume(used);
    return out;
  }

  void send(PacketType type, int64_t zxid, World& world) {
    Bytes out;
    encode_packet(type, zxid, out);
    world.send(id_, out);
  }
  void send(PacketType type, int64_t zxid, ByteView data, World& world) {
    Bytes out;
    encode_packet(type, zxid, data, out);
    world.send(id_, out);
  }

 private:
  LinkId id_;
  Bytes in_;
};

}  // namespace vivarium::apache
