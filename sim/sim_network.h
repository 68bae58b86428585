// The network between simulated hosts: links as TCP gives them. Each direction is a queue of bytes
// with five positions: delivered <= arrived <= left <= committed <= accepted. A turn's end commits
// what was sent; committed bytes leave while the window (both kernels' buffers) has room; what left
// arrives as packets, in order, cut anywhere; what arrived is delivered as far as the reader's
// credit goes. Handles are per host; a connection's slot is reused only after both ends are gone.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/event.h"
#include "sim/choices.h"
#include "sim/event_queue.h"
#include "sim/sim_files.h"

namespace vivarium::sim {

// Ports of a server's doors.
inline constexpr uint16_t kClientPort = 1;
inline constexpr uint16_t kQuorumPort = 2;
inline constexpr uint16_t kElectionPort = 3;
inline constexpr uint16_t kAdminPort = 4;
inline constexpr uint16_t kMetricsPort = 5;

struct NetOptions {
  Delay connect{microseconds(150), microseconds(300), 8, milliseconds(20)};
  Delay packet{microseconds(80), microseconds(200), 8, milliseconds(20)};
  uint32_t split_per_1024 = 96;  // departures that arrive in several pieces
  uint64_t window_bytes = 256 << 10;
  // An end notices that a link broke, or that a machine is unreachable, within this.
  Delay notice{microseconds(50), milliseconds(2), 128, milliseconds(500)};
  Delay unreachable{milliseconds(20), milliseconds(500), 0, {}};
};

// What happens to packets from one host to another.
enum class Path : uint8_t {
  Open,
  Stalled,   // held back, and sent again when the path opens
  BlackHole  // vanish; a stream that lost bytes never goes on, and nobody is told
};

// What a connection attempt meets at a host.
enum class Presence : uint8_t { MachineOff, NoProcess, Listening };

struct LinkInfo {
  uint32_t connection = 0;
  uint32_t generation = 0;
  HostId from;  // who connected
  HostId to;
  uint16_t port = 0;
  uint32_t nth = 0;  // between these hosts and this port
  bool up = false;   // both ends live
};

class SimNetwork {
 public:
  explicit SimNetwork(const NetOptions& options) : options_(options) {}
  HostId add_host();

  // --- the World's side. A stale handle is ignored.
  LinkId connect(Moment& m, HostId from, std::optional<HostId> to, uint16_t port);
  void send(HostId host, LinkId link, ByteView bytes);
  uint64_t unsent(HostId host, LinkId link) const;
  void give_credit(Moment& m, HostId host, LinkId link, uint64_t bytes);
  void close(Moment& m, HostId host, LinkId link, bool drain);
  // What the host sent in this turn leaves.
  void end_turn(Moment& m, HostId host);

  // --- happenings. Each says whether the process is to be told, as far as it can be now.
  bool syn(Moment& m, const Happening& h);     // then accepted() is due
  bool accepted(const Happening& h) const;     // LinkAccepted
  bool up(Moment& m, const Happening& h);      // LinkUp
  bool arrive(Moment& m, const Happening& h);  // then deliver() is due
  bool drained(const Happening& h);            // LinkDrained
  void window_open(Moment& m, const Happening& h);
  bool reset(Moment& m, const Happening& h);  // then down() is due
  bool down(Moment& m, const Happening& h);   // LinkDown; the handle is dead
  // Bytes to deliver now, as far as the credit goes: taken from the stream, and intact until the
  // step that gets them is over.
  ByteView take(Moment& m, const Happening& h);
  // All of the stream was delivered and its sender closed it: down() is due.
  bool at_end(const Happening& h) const;
  LinkId link_of(const Happening& h) const { return link_at(h.slot, told(h)); }
  Door door_of(const Happening& h) const;
  HostId peer_of(const Happening& h) const;
  // Between steps: slots of dead connections may be used again.
  void reap();

  // --- faults
  void set_presence(Moment& m, HostId host, Presence presence);
  // The process of `host` ended; its kernel lives and ends the links, or the power is gone and
  // nobody is told for now.
  void process_died(Moment& m, HostId host, bool power_lost);
  void set_path(Moment& m, HostId from, HostId to, Path path);
  Path path(HostId from, HostId to) const { return pair(from, to).path; }
  void set_delay(HostId from, HostId to, const Delay& packet);
  std::vector<LinkInfo> links() const;
  // Both ends get LinkDown, at different times; bytes in flight are lost from some position on.
  void break_link(Moment& m, const LinkInfo& link, uint64_t fault);
  // One direction: 0 from the one who connected, 1 towards it.
  void stall(Moment& m, const LinkInfo& link, int direction, SimTime until);
  void vanish(const LinkInfo& link, int direction);  // a black hole from now on
  // What both kernels hold of a direction; 0: nothing leaves any more.
  void set_window(Moment& m, const LinkInfo& link, int direction, uint64_t bytes);
  // Bytes that the peer never sent arrive behind those in flight.
  void inject(Moment& m, const LinkInfo& link, int direction, ByteView bytes);
  // Flips a bit of the first byte in flight. False when there is none.
  bool corrupt(const LinkInfo& link, int direction, uint32_t bit);

  uint64_t bytes_delivered() const { return bytes_delivered_; }
  // For the reader of a trace: the ends and the position of a link.
  std::optional<LinkInfo> info(HostId host, LinkId link) const;
  // The host's own handle of it; nullopt when that is dead.
  std::optional<LinkId> handle(HostId host, const LinkInfo& link) const;
  // Of the link that the happening is about; nullopt when it is gone.
  std::optional<LinkInfo> info(const Happening& h) const;

 private:
  enum class EndState : uint8_t { Unborn, Waiting, Live, Gone };
  struct Stream {
    Bytes bytes;  // from `delivered` (at head) to `accepted`
    size_t head = 0;
    uint64_t delivered = 0;
    uint64_t arrived = 0;
    uint64_t acked = 0;  // delivered, as far as the sender knows
    uint64_t left = 0;
    uint64_t committed = 0;
    uint64_t accepted = 0;
    uint64_t credit = 0;
    uint64_t window = 0;
    uint64_t cut = UINT64_MAX;  // nothing behind it ever arrives
    uint64_t packets = 0;
    uint64_t window_opens = 0;
    uint64_t held_to = 0;  // arrived at a stalled path
    SimTime last_arrival;
    SimTime stalled_until;
    bool dirty = false;  // in the sender's list of this turn
    bool drain_due = false;
    bool closing = false;  // the sender closed: Fin behind the last byte
    bool fin_sent = false;
    bool fin_held = false;
    bool fin_arrived = false;
    bool refused = false;  // the receiver is gone and has said so
    bool deliver_queued = false;
    bool window_queued = false;
  };
  struct End {
    HostId host = kNoHost;
    EndState state = EndState::Unborn;
    LinkId link;
  };
  struct Connection {
    uint32_t generation = 0;
    bool used = false;
    bool broken = false;  // before it was accepted
    bool syn_held = false;
    bool up_held = false;
    bool reset_held[2] = {false, false};
    bool orphan[2] = {false, false};  // the other end died silently: a send is answered by a reset
    uint16_t port = 0;
    uint32_t nth = 0;   // between these hosts and this port
    End ends[2];        // 0 connected, 1 accepted
    Stream streams[2];  // [i] is sent by ends[i]
  };
  struct LinkSlot {
    uint32_t generation = 0;
    bool used = false;
    uint32_t connection = 0;
    uint8_t end = 0;
  };
  struct DirtyStream {
    uint32_t connection;
    uint32_t generation;
    uint8_t end;
  };
  struct HostLinks {
    Presence presence = Presence::MachineOff;
    std::vector<LinkSlot> links;
    std::vector<uint32_t> free;
    std::vector<DirtyStream> dirty;
  };
  struct Pair {
    Path path = Path::Open;
    bool own_delay = false;
    uint32_t connects[4] = {0, 0, 0, 0};
    Delay delay;
  };

  bool alive(const End& end) const {
    return end.state == EndState::Waiting || end.state == EndState::Live;
  }
  // A happening of a direction (a = sender's end) or of an end (a = end).
  static size_t direction(const Happening& h) { return h.a & 1; }
  static size_t told(const Happening& h) {
    const bool of_stream =
        h.kind == Happens::Arrive || h.kind == Happens::Fin || h.kind == Happens::Deliver;
    return of_stream ? 1 - direction(h) : direction(h);
  }
  Connection* find(const Happening& h);
  const Connection* find(const Happening& h) const;
  Connection* find(const LinkInfo& link);
  LinkSlot* slot(HostId host, LinkId link);
  const LinkSlot* slot(HostId host, LinkId link) const;
  LinkId link_at(uint32_t connection, size_t end) const {
    return connections_[connection].ends[end].link;
  }
  Pair& pair(HostId a, HostId b) { return pairs_[a.value * hosts_.size() + b.value]; }
  const Pair& pair(HostId a, HostId b) const { return pairs_[a.value * hosts_.size() + b.value]; }

  uint32_t allocate();
  void birth(uint32_t connection, size_t end, EndState state);
  void death(uint32_t connection, size_t end);
  LinkInfo info_of(uint32_t connection) const;
  Choice choice(ChoiceKind kind, const Connection& c, size_t end, uint64_t nth) const;
  Duration packet_delay(Moment& m, const Connection& c, size_t sender, uint64_t nth);
  void push(Moment& m, SimTime at, Happens kind, uint32_t connection, size_t which, uint64_t b);
  void flush(Moment& m, uint32_t connection, size_t sender);
  void depart(Moment& m, uint32_t connection, size_t sender, uint64_t bytes);
  void send_fin(Moment& m, uint32_t connection, size_t sender);
  void send_reset(Moment& m, uint32_t connection, size_t to_end);
  void acknowledge(Moment& m, uint32_t connection, size_t sender);
  void reopen(Moment& m, uint32_t connection);
  void cut_in_flight(Moment& m, Connection& c, size_t sender, uint64_t cause);
  static void append(Stream& s, ByteView bytes);

  NetOptions options_;
  std::vector<HostLinks> hosts_;
  std::vector<Pair> pairs_;
  std::vector<Connection> connections_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> dead_;
  Bytes scratch_;
  uint64_t bytes_delivered_ = 0;
};

}  // namespace vivarium::sim
