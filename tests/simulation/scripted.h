// Hosts whose processes are written in the test: what happens to a host is recorded, and a function
// reacts to it. Values as far as the functions are.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim/simulation.h"

namespace vivarium::sim {

struct ScriptedHost {
  std::function<void(const Event&, World&)> react;
  std::vector<LinkId> accepted;
  std::vector<std::string> subjects;  // of the certificates of those
  std::vector<LinkId> up;
  std::vector<LinkId> down;
  std::vector<LinkId> drained;
  std::map<LinkId, Bytes> received;
  std::map<LinkId, size_t> pieces;  // LinkBytes events
  std::vector<uint64_t> synced;
  std::vector<uint64_t> dir_synced;
  std::vector<bool> preallocated;
  std::vector<FileError> failed;
  std::vector<Bytes> read;
  size_t timers = 0;
  size_t started = 0;
  size_t turns = 0;
  bool stop_requested = false;
  uint64_t credit = UINT64_MAX;  // for every new link

  void step(const Event& event, World& world) {
    if (std::holds_alternative<Started>(event)) ++started;
    if (std::holds_alternative<TimerFired>(event)) ++timers;
    if (std::holds_alternative<TurnEnded>(event)) ++turns;
    if (std::holds_alternative<StopRequested>(event)) stop_requested = true;
    if (const auto* e = std::get_if<LinkAccepted>(&event)) {
      accepted.push_back(e->link);
      subjects.emplace_back(e->certificate_subject);
      if (credit != 0) world.give_credit(e->link, credit);
    }
    if (const auto* e = std::get_if<LinkUp>(&event)) up.push_back(e->link);
    if (const auto* e = std::get_if<LinkDown>(&event)) down.push_back(e->link);
    if (const auto* e = std::get_if<LinkDrained>(&event)) drained.push_back(e->link);
    if (const auto* e = std::get_if<LinkBytes>(&event)) {
      append_bytes(received[e->link], e->bytes);
      ++pieces[e->link];
    }
    if (const auto* e = std::get_if<FileSynced>(&event)) synced.push_back(e->token);
    if (const auto* e = std::get_if<DirSynced>(&event)) dir_synced.push_back(e->token);
    if (const auto* e = std::get_if<Preallocated>(&event)) preallocated.push_back(e->ok);
    if (const auto* e = std::get_if<FileFailed>(&event)) failed.push_back(e->error);
    if (const auto* e = std::get_if<ReadDone>(&event)) {
      read.emplace_back(e->bytes.begin(), e->bytes.end());
    }
    if (react) react(event, world);
  }
};

// `servers` hosts s1, s2, ... that run when the constructor returns.
class Scripted : public Programs {
 public:
  // Those with a name in `subjects` show a certificate.
  explicit Scripted(uint32_t servers, SimOptions options = {},
                    const std::vector<std::string>& subjects = {})
      : sim(options), hosts(servers) {
    for (uint32_t i = 0; i < servers; ++i) {
      HostOptions host;
      host.name = fmt::format("s{}", i + 1);
      host.server = true;
      if (i < subjects.size()) host.certificate_subject = subjects[i];
      sim.start(sim.add_host(host));
    }
    sim.run_for(*this, microseconds(1));
  }

  void born(HostId host, uint32_t) override {
    auto react = std::move(hosts[host.value].react);
    const uint64_t credit = hosts[host.value].credit;
    hosts[host.value] = ScriptedHost{};
    hosts[host.value].react = std::move(react);
    hosts[host.value].credit = credit;
  }
  void step(HostId host, const Event& event, World& world) override {
    hosts[host.value].step(event, world);
  }
  void alarm(uint64_t token) override {
    if (on_alarm) on_alarm(token);
  }

  ScriptedHost& operator[](uint32_t host) { return hosts[host]; }
  void act(uint32_t host, const std::function<void(World&)>& action) {
    sim.act(HostId{host}, *this, action);
  }
  void run(Duration d) { sim.run_for(*this, d); }
  bool until(const std::function<bool()>& done, Duration limit = milliseconds(60'000)) {
    return sim.run_until(*this, sim.now() + limit, done);
  }
  // A link from host `a` to a door of host `b`, up at both ends.
  LinkId connect(uint32_t a, uint32_t b, uint16_t port = kQuorumPort) {
    LinkId link;
    const size_t before = hosts[b].accepted.size();
    act(a, [&](World& world) {
      link = world.connect({sim.name(HostId{b}), port});
      if (hosts[a].credit != 0) world.give_credit(link, hosts[a].credit);
    });
    EXPECT_TRUE(until([&] {
      return !hosts[a].up.empty() && hosts[a].up.back() == link &&
             hosts[b].accepted.size() > before;
    }));
    return link;
  }
  LinkInfo info(uint32_t host, LinkId link) const {
    const auto found = sim.network().info(HostId{host}, link);
    EXPECT_TRUE(found.has_value());
    return found.value_or(LinkInfo{});
  }
  Moment moment() { return sim.moment(); }

  Simulation sim;
  std::vector<ScriptedHost> hosts;
  std::function<void(uint64_t)> on_alarm;
};

// Bytes that are different everywhere.
inline Bytes pattern(size_t size, uint64_t seed) {
  Random random(seed);
  Bytes bytes(size);
  for (Byte& byte : bytes) byte = static_cast<Byte>(random.next() >> 32);
  return bytes;
}
inline Bytes to_bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

}  // namespace vivarium::sim
