// Scenarios: straight-line scripts over a Cluster, written by hand, all checkers on. A script runs
// in a fiber while virtual time goes on, and waits by until(), wait() and the calls of its clients.
// Several may run side by side. When the limit of a wait passes, or a checker has found a
// violation, the wait fails: it returns false (a client's call: a Reply that is not ok()), and the
// script comes to its end.
//
//   Scenario s;
//   EXPECT_EQ(s.play([&] {
//     ASSERT_TRUE(s.until([&] { return s.serving(); }));
//     ASSERT_TRUE(s.client(0).create("/a", "1").ok());
//     s.power_loss(*s.leader());
//     ...
//   }), "");
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/wire/codes.h"
#include "sim/cluster.h"
#include "sim/fiber.h"

namespace vivarium::sim {

// Three servers, one client that does nothing by itself, no faults, limits of production but for
// time.
Profile scenario_profile();

class Scenario;

// What came back to a client.
struct Reply {
  bool answered = false;  // false: the connection ended first, or the wait failed
  ErrorCode error{};
  std::string path;  // create
  std::string data;  // getData
  std::optional<Stat> stat;
  Zxid zxid;
  bool ok() const { return answered && error == ErrorCode::Ok; }
};

// A client of the cluster. Calls wait for the reply; what was lost with its connection is not tried
// again.
class ScriptedClient {
 public:
  ScriptedClient(Scenario& scenario, ClientIndex index) : scenario_(scenario), index_(index) {}
  Reply call(Operation operation);
  Reply create(std::string path, std::string_view data, CreateFlag flag = CreateFlag::Persistent);
  Reply set(std::string path, std::string_view data);
  Reply get(std::string path);
  Reply exists(std::string path);
  Reply remove(std::string path);
  Reply sync(std::string path);
  // From now on it is connected to this server and no other. False: not within the limit.
  bool attach(ServerIndex server);
  bool connected() const;
  SessionId session() const;

 private:
  Scenario& scenario_;
  ClientIndex index_;
};

class Scenario final : public Observer {
 public:
  explicit Scenario(const Profile& profile = scenario_profile(), uint64_t seed = 1);
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;

  // Runs the script, and those that it begins, to its end; then ends all faults and lets the
  // cluster converge. Returns the violation, or what else went wrong; empty when all is well.
  std::string play(std::function<void()> script);
  // From within a script: another one beside it. It is failed when the first one is over.
  void beside(std::function<void()> script);

  // --- waiting
  static constexpr Duration kLimit = milliseconds(30'000);
  [[nodiscard]] bool until(std::function<bool()> holds, Duration limit = kLimit);
  bool wait(Duration d);

  // --- looking
  Cluster& cluster() { return cluster_; }
  Simulation& sim() { return cluster_.sim(); }
  ScriptedClient client(ClientIndex index) { return {*this, index}; }
  const NodeFacts& facts(ServerIndex server) const { return cluster_.facts(server); }
  uint32_t servers() const { return cluster_.profile().servers; }
  std::optional<ServerIndex> leader() const;  // established
  bool serving(ServerIndex server) const { return facts(server).delivers; }
  bool serving() const;  // all of them
  // A server that does not lead; the n-th of them.
  ServerIndex follower(uint32_t n = 0) const;

  // --- faults
  HostId host(ServerIndex server) const { return cluster_.server_host(server); }
  void kill(ServerIndex server) { sim().kill(host(server), cluster_); }
  void power_loss(ServerIndex server) { sim().lose_power(host(server), cluster_); }
  void start(ServerIndex server) { sim().start(host(server)); }
  void cut(ServerIndex a, ServerIndex b, Path path = Path::Stalled);
  void join(ServerIndex a, ServerIndex b) { cut(a, b, Path::Open); }
  void isolate(ServerIndex server,
               Path path = Path::Stalled);  // from all servers, not from clients
  // The link on which a learner follows the leader; nullopt while there is none.
  std::optional<LinkInfo> quorum_link(ServerIndex learner, ServerIndex leader) const;
  // The leader's stream to the learner trickles: so many bytes under way at most.
  void narrow(const LinkInfo& link, uint64_t bytes);
  void break_link(const LinkInfo& link);

  // --- what was seen
  // Quorum packets that `to` received from its leader.
  size_t received(ServerIndex to, PacketType type) const;
  // Bytes that `to` received of a SNAP's state which is not complete yet.
  uint64_t snap_bytes(ServerIndex to) const { return received_[to].snap_bytes; }
  // Called before `to` steps on the turn that brings such a packet; may doom a host and nothing
  // else.
  void on_packet(std::function<void(ServerIndex to, PacketType type)> action) {
    on_packet_ = std::move(action);
  }
  // ACKs of NEWLEADER that leaders received from the server.
  size_t newleader_acks(ServerIndex from) const { return received_[from].newleader_acks; }
  // Lines of the server's log that contain `text`, over all its lives.
  size_t logged(ServerIndex server, std::string_view text) const;

  // --- Observer
  void called(Simulation& sim, HostId host, const Call& call) override;
  void delivering(Simulation& sim, HostId host, const Event& event) override;

 private:
  struct Script {
    explicit Script(std::function<void()> body) : fiber(std::move(body)) {}
    Fiber fiber;
    std::function<bool()> holds;  // it waits for this
    SimTime limit;
    bool held = false;
  };
  // Bytes of a quorum link in one direction that are not yet a whole packet.
  struct Stream {
    Bytes bytes;
    bool in_snap = false;
  };
  struct Received {
    std::map<PacketType, size_t> packets;
    uint64_t snap_bytes = 0;
    size_t newleader_acks = 0;
  };

  void resume_ready();
  void end_all();
  void end_faults();
  void read_stream(Stream& stream, ServerIndex to);
  void take_packet(const QuorumPacket& packet, ServerIndex to);
  bool skip_snap(Stream& stream, ServerIndex to);

  Cluster cluster_;
  std::vector<std::unique_ptr<Script>> scripts_;
  Script* running_ = nullptr;
  std::string trouble_;
  std::map<std::pair<uint64_t, uint64_t>, Stream> streams_;  // by connection, by who receives
  std::vector<Received> received_;
  std::vector<std::vector<std::string>> lines_;
  std::function<void(ServerIndex, PacketType)> on_packet_;
};

}  // namespace vivarium::sim
