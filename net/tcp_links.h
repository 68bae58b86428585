// TcpLinks: the link half of World over TCP, on one edge-triggered epoll. Readiness is noted as it
// comes and turned into events by deliver(), one read per link and turn and never past the credit;
// what was sent in a turn leaves at flush(), one sendmsg per link. Calls on a dead handle do
// nothing.
//
// Behind a door with TLS a link is a stranger until its handshake is over: the core has not heard
// of it. Strangers have a deadline, are counted, and share a budget of handshake steps per turn.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/event.h"
#include "core/world.h"
#include "disk/fd.h"
#include "net/resolver.h"
#include "net/send_queue.h"
#include "net/socket_address.h"
#include "net/tls_context.h"

namespace vivarium {

// What is spoken behind a door. Either: the first byte tells.
enum class DoorTls : uint8_t { Plain, Tls, Either };

struct DoorOptions {
  DoorTls tls = DoorTls::Plain;
  int backlog = -1;         // below 1: as long as is sensible
  bool keep_alive = false;  // SO_KEEPALIVE on what it accepts
};

struct TlsCounts {
  int64_t refused = 0;      // handshakes that failed or took too long
  int64_t crowded_out = 0;  // strangers that had to make room for others
};

class TcpLinks {
 public:
  using Deliver = std::function<void(const Event&)>;

  // `epoll` outlives this. The epoll data of everything here is_mine().
  explicit TcpLinks(int epoll);
  TcpLinks(const TcpLinks&) = delete;
  TcpLinks& operator=(const TcpLinks&) = delete;

  // Opens a door; it accepts from the next turn on.
  Result<void> listen(Door door, const Address& address, const DoorOptions& options = {});
  // SO_KEEPALIVE on connections that are opened from now on.
  void keep_connections_alive(bool on) { keep_alive_ = on; }
  // For connections from now on; there has to be one before a door with TLS opens.
  void use_tls(std::shared_ptr<const TlsContext> tls, Duration handshake_deadline);
  // The port of an open door (of its first address).
  uint16_t port(Door door) const;
  uint16_t tls_port() const;

  // --- World's operations.
  LinkId connect(const Address& to);
  void send(LinkId link, ByteView bytes);
  void send_shared(LinkId link, SharedBytes bytes);
  uint64_t unsent(LinkId link) const;
  void give_credit(LinkId link, uint64_t bytes);
  void close(LinkId link, bool drain, Instant now);
  void keep_half_open(LinkId link);

  // --- the loop's side.
  static bool is_mine(uint64_t token);
  void note_ready(uint64_t token, uint32_t events);
  int wake_fd() const { return resolver_.wake_fd(); }
  void note_answers() { answers_ready_ = true; }  // wake_fd() is readable
  // Something can be delivered at once: the next turn must not sleep.
  bool has_work() const { return !touched_.empty(); }
  // Strangers and closing links that make no progress are given up at this instant; never() when
  // there is none.
  Instant next_deadline() const;
  void deliver(Instant now, const Deliver& deliver);
  void flush(Instant now);

  // For the end of the process: the doors close, every link drains; true when all has left.
  void begin_shutdown(Instant now);
  bool is_quiet() const;
  // A line that an operator should see, at most one per turn; empty when there is none.
  std::string take_warning();
  size_t stranger_count() const { return strangers_.size(); }
  // Since the last call.
  TlsCounts take_tls_counts() { return std::exchange(tls_counts_, TlsCounts()); }

 private:
  // Detecting and Handshaking are strangers.
  enum class State : uint8_t { Free, Resolving, Connecting, Detecting, Handshaking, Up, Draining };
  struct Link {
    uint32_t generation = 1;
    State state = State::Free;
    bool readable = false;
    bool writable = false;
    bool ended = false;      // the other end will send no more
    bool broken = false;     // nothing passes any more
    bool half_open = false;  // the end of the other end's half is not that of the link
    bool end_told = false;   // LinkEnded
    bool stalled = false;    // a turn ended with bytes unsent
    bool drained = false;    // LinkDrained is due
    bool failed = false;     // could not be connected: LinkDown is due
    bool touched = false;    // in touched_
    bool dirty = false;      // in dirty_
    bool write_closed = false;
    bool close_when_up = false;  // closed with drain before it was up
    Fd fd;
    uint64_t credit = 0;
    Instant drain_deadline{};
    Instant drain_end{};
    SendQueue out;
    std::vector<SocketAddress> candidates;  // tried from the back
    std::unique_ptr<TlsStream> tls;         // none: plain bytes
    Door door{};                            // of a stranger, as the following
    DoorTls door_tls{};
    std::string remote;
    uint16_t remote_port = 0;
    Instant accepted_at{};
    Instant stranger_until{};
  };
  struct Listener {
    Fd fd;
    Door door{};
    DoorTls tls{};
    bool keep_alive = false;
    bool ready = false;
  };

  Link* find(LinkId id);
  const Link* find(LinkId id) const;
  // Also finds links that the core has closed and that still drain.
  Link* find_any(LinkId id);
  LinkId allocate();
  void release(LinkId id);
  void touch(LinkId id, Link& link);
  void mark_dirty(LinkId id, Link& link);
  void watch(LinkId id, Link& link);

  void connect_next(LinkId id, Link& link);
  void take_answers();
  void finish_connect(LinkId id, Link& link, Instant now, const Deliver& deliver);
  void process(LinkId id, Instant now, const Deliver& deliver);
  void read(LinkId id, Link& link, const Deliver& deliver);
  void read_encrypted(LinkId id, Link& link, const Deliver& deliver);
  void look_for_end(LinkId id, Link& link, const Deliver& deliver);
  void their_end(LinkId id, Link& link, const Deliver& deliver);
  void down(LinkId id, const Deliver& deliver);
  void begin_drain(LinkId id, Link& link, Instant now);
  void drain(LinkId id, Link& link, Instant now);
  void check_deadlines(Instant now, const Deliver& deliver);
  int send_encrypted(Link& link);

  void welcome(LinkId id, Link& link, DoorTls tls, Instant now);
  void give_time(LinkId id, Link& link, Instant until);
  void detect(LinkId id, Link& link, const Deliver& deliver);
  void shake_hands(LinkId id, Link& link, const Deliver& deliver);
  void admit(LinkId id, Link& link, const Deliver& deliver);
  void turn_away(LinkId id, Link& link, std::string_view why);
  void check_strangers(Instant now, const Deliver& deliver);

  void accept_some(Listener& listener, Instant now, const Deliver& deliver);
  bool accept_one(Listener& listener, Instant now, const Deliver& deliver);
  void refuse_for_want_of_descriptors(Listener& listener);

  int epoll_;
  bool keep_alive_ = false;
  Resolver resolver_;
  std::vector<Resolver::Answer> answers_;
  bool answers_ready_ = false;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<uint32_t> free_slots_;
  std::vector<LinkId> touched_;
  std::vector<LinkId> dirty_;
  std::vector<LinkId> batch_;
  std::vector<Listener> listeners_;
  bool listener_ready_ = false;
  std::vector<LinkId> draining_;  // some may be gone already
  Bytes buffer_;
  int descriptor_limit_ = 0;  // of the door that accepts at present
  Fd reserve_;                // given up to accept and refuse when there are no descriptors left
  std::string warning_;
  std::shared_ptr<const TlsContext> tls_;
  Duration handshake_deadline_{};
  std::set<std::pair<Instant, LinkId>> strangers_;  // by deadline
  int handshake_steps_left_ = 0;                    // in this turn
  Instant silent_until_{};                          // no line about a stranger before
  Instant now_{};                                   // of deliver()
  TlsCounts tls_counts_;
};

}  // namespace vivarium
