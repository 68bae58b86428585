#include "sim/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vivarium::sim {
namespace {

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool sequential(int32_t flags) { return flags == 2 || flags == 3 || flags == 6; }
bool ephemeral(int32_t flags) { return flags == 1 || flags == 3; }

// Of a create: do operation, flags and TTL go together?
bool bad_mode(const ClientOp& op) {
  if (!is_create(op.op)) return false;
  if (op.flags < 0 || op.flags > 6) return true;
  const bool ttl = op.flags >= 5;
  return ttl != (op.op == Op::CreateTtl) || (ttl && (op.ttl_ms <= 0 || op.ttl_ms >> 40 != 0));
}

// As far as workloads go: whole names, no dots, no slash at the end.
bool valid_path(const std::string& path) {
  if (path.empty() || path[0] != '/') return false;
  if (path == "/") return true;
  for (size_t at = 1; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string name = path.substr(at, end - at);
    if (name.empty() || name == "." || name == "..") return false;
    at = end + 1;
  }
  return true;
}

bool is_fixed(const std::string& path) {
  return path == "/" || path == "/zookeeper" || path == "/zookeeper/quota" ||
         path == "/zookeeper/config";
}

}  // namespace

Model::Model(const ModelRules& rules) : rules_(rules), config_(rules.first_config) {
  for (const char* path : {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"})
    nodes_[path].acl = model_acl(AclChoice::Open, {});
  nodes_["/"].children = {"zookeeper"};
  nodes_["/zookeeper"].children = {"quota", "config"};
  nodes_[kConfigNode].stat.aversion = -1;
}

const Model::Node* Model::find(const std::string& path) const {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : &found->second;
}

const Bytes* Model::data(const std::string& path) const {
  const Node* node = find(path);
  return node == nullptr ? nullptr : &node->data;
}

std::optional<Stat> Model::stat(const std::string& path) const {
  const Node* node = find(path);
  if (node == nullptr) return std::nullopt;
  Stat stat = node->stat;
  stat.num_children = static_cast<int32_t>(node->children.size());
  stat.cversion = 2 * stat.cversion - stat.num_children;
  stat.data_length = static_cast<int32_t>(node->data.size());
  return stat;
}

std::vector<std::string> Model::children(const std::string& path) const {
  const Node* node = find(path);
  if (node == nullptr) return {};
  return {node->children.begin(), node->children.end()};
}

std::vector<std::string> Model::ephemerals(SessionId session) const {
  std::vector<std::string> paths;
  for (const auto& [path, node] : nodes_) {
    if (node.kind == Kind::Ephemeral && node.stat.ephemeral_owner == session.value) {
      paths.push_back(path);
    }
  }
  return paths;
}

int32_t Model::descendants(const std::string& path) const {
  int32_t count = 0;
  for (const std::string& name : children(path)) {
    count += 1 + descendants(path == "/" ? path + name : path + "/" + name);
  }
  return count;
}

// --- what a request must become: the order of checks of client-protocol
// section 8

Model::Expected Model::expected(const ClientOp& op, const TxnHeader& header,
                                const std::vector<ErrorCode>& became) const {
  Expected early;
  early.any_session = true;
  if (op.truncated) early.error = ErrorCode::MarshallingError;
  if (!op.truncated && bad_mode(op)) early.error = ErrorCode::BadArguments;
  if (early.error != ErrorCode::Ok) return early;
  if (op.op == Op::Multi) return expected_multi(op, header, became);
  if (!session_writes(op.session)) {
    return {ErrorCode::SessionExpired, op.path, {}, {}, false, {}};
  }
  if (op.op == Op::Reconfig) return expected_reconfig(op, header);
  return expected_one(op, op.who, became.front());
}

// That another change was under way, or that too few of the new voters were there, only the leader
// knows.
Model::Expected Model::expected_reconfig(const ClientOp& op, const TxnHeader& header) const {
  Expected e;
  e.path = op.path;
  const ConfigLines next = asked_lines(config_, op.ask);
  size_t voters = 0;
  for (const auto& [id, spec] : next) {
    if (spec.find(":observer") == std::string::npos) ++voters;
  }
  if (op.ask.version != -1) {  // no workload names a version that there is
    e.error = ErrorCode::BadVersion;
  } else if (voters < rules_.voters_min) {
    e.error = ErrorCode::BadArguments;
  } else {
    e.text = config_text_of(next, header.zxid);
  }
  return e;
}

Model::Expected Model::expected_create(const ClientOp& op, const Identity& who,
                                       ErrorCode became) const {
  Expected e;
  e.path = op.path;
  const Node* parent = find(parent_of(op.path));
  if (op.acl == AclChoice::Auth && who.ids == 0) {
    e.error = ErrorCode::InvalidAcl;
  } else if (parent == nullptr) {
    e.error = ErrorCode::NoNode;
  } else if (!parent->acl.grants(kPermCreate, who)) {
    e.error = ErrorCode::NoAuth;
  } else {
    if (sequential(op.flags)) e.path += fmt::format("{:010}", parent->stat.cversion);
    if (!valid_path(e.path)) {
      e.error = ErrorCode::BadArguments;
    } else if (find(e.path) != nullptr) {
      e.error = ErrorCode::NodeExists;
    } else if (parent->kind == Kind::Ephemeral) {
      e.error = ErrorCode::NoChildrenForEphemerals;
    } else {
      e.error = quota_error(e.path, op.data, 1, static_cast<int64_t>(op.data.size()), became);
    }
  }
  return e;
}

Model::Expected Model::expected_one(const ClientOp& op, const Identity& who,
                                    ErrorCode became) const {
  if (is_create(op.op)) return expected_create(op, who, became);
  Expected e;
  e.path = op.path;
  const Node* node = find(op.path);
  const Node* guard = op.op == Op::Delete ? find(parent_of(op.path)) : node;
  const int32_t perms = op.op == Op::Delete   ? kPermDelete
                        : op.op == Op::SetAcl ? kPermAdmin
                        : op.op == Op::Check  ? kPermRead
                                              : kPermWrite;
  // delete looks for names that may not go, the others for names that cannot be.
  if (op.op == Op::Delete ? is_fixed(op.path) : !valid_path(op.path)) {
    e.error = ErrorCode::BadArguments;
  } else if (op.op == Op::SetAcl && op.acl == AclChoice::Auth && who.ids == 0) {
    e.error = ErrorCode::InvalidAcl;
  } else if (guard == nullptr) {
    e.error = ErrorCode::NoNode;
  } else if (!guard->acl.grants(perms, who)) {
    e.error = ErrorCode::NoAuth;
  } else if (node == nullptr) {
    e.error = ErrorCode::NoNode;
  } else {
    if (op.op == Op::SetData) {
      const auto grows =
          static_cast<int64_t>(op.data.size()) - static_cast<int64_t>(node->data.size());
      e.error = quota_error(op.path, op.data, 0, grows, became);
      if (e.error != ErrorCode::Ok) return e;
    }
    const int32_t version = op.op == Op::SetAcl ? node->stat.aversion : node->stat.version;
    if (op.version != -1 && op.version != version) {
      e.error = ErrorCode::BadVersion;
    } else if (op.op == Op::Delete && !node->children.empty()) {
      e.error = ErrorCode::NotEmpty;
    }
  }
  return e;
}

// Each operation on top of those before it, on a copy. A failure leaves the others without results.
Model::Expected Model::expected_multi(const ClientOp& op, const TxnHeader& header,
                                      const std::vector<ErrorCode>& became) const {
  Expected e;
  e.path = op.path;
  Model scratch(*this);
  for (size_t i = 0; i < op.parts.size(); ++i) {
    const ClientOp& part = op.parts[i];
    const ErrorCode part_became = i < became.size() ? became[i] : ErrorCode::Ok;
    Expected one;
    if (e.error != ErrorCode::Ok) {
      one.error = ErrorCode::RuntimeInconsistency;
    } else if (!session_writes(op.session)) {
      one.error = ErrorCode::SessionExpired;
    } else {
      one = scratch.expected_one(part, op.who, part_became);
    }
    if (one.error == ErrorCode::Ok) {
      scratch.do_one(part, op.who, header, one);
      one.stat = scratch.stat(one.path);
    } else if (e.error == ErrorCode::Ok) {
      e.error = one.error;
    }
    e.parts.push_back(std::move(one));
  }
  if (e.error == ErrorCode::Ok) return e;
  for (Expected& part : e.parts) part = {part.error, {}, {}, {}, false};
  return e;
}

void Model::do_one(const ClientOp& op, const Identity& who, const TxnHeader& header,
                   const Expected& how) {
  if (is_create(op.op)) {
    Node& node = make(header, how.path);
    node.data = op.data;
    node.acl = model_acl(op.acl, who);
    if (op.op == Op::CreateContainer) {
      node.kind = Kind::Container;
    } else if (op.op == Op::CreateTtl) {
      node.kind = Kind::Ttl;
      node.ttl_ms = op.ttl_ms;
    } else if (ephemeral(op.flags)) {
      node.kind = Kind::Ephemeral;
      node.stat.ephemeral_owner = header.session.value;
    }
  } else if (op.op == Op::Delete) {
    remove(header, op.path);
  } else if (op.op == Op::SetData) {
    set(header, op.path, op.data);
  }
}

// --- quotas

ErrorCode Model::quota_error(const std::string& path, ByteView data, int64_t count, int64_t bytes,
                             ErrorCode became) const {
  if (QuotaModel::is_bad(path, data)) return ErrorCode::BadArguments;
  if (!rules_.enforce_quota) return ErrorCode::Ok;
  const QuotaModel::Verdicts verdicts = quota_.verdicts(path, count, bytes);
  const bool exceeds = verdicts.may_fit ? verdicts.may_exceed && became == ErrorCode::QuotaExceeded
                                        : verdicts.may_exceed;
  return exceeds ? ErrorCode::QuotaExceeded : ErrorCode::Ok;
}

SubtreeSize Model::size_of(const std::string& path) const {
  SubtreeSize size;
  for (auto at = nodes_.lower_bound(path); at != nodes_.end() && at->first.starts_with(path);
       ++at) {
    if (at->first.size() > path.size() && at->first[path.size()] != '/') continue;
    ++size.count;
    size.bytes += static_cast<int64_t>(at->second.data.size());
  }
  return size;
}

void Model::count(const std::string& path, int64_t count, int64_t bytes) {
  quota_.changed(path, count, bytes);
  const std::string target = QuotaModel::target_of(path);
  const std::optional<std::string> text = quota_.text(target);
  const auto found = nodes_.find("/zookeeper/quota" + target + "/zookeeper_stats");
  if (text && found != nodes_.end()) found->second.data.assign(text->begin(), text->end());
}

void Model::count_new(const std::string& path) {
  if (const std::string target = QuotaModel::limited_by(path); !target.empty()) {
    quota_.limits(target, as_text(*data(path)));
  } else if (const std::string counted = QuotaModel::counted_by(path); !counted.empty()) {
    quota_.statistics(counted, size_of(counted));
    count(counted, 0, 0);
  }
  count(path, 1, static_cast<int64_t>(data(path)->size()));
}

bool Model::remove_counted(const TxnHeader& header, const std::string& path) {
  const Node* node = find(path);
  const int64_t bytes = node == nullptr ? 0 : static_cast<int64_t>(node->data.size());
  if (!remove(header, path)) return false;
  if (const std::string target = QuotaModel::limited_by(path); !target.empty()) {
    quota_.limits(target, std::nullopt);
  } else if (const std::string counted = QuotaModel::counted_by(path); !counted.empty()) {
    quota_.statistics(counted, std::nullopt);
  }
  count(path, -1, -bytes);
  return true;
}

bool Model::knows_data(const std::string& path) const {
  const std::string counted = QuotaModel::counted_by(path);
  return counted.empty() || quota_.known(counted);
}

// --- what txns do

Model::Node& Model::make(const TxnHeader& header, const std::string& path) {
  Node& parent = nodes_[parent_of(path)];
  parent.children.insert(name_of(path));
  ++parent.stat.cversion;
  parent.stat.pzxid = header.zxid;
  Node& node = nodes_[path];
  node.stat.czxid = node.stat.mzxid = node.stat.pzxid = header.zxid;
  node.stat.ctime_ms = node.stat.mtime_ms = header.time.ms;
  return node;
}

bool Model::remove(const TxnHeader& header, const std::string& path) {
  const Node* node = find(path);
  if (node == nullptr || !node->children.empty()) return false;
  Node& parent = nodes_[parent_of(path)];
  parent.children.erase(name_of(path));
  parent.stat.pzxid = header.zxid;
  nodes_.erase(path);
  return true;
}

void Model::set(const TxnHeader& header, const std::string& path, ByteView data) {
  Node& node = nodes_.at(path);
  node.data.assign(data.begin(), data.end());
  ++node.stat.version;
  node.stat.mzxid = header.zxid;
  node.stat.mtime_ms = header.time.ms;
}

std::optional<std::string> Model::apply(const Txn& txn) {
  quota_.epoch(txn.header.zxid.epoch());
  return apply_body(txn.header.type, txn.header, txn.body);
}

std::optional<std::string> Model::apply_body(TxnType type, const TxnHeader& h,
                                             const TxnBody& body) {
  if (const auto* create = std::get_if<CreateTxn>(&body)) return apply_create(type, h, *create);
  if (const auto* multi = std::get_if<MultiTxn>(&body)) return apply_multi(h, *multi);
  if (const auto* close = std::get_if<CloseSessionTxn>(&body)) return apply_close(h, *close);
  if (const auto* removal = std::get_if<DeleteTxn>(&body)) {
    const std::string path(removal->path);
    if (type == TxnType::DeleteContainer) return apply_removal(h, path);
    if (!remove_counted(h, path)) return "deletes " + path + ", which cannot be";
  } else if (const auto* data = std::get_if<SetDataTxn>(&body)) {
    if (type == TxnType::Reconfig) return apply_reconfig(h, *data);
    return apply_set(h, *data);
  } else if (const auto* acl = std::get_if<SetAclTxn>(&body)) {
    const auto found = nodes_.find(std::string(acl->path));
    const std::optional<ModelAcl> list = read_acl(acl->acl);
    if (found == nodes_.end()) return "sets an ACL of a znode that is not there";
    if (!list) return "sets an ACL that nobody asked for";
    if (acl->version != found->second.stat.aversion + 1) return "sets another aversion";
    found->second.acl = *list;
    found->second.stat.aversion = acl->version;
  } else if (std::holds_alternative<CreateSessionTxn>(body)) {
    if (!sessions_.insert(h.session).second) return "K-SESSION: a session id begins twice";
  }
  return std::nullopt;
}

std::optional<std::string> Model::apply_reconfig(const TxnHeader& h, const SetDataTxn& txn) {
  if (txn.path != kConfigNode || txn.version != -1) return "is no change of the ensemble";
  Node& node = nodes_.at(kConfigNode);
  set(h, kConfigNode, txn.data);
  node.stat.version = -1;
  config_ = config_lines(as_text(txn.data));
  return std::nullopt;
}

std::optional<std::string> Model::apply_set(const TxnHeader& h, const SetDataTxn& txn) {
  const std::string path(txn.path);
  const Node* node = find(path);
  if (node == nullptr) return "sets " + path + ", which is not there";
  if (txn.version != node->stat.version + 1) return "sets another version than the next";
  const auto grows =
      static_cast<int64_t>(txn.data.size()) - static_cast<int64_t>(node->data.size());
  set(h, path, txn.data);
  if (const std::string target = QuotaModel::limited_by(path); !target.empty()) {
    quota_.limits(target, as_text(txn.data));
  }
  count(path, 0, grows);
  return std::nullopt;
}

std::optional<std::string> Model::apply_create(TxnType type, const TxnHeader& h,
                                               const CreateTxn& txn) {
  const std::string path(txn.path);
  const Node* parent = find(parent_of(path));
  if (parent == nullptr || find(path) != nullptr) return "creates " + path + ", which cannot be";
  if (txn.parent_cversion != parent->stat.cversion + 1) {
    return fmt::format("K-SEQNAME: parent cversion {} after {}", txn.parent_cversion,
                       parent->stat.cversion);
  }
  if (txn.ephemeral && !session_open(h.session)) {
    return "K-EPH: ephemeral " + path + " of a session that is not open";
  }
  const std::optional<ModelAcl> list = read_acl(txn.acl);
  if (!list) return "creates with an ACL that nobody asked for";
  Node& node = make(h, path);
  node.data.assign(txn.data.begin(), txn.data.end());
  node.acl = *list;
  if (type == TxnType::CreateContainer) {
    node.kind = Kind::Container;
  } else if (type == TxnType::CreateTtl) {
    node.kind = Kind::Ttl;
    node.ttl_ms = txn.ttl_ms;
  } else if (txn.ephemeral) {
    node.kind = Kind::Ephemeral;
    node.stat.ephemeral_owner = h.session.value;
  }
  count_new(path);
  return std::nullopt;
}

// The leader's own doing: only what has to go.
std::optional<std::string> Model::apply_removal(const TxnHeader& h, const std::string& path) {
  const Node* node = find(path);
  if (node == nullptr || !node->children.empty()) return "removes " + path + ", which cannot be";
  const bool unused = node->kind == Kind::Container && node->stat.cversion > 0;
  const bool over = node->kind == Kind::Ttl && h.time.ms - node->stat.mtime_ms > node->ttl_ms;
  if (!unused && !over) return "removes " + path + ", which is still wanted";
  remove_counted(h, path);
  return std::nullopt;
}

std::optional<std::string> Model::apply_multi(const TxnHeader& h, const MultiTxn& txn) {
  const bool failed =
      std::any_of(txn.parts.begin(), txn.parts.end(),
                  [](const MultiTxn::Part& part) { return part.type == TxnType::Error; });
  if (failed) return std::nullopt;
  for (const MultiTxn::Part& part : txn.parts) {
    const Result<TxnBody> body = decode_body(part.type, part.body);
    if (!body) return "holds a part that does not decode";
    if (auto bad = apply_body(part.type, h, *body)) return bad;
  }
  return std::nullopt;
}

std::optional<std::string> Model::apply_close(const TxnHeader& h, const CloseSessionTxn& txn) {
  std::vector<std::string> listed(txn.paths.begin(), txn.paths.end());
  std::sort(listed.begin(), listed.end());
  if (listed != ephemerals(h.session)) {
    return "K-EPH: closeSession does not list exactly the session's ephemerals";
  }
  for (const std::string_view path : txn.paths) remove_counted(h, std::string(path));
  sessions_.erase(h.session);
  closed_.insert(h.session);
  return std::nullopt;
}

}  // namespace vivarium::sim
