// The future of a simulation: happenings in a total order of virtual time, then of insertion. A
// heap of 16-byte keys over pooled slots: nothing is allocated once the pool has grown to the run's
// width.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/check.h"
#include "core/base/time.h"

namespace vivarium::sim {

// Virtual time since the simulation began: the true time, which no host's clock shows exactly.
struct SimTime {
  int64_t ns = 0;
  constexpr auto operator<=>(const SimTime&) const = default;
  constexpr SimTime operator+(Duration d) const { return {ns + d.ns}; }
  constexpr SimTime operator-(Duration d) const { return {ns - d.ns}; }
  constexpr Duration operator-(SimTime other) const { return {ns - other.ns}; }
  static constexpr SimTime never() { return {INT64_MAX}; }
};

// A simulated machine, in the order of Simulation::add_host.
struct HostId {
  uint32_t value = 0;
  constexpr auto operator<=>(const HostId&) const = default;
};
inline constexpr HostId kNoHost{UINT32_MAX};

enum class Happens : uint8_t {
  // For the owner of the simulation: a = token.
  Alarm,
  // For a host's process. generation = life.
  Start,
  Timer,
  TurnEnd,
  Signal,
  // For a link. slot, generation = connection; a = direction or end, b = position.
  Syn,
  Accepted,
  Up,
  Arrive,
  Fin,
  Deliver,
  WindowOpen,
  Drained,
  Reset,
  Down,
  // For an open file. slot, generation = file handle; a = token or size, b = what is covered.
  FileOpened,
  FileFailed,
  Preallocated,
  Synced,
  SyncFailed,
  ReadDone,
  // For a directory. slot = Dir, generation = life; a = token, b = what is covered.
  DirSynced,
  DirListed,
  DirFailed
};

struct Happening {
  Happens kind{};
  HostId host = kNoHost;  // to whom it will be told
  uint32_t slot = 0;
  uint32_t generation = 0;
  uint64_t a = 0;
  uint64_t b = 0;
};

class EventQueue {
 public:
  void push(SimTime at, const Happening& happening);
  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  // Not empty.
  SimTime next_time() const { return {heap_.front().time}; }
  const Happening& next() const { return pool_[slot_of(heap_.front())]; }
  Happening pop();

  // --- out of turn, for whoever tries other orders. Pending happenings are named by their order of
  // insertion.
  struct Pending {
    SimTime due;
    uint64_t order;
    Happening what;
  };
  // In the order of insertion.
  std::vector<Pending> pending() const;
  // CHECKed: it is pending.
  Pending take(uint64_t order);
  // What was due before `time` is due then, in the order of insertion.
  void postpone(SimTime time);

 private:
  static constexpr uint64_t kSlotBits = 20;
  struct Key {
    int64_t time;
    uint64_t order;  // sequence, then pool slot in the low bits
    bool operator<(const Key& o) const { return time != o.time ? time < o.time : order < o.order; }
  };
  static uint32_t slot_of(const Key& key) {
    return static_cast<uint32_t>(key.order & ((uint64_t{1} << kSlotBits) - 1));
  }
  void sift_down(Key key);

  std::vector<Key> heap_;  // 4-ary
  std::vector<Happening> pool_;
  std::vector<uint32_t> free_;
  uint64_t sequence_ = 0;
};

}  // namespace vivarium::sim
