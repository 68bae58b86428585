#include "sim/event_queue.h"

#include <algorithm>

namespace vivarium::sim {

void EventQueue::push(SimTime at, const Happening& happening) {
  uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(pool_.size());
    CHECK(slot < (uint32_t{1} << kSlotBits));
    pool_.push_back(happening);
  } else {
    slot = free_.back();
    free_.pop_back();
    pool_[slot] = happening;
  }
  const Key key{at.ns, (sequence_++ << kSlotBits) | slot};
  size_t hole = heap_.size();
  heap_.push_back(key);
  while (hole > 0) {
    const size_t parent = (hole - 1) / 4;
    if (!(key < heap_[parent])) break;
    heap_[hole] = heap_[parent];
    hole = parent;
  }
  heap_[hole] = key;
}

Happening EventQueue::pop() {
  CHECK(!heap_.empty());
  const uint32_t slot = slot_of(heap_.front());
  free_.push_back(slot);
  const Key last = heap_.back();
  heap_.pop_back();
  if (!heap_.empty()) sift_down(last);
  return pool_[slot];
}

void EventQueue::sift_down(Key key) {
  Key* const heap = heap_.data();
  const size_t count = heap_.size();
  size_t hole = 0;
  for (;;) {
    const size_t first = 4 * hole + 1;
    if (first >= count) break;
    size_t least = first;
    const size_t end = std::min(first + 4, count);
    for (size_t child = first + 1; child < end; ++child) {
      least = heap[child] < heap[least] ? child : least;
    }
    if (!(heap[least] < key)) break;
    heap[hole] = heap[least];
    hole = least;
  }
  heap[hole] = key;
}

}  // namespace vivarium::sim
