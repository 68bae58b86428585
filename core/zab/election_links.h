// ElectionLinks: the connections of the election port (quorum-protocol section 2). One per member
// of the configuration, kept by the side with the larger id; a member is called back at its
// configured address, whatever its hello says. Ids in no configuration are strangers, answered on
// the connection they opened. Nothing here waits for one peer at the cost of another, and what a
// peer can make us hold is bounded: connections without a hello, strangers, bytes that have
// arrived, one outgoing message per connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/config.h"
#include "core/event.h"
#include "core/world.h"

namespace vivarium {

class ElectionLinks {
 public:
  // Who spoke, and where an answer goes: to a member by its id, to a stranger by its link.
  struct Contact {
    ServerId id;
    LinkId link;
    bool member = false;
  };
  enum class What : uint8_t {
    Connected,  // a new connection with the contact: what was sent before may be lost (hazards E7)
    Message,    // one frame arrived, without its length
    Gone        // a stranger's connection ended
  };
  struct Arrival {
    What what{};
    Contact from;
    Bytes message;
  };

  ElectionLinks() = default;
  explicit ElectionLinks(const Config& config);

  // Other members from now on: of those that stay the connections stay, unless they have moved.
  void set_members(const std::vector<Member>& members, World& world,
                   std::vector<Arrival>& arrivals);
  // Whether connections to all other voters are wanted (while looking): tried at once, then again
  // with a growing pause. Otherwise connections are used as they are, and made only for members who
  // ask.
  void want_voters(bool wanted, World& world);
  // Takes events of the election door and of its links. True: the event was one. Arrivals are
  // appended.
  bool step(const Event& event, World& world, std::vector<Arrival>& arrivals);
  Instant deadline() const;
  void on_deadline(World& world);
  // The frame to send at the end of the turn; replaces one that has not left yet. Without a
  // connection it is dropped: Connected tells when to say it again.
  void send(const Contact& to, ByteView frame);
  void end_turn(World& world);

  bool connected(ServerId member) const;
  // No process answers there: the last connection was refused or has ended, and nothing has come
  // since. What was seen long ago is forgotten with the next attempt.
  bool gone(ServerId member) const;

 private:
  // One connection that carries messages.
  struct Line {
    LinkId link;
    Bytes in;     // at most one incomplete frame, or an incomplete hello
    Bytes hello;  // to be sent first, by the side that connected
    Bytes frame;  // the newest message that has not left
  };
  enum class State : uint8_t { None, Connecting, Up };
  struct Peer {
    ServerId id;
    Address address;
    bool voter = false;
    State state = State::None;
    Line line;
    bool called = false;                 // it asked to be called back
    Instant gone_at = Instant::never();  // the last connection was refused, or ended
    Instant up_since;                    // State::Up
    uint32_t unanswered = 0;             // messages sent since anything came
    Instant last_attempt{INT64_MIN / 2};
    Instant due = Instant::never();  // None: next attempt; Connecting: give up
    Duration pause;                  // before the next attempt but one
  };
  struct Stranger {
    ServerId id;
    bool identified = false;
    Instant deadline;  // for the hello
    Line line;
  };

  Peer* find(ServerId id);
  const Peer* find(ServerId id) const;
  Peer* find(LinkId link);
  size_t find_stranger(LinkId link) const;  // strangers_.size(): none

  void attempt(Peer& peer, World& world);
  void retry_later(Peer& peer, World& world);
  void hang_up(Peer& peer, World& world);
  void call_back(Peer& peer, World& world);

  void on_accepted(LinkId link, World& world, std::vector<Arrival>& arrivals);
  bool on_up(LinkId link, World& world, std::vector<Arrival>& arrivals);
  bool on_bytes(LinkId link, ByteView bytes, World& world, std::vector<Arrival>& arrivals);
  bool on_down(LinkId link, World& world, std::vector<Arrival>& arrivals);
  void on_stranger_bytes(size_t at, ByteView bytes, World& world, std::vector<Arrival>& arrivals);
  void identify(size_t at, ServerId id, World& world, std::vector<Arrival>& arrivals);
  void take_over(Peer& peer, Line line, World& world, std::vector<Arrival>& arrivals);
  void drop_stranger(size_t at, bool close, World& world, std::vector<Arrival>& arrivals);

  void add_peer(const Member& member);
  void say_hello_as(std::string address);

  ServerId id_;
  // Members that do not know this server answer on the connection it made, and call nobody back.
  bool keeps_calls_ = false;
  Bytes hello_;
  Duration connect_wait_;
  Duration hello_wait_;
  Duration pause_min_;
  Duration pause_max_;
  bool wanted_ = false;
  std::vector<Peer> peers_;          // the other members, by id
  std::vector<Stranger> strangers_;  // in the order of their coming; unidentified ones among them
};

}  // namespace vivarium
