// The clocks of one host: a monotonic one that drifts and can leap forward, and a wall clock that
// is off and can be set either way. Pure functions of virtual time between changes.
#pragma once

#include <cstdint>

#include "core/base/check.h"
#include "core/base/time.h"
#include "sim/event_queue.h"

namespace vivarium::sim {

inline constexpr int64_t kMillion = 1'000'000;

class SimClock {
 public:
  // Drift in parts per million of true time, above -kMillion; wall: what it shows at time zero.
  SimClock() = default;
  SimClock(WallTime wall, int64_t drift_ppm) : wall_ns_(wall.ms * kMillion), drift_ppm_(drift_ppm) {
    CHECK(drift_ppm > -kMillion);
  }

  Instant monotonic(SimTime now) const { return {mono_ns_ + elapsed(now)}; }
  WallTime wall(SimTime now) const { return {(wall_ns_ + elapsed(now)) / kMillion}; }
  // The first moment, not before `now`, at which monotonic() >= at.
  SimTime when(Instant at, SimTime now) const {
    if (at == Instant::never()) return SimTime::never();
    if (at <= monotonic(now)) return now;
    const int64_t local = at.ns - mono_ns_;
    if (drift_ppm_ == 0) return {since_.ns + local};
    const int64_t rate = kMillion + drift_ppm_;
    // local * million / rate without leaving 64 bits: whole parts and the rest.
    int64_t true_ns = local / rate * kMillion + local % rate * kMillion / rate;
    while (elapsed({since_.ns + true_ns}) < local) ++true_ns;
    while (elapsed({since_.ns + true_ns - 1}) >= local) --true_ns;
    return {since_.ns + true_ns};
  }

  void set_drift(SimTime now, int64_t drift_ppm) {
    CHECK(drift_ppm > -kMillion);
    rebase(now);
    drift_ppm_ = drift_ppm;
  }
  void jump_wall(Duration by) { wall_ns_ += by.ns; }
  void jump_monotonic(Duration forward) {
    CHECK(forward.ns >= 0);
    mono_ns_ += forward.ns;
  }
  // A new life's monotonic clock shows `zero` now.
  void restart(SimTime now, Instant zero) {
    rebase(now);
    mono_ns_ = zero.ns;
  }

 private:
  int64_t elapsed(SimTime now) const {
    const int64_t dt = now.ns - since_.ns;
    if (drift_ppm_ == 0) return dt;
    return dt + dt / kMillion * drift_ppm_ + dt % kMillion * drift_ppm_ / kMillion;
  }
  void rebase(SimTime now) {
    const int64_t gone = elapsed(now);
    mono_ns_ += gone;
    wall_ns_ += gone;
    since_ = now;
  }

  SimTime since_;
  int64_t mono_ns_ = 0;
  int64_t wall_ns_ = 0;
  int64_t drift_ppm_ = 0;
};

}  // namespace vivarium::sim
