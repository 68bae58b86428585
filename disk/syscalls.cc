#include "disk/syscalls.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace vivarium {

int Syscalls::openat(int dir, const char* name, int flags, mode_t mode) {
  return ::openat(dir, name, flags, mode);
}

ssize_t Syscalls::pwritev(int fd, const iovec* parts, int count, off_t offset) {
  return ::pwritev(fd, parts, count, offset);
}

ssize_t Syscalls::pread(int fd, void* out, size_t length, off_t offset) {
  return ::pread(fd, out, length, offset);
}

int Syscalls::fdatasync(int fd) { return ::fdatasync(fd); }

int Syscalls::fsync(int fd) { return ::fsync(fd); }

int Syscalls::ftruncate(int fd, off_t size) { return ::ftruncate(fd, size); }

int Syscalls::fallocate(int fd, off_t offset, off_t length) {
  return ::fallocate(fd, 0, offset, length);
}

int Syscalls::renameat(int dir, const char* from, const char* to) {
  return ::renameat(dir, from, dir, to);
}

int Syscalls::unlinkat(int dir, const char* name) { return ::unlinkat(dir, name, 0); }

}  // namespace vivarium
