// Choices by name. Everything that chance decides in a simulation is a pure function of the seed
// and of what the choice is about (a link and its n-th packet, a file and an offset, a fault),
// never of a shared stream: one event more does not shift the others. Each choice has a benign
// value, the one that a run without trouble would take, so that a schedule is the list of choices
// that differ from it.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/time.h"

namespace vivarium::sim {

enum class ChoiceKind : uint8_t {
  Random,        // World::random(): host, life, n-th
  ClockZero,     // where a life's monotonic clock begins: host, life
  TurnLength,    // how long a turn collects events: host, life, n-th turn
  ConnectDelay,  // link, direction
  PacketDelay,   // link, direction, n-th packet
  PacketSplit,   // link, direction, n-th departure
  PacketCut,     // where the split is, as a share: link, direction, n-th packet
  WindowDelay,   // link, direction, n-th time
  LinkEnd,       // how a closed or broken link ends: link, end, what ended it
  LinkEndDelay,  // when an end notices
  LinkEndCut,    // how much of what was in flight still arrives
  OpenDelay,     // host, life and file's role; open or preallocation; n-th
  SyncDelay,     // host, life and file's role, n-th sync
  ReadDelay,     // host, life and file's role; n-th file, offset
  NameDelay,     // sync or listing of a directory: host and life, directory, n-th
  FailedSync,    // whether the dirty data of a failed sync is forgotten: as SyncDelay
  KillProgress,  // how far a killed process's disk thread had come: host and life, file
  CrashMode,     // how unsynced operations of a file or directory survive: host and life, file
  CrashKeep,     // one operation or sector of it
  Fault,         // the fault layer's: fault id, detail
  Workload,      // the workload's: client, operation
  Topology       // the swarm's: what
};
std::string_view name_of(ChoiceKind kind);

// What a choice is about. The three numbers are small ordinals where possible, so that a name can
// be read; their meaning is with the kind.
struct Choice {
  ChoiceKind kind{};
  uint64_t subject = 0;
  uint64_t detail = 0;
  uint64_t nth = 0;
  constexpr auto operator<=>(const Choice&) const = default;
};
std::string to_text(const Choice& choice);
// Part of a schedule's frame, which is the seed's: topology, the details of faults and operations,
// what an operator asks. How a client goes about its operations is not.
bool is_frame(const Choice& choice);

// How a client goes about its operations: Workload choices, with the client as subject.
enum ClientChoice : uint64_t { kServerChoice = 1000, kPauseChoice, kMoveChoice, kLieChoice };
inline constexpr uint64_t kClientSubjects = 1000;  // above them are other people's

// base + [0, spread), and with chance tail_per_1024 another [0, tail). Benign is base.
struct Delay {
  Duration base;
  Duration spread;
  uint32_t tail_per_1024 = 0;
  Duration tail;
  constexpr bool operator==(const Delay&) const = default;
};

struct MadeChoice {
  Choice choice;
  uint64_t value = 0;
  uint64_t benign = 0;
};

class Choices {
 public:
  explicit Choices(uint64_t seed) : seed_(seed) {}

  uint64_t seed() const { return seed_; }

  // 64 bits; the same for the same seed and name, whatever was drawn before. Not part of schedules.
  uint64_t draw(const Choice& choice) const {
    uint64_t h = hash_combine(seed_, static_cast<uint64_t>(choice.kind));
    h = hash_combine(h, choice.subject);
    h = hash_combine(h, choice.detail);
    return hash_combine(h, choice.nth);
  }
  // Uniform in [0, n); n > 0.
  uint64_t below(const Choice& choice, uint64_t n, uint64_t benign = 0) {
    CHECK(n > 0);
    return decide(choice, scale(draw(choice), n), benign, n - 1);
  }
  bool chance(const Choice& choice, uint32_t numerator, uint32_t denominator) {
    if (numerator == 0) return false;
    return decide(choice, scale(draw(choice), denominator) < numerator ? 1 : 0, 0, 1) != 0;
  }
  Duration delay(const Choice& choice, const Delay& delay) {
    const uint64_t drawn = draw_delay(choice, delay);
    return {static_cast<int64_t>(
        decide(choice, drawn, static_cast<uint64_t>(delay.base.ns), kLongestDelay))};
  }

  // --- schedules: benign takes every choice that is not fixed as benign; a fixed choice has its
  // value, or the largest that is possible when it is asked. What belongs to the frame (is_frame)
  // is drawn all the same.
  void set_benign(bool on) {
    benign_ = on;
    update_plain();
  }
  void fix(const Choice& choice, uint64_t value) {
    fixed_[choice] = {value, false};
    update_plain();
  }
  // Whether a fixed choice was asked for.
  bool matched(const Choice& choice) const {
    const auto fixed = fixed_.find(choice);
    return fixed != fixed_.end() && fixed->second.matched;
  }
  // Keeps every choice that differs from its benign value, in the order made.
  void record(bool on) {
    recording_ = on;
    update_plain();
  }
  const std::vector<MadeChoice>& recorded() const { return recorded_; }

 private:
  static constexpr uint64_t kLongestDelay = uint64_t{1} << 40;  // ns
  static uint64_t scale(uint64_t bits, uint64_t n) {
    return n <= UINT32_MAX ? ((bits >> 32) * n) >> 32 : bits % n;
  }
  uint64_t draw_delay(const Choice& choice, const Delay& delay) const;
  uint64_t decide(const Choice& choice, uint64_t drawn, uint64_t benign, uint64_t most) {
    if (plain_) [[likely]]
      return drawn;
    return decide_slowly(choice, drawn, benign, most);
  }
  uint64_t decide_slowly(const Choice& choice, uint64_t drawn, uint64_t benign, uint64_t most);
  void update_plain() { plain_ = !benign_ && !recording_ && fixed_.empty(); }

  uint64_t seed_;
  bool plain_ = true;
  bool benign_ = false;
  bool recording_ = false;
  struct Fixed {
    uint64_t value = 0;
    bool matched = false;
  };
  std::map<Choice, Fixed> fixed_;
  std::vector<MadeChoice> recorded_;
};

}  // namespace vivarium::sim
