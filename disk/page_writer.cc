#include "disk/page_writer.h"

#include <fcntl.h>
#include <limits.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "core/base/check.h"
#include "disk/write_parts.h"

namespace vivarium {
namespace {

constexpr uint64_t kPage = PageBuffer::kPage;
alignas(PageBuffer::kPage) constexpr Byte kZeroPage[kPage] = {};

uint64_t page_of(uint64_t offset) { return offset & ~(kPage - 1); }

// Past the page cache while it lives. The descriptor is this thread's alone.
class Direct {
 public:
  explicit Direct(int fd) : fd_(fd), flags_(fcntl(fd, F_GETFL)) {
    on_ = flags_ >= 0 && fcntl(fd, F_SETFL, flags_ | O_DIRECT) == 0;
  }
  ~Direct() {
    const int error = errno;
    if (on_) fcntl(fd_, F_SETFL, flags_);
    errno = error;
  }
  Direct(const Direct&) = delete;
  Direct& operator=(const Direct&) = delete;
  bool on() const { return on_; }

 private:
  int fd_;
  int flags_;
  bool on_ = false;
};

}  // namespace

void PageBuffer::Free::operator()(Byte* bytes) const { std::free(bytes); }

Byte* PageBuffer::reserve(size_t size) {
  if (size > size_) {
    const size_t pages = (std::max(size, 2 * size_) + kPage - 1) / kPage;
    size_ = pages * kPage;
    bytes_.reset(static_cast<Byte*>(std::aligned_alloc(kPage, size_)));
    if (bytes_ == nullptr) throw std::bad_alloc();
  }
  return bytes_.get();
}

PageWriter::Outcome PageWriter::write(Syscalls& calls, int fd, std::span<const iovec> parts,
                                      uint64_t offset, PageBuffer& buffer) {
  uint64_t end = offset;
  for (const iovec& part : parts) end += part.iov_len;
  const uint64_t first_page = page_of(offset);
  const uint64_t pages_end = page_of(end + kPage - 1);
  const size_t before = static_cast<size_t>(offset - first_page);
  const size_t behind = static_cast<size_t>(end - page_of(end));
  // Is it known what stands behind the end in the last page?
  const bool known = behind == 0 || page_of(end) == tail_at_ || end >= zeros_from_;
  const Direct direct(fd);
  if (off_ || !direct.on() || pages_end > size_ || !known) return not_this_way(end);

  const size_t length = static_cast<size_t>(pages_end - first_page);
  Byte* const bytes = buffer.reserve(length);
  if (behind != 0) {
    // First, since the first page may be the last.
    Byte* const last = bytes + (length - kPage);
    const bool again = page_of(end) == tail_at_;
    std::memcpy(last + behind, (again ? tail_.data() : kZeroPage) + behind, kPage - behind);
  }
  if (before != 0 && !fill(calls, fd, first_page, bytes, before)) return not_this_way(end);
  Byte* to = bytes + before;
  for (const iovec& part : parts) {
    std::memcpy(to, part.iov_base, part.iov_len);
    to += part.iov_len;
  }
  std::vector<iovec> whole{{bytes, length}};
  const int error = write_parts(calls, fd, whole, first_page);
  if (error == EINVAL) {
    off_ = true;
    return not_this_way(end);
  }
  errno = error;
  if (error != 0) return Outcome::Failed;
  tail_at_ = pages_end - kPage;
  tail_.assign(bytes + (length - kPage), bytes + length);
  zeros_from_ = std::max(zeros_from_, end);
  return Outcome::Written;
}

// The caller writes the same by itself.
PageWriter::Outcome PageWriter::not_this_way(uint64_t end) {
  tail_at_ = UINT64_MAX;
  zeros_from_ = std::max(zeros_from_, end);
  return Outcome::NotThisWay;
}

// The first `count` bytes of a page.
bool PageWriter::fill(Syscalls& calls, int fd, uint64_t page, Byte* to, size_t count) {
  if (page == tail_at_) {
    std::memcpy(to, tail_.data(), count);
    return true;
  }
  PageBuffer buffer;
  Byte* const got = buffer.reserve(kPage);
  ssize_t n = 0;
  do {
    n = calls.pread(fd, got, kPage, static_cast<off_t>(page));
  } while (n < 0 && errno == EINTR);
  if (n < static_cast<ssize_t>(count)) return false;
  std::memcpy(to, got, count);
  return true;
}

int write_zero_pages(Syscalls& calls, int fd, uint64_t offset, uint64_t length) {
  if (offset % kPage != 0 || length % kPage != 0) return EINVAL;
  const Direct direct(fd);
  if (!direct.on()) return EINVAL;
  std::vector<iovec> parts(static_cast<size_t>(length / kPage),
                           iovec{const_cast<Byte*>(kZeroPage), kPage});
  return write_parts(calls, fd, parts, offset);
}

}  // namespace vivarium
