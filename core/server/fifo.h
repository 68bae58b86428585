// Fifo: a queue whose items are known by a number that stays theirs until they are popped, so that
// an answer finds its request without a search. Empty queues own no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace vivarium {

template <class T>
class Fifo {
 public:
  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  T& front() {
    CHECK(!empty());
    return items_[head_];
  }
  T& back() {
    CHECK(!empty());
    return items_.back();
  }

  // Returns the item's number.
  uint64_t push(T item) {
    items_.push_back(std::move(item));
    return first_ + size() - 1;
  }
  T pop() {
    T item = std::move(front());
    ++head_;
    ++first_;
    if (head_ == items_.size()) {
      items_.clear();
      head_ = 0;
    } else if (head_ >= kCompactAt && head_ * 2 >= items_.size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    return item;
  }
  // The item with that number, or null when it has been popped.
  T* find(uint64_t number) {
    if (number < first_) return nullptr;
    CHECK(number - first_ < size());
    return &items_[head_ + static_cast<size_t>(number - first_)];
  }

 private:
  static constexpr size_t kCompactAt = 64;

  std::vector<T> items_;
  size_t head_ = 0;     // items before it are popped
  uint64_t first_ = 0;  // number of the front
};

}  // namespace vivarium
