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

void converse(Input& input) {
  Config config = ServerHost::default_config();
  config.connection_unsent_bytes_max = 4096;
  config.outstanding_requests_max = 3;
  config.connections_per_address_max = 3;
  ServerHost host(config);
  host.commits_by_itself = false;
  host.closes_words = true;
  LinkId links[kClients];
  SessionId sessions[kClients];
  while (!input.empty()) {
    const Byte what = input.byte();
    LinkId& link = links[what % kClients];
    SessionId& session = sessions[what % kClients];
    if (!link.valid() || host.end_of(link) != LinkEnd::Open) {
      link = host.open();
      if (host.end_of(link) == LinkEnd::Open && (what & 4) != 0) {
        host.send_frame(link, connect_request(session));
      }
      continue;
    }
    switch (what >> 4) {
      case 0:
        host.send(link, input.take(input.byte()));
        break;
      case 1:
        host.commit(input.byte() % 4);
        break;
      case 2:
        host.answer_syncs();
        host.answer_revalidations();
        break;
      case 3:
        host.break_link(link);
        break;
      case 4:
        host.let_pass(input.byte() * 10);
        break;
      case 5:
        host.world.links_.at(link).reads = !host.world.links_.at(link).reads;
        break;
      case 6:
        host.answers_at_once = !host.answers_at_once;
        break;
      case 7:
        host.stop_serving();
        host.start_serving();
        break;
      case 8:
        for (const Bytes& frame : host.received(link)) {
          const auto response = decode_connect_response(frame);
          if (response && frame.size() == 37) session = response->session;
        }
        break;
      case 9:
        host.is_congested = !host.is_congested;
        break;
      case 10:
        host.settle();
        break;
      default: {
        // A well-formed header with any body.
        const Byte xid = input.byte();
        const auto type = static_cast<Op>(static_cast<int8_t>(input.byte()));
        host.send_frame(link, request(xid, type, input.take(input.byte())));
        break;
      }
    }
    for (const LinkId each : links) {
      if (!each.valid() || host.world.links_.at(each).credit_given > kHeldBeforeSessionMax)
        continue;
      CHECK(host.server.bytes_held(each) <= kHeldBeforeSessionMax);
    }
  }
  host.is_congested = false;
  host.commits_by_itself = true;
  host.settle();
  CHECK(host.server.requests_in_flight() == 0);
}

}  // namespace
}  // namespace vivarium::server_test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vivarium::Input input({data, size});
  vivarium::server_test::converse(input);
  return 0;
}
