#include "sim/model.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {
namespace {

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool sequential(int32_t flags) { return flags == 2 || flags == 3; }

}  // namespace

Model::Model(bool local_sessions) : local_sessions_(local_sessions) {
  for (const char* path : {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"})
    nodes_[path];
  nodes_["/"].children = {"zookeeper"};
  nodes_["/zookeeper"].children = {"quota", "config"};
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

// The order of checks of client-protocol section 8, for the operations of the workload.
Model::Expected Model::expected(const ClientOp& op) const {
  Expected e;
  e.path = op.path;
  if (!session_writes(op.session)) {
    e.error = ErrorCode::SessionExpired;
    return e;
  }
  const Node* node = find(op.path);
  if (op.op == Op::Create) {
    const Node* parent = find(parent_of(op.path));
    if (parent == nullptr) {
      e.error = ErrorCode::NoNode;
      return e;
    }
    if (sequential(op.flags)) e.path += fmt::format("{:010}", parent->stat.cversion);
    if (find(e.path) != nullptr) {
      e.error = ErrorCode::NodeExists;
    } else if (parent->stat.ephemeral_owner != 0) {
      e.error = ErrorCode::NoChildrenForEphemerals;
    }
    return e;
  }
  if (node == nullptr) {
    e.error = ErrorCode::NoNode;
  } else if (op.version != -1 && op.version != node->stat.version) {
    e.error = ErrorCode::BadVersion;
  } else if (op.op == Op::Delete && !node->children.empty()) {
    e.error = ErrorCode::NotEmpty;
  }
  return e;
}

void Model::create(const TxnHeader& header, const CreateTxn& txn) {
  const std::string path(txn.path);
  Node& parent = nodes_[parent_of(path)];
  parent.children.insert(name_of(path));
  ++parent.stat.cversion;
  parent.stat.pzxid = header.zxid;
  Node& node = nodes_[path];
  node.data.assign(txn.data.begin(), txn.data.end());
  node.stat.czxid = node.stat.mzxid = node.stat.pzxid = header.zxid;
  node.stat.ctime_ms = node.stat.mtime_ms = header.time.ms;
  node.stat.ephemeral_owner = txn.ephemeral ? header.session.value : 0;
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

std::optional<std::string> Model::apply(const Txn& txn) {
  const TxnHeader& h = txn.header;
  if (const auto* create_txn = std::get_if<CreateTxn>(&txn.body)) {
    const std::string path(create_txn->path);
    const Node* parent = find(parent_of(path));
    if (parent == nullptr || find(path) != nullptr) return "creates " + path + ", which cannot be";
    if (create_txn->parent_cversion != parent->stat.cversion + 1) {
      return fmt::format("K-SEQNAME: parent cversion {} after {}", create_txn->parent_cversion,
                         parent->stat.cversion);
    }
    if (create_txn->ephemeral && !session_open(h.session)) {
      return "K-EPH: ephemeral " + path + " of a session that is not open";
    }
    create(h, *create_txn);
  } else if (const auto* delete_txn = std::get_if<DeleteTxn>(&txn.body)) {
    const std::string path(delete_txn->path);
    if (!remove(h, path)) return "deletes " + path + ", which cannot be";
  } else if (const auto* set = std::get_if<SetDataTxn>(&txn.body)) {
    const auto found = nodes_.find(std::string(set->path));
    if (found == nodes_.end()) return "sets " + std::string(set->path) + ", which is not there";
    Stat& stat = found->second.stat;
    if (set->version != stat.version + 1) return "sets another version than the next";
    found->second.data.assign(set->data.begin(), set->data.end());
    stat.version = set->version;
    stat.mzxid = h.zxid;
    stat.mtime_ms = h.time.ms;
  } else if (std::holds_alternative<CreateSessionTxn>(txn.body)) {
    if (!sessions_.insert(h.session).second) return "K-SESSION: a session id begins twice";
  } else if (const auto* close = std::get_if<CloseSessionTxn>(&txn.body)) {
    std::set<std::string> listed(close->paths.begin(), close->paths.end());
    std::set<std::string> owned;
    for (const auto& [path, node] : nodes_) {
      if (node.stat.ephemeral_owner == h.session.value) owned.insert(path);
    }
    if (listed != owned)
      return "K-EPH: closeSession does not list exactly the session's ephemerals";
    for (const std::string_view path : close->paths) remove(h, std::string(path));
    sessions_.erase(h.session);
    closed_.insert(h.session);
  }
  return std::nullopt;
}

}  // namespace vivarium::sim
