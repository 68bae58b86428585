// What can go wrong with links: dying processes and machines, cuts, breaks, stalls, hostile bytes.
#include <algorithm>

#include "core/base/check.h"
#include "sim/sim_network.h"

namespace vivarium::sim {

void SimNetwork::cut_in_flight(Moment& m, Connection& c, size_t sender, uint64_t cause) {
  Stream& s = c.streams[sender];
  const Choice what = choice(ChoiceKind::LinkEndCut, c, sender, cause);
  const uint64_t kept = m.choices.below(what, s.left - s.arrived + 1, 0);
  s.cut = std::min(s.cut, s.arrived + kept);
}

void SimNetwork::set_presence(Moment& m, HostId host, Presence presence) {
  hosts_[host.value].presence = presence;
  if (presence == Presence::MachineOff) return;
  for (uint32_t i = 0; i < connections_.size(); ++i) {
    if (connections_[i].used && connections_[i].syn_held) reopen(m, i);
  }
}

void SimNetwork::process_died(Moment& m, HostId host, bool power_lost) {
  hosts_[host.value].dirty.clear();
  for (uint32_t i = 0; i < connections_.size(); ++i) {
    for (size_t end = 0; end < 2; ++end) {
      Connection& c = connections_[i];
      if (!c.used || c.ends[end].host != host || c.ends[end].state == EndState::Unborn) continue;
      Stream& s = c.streams[end];
      const bool was_alive = alive(c.ends[end]);
      const bool lingering = !was_alive && s.closing && !s.fin_sent;
      if (!was_alive && !lingering) continue;
      s.bytes.resize(s.bytes.size() - (s.accepted - s.left));
      s.accepted = s.committed = s.left;
      s.closing = true;
      s.dirty = false;
      if (was_alive) death(i, end);
      if (!alive(c.ends[1 - end])) continue;
      if (power_lost) {
        cut_in_flight(m, c, end, 2);
        c.orphan[1 - end] = true;
        s.fin_sent = true;  // there is nobody to send it
        if (m.choices.chance(choice(ChoiceKind::LinkEnd, c, end, 2), 1, 3)) {
          const Choice when = choice(ChoiceKind::LinkEndDelay, c, end, 2);
          push(m, m.now + m.choices.delay(when, options_.unreachable), Happens::Down, i, 1 - end,
               0);
        }
      } else if (m.choices.chance(choice(ChoiceKind::LinkEnd, c, end, 3), 1, 2)) {
        cut_in_flight(m, c, end, 3);
        s.fin_sent = true;
        send_reset(m, i, 1 - end);
      } else {
        flush(m, i, end);
      }
    }
  }
}

void SimNetwork::set_delay(HostId from, HostId to, const Delay& packet) {
  pair(from, to).own_delay = true;
  pair(from, to).delay = packet;
}

void SimNetwork::set_path(Moment& m, HostId from, HostId to, Path path) {
  Pair& p = pair(from, to);
  if (p.path == path) return;
  p.path = path;
  if (path != Path::Open) return;
  for (uint32_t i = 0; i < connections_.size(); ++i) {
    const Connection& c = connections_[i];
    if (!c.used) continue;
    const bool same = c.ends[0].host == from && c.ends[1].host == to;
    const bool reverse = c.ends[0].host == to && c.ends[1].host == from;
    if (same || reverse) reopen(m, i);
  }
}

// Sends again what a closed path held back, as far as paths are open now.
void SimNetwork::reopen(Moment& m, uint32_t connection) {
  Connection& c = connections_[connection];
  const Path paths[2] = {pair(c.ends[0].host, c.ends[1].host).path,
                         pair(c.ends[1].host, c.ends[0].host).path};
  if (c.syn_held && paths[0] == Path::Open && paths[1] == Path::Open &&
      hosts_[c.ends[1].host.value].presence != Presence::MachineOff) {
    c.syn_held = false;
    const Choice when = choice(ChoiceKind::ConnectDelay, c, 0, 1);
    push(m, m.now + m.choices.delay(when, options_.connect), Happens::Syn, connection, 1, 0);
  }
  if (c.up_held && paths[1] == Path::Open) {
    c.up_held = false;
    Stream& s = c.streams[1];
    s.last_arrival = std::max(s.last_arrival, m.now + packet_delay(m, c, 1, s.packets++));
    push(m, s.last_arrival, Happens::Up, connection, 0, 0);
  }
  for (size_t sender = 0; sender < 2; ++sender) {
    if (paths[sender] != Path::Open) continue;
    Stream& s = c.streams[sender];
    if (s.held_to != 0 || s.fin_held) {
      s.last_arrival = std::max(s.last_arrival, m.now + packet_delay(m, c, sender, s.packets++));
      push(m, s.last_arrival, s.fin_held ? Happens::Fin : Happens::Arrive, connection, sender,
           s.held_to);
      s.held_to = 0;
      s.fin_held = false;
    }
    if (c.reset_held[1 - sender]) {
      c.reset_held[1 - sender] = false;
      send_reset(m, connection, 1 - sender);
    }
    acknowledge(m, connection, 1 - sender);
  }
}

void SimNetwork::break_link(Moment& m, const LinkInfo& link, uint64_t fault) {
  Connection* c = find(link);
  if (c == nullptr) return;
  if (c->ends[1].state == EndState::Unborn) c->broken = true;
  for (size_t end = 0; end < 2; ++end) {
    if (c->ends[end].state == EndState::Unborn) continue;
    cut_in_flight(m, *c, end, 16 + fault);
    if (!alive(c->ends[end])) continue;
    const Choice when = choice(ChoiceKind::LinkEndDelay, *c, end, 16 + fault);
    push(m, m.now + m.choices.delay(when, options_.notice), Happens::Down, link.connection, end, 0);
  }
}

void SimNetwork::stall(Moment& m, const LinkInfo& link, int direction, SimTime until) {
  Connection* c = find(link);
  if (c == nullptr) return;
  Stream& s = c->streams[direction & 1];
  s.stalled_until = std::max({s.stalled_until, until, m.now});
}

void SimNetwork::vanish(const LinkInfo& link, int direction) {
  Connection* c = find(link);
  if (c == nullptr) return;
  Stream& s = c->streams[direction & 1];
  s.cut = std::min(s.cut, s.arrived);
}

void SimNetwork::set_window(Moment& m, const LinkInfo& link, int direction, uint64_t bytes) {
  Connection* c = find(link);
  if (c == nullptr) return;
  const size_t sender = static_cast<size_t>(direction & 1);
  c->streams[sender].window = bytes;
  flush(m, link.connection, sender);
}

void SimNetwork::inject(Moment& m, const LinkInfo& link, int direction, ByteView bytes) {
  Connection* c = find(link);
  const size_t sender = static_cast<size_t>(direction & 1);
  if (c == nullptr || bytes.empty() || c->streams[sender].fin_sent) return;
  Stream& s = c->streams[sender];
  const size_t at = s.head + static_cast<size_t>(s.left - s.delivered);
  s.bytes.insert(s.bytes.begin() + static_cast<ptrdiff_t>(at), bytes.begin(), bytes.end());
  s.accepted += bytes.size();
  s.committed += bytes.size();
  s.left += bytes.size();
  s.last_arrival = std::max(s.last_arrival, m.now + packet_delay(m, *c, sender, s.packets++));
  push(m, s.last_arrival, Happens::Arrive, link.connection, sender, s.left);
}

bool SimNetwork::corrupt(const LinkInfo& link, int direction, uint32_t bit) {
  Connection* c = find(link);
  if (c == nullptr) return false;
  Stream& s = c->streams[direction & 1];
  if (s.arrived == s.left) return false;
  Byte& byte = s.bytes[s.head + static_cast<size_t>(s.arrived - s.delivered)];
  byte = static_cast<Byte>(byte ^ (1U << (bit % 8)));
  return true;
}

}  // namespace vivarium::sim
