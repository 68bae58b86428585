#include "core/tree/data_tree.h"

#include <algorithm>
#include <array>

#include "core/base/check.h"
#include "core/tree/digest.h"
#include "core/tree/path.h"

namespace vivarium {
namespace {

constexpr uint64_t kTtlMark = 0xff;

constexpr uint64_t kNodeSeed = 0x6e6f6465;
constexpr uint64_t kSessionSeed = 0x73657373;
constexpr uint64_t kHighSeed = 0x68;
constexpr uint64_t kLowSeed = 0x6c;

uint32_t traits_of(std::string_view path) {
  uint32_t traits = is_outside_digest(path) ? uint32_t{NodeStore::kOutsideDigest} : 0;
  if (path == kConfigPath) traits |= NodeStore::kConfigNode;
  if (last_name(path) == kQuotaStatsName && !quota_target(parent_path(path)).empty()) {
    traits |= NodeStore::kQuotaStats;
  }
  return traits;
}

StatPersisted stat_of(const NodeStore::Node& node) {
  StatPersisted stat;
  stat.czxid = node.czxid;
  stat.mzxid = node.mzxid;
  stat.ctime_ms = node.ctime_ms;
  stat.mtime_ms = node.mtime_ms;
  stat.version = node.version;
  stat.cversion = node.cversion;
  stat.aversion = node.aversion;
  stat.ephemeral_owner = node.ephemeral_owner;
  stat.pzxid = node.pzxid;
  return stat;
}

void set_stat(const StatPersisted& stat, NodeStore::Node& node) {
  node.czxid = stat.czxid;
  node.mzxid = stat.mzxid;
  node.ctime_ms = stat.ctime_ms;
  node.mtime_ms = stat.mtime_ms;
  node.version = stat.version;
  node.cversion = stat.cversion;
  node.aversion = stat.aversion;
  node.ephemeral_owner = stat.ephemeral_owner;
  node.pzxid = stat.pzxid;
}

Hash128 session_hash(SessionId session, int32_t timeout_ms) {
  std::array<Byte, 12> bytes;
  put_u64(&bytes[0], static_cast<uint64_t>(session.value));
  put_u32(&bytes[8], static_cast<uint32_t>(timeout_ms));
  return hash128(bytes, kSessionSeed);
}

}  // namespace

NodeKind node_kind(int64_t ephemeral_owner) {
  if (ephemeral_owner == 0) return NodeKind::Persistent;
  if (ephemeral_owner == kContainerOwner) return NodeKind::Container;
  if (static_cast<uint64_t>(ephemeral_owner) >> 56 == kTtlMark) return NodeKind::Ttl;
  return NodeKind::Ephemeral;
}

int64_t ttl_ms_of(int64_t ephemeral_owner) {
  return node_kind(ephemeral_owner) == NodeKind::Ttl ? ephemeral_owner & kTtlMsMax : 0;
}

int64_t ttl_owner(int64_t ttl_ms) {
  CHECK(ttl_ms > 0 && ttl_ms <= kTtlMsMax);
  return static_cast<int64_t>(kTtlMark << 56 | static_cast<uint64_t>(ttl_ms));
}

void Effects::clear() {
  header = TxnHeader();
  error = ErrorCode::Ok;
  path.clear();
  stat = Stat();
  data.clear();
  closed_session = SessionId();
  for (Change& change : changes) spare_changes_.push_back(std::move(change));
  changes.clear();
  for (Effects& part : parts) spare_parts_.push_back(std::move(part));
  parts.clear();
}

void Effects::add_change(WatchEvent event, std::string_view changed, const Acl& acl) {
  if (spare_changes_.empty()) {
    changes.emplace_back();
  } else {
    changes.push_back(std::move(spare_changes_.back()));
    spare_changes_.pop_back();
  }
  Change& change = changes.back();
  change.event = event;
  change.path.assign(changed);
  if (grants_everybody(acl, kPermRead)) {
    change.acl.clear();
  } else {
    change.acl = acl;
  }
}

Effects& Effects::add_part() {
  if (spare_parts_.empty()) {
    parts.emplace_back();
  } else {
    parts.push_back(std::move(spare_parts_.back()));
    spare_parts_.pop_back();
    parts.back().clear();
  }
  return parts.back();
}

DataTree::DataTree() {
  const Acl open = open_acl();
  StatPersisted config;
  config.aversion = -1;
  const Acl readable = {{kPermRead, "world", "anyone"}};
  CHECK(load_node("", {}, false, open, {}));
  CHECK(load_node(kZookeeperPath, {}, false, open, {}));
  CHECK(load_node(kQuotaPath, {}, false, open, {}));
  CHECK(load_node(kConfigPath, {}, false, readable, config));
}

// --- reads

DataTree::Slot DataTree::find(std::string_view path) const {
  path = without_root_slash(path);
  if (path.empty() || root_ == kNone) return root_;
  if (path[0] != '/') return kNone;
  Slot slot = root_;
  while (slot != kNone) {
    path.remove_prefix(1);
    const size_t slash = std::min(path.find('/'), path.size());
    slot = nodes_.find_child(slot, path.substr(0, slash));
    path.remove_prefix(slash);
    if (path.empty()) break;
  }
  return slot;
}

DataTree::NodeView DataTree::view(Slot slot) const {
  const Node& node = nodes_[slot];
  NodeView view;
  view.slot = slot;
  view.name = nodes_.name(slot);
  view.data = nodes_.data(slot);
  view.null_data = node.data_bytes < 0;
  view.acl = &acl_of(slot);
  view.stat = stat_of(node);
  view.num_children = node.num_children;
  view.content_crc = node.content_crc;
  return view;
}

Stat DataTree::stat(Slot slot) const {
  const Node& node = nodes_[slot];
  Stat stat;
  stat.czxid = node.czxid;
  stat.mzxid = node.mzxid;
  stat.ctime_ms = node.ctime_ms;
  stat.mtime_ms = node.mtime_ms;
  stat.version = node.version;
  stat.cversion = static_cast<int32_t>(2 * static_cast<uint32_t>(node.cversion) -
                                       static_cast<uint32_t>(node.num_children));
  stat.aversion = node.aversion;
  if (node_kind(node.ephemeral_owner) == NodeKind::Ephemeral) {
    stat.ephemeral_owner = node.ephemeral_owner;
  }
  stat.data_length = static_cast<int32_t>(node.data_size());
  stat.num_children = node.num_children;
  stat.pzxid = node.pzxid;
  return stat;
}

DataTree::Slot DataTree::parent(Slot slot) const { return nodes_[slot].parent; }
DataTree::Slot DataTree::first_child(Slot slot) const { return nodes_[slot].first_child; }
DataTree::Slot DataTree::next_sibling(Slot slot) const { return nodes_[slot].next; }

std::string DataTree::path_of(Slot slot) const {
  if (slot == root_) return "/";
  size_t bytes = 0;
  for (Slot s = slot; s != root_; s = nodes_[s].parent) bytes += 1 + nodes_[s].name_size();
  std::string path(bytes, '/');
  for (Slot s = slot; s != root_; s = nodes_[s].parent) {
    const std::string_view name = nodes_.name(s);
    bytes -= name.size();
    std::copy(name.begin(), name.end(), path.begin() + static_cast<ptrdiff_t>(bytes));
    --bytes;
  }
  CHECK(bytes == 0);
  return path;
}

std::vector<std::string> DataTree::ephemerals(SessionId session) const {
  return ephemerals(session, 0, SIZE_MAX);
}

std::vector<std::string> DataTree::ephemerals(SessionId session, size_t skip, size_t max) const {
  std::vector<std::string> paths;
  const auto list = owned_.find(session);
  if (list == owned_.end()) return paths;
  Slot slot = list->second.first;
  for (; slot != kNone && skip > 0; --skip) slot = nodes_[slot].owned_next;
  for (; slot != kNone && paths.size() < max; slot = nodes_[slot].owned_next) {
    paths.push_back(path_of(slot));
  }
  return paths;
}

std::optional<SessionId> DataTree::ephemeral_owner_from(SessionId at_least) const {
  const auto found = owned_.lower_bound(at_least);
  if (found == owned_.end()) return std::nullopt;
  return found->first;
}

size_t DataTree::ephemeral_count() const { return owned_count_; }

// ZooKeeper's map holds the root twice, as "" and as "/".
uint64_t DataTree::data_bytes() const { return data_bytes_ + (root_ == kNone ? 0 : 1); }

// --- loading

void DataTree::clear() {
  last_applied_ = Zxid();
  digest_ = 0;
  state_hash_ = Hash128();
  nodes_ = NodeStore();
  root_ = kNone;
  acls_ = AclTable();
  quotas_ = QuotaPaths();
  owned_.clear();
  owned_count_ = 0;
  unowned_.clear();
  data_bytes_ = 0;
  sessions_.clear();
  earlier_config_.clear();
  snapshots_.clear();
}

void DataTree::load_session(SessionId session, int32_t timeout_ms) {
  apply_create_session(session, timeout_ms);
}

DataTree::Place DataTree::place_of(std::string_view path) const {
  path = without_root_slash(path);
  if (path.empty() || path[0] != '/') return {};
  const Slot parent = find(parent_path(path));
  if (parent == kNone) return {};
  const uint32_t hash = NodeStore::name_hash(parent, last_name(path));
  nodes_.prefetch(hash);
  return {parent, hash};
}

bool DataTree::load_node(std::string_view path, Place place, ByteView data, bool null_data,
                         const Acl& acl, const StatPersisted& stat) {
  path = without_root_slash(path);
  if (data.size() > INT32_MAX || path.size() > NodeStore::kNameBytesMask) return false;
  if (path.empty()) {
    if (root_ != kNone) return false;
    add_node({}, path, data, null_data, acl, stat);
    return true;
  }
  const std::string_view name = last_name(path);
  if (place.parent == kNone || name.empty()) return false;
  if (nodes_.find_child(place.parent, name, place.hash) != kNone) return false;
  add_node(place, path, data, null_data, acl, stat);
  if (name == kQuotaLimitsName) {
    const std::string_view target = quota_target(parent_path(path));
    if (!target.empty()) quotas_.add(target);
  }
  return true;
}

void DataTree::set_config(std::string_view text, Zxid version, WallTime now) {
  Slot slot = find(kConfigPath);
  if (slot == kNone) {  // data of servers before 3.5
    StatPersisted config;
    config.aversion = -1;
    if (!load_node(kConfigPath, {}, false, {{kPermRead, "world", "anyone"}}, config)) return;
    slot = find(kConfigPath);
  }
  unaccount(slot);
  set_node_data(slot, kConfigPath, as_bytes(text), false);
  Node& node = nodes_[slot];
  node.version = -1;
  node.mzxid = version;
  node.mtime_ms = now.ms;
  account(slot);
}

// --- snapshots

void DataTree::begin_snapshot(uint64_t name, size_t image_bytes_max) {
  CHECK(snapshot(name) == nullptr);
  snapshots_.emplace_back(name, TreeSnapshot(*this, image_bytes_max));
}

TreeSnapshot* DataTree::snapshot(uint64_t name) {
  for (auto& entry : snapshots_) {
    if (entry.first == name) return &entry.second;
  }
  return nullptr;
}

void DataTree::end_snapshot(uint64_t name) {
  std::erase_if(snapshots_, [name](const auto& entry) { return entry.first == name; });
}

void DataTree::keep_links(Slot slot) {
  for (auto& entry : snapshots_) entry.second.before_links(*this, slot);
}

void DataTree::keep_session(SessionId session) {
  for (auto& entry : snapshots_) entry.second.before_session(*this, session);
}

// --- structure, hashes and counters kept in step

DataTree::Slot DataTree::add_node(Place place, std::string_view path, ByteView data, bool null_data,
                                  const Acl& acl, const StatPersisted& stat) {
  const Slot parent = place.parent;
  CHECK((parent == kNone) == path.empty());
  if (parent != kNone) {
    const Slot last = nodes_[parent].last_child;
    keep_links(last == kNone ? parent : last);
  }
  const Slot slot =
      nodes_.add(parent, last_name(path), place.hash, data, null_data, traits_of(path));
  for (auto& entry : snapshots_) entry.second.created(slot);
  if (parent == kNone) root_ = slot;
  Node& node = nodes_[slot];
  set_stat(stat, node);
  node.acl = acls_.intern(acl);
  hash_content(slot, path);
  account(slot);
  data_bytes_ += path.size() + data.size();
  const NodeKind kind = node_kind(stat.ephemeral_owner);
  if (kind == NodeKind::Ephemeral) link_owned(slot);
  if (kind == NodeKind::Container || kind == NodeKind::Ttl) unowned_.insert(slot);
  return slot;
}

void DataTree::remove_node(Slot slot, std::string_view path) {
  CHECK(slot != root_);
  const Node& node = nodes_[slot];
  const size_t data_size = node.data_size();
  unaccount(slot);
  const NodeKind kind = node_kind(node.ephemeral_owner);
  if (kind == NodeKind::Ephemeral) unlink_owned(slot);
  if (kind == NodeKind::Container || kind == NodeKind::Ttl) unowned_.erase(slot);
  acls_.release(node.acl);
  data_bytes_ -= path.size() + data_size;
  keep_links(slot);
  keep_links(node.previous == kNone ? node.parent : node.previous);
  nodes_.remove(slot);
  quota_removed(path, data_size);
}

// Children under a deleted znode exist only in replay over a fuzzy snapshot, which took them from a
// later life of the znode; the log creates them again.
void DataTree::remove_subtree(Slot slot, std::string_view path) {
  Slot at = slot;
  while (at != slot || nodes_[at].first_child != kNone) {
    if (nodes_[at].first_child != kNone) {
      at = nodes_[at].first_child;
      continue;
    }
    const Slot above = nodes_[at].parent;
    remove_node(at, path_of(at));
    at = above;
  }
  remove_node(slot, path);
}

void DataTree::set_node_data(Slot slot, std::string_view path, ByteView data, bool null_data) {
  data_bytes_ -= nodes_[slot].data_size();
  nodes_.set_data(slot, data, null_data);
  data_bytes_ += data.size();
  hash_content(slot, path);
}

void DataTree::set_node_acl(Slot slot, const Acl& acl) {
  const uint32_t id = acls_.intern(acl);
  acls_.release(nodes_[slot].acl);
  nodes_[slot].acl = id;
}

void DataTree::hash_content(Slot slot, std::string_view path) {
  Node& node = nodes_[slot];
  const ByteView data = nodes_.data(slot);
  node.content_crc = content_crc(path, data);
  const bool local = node.has(NodeStore::kConfigNode) || node.has(NodeStore::kQuotaStats);
  const ByteView hashed = local ? ByteView() : data;
  const uint64_t null_mark = !local && node.data_bytes < 0 ? 1 : 0;
  const Hash128 named = hash64_twice(as_bytes(path), kHighSeed, kLowSeed);
  node.content = hash64_twice(hashed, named.high + null_mark, named.low + null_mark);
}

Hash128 DataTree::element_hash(const Node& node) const {
  StatPersisted stat = stat_of(node);
  if (node.has(NodeStore::kConfigNode)) {
    stat.mzxid = Zxid();
    stat.mtime_ms = 0;
    stat.version = 0;
  }
  const Hash128 acl = acls_.hash(node.acl);
  const std::array<Byte, 60> stat_bytes = digest_stat_bytes(stat);
  std::array<Byte, 92> bytes;
  put_u64(&bytes[0], node.content.high);
  put_u64(&bytes[8], node.content.low);
  put_u64(&bytes[16], acl.high);
  put_u64(&bytes[24], acl.low);
  std::copy(stat_bytes.begin(), stat_bytes.end(), bytes.begin() + 32);
  return hash128(bytes, kNodeSeed);
}

void DataTree::unaccount(Slot slot) {
  for (auto& entry : snapshots_) entry.second.before_content(*this, slot);
  const Node& node = nodes_[slot];
  if (!node.has(NodeStore::kOutsideDigest)) digest_ -= node_digest(node.content_crc, stat_of(node));
  state_hash_ -= element_hash(node);
}

void DataTree::account(Slot slot) {
  const Node& node = nodes_[slot];
  if (!node.has(NodeStore::kOutsideDigest)) digest_ += node_digest(node.content_crc, stat_of(node));
  state_hash_ += element_hash(node);
}

void DataTree::link_owned(Slot slot) {
  Node& node = nodes_[slot];
  OwnedList& list = owned_[SessionId{node.ephemeral_owner}];
  node.owned_previous = list.last;
  if (list.last != kNone) {
    nodes_[list.last].owned_next = slot;
  } else {
    list.first = slot;
  }
  list.last = slot;
  ++owned_count_;
}

void DataTree::unlink_owned(Slot slot) {
  const Node& node = nodes_[slot];
  const auto found = owned_.find(SessionId{node.ephemeral_owner});
  CHECK(found != owned_.end() && owned_count_ > 0);
  OwnedList& list = found->second;
  if (node.owned_previous != kNone) {
    nodes_[node.owned_previous].owned_next = node.owned_next;
  } else {
    list.first = node.owned_next;
  }
  if (node.owned_next != kNone) {
    nodes_[node.owned_next].owned_previous = node.owned_previous;
  } else {
    list.last = node.owned_previous;
  }
  if (list.first == kNone) owned_.erase(found);
  --owned_count_;
}

void DataTree::apply_create_session(SessionId session, int32_t timeout_ms) {
  keep_session(session);
  const auto [entry, added] = sessions_.try_emplace(session, timeout_ms);
  if (!added) state_hash_ -= session_hash(session, entry->second);
  entry->second = timeout_ms;
  state_hash_ += session_hash(session, timeout_ms);
}

void DataTree::forget_session(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  keep_session(session);
  state_hash_ -= session_hash(session, found->second);
  sessions_.erase(found);
}

}  // namespace vivarium
