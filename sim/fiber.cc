#include "sim/fiber.h"

#include <boost/context/detail/fcontext.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <utility>

#include "core/base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define VIVARIUM_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define VIVARIUM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VIVARIUM_ASAN 1
#elif __has_feature(thread_sanitizer)
#define VIVARIUM_TSAN 1
#endif
#endif
#ifdef VIVARIUM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef VIVARIUM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace vivarium::sim {
namespace {

// The plain context switch, and not boost::context::fiber: that one unwinds a suspended stack when
// it is destroyed, and its own frames come between the sanitizers' hooks and the switch.
using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

constexpr size_t kStackBytes = 512 << 10;

thread_local Fiber* running = nullptr;

// One side of a switch, as the sanitizers know it.
struct Side {
  fcontext_t context = nullptr;
  const void* stack_bottom = nullptr;
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;    // AddressSanitizer's, while the side is not running
  void* thread_state = nullptr;  // ThreadSanitizer's
};

// Control leaves `from`, for good when `last`, and goes to `to`. Returns what comes back.
inline transfer_t switch_sides(Side& from [[maybe_unused]], Side& to, void* data,
                               [[maybe_unused]] bool last) {
#ifdef VIVARIUM_ASAN
  __sanitizer_start_switch_fiber(last ? nullptr : &from.fake_stack, to.stack_bottom,
                                 to.stack_bytes);
#endif
#ifdef VIVARIUM_TSAN
  __tsan_switch_to_fiber(to.thread_state, 0);
#endif
  const transfer_t back = jump_fcontext(to.context, data);
#ifdef VIVARIUM_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack, &to.stack_bottom, &to.stack_bytes);
#endif
  to.context = back.fctx;
  return back;
}

}  // namespace

struct Fiber::Machine {
  std::function<void()> script;
  boost::context::protected_fixedsize_stack allocator{kStackBytes};
  boost::context::stack_context stack;
  Side inside;
  Side outside;
  Fiber* before = nullptr;  // whose script resumed this one
  bool started = false;
  bool done = false;
  bool failed = false;

  static void enter(transfer_t from) {
    auto* self = static_cast<Machine*>(from.data);
#ifdef VIVARIUM_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &self->outside.stack_bottom,
                                    &self->outside.stack_bytes);
#endif
    self->outside.context = from.fctx;
    self->run();
    self->done = true;
    switch_sides(self->inside, self->outside, nullptr, true);
    CHECK(false && "a script that is over was resumed");
  }
  // Nothing may leave the stack by throwing: noexcept makes that the end of the program.
  void run() noexcept {
    script();
    script = nullptr;
  }
};

Fiber::Fiber(std::function<void()> script) : machine_(std::make_unique<Machine>()) {
  Machine& m = *machine_;
  m.script = std::move(script);
  m.stack = m.allocator.allocate();
  m.inside.context = make_fcontext(m.stack.sp, m.stack.size, &Machine::enter);
  m.inside.stack_bottom = static_cast<char*>(m.stack.sp) - m.stack.size;
  m.inside.stack_bytes = m.stack.size;
#ifdef VIVARIUM_TSAN
  m.inside.thread_state = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  Machine& m = *machine_;
  CHECK(m.done || !m.started);
#ifdef VIVARIUM_TSAN
  __tsan_destroy_fiber(m.inside.thread_state);
#endif
  m.allocator.deallocate(m.stack);
}

Fiber* Fiber::current() { return running; }

bool Fiber::done() const { return machine_->done; }

void Fiber::resume() {
  Machine& m = *machine_;
  CHECK(!m.done && running != this);
  m.started = true;
  m.before = std::exchange(running, this);
#ifdef VIVARIUM_TSAN
  m.outside.thread_state = __tsan_get_current_fiber();
#endif
  switch_sides(m.outside, m.inside, &m, false);
  running = m.before;
}

void Fiber::fail() {
  Machine& m = *machine_;
  if (m.done || !m.started) return;
  m.failed = true;
  resume();
  CHECK(m.done);
}

bool Fiber::wait() {
  Machine& m = *machine_;
  CHECK(running == this);
  if (m.failed) return false;
  switch_sides(m.inside, m.outside, nullptr, false);
  return !m.failed;
}

}  // namespace vivarium::sim
