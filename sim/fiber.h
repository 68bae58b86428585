// Fiber: a script that waits, on a stack of its own with a guard page below it. For hand-written
// scenarios and other straight-line scripts; never for what is simulated, because a fiber can be
// neither copied nor hashed. Whoever owns it resumes it; the script gives control back with wait().
// A fiber ends by coming to the end of its script: to end one early, fail() its pending wait and
// let it run out. Its stack is never destroyed while something lives on it.
//
// Scripts throw nothing beyond themselves, and do not wait inside a catch block.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace vivarium::sim {

class Fiber {
 public:
  explicit Fiber(std::function<void()> script);
  // done(), or never resumed.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // --- outside. Runs the script until it waits or is over; not when done().
  void resume();
  bool done() const;
  // The pending wait, and every later one, returns false. Then resumes; the script is expected to
  // come to its end, which is CHECKed.
  void fail();

  // --- inside.
  static Fiber* current();  // null outside of all scripts
  // Back to whoever resumed. True when resumed again, false when the script is to end.
  [[nodiscard]] bool wait();

 private:
  struct Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace vivarium::sim
