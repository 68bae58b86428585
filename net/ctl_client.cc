#include "net/ctl_client.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "net/ctl_text.h"

namespace vivarium::ctl {
namespace {

constexpr int32_t kXidSetWatches = -8;
constexpr size_t kFrameBytesMax = size_t{64} << 20;
constexpr size_t kSetWatchesBytesMax = size_t{128} << 10;
constexpr size_t kChunksMax =
    64;  // in one go, so that a server that floods does not hold the caller
constexpr int64_t kRetryMs = 1000;  // between two rounds of all servers
constexpr int64_t kPingMsMax = 10000;
constexpr int32_t kSessionExpired = static_cast<int32_t>(ErrorCode::SessionExpired);

enum EventState : int32_t {
  kDisconnected = 0,
  kSyncConnected = 3,
  kStateAuthFailed = 4,
  kConnectedReadOnly = 5,
  kExpired = -112,
  kClosed = 7
};

size_t index(WatchKind kind) { return static_cast<size_t>(kind); }

}  // namespace

const char* name_of(ClientState state) {
  switch (state) {
    case ClientState::Connecting:
      return "CONNECTING";
    case ClientState::Connected:
      return "CONNECTED";
    case ClientState::ConnectedReadOnly:
      return "CONNECTEDREADONLY";
    case ClientState::AuthFailed:
      return "AUTH_FAILED";
    case ClientState::Closed:
      return "CLOSED";
  }
  return "";
}

Client::Client(ClientOptions options, int64_t now_ms) : options_(std::move(options)) {
  CHECK(!options_.servers.members.empty());
  // Many clients with one list shall not all ask its first server.
  std::mt19937 chance(std::random_device{}());
  std::shuffle(options_.servers.members.begin(), options_.servers.members.end(), chance);
  next_try_ms_ = now_ms;
}

std::array<pollfd, 2> Client::waits() const {
  pollfd socket{-1, 0, 0};
  if (link_ == Link::Connecting) socket = {socket_.get(), POLLOUT, 0};
  if (link_ == Link::Greeting || link_ == Link::Open) {
    const int events = out_.empty() ? POLLIN : POLLIN | POLLOUT;
    socket = {socket_.get(), static_cast<short>(events), 0};
  }
  return {socket, pollfd{link_ == Link::Resolving ? resolver_.wake_fd() : -1, POLLIN, 0}};
}

int Client::wait_ms(int64_t now_ms) const {
  if (!alive()) return -1;
  int64_t until = deadline_ms_;
  if (link_ == Link::None) until = next_try_ms_;
  if (link_ == Link::Open) {
    until = std::min(heard_ms_ + granted_ms_ / 3 * 2,
                     sent_ms_ + std::min<int64_t>(granted_ms_ / 3, kPingMsMax));
  }
  return static_cast<int>(std::clamp<int64_t>(until - now_ms, 0, kPingMsMax));
}

void Client::work(int64_t now_ms) {
  if (!alive()) return;
  if (link_ == Link::None && now_ms >= next_try_ms_) try_next(now_ms);
  if (link_ == Link::Resolving) resolved(now_ms);
  if (link_ == Link::Connecting) finish_connect(now_ms);
  if (link_ == Link::Greeting || link_ == Link::Open) read_all(now_ms);
  if (link_ == Link::Greeting || link_ == Link::Open) write_all(now_ms);
  check_time(now_ms);
}

void Client::try_next(int64_t now_ms) {
  const auto members = static_cast<int64_t>(options_.servers.members.size());
  deadline_ms_ = now_ms + std::max<int64_t>(options_.timeout_ms / members, 1);
  Result<std::vector<SocketAddress>> literal = resolve_literal(server());
  if (literal) {
    addresses_ = std::move(*literal);
    return connect_next(now_ms, "no address");
  }
  link_ = Link::Resolving;
  resolver_.ask(LinkId{0, ++lookups_}, server());
}

void Client::resolved(int64_t now_ms) {
  std::vector<Resolver::Answer> answers;
  resolver_.take(answers);
  for (Resolver::Answer& answer : answers) {
    if (answer.link.generation != lookups_) continue;  // of an attempt that is over
    addresses_ = std::move(answer.addresses);
    return connect_next(now_ms, "the name cannot be resolved");
  }
}

// `before`: why there may be no further address.
void Client::connect_next(int64_t now_ms, const std::string& before) {
  std::string why = before;
  while (!addresses_.empty()) {
    const SocketAddress address = addresses_.front();
    addresses_.erase(addresses_.begin());
    Result<Fd> socket = begin_connect(address);
    if (socket) {
      socket_ = std::move(*socket);
      link_ = Link::Connecting;
      return;
    }
    why = socket.error().message;
  }
  lose(why, now_ms);
}

void Client::finish_connect(int64_t now_ms) {
  pollfd ready{socket_.get(), POLLOUT, 0};
  if (::poll(&ready, 1, 0) != 1) return;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return connect_next(now_ms, std::strerror(error));
  greet(now_ms);
}

void Client::greet(int64_t now_ms) {
  ConnectRequest request;
  request.last_zxid_seen = Zxid::from_wire(last_zxid_);
  request.timeout_ms = options_.timeout_ms;
  request.session = session_;
  const Bytes no_password(16);
  request.password = session_.value != 0 ? password_ : no_password;
  request.has_read_only = true;
  request.read_only = options_.read_only;
  Bytes body;
  encode(request, body);
  JuteWriter(out_).buffer(body);
  link_ = Link::Greeting;
  heard_ms_ = sent_ms_ = now_ms;
}

void Client::welcomed(ByteView frame, int64_t now_ms) {
  const std::optional<ConnectResponse> response = decode_connect_response(frame);
  if (!response) return lose("its answer to the handshake makes no sense", now_ms);
  if (response->timeout_ms <= 0) {
    tell(kExpired);
    trouble_ = fmt::format("{}: the session is refused", text_of(server()));
    return end(ClientState::Closed, kSessionExpired);
  }
  session_ = response->session;
  password_ = response->password;
  granted_ms_ = response->timeout_ms;
  failures_ = 0;
  trouble_.clear();
  link_ = Link::Open;
  state_ = response->read_only ? ClientState::ConnectedReadOnly : ClientState::Connected;
  tell(response->read_only ? kConnectedReadOnly : kSyncConnected);
  restore_identities_and_watches();
  for (const auto& [pending, body] : queued_) {
    put_frame(pending.xid, pending.op, body);
    sent_.push_back(pending);
  }
  queued_.clear();
}

void Client::restore_identities_and_watches() {
  for (const auto& [scheme, auth] : identities_) {
    AuthPacket packet;
    packet.scheme = scheme;
    packet.auth = auth;
    Bytes body;
    encode(packet, body);
    put_frame(kXidAuth, Op::Auth, body);
  }
  // Some frames, each of a size that servers take.
  size_t left = 0;
  for (const auto& paths : watches_) left += paths.size();
  std::array<std::set<std::string>::const_iterator, kWatchKinds> next;
  for (size_t kind = 0; kind < kWatchKinds; ++kind) next[kind] = watches_[kind].begin();
  while (left > 0) {
    Bytes body;
    JuteWriter writer(body);
    writer.i64(last_zxid_);
    for (size_t kind = 0; kind < kWatchKinds; ++kind) {
      const size_t count_at = writer.position();
      int32_t count = 0;
      writer.i32(0);
      for (; next[kind] != watches_[kind].end() && body.size() < kSetWatchesBytesMax;
           ++next[kind], ++count) {
        writer.string(*next[kind]);
      }
      writer.patch_i32(count_at, count);
      left -= static_cast<size_t>(count);
    }
    put_frame(kXidSetWatches, Op::SetWatches2, body);
  }
}

void Client::read_all(int64_t now_ms) {
  std::array<Byte, 65536> chunk;
  for (size_t chunks = 0; chunks < kChunksMax; ++chunks) {
    const ssize_t n = ::recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n <= 0) {
      const char* closed = link_ == Link::Greeting ? "it closed the connection without a session"
                                                   : "it closed the connection";
      return lose(n == 0 ? closed : std::strerror(errno), now_ms);
    }
    heard_ms_ = now_ms;
    append_bytes(in_, ByteView(chunk.data(), static_cast<size_t>(n)));
    size_t at = 0;
    while (in_.size() - at >= 4) {
      const size_t length = get_u32(in_.data() + at);
      if (length > kFrameBytesMax) {
        return lose(fmt::format("it announced a frame of {} bytes", length), now_ms);
      }
      if (in_.size() - at - 4 < length) break;
      const char* nonsense = take_frame(ByteView(in_).subspan(at + 4, length), now_ms);
      if (nonsense != nullptr) return lose(nonsense, now_ms);
      if (link_ != Link::Open) return;  // the frame ended the connection
      at += 4 + length;
    }
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

void Client::write_all(int64_t now_ms) {
  while (!out_.empty()) {
    const ssize_t n = ::send(socket_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n < 0) return lose(std::strerror(errno), now_ms);
    out_.erase(out_.begin(), out_.begin() + n);
    sent_ms_ = now_ms;
  }
}

const char* Client::take_frame(ByteView frame, int64_t now_ms) {
  if (link_ == Link::Greeting) {
    welcomed(frame, now_ms);
    return nullptr;
  }
  const std::optional<ReplyHeader> header = decode_reply_header(frame);
  if (!header) return "its answer is too short";
  const auto error = static_cast<int32_t>(header->error);
  switch (header->xid) {
    case kXidPing:
    case kXidSetWatches:
      return nullptr;
    case kXidWatchEvent:
      return take_event(frame.subspan(16), header->zxid);
    case kXidAuth:
      replies_[kXidAuth] = {error, {}};
      if (error == 0) return nullptr;
      tell(kStateAuthFailed);
      end(ClientState::AuthFailed, kAuthFailed);
      return nullptr;
    default:
      return take_reply(frame);
  }
}

const char* Client::take_event(ByteView body, int64_t zxid) {
  const std::optional<WatcherEvent> event = decode_watch_event(body);
  if (!event) return "its watch event makes no sense";
  const auto type = static_cast<int32_t>(event->type);
  std::string path(event->path);
  forget_fired(type, path);
  events_.push_back({event->state, type, std::move(path), zxid});
  return nullptr;
}

const char* Client::take_reply(ByteView frame) {
  const ReplyHeader header = *decode_reply_header(frame);
  if (sent_.empty() || sent_.front().xid != header.xid) return "it answers what was not asked";
  const Op op = sent_.front().op;
  sent_.pop_front();
  if (header.zxid > 0) last_zxid_ = header.zxid;
  Reply reply;
  reply.error = static_cast<int32_t>(header.error);
  if (reply.error == 0) append_bytes(reply.body, frame.subspan(16));
  replies_[header.xid] = std::move(reply);
  if (op == Op::CloseSession) {
    tell(kClosed);
    end(ClientState::Closed, kSessionExpired);
  }
  return nullptr;
}

// One-shot watches are gone with their event.
void Client::forget_fired(int32_t type, const std::string& path) {
  const bool children = type == static_cast<int32_t>(WatchEvent::ChildrenChanged);
  const bool deleted = type == static_cast<int32_t>(WatchEvent::Deleted);
  if (!children) {
    unwatch(WatchKind::Data, path);
    unwatch(WatchKind::Exist, path);
  }
  if (children || deleted) unwatch(WatchKind::Child, path);
}

void Client::check_time(int64_t now_ms) {
  if (link_ == Link::None || !alive()) return;
  if (link_ != Link::Open) {
    if (now_ms >= deadline_ms_) lose("no answer in time", now_ms);
    return;
  }
  if (now_ms >= heard_ms_ + granted_ms_ / 3 * 2) return lose("silent for too long", now_ms);
  if (now_ms >= sent_ms_ + std::min<int64_t>(granted_ms_ / 3, kPingMsMax)) {
    put_frame(kXidPing, Op::Ping, {});
    sent_ms_ = now_ms;
    write_all(now_ms);
  }
}

void Client::lose(const std::string& why, int64_t now_ms) {
  trouble_ = fmt::format("{}: {}", text_of(server()), why);
  const bool had_session = link_ == Link::Open;
  socket_.reset();
  link_ = Link::None;
  addresses_.clear();
  in_.clear();
  out_.clear();
  state_ = ClientState::Connecting;
  if (had_session) tell(kDisconnected);
  for (const Pending& pending : sent_) replies_[pending.xid] = {kConnectionLoss, {}};
  sent_.clear();
  ++failures_;
  current_ = (current_ + 1) % options_.servers.members.size();
  // The next one at once; after a round of all of them there is time.
  next_try_ms_ = failures_ % options_.servers.members.size() == 0 ? now_ms + kRetryMs : now_ms;
  if (tried_all()) fail_pending(kConnectionLoss);
}

void Client::end(ClientState state, int32_t error) {
  state_ = state;
  link_ = Link::None;
  socket_.reset();
  in_.clear();
  out_.clear();
  fail_pending(error);
}

void Client::give_up() { end(ClientState::Closed, kSessionExpired); }

void Client::fail_pending(int32_t error) {
  for (const Pending& pending : sent_) replies_[pending.xid] = {error, {}};
  for (const auto& [pending, body] : queued_) replies_[pending.xid] = {error, {}};
  sent_.clear();
  queued_.clear();
}

void Client::put_frame(int32_t xid, Op op, ByteView body) {
  RequestHeader header;
  header.xid = xid;
  header.type = static_cast<int32_t>(op);
  Bytes frame;
  encode(header, frame);
  append_bytes(frame, body);
  JuteWriter(out_).buffer(frame);
}

int32_t Client::submit(Op op, Bytes body) {
  const Pending pending{next_xid_, op};
  next_xid_ = next_xid_ == INT32_MAX ? 1 : next_xid_ + 1;
  if (!alive()) {
    replies_[pending.xid] = {state_ == ClientState::AuthFailed ? kAuthFailed : kSessionExpired, {}};
  } else if (link_ == Link::Open) {
    put_frame(pending.xid, op, body);
    sent_.push_back(pending);
  } else {
    queued_.emplace_back(pending, std::move(body));
  }
  return pending.xid;
}

std::optional<Reply> Client::take(int32_t xid) {
  const auto found = replies_.find(xid);
  if (found == replies_.end()) return std::nullopt;
  Reply reply = std::move(found->second);
  replies_.erase(found);
  return reply;
}

std::vector<ClientEvent> Client::take_events() { return std::exchange(events_, {}); }

int32_t Client::add_auth(std::string scheme, Bytes auth) {
  replies_.erase(kXidAuth);
  if (link_ == Link::Open) {
    AuthPacket packet;
    packet.scheme = scheme;
    packet.auth = auth;
    Bytes body;
    encode(packet, body);
    put_frame(kXidAuth, Op::Auth, body);
  }
  identities_.emplace_back(std::move(scheme), std::move(auth));
  return kXidAuth;
}

void Client::watch(WatchKind kind, std::string path) {
  watches_[index(kind)].insert(std::move(path));
}

bool Client::unwatch(WatchKind kind, const std::string& path) {
  return watches_[index(kind)].erase(path) != 0;
}

bool Client::watches(WatchKind kind, const std::string& path) const {
  return watches_[index(kind)].count(path) != 0;
}

}  // namespace vivarium::ctl
