// AdminHost: Admin in front of a ServerHost, for conversations of operators without a disk or an
// ensemble. The server serves reads only, which is all that needs no leader.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/server/admin.h"
#include "core/storage/storage.h"
#include "core/zab/zab.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {

class AdminHost {
 public:
  static Config default_config() {
    Config config = ServerHost::default_config();
    config.admin.words = {"*"};
    config.admin.client_port = 2181;
    config.admin.data_dir = "/data";
    config.admin.data_log_dir = "/logs";
    config.admin.environment = {{"host.name", "h"}};
    return config;
  }

  explicit AdminHost(const Config& config = default_config())
      : server(config), zab_(server.config), storage_(server.config) {
    ServerParts parts = server.parts();
    server.server.read_only_started(parts);
  }

  AdminParts parts() {
    return {server.config, server.world, server.server, zab_, storage_, server.tree, digests_};
  }

  LinkId open(Door door, std::string_view address = "10.0.0.9", uint16_t port = 4000) {
    const LinkId link{next_slot_++, 1};
    server.world.links_[link];
    deliver(LinkAccepted{link, door, address, port});
    return link;
  }
  // As much of it as the link's credit permits; the rest with send() of more, or never.
  void send(LinkId link, std::string_view text) {
    FakeLink& l = server.world.links_.at(link);
    append_bytes(l.towards_server, as_bytes(text));
    while (l.end == LinkEnd::Open && l.credit > 0 && !l.towards_server.empty()) {
      const auto n =
          static_cast<std::ptrdiff_t>(std::min<uint64_t>(l.credit, l.towards_server.size()));
      const Bytes now(l.towards_server.begin(), l.towards_server.begin() + n);
      l.towards_server.erase(l.towards_server.begin(), l.towards_server.begin() + n);
      l.credit -= static_cast<uint64_t>(n);
      deliver(LinkBytes{link, now});
    }
  }
  void end_turn() {
    AdminParts p = parts();
    ServerParts s = server.parts();
    server.server.end_turn(s);
    admin.end_turn(p);
    for (auto& [link, l] : server.world.links_) {
      if (l.end != LinkEnd::Open || !l.reads || l.unsent == 0) continue;
      l.unsent = 0;
      deliver(LinkDrained{link});
    }
  }
  void let_pass(int64_t ms) {
    server.world.now_ = server.world.now_ + milliseconds(ms);
    AdminParts p = parts();
    ServerParts s = server.parts();
    if (admin.deadline() <= server.world.now()) admin.on_deadline(p);
    if (server.server.deadline() <= server.world.now()) server.server.on_deadline(s);
    end_turn();
  }
  // What World::list was asked, answered.
  void answer_lists() {
    const auto asked = std::exchange(server.world.lists_, {});
    const std::vector<DirEntry> entries = {{"log.1", 1000}, {"snapshot.0", 200}};
    for (const auto& [dir, token] : asked) deliver(DirListed{dir, token, &entries});
    end_turn();
  }
  void break_link(LinkId link) {
    server.world.open_link(link).end = LinkEnd::Aborted;
    deliver(LinkDown{link});
  }
  // The other end will send no more.
  void end_half(LinkId link) {
    if (!server.world.open_link(link).half_open) return break_link(link);
    deliver(LinkEnded{link});
  }
  void set_reading(LinkId link, bool reads) { server.world.links_.at(link).reads = reads; }
  bool is_open(LinkId link) const { return server.world.links_.at(link).end == LinkEnd::Open; }
  std::string received(LinkId link) const {
    return std::string(as_text(server.world.links_.at(link).from_server));
  }
  // Sends, ends turns until all is answered, and gives what came.
  std::string ask(Door door, std::string_view text) {
    const LinkId link = open(door);
    send(link, text);
    for (int i = 0; i < 1000 && is_open(link); ++i) {
      end_turn();
      answer_lists();
      if (server.world.lists_.empty() && admin.deadline() > server.world.now()) break;
    }
    return received(link);
  }

  ServerHost server;
  Admin admin;

 private:
  void deliver(const Event& event) {
    AdminParts p = parts();
    if (admin.step(event, p)) return;
    ServerParts s = server.parts();
    server.server.step(event, s);
  }

  Zab zab_;
  DigestAudit digests_;
  Storage storage_;
  uint32_t next_slot_ = 100'000;
};

}  // namespace vivarium::server_test
