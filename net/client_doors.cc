#include "net/client_doors.h"

#include <fmt/format.h>

#include <utility>

namespace vivarium {
namespace {

std::string_view demand(ClientAuth auth) {
  switch (auth) {
    case ClientAuth::None:
      return "are not asked for one";
    case ClientAuth::Want:
      return "may show one";
    case ClientAuth::Need:
      return "have to show one";
  }
  return {};
}

}  // namespace

Result<void> add_client_doors(const ServerFile& file, LoopOptions& options) {
  const TlsSettings& tls = file.tls;
  if (tls.enabled()) {
    Result<std::shared_ptr<const TlsContext>> context = TlsContext::load(tls);
    if (!context) return tl::unexpected<Error>(context.error());
    options.tls = std::move(*context);
    options.handshake_deadline = milliseconds(file.config.handshake_deadline_ms);
    std::string where;
    if (tls.on_client_port) where = fmt::format("clientPort {}", file.client.port);
    if (tls.secure_client.port != 0) {
      where += fmt::format("{}port {}", where.empty() ? "" : " and ", tls.secure_client.port);
    }
    if (options.log) {
      options.log(LogLevel::Info, fmt::format("TLS for clients at {}: {}; clients {}", where,
                                              options.tls->summary(), demand(tls.client_auth)));
    }
  }
  if (file.client.port != 0 || tls.secure_client.port == 0) {
    const DoorTls either = tls.on_client_port ? DoorTls::Either : DoorTls::Plain;
    options.doors.push_back({Door::Client, file.client, false, either});
  }
  if (tls.secure_client.port != 0) {
    options.doors.push_back({Door::Client, tls.secure_client, false, DoorTls::Tls});
  }
  return {};
}

}  // namespace vivarium
