// CHECK: an invariant of our own code, on in every build. Bytes from a peer, a client or a disk
// never reach one: they decode to a Result (result.h) first.
#pragma once

namespace vivarium {

[[noreturn]] void check_failed(const char* file, int line, const char* what);

}  // namespace vivarium

#define CHECK(condition)                                        \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::vivarium::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)
