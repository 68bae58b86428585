#include "sim/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "sim/schedule_words.h"
#include "sim/seed_range.h"

namespace vivarium::sim {
namespace {

constexpr uint32_t kBeyondTimes = 12;       // as often damage that may be too much is drawn
constexpr uint64_t kFaultIdsMax = 1 << 20;  // alarms carry what is due above them

struct Row {
  FaultKind kind;
  std::string_view name;
  uint32_t weight;
  int64_t lasts_ms_min;
  int64_t lasts_ms_max;
};
constexpr std::array<Row, 38> kRows{{
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
    {FaultKind::ClockLeap, "clock leap", 2, 0, 0},
    {FaultKind::ClockDrift, "clock drift", 4, 0, 0},
    {FaultKind::SlowLinks, "slow links", 5, 300, 2500},
    {FaultKind::LeaderDeaf, "leader hears nobody", 4, 100, 1200},
    {FaultKind::LeaderDumb, "nobody hears the leader", 3, 100, 1200},
    {FaultKind::SlowFollowers, "slow disks of the followers", 6, 200, 2000},
    {FaultKind::StuckRestart, "restart among stuck disks", 8, 80, 380},
    {FaultKind::DiesAtDisk, "dies at a file operation", 8, 10, 600},
    {FaultKind::PacketCrash, "crash at a packet", 24, 10, 900},
    {FaultKind::PacketCut, "cut at a packet", 14, 100, 1200},
    {FaultKind::PacketBreak, "link broken at a packet", 6, 0, 0},
    {FaultKind::FullDisk, "full disk", 5, 50, 2000},
    {FaultKind::FailingOp, "failing operation", 8, 0, 0},
    {FaultKind::OldImage, "old image", 6, 5, 600},
    {FaultKind::TruncTrouble, "trouble at a truncation", 6, 10, 400},
    {FaultKind::TornWrite, "power loss at a write of the log", 20, 10, 400},
    {FaultKind::RestartUnheard, "restart without the leader", 10, 200, 1500},
    {FaultKind::Replaced, "replaced by one of the other kind", 40, 10, 600},
}};

static_assert(kStandardFaults ==
              (uint64_t{1} << (static_cast<int>(FaultKind::PacketBreak) + 1)) - 1);
static_assert(kFaultKindsDrawn + 1 == kRows.size());

const Row& row_of(FaultKind kind) {
  return *std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return r.kind == kind; });
}

struct PacketRow {
  PacketType type;
  std::string_view name;
  uint32_t weight;
};
constexpr std::array<PacketRow, 10> kPackets{{
    {PacketType::Proposal, "PROPOSAL", 8},
    {PacketType::LeaderInfo, "LEADERINFO", 3},
    {PacketType::AckEpoch, "ACKEPOCH", 3},
    {PacketType::NewLeader, "NEWLEADER", 4},
    {PacketType::Ack, "ACK", 4},
    {PacketType::UpToDate, "UPTODATE", 4},
    {PacketType::Commit, "COMMIT", 2},
    {PacketType::Snap, "SNAP", 2},
    {PacketType::Trunc, "TRUNC", 2},
    {PacketType::Diff, "DIFF", 2},
}};

std::string_view name_of(PacketType type) {
  const auto row =
      std::find_if(kPackets.begin(), kPackets.end(), [&](const auto& r) { return r.type == type; });
  return row == kPackets.end() ? "?" : row->name;
}

std::string_view name_of(Struck struck) {
  switch (struck) {
    case Struck::Leader:
      return "its leader";
    case Struck::Learner:
      return "its learner";
    case Struck::Both:
      return "both";
    case Struck::All:
      return "all";
    case Struck::AllButLearner:
      return "all but its learner";
  }
  return "?";
}

bool set_name(Fault& fault, const std::string& key, const std::string& value) {
  if (key == "packet") {
    const auto row = std::find_if(kPackets.begin(), kPackets.end(),
                                  [&](const PacketRow& r) { return r.name == value; });
    if (row == kPackets.end()) return false;
    fault.packet = row->type;
    return true;
  }
  if (key == "power") {
    fault.power = value == "yes";
    return fault.power || value == "no";
  }
  for (uint8_t i = 0; key == "struck" && i < 5; ++i) {
    fault.struck = static_cast<Struck>(i);
    if (word_of(name_of(fault.struck)) == value) return true;
  }
  return false;
}

bool set_field(Fault& fault, const std::string& key, const std::string& value) {
  if (key == "at" || key == "lasts" || key == "after") {
    const std::optional<int64_t> ns = parse_milliseconds(value);
    if (!ns) return false;
    (key == "at" ? fault.at.ns : key == "lasts" ? fault.lasts.ns : fault.after.ns) = *ns;
    return true;
  }
  if (key == "target" || key == "other" || key == "count") {
    const std::optional<uint64_t> number = parse_number(value);
    if (!number || *number == 0 || *number > UINT32_MAX) return false;
    const auto n = static_cast<uint32_t>(*number);
    (key == "target"  ? fault.target
     : key == "other" ? fault.other
                      : fault.count) = key == "count" ? n : n - 1;
    return true;
  }
  return set_name(fault, key, value);
}

uint32_t victim(const Profile& profile, uint64_t draw) {
  auto nth = draw % static_cast<uint64_t>(std::popcount(profile.victims));
  uint32_t server = 0;
  while ((profile.victims >> server & 1) == 0 || nth-- > 0) ++server;
  return server;
}

// It befalls its target, and others only so far as they have to do with it.
bool has_one_target(FaultKind kind) {
  constexpr FaultKind kOthers[] = {
      FaultKind::PowerLossAll, FaultKind::LeaderPowerLoss, FaultKind::LeaderKill,
      FaultKind::LeaderCut,    FaultKind::LeaderPause,     FaultKind::LeaderDeaf,
      FaultKind::LeaderDumb,   FaultKind::SlowFollowers,   FaultKind::StuckRestart,
      FaultKind::PacketCrash,  FaultKind::PacketCut,       FaultKind::PacketBreak,
      FaultKind::TruncTrouble};
  return std::find(std::begin(kOthers), std::end(kOthers), kind) == std::end(kOthers);
}

template <class Draw>
void draw_details(Fault& fault, Draw&& draw) {
  if (fault.kind == FaultKind::SlowFollowers) {
    fault.count = static_cast<uint32_t>(20 + draw(6, 300));
  }
  if (fault.kind == FaultKind::StuckRestart) {
    fault.after = milliseconds(static_cast<int64_t>(1 + draw(11, 60)));
  }
  if (fault.kind == FaultKind::FullDisk) fault.count = static_cast<uint32_t>(1 + draw(6, 1200));
  if (fault.kind == FaultKind::FailingOp) {
    fault.count = static_cast<uint32_t>(1 + draw(6, kFailingOps.size()));
  }
  if (fault.kind == FaultKind::DiesAtDisk) fault.count = static_cast<uint32_t>(1 + draw(6, 40));
  fault.power = draw(7, 3) != 0;
  if (fault.kind == FaultKind::TruncTrouble) {
    fault.packet = PacketType::Trunc;
    fault.struck = Struck::Learner;
    fault.count = static_cast<uint32_t>(1 + draw(6, kTruncDeathsMax + kTruncOps.size()));
    return;
  }
  if (!fault.waits_for_packet()) return;
  uint32_t total = 0;
  for (const PacketRow& row : kPackets) total += row.weight;
  auto roll = static_cast<uint32_t>(draw(8, total));
  for (const PacketRow& row : kPackets) {
    fault.packet = row.type;
    if (roll < row.weight) break;
    roll -= row.weight;
  }
  fault.struck = static_cast<Struck>(draw(9, 5));
  // Most strike before the next packet can have come back.
  const uint64_t longest = draw(10, 3) == 0 ? 8000 : 500;
  fault.after = microseconds(static_cast<int64_t>(draw(11, longest)));
}

}  // namespace

std::string_view name_of(FaultKind kind) { return row_of(kind).name; }

std::string to_text(const Fault& fault) {
  std::string details;
  if (fault.waits_for_packet()) {
    details = fmt::format(" ({}, {}, {} after {} us)", name_of(fault.packet), name_of(fault.struck),
                          fault.power ? "power" : "kill", fault.after.ns / 1000);
  } else if (fault.count != 0) {
    details = fmt::format(" ({})", fault.count);
  }
  return fmt::format("fault {}: at {} ms {}{} target {} other {} for {} ms", fault.id,
                     fault.at.ns / 1'000'000, name_of(fault.kind), details, fault.target + 1,
                     fault.other + 1, fault.lasts.ms());
}

std::string to_line(const Fault& fault) {
  std::string line = fmt::format("{} {} at={}", fault.id, word_of(name_of(fault.kind)),
                                 milliseconds_text(fault.at.ns));
  const auto add = [&](std::string_view key, const std::string& value) {
    line += fmt::format(" {}={}", key, value);
  };
  if (fault.lasts.ns != 0) add("lasts", milliseconds_text(fault.lasts.ns));
  add("target", std::to_string(fault.target + 1));
  add("other", std::to_string(fault.other + 1));
  if (fault.waits_for_packet()) {
    add("packet", std::string(name_of(fault.packet)));
    add("struck", word_of(name_of(fault.struck)));
  }
  if (fault.after.ns != 0) add("after", milliseconds_text(fault.after.ns));
  if (fault.count != 0) add("count", std::to_string(fault.count));
  add("power", fault.power ? "yes" : "no");
  return line;
}

std::optional<Fault> parse_fault(const std::vector<std::string>& words) {
  if (words.size() < 3) return std::nullopt;
  Fault fault;
  const std::optional<uint64_t> id = parse_number(words[0]);
  const auto row = std::find_if(kRows.begin(), kRows.end(),
                                [&](const Row& r) { return word_of(r.name) == words[1]; });
  if (!id || *id >= kFaultIdsMax || row == kRows.end()) return std::nullopt;
  fault.id = static_cast<uint32_t>(*id);
  fault.kind = row->kind;
  for (size_t i = 2; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    if (equals == std::string::npos) return std::nullopt;
    if (!set_field(fault, words[i].substr(0, equals), words[i].substr(equals + 1))) {
      return std::nullopt;
    }
  }
  return fault;
}

std::vector<Fault> draw_faults(const Profile& profile, Choices& choices) {
  const auto weight = [&](const Row& row) {
    const auto bit = static_cast<uint64_t>(row.kind);
    const bool damages = row.kind == FaultKind::Wipe || row.kind == FaultKind::Rot;
    const uint32_t times = profile.beyond && damages ? kBeyondTimes : 1;
    if (profile.victims != 0 && !has_one_target(row.kind)) return 0U;
    return (profile.fault_kinds >> bit & 1) != 0 ? times * row.weight : 0;
  };
  uint32_t total = 0;
  for (const Row& row : kRows) total += weight(row);
  std::vector<Fault> faults;
  if (total == 0) return faults;
  for (uint32_t id = 0; id < profile.faults; ++id) {
    const auto draw = [&](uint64_t what, uint64_t n) {
      return choices.below({ChoiceKind::Fault, id, what, 0}, n);
    };
    Fault fault;
    fault.id = id;
    auto roll = static_cast<uint32_t>(draw(0, total));
    for (const Row& row : kRows) {
      fault.kind = row.kind;
      if (roll < weight(row)) break;
      roll -= weight(row);
    }
    const Row& row = row_of(fault.kind);
    fault.at = SimTime{static_cast<int64_t>(draw(1, static_cast<uint64_t>(profile.trouble.ns)))};
    const auto span = static_cast<uint64_t>(row.lasts_ms_max - row.lasts_ms_min + 1);
    fault.lasts = milliseconds(row.lasts_ms_min + static_cast<int64_t>(draw(2, span)));
    fault.target = static_cast<uint32_t>(draw(3, profile.servers));
    if (profile.victims != 0) fault.target = victim(profile, draw(3, 1 << 16));
    fault.other = static_cast<uint32_t>(draw(4, profile.servers));
    if (fault.kind == FaultKind::BreakClient) {
      fault.target = static_cast<uint32_t>(draw(5, profile.clients));
    }
    if (fault.other == fault.target) fault.other = (fault.target + 1) % profile.servers;
    draw_details(fault, draw);
    faults.push_back(fault);
  }
  std::stable_sort(faults.begin(), faults.end(),
                   [](const Fault& a, const Fault& b) { return a.at < b.at; });
  return faults;
}

}  // namespace vivarium::sim
