// HashChains: a hash index that grows by one bucket at a time (linear hashing), so that no
// insertion rehashes more than one chain or allocates more than one page. It holds the heads of
// chains only: the entries are the owner's slots, each a struct with a `hash` and a `hash_next`,
// reached by entry(slot).
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/check.h"

namespace vivarium {

class HashChains {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The slot with `hash` for which same(slot) holds.
  template <class Entry, class Same>
  uint32_t find(uint32_t hash, const Entry& entry, const Same& same) const {
    if (size_ == 0) return kNone;
    uint32_t slot = head(bucket(hash));
    while (slot != kNone && !(entry(slot).hash == hash && same(slot))) slot = entry(slot).hash_next;
    return slot;
  }

  // entry(slot).hash is set already.
  template <class Entry>
  void insert(uint32_t slot, const Entry& entry) {
    if (pages_.empty()) pages_.emplace_back(kPageHeads, kNone);
    uint32_t& first = head(bucket(entry(slot).hash));
    entry(slot).hash_next = first;
    first = slot;
    ++size_;
    if (size_ > mask_ + 1 + split_) split(entry);
  }

  template <class Entry>
  void erase(uint32_t slot, const Entry& entry) {
    CHECK(size_ > 0);
    uint32_t* link = &head(bucket(entry(slot).hash));
    while (*link != slot) {
      CHECK(*link != kNone);
      link = &entry(*link).hash_next;
    }
    *link = entry(slot).hash_next;
    --size_;
  }

  uint32_t size() const { return size_; }

 private:
  static constexpr uint32_t kPageHeads = 256;

  // Buckets below split_ have been divided in this round and use one bit of the hash more.
  uint32_t bucket(uint32_t hash) const {
    const uint32_t index = hash & mask_;
    return index < split_ ? hash & (2 * mask_ + 1) : index;
  }
  uint32_t head(uint32_t index) const { return pages_[index / kPageHeads][index % kPageHeads]; }
  uint32_t& head(uint32_t index) { return pages_[index / kPageHeads][index % kPageHeads]; }

  template <class Entry>
  void split(const Entry& entry) {
    const uint32_t added = mask_ + 1 + split_;
    CHECK(added < (uint32_t{1} << 31));
    if (added / kPageHeads == pages_.size()) pages_.emplace_back(kPageHeads, kNone);
    uint32_t slot = head(split_);
    uint32_t* stays = &head(split_);
    uint32_t* moves = &head(added);
    while (slot != kNone) {
      uint32_t*& tail = (entry(slot).hash & (2 * mask_ + 1)) == split_ ? stays : moves;
      *tail = slot;
      tail = &entry(slot).hash_next;
      slot = *tail;
    }
    *stays = kNone;
    *moves = kNone;
    if (++split_ > mask_) {
      mask_ = 2 * mask_ + 1;
      split_ = 0;
    }
  }

  std::vector<std::vector<uint32_t>> pages_;
  uint32_t mask_ = kPageHeads - 1;
  uint32_t split_ = 0;
  uint32_t size_ = 0;
};

}  // namespace vivarium
