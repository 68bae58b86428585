#include "core/tree/tree_snapshot.h"

#include "core/base/check.h"
#include "core/tree/data_tree.h"

namespace vivarium {
namespace {

// What an image takes beside its strings, nearly enough.
constexpr size_t kContentBytes = 256;
constexpr size_t kAclEntryBytes = 80;
constexpr size_t kLinksBytes = 64;
constexpr size_t kSessionBytes = 64;

}  // namespace

TreeSnapshot::TreeSnapshot(const DataTree& tree, size_t image_bytes_max)
    : zxid_(tree.last_applied()),
      digest_(tree.digest()),
      session_count_(tree.sessions().size()),
      root_(tree.find("")),
      image_bytes_max_(image_bytes_max) {
  CHECK(root_ != NodeStore::kNone);
}

void TreeSnapshot::set_done(Slot slot) {
  if (slot / 64 >= done_.size()) done_.resize(slot / 64 + 1);
  done_[slot / 64] |= uint64_t{1} << (slot % 64);
}

void TreeSnapshot::charge(size_t bytes) {
  image_bytes_ += bytes;
  if (image_bytes_ <= image_bytes_max_) return;
  lost_ = true;
  sessions_.clear();
  contents_.clear();
  links_.clear();
  image_bytes_ = 0;
}

// ------------------------------------------------------------------------------------- reading

// Two ordered sequences as one: the sessions of now, and those that were otherwise.
std::optional<std::pair<SessionId, int32_t>> TreeSnapshot::next_session(const DataTree& tree) {
  CHECK(!lost_);
  const std::map<SessionId, int32_t>& now = tree.sessions();
  while (true) {
    const auto is = last_session_ ? now.upper_bound(*last_session_) : now.begin();
    const auto was = sessions_.begin();
    if (is == now.end() && was == sessions_.end()) break;
    if (was == sessions_.end() || (is != now.end() && is->first < was->first)) {
      last_session_ = is->first;
      return *is;
    }
    const SessionId session = was->first;
    const std::optional<int32_t> timeout_ms = was->second;
    sessions_.erase(was);
    image_bytes_ -= kSessionBytes;
    last_session_ = session;
    if (timeout_ms) return std::pair(session, *timeout_ms);
  }
  sessions_read_ = true;
  return std::nullopt;
}

void TreeSnapshot::read_znodes() {
  CHECK(!reading_);
  reading_ = true;
  begun_ = false;
  levels_.clear();
  path_.clear();
}

// The next sibling was looked up when its elder was visited: nothing of a znode that was visited is
// needed any more.
bool TreeSnapshot::next_znode(const DataTree& tree, Znode& out) {
  CHECK(!lost_);
  if (!begun_) {
    begun_ = true;
    visit(tree, root_, out);
    return true;
  }
  while (!levels_.empty() && levels_.back().next == NodeStore::kNone) levels_.pop_back();
  if (levels_.empty()) return false;
  path_.resize(levels_.back().path_bytes);
  visit(tree, levels_.back().next, out);
  return true;
}

void TreeSnapshot::visit(const DataTree& tree, Slot slot, Znode& out) {
  CHECK(!reading_ || !is_done(slot));
  Links links;
  const auto old_links = links_.find(slot);
  if (old_links != links_.end()) {
    links = old_links->second;
  } else {
    links = {tree.first_child(slot), tree.next_sibling(slot)};
  }
  const auto old = contents_.find(slot);
  std::string_view name;
  if (old != contents_.end()) {
    const Content& content = old->second;
    name = content.name;
    out = {{}, content.data, content.null_data, &content.acl, content.stat};
  } else {
    const DataTree::NodeView node = tree.view(slot);
    name = node.name;
    out = {{}, node.data, node.null_data, node.acl, node.stat};
  }
  if (!levels_.empty()) {
    levels_.back().next = links.next;
    path_ += '/';
    path_ += name;
  }
  out.path = path_;
  if (links.first_child != NodeStore::kNone) levels_.push_back({links.first_child, path_.size()});
  if (!reading_) return;
  set_done(slot);
  if (old_links != links_.end()) {
    image_bytes_ -= kLinksBytes;
    links_.erase(old_links);
  }
  if (old == contents_.end()) return;
  image_bytes_ -= old->second.bytes;
  current_ = std::move(old->second);
  contents_.erase(old);
  out.data = current_.data;
  out.acl = &current_.acl;
}

// ------------------------------------------------------------------------------------- keeping

// A slot whose znode was removed and that holds a later one has its images already.
void TreeSnapshot::before_content(const DataTree& tree, Slot slot) {
  if (lost_ || is_done(slot)) return;
  const auto [entry, added] = contents_.try_emplace(slot);
  if (!added) return;
  const DataTree::NodeView node = tree.view(slot);
  Content& content = entry->second;
  content.name = node.name;
  content.data.assign(node.data.begin(), node.data.end());
  content.null_data = node.null_data;
  content.acl = *node.acl;
  content.stat = node.stat;
  content.bytes = kContentBytes + node.name.size() + node.data.size();
  for (const AclEntry& acl : content.acl) {
    content.bytes += kAclEntryBytes + acl.scheme.size() + acl.id.size();
  }
  charge(content.bytes);
}

void TreeSnapshot::before_links(const DataTree& tree, Slot slot) {
  if (lost_ || is_done(slot)) return;
  const auto [entry, added] = links_.try_emplace(slot);
  if (!added) return;
  entry->second = {tree.first_child(slot), tree.next_sibling(slot)};
  charge(kLinksBytes);
}

void TreeSnapshot::before_session(const DataTree& tree, SessionId session) {
  if (lost_ || sessions_read_ || (last_session_ && session <= *last_session_)) return;
  const auto [entry, added] = sessions_.try_emplace(session);
  if (!added) return;
  const auto found = tree.sessions().find(session);
  if (found != tree.sessions().end()) entry->second = found->second;
  charge(kSessionBytes);
}

void TreeSnapshot::created(Slot slot) {
  if (lost_ || contents_.contains(slot)) return;
  set_done(slot);
}

}  // namespace vivarium
