#include "core/tree/slot_index.h"

#include <cstddef>
#include <utility>

namespace vivarium {

void SlotIndex::insert(uint32_t hash, uint32_t slot) {
  if (pages_.empty()) add_bucket();
  put(place(hash), hash, slot);
  ++size_;
  // Three and a half per bucket on average: those not yet divided hold up to seven.
  if (uint64_t{2} * size_ > uint64_t{kPerBucket} * buckets()) split();
}

void SlotIndex::erase(uint32_t hash, uint32_t slot) {
  CHECK(size_ > 0);
  Bucket& first = bucket(place(hash));
  Bucket* at = &first;
  uint32_t i = 0;
  while (i == at->count || at->slot[i] != slot) {
    if (i < at->count) {
      ++i;
      continue;
    }
    CHECK(at->next != kNone);
    at = &overflow_[at->next];
    i = 0;
  }
  CHECK(at->hash[i] == hash);
  // The last one of the chain takes its place, so that only the last bucket has room.
  uint32_t last_hash = 0;
  uint32_t last_slot = 0;
  take_last(first, last_hash, last_slot);
  --size_;
  if (last_slot == slot) return;
  at->hash[i] = last_hash;
  at->slot[i] = last_slot;
}

void SlotIndex::put(uint32_t index, uint32_t hash, uint32_t slot) {
  Bucket* at = &bucket(index);
  while (at->next != kNone) at = &overflow_[at->next];
  if (at->count == kPerBucket) {
    uint32_t added = free_;
    if (added == kNone) {
      added = static_cast<uint32_t>(overflow_.size());
      const bool within = at != &bucket(index);  // of overflow_, which may move
      const size_t here = within ? static_cast<size_t>(at - overflow_.data()) : 0;
      overflow_.emplace_back();
      if (within) at = &overflow_[here];
    } else {
      free_ = std::exchange(overflow_[added].next, kNone);
    }
    at->next = added;
    at = &overflow_[added];
  }
  at->hash[at->count] = hash;
  at->slot[at->count] = slot;
  ++at->count;
}

void SlotIndex::take_last(Bucket& first, uint32_t& hash, uint32_t& slot) {
  Bucket* before = nullptr;
  Bucket* last = &first;
  while (last->next != kNone) {
    before = last;
    last = &overflow_[last->next];
  }
  CHECK(last->count > 0);
  --last->count;
  hash = last->hash[last->count];
  slot = last->slot[last->count];
  if (last->count > 0 || before == nullptr) return;
  last->next = free_;
  free_ = std::exchange(before->next, kNone);
}

void SlotIndex::add_bucket() {
  if (pages_.empty() || pages_.back().size() == kPageBuckets) {
    pages_.emplace_back();
    if (pages_.size() > 1) pages_.back().reserve(kPageBuckets);
  }
  pages_.back().emplace_back();
}

void SlotIndex::split() {
  CHECK(buckets() < (uint32_t{1} << 31));
  const uint32_t from = split_;
  const uint32_t to = buckets();
  add_bucket();
  if (++split_ > mask_) {
    mask_ = 2 * mask_ + 1;
    split_ = 0;
  }
  // All are taken from the end of the chain; those that stay wait in a chain of their own.
  Bucket stays;
  std::swap(stays, bucket(from));
  uint32_t hash = 0;
  uint32_t slot = 0;
  while (stays.count > 0) {
    take_last(stays, hash, slot);
    const uint32_t index = place(hash);
    CHECK(index == from || index == to);
    put(index, hash, slot);
  }
}

}  // namespace vivarium
