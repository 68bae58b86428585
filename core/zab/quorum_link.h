// QuorumLink: one end of a leader-port connection: packets in (framed here, bounded by credit) and
// packets out (gathered during a turn, one send at its end). Packets carry no length in front, so a
// stream that does not decode is over.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/wire/peer_messages.h"
#include "core/world.h"

namespace vivarium {

class QuorumLink {
 public:
  QuorumLink() = default;
  // `data_bytes_max`: the largest packet body taken from the other side.
  QuorumLink(LinkId id, size_t data_bytes_max) : id_(id), data_bytes_max_(data_bytes_max) {}

  LinkId id() const { return id_; }
  // Who has said who he is may send larger packets, and more of them at a time.
  void allow(size_t data_bytes_max) { data_bytes_max_ = data_bytes_max; }

  void receive(ByteView bytes);
  // Decodes the packet at the front. Its views stay valid until consume() or receive().
  Decoded peek(QuorumPacket& packet, size_t& used) const;
  // The bytes at the front, for what is no packet (a SNAP stream).
  ByteView front() const { return ByteView(in_).subspan(at_); }
  void consume(size_t bytes);
  // Lets more bytes arrive: a window beyond what is buffered, none while the reader stands still.
  void replenish(World& world, bool reading);

  // Where to append encoded packets.
  Bytes& out() { return out_; }
  void flush(World& world);
  // Sends what was gathered so far, then `bytes` without copying them.
  void send_shared(World& world, SharedBytes bytes);

 private:
  LinkId id_;
  size_t data_bytes_max_ = 0;
  Bytes in_;
  size_t at_ = 0;        // consumed bytes at the front of in_
  uint64_t credit_ = 0;  // given and not yet used by arrivals
  Bytes out_;
};

}  // namespace vivarium
