// MetricTable: counters, gauges and summaries by name, as World::count, gauge and sample fill them.
// A value, and the same in every World. Names and meanings: docs/operations.md.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/hash.h"

namespace vivarium {

// Numbers seen so far: how many, their sum, ends, and quantiles that are exact up to 31 and wrong
// by less than a sixteenth above. What is negative counts as 0.
class MetricSummary {
 public:
  void add(int64_t value);
  int64_t count() const { return count_; }
  int64_t sum() const { return sum_; }
  int64_t min() const { return min_; }  // 0 before the first
  int64_t max() const { return max_; }
  // The value that `per_mille` thousandths of all do not exceed; 0 before the first.
  int64_t quantile(int64_t per_mille) const;

 private:
  int64_t count_ = 0;
  int64_t sum_ = 0;
  int64_t min_ = 0;
  int64_t max_ = 0;
  std::vector<uint32_t> buckets_;
};

// Values by name. Finding one costs a hash of the name and a comparison, since every request counts
// several.
template <class T>
class NamedValues {
 public:
  using Map = std::map<std::string, T, std::less<>>;

  // The value, made anew when the name is.
  T& at(std::string_view name) {
    if (2 * entries_.size() >= index_.size()) grow();
    uint32_t& place = place_of(name);
    if (place == kFree) {
      place = static_cast<uint32_t>(entries_.size());
      entries_.emplace_back(std::string(name), T());
    }
    return entries_[place].second;
  }
  const T* find(std::string_view name) const {
    for (const auto& [known, value] : entries_) {
      if (known == name) return &value;
    }
    return nullptr;
  }
  Map by_name() const { return Map(entries_.begin(), entries_.end()); }
  void reset() {
    for (auto& [name, value] : entries_) value = T();
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  static constexpr size_t kPlacesMin = 128;

  // Where the name's number stands, or would.
  uint32_t& place_of(std::string_view name) {
    const size_t mask = index_.size() - 1;
    size_t at = static_cast<size_t>(hash64(as_bytes(name))) & mask;
    while (index_[at] != kFree && entries_[index_[at]].first != name) at = (at + 1) & mask;
    return index_[at];
  }
  void grow() {
    index_.assign(std::max(kPlacesMin, 2 * index_.size()), kFree);
    for (size_t i = 0; i < entries_.size(); ++i) {
      place_of(entries_[i].first) = static_cast<uint32_t>(i);
    }
  }

  std::vector<std::pair<std::string, T>> entries_;  // in the order of their first use
  std::vector<uint32_t> index_;                     // a power of two of places, at most half taken
};

class MetricTable {
 public:
  using Numbers = NamedValues<int64_t>::Map;
  using Summaries = NamedValues<MetricSummary>::Map;

  void count(std::string_view key, int64_t add) { counters_.at(key) += add; }
  void gauge(std::string_view key, int64_t value) { gauges_.at(key) = value; }
  void sample(std::string_view key, int64_t value) { summaries_.at(key).add(value); }
  // A summary that was kept elsewhere.
  void sample(std::string_view key, const MetricSummary& all) { summaries_.at(key) = all; }
  // Counters and summaries begin anew; gauges are what they are.
  void reset() {
    counters_.reset();
    summaries_.reset();
  }

  // 0 before the first.
  int64_t counter(std::string_view key) const {
    const int64_t* value = counters_.find(key);
    return value == nullptr ? 0 : *value;
  }
  // Copies, for who shows them.
  Numbers counters() const { return counters_.by_name(); }
  Numbers gauges() const { return gauges_.by_name(); }
  Summaries summaries() const { return summaries_.by_name(); }

 private:
  NamedValues<int64_t> counters_;
  NamedValues<int64_t> gauges_;
  NamedValues<MetricSummary> summaries_;
};

}  // namespace vivarium
