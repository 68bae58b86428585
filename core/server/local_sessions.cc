// Local sessions (semantics section 12) and what a read-only server answers: requests that are
// served without the ensemble.
#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/server/server.h"
#include "core/wire/client_messages.h"
#include "core/wire/multi.h"

namespace vivarium {
namespace {

bool is_ephemeral(Op op, const CreateRequest& request) {
  if (op != Op::Create && op != Op::Create2) return false;
  const auto flag = static_cast<CreateFlag>(request.flags);
  return flag == CreateFlag::Ephemeral || flag == CreateFlag::EphemeralSequential;
}

bool creates_ephemeral(Op op, ByteView body) {
  if (op == Op::Multi) {
    const auto parts = decode_multi_request(body, Op::Multi);
    return parts && std::any_of(parts->begin(), parts->end(), [](const MultiOp& part) {
             const auto* create = std::get_if<CreateRequest>(&part.record);
             return create != nullptr && is_ephemeral(part.op, *create);
           });
  }
  if (op != Op::Create && op != Op::Create2) return false;
  const std::optional<CreateRequest> request = decode_create_request(body);
  return request && is_ephemeral(op, *request);
}

}  // namespace

// False: the session is known to be gone.
bool Server::touch(const ClientConnection& connection, ServerParts& parts) {
  if (local_.touch(connection.session, connection.timeout_ms, parts.world.now())) return true;
  if (read_only_) return false;
  return parts.replication.touch(connection.session, connection.timeout_ms);
}

void Server::create_local_session(ClientConnection& connection, ServerParts& parts) {
  connection.phase = Phase::Creating;
  sessions_[connection.session].link = connection.link;
  local_.add(connection.session, connection.timeout_ms, parts.world.now());
  establish(connection);
}

void Server::expire_local_sessions(ServerParts& parts) {
  for (const SessionId session : local_.expire(parts.world.now())) {
    local_.remove(session);
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) continue;
    ClientConnection* connection = find(found->second.link);
    if (connection != nullptr) close(*connection, End::Drain, parts);
  }
}

// A local session owns no znodes. Before it creates an ephemeral the ensemble is told of it, by a
// createSession in front of the create.
ErrorCode Server::upgrade_if_needed(ClientConnection& connection, Op op, ByteView body,
                                    ServerParts& parts) {
  CHECK(local_.known(connection.session));
  if (!creates_ephemeral(op, body)) return ErrorCode::Ok;
  if (!parts.config.local_sessions_upgrade) return ErrorCode::EphemeralOnLocalSession;
  local_.remove(connection.session);
  Byte timeout[4];
  put_u32(timeout, static_cast<uint32_t>(connection.timeout_ms));
  submit(connection, 0, Op::CreateSession, 0, timeout, parts);
  return ErrorCode::Ok;
}

// A request whose answer needs nobody else: in its turn, like any other.
void Server::answer_here(ClientConnection& connection, int32_t xid, Op op, ErrorCode error,
                         ServerParts& parts) {
  PendingRequest request;
  request.xid = xid;
  request.op = op;
  request.kind = RequestClass::Write;
  request.since = parts.world.now();
  request.done = true;
  request.error = error;
  enqueue(connection, std::move(request));
  advance(connection, parts);
}

}  // namespace vivarium
