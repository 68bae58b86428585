#include "sim/coverage.h"

#include <fmt/format.h>

namespace vivarium::sim {
namespace {

constexpr std::array<std::string_view, kPhases> kPhaseNames{
    "recovery", "election", "discovery", "DIFF", "TRUNC", "SNAP", "broadcast"};

}  // namespace

std::string_view name_of(Phase phase) { return kPhaseNames[static_cast<size_t>(phase)]; }

void Coverage::add(const Coverage& other) {
  for_each_cell([&](FaultKind kind, Phase phase) { at(kind, phase) += other.times(kind, phase); });
}

std::string_view why_never(FaultKind kind, Phase phase) {
  if (kind > FaultKind::PacketBreak) return "swarms alone draw it";
  const bool of_leader = kind == FaultKind::LeaderPowerLoss || kind == FaultKind::LeaderKill ||
                         kind == FaultKind::LeaderCut || kind == FaultKind::LeaderPause ||
                         kind == FaultKind::LeaderDeaf || kind == FaultKind::LeaderDumb;
  if (of_leader && phase == Phase::Recovery) return "who recovers leads nobody";
  if (of_leader && phase == Phase::Election) return "who looks for a leader is none";
  return {};
}

// A learner is cut back in one synchronisation of a hundred, and is done within a millisecond;
// syncs of the log that fail elsewhere than in the places left are of what had been written before.
bool is_rare(FaultKind kind, Phase phase) {
  const bool at_packet = kind == FaultKind::PacketCrash || kind == FaultKind::PacketCut ||
                         kind == FaultKind::PacketBreak;
  if (at_packet) return phase == Phase::Recovery;
  if (phase == Phase::Trunc) return true;
  return kind == FaultKind::FailSync && phase != Phase::Recovery && phase != Phase::Broadcast;
}

std::string coverage_gaps(const Coverage& coverage) {
  std::string text;
  for_each_cell([&](FaultKind kind, Phase phase) {
    const bool fired = coverage.times(kind, phase) != 0;
    const std::string_view never = why_never(kind, phase);
    if (!fired && never.empty() && !is_rare(kind, phase)) {
      text += fmt::format("\"{}\" never struck in {}\n", name_of(kind), name_of(phase));
    } else if (fired && !never.empty()) {
      text +=
          fmt::format("\"{}\" struck in {}, although {}\n", name_of(kind), name_of(phase), never);
    }
  });
  return text;
}

std::string to_text(const Coverage& coverage) {
  std::string text = fmt::format("{:<28}", "faults by phase");
  for (const std::string_view phase : kPhaseNames) text += fmt::format("{:>10}", phase);
  for_each_cell([&](FaultKind kind, Phase phase) {
    if (phase == Phase{}) text += fmt::format("\n{:<28}", name_of(kind));
    text += fmt::format("{:>10}", coverage.times(kind, phase));
  });
  return text + "\n";
}

}  // namespace vivarium::sim
