#include "sim/campaign.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "core/base/check.h"

namespace vivarium::sim {
namespace {

// Values as often as they came: memory follows from how large they get, not from how many came.
class Sample {
 public:
  void add(uint64_t value) {
    ++times_[value];
    ++count_;
  }
  uint64_t median() const {
    uint64_t below = 0;
    for (const auto& [value, times] : times_) {
      below += times;
      if (below > count_ / 2) return value;
    }
    return 0;
  }

 private:
  std::map<uint64_t, uint64_t> times_;
  uint64_t count_ = 0;
};

// Combines the hashes in the order of seeds, whichever schedule is over first.
class HashInOrder {
 public:
  void add(uint64_t index, uint64_t hash) {
    waiting_.emplace(index, hash);
    while (!waiting_.empty() && waiting_.begin()->first == next_) {
      value_ = hash_combine(value_, waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
      ++next_;
    }
  }
  // Every index below the highest has been added: schedules that were begun were finished.
  uint64_t value() const {
    CHECK(waiting_.empty());
    return value_;
  }

 private:
  std::map<uint64_t, uint64_t> waiting_;
  uint64_t next_ = 0;
  uint64_t value_ = 0;
};

}  // namespace

CampaignResult run_campaign(const CampaignOptions& options) {
  CHECK(options.count == 0 || options.first <= UINT64_MAX - (options.count - 1));
  Sample events;
  Sample completed;
  Sample leaderships;
  HashInOrder hash;
  CampaignResult result;
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> done{0};
  std::atomic<bool> enough{false};
  std::mutex lock;
  const auto began = std::chrono::steady_clock::now();
  const auto work = [&] {
    while (!enough) {
      const uint64_t i = next++;
      if (i >= options.count) return;
      const uint64_t seed = options.first + i;
      const Outcome outcome = Cluster(seed, options.kind).run();
      const uint64_t finished = ++done;
      const std::lock_guard<std::mutex> guard(lock);
      for (size_t c = 0; c < kCheckers; ++c) result.evaluated[c] += outcome.evaluated[c];
      result.crashes += outcome.crashes;
      result.needs_person += outcome.needs_person ? 1U : 0U;
      result.excused += outcome.excused ? 1U : 0U;
      result.events += outcome.events;
      events.add(outcome.events);
      completed.add(outcome.completed);
      leaderships.add(outcome.leaderships);
      hash.add(i, outcome.trace_hash);
      if (outcome.violation) {
        result.failures.push_back({seed, *outcome.violation});
        if (options.failed) options.failed(result.failures.back());
        if (result.failures.size() >= options.failures_max) enough = true;
      } else {
        ++result.passed;
      }
      if (options.progress) options.progress(finished);
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t j = 1; j < options.jobs; ++j) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();

  result.hash = hash.value();
  result.median_events = events.median();
  result.median_completed = completed.median();
  result.median_leaderships = leaderships.median();
  std::sort(result.failures.begin(), result.failures.end(),
            [](const Failure& a, const Failure& b) { return a.seed < b.seed; });
  return result;
}

}  // namespace vivarium::sim
