#include "core/zab/election_links.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/wire/host_port.h"
#include "core/wire/peer_messages.h"

namespace vivarium {
namespace {

constexpr size_t kStrangersMax = 32;
constexpr uint64_t kHelloBytesMax = 20 + 2048;
// How many bytes may arrive beyond those already here.
constexpr uint64_t kWindowBytes = 16 * 1024;
constexpr Duration kPauseMax = milliseconds(2000);
// A member that asks to be called back although a connection to it came up just now has only not
// seen that one yet: both sides tried at the same time.
constexpr Duration kFreshLink = milliseconds(1000);
constexpr Duration kCallBackSpacing = milliseconds(50);
// Messages in a row to a voter without a word from it while looking: the connection carries
// nothing any more, although nobody has said so (a path that swallows bytes), and is made anew.
constexpr uint32_t kUnansweredMax = 4;
// A connection that lasted so long was no failed attempt.
constexpr Duration kSteadyLink = milliseconds(5000);

// Of a server that no list names: Apache's servers do not call it back.
constexpr const char* kNowhere = "0.0.0.0:3888";

enum class Framing : uint8_t { Ok, Bad };

// Moves complete frames out of the front of `in`. Bad: a length that no message has.
Framing take_frames(Bytes& in, const ElectionLinks::Contact& from,
                    std::vector<ElectionLinks::Arrival>& arrivals) {
  size_t at = 0;
  Framing framing = Framing::Ok;
  while (in.size() - at >= 4) {
    const uint32_t length = get_u32(in.data() + at);
    if (length < 1 || length > kNotificationBytesMax) {
      framing = Framing::Bad;
      break;
    }
    if (in.size() - at - 4 < length) break;
    const ByteView message = ByteView(in).subspan(at + 4, length);
    arrivals.push_back({ElectionLinks::What::Message, from, Bytes(message.begin(), message.end())});
    at += 4 + length;
  }
  in.erase(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(at));
  return framing;
}

std::string text_of(const Address& address) {
  return bracketed_host(address.host) + ":" + std::to_string(address.port);
}

}  // namespace

ElectionLinks::ElectionLinks(const Config& config)
    : id_(config.id),
      keeps_calls_(config.reconfig.enabled || config.shadow),
      connect_wait_(milliseconds(config.election_connect_ms)),
      hello_wait_(config.election_hello_ms > 0 ? milliseconds(config.election_hello_ms)
                                               : config.tick() * config.sync_limit_ticks),
      pause_min_(milliseconds(config.notification_min_ms)),
      pause_max_(
          std::max(pause_min_, std::min(kPauseMax, milliseconds(config.notification_max_ms)))) {
  say_hello_as(kNowhere);
  for (const Member& m : config.members) {
    if (m.id == id_) {
      say_hello_as(text_of(m.election));
    } else {
      add_peer(m);
    }
  }
}

void ElectionLinks::say_hello_as(std::string address) {
  ElectionHello hello;
  hello.from = id_;
  hello.address = std::move(address);
  hello_.clear();
  encode(hello, hello_);
}

void ElectionLinks::add_peer(const Member& member) {
  Peer peer;
  peer.id = member.id;
  peer.address = member.election;
  peer.voter = !member.observer;
  peer.pause = pause_min_;
  const auto place =
      std::find_if(peers_.begin(), peers_.end(), [&](const Peer& p) { return p.id > member.id; });
  peers_.insert(place, std::move(peer));
}

void ElectionLinks::set_members(const std::vector<Member>& members, World& world,
                                std::vector<Arrival>& arrivals) {
  for (size_t i = peers_.size(); i-- > 0;) {
    Peer& peer = peers_[i];
    const auto m = std::find_if(members.begin(), members.end(), [&](const Member& member) {
      return member.id == peer.id && member.election == peer.address;
    });
    if (m != members.end()) {
      peer.voter = !m->observer;
      continue;
    }
    if (peer.state != State::None) hang_up(peer, world);
    peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (const Member& member : members) {
    if (member.id == id_) {
      say_hello_as(text_of(member.election));
    } else if (find(member.id) == nullptr) {
      add_peer(member);
    }
  }
  // Who was a stranger and is a member connects anew, as members do.
  for (size_t i = strangers_.size(); i-- > 0;) {
    if (strangers_[i].identified && find(strangers_[i].id) != nullptr) {
      drop_stranger(i, true, world, arrivals);
    }
  }
  if (wanted_) want_voters(true, world);
}

ElectionLinks::Peer* ElectionLinks::find(ServerId id) {
  for (Peer& peer : peers_) {
    if (peer.id == id) return &peer;
  }
  return nullptr;
}

const ElectionLinks::Peer* ElectionLinks::find(ServerId id) const {
  const auto peer =
      std::find_if(peers_.begin(), peers_.end(), [&](const Peer& p) { return p.id == id; });
  return peer == peers_.end() ? nullptr : &*peer;
}

ElectionLinks::Peer* ElectionLinks::find(LinkId link) {
  for (Peer& peer : peers_) {
    if (peer.state != State::None && peer.line.link == link) return &peer;
  }
  return nullptr;
}

size_t ElectionLinks::find_stranger(LinkId link) const {
  size_t at = 0;
  while (at < strangers_.size() && strangers_[at].line.link != link) ++at;
  return at;
}

bool ElectionLinks::connected(ServerId member) const {
  const Peer* peer = find(member);
  return peer != nullptr && peer->state == State::Up;
}

bool ElectionLinks::gone(ServerId member) const {
  const Peer* peer = find(member);
  return peer != nullptr && peer->gone_at != Instant::never();
}

// --- connections that this server opens

void ElectionLinks::want_voters(bool wanted, World& world) {
  wanted_ = wanted;
  for (Peer& peer : peers_) {
    if (!peer.voter || peer.state != State::None) continue;
    if (!wanted) {
      if (!peer.called) peer.due = Instant::never();
      continue;
    }
    peer.pause = pause_min_;
    attempt(peer, world);
  }
}

void ElectionLinks::attempt(Peer& peer, World& world) {
  CHECK(peer.state == State::None && !hello_.empty());
  peer.line = Line{};
  peer.line.link = world.connect(peer.address);
  peer.state = State::Connecting;
  peer.called = false;
  if (peer.gone_at != Instant::never() && world.now() >= peer.gone_at + kFreshLink) {
    peer.gone_at = Instant::never();
  }
  peer.last_attempt = world.now();
  peer.due = world.now() + connect_wait_;
}

void ElectionLinks::retry_later(Peer& peer, World& world) {
  CHECK(peer.state == State::None);
  peer.due = Instant::never();
  if (!wanted_ || !peer.voter) return;
  peer.due = world.now() + peer.pause;
  peer.pause = std::min(peer.pause * 2, pause_max_);
}

void ElectionLinks::hang_up(Peer& peer, World& world) {
  CHECK(peer.state != State::None);
  world.close(peer.line.link, false);
  peer.state = State::None;
  peer.line = Line{};
  peer.due = Instant::never();
}

void ElectionLinks::call_back(Peer& peer, World& world) {
  CHECK(peer.id < id_);
  if (peer.state == State::Connecting) return;
  if (peer.state == State::Up) {
    if (world.now() < peer.up_since + kFreshLink) return;
    hang_up(peer, world);
  }
  peer.called = true;
  peer.due = std::max(world.now(), peer.last_attempt + kCallBackSpacing);
  if (peer.due == world.now()) attempt(peer, world);
}

// --- events

bool ElectionLinks::step(const Event& event, World& world, std::vector<Arrival>& arrivals) {
  if (const auto* e = std::get_if<LinkAccepted>(&event)) {
    if (e->door != Door::Election) return false;
    on_accepted(e->link, world, arrivals);
    return true;
  }
  if (const auto* e = std::get_if<LinkUp>(&event)) return on_up(e->link, world, arrivals);
  if (const auto* e = std::get_if<LinkBytes>(&event)) {
    return on_bytes(e->link, e->bytes, world, arrivals);
  }
  if (const auto* e = std::get_if<LinkDrained>(&event)) {
    return find(e->link) != nullptr || find_stranger(e->link) < strangers_.size();
  }
  if (const auto* e = std::get_if<LinkDown>(&event)) return on_down(e->link, world, arrivals);
  return false;
}

void ElectionLinks::on_accepted(LinkId link, World& world, std::vector<Arrival>& arrivals) {
  if (strangers_.size() == kStrangersMax) {  // the oldest without a hello goes, else the oldest
    size_t victim = 0;
    while (victim < strangers_.size() && strangers_[victim].identified) ++victim;
    drop_stranger(victim < strangers_.size() ? victim : 0, true, world, arrivals);
  }
  CHECK(strangers_.size() < kStrangersMax);
  Stranger stranger;
  stranger.line.link = link;
  stranger.deadline = world.now() + hello_wait_;
  strangers_.push_back(std::move(stranger));
  world.give_credit(link, kHelloBytesMax);
}

bool ElectionLinks::on_up(LinkId link, World& world, std::vector<Arrival>& arrivals) {
  Peer* peer = find(link);
  if (peer == nullptr) return false;
  CHECK(peer->state == State::Connecting);
  if (id_ < peer->id && !keeps_calls_) {  // only a request to be called back
    world.send(link, hello_);
    world.close(link, true);
    peer->state = State::None;
    peer->line = Line{};
    retry_later(*peer, world);
    return true;
  }
  peer->state = State::Up;
  peer->gone_at = Instant::never();
  peer->unanswered = 0;
  peer->up_since = world.now();
  peer->due = Instant::never();
  peer->line.hello = hello_;
  world.give_credit(link, kWindowBytes);
  arrivals.push_back({What::Connected, {peer->id, link, true}, {}});
  return true;
}

bool ElectionLinks::on_bytes(LinkId link, ByteView bytes, World& world,
                             std::vector<Arrival>& arrivals) {
  Peer* peer = find(link);
  if (peer == nullptr) {
    const size_t at = find_stranger(link);
    if (at == strangers_.size()) return false;
    on_stranger_bytes(at, bytes, world, arrivals);
    return true;
  }
  CHECK(peer->state == State::Up);
  peer->unanswered = 0;
  append_bytes(peer->line.in, bytes);
  if (take_frames(peer->line.in, {peer->id, link, true}, arrivals) == Framing::Bad) {
    hang_up(*peer, world);
    retry_later(*peer, world);
    return true;
  }
  world.give_credit(link, bytes.size());
  return true;
}

bool ElectionLinks::on_down(LinkId link, World& world, std::vector<Arrival>& arrivals) {
  Peer* peer = find(link);
  if (peer == nullptr) {
    const size_t at = find_stranger(link);
    if (at == strangers_.size()) return false;
    drop_stranger(at, false, world, arrivals);
    return true;
  }
  const bool steady = peer->state == State::Up && world.now() >= peer->up_since + kSteadyLink;
  if (steady) peer->pause = pause_min_;
  peer->gone_at = world.now();
  peer->state = State::None;
  peer->line = Line{};
  retry_later(*peer, world);
  return true;
}

// --- connections that others open

void ElectionLinks::on_stranger_bytes(size_t at, ByteView bytes, World& world,
                                      std::vector<Arrival>& arrivals) {
  Stranger& stranger = strangers_[at];
  Line& line = stranger.line;
  append_bytes(line.in, bytes);
  if (!stranger.identified) {
    ElectionHello hello;
    size_t used = 0;
    const Decoded decoded = decode_election_hello(line.in, hello, used);
    if (decoded == Decoded::NeedMore) return;
    if (decoded == Decoded::Bad || hello.from == id_) {
      drop_stranger(at, true, world, arrivals);
      return;
    }
    line.in.erase(line.in.begin(), line.in.begin() + static_cast<std::ptrdiff_t>(used));
    identify(at, hello.from, world, arrivals);
    return;
  }
  if (take_frames(line.in, {stranger.id, line.link, false}, arrivals) == Framing::Bad) {
    drop_stranger(at, true, world, arrivals);
    return;
  }
  world.give_credit(line.link, bytes.size());
}

void ElectionLinks::identify(size_t at, ServerId id, World& world, std::vector<Arrival>& arrivals) {
  CHECK(!strangers_[at].identified && id != id_);
  Peer* peer = find(id);
  if (peer != nullptr) peer->gone_at = Instant::never();
  if (peer != nullptr && id < id_) {
    drop_stranger(at, true, world, arrivals);
    call_back(*peer, world);
    return;
  }
  if (peer != nullptr) {
    Line line = std::move(strangers_[at].line);
    strangers_.erase(strangers_.begin() + static_cast<std::ptrdiff_t>(at));
    take_over(*peer, std::move(line), world, arrivals);
    return;
  }
  Stranger& stranger = strangers_[at];
  stranger.id = id;
  stranger.identified = true;
  stranger.deadline = Instant::never();
  const Contact contact{id, stranger.line.link, false};
  world.give_credit(stranger.line.link, kWindowBytes);
  if (take_frames(stranger.line.in, contact, arrivals) == Framing::Bad) {
    drop_stranger(at, true, world, arrivals);
  }
}

void ElectionLinks::take_over(Peer& peer, Line line, World& world, std::vector<Arrival>& arrivals) {
  CHECK(id_ < peer.id && line.hello.empty() && line.frame.empty());
  if (peer.state != State::None) hang_up(peer, world);
  const Contact contact{peer.id, line.link, true};
  peer.state = State::Up;
  peer.unanswered = 0;
  peer.up_since = world.now();
  peer.due = Instant::never();
  peer.line = std::move(line);
  world.give_credit(peer.line.link, kWindowBytes);
  arrivals.push_back({What::Connected, contact, {}});
  if (take_frames(peer.line.in, contact, arrivals) == Framing::Bad) {
    hang_up(peer, world);
    retry_later(peer, world);
  }
}

void ElectionLinks::drop_stranger(size_t at, bool close, World& world,
                                  std::vector<Arrival>& arrivals) {
  CHECK(at < strangers_.size());
  const Stranger& stranger = strangers_[at];
  if (close) world.close(stranger.line.link, false);
  if (stranger.identified) {
    arrivals.push_back({What::Gone, {stranger.id, stranger.line.link, false}, {}});
  }
  strangers_.erase(strangers_.begin() + static_cast<std::ptrdiff_t>(at));
}

// --- time

Instant ElectionLinks::deadline() const {
  Instant first = Instant::never();
  for (const Peer& peer : peers_) first = std::min(first, peer.due);
  for (const Stranger& stranger : strangers_) first = std::min(first, stranger.deadline);
  return first;
}

void ElectionLinks::on_deadline(World& world) {
  const Instant now = world.now();
  for (Peer& peer : peers_) {
    if (peer.due > now) continue;
    CHECK(peer.state != State::Up);
    if (peer.state == State::Connecting) {  // a black hole
      hang_up(peer, world);
      retry_later(peer, world);
    } else {
      attempt(peer, world);
    }
  }
  for (size_t i = strangers_.size(); i-- > 0;) {
    if (strangers_[i].deadline > now) continue;
    CHECK(!strangers_[i].identified);
    world.close(strangers_[i].line.link, false);
    strangers_.erase(strangers_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// --- messages out

void ElectionLinks::send(const Contact& to, ByteView frame) {
  CHECK(!frame.empty());
  if (to.member) {
    Peer* peer = find(to.id);
    CHECK(peer != nullptr);
    if (peer->state == State::Up) peer->line.frame.assign(frame.begin(), frame.end());
    return;
  }
  const size_t at = find_stranger(to.link);
  if (at < strangers_.size()) strangers_[at].line.frame.assign(frame.begin(), frame.end());
}

void ElectionLinks::end_turn(World& world) {
  const auto flush = [&world](Line& line) {
    if (line.hello.empty() && line.frame.empty()) return;
    if (world.unsent(line.link) > 0)
      return;  // LinkDrained is due; until then the newest frame waits
    append_bytes(line.hello, line.frame);
    world.send(line.link, line.hello);
    line.hello.clear();
    line.frame.clear();
  };
  for (Peer& peer : peers_) {
    if (peer.state != State::Up) continue;
    if (wanted_ && !peer.line.frame.empty() && ++peer.unanswered > kUnansweredMax) {
      hang_up(peer, world);
      retry_later(peer, world);
      continue;
    }
    flush(peer.line);
  }
  for (Stranger& stranger : strangers_) flush(stranger.line);
}

}  // namespace vivarium
