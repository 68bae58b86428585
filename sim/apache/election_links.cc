#include "sim/apache/election_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "core/wire/peer_messages.h"

namespace vivarium::apache {
namespace {

constexpr uint64_t kElectionCredit = 1 << 20;

}  // namespace

ElectionLinks::Link* ElectionLinks::find(LinkId id) {
  const auto found =
      std::find_if(links_.begin(), links_.end(), [&](const Link& l) { return l.id == id; });
  return found == links_.end() ? nullptr : &*found;
}

void ElectionLinks::send(ServerId to, Bytes frame, const Config& config, World& world) {
  queues_[to].next = std::move(frame);
  connect_one(to, config, world);
  flush(to, world);
}

bool ElectionLinks::have_delivered() const {
  return std::any_of(queues_.begin(), queues_.end(),
                     [](const auto& queue) { return !queue.second.next.has_value(); });
}

void ElectionLinks::connect_all(const Config& config, World& world) {
  for (const auto& queue : queues_) connect_one(queue.first, config, world);
}

void ElectionLinks::connect_one(ServerId to, const Config& config, World& world) {
  const Member* const member = config.find(to);
  if (active_.contains(to) || member == nullptr) return;
  const auto under_way = std::find_if(links_.begin(), links_.end(), [&](const Link& link) {
    return link.dialled && !link.up && link.peer == to;
  });
  if (under_way != links_.end()) {
    const Duration limit = milliseconds(config.election_connect_ms);
    if (world.now() - under_way->dialled_at < limit) return;
    drop(under_way->id, world);
  }
  Link link;
  link.id = world.connect(member->election);
  link.peer = to;
  link.dialled = true;
  link.dialled_at = world.now();
  links_.push_back(std::move(link));
}

// What is queued leaves while there is a connection.
void ElectionLinks::flush(ServerId to, World& world) {
  const auto active = active_.find(to);
  Queue& queue = queues_[to];
  if (active == active_.end() || !queue.next) return;
  world.send(active->second, *queue.next);
  queue.last = std::exchange(queue.next, std::nullopt);
}

// A connection is agreed on: it takes the place of an earlier one, and the last message may have
// been lost with that.
void ElectionLinks::use(Link& link, World& world) {
  const ServerId peer = *link.peer;
  const LinkId id = link.id;
  finish(peer, world);
  active_[peer] = id;
  Queue& queue = queues_[peer];
  if (!queue.next && queue.last) queue.next = queue.last;
  flush(peer, world);
}

void ElectionLinks::finish(ServerId peer, World& world) {
  const auto found = active_.find(peer);
  if (found == active_.end()) return;
  const LinkId id = found->second;
  active_.erase(found);
  drop(id, world);
}

void ElectionLinks::drop(LinkId id, World& world) {
  world.close(id, true);
  std::erase_if(links_, [&](const Link& link) { return link.id == id; });
}

// startConnection(): whoever has the smaller id asks to be called back.
void ElectionLinks::opened(Link& link, const Config& config, World& world) {
  link.up = true;
  const Member* const self = config.find(config.id);
  Bytes hello;
  encode(ElectionHello{config.id, fmt::format("{}:{}", self->election.host, self->election.port)},
         hello);
  world.send(link.id, hello);
  if (*link.peer > config.id) return drop(link.id, world);
  world.give_credit(link.id, kElectionCredit);
  use(link, world);
}

// handleConnection(). False: the link is gone.
bool ElectionLinks::read_hello(Link& link, const Config& config, World& world) {
  ElectionHello hello;
  size_t used = 0;
  const Decoded state = decode_election_hello(link.in, hello, used);
  if (state == Decoded::NeedMore) return false;
  if (state == Decoded::Bad || hello.from == config.id) {
    drop(link.id, world);
    return false;
  }
  if (hello.from < config.id) {
    const LinkId id = link.id;  // `link` may have moved when another has gone
    finish(hello.from, world);
    drop(id, world);
    connect_one(hello.from, config, world);
    return false;
  }
  link.peer = hello.from;
  link.in.erase(link.in.begin(), link.in.begin() + static_cast<std::ptrdiff_t>(used));
  use(link, world);
  return true;
}

void ElectionLinks::read(LinkId id, const Config& config, World& world) {
  constexpr size_t kLengthBytes = 4;
  Link* link = find(id);
  if (link == nullptr) return;
  if (!link->peer && !read_hello(*link, config, world)) return;
  link = find(id);
  while (link != nullptr && link->in.size() >= kLengthBytes) {
    const size_t length = get_u32(link->in.data());
    if (length == 0 || length > kNotificationBytesMax) return finish(*link->peer, world);
    if (link->in.size() < kLengthBytes + length) return;
    const auto begin = link->in.begin() + kLengthBytes;
    const auto end = begin + static_cast<std::ptrdiff_t>(length);
    received_.push_back({*link->peer, Bytes(begin, end)});
    link->in.erase(link->in.begin(), end);
  }
}

bool ElectionLinks::handle(const Event& event, const Config& config, World& world) {
  if (const auto* accepted = std::get_if<LinkAccepted>(&event)) {
    if (accepted->door != Door::Election) return false;
    Link link;
    link.id = accepted->link;
    link.up = true;
    links_.push_back(std::move(link));
    world.give_credit(accepted->link, kElectionCredit);
    return true;
  }
  if (const auto* up = std::get_if<LinkUp>(&event)) {
    Link* const link = find(up->link);
    if (link == nullptr) return false;
    opened(*link, config, world);
    return true;
  }
  if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
    Link* const link = find(bytes->link);
    if (link == nullptr) return false;
    append_bytes(link->in, bytes->bytes);
    world.give_credit(link->id, bytes->bytes.size());
    read(bytes->link, config, world);
    return true;
  }
  const auto* down = std::get_if<LinkDown>(&event);
  if (down == nullptr || find(down->link) == nullptr) return false;
  std::erase_if(links_, [&](const Link& link) { return link.id == down->link; });
  std::erase_if(active_, [&](const auto& active) { return active.second == down->link; });
  return true;
}

}  // namespace vivarium::apache
