#include "sim/sim_network.h"

#include <algorithm>

#include "core/base/check.h"

namespace vivarium::sim {
namespace {

constexpr uint64_t kShares = 1 << 20;  // of a run of bytes that arrives in pieces

}  // namespace

// ---------------------------------------------------------------------------------- tables

HostId SimNetwork::add_host() {
  const size_t old = hosts_.size();
  hosts_.emplace_back();
  std::vector<Pair> grown(hosts_.size() * hosts_.size());
  for (size_t a = 0; a < old; ++a) {
    for (size_t b = 0; b < old; ++b) grown[a * hosts_.size() + b] = pairs_[a * old + b];
  }
  pairs_ = std::move(grown);
  return HostId{static_cast<uint32_t>(old)};
}

SimNetwork::Connection* SimNetwork::find(const Happening& h) {
  Connection& c = connections_[h.slot];
  return c.used && c.generation == h.generation ? &c : nullptr;
}

const SimNetwork::Connection* SimNetwork::find(const Happening& h) const {
  const Connection& c = connections_[h.slot];
  return c.used && c.generation == h.generation ? &c : nullptr;
}

SimNetwork::Connection* SimNetwork::find(const LinkInfo& link) {
  if (link.connection >= connections_.size()) return nullptr;
  Connection& c = connections_[link.connection];
  return c.used && c.generation == link.generation ? &c : nullptr;
}

SimNetwork::LinkSlot* SimNetwork::slot(HostId host, LinkId link) {
  auto& links = hosts_[host.value].links;
  if (link.slot >= links.size()) return nullptr;
  LinkSlot& s = links[link.slot];
  return s.used && s.generation == link.generation ? &s : nullptr;
}

const SimNetwork::LinkSlot* SimNetwork::slot(HostId host, LinkId link) const {
  const auto& links = hosts_[host.value].links;
  if (link.slot >= links.size()) return nullptr;
  const LinkSlot& s = links[link.slot];
  return s.used && s.generation == link.generation ? &s : nullptr;
}

uint32_t SimNetwork::allocate() {
  uint32_t index;
  if (free_.empty()) {
    index = static_cast<uint32_t>(connections_.size());
    connections_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  // A new connection in the old one's buffers.
  Connection& c = connections_[index];
  const uint32_t generation = c.generation;
  Bytes buffers[2] = {std::move(c.streams[0].bytes), std::move(c.streams[1].bytes)};
  c = Connection{};
  for (size_t i = 0; i < 2; ++i) {
    buffers[i].clear();
    c.streams[i].bytes = std::move(buffers[i]);
    c.streams[i].window = options_.window_bytes;
  }
  c.generation = generation + 1;
  c.used = true;
  return index;
}

void SimNetwork::birth(uint32_t connection, size_t end, EndState state) {
  End& e = connections_[connection].ends[end];
  HostLinks& host = hosts_[e.host.value];
  uint32_t index;
  if (host.free.empty()) {
    index = static_cast<uint32_t>(host.links.size());
    host.links.emplace_back();
  } else {
    index = host.free.back();
    host.free.pop_back();
  }
  LinkSlot& s = host.links[index];
  s.generation += 1;
  s.used = true;
  s.connection = connection;
  s.end = static_cast<uint8_t>(end);
  e.link = {index, s.generation};
  e.state = state;
}

void SimNetwork::death(uint32_t connection, size_t end) {
  Connection& c = connections_[connection];
  End& e = c.ends[end];
  CHECK(alive(e));
  HostLinks& host = hosts_[e.host.value];
  host.links[e.link.slot].used = false;
  host.free.push_back(e.link.slot);
  e.state = EndState::Gone;
  if (!alive(c.ends[1 - end])) dead_.push_back(connection);
}

void SimNetwork::reap() {
  for (const uint32_t index : dead_) {
    connections_[index].used = false;
    free_.push_back(index);
  }
  dead_.clear();
}

Choice SimNetwork::choice(ChoiceKind kind, const Connection& c, size_t end, uint64_t nth) const {
  const uint64_t subject =
      uint64_t{c.ends[0].host.value} << 40 | uint64_t{c.ends[1].host.value & 0xffff} << 16 | c.port;
  return {kind, subject, uint64_t{c.nth} << 1 | end, nth};
}

Duration SimNetwork::packet_delay(Moment& m, const Connection& c, size_t sender, uint64_t nth) {
  const Pair& p = pair(c.ends[sender].host, c.ends[1 - sender].host);
  return m.choices.delay(choice(ChoiceKind::PacketDelay, c, sender, nth),
                         p.own_delay ? p.delay : options_.packet);
}

void SimNetwork::push(Moment& m, SimTime at, Happens kind, uint32_t connection, size_t which,
                      uint64_t b) {
  const Connection& c = connections_[connection];
  Happening h{kind, kNoHost, connection, c.generation, which, b};
  h.host = c.ends[told(h)].host;
  m.queue.push(at, h);
}

LinkInfo SimNetwork::info_of(uint32_t connection) const {
  const Connection& c = connections_[connection];
  const bool up = c.ends[0].state == EndState::Live && c.ends[1].state == EndState::Live;
  return {connection, c.generation, c.ends[0].host, c.ends[1].host, c.port, c.nth, up};
}

std::optional<LinkInfo> SimNetwork::info(HostId host, LinkId link) const {
  const LinkSlot* s = slot(host, link);
  if (s == nullptr) return std::nullopt;
  return info_of(s->connection);
}

std::optional<LinkId> SimNetwork::handle(HostId host, const LinkInfo& link) const {
  for (const End& end : connections_[link.connection].ends) {
    if (end.host == host && alive(end)) return end.link;
  }
  return std::nullopt;
}

std::optional<LinkInfo> SimNetwork::info(const Happening& h) const {
  if (find(h) == nullptr) return std::nullopt;
  return info_of(h.slot);
}

std::vector<LinkInfo> SimNetwork::links() const {
  std::vector<LinkInfo> out;
  for (uint32_t i = 0; i < connections_.size(); ++i) {
    const Connection& c = connections_[i];
    if (c.used && (alive(c.ends[0]) || alive(c.ends[1]))) out.push_back(info_of(i));
  }
  return out;
}

// ---------------------------------------------------------------------------------- World's side

LinkId SimNetwork::connect(Moment& m, HostId from, std::optional<HostId> to, uint16_t port) {
  const uint32_t index = allocate();
  Connection& c = connections_[index];
  c.ends[0].host = from;
  c.ends[1].host = to.value_or(from);
  c.port = port;
  c.nth = pair(from, c.ends[1].host).connects[port & 3]++;
  birth(index, 0, EndState::Waiting);
  const LinkId link = c.ends[0].link;
  if (!to || port < kClientPort || port > kMetricsPort) {
    const Choice when = choice(ChoiceKind::LinkEndDelay, c, 0, 0);
    push(m, m.now + m.choices.delay(when, options_.notice), Happens::Down, index, 0, 0);
    return link;
  }
  const Duration took =
      m.choices.delay(choice(ChoiceKind::ConnectDelay, c, 0, 0), options_.connect);
  push(m, m.now + took, Happens::Syn, index, 1, 0);
  return link;
}

void SimNetwork::append(Stream& s, ByteView bytes) {
  if (s.head == s.bytes.size()) {
    s.bytes.clear();
    s.head = 0;
  } else if (s.head > 8192 && s.head > s.bytes.size() / 2) {
    s.bytes.erase(s.bytes.begin(), s.bytes.begin() + static_cast<ptrdiff_t>(s.head));
    s.head = 0;
  }
  s.bytes.insert(s.bytes.end(), bytes.begin(), bytes.end());
  s.accepted += bytes.size();
}

void SimNetwork::send(HostId host, LinkId link, ByteView bytes) {
  const LinkSlot* found = slot(host, link);
  if (found == nullptr || bytes.empty()) return;
  Connection& c = connections_[found->connection];
  Stream& s = c.streams[found->end];
  append(s, bytes);
  if (s.dirty) return;
  s.dirty = true;
  hosts_[host.value].dirty.push_back({found->connection, c.generation, found->end});
}

uint64_t SimNetwork::unsent(HostId host, LinkId link) const {
  const LinkSlot* found = slot(host, link);
  if (found == nullptr) return 0;
  const Stream& s = connections_[found->connection].streams[found->end];
  return s.accepted - s.left;
}

void SimNetwork::give_credit(Moment& m, HostId host, LinkId link, uint64_t bytes) {
  const LinkSlot* found = slot(host, link);
  if (found == nullptr) return;
  const size_t sender = 1 - size_t{found->end};
  Stream& s = connections_[found->connection].streams[sender];
  s.credit = bytes > UINT64_MAX - s.credit ? UINT64_MAX : s.credit + bytes;
  if (s.arrived == s.delivered || s.deliver_queued) return;
  s.deliver_queued = true;
  push(m, m.now, Happens::Deliver, found->connection, sender, 0);
}

void SimNetwork::end_turn(Moment& m, HostId host) {
  auto& dirty = hosts_[host.value].dirty;
  for (const DirtyStream& d : dirty) {
    Connection& c = connections_[d.connection];
    if (!c.used || c.generation != d.generation) continue;
    Stream& s = c.streams[d.end];
    s.dirty = false;
    if (!alive(c.ends[d.end])) continue;
    s.committed = s.accepted;
    flush(m, d.connection, d.end);
    if (s.left < s.committed) s.drain_due = true;
  }
  dirty.clear();
}

void SimNetwork::close(Moment& m, HostId host, LinkId link, bool drain) {
  const LinkSlot* found = slot(host, link);
  if (found == nullptr) return;
  const uint32_t index = found->connection;
  const size_t end = found->end;
  Connection& c = connections_[index];
  Stream& s = c.streams[end];
  const bool waiting = c.ends[end].state == EndState::Waiting;
  s.closing = true;
  death(index, end);
  if (drain && !waiting) {
    s.committed = s.accepted;
  } else {
    s.bytes.resize(s.bytes.size() - (s.accepted - s.left));
    s.accepted = s.committed = s.left;
    if (m.choices.chance(choice(ChoiceKind::LinkEnd, c, end, 0), 1, 2)) {
      cut_in_flight(m, c, end, 0);
      send_reset(m, index, 1 - end);
      return;
    }
  }
  flush(m, index, end);
}

// ---------------------------------------------------------------------------------- bytes leave

void SimNetwork::flush(Moment& m, uint32_t connection, size_t sender) {
  Connection& c = connections_[connection];
  Stream& s = c.streams[sender];
  if (c.ends[sender].state == EndState::Waiting) return;
  const uint64_t flying = s.left - s.acked;
  const uint64_t room = s.window > flying ? s.window - flying : 0;
  const uint64_t bytes = std::min(s.committed - s.left, room);
  if (bytes != 0) depart(m, connection, sender, bytes);
  if (s.left != s.accepted) return;
  if (s.drain_due && alive(c.ends[sender])) {
    s.drain_due = false;
    push(m, m.now, Happens::Drained, connection, sender, 0);
  }
  if (s.closing && !s.fin_sent) send_fin(m, connection, sender);
}

void SimNetwork::depart(Moment& m, uint32_t connection, size_t sender, uint64_t bytes) {
  Connection& c = connections_[connection];
  Stream& s = c.streams[sender];
  uint64_t start = s.left;
  s.left += bytes;
  if (c.orphan[sender] && hosts_[c.ends[1 - sender].host.value].presence != Presence::MachineOff) {
    c.orphan[sender] = false;
    send_reset(m, connection, sender);
    return;
  }
  if (c.ends[1 - sender].state == EndState::Gone && !s.refused && !c.orphan[sender]) {
    s.refused = true;  // a closed socket answers data with a reset
    send_reset(m, connection, sender);
  }
  if (start >= s.cut) return;
  uint64_t pieces = 1;
  if (bytes > 1 && m.choices.chance(choice(ChoiceKind::PacketSplit, c, sender, s.packets),
                                    options_.split_per_1024, 1024)) {
    pieces = 2 + (s.packets & 1);
  }
  while (start < s.left) {
    const uint64_t rest = s.left - start;
    uint64_t piece = rest;
    if (pieces > 1 && rest > 1) {
      // A share of them: the choice does not depend on how many there are.
      const Choice cut = choice(ChoiceKind::PacketCut, c, sender, s.packets);
      piece = 1 + (rest - 1) * m.choices.below(cut, kShares, kShares - 1) / kShares;
    }
    start += piece;
    pieces -= pieces > 1 ? 1 : 0;
    const SimTime at = m.now + packet_delay(m, c, sender, s.packets++);
    s.last_arrival = std::max({s.last_arrival, s.stalled_until, at});
    push(m, s.last_arrival, Happens::Arrive, connection, sender, start);
  }
}

void SimNetwork::send_fin(Moment& m, uint32_t connection, size_t sender) {
  Connection& c = connections_[connection];
  Stream& s = c.streams[sender];
  s.fin_sent = true;
  const SimTime at = m.now + packet_delay(m, c, sender, s.packets++);
  s.last_arrival = std::max({s.last_arrival, s.stalled_until, at});
  push(m, s.last_arrival, Happens::Fin, connection, sender, s.left);
}

void SimNetwork::send_reset(Moment& m, uint32_t connection, size_t to_end) {
  Connection& c = connections_[connection];
  Stream& s = c.streams[1 - to_end];
  push(m, m.now + packet_delay(m, c, 1 - to_end, s.packets++), Happens::Reset, connection, to_end,
       0);
}

// ---------------------------------------------------------------------------------- happenings

bool SimNetwork::syn(Moment& m, const Happening& h) {
  Connection* c = find(h);
  if (c == nullptr || c->broken || c->ends[0].state != EndState::Waiting) return false;
  const HostId from = c->ends[0].host;
  const HostId to = c->ends[1].host;
  const Path there = pair(from, to).path;
  const Path back = pair(to, from).path;
  if (there == Path::BlackHole || back == Path::BlackHole) return false;
  if (there == Path::Stalled || back == Path::Stalled) {
    c->syn_held = true;
    return false;
  }
  switch (hosts_[to.value].presence) {
    case Presence::MachineOff:
      // The network says so after a while, or nothing does until the machine is back.
      if (m.choices.chance(choice(ChoiceKind::LinkEnd, *c, 0, 1), 1, 2)) {
        const Choice when = choice(ChoiceKind::LinkEndDelay, *c, 0, 1);
        push(m, m.now + m.choices.delay(when, options_.unreachable), Happens::Down, h.slot, 0, 0);
      } else {
        c->syn_held = true;
      }
      return false;
    case Presence::NoProcess:
      send_reset(m, h.slot, 0);
      return false;
    case Presence::Listening:
      break;
  }
  birth(h.slot, 1, EndState::Live);
  Stream& back_stream = c->streams[1];
  back_stream.last_arrival = m.now + packet_delay(m, *c, 1, back_stream.packets++);
  push(m, back_stream.last_arrival, Happens::Up, h.slot, 0, 0);
  return true;
}

bool SimNetwork::accepted(const Happening& h) const {
  const Connection* c = find(h);
  return c != nullptr && alive(c->ends[1]);
}

bool SimNetwork::up(Moment& m, const Happening& h) {
  Connection* c = find(h);
  if (c == nullptr || c->ends[0].state != EndState::Waiting) return false;
  const Path back = pair(c->ends[1].host, c->ends[0].host).path;
  if (back == Path::Stalled) c->up_held = true;
  if (back != Path::Open) return false;
  c->ends[0].state = EndState::Live;
  flush(m, h.slot, 0);
  Stream& incoming = c->streams[1];
  const bool waiting = incoming.arrived > incoming.delivered || incoming.fin_arrived;
  if (waiting && !incoming.deliver_queued) {
    incoming.deliver_queued = true;
    push(m, m.now, Happens::Deliver, h.slot, 1, 0);
  }
  return true;
}

bool SimNetwork::arrive(Moment& m, const Happening& h) {
  Connection* c = find(h);
  if (c == nullptr) return false;
  const size_t sender = direction(h);
  Stream& s = c->streams[sender];
  if (m.now < s.stalled_until) {
    s.last_arrival = std::max(s.last_arrival, s.stalled_until);
    m.queue.push(s.stalled_until, h);
    return false;
  }
  const bool fin = h.kind == Happens::Fin;
  const Path there = pair(c->ends[sender].host, c->ends[1 - sender].host).path;
  if (there == Path::Stalled) {
    s.held_to = std::max(s.held_to, h.b);
    s.fin_held = s.fin_held || fin;
    return false;
  }
  if (there == Path::BlackHole) {
    s.cut = std::min(s.cut, s.arrived);
    return false;
  }
  s.arrived = std::max(s.arrived, std::min(h.b, s.cut));
  if (fin && h.b <= s.cut) s.fin_arrived = true;
  return c->ends[1 - sender].state == EndState::Live;
}

ByteView SimNetwork::take(Moment& m, const Happening& h) {
  Connection* c = find(h);
  if (c == nullptr) return {};
  const size_t sender = direction(h);
  Stream& s = c->streams[sender];
  if (h.kind == Happens::Deliver) s.deliver_queued = false;
  if (c->ends[1 - sender].state != EndState::Live) return {};
  const uint64_t bytes = std::min(s.arrived - s.delivered, s.credit);
  if (bytes == 0) return {};
  ByteView view = ByteView(s.bytes).subspan(s.head, bytes);
  if (c->ends[0].host == c->ends[1].host) {
    scratch_.assign(view.begin(), view.end());  // the step may send into the stream it reads from
    view = scratch_;
  }
  s.head += bytes;
  s.delivered += bytes;
  s.credit -= bytes;
  bytes_delivered_ += bytes;
  acknowledge(m, h.slot, sender);
  return view;
}

// The sender's kernel learns what was delivered, if it can.
void SimNetwork::acknowledge(Moment& m, uint32_t connection, size_t sender) {
  Connection& c = connections_[connection];
  Stream& s = c.streams[sender];
  if (pair(c.ends[1 - sender].host, c.ends[sender].host).path != Path::Open) return;
  s.acked = s.delivered;
  if (s.window_queued || s.left == s.committed || s.window == 0) return;
  s.window_queued = true;
  const Choice when = choice(ChoiceKind::WindowDelay, c, sender, s.window_opens++);
  push(m, m.now + m.choices.delay(when, options_.packet), Happens::WindowOpen, connection, sender,
       0);
}

void SimNetwork::window_open(Moment& m, const Happening& h) {
  Connection* c = find(h);
  if (c == nullptr) return;
  c->streams[direction(h)].window_queued = false;
  flush(m, h.slot, direction(h));
}

bool SimNetwork::drained(const Happening& h) {
  const Connection* c = find(h);
  if (c == nullptr || !alive(c->ends[direction(h)])) return false;
  const Stream& s = c->streams[direction(h)];
  return s.left == s.accepted;
}

bool SimNetwork::reset(Moment&, const Happening& h) {
  Connection* c = find(h);
  if (c == nullptr) return false;
  const size_t end = direction(h);
  const Path there = pair(c->ends[1 - end].host, c->ends[end].host).path;
  if (there == Path::Stalled) c->reset_held[end] = true;
  if (there == Path::BlackHole) c->orphan[end] = true;
  return there == Path::Open && alive(c->ends[end]);
}

bool SimNetwork::down(Moment&, const Happening& h) {
  Connection* c = find(h);
  if (c == nullptr || !alive(c->ends[told(h)])) return false;
  death(h.slot, told(h));
  return true;
}

bool SimNetwork::at_end(const Happening& h) const {
  const Connection* c = find(h);
  if (c == nullptr) return false;
  const Stream& s = c->streams[direction(h)];
  return c->ends[1 - direction(h)].state == EndState::Live && s.fin_arrived &&
         s.delivered == s.arrived;
}

Door SimNetwork::door_of(const Happening& h) const {
  switch (connections_[h.slot].port) {
    case kQuorumPort:
      return Door::Quorum;
    case kElectionPort:
      return Door::Election;
    case kAdminPort:
      return Door::Admin;
    case kMetricsPort:
      return Door::Metrics;
    default:
      return Door::Client;
  }
}

HostId SimNetwork::peer_of(const Happening& h) const {
  return connections_[h.slot].ends[1 - told(h)].host;
}

}  // namespace vivarium::sim
