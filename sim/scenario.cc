#include "sim/scenario.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/check.h"

namespace vivarium::sim {
namespace {

// What ends the state of a SNAP: a jute string.
constexpr std::string_view kSnapEnd(
    "\0\0\0\x0a"
    "BenWasHere",
    14);
constexpr uint64_t kBrokenByScript = 1 << 21;

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

Profile scenario_profile() {
  Profile p;
  p.servers = 3;
  p.clients = 1;
  p.operations_per_client = 0;
  p.faults = 0;
  p.settle = milliseconds(20'000);
  p.think = milliseconds(10);
  p.session_timeout_ms = 2000;
  Config& c = p.config;
  c.tick_ms = 100;
  c.init_limit_ticks = 10;
  c.sync_limit_ticks = 4;
  c.session_timeout_min_ms = 200;
  c.session_timeout_max_ms = 10'000;
  c.notification_min_ms = 50;
  c.notification_max_ms = 800;
  c.finalize_wait_ms = 50;
  c.handshake_deadline_ms = 2000;
  c.log_prealloc_bytes = 16 << 10;
  return p;
}

// --- clients

Reply ScriptedClient::call(Operation operation) {
  Cluster& cluster = scenario_.cluster();
  const HostId host = cluster.client_host(index_);
  const size_t ticket = cluster.client(index_).ask(std::move(operation));
  if (cluster.sim().running(host)) cluster.sim().act(host, cluster, [](World&) {});
  const auto op = [&] { return cluster.client(index_).asked(ticket); };
  Reply reply;
  if (!scenario_.until([&] { return op() != nullptr && (op()->answered || op()->lost); }))
    return reply;
  reply.answered = op()->answered;
  reply.error = op()->error;
  reply.path = op()->reply_path;
  reply.data = text_of(op()->reply_data);
  reply.stat = op()->stat;
  reply.zxid = op()->reply_zxid;
  return reply;
}

Reply ScriptedClient::create(std::string path, std::string_view data, CreateFlag flag) {
  return call({Op::Create, std::move(path), Bytes(data.begin(), data.end()), -1, flag, false});
}
Reply ScriptedClient::set(std::string path, std::string_view data) {
  return call({Op::SetData, std::move(path), Bytes(data.begin(), data.end()), -1, {}, false});
}
Reply ScriptedClient::get(std::string path) {
  return call({Op::GetData, std::move(path), {}, -1, {}, false});
}
Reply ScriptedClient::exists(std::string path) {
  return call({Op::Exists, std::move(path), {}, -1, {}, false});
}
Reply ScriptedClient::remove(std::string path) {
  return call({Op::Delete, std::move(path), {}, -1, {}, false});
}
Reply ScriptedClient::sync(std::string path) {
  return call({Op::Sync, std::move(path), {}, -1, {}, false});
}

bool ScriptedClient::attach(ServerIndex server) {
  Cluster& cluster = scenario_.cluster();
  cluster.client(index_).prefer(server);
  const HostId host = cluster.client_host(index_);
  if (cluster.sim().running(host)) cluster.sim().act(host, cluster, [](World&) {});
  return scenario_.until([&] { return connected() && cluster.client(index_).server() == server; });
}

bool ScriptedClient::connected() const { return scenario_.cluster().client(index_).connected(); }
SessionId ScriptedClient::session() const { return scenario_.cluster().client(index_).session(); }

// --- scripts

Scenario::Scenario(const Profile& profile, uint64_t seed)
    : cluster_(seed, profile, {}), received_(profile.servers), lines_(profile.servers) {
  cluster_.sim().observe(&cluster_);
  cluster_.also_observe(this);
}

std::string Scenario::play(std::function<void()> script) {
  CHECK(scripts_.empty());
  beside(std::move(script));
  while (!scripts_.front()->fiber.done()) {
    resume_ready();
    if (scripts_.front()->fiber.done()) break;
    if (cluster_.verdict().violation() || !sim().step(cluster_)) end_all();
  }
  end_all();
  end_faults();
  const Outcome outcome = cluster_.finish();
  if (outcome.violation) return outcome.violation->checker + ": " + outcome.violation->text;
  return trouble_;
}

void Scenario::beside(std::function<void()> script) {
  scripts_.push_back(std::make_unique<Script>(std::move(script)));
  scripts_.back()->held = true;
}

bool Scenario::until(std::function<bool()> holds, Duration limit) {
  CHECK(running_ != nullptr && Fiber::current() == &running_->fiber);
  Script& self = *running_;
  self.holds = std::move(holds);
  self.limit = sim().now() + limit;
  self.held = false;
  const bool going = self.fiber.wait();
  self.holds = nullptr;
  if (going && !self.held) trouble_ = fmt::format("a script waited in vain for {} ms", limit.ms());
  return going && self.held;
}

bool Scenario::wait(Duration d) {
  CHECK(running_ != nullptr && Fiber::current() == &running_->fiber);
  Script& self = *running_;
  self.limit = sim().now() + d;
  self.held = false;
  return self.fiber.wait();
}

// In the order in which they were begun; one that is resumed may change what another waits for.
void Scenario::resume_ready() {
  for (size_t i = 0; i < scripts_.size(); ++i) {
    Script& script = *scripts_[i];
    if (script.fiber.done()) continue;
    if (script.holds) script.held = script.holds();
    if (!script.held && sim().now() < script.limit) continue;
    running_ = &script;
    script.fiber.resume();
    running_ = nullptr;
  }
}

void Scenario::end_all() {
  for (size_t i = 0; i < scripts_.size(); ++i) {
    running_ = scripts_[i].get();
    running_->fiber.fail();
    running_ = nullptr;
  }
}

void Scenario::end_faults() {
  on_packet_ = nullptr;
  for (uint32_t a = 0; a < sim().host_count(); ++a) {
    sim().resume(HostId{a});
    for (uint32_t b = 0; b < sim().host_count(); ++b) {
      if (a != b) sim().set_path(HostId{a}, HostId{b}, Path::Open);
    }
    if (a < servers()) sim().release_disk(HostId{a});
  }
}

// --- looking

std::optional<ServerIndex> Scenario::leader() const {
  const std::optional<ServerIndex> found = cluster_.leader();
  return found && facts(*found).established ? found : std::nullopt;
}

bool Scenario::serving() const {
  for (ServerIndex i = 0; i < servers(); ++i) {
    if (!serving(i)) return false;
  }
  return true;
}

ServerIndex Scenario::follower(uint32_t n) const {
  const std::optional<ServerIndex> leading = leader();
  for (ServerIndex i = 0; i < servers(); ++i) {
    if (i != leading && n-- == 0) return i;
  }
  CHECK(false && "no such follower");
  return 0;
}

// --- faults

void Scenario::cut(ServerIndex a, ServerIndex b, Path path) {
  sim().set_paths(host(a), host(b), path);
}

void Scenario::isolate(ServerIndex server, Path path) {
  for (ServerIndex i = 0; i < servers(); ++i) {
    if (i != server) cut(server, i, path);
  }
}

std::optional<LinkInfo> Scenario::quorum_link(ServerIndex learner, ServerIndex leader) const {
  for (const LinkInfo& link : cluster_.network().links()) {
    const bool between = link.from == host(learner) && link.to == host(leader);
    if (between && link.port == kQuorumPort && link.up) return link;
  }
  return std::nullopt;
}

void Scenario::narrow(const LinkInfo& link, uint64_t bytes) {
  Moment moment = sim().moment();
  sim().network().set_window(moment, link, 1, bytes);
}

void Scenario::break_link(const LinkInfo& link) {
  Moment moment = sim().moment();
  sim().network().break_link(moment, link, kBrokenByScript);
}

// --- what was seen

size_t Scenario::received(ServerIndex to, PacketType type) const {
  const auto found = received_[to].packets.find(type);
  return found == received_[to].packets.end() ? 0 : found->second;
}

size_t Scenario::logged(ServerIndex server, std::string_view text) const {
  return static_cast<size_t>(
      std::count_if(lines_[server].begin(), lines_[server].end(),
                    [&](const std::string& line) { return line.find(text) != std::string::npos; }));
}

void Scenario::called(Simulation&, HostId host, const Call& call) {
  if (call.kind == CallKind::Log && host.value < servers())
    lines_[host.value].emplace_back(call.name);
}

void Scenario::delivering(Simulation& sim, HostId host, const Event& event) {
  const auto* bytes = std::get_if<LinkBytes>(&event);
  if (bytes == nullptr || host.value >= servers()) return;
  const std::optional<LinkInfo> link = sim.network().info(host, bytes->link);
  if (!link || link->port != kQuorumPort) return;
  const uint64_t connection = uint64_t{link->connection} << 32 | link->generation;
  Stream& stream = streams_[{connection, host.value}];
  append_bytes(stream.bytes, bytes->bytes);
  if (link->from == host) return read_stream(stream, host.value);
  // At a leader: only what its learner acknowledges is of interest.
  QuorumPacket packet;
  size_t used = 0;
  while (decode_quorum_packet(stream.bytes, 1 << 24, packet, used) == Decoded::Ok) {
    const bool newleader =
        packet.type == PacketType::Ack && Zxid::from_wire(packet.zxid).counter() == 0;
    if (newleader) ++received_[link->from.value].newleader_acks;
    stream.bytes.erase(stream.bytes.begin(),
                       stream.bytes.begin() + static_cast<std::ptrdiff_t>(used));
  }
}

void Scenario::read_stream(Stream& stream, ServerIndex to) {
  while (!stream.bytes.empty()) {
    if (stream.in_snap && !skip_snap(stream, to)) return;
    QuorumPacket packet;
    size_t used = 0;
    if (decode_quorum_packet(stream.bytes, 1 << 24, packet, used) != Decoded::Ok) return;
    stream.in_snap = packet.type == PacketType::Snap;
    take_packet(packet, to);
    stream.bytes.erase(stream.bytes.begin(),
                       stream.bytes.begin() + static_cast<std::ptrdiff_t>(used));
  }
}

void Scenario::take_packet(const QuorumPacket& packet, ServerIndex to) {
  ++received_[to].packets[packet.type];
  received_[to].snap_bytes = 0;
  if (on_packet_) on_packet_(to, packet.type);
}

// False: the state has not come to its end.
bool Scenario::skip_snap(Stream& stream, ServerIndex to) {
  received_[to].snap_bytes = stream.bytes.size();
  const auto end =
      std::search(stream.bytes.begin(), stream.bytes.end(), kSnapEnd.begin(), kSnapEnd.end(),
                  [](Byte a, char b) { return a == static_cast<Byte>(b); });
  if (end == stream.bytes.end()) return false;
  stream.bytes.erase(stream.bytes.begin(), end + kSnapEnd.size());
  stream.in_snap = false;
  received_[to].snap_bytes = 0;
  return true;
}

}  // namespace vivarium::sim
