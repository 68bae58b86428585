#include "sim/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace vivarium::sim {
namespace {

struct Row {
  FaultKind kind;
  std::string_view name;
  uint32_t weight;
  int64_t lasts_ms_min;
  int64_t lasts_ms_max;
};
constexpr std::array<Row, 20> kRows{{
    {FaultKind::PowerLoss, "power loss", 12, 10, 900},
    {FaultKind::Kill, "kill", 10, 10, 600},
    {FaultKind::PowerLossAll, "power loss of all", 4, 10, 500},
    {FaultKind::LeaderPowerLoss, "power loss of the leader", 8, 10, 900},
    {FaultKind::LeaderKill, "kill of the leader", 6, 10, 700},
    {FaultKind::LeaderCut, "leader cut off", 8, 100, 1200},
    {FaultKind::Pause, "pause", 4, 50, 900},
    {FaultKind::LeaderPause, "pause of the leader", 4, 200, 1000},
    {FaultKind::Isolate, "isolated", 6, 100, 1200},
    {FaultKind::CutPair, "cut", 6, 100, 1000},
    {FaultKind::CutOneWay, "cut one way", 4, 100, 800},
    {FaultKind::BlackHole, "black hole", 4, 100, 900},
    {FaultKind::BreakPair, "links broken", 8, 0, 0},
    {FaultKind::BreakClient, "client's links broken", 6, 0, 0},
    {FaultKind::SlowDisk, "slow disk", 4, 100, 800},
    {FaultKind::StuckDisk, "stuck disk", 4, 50, 900},
    {FaultKind::FailSync, "failing sync", 3, 10, 400},
    {FaultKind::Wipe, "wiped", 3, 10, 400},
    {FaultKind::Rot, "rot", 5, 10, 400},
    {FaultKind::ClockJump, "clock jump", 3, 0, 0},
}};

const Row& row_of(FaultKind kind) {
  return *std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return r.kind == kind; });
}

}  // namespace

std::string_view name_of(FaultKind kind) { return row_of(kind).name; }

std::string to_text(const Fault& fault) {
  return fmt::format("fault {}: at {} ms {} target {} other {} for {} ms", fault.id,
                     fault.at.ns / 1'000'000, name_of(fault.kind), fault.target + 1,
                     fault.other + 1, fault.lasts.ms());
}

std::vector<Fault> draw_faults(const Profile& profile, Choices& choices) {
  uint32_t total = 0;
  for (const Row& row : kRows) total += row.weight;
  std::vector<Fault> faults;
  for (uint32_t id = 0; id < profile.faults; ++id) {
    const auto draw = [&](uint64_t what, uint64_t n) {
      return choices.below({ChoiceKind::Fault, id, what, 0}, n);
    };
    Fault fault;
    fault.id = id;
    auto roll = static_cast<uint32_t>(draw(0, total));
    for (const Row& row : kRows) {
      fault.kind = row.kind;
      if (roll < row.weight) break;
      roll -= row.weight;
    }
    const Row& row = row_of(fault.kind);
    fault.at = SimTime{static_cast<int64_t>(draw(1, static_cast<uint64_t>(profile.trouble.ns)))};
    const auto span = static_cast<uint64_t>(row.lasts_ms_max - row.lasts_ms_min + 1);
    fault.lasts = milliseconds(row.lasts_ms_min + static_cast<int64_t>(draw(2, span)));
    fault.target = static_cast<uint32_t>(draw(3, profile.servers));
    fault.other = static_cast<uint32_t>(draw(4, profile.servers));
    if (fault.kind == FaultKind::BreakClient) {
      fault.target = static_cast<uint32_t>(draw(5, profile.clients));
    }
    if (fault.other == fault.target) fault.other = (fault.target + 1) % profile.servers;
    faults.push_back(fault);
  }
  std::stable_sort(faults.begin(), faults.end(),
                   [](const Fault& a, const Fault& b) { return a.at < b.at; });
  return faults;
}

}  // namespace vivarium::sim
