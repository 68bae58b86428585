// SlotIndex: a hash index from 32-bit hashes to the owner's slots that grows by one bucket at a
// time (linear hashing: Litwin 1980), so that no insertion rehashes more than one bucket or
// allocates more than one page. A bucket is one line of the processor's cache and holds the hashes
// beside the slots: a search reads an entry of the owner's only when its hash is the one sought.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/check.h"

namespace vivarium {

class SlotIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // The slot with `hash` for which same(slot) holds.
  template <class Same>
  uint32_t find(uint32_t hash, const Same& same) const {
    if (size_ == 0) return kNone;
    for (const Bucket* at = &bucket(place(hash));; at = &overflow_[at->next]) {
      for (uint32_t i = 0; i < at->count; ++i) {
        if (at->hash[i] == hash && same(at->slot[i])) return at->slot[i];
      }
      if (at->next == kNone) return kNone;
    }
  }

  // Fetches what find() will read first, without waiting for it.
  void prefetch(uint32_t hash) const {
    if (size_ != 0) __builtin_prefetch(&bucket(place(hash)));
  }
  void insert(uint32_t hash, uint32_t slot);
  // The slot is there, with that hash.
  void erase(uint32_t hash, uint32_t slot);

  uint32_t size() const { return size_; }

 private:
  static constexpr uint32_t kPageBuckets = 512;
  static constexpr uint32_t kPerBucket = 7;

  struct alignas(64) Bucket {
    uint32_t hash[kPerBucket] = {};
    uint32_t slot[kPerBucket] = {};
    uint32_t count = 0;
    uint32_t next = kNone;  // in overflow_; of a free one, the next free one
  };
  static_assert(sizeof(Bucket) == 64);

  // Buckets below split_ have been divided in this round and use one bit of the hash more.
  uint32_t place(uint32_t hash) const {
    const uint32_t index = hash & mask_;
    return index < split_ ? hash & (2 * mask_ + 1) : index;
  }
  const Bucket& bucket(uint32_t i) const { return pages_[i / kPageBuckets][i % kPageBuckets]; }
  Bucket& bucket(uint32_t i) { return pages_[i / kPageBuckets][i % kPageBuckets]; }
  uint32_t buckets() const { return mask_ + 1 + split_; }
  void add_bucket();
  void put(uint32_t index, uint32_t hash, uint32_t slot);
  void take_last(Bucket& first, uint32_t& hash, uint32_t& slot);
  void split();

  std::vector<std::vector<Bucket>> pages_;
  std::vector<Bucket> overflow_;
  uint32_t free_ = kNone;  // in overflow_
  uint32_t mask_ = 0;
  uint32_t split_ = 0;
  uint32_t size_ = 0;
};

}  // namespace vivarium
