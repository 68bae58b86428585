// PageWriter: writes of a file that was filled with zeros ahead, past the page cache. The cache
// would hold each page of the log twice on its way, as zeros and as records, and nobody reads it
// there: on machines whose memory is handed out by a hypervisor, fresh pages cost more than all
// else that a write does. The disk takes whole pages only, so the last one stays here, and behind
// the records of a page its zeros are written once more.
//
// Belongs to the thread of the file's lane.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/base/bytes.h"
#include "disk/syscalls.h"

namespace vivarium {

// Memory that begins at a page.
class PageBuffer {
 public:
  static constexpr size_t kPage = 4096;

  // At least `size` bytes, whose content is lost when it grows.
  Byte* reserve(size_t size);

 private:
  struct Free {
    void operator()(Byte* bytes) const;
  };
  size_t size_ = 0;
  std::unique_ptr<Byte[], Free> bytes_;
};

class PageWriter {
 public:
  // The file has `size` bytes, of which those from `zeros_from` on are zeros.
  PageWriter(uint64_t size, uint64_t zeros_from) : size_(size), zeros_from_(zeros_from) {}

  enum class Outcome : uint8_t { Written, NotThisWay, Failed };
  // Writes `parts` one behind the other from `offset`. NotThisWay: the file system or the place
  // does not allow it, and the caller writes them as any others. Failed: errno says why.
  Outcome write(Syscalls& calls, int fd, std::span<const iovec> parts, uint64_t offset,
                PageBuffer& buffer);

 private:
  Outcome not_this_way(uint64_t end);
  bool fill(Syscalls& calls, int fd, uint64_t page, Byte* to, size_t count);

  uint64_t size_;
  uint64_t zeros_from_;
  bool off_ = false;
  uint64_t tail_at_ = UINT64_MAX;  // the page that tail_ holds
  Bytes tail_;
};

// Zeros from `offset`, a page's beginning, for `length` bytes, whole pages, past the page cache. 0,
// or the errno; EINVAL also where the file system knows no such writes.
int write_zero_pages(Syscalls& calls, int fd, uint64_t offset, uint64_t length);

}  // namespace vivarium
