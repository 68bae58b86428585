// Connect and re-attach. Order of checks: client-protocol section 2, but a wrong password leaves
// the session's owner alone (section 16, DESIGN section 9).
#include <algorithm>

#include "core/base/check.h"
#include "core/server/replies.h"
#include "core/server/server.h"

namespace vivarium {
namespace {

int32_t negotiated_timeout(int32_t wanted_ms, const Config& config) {
  const int64_t low = config.min_session_timeout();
  const int64_t high = std::max(low, config.max_session_timeout());
  return static_cast<int32_t>(
      std::clamp<int64_t>(wanted_ms, low, std::min<int64_t>(high, INT32_MAX)));
}

bool is_password_of(SessionId session, ByteView password) {
  const Bytes right = apache_session_password(session);
  return std::equal(right.begin(), right.end(), password.begin(), password.end());
}

}  // namespace

void Server::connect(ClientConnection& connection, ByteView frame, ServerParts& parts) {
  const auto request = decode_connect_request(frame);
  if (!request) {
    parts.world.count("bad_frames", 1);
    close(connection, End::Drain, parts);
    return;
  }
  if (!admit(*request, parts)) {
    close(connection, End::Drain, parts);
    return;
  }
  if (read_only_ && !request->read_only) {
    close(connection, End::Drain, parts);
    return;
  }
  // A client that has seen more than this server has to find a server that is not behind.
  if (request->last_zxid_seen.wire() > parts.tree.last_applied().wire()) {
    close(connection, End::Drain, parts);
    return;
  }
  connection.timeout_ms = negotiated_timeout(request->timeout_ms, parts.config);
  connection.has_read_only = request->has_read_only;
  if (request->session == SessionId()) {
    create_session(connection, parts);
  } else {
    reattach(connection, *request, parts);
  }
}

// Nobody is served: the client waits for the end of an election that has just begun, but not for
// longer than a third of the timeout that it knows of, after which it would try another server.
// False: it has to do so now.
bool Server::waits_for_service(ClientConnection& connection, ByteView frame, ServerParts& parts) {
  const Instant now = parts.world.now();
  const Instant until = parts.replication.may_serve_until();
  const auto request = decode_connect_request(frame);
  if (!request) {
    parts.world.count("bad_frames", 1);
    close(connection, End::Drain, parts);
    return false;
  }
  if (now >= until) {
    parts.world.count("cnxn_closed_without_zk_server_running", 1);
    close(connection, End::Abort, parts);
    return false;
  }
  const int32_t timeout_ms =
      std::clamp(request->timeout_ms, 0, negotiated_timeout(request->timeout_ms, parts.config));
  set_handshake_deadline(connection, std::min({connection.handshake_deadline, until,
                                               now + milliseconds(timeout_ms / 3)}));
  return true;
}

void Server::set_handshake_deadline(ClientConnection& connection, Instant at) {
  handshakes_.erase({connection.handshake_deadline, connection.link});
  connection.handshake_deadline = at;
  handshakes_.emplace(at, connection.link);
}

// As many connects as the operator wants in a time; whoever is one too many comes again.
bool Server::admit(const ConnectRequest& request, ServerParts& parts) {
  const ThrottleConfig& config = parts.config.connection_throttle;
  using Kind = ConnectionThrottle::Kind;
  const bool local = parts.config.local_sessions && !parts.config.standalone();
  const Kind fresh = local ? Kind::Local : Kind::Global;
  const Kind kind = request.session == SessionId() ? fresh : Kind::Renewed;
  if (!throttle_.admit(kind, config, parts.world)) {
    parts.world.count("connection_rejected", 1);
    return false;
  }
  parts.world.count("connection_request_count", 1);
  if (config.tokens_max != 0) {
    parts.world.sample("connection_token_deficit", throttle_.deficit(config));
  }
  return true;
}

void Server::create_session(ClientConnection& connection, ServerParts& parts) {
  if (read_only_ && !parts.config.local_sessions) {
    // As Apache: a reply where the client expects a ConnectResponse.
    append_reply({0, parts.tree.last_applied().wire(), ErrorCode::NotReadOnly}, {},
                 connection.output);
    close(connection, End::Drain, parts);
    return;
  }
  // Somebody may be asking for an id that nobody has yet.
  do {
    connection.session = session_ids_.next();
  } while (sessions_.count(connection.session) != 0 || local_.known(connection.session));
  if (parts.config.local_sessions && !parts.config.standalone()) {
    create_local_session(connection, parts);
    return;
  }
  connection.phase = Phase::Creating;
  sessions_[connection.session].link = connection.link;
  Byte timeout[4];
  put_u32(timeout, static_cast<uint32_t>(connection.timeout_ms));
  submit(connection, 0, Op::CreateSession, 0, timeout, parts);
}

void Server::reattach(ClientConnection& connection, const ConnectRequest& request,
                      ServerParts& parts) {
  if (!is_password_of(request.session, request.password)) {
    parts.world.audit("session password refused from " + connection.address);
    refuse(connection, parts);
    return;
  }
  parts.world.count("connection_revalidate_count", 1);
  const LinkId link = connection.link;
  const auto held = sessions_.find(request.session);
  if (held != sessions_.end()) {
    ClientConnection* other = find(held->second.link);
    if (other != nullptr) close(*other, End::Drain, parts);
  }
  const bool local = local_.touch(request.session, connection.timeout_ms, parts.world.now());
  if (read_only_ && !local) {
    // Whether the session lives is the leader's knowledge: its client has to ask elsewhere.
    if (parts.tree.sessions().count(request.session) != 0)
      return close(connection, End::Drain, parts);
    return refuse(connection, parts);
  }
  connection.session = request.session;
  connection.phase = Phase::Revalidating;
  sessions_[request.session].link = link;
  if (local) return establish(connection);
  parts.replication.revalidate(request.session, connection.timeout_ms);
}

void Server::revalidated(SessionId session, bool valid, Zxid proposed, ServerParts& parts) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  ClientConnection* connection = find(found->second.link);
  if (connection == nullptr || connection->phase != Phase::Revalidating) return;
  if (!valid) {
    refuse(*connection, parts);
    return;
  }
  connection->floor = proposed;
  establish(*connection);
}

void Server::establish(ClientConnection& connection) {
  CHECK(connection.phase == Phase::Creating || connection.phase == Phase::Revalidating);
  const bool created = connection.phase == Phase::Creating;
  connection.phase = Phase::Established;
  handshakes_.erase({connection.handshake_deadline, connection.link});
  ConnectResponse response;
  response.timeout_ms = connection.timeout_ms;
  response.session = connection.session;
  response.password = apache_session_password(connection.session);
  response.has_read_only = connection.has_read_only;
  response.read_only = read_only_;
  append_connect_response(response, connection.output);
  if (created) connection.stats.last_op = Op::CreateSession;
  ++connection.stats.sent;
  ++stats_.sent;
  mark_dirty(connection);
  if (!connection.input.empty()) stall(connection);  // what was sent behind the ConnectRequest
}

void Server::refuse(ClientConnection& connection, ServerParts& parts) {
  append_refusal(connection.has_read_only, connection.output);
  close(connection, End::Drain, parts);
}

}  // namespace vivarium
