#include "core/tree/prepare.h"

#include <optional>
#include <string>

#include "core/base/check.h"
#include "core/tree/digest.h"
#include "core/tree/preparation.h"
#include "core/wire/jute.h"

namespace vivarium {
namespace {

using NodeState = PendingChanges::NodeState;

// Decodes the record and goes on with it.
template <class Record, class Prepare>
ErrorCode with_record(std::optional<Record>&& record, Prepare&& go_on) {
  return record ? go_on(*record) : ErrorCode::MarshallingError;
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

// Whoever may write /zookeeper/config may change who the members are. The leader's verdict stands
// between the session's check and that of the right, as in ZooKeeper. Nothing of it is in a digest.
ErrorCode prepare_reconfig(Preparation& p) {
  if (!decode_reconfig_request(p.request.body)) return ErrorCode::MarshallingError;
  if (!p.request.reconfig) return ErrorCode::ReconfigDisabled;
  if (const ErrorCode e = p.check_session(); e != ErrorCode::Ok) return e;
  const ReconfigVerdict& verdict = *p.request.reconfig;
  if (verdict.error != ErrorCode::Ok) return verdict.error;
  const NodeState before = p.look(kConfigPath);
  if (!before.exists) return ErrorCode::NoNode;
  if (!p.allows(Op::Reconfig, before)) return ErrorCode::NoAuth;
  const SetDataTxn txn{kConfigPath, as_bytes(verdict.text), false, -1};
  if (const ErrorCode e = p.write(TxnType::Reconfig, txn); e != ErrorCode::Ok) return e;
  NodeState after = before;
  after.stat.version = txn.version;
  after.stat.mzxid = p.header.zxid;
  after.stat.mtime_ms = p.header.time.ms;
  after.content_crc = content_crc(kConfigPath, txn.data);
  after.data_bytes = static_cast<uint32_t>(txn.data.size());
  p.pending.change(kConfigPath, before, after);
  return ErrorCode::Ok;
}

ErrorCode prepare_body(Preparation& p) {
  const Op op = p.request.op;
  const ByteView body = p.request.body;
  switch (op) {
    case Op::Create:
    case Op::Create2:
    case Op::CreateContainer:
      return with_record(decode_create_request(body),
                         [&](CreateRequest& r) { return prepare_create(p, op, r); });
    case Op::CreateTtl:
      return with_record(decode_create_ttl_request(body),
                         [&](CreateRequest& r) { return prepare_create(p, op, r); });
    case Op::Delete:
      return with_record(decode_path_version_request(body),
                         [&](const PathVersionRequest& r) { return prepare_delete(p, r); });
    case Op::SetData:
      return with_record(decode_set_data_request(body),
                         [&](const SetDataRequest& r) { return prepare_set_data(p, r); });
    case Op::SetAcl:
      return with_record(decode_set_acl_request(body),
                         [&](SetAclRequest& r) { return prepare_set_acl(p, r); });
    case Op::Multi:
      return prepare_multi(p);
    case Op::Reconfig:
      return prepare_reconfig(p);
    case Op::DeleteContainer:
      if (!p.request.internal) break;  // the leader's own, whoever forwards one
      return with_record(decode_path_request(body),
                         [&](const PathRequest& r) { return prepare_delete_container(p, r); });
    case Op::CreateSession:
      return prepare_create_session(p);
    case Op::CloseSession:
      return prepare_close_session(p);
    case Op::Check:  // outside of a multi it would be a txn that nobody can read
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
              PendingChanges& pending, SessionTracker& sessions, const WriteRules& rules,
              std::string* notice) {
  constexpr size_t kAround = kTxnHeaderBytes + kTxnDigestBytes;
  constexpr size_t kMoreThanAsked = 32;  // a body that is written is about as long as the request
  CHECK(rules.entry_bytes_max > kAround + sizeof(int32_t));  // an error txn always fits
  pending.begin(zxid, tree);
  const size_t body_bytes_max = rules.entry_bytes_max - kAround;
  Preparation p{request, tree, pending, sessions, rules, body_bytes_max, false, {}, {}, {}};
  p.header.session = request.session;
  p.header.cxid = request.cxid;
  p.header.zxid = zxid;
  p.header.time = now;
  const size_t reserved = kAround + request.body.size() + kMoreThanAsked;
  p.entry.reserve(reserved);
  encode_txn_header(p.header, p.entry);
  const uint64_t digest_before = pending.digest();
  const ErrorCode error = prepare_body(p);
  if (error != ErrorCode::Ok) {
    CHECK(pending.digest() == digest_before && p.entry.size() == kTxnHeaderBytes);
    p.header.type = TxnType::Error;
    encode_body(TxnType::Error, ErrorTxn{error}, p.entry);
  }
  if (notice != nullptr) *notice = std::move(p.notice);
  patch_txn_type(p.header.type, p.entry);
  encode_digest({kDigestVersion, pending.digest()}, p.entry);
  // An entry lives long, and a large request may have become a small one.
  if (reserved / 2 > p.entry.size()) p.entry.shrink_to_fit();
  return std::move(p.entry);
}

}  // namespace vivarium
