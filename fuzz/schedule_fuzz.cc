// Schedules by a fuzzer: an input says which seed's frame is taken, which of its faults strike and
// when, which operations stay, and what value which of its named choices has; all else is benign.
// Every checker is asked. What is new to the fuzzer is not new code but a new state of the
// ensemble: what all servers together are at, as a number. A schedule that violates something is
// written as a file, schedule-HASH.sched, for `vivsim replay` and `vivsim shrink`.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/hash.h"
#include "fuzz/input.h"
#include "sim/schedule.h"

namespace vivarium::sim {
namespace {

constexpr size_t kStates = 1 << 16;
// libFuzzer looks at these as it looks at the counters of code; nobody else does.
__attribute__((used, section("__libfuzzer_extra_counters"))) std::array<uint8_t, kStates> states;

constexpr Duration kTrouble = milliseconds(1000);
constexpr uint32_t kOperationsEach = 12;
constexpr size_t kEditsMax = 64;

// What a server is at, without how far it has come: that would be new at every step.
uint64_t state_of(const NodeFacts& f) {
  uint64_t h = static_cast<uint64_t>(f.role) << 8 | static_cast<uint64_t>(f.standing);
  for (const bool is : {f.established, f.leading, f.delivers, f.damaged, f.unsettled, f.busy,
                        f.last_durable < f.last_logged, f.last_applied < f.last_logged,
                        f.committed < f.last_logged, f.current_epoch < f.accepted_epoch,
                        f.current_epoch < f.epoch, f.pending_config != Zxid{}}) {
    h = h << 1 | (is ? 1U : 0U);
  }
  return mix64(h);
}

class States final : public Observer {
 public:
  explicit States(const Cluster& cluster) : cluster_(cluster) {}
  // Which server is which does not matter.
  void delivered(Simulation&, HostId, const Event&) override {
    uint64_t all = 0;
    for (ServerIndex i = 0; i < cluster_.profile().servers; ++i) {
      all += cluster_.alive(i) ? state_of(cluster_.facts(i)) : 1;
    }
    uint8_t& count = states[mix64(all) % kStates];
    if (count < UINT8_MAX) ++count;
  }

 private:
  const Cluster& cluster_;
};

// A seed as it ran, cut down to what is quick; its choices are the names that there are.
const Schedule& base_of(ProfileKind kind, uint64_t seed) {
  static std::map<std::pair<ProfileKind, uint64_t>, Schedule> bases;
  const auto known = bases.find({kind, seed});
  if (known != bases.end()) return known->second;
  Schedule base = schedule_of(seed, kind);
  base.profile.trouble = kTrouble;
  for (Fault& fault : base.faults) {
    fault.at = SimTime{fault.at.ns % kTrouble.ns};
  }
  std::erase_if(base.operations, [](const KeptOperation& o) { return o.nth >= kOperationsEach; });
  return bases.emplace(std::pair{kind, seed}, std::move(base)).first->second;
}

uint64_t number(Input& input, size_t bytes) {
  uint64_t n = 0;
  for (size_t i = 0; i < bytes; ++i) n = n << 8 | input.byte();
  return n;
}

void edit(Schedule& schedule, const Schedule& base, Input& input) {
  const uint64_t what = number(input, 1) % 6;
  const uint64_t which = number(input, 2);
  const uint64_t value = number(input, 3);
  const auto nth = [&](const auto& list) { return which % list.size(); };
  if (what == 0 && !base.faults.empty()) {
    const Fault& fault = base.faults[nth(base.faults)];
    const auto same = [&](const Fault& f) { return f.id == fault.id; };
    if (std::none_of(schedule.faults.begin(), schedule.faults.end(), same)) {
      schedule.faults.push_back(fault);
    }
  } else if (what == 1 && !schedule.faults.empty()) {
    schedule.faults[nth(schedule.faults)].at =
        SimTime{static_cast<int64_t>(value) * kTrouble.ns >> 24};
  } else if (what == 2 && !schedule.faults.empty()) {
    schedule.faults[nth(schedule.faults)].lasts = microseconds(static_cast<int64_t>(value >> 3));
  } else if (what == 3 && !schedule.faults.empty()) {
    Fault& fault = schedule.faults[nth(schedule.faults)];
    fault.target = static_cast<uint32_t>(value % base.profile.servers);
    fault.other = static_cast<uint32_t>((value >> 8) % base.profile.servers);
    if (fault.other == fault.target) fault.other = (fault.target + 1) % base.profile.servers;
    fault.power = (value >> 16 & 1) != 0;
  } else if (what == 4 && schedule.operations.size() > 1) {
    schedule.operations.erase(schedule.operations.begin() +
                              static_cast<std::ptrdiff_t>(nth(schedule.operations)));
  } else if (what == 5 && !base.choices.empty()) {
    FixedChoice choice = base.choices[nth(base.choices)];
    if ((value & 1) != 0) choice.value = value >> 1;
    schedule.choices.push_back(choice);
  }
}

Schedule schedule_from(Input& input) {
  constexpr std::array<ProfileKind, 3> kKinds{ProfileKind::Standard, ProfileKind::Swarm,
                                              ProfileKind::Beyond};
  const ProfileKind kind = kKinds[input.byte() % kKinds.size()];
  const Schedule& base = base_of(kind, uint64_t{1} + input.byte() % 32);
  Schedule schedule = base;
  schedule.faults.clear();
  schedule.choices.clear();
  schedule.violates.clear();
  for (size_t n = 0; n < kEditsMax && !input.empty(); ++n) edit(schedule, base, input);
  std::stable_sort(schedule.faults.begin(), schedule.faults.end(),
                   [](const Fault& a, const Fault& b) { return a.at < b.at; });
  return schedule;
}

void run(Input& input) {
  Schedule schedule = schedule_from(input);
  Cluster cluster = cluster_of(schedule);
  States watched(cluster);
  cluster.also_observe(&watched);
  const Outcome outcome = cluster.run();
  if (!outcome.violation) return;
  schedule.violates = outcome.violation->checker;
  const std::string text = to_text(schedule);
  const std::string name = fmt::format("schedule-{:016x}.sched", hash64(as_bytes(text)));
  std::ofstream(name) << text;
  fmt::print(stderr, "{}: {}; the schedule is in {}\n", outcome.violation->checker,
             outcome.violation->text, name);
  std::abort();
}

}  // namespace
}  // namespace vivarium::sim

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  vivarium::Input input({data, size});
  vivarium::sim::run(input);
  return 0;
}
