#include "sim/shrink.h"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace vivarium::sim {
namespace {

// A kind of lines of a schedule, and the flags for them.
enum class LineKind : uint8_t { Faults, Operations, Choices };

size_t count_of(const Schedule& schedule, LineKind part) {
  switch (part) {
    case LineKind::Faults:
      return schedule.faults.size();
    case LineKind::Operations:
      return schedule.operations.size();
    case LineKind::Choices:
      return schedule.choices.size();
  }
  return 0;
}

template <class LeftOut>
Schedule without_lines(const Schedule& schedule, LineKind part, LeftOut&& left_out) {
  Stale flags;
  std::vector<bool>& lines = part == LineKind::Faults       ? flags.faults
                             : part == LineKind::Operations ? flags.operations
                                                            : flags.choices;
  for (size_t i = 0; i < count_of(schedule, part); ++i) lines.push_back(left_out(i));
  return without(schedule, flags);
}

class Shrinker {
 public:
  Shrinker(const Schedule& schedule, const ShrinkOptions& options)
      : options_(options), best_(schedule) {}

  bool begin();
  // Whether anything went.
  bool round();
  const Schedule& best() const { return best_; }
  uint64_t tries() const { return tries_; }

 private:
  // The candidates in their order, several at a time; the first that fails is the best from now
  // on. Which one it was.
  std::optional<size_t> first_failing(const std::vector<Schedule>& candidates);
  bool fails(Schedule candidate) { return first_failing({std::move(candidate)}).has_value(); }
  void take(const Schedule& candidate, const Tried& done);
  void find_calm();
  void drop_kinds();
  void drop_chunks(LineKind part);
  void drop_chunks(LineKind part, size_t chunk);
  void drop_clients();
  void drop_servers();
  void end_earlier();
  void begin_earlier();
  void last_shorter();

  ShrinkOptions options_;
  Schedule best_;
  SimTime violated_at_{};
  uint64_t tries_ = 0;
  uint64_t taken_ = 0;
  uint64_t searches_ = 0;
};

bool Shrinker::begin() {
  const Tried first = options_.trial(best_);
  ++tries_;
  if (best_.violates.empty()) best_.violates = first.violated;
  if (first.violated.empty() || first.violated != best_.violates) return false;
  take(best_, first);
  return true;
}

// Lines that had not been asked for when it failed go too. A fault that nobody felt may still say
// how much a checker has to allow: that it can go is tried.
void Shrinker::take(const Schedule& candidate, const Tried& done) {
  ++taken_;
  Stale stale = done.stale;
  const std::vector<bool> faults = std::exchange(stale.faults, {});
  best_ = without(candidate, stale);
  violated_at_ = done.at;
  if (std::find(faults.begin(), faults.end(), true) != faults.end()) {
    Stale more;
    more.faults = faults;
    Schedule fewer = without(best_, more);
    ++tries_;
    if (options_.trial(fewer).violated == best_.violates) best_ = std::move(fewer);
  }
  options_.found(best_);
}

std::optional<size_t> Shrinker::first_failing(const std::vector<Schedule>& candidates) {
  for (size_t begin = 0; begin < candidates.size(); begin += options_.jobs) {
    if (options_.over()) break;
    const size_t end = std::min(candidates.size(), begin + options_.jobs);
    std::vector<std::future<Tried>> running;
    for (size_t i = begin + 1; i < end; ++i) {
      running.push_back(std::async(std::launch::async, options_.trial, candidates[i]));
    }
    std::vector<Tried> done{options_.trial(candidates[begin])};
    for (std::future<Tried>& one : running) done.push_back(one.get());
    tries_ += done.size();
    for (size_t i = 0; i < done.size(); ++i) {
      if (done[i].violated != best_.violates) continue;
      take(candidates[begin + i], done[i]);
      return begin + i;
    }
  }
  return std::nullopt;
}

// What needs an unlucky moment has more than one: all choices benign, and each fault a little
// sooner or later. Saves hundreds of lines that only say when a packet came.
void Shrinker::find_calm() {
  constexpr size_t kFewChoices = 8;
  constexpr uint64_t kAttempts = 150;
  if (best_.choices.size() <= kFewChoices) return;
  Choices chance(++searches_);
  std::vector<Schedule> candidates(
      kAttempts, without_lines(best_, LineKind::Choices, [](size_t) { return true; }));
  for (uint64_t n = 0; n < kAttempts; ++n) {
    const Duration most = milliseconds(int64_t{1} << n % 8);
    for (Fault& fault : candidates[n].faults) {
      const uint64_t draw =
          chance.below({ChoiceKind::Fault, fault.id, n, 0}, static_cast<uint64_t>(2 * most.ns));
      const int64_t at = fault.at.ns + static_cast<int64_t>(draw) - most.ns;
      fault.at = SimTime{std::max<int64_t>(at, 0)};
    }
  }
  first_failing(candidates);
}

void Shrinker::drop_kinds() {
  for (uint8_t k = 0; k <= static_cast<uint8_t>(ChoiceKind::Topology); ++k) {
    Schedule rest = without_lines(best_, LineKind::Choices, [&](size_t i) {
      return best_.choices[i].choice.kind == static_cast<ChoiceKind>(k);
    });
    if (rest.lines() < best_.lines()) fails(std::move(rest));
  }
}

void Shrinker::drop_chunks(LineKind part, size_t chunk) {
  size_t at = 0;
  while (at < count_of(best_, part)) {
    std::vector<Schedule> candidates;
    for (size_t begin = at; candidates.size() < options_.jobs && begin < count_of(best_, part);
         begin += chunk) {
      candidates.push_back(
          without_lines(best_, part, [&](size_t i) { return i >= begin && i < begin + chunk; }));
    }
    const std::optional<size_t> found = first_failing(candidates);
    at += chunk * found.value_or(candidates.size());
  }
}

void Shrinker::drop_chunks(LineKind part) {
  for (size_t chunk = count_of(best_, part); chunk > 0; chunk = chunk == 1 ? 0 : (chunk + 1) / 2) {
    drop_chunks(part, chunk);
  }
}

void Shrinker::drop_clients() {
  if (best_.profile.has_operator) {
    Schedule rest = best_;
    rest.profile.has_operator = false;
    fails(std::move(rest));
  }
  if (best_.profile.has_stranger) {
    Schedule rest = best_;
    rest.profile.has_stranger = false;
    fails(std::move(rest));
  }
  for (uint32_t client = 0; client < best_.profile.clients; ++client) {
    if (best_.profile.is_absent(client)) continue;
    Schedule rest = without_lines(best_, LineKind::Operations,
                                  [&](size_t i) { return best_.operations[i].client == client; });
    rest.profile.absent |= 1U << client;
    fails(std::move(rest));
  }
}

void Shrinker::drop_servers() {
  const Profile p = best_.profile;
  std::vector<Schedule> candidates;
  for (const uint32_t voters : {1U, 3U, p.voters()}) {
    for (const bool others : {false, true}) {
      const Size size{voters, others ? p.observers : 0, others ? p.spares : 0};
      if (size.voters + size.observers + size.spares >= p.servers || !fits(p, size)) continue;
      candidates.push_back(smaller(best_, size));
    }
  }
  first_failing(candidates);
}

// All is healed sooner.
void Shrinker::end_earlier() {
  constexpr int64_t kParts = 8;
  constexpr Duration kLeast = milliseconds(20);
  bool found = true;
  while (found && best_.profile.trouble > kLeast) {
    std::vector<Schedule> candidates;
    const Duration trouble = best_.profile.trouble;
    // The run ended there, so nothing behind it matters.
    const Duration just_enough = violated_at_ - SimTime{} + milliseconds(1);
    if (just_enough + kLeast < trouble) {
      candidates.push_back(best_);
      candidates.back().profile.trouble = just_enough;
    }
    for (int64_t part = 1; part < kParts; ++part) {
      candidates.push_back(best_);
      candidates.back().profile.trouble = Duration{trouble.ns * part / kParts};
    }
    found = first_failing(candidates).has_value();
  }
}

// All faults from the n-th on happen earlier.
void Shrinker::begin_earlier() {
  constexpr Duration kLeast = milliseconds(5);
  for (size_t n = 0; n < best_.faults.size();) {
    const Duration gap = best_.faults[n].at - (n == 0 ? SimTime{} : best_.faults[n - 1].at);
    std::vector<Schedule> candidates;
    for (const int64_t part : {8, 4, 2}) {
      const Duration sooner{gap.ns - gap.ns / part};
      if (sooner < kLeast) continue;
      candidates.push_back(best_);
      for (size_t i = n; i < best_.faults.size(); ++i) {
        candidates.back().faults[i].at = best_.faults[i].at - sooner;
      }
    }
    if (!first_failing(candidates)) ++n;
  }
}

void Shrinker::last_shorter() {
  constexpr Duration kLeast = milliseconds(10);
  for (size_t n = 0; n < best_.faults.size();) {
    std::vector<Schedule> candidates;
    for (const int64_t part : {16, 4, 2}) {
      const Duration shorter{best_.faults[n].lasts.ns / part};
      if (shorter < kLeast) continue;
      candidates.push_back(best_);
      candidates.back().faults[n].lasts = shorter;
    }
    if (!first_failing(candidates)) ++n;
  }
}

bool Shrinker::round() {
  const uint64_t before = taken_;
  drop_chunks(LineKind::Choices, best_.choices.size());
  end_earlier();
  find_calm();
  drop_chunks(LineKind::Faults);
  drop_clients();
  drop_servers();
  find_calm();
  drop_kinds();
  drop_chunks(LineKind::Operations);
  drop_chunks(LineKind::Choices);
  begin_earlier();
  last_shorter();
  return taken_ != before;
}

}  // namespace

Tried try_schedule(const Schedule& schedule) {
  ScheduleRun run = run_schedule(schedule);
  Tried done;
  done.violated = run.violated();
  if (run.outcome.violation) done.at = run.outcome.violation->at;
  done.stale = std::move(run.stale);
  return done;
}

Shrunk shrink(const Schedule& schedule, const ShrinkOptions& options) {
  CHECK(options.jobs > 0);
  Shrunk result;
  result.lines_before = schedule.lines();
  Shrinker shrinker(schedule, options);
  result.failed = shrinker.begin();
  while (result.failed && !result.whole && !options.over()) {
    const bool smaller = shrinker.round();
    result.whole = !smaller && !options.over();
  }
  result.schedule = shrinker.best();
  result.tries = shrinker.tries();
  return result;
}

}  // namespace vivarium::sim
