// NodeStore: the znodes of a tree as records in pages of slots, with their links, their names and
// data in a ByteArena, and the index from (parent, name). Knows structure only: what a stat or an
// ACL means, and what hashes to what, is DataTree's. A value; a slot keeps its number for the life
// of its znode.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/ids.h"
#include "core/tree/byte_arena.h"
#include "core/tree/slot_index.h"

namespace vivarium {

class NodeStore {
 public:
  using Slot = uint32_t;
  static constexpr Slot kNone = UINT32_MAX;

  // Traits that follow from a znode's path and never change.
  enum Trait : uint32_t {
    kOutsideDigest = uint32_t{1} << 31,
    kConfigNode = uint32_t{1} << 30,  // /zookeeper/config
    kQuotaStats = uint32_t{1} << 29,  // /zookeeper/quota/.../zookeeper_stats
    kNameBytesMask = (uint32_t{1} << 29) - 1
  };

  // 128 bytes. Ordered by size; no padding.
  struct Node {
    Zxid czxid;
    Zxid mzxid;
    Zxid pzxid;
    int64_t ctime_ms = 0;
    int64_t mtime_ms = 0;
    int64_t ephemeral_owner = 0;
    Hash128 content;  // of path and data
    int32_t version = 0;
    int32_t cversion = 0;
    int32_t aversion = 0;
    int32_t num_children = 0;
    uint32_t content_crc = 0;
    uint32_t acl = 0;  // AclTable
    Slot parent = kNone;
    Slot first_child = kNone;
    Slot last_child = kNone;
    Slot next = kNone;  // sibling; the next free slot once the znode is gone
    Slot previous = kNone;
    Slot owned_next = kNone;  // ephemerals of one session
    Slot owned_previous = kNone;
    ByteArena::Ref bytes = 0;  // name, then data
    uint32_t name_bits = 0;    // length of the name, and traits
    int32_t data_bytes = -1;   // -1: null data

    uint32_t name_size() const { return name_bits & kNameBytesMask; }
    uint32_t data_size() const { return data_bytes < 0 ? 0 : static_cast<uint32_t>(data_bytes); }
    bool has(Trait trait) const { return (name_bits & trait) != 0; }
  };

  Node& operator[](Slot slot) { return pages_[slot / kPageNodes][slot % kPageNodes]; }
  const Node& operator[](Slot slot) const { return pages_[slot / kPageNodes][slot % kPageNodes]; }

  // Under which the index knows a child; fetched from memory ahead by prefetch().
  static uint32_t name_hash(Slot parent, std::string_view name);
  void prefetch(uint32_t hash) const { index_.prefetch(hash); }

  // A new znode as the last child of `parent` (kNone: a root, which no index finds); `hash` is its
  // name_hash(). Name and data must not point into this store. Voids Node references.
  Slot add(Slot parent, std::string_view name, uint32_t hash, ByteView data, bool null_data,
           uint32_t traits);
  // Of a znode without children.
  void remove(Slot slot);
  void set_data(Slot slot, ByteView data, bool null_data);

  Slot find_child(Slot parent, std::string_view name) const {
    return find_child(parent, name, name_hash(parent, name));
  }
  Slot find_child(Slot parent, std::string_view name, uint32_t hash) const;
  std::string_view name(Slot slot) const;
  ByteView data(Slot slot) const;
  size_t size() const { return size_; }

 private:
  static constexpr Slot kPageNodes = 512;

  Slot take_slot();

  std::vector<std::vector<Node>> pages_;
  Slot free_ = kNone;
  size_t size_ = 0;
  SlotIndex index_;  // by (parent, name)
  ByteArena bytes_;
};

}  // namespace vivarium
