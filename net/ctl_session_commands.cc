// Commands about the session itself: identities and watches.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/wire/jute.h"
#include "net/ctl_handlers.h"

namespace vivarium::ctl {
namespace {

constexpr int32_t kNoWatcher = -121;
constexpr int32_t kStateSyncConnected = 3;

enum WatcherType : int32_t { kChildren = 1, kData = 2, kAny = 3, kPersistent = 4, kRecursive = 5 };

WatcherType type_of(const Arguments& arguments) {
  if (arguments.has("c")) return kChildren;
  if (arguments.has("d")) return kData;
  if (arguments.has("p")) return kPersistent;
  if (arguments.has("r")) return kRecursive;
  return kAny;
}

// What each kind of watch is removed by, and the type of the event that tells of it.
struct KindRow {
  WatchKind kind;
  WatcherType type;
  int32_t event;
};
constexpr std::array kKinds = {
    KindRow{WatchKind::Data, kData, 5},
    KindRow{WatchKind::Exist, kData, 5},
    KindRow{WatchKind::Child, kChildren, 6},
    KindRow{WatchKind::Persistent, kPersistent, 7},
    KindRow{WatchKind::PersistentRecursive, kRecursive, 7},
};

}  // namespace

Outcome add_auth(Context& context, const Arguments& arguments) {
  const std::string_view secret =
      arguments.rest.size() > 1 ? std::string_view(arguments.rest[1]) : std::string_view();
  const ByteView bytes = as_bytes(secret);
  const int32_t xid =
      context.session.client().add_auth(arguments.rest[0], Bytes(bytes.begin(), bytes.end()));
  const Reply reply = context.session.wait(xid);
  if (reply.error != 0) {
    return tl::unexpected<Failure>(failure_of(context, reply.error, arguments.rest[0]));
  }
  return {};
}

Outcome add_watch(Context& context, const Arguments& arguments) {
  const std::string usage = fmt::format("addWatch {}", find_command("addWatch")->usage);
  if (arguments.rest.size() != 1) return failed(usage);
  WatchKind kind = WatchKind::PersistentRecursive;
  if (arguments.has("m")) {
    std::string mode(arguments.value("m"));
    for (char& c : mode) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (mode != "PERSISTENT" && mode != "PERSISTENT_RECURSIVE") return failed(usage);
    if (mode == "PERSISTENT") kind = WatchKind::Persistent;
  }
  const std::string& path = arguments.rest[0];
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  Bytes body;
  JuteWriter writer(body);
  writer.string(*full);
  writer.i32(kind == WatchKind::Persistent ? 0 : 1);
  const Answer<Bytes> answer = ask(context, Op::AddWatch, std::move(body), path);
  if (!answer) return tl::unexpected<Failure>(answer.error());
  context.session.client().watch(kind, *full);
  return {};
}

Outcome remove_watches(Context& context, const Arguments& arguments) {
  const std::string& path = arguments.rest[0];
  const Answer<std::string> full = server_path(context, path);
  if (!full) return tl::unexpected<Failure>(full.error());
  Client& client = context.session.client();
  const WatcherType type = type_of(arguments);
  const auto meant = [&](const KindRow& row) {
    return (type == kAny || type == row.type) && client.watches(row.kind, *full);
  };
  bool any = false;
  for (const KindRow& row : kKinds) any = any || meant(row);
  if (!any) return failed(error_text(kNoWatcher, path));
  Bytes body;
  JuteWriter writer(body);
  writer.string(*full);
  writer.i32(type);
  const Answer<Bytes> answer = ask(context, Op::RemoveWatches, std::move(body), path);
  const bool lost = !answer && answer.error().error == kConnectionLoss;
  if (!answer && !(lost && arguments.has("l"))) return tl::unexpected<Failure>(answer.error());
  for (const KindRow& row : kKinds) {
    if (!meant(row)) continue;
    client.unwatch(row.kind, *full);
    context.session.tell({kStateSyncConnected, row.event, *full, -1});
  }
  return {};
}

Outcome close_session(Context& context, const Arguments&) {
  context.session.close();
  return {};
}

}  // namespace vivarium::ctl
