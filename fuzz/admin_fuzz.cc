// Bytes of operators: four-letter words on the client door, HTTP on the admin and the metrics door.
// Each input is a conversation of up to four connections with a server that serves reads. Nothing
// but a crash, a CHECK or a sanitizer's word is a finding; the bounds on what a connection may hold
// and be owed are checked here, and that a verdict on a request's front holds for the whole.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/base/check.h"
#include "core/server/http.h"
#include "core/server/json.h"
#include "fuzz/input.h"
#include "tests/unit/admin_host.h"

namespace vivarium::server_test {
namespace {

constexpr size_t kLinks = 4;
constexpr Door kDoors[] = {Door::Admin, Door::Metrics, Door::Client};
constexpr size_t kHeldMax = kHttpHeadMax + kHttpBodyMax;

// Members that a client gives are what stands there: written as JSON they read the same.
void check_json(std::string_view text) {
  const auto members = parse_flat_json(text);
  if (!members) return;
  std::string again = "{";
  for (const auto& [name, value] : *members) {
    if (again.size() > 1) again += ',';
    again += '"' + name + "\":\"" + value + '"';
  }
  const auto back = parse_flat_json(again + "}");
  CHECK(back && *back == *members);
}

void check_parser(std::string_view text) {
  HttpRequest request;
  const HttpParsed whole = parse_http_request(text, request);
  if (whole.verdict == HttpVerdict::NeedMore) {
    CHECK(text.size() < kHeldMax);
    return;
  }
  if (whole.verdict == HttpVerdict::Bad) {
    CHECK(whole.status >= 400 && !http_reason(whole.status).empty());
    return;
  }
  CHECK(whole.used > 0 && whole.used <= text.size());
  CHECK(request.path.starts_with('/') && request.body.size() <= kHttpBodyMax);
  check_json(request.body);
  for (size_t n = 0; n < whole.used; n += 1 + n / 8) {
    HttpRequest front;
    CHECK(parse_http_request(text.substr(0, n), front).verdict == HttpVerdict::NeedMore);
  }
}

// Making one costs far more than a conversation. Nothing of a conversation outlasts it, which is
// checked; what the fake World has written down is thrown away now and then.
AdminHost& used_host() {
  constexpr int kConversations = 500;
  static std::unique_ptr<AdminHost> host;
  static int conversations = 0;
  if (conversations++ % kConversations == 0) host = std::make_unique<AdminHost>();
  return *host;
}

void converse(Input& input) {
  AdminHost& host = used_host();
  LinkId links[kLinks];
  while (!input.empty()) {
    const Byte what = input.byte();
    LinkId& link = links[what % kLinks];
    if (!link.valid() || !host.is_open(link)) {
      link = host.open(kDoors[(what / kLinks) % 3]);
      continue;
    }
    switch ((what >> 4) % 7) {
      case 0:
      case 1:
        host.send(link, as_text(input.take(input.byte())));
        break;
      case 2:
        host.send(link, "GET /commands/" + std::string(as_text(input.take(input.byte() % 32))) +
                            " HTTP/1.1\r\nHost: h\r\nAuthorization: digest a:b\r\n\r\n");
        break;
      case 3:
        host.let_pass(input.byte() * 100);
        break;
      case 4:
        host.set_reading(link, (what & 4) == 0);
        break;
      case 5:
        host.answer_lists();
        break;
      default:
        host.end_turn();
        break;
    }
    for (const LinkId each : links) CHECK(host.admin.server().bytes_held(each) <= kHeldMax);
    CHECK(host.admin.server().visitor_count() <= AdminServer::kVisitorsMax);
    CHECK(host.admin.words().asker_count() <= AdminWords::kAskersMax);
  }
  for (const LinkId link : links) {
    if (link.valid() && host.is_open(link)) host.break_link(link);
  }
  host.answer_lists();
  CHECK(host.admin.server().visitor_count() == 0 && host.admin.words().asker_count() == 0);
  CHECK(host.server.server.connection_count() == 0);
  host.server.world.links_.clear();
}

}  // namespace
}  // namespace vivarium::server_test

// A host that is used again looks like a leak after each input, and the search for it takes a
// hundred times as long as the input. That the host holds nothing is checked above.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using vivarium::ByteView;
  using vivarium::Input;
  if (size == 0) return 0;
  Input input({data, size});
  if (input.byte() % 2 == 0) {
    vivarium::server_test::check_parser(vivarium::as_text(input.rest()));
  } else {
    vivarium::server_test::converse(input);
  }
  return 0;
}
