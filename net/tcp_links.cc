#include "net/tcp_links.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr size_t kReadMax = 64 << 10;
constexpr size_t kRecordBytesMax = 16 << 10;  // of TLS
constexpr int kAcceptsPerTurn = 64;
// Descriptors that clients leave to the log, to peers and to the rest of the server.
constexpr int kReservedDescriptors = 64;
// A link closed with drain: given up after so long without progress, and after so long at all.
constexpr Duration kDrainPatience = milliseconds(5'000);
constexpr Duration kDrainMax = milliseconds(60'000);
// A handshake step may cost a signature of half a millisecond: others get their turn in between.
constexpr int kHandshakeStepsPerTurn = 4;
constexpr Byte kTlsHandshakeRecord = 0x16;
constexpr Duration kBetweenStrangerLines = milliseconds(1000);
constexpr uint32_t kWatched = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
// Tokens of generation 0, which no link has, are listeners.
constexpr uint32_t kListenersMax = 256;

uint64_t token_of(LinkId id) { return (uint64_t{id.generation} << 32) | id.slot; }

LinkId link_of(uint64_t token) {
  return LinkId{static_cast<uint32_t>(token), static_cast<uint32_t>(token >> 32)};
}

// Nobody listens at the port, and the kernel chose the same one for this end.
bool is_connected_to_itself(const Fd& socket) {
  const Result<SocketAddress> local = local_address(socket);
  SocketAddress remote;
  remote.length = sizeof remote.storage;
  if (!local || getpeername(socket.get(), remote.get(), &remote.length) != 0) return false;
  return local->port() == remote.port() && local->text() == remote.text();
}

// Descriptors are given out from the lowest: a client that gets one from here on is one too many.
int client_descriptor_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  const auto all = static_cast<int>(limit.rlim_cur);
  return all - std::min(kReservedDescriptors, all / 4);
}

Fd open_reserve() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

TcpLinks::TcpLinks(int epoll) : epoll_(epoll), buffer_(kReadMax), reserve_(open_reserve()) {}

Result<void> TcpLinks::listen(Door door, const Address& address, const DoorOptions& options) {
  CHECK(options.tls == DoorTls::Plain || tls_ != nullptr);
  Result<std::vector<Fd>> sockets = listen_on(address, options.backlog);
  if (!sockets) return tl::unexpected<Error>(sockets.error());
  for (Fd& socket : *sockets) {
    CHECK(listeners_.size() < kListenersMax);
    epoll_event interest = {};
    interest.events = EPOLLIN;
    interest.data.u64 = listeners_.size();
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.get(), &interest) != 0) {
      return fail(fmt::format("cannot watch a listening socket: {}", std::strerror(errno)));
    }
    listeners_.push_back(Listener{std::move(socket), door, options.tls, options.keep_alive, false});
  }
  return {};
}

uint16_t TcpLinks::port(Door door) const {
  for (const Listener& listener : listeners_) {
    if (listener.door != door) continue;
    const Result<SocketAddress> local = local_address(listener.fd);
    return local ? local->port() : uint16_t{0};
  }
  return 0;
}

uint16_t TcpLinks::tls_port() const {
  for (const Listener& listener : listeners_) {
    if (listener.tls != DoorTls::Tls) continue;
    const Result<SocketAddress> local = local_address(listener.fd);
    return local ? local->port() : uint16_t{0};
  }
  return 0;
}

void TcpLinks::use_tls(std::shared_ptr<const TlsContext> tls, Duration handshake_deadline) {
  CHECK(tls != nullptr);
  tls_ = std::move(tls);
  handshake_deadline_ = handshake_deadline;
}

bool TcpLinks::is_mine(uint64_t token) {
  const LinkId id = link_of(token);
  return id.valid() || id.slot < kListenersMax;
}

TcpLinks::Link* TcpLinks::find_any(LinkId id) {
  if (!id.valid() || id.slot >= links_.size()) return nullptr;
  Link* link = links_[id.slot].get();
  return link->state != State::Free && link->generation == id.generation ? link : nullptr;
}

TcpLinks::Link* TcpLinks::find(LinkId id) {
  Link* link = find_any(id);
  return link != nullptr && link->state != State::Draining ? link : nullptr;
}

const TcpLinks::Link* TcpLinks::find(LinkId id) const {
  return const_cast<TcpLinks*>(this)->find(id);
}

LinkId TcpLinks::allocate() {
  auto slot = static_cast<uint32_t>(links_.size());
  if (free_slots_.empty()) {
    links_.push_back(std::make_unique<Link>());
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  CHECK(links_[slot]->state == State::Free);
  return LinkId{slot, links_[slot]->generation};
}

void TcpLinks::release(LinkId id) {
  Link* link = find_any(id);
  CHECK(link != nullptr);
  strangers_.erase({link->stranger_until, id});
  const uint32_t next = id.generation == UINT32_MAX ? 1 : id.generation + 1;
  *link = Link{};
  link->generation = next;
  free_slots_.push_back(id.slot);
}

void TcpLinks::touch(LinkId id, Link& link) {
  if (link.touched) return;
  link.touched = true;
  touched_.push_back(id);
}

void TcpLinks::mark_dirty(LinkId id, Link& link) {
  if (link.dirty) return;
  link.dirty = true;
  dirty_.push_back(id);
}

void TcpLinks::watch(LinkId id, Link& link) {
  epoll_event interest = {};
  interest.events = kWatched;
  interest.data.u64 = token_of(id);
  // Fails only for want of memory or watches; then nothing would ever be heard of the link.
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, link.fd.get(), &interest) == 0) return;
  link.broken = true;
  touch(id, link);
}

// ---------------------------------------------------------------------------------- connecting

LinkId TcpLinks::connect(const Address& to) {
  const LinkId id = allocate();
  Link& link = *links_[id.slot];
  link.state = State::Resolving;
  Result<std::vector<SocketAddress>> literal = resolve_literal(to);
  if (literal) {
    link.candidates = std::move(*literal);
    connect_next(id, link);
  } else {
    resolver_.ask(id, to);
  }
  return id;
}

void TcpLinks::connect_next(LinkId id, Link& link) {
  link.fd.reset();
  link.broken = link.ended = link.readable = link.writable = false;
  while (!link.candidates.empty()) {
    const SocketAddress to = link.candidates.back();
    link.candidates.pop_back();
    Result<Fd> socket = begin_connect(to);
    if (!socket) continue;
    if (keep_alive_) keep_alive(*socket);
    link.fd = std::move(*socket);
    link.state = State::Connecting;
    watch(id, link);
    return;
  }
  link.failed = true;
  touch(id, link);
}

void TcpLinks::take_answers() {
  resolver_.take(answers_);
  for (Resolver::Answer& answer : answers_) {
    Link* link = find(answer.link);
    if (link == nullptr || link->state != State::Resolving) continue;
    link->candidates = std::move(answer.addresses);
    std::reverse(link->candidates.begin(), link->candidates.end());
    connect_next(answer.link, *link);
  }
}

void TcpLinks::finish_connect(LinkId id, Link& link, Instant now, const Deliver& deliver) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(link.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error == 0 && !link.writable && !link.broken) return;  // not yet
  if (error == 0 && is_connected_to_itself(link.fd)) error = ECONNREFUSED;
  if (error != 0 || link.broken) {
    connect_next(id, link);
    if (link.failed) process(id, now, deliver);
    return;
  }
  link.state = State::Up;
  link.candidates.clear();
  if (!link.out.empty()) mark_dirty(id, link);
  if (link.close_when_up) return begin_drain(id, link, now);
  if (link.readable || link.ended) touch(id, link);
  deliver(LinkUp{id});
}

// ------------------------------------------------------------------------- what the core asks for

void TcpLinks::send(LinkId id, ByteView bytes) {
  Link* link = find(id);
  if (link == nullptr || link->close_when_up) return;
  link->out.append(bytes);
  mark_dirty(id, *link);
}

void TcpLinks::send_shared(LinkId id, SharedBytes bytes) {
  Link* link = find(id);
  if (link == nullptr || link->close_when_up) return;
  link->out.append_shared(std::move(bytes));
  mark_dirty(id, *link);
}

uint64_t TcpLinks::unsent(LinkId id) const {
  const Link* link = find(id);
  return link != nullptr ? link->out.size() : 0;
}

void TcpLinks::give_credit(LinkId id, uint64_t bytes) {
  Link* link = find(id);
  if (link == nullptr) return;
  link->credit = bytes > UINT64_MAX - link->credit ? UINT64_MAX : link->credit + bytes;
  if (link->state == State::Up && (link->readable || link->ended)) touch(id, *link);
}

void TcpLinks::close(LinkId id, bool drain, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return;
  if (!drain || link->failed || link->broken) return release(id);
  if (link->state == State::Up) return begin_drain(id, *link, now);
  if (link->out.empty()) return release(id);
  link->close_when_up = true;
}

void TcpLinks::keep_half_open(LinkId id) {
  if (Link* link = find(id)) link->half_open = true;
}

// ------------------------------------------------------------------------------------- draining

void TcpLinks::begin_drain(LinkId id, Link& link, Instant now) {
  CHECK(link.state == State::Up);
  link.state = State::Draining;
  draining_.push_back(id);
  link.drain_deadline = now + kDrainPatience;
  link.drain_end = now + kDrainMax;
  mark_dirty(id, link);
}

// Sends the rest, says that it was the last, and reads on until the other end closes too: closing
// with unread bytes would make the kernel reset the link and drop what is on the way.
void TcpLinks::drain(LinkId id, Link& link, Instant now) {
  if (link.out.empty() && !link.write_closed) {
    link.write_closed = true;
    if (link.tls != nullptr) link.tls->say_end();
    shutdown(link.fd.get(), SHUT_WR);
  }
  bool done = link.broken || now >= link.drain_deadline || now >= link.drain_end;
  if (!done && (link.readable || link.ended)) {
    const ssize_t n = recv(link.fd.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) done = true;
    if (n < 0 && errno == EAGAIN) link.readable = false;
    if (n == 0) done = link.readable = false;
    if (n == 0) link.ended = true;
    if (n > 0) touch(id, link);
    // The other end has closed: when our last bytes have left as well, nothing is waited for.
    if (n == 0 && link.write_closed) done = true;
  }
  if (done) release(id);
}

Instant TcpLinks::next_deadline() const {
  Instant next = strangers_.empty() ? Instant::never() : strangers_.begin()->first;
  for (const LinkId id : draining_) {
    const Link* link = const_cast<TcpLinks*>(this)->find_any(id);
    if (link != nullptr) next = std::min({next, link->drain_deadline, link->drain_end});
  }
  return next;
}

void TcpLinks::check_deadlines(Instant now, const Deliver& deliver) {
  check_strangers(now, deliver);
  std::erase_if(draining_, [this](LinkId id) { return find_any(id) == nullptr; });
  for (const LinkId id : draining_) {
    Link& link = *find_any(id);
    if (now >= link.drain_deadline || now >= link.drain_end) touch(id, link);
  }
}

bool TcpLinks::is_quiet() const { return next_deadline() == Instant::never(); }

void TcpLinks::begin_shutdown(Instant now) {
  listeners_.clear();
  for (uint32_t slot = 0; slot < links_.size(); ++slot) {
    Link& link = *links_[slot];
    if (link.state == State::Free || link.state == State::Draining) continue;
    const LinkId id{slot, link.generation};
    if (link.state == State::Up && !link.broken) {
      begin_drain(id, link, now);
    } else {
      release(id);
    }
  }
}

// ------------------------------------------------------------------------------- turns of the loop

void TcpLinks::note_ready(uint64_t token, uint32_t events) {
  const LinkId id = link_of(token);
  if (!id.valid()) {
    if (id.slot < listeners_.size()) listeners_[id.slot].ready = listener_ready_ = true;
    return;
  }
  Link* link = find_any(id);
  if (link == nullptr) return;
  if ((events & EPOLLIN) != 0) link->readable = true;
  if ((events & EPOLLOUT) != 0) link->writable = true;
  if ((events & EPOLLRDHUP) != 0) link->ended = true;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) link->broken = true;
  if (link->writable && !link->out.empty() && link->state != State::Connecting) {
    mark_dirty(id, *link);
  }
  touch(id, *link);
}

void TcpLinks::deliver(Instant now, const Deliver& deliver) {
  now_ = now;
  handshake_steps_left_ = kHandshakeStepsPerTurn;
  if (std::exchange(answers_ready_, false)) take_answers();
  check_deadlines(now, deliver);
  batch_.clear();
  batch_.swap(touched_);
  for (const LinkId id : batch_) {
    Link* link = find_any(id);
    if (link == nullptr) continue;
    link->touched = false;
    process(id, now, deliver);
  }
  if (!listener_ready_) return;
  listener_ready_ = false;
  for (size_t i = 0; i < listeners_.size(); ++i) {
    if (std::exchange(listeners_[i].ready, false)) accept_some(listeners_[i], now, deliver);
  }
}

void TcpLinks::process(LinkId id, Instant now, const Deliver& deliver) {
  Link* link = find_any(id);
  CHECK(link != nullptr);
  if (link->state == State::Draining) return drain(id, *link, now);
  if (link->failed) {
    if (link->close_when_up) return release(id);
    return down(id, deliver);
  }
  if (link->state == State::Connecting) return finish_connect(id, *link, now, deliver);
  if (link->state == State::Detecting) return detect(id, *link, deliver);
  if (link->state == State::Handshaking) return shake_hands(id, *link, deliver);
  if (link->state != State::Up) return;
  if (std::exchange(link->drained, false)) {
    deliver(LinkDrained{id});
    link = find(id);
    if (link == nullptr) return;
  }
  if (link->credit != 0 && (link->readable || link->ended || link->broken)) {
    read(id, *link, deliver);
  } else if (link->ended || link->broken) {
    look_for_end(id, *link, deliver);
  }
}

void TcpLinks::read(LinkId id, Link& link, const Deliver& deliver) {
  if (link.tls != nullptr) return read_encrypted(id, link, deliver);
  const auto asked = static_cast<size_t>(std::min<uint64_t>(link.credit, buffer_.size()));
  const ssize_t n = recv(link.fd.get(), buffer_.data(), asked, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    if (errno == EINTR) return touch(id, link);
    link.readable = false;
    if (link.broken) down(id, deliver);
    return;
  }
  if (n == 0) return their_end(id, link, deliver);
  if (n < 0) return down(id, deliver);
  const auto size = static_cast<size_t>(n);
  link.credit -= size;
  // A short read has emptied the socket, and the next bytes bring a new edge; but the end that was
  // announced already does not.
  link.readable = size == asked;
  if (link.readable || link.ended || link.broken) touch(id, link);
  deliver(LinkBytes{id, ByteView(buffer_).first(size)});
}

// Records until the credit is used up or the socket has no more: it says so itself, and only then
// does the next edge come.
void TcpLinks::read_encrypted(LinkId id, Link& link, const Deliver& deliver) {
  const auto asked = static_cast<size_t>(std::min<uint64_t>(link.credit, buffer_.size()));
  CHECK(asked != 0);
  size_t size = 0;
  TlsStream::Passed last{TlsStream::Outcome::Done, 0};
  while (size < asked && last.outcome == TlsStream::Outcome::Done) {
    last = link.tls->read(buffer_.data() + size, asked - size);
    size += last.bytes;
  }
  const bool over =
      last.outcome == TlsStream::Outcome::Ended || last.outcome == TlsStream::Outcome::Failed;
  if (size == 0 && last.outcome == TlsStream::Outcome::Ended) return their_end(id, link, deliver);
  if (size == 0 && (over || link.broken)) return down(id, deliver);
  link.readable = last.outcome == TlsStream::Outcome::Done;
  link.ended = link.ended || over;
  if (size == 0) return;
  link.credit -= size;
  if (link.readable || link.ended || link.broken) touch(id, link);
  deliver(LinkBytes{id, ByteView(buffer_).first(size)});
}

// No credit: the end is told when no bytes lie before it, or when they can be had no more.
void TcpLinks::look_for_end(LinkId id, Link& link, const Deliver& deliver) {
  if (link.broken) return down(id, deliver);
  if (link.tls != nullptr) {
    const TlsStream::Outcome next = link.tls->look_ahead();
    if (next == TlsStream::Outcome::Ended) return their_end(id, link, deliver);
    if (next == TlsStream::Outcome::Failed) down(id, deliver);
    return;
  }
  Byte next = 0;
  const ssize_t n = recv(link.fd.get(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n == 0) return their_end(id, link, deliver);
  if (n < 0 && errno != EAGAIN && errno != EINTR) down(id, deliver);
}

// What came before it has been delivered.
void TcpLinks::their_end(LinkId id, Link& link, const Deliver& deliver) {
  if (!link.half_open || link.broken) return down(id, deliver);
  link.readable = false;
  if (!std::exchange(link.end_told, true)) deliver(LinkEnded{id});
}

void TcpLinks::down(LinkId id, const Deliver& deliver) {
  release(id);
  deliver(LinkDown{id});
}

void TcpLinks::flush(Instant now) {
  for (size_t i = 0; i < dirty_.size(); ++i) {
    const LinkId id = dirty_[i];
    Link* link = find_any(id);
    if (link == nullptr) continue;
    link->dirty = false;
    const bool can_send = link->state == State::Up || link->state == State::Draining;
    const uint64_t before = link->out.size();
    if (can_send && link->writable && before != 0) {
      const int error =
          link->tls != nullptr ? send_encrypted(*link) : link->out.send_to(link->fd.get());
      if (error == EAGAIN) link->writable = false;
      if (error != 0 && error != EAGAIN) {
        link->broken = true;
        link->out.clear();
        touch(id, *link);
        continue;
      }
    }
    if (link->state == State::Draining) {
      if (link->out.size() != before) link->drain_deadline = now + kDrainPatience;
      if (link->out.empty()) touch(id, *link);
    } else if (!link->out.empty()) {
      link->stalled = true;
    } else if (std::exchange(link->stalled, false)) {
      link->drained = true;
      touch(id, *link);
    }
  }
  dirty_.clear();
}

// As SendQueue::send_to(): 0, or EAGAIN when the socket is full, else the link's end.
int TcpLinks::send_encrypted(Link& link) {
  while (!link.out.empty()) {
    const size_t size = link.out.copy_front(buffer_.data(), kRecordBytesMax);
    const TlsStream::Passed passed = link.tls->write(ByteView(buffer_).first(size));
    if (passed.outcome == TlsStream::Outcome::Again) return EAGAIN;
    if (passed.outcome != TlsStream::Outcome::Done) return EPIPE;
    link.out.consume(passed.bytes);
  }
  return 0;
}

// ------------------------------------------------------------------------------------- strangers

void TcpLinks::welcome(LinkId id, Link& link, DoorTls tls, Instant now) {
  CHECK(tls != DoorTls::Plain && tls_ != nullptr);
  // Who comes makes room by the one that has kept everybody waiting longest: a handshake that gets
  // on is over long before its turn comes.
  if (strangers_.size() >= tls_->settings().handshakes_max) {
    const LinkId oldest = strangers_.begin()->second;
    Link* crowded_out = find_any(oldest);
    CHECK(crowded_out != nullptr);
    ++tls_counts_.crowded_out;
    turn_away(oldest, *crowded_out, "too many handshakes are under way");
  }
  link.state = State::Detecting;
  link.door_tls = tls;
  link.accepted_at = now;
  const Duration detection = milliseconds(tls_->settings().detection_ms);
  give_time(id, link, now + (tls == DoorTls::Either ? detection : handshake_deadline_));
}

void TcpLinks::give_time(LinkId id, Link& link, Instant until) {
  strangers_.erase({link.stranger_until, id});
  link.stranger_until = until;
  strangers_.emplace(until, id);
}

// Nothing is kept for a stranger that is silent.
void TcpLinks::detect(LinkId id, Link& link, const Deliver& deliver) {
  if (link.broken) return turn_away(id, link, {});
  Byte first = 0;
  const ssize_t n = recv(link.fd.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    if (errno == EINTR) touch(id, link);
    return;
  }
  if (n <= 0) return turn_away(id, link, {});
  if (first == kTlsHandshakeRecord) {
    link.state = State::Handshaking;
    link.tls = std::make_unique<TlsStream>(*tls_, link.fd.get());
    give_time(id, link, link.accepted_at + handshake_deadline_);
    return shake_hands(id, link, deliver);
  }
  if (link.door_tls == DoorTls::Either) return admit(id, link, deliver);
  turn_away(id, link, "its first bytes are not those of TLS");
}

void TcpLinks::shake_hands(LinkId id, Link& link, const Deliver& deliver) {
  if (handshake_steps_left_ == 0) return touch(id, link);
  --handshake_steps_left_;
  switch (link.tls->handshake(link.remote)) {
    case TlsStream::Outcome::Again:
      if (link.broken) turn_away(id, link, "the connection broke");
      return;
    case TlsStream::Outcome::Done:
      return admit(id, link, deliver);
    case TlsStream::Outcome::Ended:
    case TlsStream::Outcome::Failed:
      return turn_away(id, link, link.tls->why());
  }
}

void TcpLinks::admit(LinkId id, Link& link, const Deliver& deliver) {
  strangers_.erase({link.stranger_until, id});
  link.state = State::Up;
  // What came behind the handshake may lie here already and bring no edge.
  link.readable = true;
  if (link.ended || link.broken) touch(id, link);
  const std::string remote = std::exchange(link.remote, std::string());
  const std::string subject = link.tls != nullptr ? link.tls->peer_subject() : std::string();
  deliver(LinkAccepted{id, link.door, remote, link.remote_port, subject});
}

// Without a reason: it went by itself, before it had said a word.
void TcpLinks::turn_away(LinkId id, Link& link, std::string_view why) {
  if (!why.empty()) {
    ++tls_counts_.refused;
    if (now_ >= silent_until_) {
      silent_until_ = now_ + kBetweenStrangerLines;
      warning_ = fmt::format("TLS connection from {} refused: {}", link.remote, why);
    }
    // With unread bytes the kernel would reset the connection, and the alert that says why be lost.
    (void)recv(link.fd.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  }
  release(id);
}

void TcpLinks::check_strangers(Instant now, const Deliver& deliver) {
  while (!strangers_.empty() && strangers_.begin()->first <= now) {
    const LinkId id = strangers_.begin()->second;
    Link& link = *find_any(id);
    if (link.state == State::Detecting && link.door_tls == DoorTls::Either) {
      admit(id, link, deliver);  // a silent one is the core's to wait for
    } else {
      turn_away(id, link, "the handshake took too long");
    }
  }
}

// ------------------------------------------------------------------------------------- accepting

void TcpLinks::accept_some(Listener& listener, Instant now, const Deliver& deliver) {
  descriptor_limit_ = listener.door == Door::Client ? client_descriptor_limit() : INT_MAX;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    // With handshakes waiting for their turn, whoever else comes waits in the kernel.
    if (listener.tls != DoorTls::Plain && handshake_steps_left_ == 0) return;
    if (!accept_one(listener, now, deliver)) return;
  }
}

bool TcpLinks::accept_one(Listener& listener, Instant now, const Deliver& deliver) {
  SocketAddress remote;
  remote.length = sizeof remote.storage;
  Fd socket(accept4(listener.fd.get(), remote.get(), &remote.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.valid()) {
    if (errno == EINTR || errno == ECONNABORTED) return true;
    const bool exhausted =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (exhausted) refuse_for_want_of_descriptors(listener);
    return false;
  }
  if (socket.get() >= descriptor_limit_) {
    warning_ = "a client is refused: all descriptors but the reserved ones are in use";
    return true;
  }
  const int on = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (listener.keep_alive) keep_alive(socket);
  const LinkId id = allocate();
  Link& link = *links_[id.slot];
  link.state = State::Up;
  link.fd = std::move(socket);
  watch(id, link);
  const std::string text = remote.text();
  if (listener.tls != DoorTls::Plain) {
    link.door = listener.door;
    link.remote = text;
    link.remote_port = remote.port();
    welcome(id, link, listener.tls, now);
    return true;
  }
  deliver(LinkAccepted{id, listener.door, text, remote.port()});
  return true;
}

// The connection would wait in the backlog and wake the loop for ever. One descriptor kept for this
// takes it, and closes it.
void TcpLinks::refuse_for_want_of_descriptors(Listener& listener) {
  warning_ = fmt::format("a connection is refused: {}", std::strerror(errno));
  reserve_.reset();
  Fd refused(accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  refused.reset();
  reserve_ = open_reserve();
}

std::string TcpLinks::take_warning() { return std::exchange(warning_, std::string()); }

}  // namespace vivarium
