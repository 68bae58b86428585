// Bytes of clients against Server: each input is a conversation of up to four connections with a
// leader that commits when told to. Nothing but a crash, a CHECK or a sanitizer's word is a
// finding; the bounds on what a connection may hold are checked here.
#include <cstddef>
#include <cstdint>

#include "core/base/check.h"
#include "fuzz/input.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

constexpr size_t kClients = 4;
constexpr uint64_t kHeldBeforeSessionMax = 1024;

class Conversation {
 public:
  Conversation() : host_(config()) {
    host_.commits_by_itself = false;
    host_.closes_words = true;
  }

  void step(Input& input) {
    const Byte what = input.byte();
    Client& client = clients_[what % kClients];
    if (client.link.valid() && host_.end_of(client.link) == LinkEnd::Open) {
      act(what >> 4, client, input);
      check_bounds();
    } else {
      connect(client, (what & 4) != 0);
    }
  }

  // Whatever has been said, the server comes to rest.
  void end() {
    host_.is_congested = false;
    host_.commits_by_itself = true;
    host_.settle();
    CHECK(host_.server.requests_in_flight() == 0);
  }

 private:
  struct Client {
    LinkId link;
    SessionId session;
  };

  static Config config() {
    Config settings = ServerHost::default_config();
    settings.connection_unsent_bytes_max = 4096;
    settings.outstanding_requests_max = 3;
    settings.connections_per_address_max = 3;
    return settings;
  }

  void connect(Client& client, bool asks_for_session) {
    client.link = host_.open();
    if (host_.end_of(client.link) != LinkEnd::Open || !asks_for_session) return;
    host_.send_frame(client.link, connect_request(client.session));
  }

  void act(int what, Client& client, Input& input) {
    switch (what) {
      case 0:
        return host_.send(client.link, input.take(input.byte()));
      case 1:
        (void)host_.commit(input.byte() % 4);
        break;
      case 2:
        host_.answer_syncs();
        return host_.answer_revalidations();
      case 3:
        return host_.break_link(client.link);
      case 4:
        return host_.let_pass(input.byte() * 10);
      case 5:
        return change(host_.world.links_.at(client.link).reads);
      case 6:
        return change(host_.answers_at_once);
      case 7:
        host_.stop_serving();
        return host_.start_serving();
      case 8:
        return learn_session(client);
      case 9:
        return change(host_.is_congested);
      case 10:
        return host_.settle();
      default:
        return send_request(client, input);
    }
  }

  static void change(bool& setting) { setting = !setting; }

  void learn_session(Client& client) {
    for (const Bytes& frame : host_.received(client.link)) {
      const auto response = decode_connect_response(frame);
      if (response && frame.size() == 37) client.session = response->session;
    }
  }

  // A well-formed header with any body.
  void send_request(const Client& client, Input& input) {
    const Byte xid = input.byte();
    const auto type = static_cast<Op>(static_cast<int8_t>(input.byte()));
    host_.send_frame(client.link, request(xid, type, input.take(input.byte())));
  }

  void check_bounds() {
    for (const Client& client : clients_) {
      const LinkId link = client.link;
      if (!link.valid() || host_.world.links_.at(link).credit_given > kHeldBeforeSessionMax)
        continue;
      CHECK(host_.server.bytes_held(link) <= kHeldBeforeSessionMax);
    }
  }

  ServerHost host_;
  Client clients_[kClients];
};

}  // namespace
}  // namespace vivarium::server_test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vivarium::Input input({data, size});
  vivarium::server_test::Conversation conversation;
  while (!input.empty()) conversation.step(input);
  conversation.end();
  return 0;
}
