#include "sim/junk.h"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "core/base/check.h"

namespace vivarium::sim {
namespace {

constexpr int kNone = -1;

thread_local int junk_fill = kNone;
thread_local size_t junk_more = 0;

void* allocate(size_t size) {
  if (junk_fill == kNone) [[likely]]
    return std::malloc(size == 0 ? 1 : size);
  const size_t whole = size + junk_more + 1;
  void* const block = std::malloc(whole);
  if (block != nullptr) std::memset(block, junk_fill, whole);
  return block;
}

void release(void* block) {
  if (junk_fill != kNone && block != nullptr) {
    std::memset(block, junk_fill, malloc_usable_size(block));
    // The compiler may take a write to what is freed for a write to nothing.
    __asm__ volatile("" : : "r"(block) : "memory");
  }
  std::free(block);
}

}  // namespace

Junk::Junk(uint8_t fill, size_t more) {
  CHECK(junk_fill == kNone);
  junk_fill = fill;
  junk_more = more;
}

Junk::~Junk() { junk_fill = kNone; }

[[gnu::noinline]] void paint_stack(uint8_t fill, size_t bytes) {
  void* const below = __builtin_alloca(bytes);
  std::memset(below, fill, bytes);
  __asm__ volatile("" : : "r"(below) : "memory");
}

}  // namespace vivarium::sim

// As the standard has them.
void* operator new(size_t size) {
  void* const block = vivarium::sim::allocate(size);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return vivarium::sim::allocate(size);
}
void operator delete(void* block) noexcept { vivarium::sim::release(block); }
void operator delete(void* block, size_t) noexcept { vivarium::sim::release(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { vivarium::sim::release(block); }
