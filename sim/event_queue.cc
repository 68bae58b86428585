#include "sim/event_queue.h"

#include <algorithm>

namespace vivarium::sim {
namespace {

// One comparison instead of two, and no branch. Times are not negative.
__extension__ using Wide = unsigned __int128;
template <class Key>
Wide wide(const Key& key) {
  return Wide{static_cast<uint64_t>(key.time)} << 64 | key.order;
}

}  // namespace

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

std::vector<EventQueue::Pending> EventQueue::pending() const {
  std::vector<Pending> all;
  all.reserve(heap_.size());
  for (const Key& key : heap_) all.push_back({{key.time}, key.order, pool_[slot_of(key)]});
  std::sort(all.begin(), all.end(),
            [](const Pending& a, const Pending& b) { return a.order < b.order; });
  return all;
}

// What is sorted is a heap.
EventQueue::Pending EventQueue::take(uint64_t order) {
  const auto at = std::find_if(heap_.begin(), heap_.end(),
                               [order](const Key& key) { return key.order == order; });
  CHECK(at != heap_.end());
  const Pending taken{{at->time}, order, pool_[slot_of(*at)]};
  free_.push_back(slot_of(*at));
  heap_.erase(at);
  std::sort(heap_.begin(), heap_.end());
  return taken;
}

void EventQueue::postpone(SimTime time) {
  for (Key& key : heap_) key.time = std::max(key.time, time.ns);
  std::sort(heap_.begin(), heap_.end());
}

// The hole goes down to a leaf first: the key was one, so that it seldom has to come up again.
void EventQueue::sift_down(Key key) {
  Key* const heap = heap_.data();
  const size_t count = heap_.size();
  size_t hole = 0;
  size_t first = 1;
  for (; first + 4 <= count; first = 4 * hole + 1) {
    const size_t a = first + (wide(heap[first + 1]) < wide(heap[first]) ? 1 : 0);
    const size_t b = first + 2 + (wide(heap[first + 3]) < wide(heap[first + 2]) ? 1 : 0);
    const size_t least = wide(heap[b]) < wide(heap[a]) ? b : a;
    heap[hole] = heap[least];
    hole = least;
  }
  if (first < count) {
    size_t least = first;
    for (size_t child = first + 1; child < count; ++child) {
      if (heap[child] < heap[least]) least = child;
    }
    heap[hole] = heap[least];
    hole = least;
  }
  while (hole > 0) {
    const size_t parent = (hole - 1) / 4;
    if (!(key < heap[parent])) break;
    heap[hole] = heap[parent];
    hole = parent;
  }
  heap[hole] = key;
}

}  // namespace vivarium::sim
