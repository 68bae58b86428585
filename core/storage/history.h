// History: the newest txns of this server's log in memory, contiguous and in zxid order, from which
// a leader answers DIFF. A view on the log: pushed by append, cut by truncation, emptied by a
// snapshot install (hazards S6, S8, S16). Bounded by count and bytes; what is dropped is the
// oldest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/ids.h"

namespace vivarium {

class History {
 public:
  struct Item {
    Zxid zxid;
    SharedBytes entry;
  };

  History() = default;
  History(size_t txns_max, uint64_t bytes_max) : txns_max_(txns_max), bytes_max_(bytes_max) {}

  // Everything above `base` is held. Initially, and after reset, nothing is.
  Zxid base() const { return base_; }
  Zxid last() const { return items_.empty() ? base_ : items_.back().zxid; }
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  const Item& operator[](size_t i) const { return items_[i]; }
  // Index of the first item with a zxid above `zxid`; size() when there is none.
  size_t upper_bound(Zxid zxid) const {
    size_t low = 0;
    size_t high = items_.size();
    while (low < high) {
      const size_t mid = low + (high - low) / 2;
      if (items_[mid].zxid > zxid) {
        high = mid;
      } else {
        low = mid + 1;
      }
    }
    return low;
  }
  // The last that this server has of what is not above `zxid`, which is at least the base.
  Zxid at_or_below(Zxid zxid) const {
    CHECK(zxid >= base_);
    const size_t i = upper_bound(zxid);
    return i == 0 ? base_ : items_[i - 1].zxid;
  }
  // True when `zxid` is the base or one of the items: a txn this server has.
  bool contains(Zxid zxid) const {
    if (zxid == base_) return true;
    const size_t i = upper_bound(zxid);
    return i > 0 && items_[i - 1].zxid == zxid;
  }

  void push(Zxid zxid, SharedBytes entry) {
    CHECK(zxid.follows(last()) || items_.empty());
    bytes_ += entry->size();
    items_.push_back({zxid, std::move(entry)});
  }
  // Drops the oldest beyond the bounds, but nothing above `keep_after` (not yet committed, or not
  // yet sent): those are bounded by the pipeline.
  void trim(Zxid keep_after) {
    while (!items_.empty() && items_.front().zxid <= keep_after &&
           (items_.size() > txns_max_ || bytes_ > bytes_max_)) {
      base_ = items_.front().zxid;
      bytes_ -= items_.front().entry->size();
      items_.pop_front();
    }
  }
  void truncate(Zxid keep) {
    while (!items_.empty() && items_.back().zxid > keep) {
      bytes_ -= items_.back().entry->size();
      items_.pop_back();
    }
    if (items_.empty() && base_ > keep) base_ = keep;
  }
  void reset(Zxid base) {
    items_.clear();
    bytes_ = 0;
    base_ = base;
  }

 private:
  std::deque<Item> items_;
  Zxid base_;
  size_t txns_max_ = 500;
  uint64_t bytes_max_ = 64 << 20;
  uint64_t bytes_ = 0;
};

}  // namespace vivarium
