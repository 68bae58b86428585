#include "disk/disk_op.h"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr size_t kSparesMax = 4;
constexpr size_t kSpareBytesMax = 1 << 20;  // of one

}  // namespace

DiskShared::DiskShared(Syscalls& calls, std::function<void(const std::string&)> fatal)
    : calls_(calls), fatal_(std::move(fatal)), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(wake_.valid());
}

void DiskShared::post(Completion&& completion) {
  bool wake = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    wake = completions_.empty();
    completions_.push_back(std::move(completion));
  }
  if (!wake) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void DiskShared::take(std::vector<Completion>& out) {
  out.clear();
  uint64_t ignored = 0;
  [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &ignored, sizeof ignored);
  const std::lock_guard<std::mutex> lock(mutex_);
  out.swap(completions_);
}

Bytes DiskShared::spare_bytes() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (spare_bytes_.empty()) return {};
  Bytes bytes = std::move(spare_bytes_.back());
  spare_bytes_.pop_back();
  return bytes;
}

void DiskShared::give_back(Bytes&& bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool kept = bytes.capacity() != 0 && bytes.capacity() <= kSpareBytesMax;
  if (kept && spare_bytes_.size() < kSparesMax) spare_bytes_.push_back(std::move(bytes));
}

void DiskShared::die(const std::string& what, int error) {
  if (dead_.exchange(true, std::memory_order_acq_rel)) return;
  fatal_(
      fmt::format("{} failed: {}; the server ends and recovers from disk when it is started again",
                  what, std::strerror(error)));
}

bool is_disk_full(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

FileError file_error(int error) {
  if (error == ENOENT) return FileError::NotFound;
  return is_disk_full(error) ? FileError::NoSpace : FileError::Io;
}

}  // namespace vivarium
