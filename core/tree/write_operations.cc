#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "core/base/check.h"
#include "core/tree/acl.h"
#include "core/tree/digest.h"
#include "core/tree/preparation.h"
#include "core/tree/quota.h"

namespace vivarium {
namespace {

using NodeState = PendingChanges::NodeState;

int32_t plus_one(int32_t n) { return static_cast<int32_t>(static_cast<uint32_t>(n) + 1); }

// -1 expected is any. After 2^32 writes the version skips -1, which would mean "any" (as master
// does).
ErrorCode next_version(int32_t expected, int32_t current, int32_t& next) {
  if (expected != -1 && expected != current) return ErrorCode::BadVersion;
  next = plus_one(current);
  if (next == -1) next = 0;
  return ErrorCode::Ok;
}

bool has_nul(std::string_view path) { return path.find('\0') != std::string_view::npos; }

bool is_special_path(std::string_view path) {
  return path == "/" || path == kZookeeperPath || path == kQuotaPath || path == kConfigPath;
}

// --- create and its kin

struct CreateMode {
  bool ephemeral = false;
  bool sequential = false;
  bool ttl = false;
};

std::optional<CreateMode> mode_of(int32_t flags) {
  switch (static_cast<CreateFlag>(flags)) {
    case CreateFlag::Persistent:
    case CreateFlag::Container:
      return CreateMode{};
    case CreateFlag::Ephemeral:
      return CreateMode{true, false, false};
    case CreateFlag::PersistentSequential:
      return CreateMode{false, true, false};
    case CreateFlag::EphemeralSequential:
      return CreateMode{true, true, false};
    case CreateFlag::PersistentTtl:
      return CreateMode{false, false, true};
    case CreateFlag::PersistentSequentialTtl:
      return CreateMode{false, true, true};
  }
  return std::nullopt;
}

// The opcode decides what is made, and the flags only whether it is ephemeral, numbered, or has a
// TTL. Where ZooKeeper lets the two disagree, its records and digests follow one and its trees the
// other (client-protocol section 16): here create with the container's flag makes an ordinary
// znode, createContainer a container whatever the flag, and createTTL without a TTL fails.
ErrorCode check_mode(const Preparation& p, Op op, const CreateRequest& request, CreateMode& mode) {
  const std::optional<CreateMode> known = mode_of(request.flags);
  if (!known) return ErrorCode::BadArguments;
  mode = *known;
  if (mode.ttl && !p.rules.extended_types) return ErrorCode::Unimplemented;
  const bool has_ttl = request.ttl_ms > 0 && request.ttl_ms <= kTtlMsMax;
  if (mode.ttl != (op == Op::CreateTtl) || (mode.ttl && !has_ttl)) return ErrorCode::BadArguments;
  return ErrorCode::Ok;
}

int64_t owner_of(Op op, const CreateMode& mode, const CreateRequest& request, SessionId session) {
  if (op == Op::CreateContainer) return kContainerOwner;
  if (op == Op::CreateTtl) return ttl_owner(request.ttl_ms);
  return mode.ephemeral ? session.value : 0;
}

// Inside of a multi a create2 is written as a create: ZooKeeper 3.8.0 and 3.8.1 cannot apply it
// otherwise (RULES 13).
TxnType create_type(const Preparation& p, Op op) {
  if (op == Op::CreateContainer) return TxnType::CreateContainer;
  if (op == Op::CreateTtl) return TxnType::CreateTtl;
  return op == Op::Create2 && !p.in_multi ? TxnType::Create2 : TxnType::Create;
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

// Limits and statistics have to be text that the bookkeeping understands, of a path.
bool is_bad_quota(std::string_view path, ByteView data) {
  if (!path.starts_with(kQuotaPath)) return false;
  const std::string_view name = last_name(path);
  if (name != kQuotaLimitsName && name != kQuotaStatsName) return false;
  return quota_target(parent_path(path)).empty() || !parse_quota(as_text(data));
}

ErrorCode check_quota(Preparation& p, std::string_view path, int64_t bytes, int64_t count) {
  if (!p.rules.enforce_quota) return ErrorCode::Ok;
  const QuotaCheck check = p.tree.check_quota(path, bytes, count);
  if (check.over != QuotaCheck::Over::Nothing) p.notice = check.line;
  return check.over == QuotaCheck::Over::Hard ? ErrorCode::QuotaExceeded : ErrorCode::Ok;
}

}  // namespace

ErrorCode prepare_create(Preparation& p, Op op, CreateRequest& request) {
  CreateMode mode;
  if (const ErrorCode e = check_mode(p, op, request, mode); e != ErrorCode::Ok) return e;
  const bool owned = mode.ephemeral && (op == Op::Create || op == Op::Create2);
  if (owned && p.request.local) return ErrorCode::EphemeralOnLocalSession;
  if (const ErrorCode e = p.check_session(); e != ErrorCode::Ok) return e;
  const size_t slash = request.path.rfind('/');
  if (slash == std::string_view::npos || has_nul(request.path)) return ErrorCode::BadArguments;
  TxnBody body = CreateTxn();
  CreateTxn& txn = std::get<CreateTxn>(body);
  if (const ErrorCode e = resolve_acl(std::move(request.acl), p.request.auth, p.rules.acl, txn.acl);
      e != ErrorCode::Ok) {
    return e;
  }
  const std::string_view above = request.path.substr(0, slash);
  const NodeState parent = p.look(above);
  if (!parent.exists) return ErrorCode::NoNode;
  if (!p.allows(op, parent)) return ErrorCode::NoAuth;
  std::string_view path = request.path;
  std::string numbered;
  if (mode.sequential) path = numbered = fmt::format("{}{:010d}", path, parent.stat.cversion);
  if (!is_valid_path(path)) return ErrorCode::BadArguments;
  if (p.look(path).exists) return ErrorCode::NodeExists;
  if (node_kind(parent.stat.ephemeral_owner) == NodeKind::Ephemeral) {
    return ErrorCode::NoChildrenForEphemerals;
  }
  if (is_bad_quota(path, request.data)) return ErrorCode::BadArguments;
  if (const ErrorCode e = check_quota(p, path, static_cast<int64_t>(request.data.size()), 1);
      e != ErrorCode::Ok) {
    return e;
  }

  txn.path = path;
  txn.data = request.data;
  txn.null_data = request.null_data;
  txn.ephemeral = mode.ephemeral;
  txn.parent_cversion = plus_one(parent.stat.cversion);
  txn.ttl_ms = op == Op::CreateTtl ? request.ttl_ms : 0;
  if (const ErrorCode e = p.write(create_type(p, op), body); e != ErrorCode::Ok) return e;

  NodeState node;
  node.exists = true;
  node.stat.czxid = p.header.zxid;
  node.stat.mzxid = p.header.zxid;
  node.stat.pzxid = p.header.zxid;
  node.stat.ctime_ms = p.header.time.ms;
  node.stat.mtime_ms = p.header.time.ms;
  node.stat.ephemeral_owner = owner_of(op, mode, request, p.request.session);
  node.content_crc = content_crc(path, txn.data);
  node.data_bytes = static_cast<uint32_t>(txn.data.size());
  node.acl = &txn.acl;
  p.pending.change(above, parent, with_child_created(parent, txn.parent_cversion, p.header.zxid));
  p.pending.change(path, NodeState(), node);
  return ErrorCode::Ok;
}

ErrorCode prepare_delete(Preparation& p, const PathVersionRequest& request) {
  if (const ErrorCode e = p.check_session(); e != ErrorCode::Ok) return e;
  const std::string_view path = request.path;
  if (path.find('/') == std::string_view::npos || has_nul(path) || is_special_path(path)) {
    return ErrorCode::BadArguments;
  }
  const std::string_view above = parent_path(path);
  const NodeState parent = p.look(above);
  if (!parent.exists) return ErrorCode::NoNode;
  if (!p.allows(Op::Delete, parent)) return ErrorCode::NoAuth;
  const NodeState node = p.look(path);
  if (!node.exists) return ErrorCode::NoNode;
  int32_t unused = 0;
  if (const ErrorCode e = next_version(request.version, node.stat.version, unused);
      e != ErrorCode::Ok) {
    return e;
  }
  if (node.num_children > 0) return ErrorCode::NotEmpty;

  if (const ErrorCode e = p.write(TxnType::Delete, DeleteTxn{path}); e != ErrorCode::Ok) return e;
  p.pending.change(above, parent, with_child_deleted(parent, p.header.zxid));
  p.pending.change(path, node, NodeState());
  return ErrorCode::Ok;
}

ErrorCode prepare_set_data(Preparation& p, const SetDataRequest& request) {
  if (const ErrorCode e = p.check_session(); e != ErrorCode::Ok) return e;
  if (!is_valid_path(request.path)) return ErrorCode::BadArguments;
  const NodeState before = p.look(request.path);
  if (!before.exists) return ErrorCode::NoNode;
  if (!p.allows(Op::SetData, before)) return ErrorCode::NoAuth;
  if (is_bad_quota(request.path, request.data)) return ErrorCode::BadArguments;
  const int64_t grows = static_cast<int64_t>(request.data.size()) - int64_t{before.data_bytes};
  if (const ErrorCode e = check_quota(p, request.path, grows, 0); e != ErrorCode::Ok) return e;
  SetDataTxn txn{request.path, request.data, request.null_data, 0};
  if (const ErrorCode e = next_version(request.version, before.stat.version, txn.version);
      e != ErrorCode::Ok) {
    return e;
  }

  if (const ErrorCode e = p.write(TxnType::SetData, txn); e != ErrorCode::Ok) return e;
  NodeState after = before;
  after.stat.version = txn.version;
  after.stat.mzxid = p.header.zxid;
  after.stat.mtime_ms = p.header.time.ms;
  after.content_crc = content_crc(without_root_slash(request.path), txn.data);
  after.data_bytes = static_cast<uint32_t>(txn.data.size());
  p.pending.change(request.path, before, after);
  return ErrorCode::Ok;
}

// The new list counts for whatever is prepared from here on, not only once it is applied: a request
// behind a revocation does not slip through.
ErrorCode prepare_set_acl(Preparation& p, SetAclRequest& request) {
  if (const ErrorCode e = p.check_session(); e != ErrorCode::Ok) return e;
  if (!is_valid_path(request.path)) return ErrorCode::BadArguments;
  SetAclTxn txn;
  if (const ErrorCode e = resolve_acl(std::move(request.acl), p.request.auth, p.rules.acl, txn.acl);
      e != ErrorCode::Ok) {
    return e;
  }
  const NodeState before = p.look(request.path);
  if (!before.exists) return ErrorCode::NoNode;
  if (!p.allows(Op::SetAcl, before)) return ErrorCode::NoAuth;
  txn.path = request.path;
  if (const ErrorCode e = next_version(request.version, before.stat.aversion, txn.version);
      e != ErrorCode::Ok) {
    return e;
  }

  if (const ErrorCode e = p.write(TxnType::SetAcl, txn); e != ErrorCode::Ok) return e;
  NodeState after = before;
  after.stat.aversion = txn.version;
  after.acl = &txn.acl;
  p.pending.change(request.path, before, after);
  return ErrorCode::Ok;
}

ErrorCode prepare_check(Preparation& p, const PathVersionRequest& request) {
  CHECK(p.in_multi);
  if (const ErrorCode e = p.check_session(); e != ErrorCode::Ok) return e;
  if (!is_valid_path(request.path)) return ErrorCode::BadArguments;
  const NodeState node = p.look(request.path);
  if (!node.exists) return ErrorCode::NoNode;
  if (!p.allows(Op::Check, node)) return ErrorCode::NoAuth;
  CheckTxn txn{request.path, 0};
  if (const ErrorCode e = next_version(request.version, node.stat.version, txn.version);
      e != ErrorCode::Ok) {
    return e;
  }
  return p.write(TxnType::Check, txn);
}

// What the reaper saw in the tree may have changed by what is prepared since: a child, or new data,
// which begins a TTL anew.
ErrorCode prepare_delete_container(Preparation& p, const PathRequest& request) {
  CHECK(p.request.internal);
  const std::string_view path = request.path;
  const NodeState node = p.look(path);
  if (!node.exists) return ErrorCode::NoNode;
  if (node.num_children > 0) return ErrorCode::NotEmpty;
  const NodeKind kind = node_kind(node.stat.ephemeral_owner);
  const bool ends = kind == NodeKind::Ttl &&
                    p.header.time.ms - node.stat.mtime_ms > ttl_ms_of(node.stat.ephemeral_owner);
  if (kind != NodeKind::Container && !ends) return ErrorCode::BadVersion;
  const std::string_view above = parent_path(path);
  const NodeState parent = p.look(above);
  CHECK(parent.exists);

  if (const ErrorCode e = p.write(TxnType::DeleteContainer, DeleteTxn{path}); e != ErrorCode::Ok) {
    return e;
  }
  p.pending.change(above, parent, with_child_deleted(parent, p.header.zxid));
  p.pending.change(path, node, NodeState());
  return ErrorCode::Ok;
}

}  // namespace vivarium
