// Server: the client side of one node: connections, sessions' handshakes, reads, replies in request
// order, watches. Knows nothing of roles beyond Replication, which Node adapts Zab to.
//
// Order kept per connection (semantics section 13): replies in request order; a read waits for the
// session's earlier writes and syncs on this server and for nothing else; a watch event of zxid z
// is queued before any reply that reflects a state >= z. All output of a turn leaves in one send
// per connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/event.h"
#include "core/server/client_connection.h"
#include "core/server/connection_throttle.h"
#include "core/server/fifo.h"
#include "core/server/reads.h"
#include "core/server/replication.h"
#include "core/server/server_stats.h"
#include "core/server/session_ids.h"
#include "core/tree/data_tree.h"
#include "core/tree/sessions.h"
#include "core/tree/watches.h"
#include "core/wire/client_messages.h"
#include "core/world.h"

namespace vivarium {

struct ServerParts {
  const Config& config;
  World& world;
  Replication& replication;
  const DataTree& tree;
};

class Server {
 public:
  explicit Server(const Config& config);

  // Takes events of the client door and its links. True: the event was Server's.
  bool step(const Event& event, ServerParts& parts);
  // Goes on with connections that had to wait, then sends. Call it before Zab's end_turn, so that
  // what is submitted here leaves in the same turn, and again when that has called back: both share
  // what a step may do.
  void end_turn(ServerParts& parts);
  void end_turn_again(ServerParts& parts);
  Instant deadline() const;
  void on_deadline(ServerParts& parts);

  // ZabUser's calls, handed on by Node. tree.last_applied() is the txn's zxid in applied().
  void applied(const Effects& effects, ServerParts& parts);
  // False: what was applied is still being told.
  bool takes_more() const { return untold_.empty(); }
  void serving_started(ServerParts& parts);
  void read_only_started(ServerParts& parts);
  void serving_stopped(ServerParts& parts);
  void revalidated(SessionId session, bool valid, Zxid proposed, ServerParts& parts);
  void synced(uint64_t ticket, ServerParts& parts);

  bool read_only() const { return read_only_; }
  size_t local_session_count() const { return local_.size(); }
  size_t connection_count() const { return connection_count_; }
  // Writes and syncs submitted and not yet answered, those of lost connections included.
  size_t requests_in_flight() const { return in_flight_; }
  size_t watch_count() const { return watches_.count(); }
  // Bytes held for the link's requests: received and not answered. 0 for an unknown link.
  uint64_t bytes_held(LinkId link) const;

  // --- for operators (admin_words.h, admin_server.h)
  // Four-letter words that have arrived on links that are Server's no more.
  struct WordAsked {
    LinkId link;
    uint32_t word = 0;  // four bytes, big endian
    std::string address;
    uint16_t port = 0;
  };
  std::vector<WordAsked> take_words() { return std::exchange(words_, {}); }
  void note_word_answered() { ++stats_.sent; }
  // The tree's digest at every 128th zxid, as ZooKeeper keeps it; the last 1024.
  struct DigestAt {
    Zxid zxid;
    uint64_t digest = 0;
  };
  const std::deque<DigestAt>& digests() const { return digests_; }
  const ConnectionThrottle& connection_throttle() const { return throttle_; }
  uint64_t large_request_bytes() const { return large_bytes_; }
  const ServerStats& stats() const { return stats_; }
  const TrafficMetrics& traffic() const { return traffic_; }
  void reset_stats() {
    stats_.reset();
    traffic_ = TrafficMetrics();
  }
  void reset_connection_stats();
  // Closes about so many of a hundred connections, chosen by chance, over the next turns; their
  // clients go elsewhere. How many.
  size_t shed(uint32_t percent, World& world);
  const WatchTable& watches() const { return watches_; }
  // The connection with the smallest slot from `slot` on, or null.
  const ClientConnection* connection_from(uint32_t slot) const;
  const ClientConnection* connection_of(LinkId link) const { return find(link); }

 private:
  enum class End : uint8_t {
    Drain,  // what was answered leaves first
    Abort,  // at once
    Gone    // the link has ended by itself
  };

  // A write on its way through the pipeline. Outlives its connection, so that its txn cannot be
  // taken for the answer to another request.
  struct InFlight {
    int32_t cxid = 0;
    Op op{};
    LinkId link;            // of the connection it came on
    uint64_t position = 0;  // in that connection's queue
    Zxid after;             // its txn is above this
  };
  struct Session {
    LinkId link;  // of the connection that holds the session, or is asking for it; or none
    Fifo<InFlight> in_flight;
  };
  struct SyncTicket {
    LinkId link;
    uint64_t position = 0;
  };
  // A watch event on its way to those who waited for it.
  struct Telling {
    uint64_t number = 0;  // among all events
    Bytes frame;          // encoded when somebody needs it
    size_t waited = 0;    // who was found to wait for it
    size_t told = 0;      // of these, who may know
  };

  // A connection may be gone after any call that replies, closes or calls Replication: functions
  // that go on afterwards hold a LinkId and look again.
  ClientConnection* find(LinkId link);
  const ClientConnection* find(LinkId link) const;

  // server.cc: links, frames, back-pressure
  void begin_serving(ServerParts& parts);
  void accept(const LinkAccepted& event, ServerParts& parts);
  void receive(const LinkBytes& event, ServerParts& parts);
  void take(LinkId link, ByteView fresh, ServerParts& parts);
  size_t take_frames(LinkId link, ByteView in, ServerParts& parts);
  bool take_frame(ClientConnection& connection, ByteView frame, ServerParts& parts);
  static bool would_be_overtaken(const ClientConnection& connection);
  bool must_line_up(const ServerParts& parts);
  bool rejects_large(uint64_t bytes, ServerParts& parts) const;
  enum class Patience : uint8_t { Enough, Throttled, Stale };
  Patience leave_line(ClientConnection& connection, Op op, ServerParts& parts);
  bool output_full(const ClientConnection& connection, const ServerParts& parts) const;
  void stall(ClientConnection& connection);
  void mark_dirty(ClientConnection& connection);
  void mark_told(ClientConnection& connection);
  void resume_stalled(ServerParts& parts);
  void shed_some(ServerParts& parts);
  void flush_dirty(ServerParts& parts);
  void flush_some_told(ServerParts& parts);
  void forget_some_watches(ServerParts& parts);
  void flush(ClientConnection& connection, ServerParts& parts);
  void note_unsent(ClientConnection& connection, uint64_t bytes);
  void drop_slowest(ServerParts& parts);
  void close(ClientConnection& connection, End end, ServerParts& parts);
  void forget(ClientConnection& connection);
  void hand_over_word(ClientConnection& connection, uint32_t word);
  void tell_of_refusal(std::string_view line, ServerParts& parts);

  // handshake.cc
  void connect(ClientConnection& connection, ByteView frame, ServerParts& parts);
  bool waits_for_service(ClientConnection& connection, ByteView frame, ServerParts& parts);
  void set_handshake_deadline(ClientConnection& connection, Instant at);
  bool admit(const ConnectRequest& request, ServerParts& parts);
  void create_session(ClientConnection& connection, ServerParts& parts);
  void reattach(ClientConnection& connection, const ConnectRequest& request, ServerParts& parts);
  void establish(ClientConnection& connection);
  void refuse(ClientConnection& connection, ServerParts& parts);

  // local_sessions.cc
  bool open(const ServerParts& parts) const { return read_only_ || parts.replication.serving(); }
  bool touch(const ClientConnection& connection, ServerParts& parts);
  void create_local_session(ClientConnection& connection, ServerParts& parts);
  void expire_local_sessions(ServerParts& parts);
  ErrorCode upgrade_if_needed(ClientConnection& connection, Op op, ByteView body,
                              ServerParts& parts);
  void answer_here(ClientConnection& connection, int32_t xid, Op op, ErrorCode error,
                   ServerParts& parts);

  // requests.cc
  void request(ClientConnection& connection, const RequestHeader& header, ByteView body,
               ServerParts& parts);
  uint64_t enqueue(ClientConnection& connection, PendingRequest request);
  PendingRequest dequeue(ClientConnection& connection);
  Bytes take_spare_body();
  void keep_spare_body(Bytes body);
  void submit(ClientConnection& connection, int32_t cxid, Op op, uint64_t position, ByteView body,
              ServerParts& parts);
  void identify(ClientConnection& connection, PendingRequest& request, ByteView body,
                ServerParts& parts);
  void identify_by_sasl(ClientConnection& connection, PendingRequest& request, ByteView body,
                        ServerParts& parts);
  void refuse_stranger(ClientConnection& connection, PendingRequest request, ServerParts& parts);
  void start_sync(ClientConnection& connection, int32_t xid, ByteView body, ServerParts& parts);
  void advance(ClientConnection& connection, ServerParts& parts);
  bool rearm_some(ClientConnection& connection, ServerParts& parts);
  ReadContext context_of(const ClientConnection& connection, const PendingRequest& request,
                         ServerParts& parts);
  void reply(ClientConnection& connection, const PendingRequest& request, ByteView body,
             ServerParts& parts);
  void answer(ClientConnection& connection, const PendingRequest& request, ByteView body,
              ServerParts& parts);
  void note_digest(const DataTree& tree);
  void settle(const Effects& effects, ServerParts& parts);
  void finish_write(ClientConnection& connection, const InFlight& write, const Effects& effects,
                    ServerParts& parts);
  void forget_session(SessionId session, ServerParts& parts);

  // watch_events.cc
  void fire_watches(const Effects& effects);
  bool tell_some(const Effects::Change& change, Telling& telling);
  void tell(ClientConnection& connection, const Effects::Change& change, Telling& telling);
  void note_told(const Effects::Change& change, const Telling& telling);
  void tell_on(const ServerParts& parts);
  void catch_up(ClientConnection& connection);
  bool caught_up(const ClientConnection& connection) const;

  std::deque<ClientConnection> connections_;  // by LinkId::slot
  size_t connection_count_ = 0;
  uint64_t unsent_ = 0;       // sum over the connections
  uint64_t large_bytes_ = 0;  // likewise
  ConnectionThrottle throttle_;
  std::map<std::string, uint32_t> per_address_;
  std::set<std::pair<Instant, LinkId>> handshakes_;  // by deadline
  std::map<SessionId, Session> sessions_;  // held by a connection, or with writes in flight
  std::map<uint64_t, SyncTicket> syncs_;
  uint64_t next_ticket_ = 1;
  size_t in_flight_ = 0;
  SessionIds session_ids_;
  SessionTracker local_;  // sessions that only this server knows; they end with its role
  bool read_only_ = false;
  AclRules acl_rules_;
  WatchTable watches_;
  // Of the last txn, what is not told to all who waited for it; the first is under way. Nothing is
  // applied meanwhile, and who asks for something is told first (catch_up()).
  std::deque<std::pair<Effects::Change, Telling>> untold_;
  Zxid event_zxid_;                   // of that txn
  uint64_t events_ = 0;               // that have been; the number of the last one
  size_t tell_left_ = 0;              // watchers, of this turn's share
  size_t requests_left_ = 0;          // of the share of this step, or of this turn's end
  std::vector<LinkId> stalled_;       // have input or an answerable queue, and had to wait
  bool lined_up_ = false;             // some of them wait for the pipeline
  std::vector<LinkId> dirty_;         // have output, or credit to get
  std::deque<LinkId> told_;           // one of many with the same watch event in its output
  std::deque<WatcherId> leaving_;     // connections that are gone, and have watches still
  std::vector<LinkId> shed_;          // still to be closed
  Instant retry_ = Instant::never();  // of whatever goes on in a later turn
  Bytes spare_body_;                  // the memory of an answered request's, for the next one
  std::vector<WordAsked> words_;
  ServerStats stats_;
  TrafficMetrics traffic_;  // since the start or the last srst
  std::deque<DigestAt> digests_;
  Instant silent_until_;  // no further line about refused clients before
};

}  // namespace vivarium
