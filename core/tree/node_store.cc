#include "core/tree/node_store.h"

#include <algorithm>
#include <cstring>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr size_t kFirstNodes = 8;  // the first page of a small tree grows with it

}  // namespace

uint32_t NodeStore::name_hash(Slot parent, std::string_view name) {
  return static_cast<uint32_t>(hash64(as_bytes(name), parent) >> 32);
}

NodeStore::Slot NodeStore::take_slot() {
  if (free_ != kNone) {
    const Slot slot = free_;
    Node& node = (*this)[slot];
    free_ = node.next;
    node = Node();
    return slot;
  }
  if (pages_.empty() || pages_.back().size() == kPageNodes) pages_.emplace_back();
  std::vector<Node>& page = pages_.back();
  if (page.size() == page.capacity()) {
    const size_t grown = pages_.size() > 1 ? kPageNodes : std::max(kFirstNodes, 2 * page.size());
    page.reserve(std::min<size_t>(kPageNodes, grown));
  }
  page.emplace_back();
  const size_t slot = (pages_.size() - 1) * kPageNodes + page.size() - 1;
  CHECK(slot < kNone);
  return static_cast<Slot>(slot);
}

NodeStore::Slot NodeStore::add(Slot parent, std::string_view name, uint32_t hash, ByteView data,
                               bool null_data, uint32_t traits) {
  CHECK(name.size() <= kNameBytesMask && data.size() <= INT32_MAX);
  CHECK(!null_data || data.empty());
  const Slot slot = take_slot();
  Node& node = (*this)[slot];
  node.parent = parent;
  node.bytes = bytes_.put(as_bytes(name), data);
  node.name_bits = static_cast<uint32_t>(name.size()) | traits;
  node.data_bytes = null_data ? -1 : static_cast<int32_t>(data.size());
  ++size_;
  if (parent == kNone) return slot;
  index_.insert(hash, slot);
  Node& above = (*this)[parent];
  node.previous = above.last_child;
  if (above.last_child != kNone) {
    (*this)[above.last_child].next = slot;
  } else {
    above.first_child = slot;
  }
  above.last_child = slot;
  ++above.num_children;
  return slot;
}

void NodeStore::remove(Slot slot) {
  Node& node = (*this)[slot];
  CHECK(node.num_children == 0 && node.parent != kNone);
  index_.erase(name_hash(node.parent, name(slot)), slot);
  Node& above = (*this)[node.parent];
  if (node.previous != kNone) {
    (*this)[node.previous].next = node.next;
  } else {
    above.first_child = node.next;
  }
  if (node.next != kNone) {
    (*this)[node.next].previous = node.previous;
  } else {
    above.last_child = node.previous;
  }
  --above.num_children;
  bytes_.release(node.bytes, size_t{node.name_size()} + node.data_size());
  node = Node();
  node.next = free_;
  free_ = slot;
  --size_;
}

void NodeStore::set_data(Slot slot, ByteView data, bool null_data) {
  CHECK(data.size() <= INT32_MAX);
  Node& node = (*this)[slot];
  const size_t name_size = node.name_size();
  const size_t before = name_size + node.data_size();
  if (ByteArena::same_block(before, name_size + data.size())) {
    if (!data.empty()) std::memmove(bytes_.data(node.bytes) + name_size, data.data(), data.size());
  } else {
    const std::string_view old_name = name(slot);
    const Bytes kept(old_name.begin(), old_name.end());
    const ByteArena::Ref moved = bytes_.put(kept, data);
    bytes_.release(node.bytes, before);
    node.bytes = moved;
  }
  node.data_bytes = null_data ? -1 : static_cast<int32_t>(data.size());
}

NodeStore::Slot NodeStore::find_child(Slot parent, std::string_view child, uint32_t hash) const {
  return index_.find(hash, [&](Slot s) { return (*this)[s].parent == parent && name(s) == child; });
}

std::string_view NodeStore::name(Slot slot) const {
  const Node& node = (*this)[slot];
  return as_text({bytes_.data(node.bytes), node.name_size()});
}

ByteView NodeStore::data(Slot slot) const {
  const Node& node = (*this)[slot];
  return {bytes_.data(node.bytes) + node.name_size(), node.data_size()};
}

}  // namespace vivarium
