#include "core/tree/pending_changes.h"

#include "core/base/check.h"
#include "core/tree/digest.h"
#include "core/tree/path.h"

namespace vivarium {
namespace {

uint64_t digest_of(std::string_view path, const PendingChanges::NodeState& state) {
  if (!state.exists || is_outside_digest(path)) return 0;
  return node_digest(state.content_crc, state.stat);
}

}  // namespace

void PendingChanges::forget(Zxid applied) {
  while (!queue_.empty() && queue_.front().zxid <= applied) {
    const Queued oldest = queue_.front();
    queue_.pop_front();
    if (records_[oldest.record].zxid == oldest.zxid) drop(oldest.record);
  }
}

void PendingChanges::begin(Zxid zxid, const DataTree& tree) {
  CHECK(zxid > tree.last_applied() && zxid > zxid_);
  if (zxid_ <= tree.last_applied()) digest_ = tree.digest();
  forget(tree.last_applied());
  forget_undo();
  zxid_ = zxid;
}

void PendingChanges::mark() {
  CHECK(!marked_ && undo_.empty());
  marked_ = true;
  marked_queue_ = queue_.size();
  marked_digest_ = digest_;
}

void PendingChanges::roll_back() {
  CHECK(marked_);
  for (; !undo_.empty(); undo_.pop_back()) {
    Undo& undo = undo_.back();
    if (undo.added) {
      drop(undo.id);
      continue;
    }
    Record& record = records_[undo.id];
    count_owner(record, -1);
    acls_.release(record.acl);
    static_cast<RecordState&>(record) = undo.before;
    count_owner(record, 1);
  }
  CHECK(queue_.size() >= marked_queue_);
  queue_.resize(marked_queue_);
  digest_ = marked_digest_;
  marked_ = false;
}

void PendingChanges::keep_for_undo(RecordId id, bool added) {
  Undo undo;
  undo.id = id;
  undo.added = added;
  if (!added) {
    undo.before = records_[id];
    const uint32_t acl = acls_.intern(acls_.get(undo.before.acl));
    CHECK(acl == undo.before.acl);
  }
  undo_.push_back(undo);
}

void PendingChanges::forget_undo() {
  for (const Undo& undo : undo_) {
    if (!undo.added) acls_.release(undo.before.acl);
  }
  undo_.clear();
  marked_ = false;
}

PendingChanges::NodeState PendingChanges::look(std::string_view path, const DataTree& tree) const {
  path = without_root_slash(path);
  NodeState state;
  const RecordId id = find(path);
  if (id != SlotIndex::kNone) {
    const Record& record = records_[id];
    state.exists = record.exists;
    state.stat = record.stat;
    state.num_children = record.num_children;
    state.content_crc = record.content_crc;
    state.data_bytes = record.data_bytes;
    state.acl = &acls_.get(record.acl);
    return state;
  }
  const DataTree::Slot slot = tree.find(path);
  if (slot == DataTree::kNone) return state;
  const DataTree::NodeView view = tree.view(slot);
  state.exists = true;
  state.stat = view.stat;
  state.num_children = view.num_children;
  state.content_crc = view.content_crc;
  state.data_bytes = static_cast<uint32_t>(view.data.size());
  state.acl = view.acl;
  return state;
}

void PendingChanges::change(std::string_view path, const NodeState& before,
                            const NodeState& after) {
  CHECK(before.exists || after.exists);
  path = without_root_slash(path);
  digest_ -= digest_of(path, before);
  digest_ += digest_of(path, after);

  // Interned first: `after` may borrow the list from this very record.
  const uint32_t acl = after.exists ? acls_.intern(*after.acl) : 0;
  RecordId id = find(path);
  const bool added = id == SlotIndex::kNone;
  if (added) id = add(path);
  if (marked_) keep_for_undo(id, added);
  if (!added) {
    count_owner(records_[id], -1);
    acls_.release(records_[id].acl);
  }
  Record& record = records_[id];
  if (record.zxid != zxid_) queue_.push_back({zxid_, id});
  record.zxid = zxid_;
  record.exists = after.exists;
  record.stat = after.stat;
  record.num_children = after.num_children;
  record.content_crc = after.content_crc;
  record.data_bytes = after.data_bytes;
  record.acl = acl;
  count_owner(record, 1);
}

std::vector<std::string> PendingChanges::ephemerals(SessionId session, const DataTree& tree) const {
  std::vector<std::string> paths = tree.ephemerals(session);
  if (queue_.empty()) return paths;
  std::erase_if(paths, [&](const std::string& path) {
    const RecordId id = find(path);
    if (id == SlotIndex::kNone) return false;
    return !records_[id].exists || records_[id].stat.ephemeral_owner != session.value;
  });
  if (!owners_.contains(session)) return paths;
  for (const Queued& queued : queue_) {
    const Record& record = records_[queued.record];
    if (record.zxid != queued.zxid || !record.exists) continue;
    if (record.stat.ephemeral_owner != session.value) continue;
    const DataTree::Slot slot = tree.find(record.path);
    const bool listed =
        slot != DataTree::kNone && tree.view(slot).stat.ephemeral_owner == session.value;
    if (!listed) paths.push_back(record.path);
  }
  return paths;
}

PendingChanges::RecordId PendingChanges::find(std::string_view path) const {
  return index_.find(path_hash(path), [&](RecordId id) { return records_[id].path == path; });
}

PendingChanges::RecordId PendingChanges::add(std::string_view path) {
  RecordId id = static_cast<RecordId>(records_.size());
  if (free_.empty()) {
    records_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  records_[id].path.assign(path);
  records_[id].hash = path_hash(path);
  index_.insert(records_[id].hash, id);
  return id;
}

// The string keeps its memory for the next record.
void PendingChanges::drop(RecordId id) {
  Record& record = records_[id];
  index_.erase(record.hash, id);
  count_owner(record, -1);
  acls_.release(record.acl);
  record.zxid = Zxid();
  record.exists = false;
  free_.push_back(id);
}

void PendingChanges::count_owner(const Record& record, int32_t by) {
  if (!record.exists) return;
  if (node_kind(record.stat.ephemeral_owner) != NodeKind::Ephemeral) return;
  const auto entry = owners_.try_emplace(SessionId{record.stat.ephemeral_owner}, 0).first;
  entry->second += by;
  CHECK(entry->second >= 0);
  if (entry->second == 0) owners_.erase(entry);
}

}  // namespace vivarium
