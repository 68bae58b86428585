// Syscalls: the system calls by which FileDisk touches files, so that a test can make any of them
// fail. Each returns what the call returns and sets errno. Called on the disk's threads.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

namespace vivarium {

class Syscalls {
 public:
  virtual ~Syscalls() = default;
  virtual int openat(int dir, const char* name, int flags, mode_t mode);
  virtual ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset);
  virtual ssize_t pread(int fd, void* out, size_t length, off_t offset);
  virtual int fdatasync(int fd);
  virtual int fsync(int fd);
  virtual int ftruncate(int fd, off_t size);
  virtual int fallocate(int fd, off_t offset, off_t length);
  virtual int renameat(int dir, const char* from, const char* to);
  virtual int unlinkat(int dir, const char* name);
};

}  // namespace vivarium
