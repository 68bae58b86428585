// SimStranger: somebody who should not be there, as a value with a step, like Node. Connects to one
// server after the other on every door, as a client, a peer or nobody at all, and sends what no
// program would: nothing, half a message, lengths that cannot be, a message with one byte changed,
// noise, or requests whose answers it never takes. It never speaks under the id of a member, which
// nothing but TLS could forbid (docs/decisions.md, 22). No server may mind.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/event.h"
#include "core/world.h"
#include "sim/choices.h"

namespace vivarium::sim {

struct StrangerOptions {
  uint32_t servers = 1;
  uint32_t visits = 40;
  Duration pause = milliseconds(60);  // between two of them
};

class SimStranger {
 public:
  explicit SimStranger(const StrangerOptions& options) : options_(options) {}
  void step(const Event& event, World& world, Choices& choices);
  uint32_t visits() const { return visits_; }

 private:
  void visit(World& world, Choices& choices);
  void leave(World& world, bool close_link);
  uint64_t draw(Choices& choices, uint64_t what, uint64_t n) const;

  StrangerOptions options_;
  uint32_t visits_ = 0;
  LinkId link_;
  Bytes unsent_;                      // when the link is up
  Instant next_ = Instant::never();   // visit
  Instant leave_ = Instant::never();  // with the present one
};

}  // namespace vivarium::sim
