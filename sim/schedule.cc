#include "sim/schedule.h"

#include <algorithm>
#include <set>
#include <utility>

#include "sim/schedule_words.h"

namespace vivarium::sim {
namespace {

template <class T>
void erase_flagged(std::vector<T>& lines, const std::vector<bool>& flags) {
  size_t kept = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i >= flags.size() || !flags[i]) lines[kept++] = lines[i];
  }
  lines.resize(kept);
}

}  // namespace

size_t Stale::count() const {
  size_t count = 0;
  for (const std::vector<bool>* flags : {&faults, &operations, &choices}) {
    count += static_cast<size_t>(std::count(flags->begin(), flags->end(), true));
  }
  return count;
}

Schedule schedule_of(uint64_t seed, ProfileKind kind) {
  Cluster cluster(seed, kind);
  Schedule schedule;
  schedule.seed = seed;
  schedule.kind = kind;
  schedule.profile = cluster.profile();
  schedule.faults = cluster.faults();
  cluster.sim().choices().record(true);
  const Outcome outcome = cluster.run();
  if (outcome.violation) schedule.violates = outcome.violation->checker;
  for (ClientIndex client = 0; client < schedule.profile.clients; ++client) {
    for (uint32_t nth = 0; nth < cluster.client(client).issued(); ++nth) {
      schedule.operations.push_back({client, nth});
    }
  }
  std::set<Choice> seen;
  for (const MadeChoice& made : cluster.sim().choices().recorded()) {
    if (seen.insert(made.choice).second) schedule.choices.push_back({made.choice, made.value});
  }
  return schedule;
}

Cluster cluster_of(const Schedule& schedule) {
  Cluster cluster(schedule.seed, schedule.profile, schedule.faults);
  Choices& choices = cluster.sim().choices();
  choices.set_benign(true);
  for (const FixedChoice& fixed : schedule.choices) choices.fix(fixed.choice, fixed.value);
  std::vector<std::vector<uint32_t>> kept(schedule.profile.clients);
  for (const KeptOperation& operation : schedule.operations) {
    kept[operation.client].push_back(operation.nth);
  }
  for (ClientIndex client = 0; client < kept.size(); ++client) {
    std::sort(kept[client].begin(), kept[client].end());
    cluster.client(client).keep_operations(std::move(kept[client]));
  }
  return cluster;
}

Stale stale_of(const Schedule& schedule, const Cluster& cluster) {
  Stale stale;
  for (const Fault& fault : schedule.faults) {
    const auto& all = cluster.faults();
    stale.faults.push_back(std::none_of(
        all.begin(), all.end(), [&](const Fault& f) { return f.id == fault.id && f.happened; }));
  }
  for (const KeptOperation& operation : schedule.operations) {
    stale.operations.push_back(cluster.clients()[operation.client].issued() <= operation.nth);
  }
  for (const FixedChoice& fixed : schedule.choices) {
    stale.choices.push_back(!cluster.choices().matched(fixed.choice));
  }
  return stale;
}

ScheduleRun run_schedule(const Schedule& schedule) {
  Cluster cluster = cluster_of(schedule);
  ScheduleRun run;
  run.outcome = cluster.run();
  run.stale = stale_of(schedule, cluster);
  return run;
}

Schedule without(const Schedule& schedule, const Stale& left_out) {
  Schedule rest = schedule;
  erase_flagged(rest.faults, left_out.faults);
  erase_flagged(rest.operations, left_out.operations);
  erase_flagged(rest.choices, left_out.choices);
  return rest;
}

bool fits(const Profile& profile, const Size& size) {
  const uint32_t servers = size.voters + size.observers + size.spares;
  const uint32_t apache = profile.apache & ((1U << servers) - 1);
  const bool one_kind = profile.apache != 0 && (apache == 0 || apache == (1U << servers) - 1);
  return size.voters > 0 && size.voters <= profile.voters() &&
         size.observers <= profile.observers && size.spares <= profile.spares && !one_kind;
}

Profile smaller(const Profile& profile, const Size& size) {
  Profile p = profile;
  p.servers = size.voters + size.observers + size.spares;
  p.observers = size.observers;
  p.spares = size.spares;
  p.shadow = profile.shadow && size.observers == profile.observers;
  p.apache &= (1U << p.servers) - 1;
  if (size.spares == 0 && profile.reconfig) {
    p.absent |= 1U << (p.clients - 1);
    p.reconfig = false;
  }
  return p;
}

Schedule smaller(const Schedule& schedule, const Size& size) {
  Schedule rest = schedule;
  rest.profile = smaller(schedule.profile, size);
  const uint32_t n = rest.profile.servers;
  for (Fault& fault : rest.faults) {
    if (fault.kind != FaultKind::BreakClient) fault.target %= n;
    fault.other %= n;
    if (fault.other == fault.target) fault.other = (fault.target + 1) % n;
  }
  rest.choices.clear();
  for (const FixedChoice& fixed : schedule.choices) {
    // A choice's text does not depend on how hosts are numbered.
    const std::string text = to_text(fixed.choice, schedule.hosts());
    const std::optional<Choice> choice = parse_choice(words_of(text), rest.hosts());
    if (choice) rest.choices.push_back({*choice, fixed.value});
  }
  return rest;
}

}  // namespace vivarium::sim
