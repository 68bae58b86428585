#include "disk/write_parts.h"

#include <algorithm>
#include <cerrno>
#include <climits>

#include "core/base/bytes.h"

namespace vivarium {

constexpr size_t kPartsMax = IOV_MAX;

int write_parts(Syscalls& calls, int fd, std::vector<iovec>& parts, uint64_t offset) {
  size_t first = 0;
  while (first < parts.size()) {
    const size_t count = std::min(parts.size() - first, kPartsMax);
    const ssize_t written = calls.pwritev(fd, parts.data() + first, static_cast<int>(count),
                                          static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return ENOSPC;
    offset += static_cast<uint64_t>(written);
    size_t left = static_cast<size_t>(written);
    while (left != 0) {
      iovec& part = parts[first];
      const size_t taken = std::min(left, part.iov_len);
      part.iov_base = static_cast<Byte*>(part.iov_base) + taken;
      part.iov_len -= taken;
      left -= taken;
      if (part.iov_len == 0) ++first;
    }
  }
  return 0;
}

}  // namespace vivarium
