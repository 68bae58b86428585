#include "core/tree/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "core/base/check.h"
#include "core/tree/acl.h"
#include "core/tree/digest.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "core/wire/txn.h"

namespace vivarium {
namespace {

using NodeState = PendingChanges::NodeState;

// One request on its way to a txn. The functions below are the rows of client-protocol section 8:
// checks in their order, the first failing one decides; then the body; then, when it fits, the
// records.
struct Preparation {
  const WriteRequest& request;
  const DataTree& tree;
  PendingChanges& pending;
  SessionTracker& sessions;
  size_t body_bytes_max = 0;
  TxnHeader header;
  Bytes body;

  ErrorCode check_session() {
    if (request.internal) return ErrorCode::Ok;
    return sessions.check(request.session, request.owner);
  }
  bool may(const NodeState& node, int32_t perm) const {
    return request.internal || acl_grants(*node.acl, perm, request.auth);
  }
  NodeState look(std::string_view path) const { return pending.look(path, tree); }
  // Encodes the body. MarshallingError, and no body, when it is too large.
  ErrorCode write(TxnType type, const TxnBody& txn) {
    encode_body(type, txn, body);
    if (body.size() > body_bytes_max) {
      body.clear();
      return ErrorCode::MarshallingError;
    }
    header.type = type;
    return ErrorCode::Ok;
  }
};

int32_t plus_one(int32_t n) { return static_cast<int32_t>(static_cast<uint32_t>(n) + 1); }

// -1 expected is any. After 2^32 writes the version skips -1, which would mean "any" (as master
// does).
ErrorCode next_version(int32_t expected, int32_t current, int32_t& next) {
  if (expected != -1 && expected != current) return ErrorCode::BadVersion;
  next = plus_one(current);
  if (next == -1) next = 0;
  return ErrorCode::Ok;
}

struct CreateMode {
  bool ephemeral = false;
  bool sequential = false;
};

// Containers and TTL nodes have opcodes of their own; create with the container's flag makes an
// ordinary znode, as in ZooKeeper, and is recorded as one (client-protocol sections 7 and 16).
ErrorCode parse_flags(int32_t flags, CreateMode& mode) {
  switch (static_cast<CreateFlag>(flags)) {
    case CreateFlag::Persistent:
    case CreateFlag::Container:
      mode = {false, false};
      return ErrorCode::Ok;
    case CreateFlag::Ephemeral:
      mode = {true, false};
      return ErrorCode::Ok;
    case CreateFlag::PersistentSequential:
      mode = {false, true};
      return ErrorCode::Ok;
    case CreateFlag::EphemeralSequential:
      mode = {true, true};
      return ErrorCode::Ok;
    case CreateFlag::PersistentTtl:
    case CreateFlag::PersistentSequentialTtl:
      return ErrorCode::Unimplemented;
  }
  return ErrorCode::BadArguments;
}

bool is_special_path(std::string_view path) {
  return path == "/" || path == kZookeeperPath || path == kQuotaPath || path == kConfigPath;
}

// What apply() will do to the parent (raise_parent in data_tree_apply.cc), and nothing else, or the
// predicted digest would lie.
NodeState with_child_created(NodeState parent, int32_t cversion, Zxid zxid) {
  if (cversion > parent.stat.cversion) {
    parent.stat.cversion = cversion;
    parent.stat.pzxid = zxid;
  }
  ++parent.num_children;
  return parent;
}

NodeState with_child_deleted(NodeState parent, Zxid zxid) {
  parent.stat.pzxid = std::max(parent.stat.pzxid, zxid);
  --parent.num_children;
  return parent;
}

ErrorCode prepare_create(Preparation& p, TxnType type) {
  const std::optional<CreateRequest> request = decode_create_request(p.request.body);
  if (!request) return ErrorCode::MarshallingError;
  CreateMode mode;
  if (const ErrorCode e = parse_flags(request->flags, mode); e != ErrorCode::Ok) return e;
  if (const ErrorCode e = p.check_session(); e != ErrorCode::Ok) return e;
  const size_t slash = request->path.rfind('/');
  if (slash == std::string_view::npos || request->path.find('\0') != std::string_view::npos) {
    return ErrorCode::BadArguments;
  }
  CreateTxn txn;
  if (const ErrorCode e = resolve_acl(request->acl, p.request.auth, txn.acl); e != ErrorCode::Ok) {
    return e;
  }
  const std::string_view above = request->path.substr(0, slash);
  const NodeState parent = p.look(above);
  if (!parent.exists) return ErrorCode::NoNode;
  if (!p.may(parent, kPermCreate)) return ErrorCode::NoAuth;
  std::string path(request->path);
  if (mode.sequential) path += fmt::format("{:010d}", parent.stat.cversion);
  if (!is_valid_path(path)) return ErrorCode::BadArguments;
  if (p.look(path).exists) return ErrorCode::NodeExists;
  if (node_kind(parent.stat.ephemeral_owner) == NodeKind::Ephemeral) {
    return ErrorCode::NoChildrenForEphemerals;
  }

  txn.path = path;
  txn.data = request->data;
  txn.null_data = request->null_data;
  txn.ephemeral = mode.ephemeral;
  txn.parent_cversion = plus_one(parent.stat.cversion);
  if (const ErrorCode e = p.write(type, txn); e != ErrorCode::Ok) return e;

  NodeState node;
  node.exists = true;
  node.stat.czxid = p.header.zxid;
  node.stat.mzxid = p.header.zxid;
  node.stat.pzxid = p.header.zxid;
  node.stat.ctime_ms = p.header.time.ms;
  node.stat.mtime_ms = p.header.time.ms;
  node.stat.ephemeral_owner = mode.ephemeral ? p.request.session.value : 0;
  node.content_crc = content_crc(path, txn.data);
  node.acl = &txn.acl;
  p.pending.change(above, parent, with_child_created(parent, txn.parent_cversion, p.header.zxid));
  p.pending.change(path, NodeState(), node);
  return ErrorCode::Ok;
}

ErrorCode prepare_delete(Preparation& p) {
  const std::optional<PathVersionRequest> request = decode_path_version_request(p.request.body);
  if (!request) return ErrorCode::MarshallingError;
  if (const ErrorCode e = p.check_session(); e != ErrorCode::Ok) return e;
  const std::string_view path = request->path;
  if (path.find('/') == std::string_view::npos || path.find('\0') != std::string_view::npos ||
      is_special_path(path)) {
    return ErrorCode::BadArguments;
  }
  const std::string_view above = parent_path(path);
  const NodeState parent = p.look(above);
  if (!parent.exists) return ErrorCode::NoNode;
  if (!p.may(parent, kPermDelete)) return ErrorCode::NoAuth;
  const NodeState node = p.look(path);
  if (!node.exists) return ErrorCode::NoNode;
  int32_t unused = 0;
  if (const ErrorCode e = next_version(request->version, node.stat.version, unused);
      e != ErrorCode::Ok) {
    return e;
  }
  if (node.num_children > 0) return ErrorCode::NotEmpty;

  if (const ErrorCode e = p.write(TxnType::Delete, DeleteTxn{path}); e != ErrorCode::Ok) return e;
  p.pending.change(above, parent, with_child_deleted(parent, p.header.zxid));
  p.pending.change(path, node, NodeState());
  return ErrorCode::Ok;
}

ErrorCode prepare_set_data(Preparation& p) {
  const std::optional<SetDataRequest> request = decode_set_data_request(p.request.body);
  if (!request) return ErrorCode::MarshallingError;
  if (const ErrorCode e = p.check_session(); e != ErrorCode::Ok) return e;
  if (!is_valid_path(request->path)) return ErrorCode::BadArguments;
  const NodeState before = p.look(request->path);
  if (!before.exists) return ErrorCode::NoNode;
  if (!p.may(before, kPermWrite)) return ErrorCode::NoAuth;
  SetDataTxn txn{request->path, request->data, request->null_data, 0};
  if (const ErrorCode e = next_version(request->version, before.stat.version, txn.version);
      e != ErrorCode::Ok) {
    return e;
  }

  if (const ErrorCode e = p.write(TxnType::SetData, txn); e != ErrorCode::Ok) return e;
  NodeState after = before;
  after.stat.version = txn.version;
  after.stat.mzxid = p.header.zxid;
  after.stat.mtime_ms = p.header.time.ms;
  after.content_crc = content_crc(without_root_slash(request->path), txn.data);
  p.pending.change(request->path, before, after);
  return ErrorCode::Ok;
}

ErrorCode prepare_create_session(Preparation& p) {
  JuteReader reader(p.request.body);
  const int32_t timeout_ms = reader.i32();
  if (!reader.ok()) return ErrorCode::MarshallingError;
  p.sessions.set_owner(p.request.session, p.request.owner);
  return p.write(TxnType::CreateSession, CreateSessionTxn{timeout_ms});
}

// No check: whoever asks, a closed session is closed. From here on the session's requests fail, so
// that no create slips in between this list and its application (hazards N1).
ErrorCode prepare_close_session(Preparation& p) {
  const std::vector<std::string> paths = p.pending.ephemerals(p.request.session, p.tree);
  p.sessions.set_closing(p.request.session);
  CloseSessionTxn txn;
  size_t bytes = sizeof(int32_t);
  for (const std::string& path : paths) {
    bytes += sizeof(int32_t) + path.size();
    if (bytes <= p.body_bytes_max) txn.paths.push_back(path);
  }
  if (const ErrorCode e = p.write(TxnType::CloseSession, txn); e != ErrorCode::Ok) return e;
  for (const std::string& path : paths) {
    const NodeState node = p.look(path);
    CHECK(node.exists);
    const std::string_view above = parent_path(path);
    const NodeState parent = p.look(above);
    CHECK(parent.exists);
    p.pending.change(above, parent, with_child_deleted(parent, p.header.zxid));
    p.pending.change(path, node, NodeState());
  }
  return ErrorCode::Ok;
}

ErrorCode prepare_body(Preparation& p) {
  switch (p.request.op) {
    case Op::Create:
      return prepare_create(p, TxnType::Create);
    case Op::Create2:
      return prepare_create(p, TxnType::Create2);
    case Op::Delete:
      return prepare_delete(p);
    case Op::SetData:
      return prepare_set_data(p);
    case Op::CreateSession:
      return prepare_create_session(p);
    case Op::CloseSession:
      return prepare_close_session(p);
    case Op::SetAcl:
    case Op::Check:
    case Op::Multi:
    case Op::Reconfig:
    case Op::CreateContainer:
    case Op::DeleteContainer:
    case Op::CreateTtl:
    case Op::Notification:
    case Op::Exists:
    case Op::GetData:
    case Op::GetAcl:
    case Op::GetChildren:
    case Op::Sync:
    case Op::Ping:
    case Op::GetChildren2:
    case Op::CheckWatches:
    case Op::RemoveWatches:
    case Op::MultiRead:
    case Op::Auth:
    case Op::SetWatches:
    case Op::Sasl:
    case Op::GetEphemerals:
    case Op::GetAllChildrenNumber:
    case Op::SetWatches2:
    case Op::AddWatch:
    case Op::WhoAmI:
    case Op::Error:
      break;
  }
  return ErrorCode::Unimplemented;
}

}  // namespace

Bytes prepare(const WriteRequest& request, Zxid zxid, WallTime now, const DataTree& tree,
              PendingChanges& pending, SessionTracker& sessions, size_t entry_bytes_max) {
  constexpr size_t kAround = kTxnHeaderBytes + kTxnDigestBytes;
  CHECK(entry_bytes_max > kAround + sizeof(int32_t));  // an error txn always fits
  pending.begin(zxid, tree);
  Preparation p{request, tree, pending, sessions, entry_bytes_max - kAround, {}, {}};
  p.header.session = request.session;
  p.header.cxid = request.cxid;
  p.header.zxid = zxid;
  p.header.time = now;
  const uint64_t digest_before = pending.digest();
  const ErrorCode error = prepare_body(p);
  if (error != ErrorCode::Ok) {
    CHECK(pending.digest() == digest_before && p.body.empty());
    p.header.type = TxnType::Error;
    encode_body(TxnType::Error, ErrorTxn{error}, p.body);
  }
  Bytes entry;
  entry.reserve(kAround + p.body.size());
  encode_txn_header(p.header, entry);
  append_bytes(entry, p.body);
  encode_digest({kDigestVersion, pending.digest()}, entry);
  return entry;
}

}  // namespace vivarium
