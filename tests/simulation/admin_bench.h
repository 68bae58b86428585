// A standalone Node in the simulator, and a second host that talks to its doors byte by byte, as
// nc, curl or a client library would.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/node.h"
#include "core/server/session_ids.h"
#include "core/wire/client_messages.h"
#include "sim/simulation.h"
#include "tests/simulation/scripted.h"

namespace vivarium::sim {

class AdminBench : public Programs {
 public:
  static constexpr HostId kServer{0};
  static constexpr HostId kAsker{1};

  static Config default_config() {
    Config config;
    config.tick_ms = 1000;
    config.log_prealloc_bytes = 64 << 10;
    config.admin.words = {"*"};
    config.admin.client_port = 2181;
    config.admin.data_dir = "/data";
    config.admin.data_log_dir = "/logs";
    config.admin.environment = {{"host.name", "h"}, {"os.name", "Linux"}};
    return config;
  }

  explicit AdminBench(Config config = default_config(), bool wait = true)
      : config_(std::move(config)), node_(config_) {
    for (const char* name : {"s1", "c1"}) {
      HostOptions options;
      options.name = name;
      options.server = true;
      sim.start(sim.add_host(options));
    }
    if (wait) {
      EXPECT_TRUE(until([&] { return node_.zab().serving(); }));
    } else {
      sim.run_for(*this, microseconds(1));
    }
  }

  void born(HostId host, uint32_t) override {
    if (host == kServer) {
      node_ = Node(config_);
    } else {
      asker = ScriptedHost{};
    }
  }
  void step(HostId host, const Event& event, World& world) override {
    if (host == kServer) {
      node_.step(event, world);
    } else {
      asker.step(event, world);
    }
  }
  const Node& node() const { return node_; }
  bool until(const std::function<bool()>& done, Duration limit = milliseconds(60'000)) {
    return sim.run_until(*this, sim.now() + limit, done);
  }
  void run(Duration d) { sim.run_for(*this, d); }

  // --- the asker's end
  LinkId connect(uint16_t port = kClientPort) {
    LinkId link;
    sim.act(kAsker, *this, [&](World& world) {
      link = world.connect({"s1", port});
      if (asker.credit != 0) world.give_credit(link, asker.credit);
    });
    EXPECT_TRUE(until([&] { return is_in(asker.up, link) || is_in(asker.down, link); }));
    return link;
  }
  void send(LinkId link, std::string_view bytes) {
    sim.act(kAsker, *this, [&](World& world) { world.send(link, as_bytes(bytes)); });
  }
  void close(LinkId link) {
    sim.act(kAsker, *this, [&](World& world) { world.close(link, false); });
  }
  bool ended(LinkId link) const { return is_in(asker.down, link); }
  std::string received(LinkId link) { return std::string(as_text(asker.received[link])); }
  // What comes back until the server closes.
  std::string ask(std::string_view bytes, uint16_t port = kClientPort) {
    const LinkId link = connect(port);
    send(link, bytes);
    EXPECT_TRUE(until([&] { return ended(link); })) << bytes;
    return received(link);
  }

  // --- the asker as a client of ZooKeeper's
  // A link with a session.
  LinkId open_session() {
    const LinkId link = connect();
    ConnectRequest request;
    request.timeout_ms = 10'000;
    const Bytes password(16, 0);
    request.password = password;
    Bytes body;
    encode(request, body);
    send_frame(link, body);
    EXPECT_TRUE(until([&] { return asker.received[link].size() >= 40; }));
    return link;
  }
  SessionId session_of(LinkId link) {
    const ByteView reply = asker.received[link];
    const auto response = decode_connect_response(reply.subspan(4));
    EXPECT_TRUE(response.has_value());
    return response ? response->session : SessionId();
  }
  void send_frame(LinkId link, ByteView body) {
    Bytes frame(4);
    put_u32(frame.data(), static_cast<uint32_t>(body.size()));
    append_bytes(frame, body);
    send(link, as_text(frame));
  }
  // One request, and its reply awaited.
  template <class Record>
  void call(LinkId link, int32_t xid, Op op, const Record& record) {
    Bytes body;
    encode(RequestHeader{xid, static_cast<int32_t>(op)}, body);
    encode(record, body);
    const size_t before = asker.received[link].size();
    send_frame(link, body);
    EXPECT_TRUE(until([&] { return asker.received[link].size() > before; }));
  }
  void create(LinkId link, int32_t xid, std::string_view path,
              CreateFlag flag = CreateFlag::Persistent) {
    CreateRequest request;
    request.path = path;
    request.acl = {AclEntry{kPermAll, "world", "anyone"}};
    request.flags = static_cast<int32_t>(flag);
    call(link, xid, Op::Create, request);
  }
  void watch(LinkId link, int32_t xid, std::string_view path) {
    PathWatchRequest request;
    request.path = path;
    request.watch = true;
    call(link, xid, Op::Exists, request);
  }

  Simulation sim{SimOptions{}};
  ScriptedHost asker;

 private:
  static bool is_in(const std::vector<LinkId>& links, LinkId link) {
    return std::find(links.begin(), links.end(), link) != links.end();
  }
  Config config_;
  Node node_;
};

}  // namespace vivarium::sim
