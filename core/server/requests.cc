#include "core/server/requests.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/server/audit.h"
#include "core/server/identity.h"
#include "core/server/replies.h"
#include "core/server/server.h"
#include "core/server/watch_requests.h"
#include "core/tree/permissions.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"

namespace vivarium {
namespace {

// Numbers that clients have no business with (error, notification, check outside of a multi, the
// servers' own createSession and deleteContainer) are not in the table and so are refused.
constexpr Operation kOperations[] = {
    {Op::GetData, RequestClass::Read, read_data},
    {Op::Exists, RequestClass::Read, read_exists},
    {Op::GetChildren, RequestClass::Read, read_children},
    {Op::GetChildren2, RequestClass::Read, read_children2},
    {Op::GetAcl, RequestClass::Read, read_acl},
    {Op::GetAllChildrenNumber, RequestClass::Read, read_all_children_number},
    {Op::GetEphemerals, RequestClass::Read, read_ephemerals},
    {Op::MultiRead, RequestClass::Read, read_multi},
    {Op::WhoAmI, RequestClass::Read, who_am_i},
    {Op::Ping, RequestClass::Read, read_ping},
    {Op::SetWatches, RequestClass::Rearm, nullptr},
    {Op::SetWatches2, RequestClass::Rearm, nullptr},
    {Op::AddWatch, RequestClass::Read, add_watch},
    {Op::CheckWatches, RequestClass::Read, check_watches},
    {Op::RemoveWatches, RequestClass::Read, remove_watches},
    {Op::Create, RequestClass::Write, nullptr},
    {Op::Create2, RequestClass::Write, nullptr},
    {Op::SetData, RequestClass::Write, nullptr},
    {Op::Delete, RequestClass::Write, nullptr},
    {Op::SetAcl, RequestClass::Write, nullptr},
    {Op::Multi, RequestClass::Write, nullptr},
    {Op::CreateContainer, RequestClass::Write, nullptr},
    {Op::CreateTtl, RequestClass::Write, nullptr},
    {Op::Reconfig, RequestClass::Write, nullptr},
    {Op::CloseSession, RequestClass::Write, nullptr},
    {Op::Sync, RequestClass::Barrier, nullptr},
    {Op::Auth, RequestClass::Identify, nullptr},
    {Op::Sasl, RequestClass::Identify, nullptr},
};
constexpr Operation kRefused{Op::Error, RequestClass::Refused, nullptr};

// Refused requests are told no zxid, and answers to auth and sasl zero (client-protocol section 4).
constexpr int64_t kNoReplyZxid = -1;
constexpr int64_t kIdentifyZxid = 0;
constexpr uint64_t kHeaderBytes = 8;  // of a request, in front of its body

bool is_read(RequestClass kind) {
  return kind == RequestClass::Read || kind == RequestClass::Rearm;
}

void count_queued(ClientConnection& connection, const PendingRequest& request, int sign) {
  const auto one = static_cast<uint32_t>(sign);  // modulo 2^32, as the counters are
  connection.large_bytes += request.large * static_cast<uint64_t>(sign);
  if (request.kind == RequestClass::Write) connection.writes_queued += one;
  if (request.kind == RequestClass::Barrier) connection.barriers_queued += one;
  if (request.kind == RequestClass::Rearm) connection.rearms_queued += one;
  if (!is_read(request.kind)) return;
  connection.reads_queued += one;
  connection.queued_bytes += request.body.size() * static_cast<uint64_t>(sign);
}

bool waits_for_answer(const PendingRequest& request) {
  const bool submitted =
      request.kind == RequestClass::Write || request.kind == RequestClass::Barrier;
  return submitted && !request.done;
}

// Empty for a request that does not decode, which its txn will say.
std::vector<Op> operations_of_multi(ByteView body) {
  std::vector<Op> parts;
  const auto ops = decode_multi_request(body, Op::Multi);
  if (!ops) return parts;
  parts.reserve(ops->size());
  for (const MultiOp& op : *ops) parts.push_back(op.op);
  return parts;
}

// Numbers of operations and of their txns are the same.
bool is_txn_of(TxnType type, Op op) {
  return type == TxnType::Error || static_cast<int32_t>(type) == static_cast<int32_t>(op);
}

}  // namespace

static_assert(std::size(kOperations) < TrafficMetrics::kOperationsMax);

// The last place is that of whatever is no operation of clients.
size_t place_of(const Operation& operation) {
  if (&operation == &kRefused) return TrafficMetrics::kOperationsMax - 1;
  return static_cast<size_t>(&operation - kOperations);
}

std::string_view operation_name(size_t place) {
  // As ZooKeeper 3.10 counts them; several kinds of one operation have one name.
  struct Name {
    Op op;
    std::string_view name;
  };
  constexpr Name kNames[] = {{Op::AddWatch, "add_watch"},
                             {Op::CheckWatches, "check_watches"},
                             {Op::CloseSession, "close_session"},
                             {Op::Create, "create"},
                             {Op::Create2, "create"},
                             {Op::CreateContainer, "create"},
                             {Op::CreateTtl, "create"},
                             {Op::Delete, "delete"},
                             {Op::Exists, "exists"},
                             {Op::GetAcl, "get_acl"},
                             {Op::GetAllChildrenNumber, "get_all_children_number"},
                             {Op::GetChildren, "get_children"},
                             {Op::GetChildren2, "get_children"},
                             {Op::GetData, "get_data"},
                             {Op::GetEphemerals, "get_ephemerals"},
                             {Op::Multi, "multi"},
                             {Op::MultiRead, "multi_read"},
                             {Op::Ping, "ping"},
                             {Op::Reconfig, "reconfig"},
                             {Op::RemoveWatches, "remove_watches"},
                             {Op::SetAcl, "set_acl"},
                             {Op::SetData, "set_data"},
                             {Op::SetWatches, "set_watches"},
                             {Op::SetWatches2, "set_watches"},
                             {Op::Sync, "sync"},
                             {Op::WhoAmI, "who_am_i"}};
  if (place >= std::size(kOperations)) return {};
  for (const Name& known : kNames) {
    if (known.op == kOperations[place].op) return known.name;
  }
  return {};
}

const Operation& operation_of(int32_t type) {
  for (const Operation& operation : kOperations) {
    if (static_cast<int32_t>(operation.op) == type) return operation;
  }
  return kRefused;
}

// --- taking requests

void Server::request(ClientConnection& connection, const RequestHeader& header, ByteView body,
                     ServerParts& parts) {
  CHECK(connection.phase == Phase::Established);
  catch_up(connection);
  const Operation& operation = operation_of(header.type);
  ++traffic_.operations[place_of(operation)];
  PendingRequest request;
  request.xid = header.xid;
  request.op = operation.op;
  request.kind = operation.kind;
  request.since = parts.world.now();
  request.ids = static_cast<uint32_t>(connection.ids.size());
  const int64_t large = parts.config.large_request_bytes;
  const uint64_t bytes = body.size() + kHeaderBytes;
  if (large >= 0 && bytes > static_cast<uint64_t>(large)) request.large = bytes;
  if (request.kind != RequestClass::Identify &&
      !satisfies_demands(connection.ids, parts.config.auth)) {
    refuse_stranger(connection, std::move(request), parts);
    return;
  }
  const bool submits =
      operation.kind == RequestClass::Write || operation.kind == RequestClass::Barrier;
  if (submits && read_only_ && operation.op != Op::CloseSession) {
    return answer_here(connection, header.xid, operation.op, ErrorCode::NotReadOnly, parts);
  }
  switch (operation.kind) {
    case RequestClass::Write: {
      if (operation.op == Op::CloseSession) connection.phase = Phase::Ending;
      if (local_.known(connection.session)) {
        if (operation.op == Op::CloseSession) {
          return answer_here(connection, header.xid, operation.op, ErrorCode::Ok, parts);
        }
        const LinkId link = connection.link;
        const ErrorCode error = upgrade_if_needed(connection, operation.op, body, parts);
        if (find(link) == nullptr) return;
        if (error != ErrorCode::Ok) {
          return answer_here(connection, header.xid, operation.op, error, parts);
        }
      }
      if (operation.op == Op::Multi) {
        request.parts = operations_of_multi(body);
        requests_left_ -= std::min(requests_left_, request.parts.size());
      }
      if (parts.config.admin.audit) {
        request.audit = std::make_shared<const AuditSubject>(audit_subject(operation.op, body));
      }
      const uint64_t position = enqueue(connection, std::move(request));
      submit(connection, header.xid, operation.op, position, body, parts);
      return;
    }
    case RequestClass::Barrier:
      start_sync(connection, header.xid, body, parts);
      return;
    case RequestClass::Identify:
      identify(connection, request, body, parts);
      break;
    case RequestClass::Refused:
      connection.phase = Phase::Ending;
      break;
    case RequestClass::Rearm:
      request.body.assign(body.begin(), body.end());
      enqueue(connection, std::move(request));
      return advance(connection, parts);
    case RequestClass::Read:
      break;
  }
  if (connection.queue.empty()) {
    reply(connection, request, body, parts);
    return;
  }
  if (operation.read != nullptr) {
    request.body = take_spare_body();
    request.body.assign(body.begin(), body.end());
  }
  enqueue(connection, std::move(request));
}

uint64_t Server::enqueue(ClientConnection& connection, PendingRequest request) {
  large_bytes_ += request.large;
  count_queued(connection, request, +1);
  return connection.queue.push(std::move(request));
}

PendingRequest Server::dequeue(ClientConnection& connection) {
  PendingRequest request = connection.queue.pop();
  CHECK(large_bytes_ >= request.large);
  large_bytes_ -= request.large;
  count_queued(connection, request, -1);
  return request;
}

Bytes Server::take_spare_body() {
  spare_body_.clear();
  return std::exchange(spare_body_, Bytes());
}

void Server::keep_spare_body(Bytes body) {
  constexpr size_t kBytesMax = 64 << 10;
  if (!body.empty() && body.size() <= kBytesMax) spare_body_ = std::move(body);
}

void Server::submit(ClientConnection& connection, int32_t cxid, Op op, uint64_t position,
                    ByteView body, ServerParts& parts) {
  const auto session = sessions_.find(connection.session);
  CHECK(session != sessions_.end() && session->second.link == connection.link);
  session->second.in_flight.push({cxid, op, connection.link, position, connection.floor});
  ++in_flight_;
  WriteRequest write;
  write.session = connection.session;
  write.cxid = cxid;
  write.op = op;
  write.body = body;
  write.auth = connection.ids;
  write.owner = parts.config.id;
  write.local = local_.known(connection.session);
  parts.replication.submit(write);
}

// Requests read from here on have the new ids; those before it keep what they had.
void Server::identify(ClientConnection& connection, PendingRequest& request, ByteView body,
                      ServerParts& parts) {
  if (request.op == Op::Sasl) return identify_by_sasl(connection, request, body, parts);
  request.error = add_identity(body, connection.address, parts.config, connection.ids);
  if (request.error == ErrorCode::Ok) return;
  parts.world.count("auth_failed_count", 1);
  parts.world.audit("auth refused from " + connection.address);
  connection.phase = Phase::Ending;
}

void Server::identify_by_sasl(ClientConnection& connection, PendingRequest& request, ByteView body,
                              ServerParts& parts) {
  const AuthConfig& auth = parts.config.auth;
  JuteReader in(body);
  const ByteView token = in.buffer();
  SaslAnswer answer{SaslAnswer::State::Failed, {}, {}};
  if (in.ok()) answer = parts.world.sasl(connection.link, token);
  JuteWriter reply(request.body);
  if (answer.state == SaslAnswer::State::Done &&
      !add_sasl_user(answer.user, parts.config, connection.ids)) {
    answer.state = SaslAnswer::State::Failed;
  }
  switch (answer.state) {
    case SaslAnswer::State::Continue:
      reply.buffer(answer.token);
      return;
    case SaslAnswer::State::Done:
      // By a token of nothing Java's clients know that GSSAPI is over.
      if (answer.token.empty()) {
        reply.null_buffer();
      } else {
        reply.buffer(answer.token);
      }
      return;
    case SaslAnswer::State::NotSetUp:  // a token of nothing (section 11)
      reply.null_buffer();
      return;
    case SaslAnswer::State::Failed:
      reply.null_buffer();
      break;
  }
  parts.world.count("auth_failed_count", 1);
  parts.world.audit("sasl refused from " + connection.address);
  if (auth.stays_after_failed_sasl && !auth.sasl_demanded) return;
  request.error =
      auth.sasl_demanded ? ErrorCode::SessionClosedRequireSaslAuth : ErrorCode::AuthFailed;
  connection.phase = Phase::Ending;
}

// A request of a connection that has not said who it is, where that is demanded.
void Server::refuse_stranger(ClientConnection& connection, PendingRequest request,
                             ServerParts& parts) {
  parts.world.audit("a request without authentication refused from " + connection.address);
  request.kind = RequestClass::Identify;
  request.error = ErrorCode::SessionClosedRequireSaslAuth;
  connection.phase = Phase::Ending;
  if (connection.queue.empty()) return answer(connection, request, {}, parts);
  enqueue(connection, std::move(request));
}

void Server::start_sync(ClientConnection& connection, int32_t xid, ByteView body,
                        ServerParts& parts) {
  PendingRequest request;
  request.xid = xid;
  request.op = Op::Sync;
  request.kind = RequestClass::Barrier;
  request.since = parts.world.now();
  const auto sync = decode_sync_request(body);
  if (!sync) {
    request.done = true;
    request.error = ErrorCode::MarshallingError;
    enqueue(connection, std::move(request));
    advance(connection, parts);
    return;
  }
  JuteWriter reply(request.body);
  if (sync->null_path) {
    reply.null_buffer();
  } else {
    reply.string(sync->path);
  }
  const uint64_t ticket = next_ticket_++;
  syncs_[ticket] = {connection.link, enqueue(connection, std::move(request))};
  ++in_flight_;
  parts.replication.sync(connection.session, xid, ticket);
}

// --- answering, in the order of requests

void Server::advance(ClientConnection& connection, ServerParts& parts) {
  catch_up(connection);
  const LinkId link = connection.link;
  while (find(link) != nullptr && !connection.queue.empty()) {
    if (waits_for_answer(connection.queue.front())) return;
    // A read may not wait here when a write behind it is under way: it would see that write.
    if (connection.writes_queued == 0) {
      if (requests_left_ == 0) retry_ = std::min(retry_, parts.world.now());
      if (requests_left_ == 0 || output_full(connection, parts)) return stall(connection);
    }
    if (!rearm_some(connection, parts)) return;
    if (requests_left_ > 0) --requests_left_;
    PendingRequest request = dequeue(connection);
    reply(connection, request, request.body, parts);
    keep_spare_body(std::move(request.body));
  }
}

// A slice of the first request, should it be of that class. False: there is more to do.
bool Server::rearm_some(ClientConnection& connection, ServerParts& parts) {
  constexpr size_t kPathsForARequest = 4;  // which take as long
  PendingRequest& request = connection.queue.front();
  if (request.kind != RequestClass::Rearm) return true;
  mark_dirty(connection);
  const size_t max = requests_left_ * kPathsForARequest;
  const Rearmed now = rearm_watches(context_of(connection, request, parts), request.op,
                                    request.body, request.rearmed, max, connection.output);
  request.error = now.error;
  requests_left_ -= std::min(requests_left_, now.done / kPathsForARequest);
  if (now.all) return true;
  stall(connection);
  retry_ = std::min(retry_, parts.world.now());
  return false;
}

ReadContext Server::context_of(const ClientConnection& connection, const PendingRequest& request,
                               ServerParts& parts) {
  return {parts.tree,
          watches_,
          watcher_of(connection.link),
          std::span(connection.ids).first(request.ids),
          acl_rules_,
          connection.session};
}

// answer(), counted.
void Server::reply(ClientConnection& connection, const PendingRequest& request, ByteView body,
                   ServerParts& parts) {
  const LinkId link = connection.link;
  const size_t before = connection.output.size();
  const Instant now = parts.world.now();
  connection.stats.answered(request.op, request.xid, parts.tree.last_applied(), request.since, now);
  const int64_t latency_ms = (now - request.since).ms();
  stats_.latency.add(latency_ms);
  if (request.kind == RequestClass::Write) {
    traffic_.updates.add(latency_ms);
  } else if (request.op != Op::Ping) {
    traffic_.reads.add(latency_ms);
  }
  ++stats_.sent;
  answer(connection, request, body, parts);
  const ClientConnection* left = find(link);
  if (left != nullptr && left->output.size() > before) {
    const auto bytes = static_cast<int64_t>(left->output.size() - before);
    stats_.responses.add(bytes);
    traffic_.response_bytes += bytes;
  }
}

// Everything before `request` has been answered.
void Server::answer(ClientConnection& connection, const PendingRequest& request, ByteView body,
                    ServerParts& parts) {
  CHECK(caught_up(connection));
  const Zxid zxid = parts.tree.last_applied();
  Bytes& out = connection.output;
  mark_dirty(connection);
  switch (request.kind) {
    case RequestClass::Read: {
      const int32_t xid = request.op == Op::Ping ? kXidPing : request.xid;
      const size_t begin = begin_reply(xid, zxid, out);
      const ErrorCode error = operation_of(static_cast<int32_t>(request.op))
                                  .read(context_of(connection, request, parts), body, out);
      finish_reply(begin, error, out);
      return;
    }
    case RequestClass::Rearm:
      append_reply({request.xid, zxid.wire(), request.error}, {}, out);
      return;
    case RequestClass::Write:
    case RequestClass::Barrier:
      append_reply({request.xid, zxid.wire(), request.error}, body, out);
      if (request.op == Op::CloseSession) {
        local_.remove(connection.session);
        close(connection, End::Drain, parts);
      }
      return;
    case RequestClass::Identify:
      if (request.op == Op::Sasl && request.error != ErrorCode::Ok) {
        append_sasl_failure({request.xid, kIdentifyZxid, request.error}, out);
      } else {
        append_reply({request.xid, kIdentifyZxid, request.error}, request.body, out);
      }
      if (request.error != ErrorCode::Ok) close(connection, End::Drain, parts);
      return;
    case RequestClass::Refused:
      append_reply({request.xid, kNoReplyZxid, ErrorCode::Unimplemented}, {}, out);
      close(connection, End::Drain, parts);
      return;
  }
}

// --- what comes back from replication

void Server::applied(const Effects& effects, ServerParts& parts) {
  CHECK(parts.tree.last_applied() == effects.header.zxid);
  if (!parts.replication.is_ahead()) note_digest(parts.tree);
  traffic_.propagation.add(parts.world.wall_now().ms - effects.header.time.ms);
  if (parts.config.admin.audit && effects.header.type == TxnType::CloseSession) {
    for (const Effects::Change& change : effects.changes) {
      if (change.event != WatchEvent::Deleted) continue;
      parts.world.audit(
          audit_line_of_ephemeral(effects.header.session, change.path, parts.config.admin.user()));
    }
  }
  fire_watches(effects);
  settle(effects, parts);
  if (effects.header.type == TxnType::CloseSession) forget_session(effects.header.session, parts);
}

void Server::note_digest(const DataTree& tree) {
  constexpr uint64_t kEvery = 128;
  constexpr size_t kKept = 1024;
  if (tree.last_applied().value % kEvery != 0) return;
  if (digests_.size() == kKept) digests_.pop_front();
  digests_.push_back({tree.last_applied(), tree.digest()});
}

// Gives the txn to the write it is the answer of, if that write was ours: the oldest of the session
// with this cxid, and not a txn that was proposed before the write could be.
void Server::settle(const Effects& effects, ServerParts& parts) {
  const auto session = sessions_.find(effects.header.session);
  if (session == sessions_.end() || session->second.in_flight.empty()) return;
  const InFlight write = session->second.in_flight.front();
  if (write.cxid != effects.header.cxid || !is_txn_of(effects.header.type, write.op)) return;
  if (effects.header.zxid <= write.after) return;
  session->second.in_flight.pop();
  CHECK(in_flight_ > 0);
  --in_flight_;
  const bool held = session->second.link.valid();
  if (!held && session->second.in_flight.empty()) sessions_.erase(session);
  ClientConnection* connection = find(write.link);
  if (connection != nullptr) return finish_write(*connection, write, effects, parts);
  parts.world.count("stale_replies", 1);
}

void Server::finish_write(ClientConnection& connection, const InFlight& write,
                          const Effects& effects, ServerParts& parts) {
  if (write.op == Op::CreateSession && connection.phase != Phase::Creating) {
    if (effects.error != ErrorCode::Ok) close(connection, End::Drain, parts);
    return;  // an upgrade
  }
  if (write.op == Op::CreateSession) {
    CHECK(connection.phase == Phase::Creating);
    if (effects.error == ErrorCode::Ok) {
      establish(connection);
    } else {
      close(connection, End::Drain, parts);
    }
    return;
  }
  // The client has gone to another server, and this connection is a leftover (hazards N3).
  if (effects.error == ErrorCode::SessionMoved) {
    close(connection, End::Drain, parts);
    return;
  }
  PendingRequest* request = connection.queue.find(write.position);
  CHECK(request != nullptr && !request->done);
  CHECK(request->xid == write.cxid && request->op == write.op);
  request->done = true;
  if (request->audit != nullptr) {
    const AuditActor actor{connection.session, std::span(connection.ids).first(request->ids),
                           connection.address};
    for (const std::string& line : audit_lines(actor, *request->audit, request->parts, effects)) {
      parts.world.audit(line);
    }
  }
  request->body = take_spare_body();
  if (effects.header.type == TxnType::Multi) {
    encode_multi_results(request->parts, effects, request->body);
  } else {
    request->error = effects.error;
    if (effects.error == ErrorCode::Ok) encode_write_result(write.op, effects, request->body);
  }
  advance(connection, parts);
}

void Server::synced(uint64_t ticket, ServerParts& parts) {
  const auto found = syncs_.find(ticket);
  if (found == syncs_.end()) return;
  const SyncTicket sync = found->second;
  syncs_.erase(found);
  CHECK(in_flight_ > 0);
  --in_flight_;
  ClientConnection* connection = find(sync.link);
  if (connection == nullptr) return;
  PendingRequest* request = connection->queue.find(sync.position);
  CHECK(request != nullptr && !request->done && request->op == Op::Sync);
  request->done = true;
  advance(*connection, parts);
}

// The session is closed, for the ensemble. Its connection goes without a word, unless it has asked
// for the close and gets that answer in its turn.
void Server::forget_session(SessionId session, ServerParts& parts) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  CHECK(in_flight_ >= found->second.in_flight.size());
  in_flight_ -= found->second.in_flight.size();
  found->second.in_flight = {};
  ClientConnection* connection = find(found->second.link);
  // One that is just asking for the session will get the leader's answer.
  if (connection != nullptr && connection->phase == Phase::Revalidating) return;
  sessions_.erase(found);
  if (connection != nullptr) close(*connection, End::Drain, parts);
}

}  // namespace vivarium
