#include "tests/unit/election_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "core/wire/peer_extension.h"
#include "core/wire/peer_messages.h"

namespace vivarium::election_test {
namespace {

std::string number(int64_t value) {
  return value == std::numeric_limits<int64_t>::min() ? "min" : std::to_string(value);
}

std::string zxid_text(int64_t wire) {
  if (wire < 0) return number(wire);
  const Zxid zxid = Zxid::from_wire(wire);
  return fmt::format("{}:{}", zxid.epoch(), zxid.counter());
}

}  // namespace

Config ensemble(int64_t own_id, const std::vector<int64_t>& voters,
                const std::vector<int64_t>& observers) {
  Config config;
  config.id = ServerId{own_id};
  const auto add = [&config](int64_t id, bool observer) {
    const std::string host = "n" + std::to_string(id);
    config.members.push_back({ServerId{id}, {host, 2888}, {host, 3888}, observer});
  };
  for (const int64_t id : voters) add(id, false);
  for (const int64_t id : observers) add(id, true);
  std::sort(config.members.begin(), config.members.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  return config;
}

std::string describe(const Notification& n) {
  constexpr const char* kStates[] = {"LOOKING", "FOLLOWING", "LEADING", "OBSERVING"};
  std::string text = fmt::format("{} leader={} zxid={} round={} epoch={}",
                                 kStates[static_cast<int>(n.state)], number(n.leader.value),
                                 zxid_text(n.zxid), n.election_epoch, number(n.peer_epoch));
  const std::optional<PeerExtension> extension = decode_peer_extension(n.extension);
  if (!extension) return text;
  for (const ZxidRange& fault : extension->faults) {
    text +=
        fmt::format(" faults={}..{}", zxid_text(fault.after.wire()), zxid_text(fault.upto.wire()));
  }
  return text;
}

ElectionHub::ElectionHub(std::vector<int64_t> voters, std::vector<int64_t> observers)
    : voters_(std::move(voters)), observers_(std::move(observers)) {
  ids_ = voters_;
  ids_.insert(ids_.end(), observers_.begin(), observers_.end());
  for (const int64_t id : ids_) nodes_[id];
}

// --- servers

void ElectionHub::script(int64_t id) {
  Node& node = nodes_[id];
  if (node.alive) kill(id);
  node.alive = true;
  node.world = std::make_unique<NodeWorld>();
  node.world->hub = this;
  node.world->id = id;
}

void ElectionHub::start(int64_t id) { start(id, ensemble(id, voters_, observers_)); }

void ElectionHub::start(int64_t id, const Config& config) {
  script(id);
  nodes_[id].election.emplace(config);
}

void ElectionHub::kill(int64_t id) {
  Node& node = nodes_.at(id);
  node.alive = false;
  node.election.reset();
  for (Wire& wire : wires_) {
    for (const auto& [own, other] :
         {std::pair{&wire.opener, &wire.acceptor}, std::pair{&wire.acceptor, &wire.opener}}) {
      if (own->id != id || !own->open) continue;
      own->open = false;
      own->inbox.clear();
      other->inbox.push_back({Item::Fin, {}});
    }
  }
}

Election& ElectionHub::election(int64_t id) { return nodes_.at(id).election.value(); }

void ElectionHub::look(int64_t id, const SelfVote& self) {
  Node& node = nodes_.at(id);
  if (!node.election) start(id);
  node.world->time = now_;
  node.election->look(self, *node.world);
  node.election->end_turn(*node.world);
}

void ElectionHub::configure(int64_t id, const Configs& configs) {
  Node& node = nodes_.at(id);
  if (!node.election) {
    Config config = ensemble(id, voters_, observers_);
    config.reconfig.enabled = true;
    start(id, config);
  }
  node.world->time = now_;
  node.election->configure(configs, Standing::Voter, *node.world);
  node.election->end_turn(*node.world);
}

void ElectionHub::settle(int64_t id, PeerState state, int64_t leader, Epoch epoch) {
  Node& node = nodes_.at(id);
  node.world->time = now_;
  node.election->settle(state, ServerId{leader}, epoch, *node.world);
  node.election->end_turn(*node.world);
}

void ElectionHub::say(int64_t from, int64_t to, const Notification& n) {
  Bytes bytes;
  encode_notification_frame(n, bytes);
  for (Wire& wire : wires_) {
    const bool opened = wire.opener.id == from && wire.acceptor.id == to && wire.opener.open;
    const bool accepted = wire.acceptor.id == from && wire.opener.id == to && wire.acceptor.open;
    if (opened || accepted) {
      (opened ? wire.acceptor : wire.opener).inbox.push_back({Item::Data, bytes});
      return;
    }
  }
  if (from < to) throw std::runtime_error("a smaller id speaks only when it was called");
  NodeWorld& world = *nodes_.at(from).world;
  const LinkId link = world.connect({"n" + std::to_string(to), 3888});
  Bytes hello;
  encode(ElectionHello{ServerId{from}, fmt::format("n{}:3888", from)}, hello);
  world.send(link, hello);
  world.send(link, bytes);
}

// --- network

std::vector<ElectionHub::Way> ElectionHub::ways() const {
  std::vector<Way> found;
  for (size_t i = 0; i < wires_.size(); ++i) {
    const Wire& wire = wires_[i];
    const int64_t a = wire.opener.id;
    const int64_t b = wire.acceptor.id;
    if (!wire.acceptor.inbox.empty() && !held(a, b)) found.push_back({i, true, a, b});
    if (!wire.opener.inbox.empty() && !held(b, a)) found.push_back({i, false, b, a});
  }
  return found;
}

void ElectionHub::deliver(const Way& way) {
  Wire& wire = wires_.at(way.wire);
  End& to = way.to_acceptor ? wire.acceptor : wire.opener;
  End& from = way.to_acceptor ? wire.opener : wire.acceptor;
  const Item item = to.inbox.front();
  to.inbox.pop_front();
  switch (item.kind) {
    case Item::Syn:
      if (!nodes_.at(to.id).alive) {
        from.inbox.push_back({Item::Fin, {}});
        return;
      }
      to.open = true;
      to.link = {next_slot_++, 1};
      from.inbox.push_back({Item::Up, {}});
      step(to.id, LinkAccepted{to.link, Door::Election, "10.0.0.1"});
      return;
    case Item::Up:
      if (to.open) step(to.id, LinkUp{to.link});
      return;
    case Item::Data:
      if (!to.open) return;
      read_along(from.id, way.to_acceptor, to, item.bytes);
      if (nodes_.at(to.id).election) {
        if (to.credit < item.bytes.size()) throw std::runtime_error("bytes beyond the credit");
        to.credit -= item.bytes.size();
        step(to.id, LinkBytes{to.link, item.bytes});
      }
      return;
    case Item::Fin:
      if (!to.open) return;
      to.open = false;
      step(to.id, LinkDown{to.link});
      return;
  }
}

void ElectionHub::deliver_all(const std::function<bool(const Way&)>& matches) {
  for (int budget = 10'000; budget > 0; --budget) {
    const std::vector<Way> all = ways();
    const auto next = std::find_if(all.begin(), all.end(), matches);
    if (next == all.end()) return;
    deliver(*next);
  }
  throw std::runtime_error("the servers do not stop talking");
}

void ElectionHub::deliver_all() {
  deliver_all([](const Way&) { return true; });
}

void ElectionHub::break_between(int64_t a, int64_t b) {
  std::vector<std::pair<int64_t, LinkId>> told;
  for (Wire& wire : wires_) {
    const bool hit = (wire.opener.id == a && wire.acceptor.id == b) ||
                     (wire.opener.id == b && wire.acceptor.id == a);
    if (!hit) continue;
    for (End* end : {&wire.opener, &wire.acceptor}) {
      end->inbox.clear();
      if (!end->open) continue;
      end->open = false;
      told.emplace_back(end->id, end->link);
    }
  }
  for (const auto& [id, link] : told) step(id, LinkDown{link});
}

void ElectionHub::hold(int64_t from, int64_t to, bool on) {
  if (on) {
    held_[{from, to}] = true;
  } else {
    held_.erase({from, to});
  }
}

void ElectionHub::step(int64_t id, const Event& event) {
  Node& node = nodes_.at(id);
  if (!node.election) return;
  node.world->time = now_;
  if (!node.election->step(event, *node.world)) throw std::runtime_error("nobody's event");
  node.election->end_turn(*node.world);
}

void ElectionHub::read_along(int64_t from, bool hello_first, End& to, ByteView bytes) {
  append_bytes(to.unread, bytes);
  if (!to.hello_read && hello_first) {
    ElectionHello hello;
    size_t used = 0;
    if (decode_election_hello(to.unread, hello, used) != Decoded::Ok) return;
    to.unread.erase(to.unread.begin(), to.unread.begin() + static_cast<std::ptrdiff_t>(used));
  }
  to.hello_read = true;
  while (to.unread.size() >= 4 && to.unread.size() - 4 >= get_u32(to.unread.data())) {
    const uint32_t length = get_u32(to.unread.data());
    const Result<Notification> n = decode_notification(ByteView(to.unread).subspan(4, length));
    if (!n) throw std::runtime_error(n.error().message);
    heard.push_back(fmt::format("{}->{} {}", from, to.id, describe(*n)));
    to.unread.erase(to.unread.begin(), to.unread.begin() + 4 + length);
  }
}

std::pair<ElectionHub::End*, ElectionHub::End*> ElectionHub::ends(int64_t id, LinkId link) {
  for (Wire& wire : wires_) {
    if (wire.opener.id == id && wire.opener.link == link) return {&wire.opener, &wire.acceptor};
    if (wire.acceptor.id == id && wire.acceptor.link == link) return {&wire.acceptor, &wire.opener};
  }
  throw std::runtime_error("unknown link");
}

LinkId ElectionHub::NodeWorld::connect(const Address& to) {
  Wire wire;
  wire.opener.id = id;
  wire.opener.link = {hub->next_slot_++, 1};
  wire.opener.open = true;
  wire.acceptor.id = std::stoll(to.host.substr(1));
  wire.acceptor.inbox.push_back({Item::Syn, {}});
  hub->wires_.push_back(std::move(wire));
  return hub->wires_.back().opener.link;
}

void ElectionHub::NodeWorld::send(LinkId link, ByteView bytes) {
  const auto [own, other] = hub->ends(id, link);
  if (!own->open) throw std::runtime_error("a send on a dead link");
  other->inbox.push_back({Item::Data, Bytes(bytes.begin(), bytes.end())});
}

void ElectionHub::NodeWorld::give_credit(LinkId link, uint64_t bytes) {
  const auto [own, other] = hub->ends(id, link);
  if (!own->open) throw std::runtime_error("credit for a dead link");
  own->credit += bytes;
}

void ElectionHub::NodeWorld::close(LinkId link, bool) {
  const auto [own, other] = hub->ends(id, link);
  if (!own->open) throw std::runtime_error("a close of a dead link");
  own->open = false;
  own->inbox.clear();
  other->inbox.push_back({Item::Fin, {}});
}

// --- time

Instant ElectionHub::next_deadline() const {
  Instant first = Instant::never();
  for (const auto& [id, node] : nodes_) {
    if (node.election) first = std::min(first, node.election->deadline());
  }
  return first;
}

void ElectionHub::advance_to(Instant to) {
  now_ = std::max(now_, to);
  for (auto& [id, node] : nodes_) {
    if (!node.election || node.election->deadline() > now_) continue;
    node.world->time = now_;
    node.election->on_deadline(*node.world);
    node.election->end_turn(*node.world);
  }
}

void ElectionHub::run(int64_t ms) {
  const Instant end = now_ + milliseconds(ms);
  deliver_all();
  while (now_ < end) {
    advance_to(std::min(end, std::max(next_deadline(), now_ + milliseconds(1))));
    deliver_all();
  }
}

}  // namespace vivarium::election_test
