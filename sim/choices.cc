#include "sim/choices.h"

#include <fmt/format.h>

#include <algorithm>

namespace vivarium::sim {

std::string_view name_of(ChoiceKind kind) {
  switch (kind) {
    case ChoiceKind::Random:
      return "random";
    case ChoiceKind::ClockZero:
      return "clock-zero";
    case ChoiceKind::TurnLength:
      return "turn-length";
    case ChoiceKind::ConnectDelay:
      return "connect-delay";
    case ChoiceKind::PacketDelay:
      return "packet-delay";
    case ChoiceKind::PacketSplit:
      return "packet-split";
    case ChoiceKind::PacketCut:
      return "packet-cut";
    case ChoiceKind::WindowDelay:
      return "window-delay";
    case ChoiceKind::LinkEnd:
      return "link-end";
    case ChoiceKind::LinkEndDelay:
      return "link-end-delay";
    case ChoiceKind::LinkEndCut:
      return "link-end-cut";
    case ChoiceKind::OpenDelay:
      return "open-delay";
    case ChoiceKind::SyncDelay:
      return "sync-delay";
    case ChoiceKind::ReadDelay:
      return "read-delay";
    case ChoiceKind::NameDelay:
      return "name-delay";
    case ChoiceKind::FailedSync:
      return "failed-sync";
    case ChoiceKind::KillProgress:
      return "kill-progress";
    case ChoiceKind::CrashMode:
      return "crash-mode";
    case ChoiceKind::CrashKeep:
      return "crash-keep";
    case ChoiceKind::Fault:
      return "fault";
    case ChoiceKind::Workload:
      return "workload";
    case ChoiceKind::Topology:
      return "topology";
  }
  return "unknown";
}

std::string to_text(const Choice& choice) {
  return fmt::format("{}({:x},{:x},{})", name_of(choice.kind), choice.subject, choice.detail,
                     choice.nth);
}

bool is_frame(const Choice& choice) {
  if (choice.kind == ChoiceKind::Topology || choice.kind == ChoiceKind::Fault) return true;
  if (choice.kind != ChoiceKind::Workload) return false;
  return choice.subject >= kClientSubjects || choice.nth < kServerChoice;
}

uint64_t Choices::draw_delay(const Choice& choice, const Delay& delay) const {
  const uint64_t bits = draw(choice);
  uint64_t ns = static_cast<uint64_t>(delay.base.ns);
  if (delay.spread.ns > 0) ns += scale(bits, static_cast<uint64_t>(delay.spread.ns));
  // The low bits decide the tail; the high ones were used above.
  if (delay.tail_per_1024 != 0 && (bits & 1023) < delay.tail_per_1024) {
    ns += scale(mix64(bits), static_cast<uint64_t>(delay.tail.ns));
  }
  return ns;
}

uint64_t Choices::decide_slowly(const Choice& choice, uint64_t drawn, uint64_t benign,
                                uint64_t most) {
  if (is_frame(choice)) return drawn;
  uint64_t value = benign_ ? benign : drawn;
  if (const auto fixed = fixed_.find(choice); fixed != fixed_.end()) {
    value = std::min(fixed->second.value, most);
    fixed->second.matched = true;
  }
  if (recording_ && value != benign) recorded_.push_back({choice, value, benign});
  return value;
}

}  // namespace vivarium::sim
