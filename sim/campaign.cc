#include "sim/campaign.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

namespace vivarium::sim {
namespace {

uint64_t median(std::vector<uint32_t>& values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

CampaignResult run_campaign(const CampaignOptions& options) {
  struct Row {
    uint32_t events = 0;
    uint32_t completed = 0;
    uint32_t leaderships = 0;
    uint64_t hash = 0;
    bool ran = false;
  };
  std::vector<Row> rows(options.count);
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
      const Outcome outcome = Cluster(seed).run();
      rows[i] = {static_cast<uint32_t>(outcome.events), static_cast<uint32_t>(outcome.completed),
                 static_cast<uint32_t>(outcome.leaderships), outcome.trace_hash, true};
      const uint64_t finished = ++done;
      const std::lock_guard<std::mutex> guard(lock);
      for (size_t c = 0; c < kCheckers; ++c) result.evaluated[c] += outcome.evaluated[c];
      result.crashes += outcome.crashes;
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

  std::vector<uint32_t> events;
  std::vector<uint32_t> completed;
  std::vector<uint32_t> leaderships;
  for (const Row& row : rows) {
    if (!row.ran) continue;
    events.push_back(row.events);
    completed.push_back(row.completed);
    leaderships.push_back(row.leaderships);
    result.events += row.events;
    result.hash = hash_combine(result.hash, row.hash);
  }
  result.median_events = median(events);
  result.median_completed = median(completed);
  result.median_leaderships = median(leaderships);
  std::sort(result.failures.begin(), result.failures.end(),
            [](const Failure& a, const Failure& b) { return a.seed < b.seed; });
  return result;
}

}  // namespace vivarium::sim
