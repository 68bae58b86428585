// The identifiers of the protocol as types of their own, so that no two bare integers stand side by
// side. Values are ZooKeeper's: see each type.
#pragma once

#include <compare>
#include <cstdint>

namespace vivarium {

// An epoch: the number of a leadership. 31 bits are usable (RULES 20); -1 means "none" on the wire.
using Epoch = uint32_t;

// A transaction id: epoch in the high half, counter in the low half. Always compared whole.
// Counter 0 is the epoch's start (NEWLEADER), never a txn, except that a standalone server (epoch
// 0) counts through the whole 64 bits.
struct Zxid {
  uint64_t value = 0;

  constexpr Zxid() = default;
  constexpr explicit Zxid(uint64_t v) : value(v) {}
  constexpr Zxid(Epoch epoch, uint32_t counter) : value((uint64_t{epoch} << 32) | counter) {}

  constexpr Epoch epoch() const { return static_cast<Epoch>(value >> 32); }
  constexpr uint32_t counter() const { return static_cast<uint32_t>(value); }
  constexpr int64_t wire() const { return static_cast<int64_t>(value); }
  static constexpr Zxid from_wire(int64_t v) { return Zxid{static_cast<uint64_t>(v)}; }
  // The successor inside the epoch. The caller has checked that the counter is not exhausted.
  constexpr Zxid next() const { return Zxid{value + 1}; }
  // True when `*this` may directly follow `previous` in a log: (e,c+1), or (e',1) with e' > e
  // (hazards K-CONTIG). A standalone server's plain successor is covered by the first form.
  constexpr bool follows(Zxid previous) const {
    return value == previous.value + 1 || (epoch() > previous.epoch() && counter() == 1);
  }

  constexpr auto operator<=>(const Zxid&) const = default;
};

// On the wire, zxid -1: "no data" in votes (amnesia, RULES 10), "not applicable" in packets.
inline constexpr int64_t kNoZxidWire = -1;

// A server's id, the N of server.N and of myid.
struct ServerId {
  int64_t value = 0;
  constexpr auto operator<=>(const ServerId&) const = default;
};

// A client session's id. 0 is no session.
struct SessionId {
  int64_t value = 0;
  constexpr auto operator<=>(const SessionId&) const = default;
};

// A handle of the World (world.h): a slot, and the generation that tells one life of the slot from
// the next. Generation 0 is never handed out, so a default handle is "none".
template <class Tag>
struct Handle {
  uint32_t slot = 0;
  uint32_t generation = 0;
  constexpr bool valid() const { return generation != 0; }
  constexpr auto operator<=>(const Handle&) const = default;
};
using LinkId = Handle<struct LinkTag>;
using FileId = Handle<struct FileTag>;

}  // namespace vivarium
