#include "disk/reclaimer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <utility>

#include "disk/quiet_thread.h"

namespace vivarium {
namespace {

constexpr off_t kPiece = 1 << 20;
constexpr auto kPause = std::chrono::milliseconds(4);
// More of them than this: files are removed faster than they can be freed with pauses.
constexpr size_t kPatientMax = 4;

// A write lease is given only on a file that nobody else has open.
bool has_it_alone(int fd) { return fcntl(fd, F_SETLEASE, F_WRLCK) == 0; }

}  // namespace

Reclaimer::Reclaimer(Syscalls& calls) : calls_(calls) {
  thread_ = quiet_thread([this] { run(); });
}

Reclaimer::~Reclaimer() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Reclaimer::add(Fd file) {
  const std::lock_guard<std::mutex> lock(mutex_);
  files_.push_back(std::move(file));
  changed_.notify_all();
}

void Reclaimer::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return quit_ || !files_.empty(); });
    if (quit_) return;
    Fd file = std::move(files_.front());
    files_.pop_front();
    lock.unlock();
    if (has_it_alone(file.get())) free_slowly(file);
    file.reset();
    lock.lock();
  }
}

void Reclaimer::free_slowly(const Fd& file) {
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) return;
  off_t left = status.st_size;
  while (left > kPiece && pause()) {
    left -= kPiece;
    // Closing frees the rest.
    if (calls_.ftruncate(file.get(), left) != 0) return;
  }
}

bool Reclaimer::pause() {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto hurries = [this] { return quit_ || files_.size() > kPatientMax; };
  return !changed_.wait_for(lock, kPause, hurries);
}

}  // namespace vivarium
