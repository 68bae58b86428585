#include "sim/campaign.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "sim/twice.h"

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

thread_local uint64_t seed_of_thread = 0;

// All that is said of a run, but its trace, which whoever watches it has heard.
uint64_t verdict_of(const Outcome& outcome) {
  uint64_t hash = hash_combine(outcome.trace_hash, outcome.completed);
  for (const uint64_t times : outcome.evaluated) hash = hash_combine(hash, times);
  if (outcome.violation) hash = hash_combine(hash, hash64(as_bytes(outcome.violation->text)));
  return hash;
}

Outcome run_once(uint64_t seed, const CampaignOptions& options) {
  Cluster cluster(seed, options.kind);
  cluster.judge_by(options.checkers);
  return cluster.run();
}

// What came of the first run; that the second differs is a violation before all others.
Outcome run_twice(uint64_t seed, const CampaignOptions& options) {
  std::optional<Outcome> first;
  const std::optional<std::string> difference = difference_of_two(
      [&](Observer& observer) {
        Cluster cluster(seed, options.kind);
        cluster.judge_by(options.checkers);
        cluster.also_observe(&observer);
        const Outcome outcome = cluster.run();
        if (!first) first = outcome;
        return verdict_of(outcome);
      },
      static_cast<uint8_t>(1 + mix64(seed) % 255));
  if (difference) first->violation = Violation{std::string(kReplay), *difference, {}};
  return *first;
}

// A campaign under way: what its threads share.
class Campaign {
 public:
  explicit Campaign(const CampaignOptions& options);
  void work();  // of one thread, until no schedule is to begin any more
  CampaignResult result();

 private:
  using Clock = std::chrono::steady_clock;
  double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }
  bool over() const {
    return enough_ || (options_.time && Clock::now() - began_ >= *options_.time);
  }
  bool runs_twice(uint64_t seed) const {
    return options_.twice_one_in != 0 && mix64(seed) % options_.twice_one_in == 0;
  }
  void add(uint64_t nth, uint64_t seed, const Outcome& outcome);

  const CampaignOptions& options_;
  const Clock::time_point began_ = Clock::now();
  std::atomic<uint64_t> next_{0};
  std::atomic<bool> enough_{false};
  std::mutex lock_;  // of what follows
  Sample events_;
  Sample completed_;
  Sample leaderships_;
  HashInOrder hash_;
  CampaignResult result_;
};

Campaign::Campaign(const CampaignOptions& options) : options_(options) {
  const SeedRange& range = options.range;
  CHECK(range.count == 0 || range.first <= UINT64_MAX - (range.count - 1));
  CHECK(options.shard.index < options.shard.of);
  result_.tally.planned = options.shard.size(range.count);
}

void Campaign::work() {
  while (!over()) {
    const uint64_t nth = next_++;
    if (nth >= result_.tally.planned) return;
    const uint64_t seed = options_.range.first + options_.shard.index + nth * options_.shard.of;
    seed_of_thread = seed;
    const Outcome outcome = runs_twice(seed) ? run_twice(seed, options_) : run_once(seed, options_);
    const std::lock_guard<std::mutex> guard(lock_);
    add(nth, seed, outcome);
  }
}

void Campaign::add(uint64_t nth, uint64_t seed, const Outcome& outcome) {
  Tally& tally = result_.tally;
  ++tally.seeds;
  tally.twice += runs_twice(seed) ? 1U : 0U;
  for (size_t c = 0; c < kCheckers; ++c) tally.evaluated[c] += outcome.evaluated[c];
  tally.coverage.add(outcome.coverage);
  tally.events += outcome.events;
  tally.completed += outcome.completed;
  tally.leaderships += outcome.leaderships;
  tally.crashes += outcome.crashes;
  tally.needs_person += outcome.needs_person ? 1U : 0U;
  tally.excused += outcome.excused ? 1U : 0U;
  tally.traces += outcome.trace_hash;
  events_.add(outcome.events);
  completed_.add(outcome.completed);
  leaderships_.add(outcome.leaderships);
  hash_.add(nth, outcome.trace_hash);
  if (outcome.violation) {
    ++tally.failed[outcome.violation->checker];
    result_.failures.push_back({seed, *outcome.violation});
    if (options_.failed) options_.failed(result_.failures.back());
    if (result_.failures.size() >= options_.failures_max) enough_ = true;
  } else {
    ++tally.passed;
  }
  if (options_.progress) options_.progress(tally.seeds);
}

CampaignResult Campaign::result() {
  Tally& tally = result_.tally;
  tally.seconds = seconds();
  tally.job_seconds = tally.seconds * options_.jobs;
  result_.hash = hash_.value();
  if (tally.seeds != 0) {
    tally.median_events = {events_.median(), events_.median()};
    tally.median_completed = {completed_.median(), completed_.median()};
    tally.median_leaderships = {leaderships_.median(), leaderships_.median()};
  }
  std::sort(result_.failures.begin(), result_.failures.end(),
            [](const Failure& a, const Failure& b) { return a.seed < b.seed; });
  return std::move(result_);
}

}  // namespace

void Medians::add(const Medians& other) {
  least = std::min(least, other.least);
  most = std::max(most, other.most);
}

void Tally::add(const Tally& other) {
  median_events.add(other.median_events);
  median_completed.add(other.median_completed);
  median_leaderships.add(other.median_leaderships);
  planned += other.planned;
  seeds += other.seeds;
  passed += other.passed;
  for (const auto& [invariant, times] : other.failed) failed[invariant] += times;
  for (size_t c = 0; c < kCheckers; ++c) evaluated[c] += other.evaluated[c];
  coverage.add(other.coverage);
  events += other.events;
  completed += other.completed;
  leaderships += other.leaderships;
  crashes += other.crashes;
  needs_person += other.needs_person;
  excused += other.excused;
  twice += other.twice;
  traces += other.traces;
  seconds = std::max(seconds, other.seconds);
  job_seconds += other.job_seconds;
}

uint64_t Tally::failures() const {
  uint64_t sum = 0;
  for (const auto& entry : failed) sum += entry.second;
  return sum;
}

uint64_t seed_under_way() { return seed_of_thread; }

CampaignResult run_campaign(const CampaignOptions& options) {
  Campaign campaign(options);
  std::vector<std::thread> threads;
  for (uint32_t j = 1; j < options.jobs; ++j) threads.emplace_back([&] { campaign.work(); });
  campaign.work();
  for (std::thread& thread : threads) thread.join();
  return campaign.result();
}

}  // namespace vivarium::sim
