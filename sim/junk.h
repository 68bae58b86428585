// Junk where nothing should look: what a program that reads memory it has not written takes for
// data. For runs that are done twice.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vivarium::sim {

// While it lives, whatever this thread gets by new and whatever it deletes is filled with `fill`,
// and every block has `more` bytes than were asked for, so that blocks lie elsewhere. A program in
// which this is linked has its operators new and delete from junk.cc. One at a time in a thread.
class Junk {
 public:
  Junk(uint8_t fill, size_t more);
  Junk(const Junk&) = delete;
  Junk& operator=(const Junk&) = delete;
  ~Junk();
};

// What is called next finds its part of the stack filled.
void paint_stack(uint8_t fill, size_t bytes);

}  // namespace vivarium::sim
