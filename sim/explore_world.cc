#include "sim/explore_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/storage/record.h"
#include "sim/crash.h"

namespace vivarium::sim {
namespace {

constexpr uint64_t kBrokenByExplorer = 1 << 22;

// What waits for one another: all of a link's direction, of a file, of a directory, of a process.
uint64_t source_of(const Happening& h) {
  const auto make = [](uint64_t family, uint64_t number, uint64_t generation, uint64_t detail) {
    return family << 60 | (number & 0xffffff) << 36 | (generation & 0xffffffff) << 4 | detail;
  };
  switch (h.kind) {
    case Happens::Arrive:
    case Happens::Fin:
    case Happens::Deliver:
      return make(1, h.slot, h.generation, h.a);
    case Happens::Up:  // before the first bytes of who accepted
      return make(1, h.slot, h.generation, 1);
    case Happens::Syn:
    case Happens::Accepted:
      return make(1, h.slot, h.generation, 2);
    case Happens::WindowOpen:
    case Happens::Drained:
    case Happens::Reset:
    case Happens::Down:
      return make(1, h.slot, h.generation, 3 + (h.a & 1));
    case Happens::FileOpened:
    case Happens::FileFailed:
    case Happens::Preallocated:
    case Happens::Synced:
    case Happens::SyncFailed:
    case Happens::ReadDone:
      return make(2, h.host.value << 16 | h.slot, h.generation, 0);
    case Happens::DirSynced:
    case Happens::DirListed:
    case Happens::DirFailed:
      return make(3, h.host.value << 16 | h.slot, h.generation, 0);
    case Happens::Alarm:
    case Happens::Start:
    case Happens::Timer:
    case Happens::TurnEnd:
    case Happens::Signal:
      return make(4, h.host.value, h.generation, 0);
  }
  return 0;
}

bool of_file(Happens kind) { return kind >= Happens::FileOpened && kind <= Happens::ReadDone; }
bool of_link(Happens kind) { return kind >= Happens::Syn && kind <= Happens::Down; }

std::string_view text_of_kind(Happens kind) {
  switch (kind) {
    case Happens::Syn:
    case Happens::Accepted:
      return "is asked for a connection by";
    case Happens::Up:
      return "is connected to";
    case Happens::Arrive:
    case Happens::Deliver:
      return "hears";
    case Happens::Fin:
    case Happens::Reset:
    case Happens::Down:
      return "loses its link to";
    case Happens::Synced:
      return "has synced";
    case Happens::DirSynced:
      return "has synced its directory";
    case Happens::Start:
      return "starts";
    case Happens::Alarm:
    case Happens::Timer:
    case Happens::TurnEnd:
    case Happens::Signal:
    case Happens::WindowOpen:
    case Happens::Drained:
    case Happens::FileOpened:
    case Happens::FileFailed:
    case Happens::Preallocated:
    case Happens::SyncFailed:
    case Happens::ReadDone:
    case Happens::DirListed:
    case Happens::DirFailed:
      return "goes on";
  }
  return "?";
}

std::string_view text_of_port(uint16_t port) {
  return port == kQuorumPort ? "quorum" : port == kElectionPort ? "election" : "client";
}

}  // namespace

std::string_view name_of(Move::Kind kind) {
  switch (kind) {
    case Move::Kind::Deliver:
      return "deliver";
    case Move::Kind::HoldBack:
      return "hold back";
    case Move::Kind::Timer:
      return "timer";
    case Move::Kind::Hurry:
      return "hurry";
    case Move::Kind::Kill:
      return "kill";
    case Move::Kind::PowerLoss:
      return "power loss";
    case Move::Kind::Break:
      return "break";
  }
  return "?";
}

SmallWorld::SmallWorld(Cluster cluster, const Trouble& trouble)
    : cluster_(std::move(cluster)), trouble_(trouble), pasts_(cluster_.sim().host_count()) {
  CHECK(pasts_.size() <= kHosts);
  cluster_.sim().choices().set_benign(true);
  for (const LinkInfo& link : cluster_.network().links()) {
    for (const HostId host : {link.from, link.to}) {
      const std::optional<LinkId> handle = cluster_.network().handle(host, link);
      if (handle) know_link(host, *handle);
    }
  }
  attach();
  settle();
}

// Observers are borrowed, and no copy takes them along.
void SmallWorld::attach() {
  cluster_.sim().observe(&cluster_);
  cluster_.also_observe(this);
}

// ---------------------------------------------------------------------------------- moves

bool SmallWorld::held(uint64_t source) const {
  return std::binary_search(held_.begin(), held_.end(), source);
}

// A spare that has become a log file was opened as a spare too.
bool SmallWorld::is_spare(const Happening& h) const {
  const SimFiles& files = cluster_.sim().files(h.host);
  const FileId file{h.slot, h.generation};
  const std::string_view name = files.name_of(file);
  return parse_spare_name(name).has_value() &&
         cluster_.sim().disk(h.host).find(Dir::Logs, name) == files.inode_of(file);
}

bool SmallWorld::silent(const Happening& h) const {
  if (h.kind == Happens::Timer || h.kind == Happens::Start) return false;
  if (of_link(h.kind) && !cluster_.network().info(h)) return true;
  if (h.kind == Happens::Syn) return false;
  const Simulation& sim = cluster_.sim();
  if (!sim.running(h.host)) return true;
  if (h.kind == Happens::Synced || h.kind == Happens::DirSynced) {
    const bool recovers = h.host.value < cluster_.profile().servers &&
                          cluster_.facts(h.host.value).role == ZabRole::Recovering;
    if (recovers) return true;
    if (h.kind == Happens::DirSynced) return false;
    return is_spare(h);
  }
  return of_file(h.kind) || h.kind == Happens::DirListed || h.kind == Happens::DirFailed ||
         h.kind == Happens::WindowOpen || h.kind == Happens::Drained || h.kind == Happens::Deliver;
}

void SmallWorld::settle() {
  for (bool again = true; again && !cluster_.verdict().violation();) {
    again = false;
    for (const Pending& pending : cluster_.sim().pending()) {
      if (!silent(pending.what)) continue;
      cluster_.sim().step_out_of_turn(pending.order, cluster_);
      again = true;
      break;
    }
  }
}

std::vector<EventQueue::Pending> SmallWorld::next_of_sources() const {
  std::vector<Pending> next;
  std::vector<Pending> waiting;
  std::vector<uint64_t> seen;
  for (const Pending& pending : cluster_.sim().pending()) {
    if (pending.what.kind == Happens::Timer) continue;
    const uint64_t source = source_of(pending.what);
    if (std::find(seen.begin(), seen.end(), source) != seen.end()) continue;
    seen.push_back(source);
    (held(source) ? waiting : next).push_back(pending);
  }
  return next.empty() ? waiting : next;
}

std::optional<Move> SmallWorld::earliest_timer() const {
  std::optional<Move> found;
  SimTime at = SimTime::never();
  const Simulation& sim = cluster_.sim();
  for (uint32_t i = 0; i < pasts_.size(); ++i) {
    const HostId host{i};
    if (!sim.running(host) || sim.timer_due(host) >= at) continue;
    at = sim.timer_due(host);
    found = Move{Move::Kind::Timer, 0, host, 0, {}};
  }
  return found;
}

std::optional<Move> SmallWorld::usual() const {
  const std::vector<Pending> next = next_of_sources();
  if (next.empty()) return earliest_timer();
  return Move{Move::Kind::Deliver, next.front().order, next.front().what.host, 0, {}};
}

std::vector<Move> SmallWorld::others(bool holding) const {
  std::vector<Move> moves;
  const std::vector<Pending> next = next_of_sources();
  for (size_t i = 1; i < next.size(); ++i) {
    moves.push_back({Move::Kind::Deliver, next[i].order, next[i].what.host, 0, {}});
  }
  if (holding && next.size() > 1 && !held(source_of(next.front().what))) {
    moves.push_back({Move::Kind::HoldBack, next.front().order, next.front().what.host, 0, {}});
  }
  const std::optional<Move> first = next.empty() ? earliest_timer() : std::nullopt;
  for (uint32_t i = 0; trouble_.hurries > 0 && i < cluster_.profile().servers; ++i) {
    const HostId host{i};
    const bool set =
        cluster_.sim().running(host) && cluster_.sim().timer_due(host) != SimTime::never();
    if (set && !(first && first->host == host))
      moves.push_back({Move::Kind::Hurry, 0, host, 0, {}});
  }
  add_crashes(moves);
  add_breaks(moves);
  return moves;
}

void SmallWorld::add_crashes(std::vector<Move>& moves) const {
  if (trouble_.crashes == 0) return;
  for (ServerIndex i = 0; i < cluster_.profile().servers; ++i) {
    const HostId host = cluster_.server_host(i);
    if (!cluster_.sim().running(host)) continue;
    moves.push_back({Move::Kind::Kill, 0, host, 0, {}});
    // Of a disk with nothing unsynced there is one image.
    const bool one = cluster_.sim().disk(host).unsynced_operations() == 0;
    for (uint32_t image = 0; image < (one ? 1 : trouble_.images_max); ++image) {
      moves.push_back({Move::Kind::PowerLoss, 0, host, image, {}});
    }
  }
}

void SmallWorld::add_breaks(std::vector<Move>& moves) const {
  if (trouble_.drops == 0) return;
  const uint32_t servers = cluster_.profile().servers;
  for (const LinkInfo& link : cluster_.network().links()) {
    const bool between = link.from.value < servers && link.to.value < servers;
    if (between && link.up) moves.push_back({Move::Kind::Break, 0, link.from, 0, link});
  }
}

bool SmallWorld::make(const Move& move) {
  attach();
  switch (move.kind) {
    case Move::Kind::Deliver:
      cluster_.sim().step_out_of_turn(move.order, cluster_);
      break;
    case Move::Kind::HoldBack: {
      for (const Pending& pending : cluster_.sim().pending()) {
        if (pending.order == move.order) held_.push_back(source_of(pending.what));
      }
      std::sort(held_.begin(), held_.end());
      break;
    }
    case Move::Kind::Hurry:
      --trouble_.hurries;
      fire_timer(move.host);
      break;
    case Move::Kind::Timer:
      fire_timer(move.host);
      break;
    case Move::Kind::Kill:
      --trouble_.crashes;
      cluster_.sim().kill(move.host, cluster_);
      start_again(move.host);
      break;
    case Move::Kind::PowerLoss:
      if (!lose_power(move.host, move.image)) return false;
      --trouble_.crashes;
      start_again(move.host);
      break;
    case Move::Kind::Break: {
      --trouble_.drops;
      Moment moment = cluster_.sim().moment();
      cluster_.sim().network().break_link(moment, move.link, kBrokenByExplorer);
      break;
    }
  }
  settle();
  // Nothing is left that could go before what was held back.
  const std::vector<Pending> next = next_of_sources();
  if (next.empty() || held(source_of(next.front().what))) held_.clear();
  return true;
}

// Several happenings may look at the timer before it is due.
void SmallWorld::fire_timer(HostId host) {
  Simulation& sim = cluster_.sim();
  const uint64_t before = sim.events();
  while (sim.events() == before && sim.running(host) && sim.timer_due(host) != SimTime::never()) {
    std::optional<Pending> first;
    for (const Pending& pending : sim.pending()) {
      const Happening& h = pending.what;
      if (h.kind != Happens::Timer || h.host != host || h.generation != sim.life(host)) continue;
      if (!first || pending.due < first->due) first = pending;
    }
    CHECK(first.has_value());
    sim.step_out_of_turn(first->order, cluster_);
  }
}

// The disk becomes its image first: nothing of it is left to be drawn.
bool SmallWorld::lose_power(HostId host, uint32_t image) {
  Simulation& sim = cluster_.sim();
  CrashImages::Options options;
  options.images_max = trouble_.images_max;
  options.plans_max = 4 * trouble_.images_max;
  CrashImages images(sim.disk(host), options);
  for (uint32_t i = 0; i <= image; ++i) {
    if (!images.next()) return false;
  }
  sim.disk(host) = images.image();
  sim.lose_power(host, cluster_);
  return true;
}

// Unless the cluster does so itself.
void SmallWorld::start_again(HostId host) {
  if (cluster_.sim().state(host) == HostState::Off) cluster_.sim().start(host);
}

std::string SmallWorld::text_of(const Move& move) const {
  const Simulation& sim = cluster_.sim();
  const std::string& who = sim.name(move.host);
  if (move.kind == Move::Kind::Timer || move.kind == Move::Kind::Hurry)
    return fmt::format("{}: its timer is due", who);
  if (move.kind == Move::Kind::Kill) return fmt::format("{} is killed", who);
  if (move.kind == Move::Kind::PowerLoss) {
    return fmt::format("{} loses power, crash image {}", who, move.image);
  }
  if (move.kind == Move::Kind::Break) {
    return fmt::format("the {} link of {} and {} breaks", text_of_port(move.link.port), who,
                       sim.name(move.link.to));
  }
  const std::vector<Pending> all = sim.pending();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Pending& p) { return p.order == move.order; });
  CHECK(found != all.end());
  const Happening& h = found->what;
  std::string text = fmt::format("{} {}", who, text_of_kind(h.kind));
  const std::optional<LinkInfo> link =
      of_link(h.kind) ? cluster_.network().info(h) : std::optional<LinkInfo>();
  if (link) {
    const HostId peer = link->from == h.host ? link->to : link->from;
    text += fmt::format(" {} ({})", sim.name(peer), text_of_port(link->port));
  } else if (of_file(h.kind)) {
    text += fmt::format(" {}", sim.files(h.host).name_of({h.slot, h.generation}));
  }
  return move.kind == Move::Kind::HoldBack ? "held back: " + text : text;
}

// ---------------------------------------------------------------------------------- pasts

void SmallWorld::know_link(HostId host, LinkId link) {
  const std::optional<LinkInfo> info = cluster_.network().info(host, link);
  if (!info) return;
  const bool connected = info->from == host;
  const HostId peer = connected ? info->to : info->from;
  std::vector<std::pair<uint8_t, uint32_t>>& links = pasts_[host.value].links;
  if (links.size() <= link.slot) links.resize(link.slot + 1);
  const size_t source = (peer.value * 4 + (info->port & 3)) * 2 + (connected ? 1 : 0);
  links[link.slot] = {static_cast<uint8_t>(source), info->nth};
}

void SmallWorld::called(Simulation&, HostId host, const Call& call) {
  if (call.kind == CallKind::Connect) know_link(host, call.link);
  if (call.kind != CallKind::Send && call.kind != CallKind::CloseLink) return;
  Past& past = pasts_[host.value];
  const auto [source, nth] = past.links[call.link.slot];
  const uint64_t what = hash64(call.bytes, uint64_t{nth} << 8 | static_cast<uint64_t>(call.kind));
  past.said[source] = hash_combine(past.said[source], what);
}

void SmallWorld::delivering(Simulation&, HostId host, const Event& event) { hear(host, event); }

void SmallWorld::hear(HostId host, const Event& event) {
  Past& past = pasts_[host.value];
  const auto at_link = [&](LinkId link, uint64_t what) {
    const auto [source, nth] = past.links[link.slot];
    past.heard[source] = hash_combine(hash_combine(past.heard[source], what), nth);
    past.in_order = hash_combine(past.in_order, past.heard[source]);
  };
  const auto at_disk = [&](uint64_t what) {
    past.files += what;
    past.in_order = hash_combine(past.in_order, what);
  };
  const auto at_file = [&](FileId file, uint64_t token) {
    const std::string_view name = cluster_.sim().files(host).name_of(file);
    at_disk(hash64(as_bytes(name), hash_combine(event.index(), token)));
  };
  std::visit(
      [&](const auto& e) {
        using T = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<T, Started>) {
          const std::vector<std::pair<uint8_t, uint32_t>> links = std::move(past.links);
          past = Past{};
          past.links = links;
        } else if constexpr (std::is_same_v<T, TimerFired>) {
          past.timers += 1;
          past.in_order = hash_combine(past.in_order, 1);
        } else if constexpr (std::is_same_v<T, LinkAccepted>) {
          know_link(host, e.link);
          at_link(e.link, event.index());
        } else if constexpr (std::is_same_v<T, LinkBytes>) {
          at_link(e.link, hash64(e.bytes));
        } else if constexpr (std::is_same_v<T, LinkUp> || std::is_same_v<T, LinkDown>) {
          at_link(e.link, event.index());
        } else if constexpr (std::is_same_v<T, FileSynced> || std::is_same_v<T, ReadDone>) {
          at_file(e.file, e.token);
        } else if constexpr (std::is_same_v<T, FileOpened> || std::is_same_v<T, FileFailed> ||
                             std::is_same_v<T, Preallocated>) {
          at_file(e.file, 0);
        } else if constexpr (std::is_same_v<T, DirSynced> || std::is_same_v<T, DirListed>) {
          at_disk(mix64(hash_combine(event.index(), e.token) + static_cast<uint64_t>(e.dir)));
        } else {
          past.in_order = hash_combine(past.in_order, event.index());
        }
      },
      event);
}

// ---------------------------------------------------------------------------------- hashes

uint64_t SmallWorld::hash_of_server(ServerIndex server) const {
  const Node* node = cluster_.node(server);
  if (node == nullptr) return 0;
  const NodeFacts& f = cluster_.facts(server);
  uint64_t h = 0;
  const auto add = [&h](uint64_t value) { h = hash_combine(h, value); };
  add(static_cast<uint64_t>(f.role) << 8 | static_cast<uint64_t>(f.standing));
  add(uint64_t{f.epoch} << 8 | uint64_t{f.established} << 3 | uint64_t{f.delivers} << 2 |
      uint64_t{f.busy} << 1 | uint64_t{f.damaged});
  for (const Zxid zxid : {f.committed, f.last_applied, f.last_logged, f.last_durable, f.claimed}) {
    add(zxid.value);
  }
  add(uint64_t{f.accepted_epoch} << 32 | f.current_epoch);
  add(node->tree().state_hash().low);
  const Election& election = node->zab().election();
  add(static_cast<uint64_t>(election.decided().value_or(ServerId{0}).value));
  for (ServerIndex i = 0; i < cluster_.profile().servers; ++i) {
    add(uint64_t{election.has_heard(ServerId{i + 1})} << 1 |
        uint64_t{election.heard_looking(ServerId{i + 1})});
  }
  return h;
}

uint64_t SmallWorld::hash_of_host(HostId host, bool in_order) const {
  const Simulation& sim = cluster_.sim();
  const Past& past = pasts_[host.value];
  uint64_t h = static_cast<uint64_t>(sim.state(host));
  const auto add = [&h](uint64_t value) { h = hash_combine(h, value); };
  add(sim.life(host));
  const SimTime due = sim.timer_due(host);
  add(due == SimTime::never() ? 0 : 1 + static_cast<uint64_t>((due - sim.now()).ms()));
  add(sim.disk(host).hash(SimDisk::Image::Cached));
  add(sim.disk(host).hash(SimDisk::Image::Durable));
  add(sim.disk(host).unsynced_operations());
  if (in_order) {
    add(past.in_order);
  } else {
    for (const uint64_t heard : past.heard) add(heard);
    add(past.files);
    add(past.timers);
    if (host.value < cluster_.profile().servers) add(hash_of_server(host.value));
  }
  for (const uint64_t said : past.said) add(said);
  return h;
}

// What nobody may take back, whether or not anyone alive remembers it: a crash forgets that a txn
// was committed, and the state behind it is not the one in which it never was.
uint64_t SmallWorld::hash_of_promises() const {
  const Agreement& agreement = cluster_.agreement();
  uint64_t h = agreement.committed().value;
  for (const Zxid zxid : agreement.order()) h = hash_combine(h, zxid.value);
  for (ServerIndex i = 0; i < cluster_.profile().servers; ++i) {
    h = hash_combine(h, cluster_.acknowledged(i).value);
  }
  return h;
}

// By what it is about, and not by numbers that depend on who connected first.
uint64_t SmallWorld::hash_of(const Happening& h) const {
  uint64_t out = hash_combine(static_cast<uint64_t>(h.kind), h.host.value);
  if (of_link(h.kind)) {
    const std::optional<LinkInfo> link = cluster_.network().info(h);
    if (!link) return 0;
    out = hash_combine(out, uint64_t{link->from.value} << 32 | link->to.value);
    out = hash_combine(out, uint64_t{link->port} << 32 | link->nth);
    return hash_combine(hash_combine(out, h.a), h.b);
  }
  if (of_file(h.kind)) {
    const std::string_view name = cluster_.sim().files(h.host).name_of({h.slot, h.generation});
    return hash64(as_bytes(name), hash_combine(out, h.a));
  }
  return hash_combine(hash_combine(out, h.slot), h.a);
}

uint64_t SmallWorld::hash(const Sameness& sameness) const {
  uint64_t out = uint64_t{trouble_.crashes} << 32 | trouble_.drops << 16 | trouble_.hurries;
  for (uint32_t i = 0; i < pasts_.size(); ++i) {
    out = hash_combine(out, hash_of_host(HostId{i}, sameness.pasts_in_order));
  }
  out = hash_combine(out, hash_of_promises());
  uint64_t under_way = 0;
  for (const Pending& pending : cluster_.sim().pending()) {
    if (pending.what.kind == Happens::Timer) continue;
    const uint64_t waits = held(source_of(pending.what)) ? 1 : 0;
    const uint64_t one = mix64(hash_combine(hash_of(pending.what), waits));
    // A sum: a set has no order.
    under_way = sameness.queue_in_order ? hash_combine(under_way, one) : under_way + one;
  }
  return hash_combine(out, under_way);
}

}  // namespace vivarium::sim
