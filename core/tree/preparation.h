// Preparation: one request on its way to a txn. The functions in write_operations.cc and
// prepare_multi.cc are the rows of client-protocol section 8: checks in their order, the first
// failing one decides; then the body; then, when it fits, the records. Internal to prepare().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/bytes.h"
#include "core/tree/data_tree.h"
#include "core/tree/path.h"
#include "core/tree/pending_changes.h"
#include "core/tree/permissions.h"
#include "core/tree/prepare.h"
#include "core/tree/sessions.h"
#include "core/wire/client_messages.h"
#include "core/wire/codes.h"
#include "core/wire/txn.h"

namespace vivarium {

struct Preparation {
  using NodeState = PendingChanges::NodeState;

  const WriteRequest& request;
  const DataTree& tree;
  PendingChanges& pending;
  SessionTracker& sessions;
  const WriteRules& rules;
  size_t body_bytes_max = 0;
  bool in_multi = false;
  TxnHeader header;  // its type is that of the body written last
  Bytes entry;       // the header, and what there is of the body
  std::string notice;

  ErrorCode check_session() {
    // A local session is its server's business; it may do all but own znodes.
    if (request.internal || request.local) return ErrorCode::Ok;
    return sessions.check(request.session, request.owner);
  }
  // `node` is what requirement_of(op) names.
  bool allows(Op op, const NodeState& node) const {
    return request.internal || may(op, *node.acl, request.auth, rules.acl);
  }
  NodeState look(std::string_view path) const { return pending.look(path, tree); }
  // Encodes the body, or that of a multi's part. MarshallingError, and no body, when it is too
  // large.
  ErrorCode write(TxnType type, const TxnBody& txn) {
    const size_t at = entry.size();
    encode_body(type, txn, entry);
    if (entry.size() - at > body_bytes_max) {
      entry.resize(at);
      return ErrorCode::MarshallingError;
    }
    header.type = type;
    return ErrorCode::Ok;
  }
};

// All of these come after the decoding of the record, which a multi does for all its operations at
// once. prepare_create() takes the ACL out of the request.
ErrorCode prepare_create(Preparation& p, Op op, CreateRequest& request);
ErrorCode prepare_delete(Preparation& p, const PathVersionRequest& request);
ErrorCode prepare_set_data(Preparation& p, const SetDataRequest& request);
ErrorCode prepare_set_acl(Preparation& p, SetAclRequest& request);           // takes the ACL too
ErrorCode prepare_check(Preparation& p, const PathVersionRequest& request);  // in a multi only
ErrorCode prepare_delete_container(Preparation& p, const PathRequest& request);
ErrorCode prepare_multi(Preparation& p);

// What apply() does to the parent of a znode that goes.
inline PendingChanges::NodeState with_child_deleted(PendingChanges::NodeState parent, Zxid zxid) {
  if (zxid > parent.stat.pzxid) parent.stat.pzxid = zxid;
  --parent.num_children;
  return parent;
}

}  // namespace vivarium
