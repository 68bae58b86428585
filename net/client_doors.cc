#include "net/client_doors.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "net/whole_file.h"

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

// Reads the JAAS file when one is named.
Result<void> add_sasl(const SaslFile& sasl, LoopOptions& options) {
  if (sasl.path.empty()) return {};
  const Result<std::string> text = read_whole_file(sasl.path);
  if (!text) return tl::unexpected<Error>(text.error());
  Result<std::optional<SaslUsers>> users = parse_jaas(*text, sasl.section);
  if (!users) return fail(fmt::format("{}: {}", sasl.path, users.error().message));
  // As ZooKeeper, but aloud: a file for other programs may be named here too.
  if (!users->has_value()) {
    if (options.log) {
      options.log(LogLevel::Warn,
                  fmt::format("{} has no section {}: no SASL", sasl.path, sasl.section));
    }
    return {};
  }
  const size_t count = (*users)->size();
  Result<std::unique_ptr<SaslServer>> server = SaslServer::make(std::move(**users));
  if (!server) return tl::unexpected<Error>(server.error());
  options.sasl = std::move(*server);
  if (options.log) {
    options.log(LogLevel::Info,
                fmt::format("SASL for clients: DIGEST-MD5, {} users of {}", count, sasl.path));
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
  if (Result<void> done = add_sasl(file.sasl, options); !done) return done;
  const std::vector<std::string>& demanded = file.config.auth.demanded;
  const bool wants_sasl = std::find(demanded.begin(), demanded.end(), "sasl") != demanded.end();
  if (!wants_sasl || options.sasl != nullptr) return {};
  return fail(fmt::format("authentication by 'sasl' is demanded, and {} has no section {}",
                          file.sasl.path, file.sasl.section));
}

}  // namespace vivarium
