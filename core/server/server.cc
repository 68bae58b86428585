#include "core/server/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/server/admin_words.h"
#include "core/server/identity.h"
#include "core/server/replies.h"
#include "core/server/requests.h"
#include "core/zab/rules.h"

namespace vivarium {
namespace {

constexpr size_t kRequestHeaderBytes = 8;

// All that a connection without a session may send and this server holds (DESIGN section 9).
constexpr uint64_t kHandshakeBytesMax = 1024;
// As many are closed in a turn as nobody notices.
constexpr size_t kConnectionsPerTurn = 256;
// Bytes that may be on their way to a connection with a session.
constexpr uint64_t kCreditWindow = 64 << 10;
// Requests of one connection that wait for their turn, and the bytes of their bodies.
constexpr size_t kQueueMax = 1000;
constexpr uint64_t kQueuedBytesMax = 64 << 10;
constexpr uint32_t kReadsBeforeWriteMax = 32;
// With more than this on its way to the client, no further request of it is answered.
constexpr uint64_t kOutputPause = 1 << 20;
// When to look again at a client that got more than that in one turn.
constexpr Duration kRetryAfter = milliseconds(1);
constexpr Duration kBetweenRefusalLines = milliseconds(1000);
// Of the many that are told the same, so many are sent it in half a turn.
constexpr size_t kToldAtOnceMax = 64;
// Watches of a connection that is gone: at once, and in each half of a turn behind that.
constexpr size_t kWatchesForgottenWithIt = 64;
constexpr size_t kWatchesForgottenAtOnceMax = 1024;

int32_t frame_bytes_max(const ClientConnection& connection, const Config& config) {
  const uint64_t limit = connection.phase == Phase::Handshake
                             ? kHandshakeBytesMax - kFrameLengthBytes
                             : config.packet_bytes_max;
  return static_cast<int32_t>(std::min<uint64_t>({limit, config.packet_bytes_max, INT32_MAX}));
}

}  // namespace

Server::Server(const Config& config)
    : local_(config.tick()),
      acl_rules_(acl_rules(config)),
      tell_left_(config.step_told_max),
      requests_left_(config.step_requests_max) {
  CHECK(config.step_told_max > 0 && config.step_requests_max > 0);
}

ClientConnection* Server::find(LinkId link) {
  if (!link.valid() || link.slot >= connections_.size()) return nullptr;
  ClientConnection& connection = connections_[link.slot];
  return connection.link == link ? &connection : nullptr;
}

const ClientConnection* Server::find(LinkId link) const {
  if (!link.valid() || link.slot >= connections_.size()) return nullptr;
  const ClientConnection& connection = connections_[link.slot];
  return connection.link == link ? &connection : nullptr;
}

uint64_t Server::bytes_held(LinkId link) const {
  const ClientConnection* connection = find(link);
  return connection == nullptr ? 0 : connection->input.size() + connection->queued_bytes;
}

// --- events

bool Server::step(const Event& event, ServerParts& parts) {
  if (const auto* accepted = std::get_if<LinkAccepted>(&event)) {
    if (accepted->door != Door::Client) return false;
    accept(*accepted, parts);
    return true;
  }
  if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
    if (find(bytes->link) == nullptr) return false;
    requests_left_ = parts.config.step_requests_max;
    receive(*bytes, parts);
    return true;
  }
  if (const auto* down = std::get_if<LinkDown>(&event)) {
    ClientConnection* connection = find(down->link);
    if (connection == nullptr) return false;
    close(*connection, End::Gone, parts);
    return true;
  }
  // A drained link needs nothing here: the turn's end looks at all that are stalled.
  if (const auto* drained = std::get_if<LinkDrained>(&event)) {
    ClientConnection* connection = find(drained->link);
    if (connection != nullptr) note_unsent(*connection, 0);
    return connection != nullptr;
  }
  return false;
}

void Server::accept(const LinkAccepted& event, ServerParts& parts) {
  const std::string address(event.remote_address);
  const auto known = per_address_.find(address);
  const uint32_t of_address = known == per_address_.end() ? 0 : known->second;
  const bool full =
      parts.config.connections_max != 0 && connection_count_ >= parts.config.connections_max;
  const bool address_full = parts.config.connections_per_address_max != 0 &&
                            of_address >= parts.config.connections_per_address_max;
  const bool lets_in = open(parts) || parts.world.now() < parts.replication.may_serve_until();
  if (!lets_in || full || address_full) {
    parts.world.count("connection_rejected", 1);
    parts.world.close(event.link, false);
    if (lets_in && full) {
      tell_of_refusal(fmt::format("connection from {} refused: there are {} (maxCnxns)", address,
                                  connection_count_),
                      parts);
    } else if (lets_in) {
      tell_of_refusal(fmt::format("connection from {} refused: it has {} (maxClientCnxns)", address,
                                  of_address),
                      parts);
    }
    return;
  }
  if (event.link.slot >= connections_.size()) connections_.resize(event.link.slot + size_t{1});
  ClientConnection& connection = connections_[event.link.slot];
  CHECK(!connection.link.valid());
  connection.link = event.link;
  connection.address = address;
  connection.stats.port = event.remote_port;
  connection.stats.established = parts.world.wall_now();
  connection.ids.push_back(AuthId{"ip", address});
  add_certificate(event.certificate_subject, parts.config, connection.ids);
  set_handshake_deadline(connection,
                         parts.world.now() + milliseconds(parts.config.handshake_deadline_ms));
  connection.credit = kHandshakeBytesMax;
  parts.world.give_credit(event.link, connection.credit);
  ++per_address_[address];
  ++connection_count_;
}

void Server::receive(const LinkBytes& event, ServerParts& parts) {
  ClientConnection* connection = find(event.link);
  CHECK(event.bytes.size() <= connection->credit);
  connection->credit -= event.bytes.size();
  traffic_.bytes_received += static_cast<int64_t>(event.bytes.size());
  if (connection->phase == Phase::Ending) return;
  mark_dirty(*connection);
  if (connection->phase == Phase::Established) {
    const bool alive = touch(*connection, parts);
    connection = find(event.link);
    if (connection == nullptr) return;
    if (!alive) {
      close(*connection, End::Drain, parts);
      return;
    }
  }
  take(event.link, event.bytes, parts);
}

// --- frames

// Serves what `fresh` completes, and keeps the rest.
void Server::take(LinkId link, ByteView fresh, ServerParts& parts) {
  ClientConnection* connection = find(link);
  CHECK(connection != nullptr);
  Bytes held = std::exchange(connection->input, Bytes());
  const bool had_held = !held.empty();
  if (had_held) append_bytes(held, fresh);
  const ByteView in = had_held ? ByteView(held) : fresh;
  const size_t used = take_frames(link, in, parts);
  connection = find(link);
  if (connection == nullptr || connection->phase == Phase::Ending || used == in.size()) return;
  if (had_held && used == 0) {
    connection->input = std::move(held);
  } else {
    const ByteView rest = in.subspan(used);
    connection->input.assign(rest.begin(), rest.end());
  }
}

// Returns how many bytes of `in` are done with.
size_t Server::take_frames(LinkId link, ByteView in, ServerParts& parts) {
  size_t used = 0;
  for (;;) {
    ClientConnection* connection = find(link);
    if (connection == nullptr || connection->phase == Phase::Ending) return in.size();
    if (in.size() - used < kFrameLengthBytes) return used;
    const uint32_t first = get_u32(in.data() + used);
    if (connection->phase == Phase::Handshake && is_admin_word(first)) {
      hand_over_word(*connection, first);
      return in.size();
    }
    const auto length = static_cast<int32_t>(first);
    if (length < 0 || length > frame_bytes_max(*connection, parts.config)) {
      parts.world.count("bad_frames", 1);
      close(*connection, End::Drain, parts);
      return in.size();
    }
    if (connection->phase != Phase::Handshake &&
        rejects_large(static_cast<uint64_t>(length), parts)) {
      tell_of_refusal(fmt::format("connection from {} closed: {} bytes of large requests are "
                                  "under way, and it sends {} (largeRequestMaxBytes)",
                                  connection->address, large_bytes_, length),
                      parts);
      close(*connection, End::Drain, parts);
      return in.size();
    }
    const bool waits =
        connection->phase == Phase::Creating || connection->phase == Phase::Revalidating;
    const size_t end = used + kFrameLengthBytes + static_cast<size_t>(length);
    if (waits || end > in.size()) return used;
    if (requests_left_ == 0) {
      stall(*connection);
      retry_ = std::min(retry_, parts.world.now());
      return used;
    }
    if (!take_frame(*connection,
                    in.subspan(used + kFrameLengthBytes, end - used - kFrameLengthBytes), parts)) {
      stall(*connection);
      return used;
    }
    if (requests_left_ > 0) --requests_left_;
    used = end;
  }
}

// An operator, and no client: the link goes to AdminWords.
void Server::hand_over_word(ClientConnection& connection, uint32_t word) {
  ++stats_.received;
  words_.push_back({connection.link, word, connection.address, connection.stats.port});
  forget(connection);
}

// False: the frame has to wait.
bool Server::take_frame(ClientConnection& connection, ByteView frame, ServerParts& parts) {
  if (connection.phase == Phase::Handshake) {
    if (!open(parts)) return !waits_for_service(connection, frame, parts);
    if (must_line_up(parts)) return false;
    ++connection.stats.received;
    ++stats_.received;
    connect(connection, frame, parts);
    return true;
  }
  if (frame.size() < kRequestHeaderBytes) {
    parts.world.count("bad_frames", 1);
    close(connection, End::Drain, parts);
    return true;
  }
  const auto header = decode_request_header(frame);
  CHECK(header.has_value());
  if (connection.queue.size() >= kQueueMax || connection.queued_bytes >= kQueuedBytesMax ||
      output_full(connection, parts)) {
    return false;
  }
  const RequestClass kind = operation_of(header->type).kind;
  if (kind == RequestClass::Write && would_be_overtaken(connection)) return false;
  const bool submits = kind == RequestClass::Write || kind == RequestClass::Barrier;
  if (submits && must_line_up(parts)) {
    if (connection.in_line_since == Instant::never()) {
      connection.in_line_since = parts.world.now();
      parts.world.count("request_throttle_wait_count", 1);
    }
    return false;
  }
  ++connection.stats.received;
  ++stats_.received;
  if (connection.in_line_since != Instant::never()) {
    const Op op = operation_of(header->type).op;
    switch (leave_line(connection, op, parts)) {
      case Patience::Enough:
        break;
      case Patience::Throttled:
        answer_here(connection, header->xid, op, ErrorCode::ThrottledOp, parts);
        return true;
      case Patience::Stale:
        close(connection, End::Drain, parts);
        return true;
    }
  }
  request(connection, *header, frame.subspan(kRequestHeaderBytes), parts);
  return true;
}

// --- back-pressure

// Would so much more be too much, of requests that are large each?
bool Server::rejects_large(uint64_t bytes, ServerParts& parts) const {
  const Config& config = parts.config;
  if (config.large_request_bytes < 0) return false;
  if (bytes <= static_cast<uint64_t>(config.large_request_bytes)) return false;
  if (large_bytes_ + bytes <= config.large_requests_bytes_max) return false;
  parts.world.count("large_requests_rejected", 1);
  return true;
}

// The connection's first request need not wait any more. Has it waited for too long? As ZooKeeper:
// what closes a session is carried out in any case.
Server::Patience Server::leave_line(ClientConnection& connection, Op op, ServerParts& parts) {
  const Config& config = parts.config;
  const Duration waited = parts.world.now() - connection.in_line_since;
  connection.in_line_since = Instant::never();
  parts.world.sample("request_throttle_queue_time_ms", waited.ms());
  if (op == Op::CloseSession) return Patience::Enough;
  if (config.stale_by_latency && waited > milliseconds(connection.timeout_ms)) {
    parts.world.count("stale_requests", 1);
    if (config.drop_stale) {
      parts.world.count("stale_requests_dropped", 1);
      return Patience::Stale;
    }
  }
  if (config.throttled_wait_ms == 0 || waited <= milliseconds(config.throttled_wait_ms)) {
    return Patience::Enough;
  }
  parts.world.count("throttled_ops", 1);
  return Patience::Throttled;
}

// A session's requests take effect in their order. A write submitted now may be applied before an
// earlier sync is answered, and the reads behind that sync would see it; and reads in front of a
// write cannot be made to wait for their output to leave, so there may be only few, and none where
// they wait already.
bool Server::would_be_overtaken(const ClientConnection& connection) {
  return connection.barriers_queued > 0 || connection.rearms_queued > 0 ||
         connection.reads_queued > (connection.stalled ? 0 : kReadsBeforeWriteMax);
}

// May nothing be submitted now? Whoever comes while others wait for the pipeline waits behind them.
bool Server::must_line_up(const ServerParts& parts) {
  // As ZooKeeper: the members share the limit, but for one of them.
  const size_t voters = parts.config.voter_count();
  uint64_t in_flight_max = parts.config.outstanding_requests_max / (voters > 2 ? voters - 1 : 1);
  if (parts.config.throttle_requests_max != 0) {
    in_flight_max = std::min<uint64_t>(in_flight_max, parts.config.throttle_requests_max);
  }
  in_flight_max = std::max<uint64_t>(in_flight_max, 1);
  if (in_flight_ >= in_flight_max || parts.replication.congested()) lined_up_ = true;
  return lined_up_;
}

bool Server::output_full(const ClientConnection& connection, const ServerParts& parts) const {
  return connection.output.size() + parts.world.unsent(connection.link) > kOutputPause;
}

void Server::stall(ClientConnection& connection) {
  if (connection.stalled) return;
  connection.stalled = true;
  stalled_.push_back(connection.link);
}

void Server::mark_dirty(ClientConnection& connection) {
  if (connection.dirty) return;
  connection.dirty = true;
  dirty_.push_back(connection.link);
}

// Sends its output with that of the many others who are told the same. What it is answered
// meanwhile takes the event along.
void Server::mark_told(ClientConnection& connection) {
  if (connection.told) return;
  connection.told = true;
  told_.push_back(connection.link);
}

// Those that have to wait again go to the end of the line.
void Server::resume_stalled(ServerParts& parts) {
  const bool was_lined_up = std::exchange(lined_up_, false);
  if (stalled_.empty() || !open(parts)) return;
  std::vector<LinkId> waiting;
  waiting.swap(stalled_);
  for (size_t i = 0; i < waiting.size(); ++i) {
    if (requests_left_ == 0) {  // the others are the first the next time
      stalled_.insert(stalled_.begin(), waiting.begin() + static_cast<ptrdiff_t>(i), waiting.end());
      retry_ = std::min(retry_, parts.world.now());
      lined_up_ = lined_up_ || was_lined_up;  // some of these may wait for the pipeline
      return;
    }
    const LinkId link = waiting[i];
    ClientConnection* connection = find(link);
    if (connection == nullptr) continue;
    if (lined_up_ && connection->phase == Phase::Handshake) {  // thousands, after an election
      stalled_.push_back(link);
      continue;
    }
    connection->stalled = false;
    mark_dirty(*connection);
    advance(*connection, parts);
    connection = find(link);
    if (connection != nullptr && !connection->input.empty()) take(link, {}, parts);
  }
}

size_t Server::shed(uint32_t percent, World& world) {
  constexpr uint64_t kAll = 100;
  const size_t before = shed_.size();
  for (const ClientConnection& connection : connections_) {
    if (!connection.link.valid()) continue;
    if (percent < kAll && world.random() % kAll >= percent) continue;
    shed_.push_back(connection.link);
  }
  return shed_.size() - before;
}

void Server::shed_some(ServerParts& parts) {
  for (size_t i = 0; i < kConnectionsPerTurn && !shed_.empty(); ++i) {
    ClientConnection* connection = find(shed_.back());
    shed_.pop_back();
    if (connection == nullptr) continue;
    parts.world.count("connection_drop_count", 1);
    close(*connection, End::Drain, parts);
  }
  if (!shed_.empty()) retry_ = std::min(retry_, parts.world.now());
}

void Server::end_turn(ServerParts& parts) {
  tell_left_ = parts.config.step_told_max;
  requests_left_ = parts.config.step_requests_max;
  end_turn_again(parts);
}

void Server::end_turn_again(ServerParts& parts) {
  if (!shed_.empty()) shed_some(parts);
  if (!leaving_.empty()) forget_some_watches(parts);
  if (!untold_.empty()) tell_on(parts);
  resume_stalled(parts);
  if (dirty_.empty() && told_.empty()) return;
  flush_dirty(parts);
  if (!told_.empty() && untold_.empty()) flush_some_told(parts);
  if (unsent_ > parts.config.unsent_bytes_max) drop_slowest(parts);
}

void Server::flush_dirty(ServerParts& parts) {
  for (size_t i = 0; i < dirty_.size(); ++i) {
    const LinkId link = dirty_[i];
    ClientConnection* connection = find(link);
    if (connection == nullptr) continue;
    const bool sends = !connection->output.empty();
    flush(*connection, parts);
    connection = find(link);
    if (connection == nullptr || !sends || !connection->stalled) continue;
    // LinkDrained comes only when something is left when the turn has ended.
    if (output_full(*connection, parts)) {
      retry_ = std::min(retry_, parts.world.now() + kRetryAfter);
    }
  }
  dirty_.clear();
}

// To send costs several microseconds, and whoever asks for something waits while all are told.
void Server::flush_some_told(ServerParts& parts) {
  for (size_t i = 0; i < kToldAtOnceMax && !told_.empty(); ++i) {
    ClientConnection* connection = find(told_.front());
    told_.pop_front();
    if (connection == nullptr) continue;
    connection->told = false;
    if (!connection->output.empty()) flush(*connection, parts);
  }
  if (!told_.empty()) retry_ = std::min(retry_, parts.world.now());
}

void Server::forget_some_watches(ServerParts& parts) {
  if (watches_.remove_watcher(leaving_.front(), kWatchesForgottenAtOnceMax)) leaving_.pop_front();
  if (!leaving_.empty()) retry_ = std::min(retry_, parts.world.now());
}

// Sends the turn's output and permits more input. A client that does not read costs itself only.
void Server::flush(ClientConnection& connection, ServerParts& parts) {
  connection.dirty = false;
  if (!connection.output.empty()) {
    const uint64_t unsent = parts.world.unsent(connection.link);
    const uint64_t unsent_max = parts.config.connection_unsent_bytes_max;
    // One answer larger than the limit may pass, when nothing is in front of it.
    if (unsent > 0 && unsent + connection.output.size() > unsent_max) {
      parts.world.count("slow_readers_dropped", 1);
      tell_of_refusal(fmt::format("connection from {} closed: {} bytes wait that it does not read",
                                  connection.address, unsent),
                      parts);
      close(connection, End::Abort, parts);
      return;
    }
    parts.world.send(connection.link, connection.output);
    note_unsent(connection, unsent + connection.output.size());
    if (connection.output.size() > kCreditWindow) {
      connection.output = Bytes();
    } else {
      connection.output.clear();
    }
  }
  if (connection.phase != Phase::Established || connection.stalled) return;
  if (connection.credit > kCreditWindow / 2) return;
  parts.world.give_credit(connection.link, kCreditWindow - connection.credit);
  connection.credit = kCreditWindow;
}

void Server::note_unsent(ClientConnection& connection, uint64_t bytes) {
  CHECK(unsent_ >= connection.unsent);
  unsent_ = unsent_ - connection.unsent + bytes;
  connection.unsent = bytes;
}

// Too much waits for clients altogether: whoever lets most of it wait is closed.
void Server::drop_slowest(ServerParts& parts) {
  ClientConnection* slowest = nullptr;
  for (ClientConnection& connection : connections_) {
    if (!connection.link.valid()) continue;
    note_unsent(connection, parts.world.unsent(connection.link));
    if (slowest == nullptr || connection.unsent > slowest->unsent) slowest = &connection;
  }
  if (unsent_ <= parts.config.unsent_bytes_max) return;
  CHECK(slowest != nullptr);
  parts.world.count("slow_readers_dropped", 1);
  tell_of_refusal(fmt::format("connection from {} closed: {} bytes wait that it does not read, of "
                              "{} for all clients",
                              slowest->address, slowest->unsent, unsent_),
                  parts);
  close(*slowest, End::Abort, parts);
}

// --- ends

void Server::close(ClientConnection& connection, End end, ServerParts& parts) {
  CHECK(connection.link.valid());
  const LinkId link = connection.link;
  if (end == End::Drain) catch_up(connection);
  if (end == End::Drain && !connection.output.empty()) {
    parts.world.send(link, connection.output);
  }
  if (end != End::Gone) parts.world.close(link, end == End::Drain);
  forget(connection);
}

void Server::forget(ClientConnection& connection) {
  const LinkId link = connection.link;
  const WatcherId watcher = watcher_of(link);
  if (!watches_.remove_watcher(watcher, kWatchesForgottenWithIt)) leaving_.push_back(watcher);
  handshakes_.erase({connection.handshake_deadline, link});
  const auto of_address = per_address_.find(connection.address);
  CHECK(of_address != per_address_.end() && of_address->second > 0);
  if (--of_address->second == 0) per_address_.erase(of_address);
  const auto session = sessions_.find(connection.session);
  if (session != sessions_.end() && session->second.link == link) {
    session->second.link = LinkId();
    if (session->second.in_flight.empty()) sessions_.erase(session);
  }
  note_unsent(connection, 0);
  CHECK(large_bytes_ >= connection.large_bytes);
  large_bytes_ -= connection.large_bytes;
  connection = ClientConnection();
  --connection_count_;
}

void Server::reset_connection_stats() {
  for (ClientConnection& connection : connections_) connection.stats.reset();
}

const ClientConnection* Server::connection_from(uint32_t slot) const {
  for (size_t i = slot; i < connections_.size(); ++i) {
    if (connections_[i].link.valid()) return &connections_[i];
  }
  return nullptr;
}

// One line a second at most: what clients do must not fill the log.
void Server::tell_of_refusal(std::string_view line, ServerParts& parts) {
  const Instant now = parts.world.now();
  if (now < silent_until_) return;
  silent_until_ = now + kBetweenRefusalLines;
  parts.world.log(LogLevel::Warn, line);
}

void Server::serving_started(ServerParts& parts) { begin_serving(parts); }

void Server::begin_serving(ServerParts& parts) {
  CHECK(sessions_.empty() && large_bytes_ == 0);
  // Those who are here have waited for this.
  for (ClientConnection& connection : connections_) {
    if (!connection.link.valid()) continue;
    CHECK(connection.phase == Phase::Handshake);
    set_handshake_deadline(connection,
                           parts.world.now() + milliseconds(parts.config.handshake_deadline_ms));
  }
  session_ids_.start(parts.config.id, parts.world.wall_now(), parts.tree.sessions(),
                     parts.world.random());
  throttle_.start(parts.config.connection_throttle, parts.world.now());
  stats_ = ServerStats();
  stats_.serving_since = parts.world.now();
}

void Server::serving_stopped(ServerParts& parts) {
  for (ClientConnection& connection : connections_) {
    if (connection.link.valid()) close(connection, End::Drain, parts);
  }
  CHECK(connection_count_ == 0 && per_address_.empty() && handshakes_.empty());
  CHECK(watches_.count() == 0 || !leaving_.empty());
  watches_ = WatchTable();
  leaving_.clear();
  sessions_.clear();
  syncs_.clear();
  in_flight_ = 0;
  stalled_.clear();
  dirty_.clear();
  told_.clear();
  untold_.clear();
  tell_left_ = parts.config.step_told_max;
  shed_.clear();
  lined_up_ = false;
  retry_ = Instant::never();
  read_only_ = false;
  local_ = SessionTracker(parts.config.tick());
}

void Server::read_only_started(ServerParts& parts) {
  read_only_ = true;
  begin_serving(parts);
}

Instant Server::deadline() const {
  const Instant at = std::min(retry_, local_.next_deadline());
  return handshakes_.empty() ? at : std::min(at, handshakes_.begin()->first);
}

void Server::on_deadline(ServerParts& parts) {
  const Instant now = parts.world.now();
  if (retry_ <= now) retry_ = Instant::never();  // the turn's end does the rest
  if (local_.next_deadline() <= now) expire_local_sessions(parts);
  while (!handshakes_.empty() && handshakes_.begin()->first <= now) {
    ClientConnection* connection = find(handshakes_.begin()->second);
    CHECK(connection != nullptr);
    if (open(parts)) {
      parts.world.count("sessionless_connections_expired", 1);
    } else {
      parts.world.count("cnxn_closed_without_zk_server_running", 1);
    }
    close(*connection, End::Abort, parts);
  }
}

}  // namespace vivarium
