// Writes all of several parts, however little a system call takes.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "disk/syscalls.h"

namespace vivarium {

// The parts one behind the other from `offset`; they are used up. 0, or the errno that stopped it.
int write_parts(Syscalls& calls, int fd, std::vector<iovec>& parts, uint64_t offset);

}  // namespace vivarium
