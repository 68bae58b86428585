// DataTree::apply: one function per kind of txn, effects as semantics sections 2 to 6, and the
// rules that make replay over a fuzzy snapshot end in the right state (disk-formats section 6).
#include <algorithm>

#include "core/base/check.h"
#include "core/tree/data_tree.h"
#include "core/tree/path.h"

namespace vivarium {
namespace {

constexpr int32_t kNextParentCversion = -1;

int32_t next_version(int32_t version) {
  return static_cast<int32_t>(static_cast<uint32_t>(version) + 1);
}

// The owner field of a new znode; nullopt for a TTL that no server could have meant.
std::optional<int64_t> owner_of(TxnType type, const CreateTxn& txn, SessionId session) {
  if (type == TxnType::CreateContainer) return kContainerOwner;
  if (type != TxnType::CreateTtl) return txn.ephemeral ? session.value : 0;
  if (txn.ttl_ms <= 0 || txn.ttl_ms > kTtlMsMax) return std::nullopt;
  return ttl_owner(txn.ttl_ms);
}

// The path that watches of the parent have.
std::string_view watched_parent(std::string_view path) {
  const std::string_view above = parent_path(path);
  return above.empty() ? std::string_view("/") : above;
}

bool names_a_child(std::string_view path) {
  return path.size() > 1 && path.front() == '/' && path.back() != '/';
}

template <class T>
const T& body_as(const TxnBody& body) {
  const T* const typed = std::get_if<T>(&body);
  CHECK(typed != nullptr);
  return *typed;
}

}  // namespace

void DataTree::apply(const Txn& txn, Effects& effects) {
  effects.clear();
  effects.header = txn.header;
  if (txn.header.type == TxnType::Multi) {
    apply_multi(body_as<MultiTxn>(txn.body), txn.header, effects);
  } else {
    apply_part(txn.header.type, txn.body, txn.header, effects, effects);
  }
  // Only now, and once for a whole multi: whoever reads last_applied() reads a finished txn
  // (hazards R1).
  last_applied_ = std::max(last_applied_, txn.header.zxid);
}

void DataTree::apply_part(TxnType type, const TxnBody& body, const TxnHeader& header,
                          Effects& result, Effects& out) {
  switch (type) {
    case TxnType::Create:
    case TxnType::Create2:
    case TxnType::CreateContainer:
    case TxnType::CreateTtl:
      result.error = apply_create(type, body_as<CreateTxn>(body), header, result, out);
      return;
    case TxnType::Delete:
    case TxnType::DeleteContainer: {
      const DeleteTxn& txn = body_as<DeleteTxn>(body);
      result.path.assign(txn.path);
      result.error = apply_delete(txn.path, header.zxid, out);
      return;
    }
    case TxnType::Reconfig:
      result.error = apply_reconfig(body_as<SetDataTxn>(body), header, result, out);
      return;
    case TxnType::SetData:
      result.error = apply_set_data(body_as<SetDataTxn>(body), header, result, out);
      return;
    case TxnType::SetAcl:
      result.error = apply_set_acl(body_as<SetAclTxn>(body), result);
      return;
    case TxnType::Check:
      result.path.assign(body_as<CheckTxn>(body).path);
      return;
    case TxnType::CreateSession:
      apply_create_session(header.session, body_as<CreateSessionTxn>(body).timeout_ms);
      return;
    case TxnType::CloseSession:
      apply_close_session(body_as<CloseSessionTxn>(body), header, out);
      return;
    case TxnType::Error:
      result.error = body_as<ErrorTxn>(body).error;
      return;
    case TxnType::Multi:
      break;
  }
  CHECK(false);  // decoding refuses other types, and a multi inside a multi
}

// A part of type error says that nothing of the multi happens: parts before it then report Ok, it
// its code, those behind it RuntimeInconsistency (client-protocol section 9).
void DataTree::apply_multi(const MultiTxn& multi, const TxnHeader& header, Effects& out) {
  const bool failed =
      std::any_of(multi.parts.begin(), multi.parts.end(),
                  [](const MultiTxn::Part& part) { return part.type == TxnType::Error; });
  bool past_failure = false;
  for (const MultiTxn::Part& part : multi.parts) {
    const Result<TxnBody> body = decode_body(part.type, part.body);
    CHECK(body.has_value());  // decoded once when the whole txn was
    Effects& result = out.add_part();
    result.header = header;
    result.header.type = part.type;
    if (!failed || part.type == TxnType::Error) {
      apply_part(part.type, *body, header, result, out);
      past_failure = past_failure || failed;
    } else {
      result.error = past_failure ? ErrorCode::RuntimeInconsistency : ErrorCode::Ok;
    }
    if (out.error == ErrorCode::Ok) out.error = result.error;
  }
}

ErrorCode DataTree::apply_create(TxnType type, const CreateTxn& txn, const TxnHeader& header,
                                 Effects& result, Effects& out) {
  result.path.assign(txn.path);
  if (without_root_slash(txn.path).empty()) return ErrorCode::NodeExists;
  if (!names_a_child(txn.path)) return ErrorCode::NoNode;
  const Place place = place_of(txn.path);
  const Slot parent = place.parent;
  if (parent == kNone) return ErrorCode::NoNode;
  const Slot existing = nodes_.find_child(parent, last_name(txn.path), place.hash);
  if (existing != kNone) return apply_replayed_create(type, txn, header.zxid, existing);
  const std::optional<int64_t> owner = owner_of(type, txn, header.session);
  if (!owner) return ErrorCode::BadArguments;

  raise_parent(parent, txn.parent_cversion, header.zxid);
  StatPersisted stat;
  stat.czxid = header.zxid;
  stat.mzxid = header.zxid;
  stat.pzxid = header.zxid;
  stat.ctime_ms = header.time.ms;
  stat.mtime_ms = header.time.ms;
  stat.ephemeral_owner = *owner;
  // The child enters its parent's list outside the parent's digest: num_children is not part of it.
  const Slot slot = add_node(place, txn.path, txn.data, txn.null_data, txn.acl, stat);
  quota_created(txn.path, txn.data.size());
  result.stat = this->stat(slot);
  out.add_change(WatchEvent::Created, txn.path, acl_of(slot));
  out.add_change(WatchEvent::ChildrenChanged, watched_parent(txn.path), acl_of(parent));
  return ErrorCode::Ok;
}

// The snapshot held the znode already. It stays as it is but for its ACL (3.9.4), and type 1 raises
// the parent, which the snapshot may have taken earlier.
ErrorCode DataTree::apply_replayed_create(TxnType type, const CreateTxn& txn, Zxid zxid,
                                          Slot existing) {
  unaccount(existing);
  set_node_acl(existing, txn.acl);
  account(existing);
  if (type == TxnType::Create) raise_parent(nodes_[existing].parent, txn.parent_cversion, zxid);
  return ErrorCode::NodeExists;
}

void DataTree::raise_parent(Slot parent, int32_t parent_cversion, Zxid zxid) {
  const int32_t now = nodes_[parent].cversion;
  const int32_t raised =
      parent_cversion == kNextParentCversion ? next_version(now) : parent_cversion;
  if (raised <= now) return;
  unaccount(parent);
  nodes_[parent].cversion = raised;
  nodes_[parent].pzxid = zxid;
  account(parent);
}

ErrorCode DataTree::apply_delete(std::string_view path, Zxid zxid, Effects& out) {
  if (!names_a_child(path)) return ErrorCode::NoNode;
  const Slot parent = find(parent_path(path));
  if (parent == kNone) return ErrorCode::NoNode;
  // Even without the child: the snapshot may have missed it and the parent's old pzxid be in it.
  if (zxid > nodes_[parent].pzxid) {
    unaccount(parent);
    nodes_[parent].pzxid = zxid;
    account(parent);
  }
  const Slot slot = nodes_.find_child(parent, last_name(path));
  if (slot == kNone) return ErrorCode::NoNode;
  out.add_change(WatchEvent::Deleted, path, acl_of(slot));
  remove_subtree(slot, path);
  out.add_change(WatchEvent::ChildrenChanged, watched_parent(path), acl_of(parent));
  return ErrorCode::Ok;
}

ErrorCode DataTree::apply_set_data(const SetDataTxn& txn, const TxnHeader& header, Effects& result,
                                   Effects& out) {
  result.path.assign(txn.path);
  const Slot slot = find(txn.path);
  if (slot == kNone) return ErrorCode::NoNode;
  const int64_t before = nodes_[slot].data_size();
  unaccount(slot);
  set_node_data(slot, without_root_slash(txn.path), txn.data, txn.null_data);
  Node& node = nodes_[slot];
  node.mtime_ms = header.time.ms;
  node.mzxid = header.zxid;
  node.version = txn.version;
  account(slot);
  result.stat = stat(slot);
  quota_adjust(txn.path, 0, static_cast<int64_t>(txn.data.size()) - before);
  out.add_change(WatchEvent::DataChanged, slot == root_ ? "/" : txn.path, acl_of(slot));
  return ErrorCode::Ok;
}

ErrorCode DataTree::apply_reconfig(const SetDataTxn& txn, const TxnHeader& header, Effects& result,
                                   Effects& out) {
  const Slot slot = find(txn.path);
  // Replayed over a snapshot of others that has it already: what was before is not known.
  if (slot != kNone && nodes_[slot].mzxid < header.zxid) {
    earlier_config_ = as_text(nodes_.data(slot));
  }
  const ErrorCode error = apply_set_data(txn, header, result, out);
  if (error == ErrorCode::Ok) result.data = as_text(txn.data);
  return error;
}

ErrorCode DataTree::apply_set_acl(const SetAclTxn& txn, Effects& result) {
  result.path.assign(txn.path);
  const Slot slot = find(txn.path);
  if (slot == kNone) return ErrorCode::NoNode;
  unaccount(slot);
  set_node_acl(slot, txn.acl);
  nodes_[slot].aversion = txn.version;
  account(slot);
  result.stat = stat(slot);
  return ErrorCode::Ok;
}

// The listed znodes go first, in the order that preparation wrote down and all servers share, then
// whatever else this tree holds for the session.
void DataTree::apply_close_session(const CloseSessionTxn& txn, const TxnHeader& header,
                                   Effects& out) {
  for (const std::string_view path : txn.paths) apply_delete(path, header.zxid, out);
  for (auto list = owned_.find(header.session); list != owned_.end();
       list = owned_.find(header.session)) {
    const ErrorCode error = apply_delete(path_of(list->second.first), header.zxid, out);
    CHECK(error == ErrorCode::Ok);
  }
  forget_session(header.session);
  out.closed_session = header.session;
}

// --- quotas

void DataTree::quota_created(std::string_view path, size_t data_bytes) {
  const std::string_view name = last_name(path);
  const std::string_view target = quota_target(parent_path(path));
  if (!target.empty() && name == kQuotaLimitsName) quotas_.add(target);
  if (!target.empty() && name == kQuotaStatsName) quota_recount(target);
  quota_adjust(path, 1, static_cast<int64_t>(data_bytes));
}

void DataTree::quota_removed(std::string_view path, size_t data_bytes) {
  if (last_name(path) == kQuotaLimitsName) quotas_.remove(quota_target(parent_path(path)));
  quota_adjust(path, -1, -static_cast<int64_t>(data_bytes));
}

// Statistics that are no text of ours are left alone: somebody wrote them there.
void DataTree::quota_adjust(std::string_view path, int64_t count, int64_t bytes) {
  const std::string_view target = quotas_.deepest(path);
  if (target.empty()) return;
  const std::string stats_path = quota_stats_path(target);
  const Slot slot = find(stats_path);
  if (slot == kNone) return;
  std::optional<QuotaText> quota = parse_quota(as_text(nodes_.data(slot)));
  if (!quota) return;
  const auto add = [](int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  };
  quota->count = add(quota->count, count);
  quota->bytes = add(quota->bytes, bytes);
  set_quota_text(slot, stats_path, *quota);
}

QuotaCheck DataTree::check_quota(std::string_view path, int64_t bytes, int64_t count) const {
  const std::string_view target = quotas_.deepest(path);
  if (target.empty()) return {};
  const auto text_at = [this](std::string_view node) {
    const Slot slot = find(node);
    return slot == kNone ? std::nullopt : parse_quota(as_text(nodes_.data(slot)));
  };
  const std::optional<QuotaText> limits = text_at(quota_limits_path(target));
  const std::optional<QuotaText> stats = text_at(quota_stats_path(target));
  if (!limits || !stats) return {};
  return check_limits(target, *limits, *stats, bytes, count);
}

void DataTree::quota_recount(std::string_view target) {
  const std::string stats_path = quota_stats_path(target);
  const Slot stats = find(stats_path);
  if (stats == kNone) return;
  QuotaText quota;
  quota.count = 0;
  quota.bytes = 0;
  const Slot top = find(target);
  Slot at = top;
  while (at != kNone) {
    ++quota.count;
    quota.bytes += nodes_[at].data_size();
    if (nodes_[at].first_child != kNone) {
      at = nodes_[at].first_child;
      continue;
    }
    while (at != top && nodes_[at].next == kNone) at = nodes_[at].parent;
    at = at == top ? kNone : nodes_[at].next;
  }
  set_quota_text(stats, stats_path, quota);
}

void DataTree::recount_quotas() {
  for (const std::string& target : quotas_.all()) quota_recount(target);
}

void DataTree::set_quota_text(Slot slot, std::string_view path, const QuotaText& quota) {
  const std::string text = format_quota(quota);
  unaccount(slot);
  set_node_data(slot, path, as_bytes(text), false);
  account(slot);
}

}  // namespace vivarium
