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
  if (sasl.demands_kerberos) {
    const Result<std::string> realm = KerberosKeys::default_realm();
    if (!realm) return fail("requireKerberosConfig: " + realm.error().message);
  }
  if (sasl.path.empty()) return {};
  const Result<std::string> text = read_whole_file(sasl.path);
  if (!text) return tl::unexpected<Error>(text.error());
  Result<std::optional<SaslLogin>> login = parse_jaas(*text, sasl.section);
  if (!login) return fail(fmt::format("{}: {}", sasl.path, login.error().message));
  // As ZooKeeper, but aloud: a file for other programs may be named here too.
  if (!login->has_value()) {
    if (options.log) {
      options.log(LogLevel::Warn,
                  fmt::format("{} has no section {}: no SASL", sasl.path, sasl.section));
    }
    return {};
  }
  if (sasl.keeps_to_fips && !(**login).kerberos) {
    return fail(fmt::format("{}: SASL DIGEST-MD5 is not for fips-mode=true", sasl.path));
  }
  if (!sasl.super_password.empty()) {
    SaslUsers& users = (**login).users;
    std::erase_if(users, [](const auto& user) { return user.first == kSaslSuper; });
    users.emplace_back(kSaslSuper, sasl.super_password);
  }
  Result<std::unique_ptr<SaslServer>> server =
      SaslServer::make(std::move(**login), sasl.naming, options.log);
  if (!server) return fail(fmt::format("{}: {}", sasl.path, server.error().message));
  options.sasl = std::move(*server);
  if (options.log) {
    options.log(LogLevel::Info,
                fmt::format("SASL for clients by {}: {}", sasl.path, options.sasl->summary()));
  }
  return {};
}

}  // namespace

void add_peer_doors(const ServerFile& file, LoopOptions& options) {
  const Member* self = file.config.find(file.config.id);
  if (self == nullptr) return;
  const SocketConfig& sockets = file.config.sockets;
  DoorOptions door;
  door.keep_alive = sockets.peer_keep_alive;
  options.keep_connections_alive = sockets.peer_keep_alive;
  LoopDoor election{Door::Election, self->election, false, door};
  LoopDoor quorum{Door::Quorum, self->quorum, false, door};
  election.bind_retries =
      sockets.election_bind_retries == 0 ? UINT32_MAX : sockets.election_bind_retries - 1;
  for (LoopDoor* one : {&election, &quorum}) {
    if (sockets.peers_on_all_interfaces) one->address.host.clear();
    options.doors.push_back(*one);
  }
}

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
  DoorOptions door;
  door.backlog = file.config.sockets.client_backlog;
  door.keep_alive = file.config.sockets.client_keep_alive;
  if (file.client.port != 0 || tls.secure_client.port == 0) {
    door.tls = tls.on_client_port ? DoorTls::Either : DoorTls::Plain;
    options.doors.push_back({Door::Client, file.client, false, door});
  }
  if (tls.secure_client.port != 0) {
    door.tls = DoorTls::Tls;
    options.doors.push_back({Door::Client, tls.secure_client, false, door});
  }
  if (Result<void> done = add_sasl(file.sasl, options); !done) return done;
  const std::vector<std::string>& demanded = file.config.auth.demanded;
  const bool wants_sasl = std::find(demanded.begin(), demanded.end(), "sasl") != demanded.end();
  if (!wants_sasl || options.sasl != nullptr) return {};
  return fail(fmt::format("authentication by 'sasl' is demanded, and {} has no section {}",
                          file.sasl.path, file.sasl.section));
}

}  // namespace vivarium
