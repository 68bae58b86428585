#include "core/metrics.h"

#include <algorithm>
#include <bit>

#include "core/base/check.h"

namespace vivarium {
namespace {

// Sixteen buckets of equal width for each power of two.
constexpr int kSubBits = 4;
constexpr uint64_t kSub = uint64_t{1} << kSubBits;

size_t bucket_of(uint64_t value) {
  if (value < kSub) return static_cast<size_t>(value);
  const int power = static_cast<int>(std::bit_width(value)) - 1;
  const auto row = static_cast<size_t>(power - kSubBits + 1);
  return row * kSub + static_cast<size_t>((value >> (power - kSubBits)) & (kSub - 1));
}

// The middle of the bucket.
uint64_t value_of(size_t bucket) {
  if (bucket < kSub) return bucket;
  const size_t row = bucket / kSub;
  const uint64_t width = uint64_t{1} << (row - 1);
  return (kSub + bucket % kSub) * width + (width - 1) / 2;
}

}  // namespace

void MetricSummary::add(int64_t value) {
  value = std::max<int64_t>(value, 0);
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ = sum_ > INT64_MAX - value ? INT64_MAX : sum_ + value;
  ++count_;
  const size_t bucket = bucket_of(static_cast<uint64_t>(value));
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  if (buckets_[bucket] == UINT32_MAX) {
    // The shape is kept when a bucket is full.
    for (uint32_t& n : buckets_) n /= 2;
  }
  ++buckets_[bucket];
}

int64_t MetricSummary::quantile(int64_t per_mille) const {
  CHECK(per_mille >= 0 && per_mille <= 1000);
  uint64_t total = 0;
  for (const uint32_t n : buckets_) total += n;
  if (total == 0) return 0;
  const uint64_t rank = (total * static_cast<uint64_t>(per_mille) + 999) / 1000;
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= std::max<uint64_t>(rank, 1)) {
      return std::clamp(static_cast<int64_t>(value_of(bucket)), min_, max_);
    }
  }
  return max_;
}

}  // namespace vivarium
