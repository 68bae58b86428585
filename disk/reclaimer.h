// Reclaimer: gives the blocks of removed files back to the file system bit by bit. Freed at once, a
// log file of 64 MiB holds up the syncs of the log, which go to the same disk, for as long as 80 ms
// (measured on ext4 with discard). Whoever still reads a removed file keeps it whole.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "disk/fd.h"
#include "disk/syscalls.h"

namespace vivarium {

class Reclaimer {
 public:
  explicit Reclaimer(Syscalls& calls);
  // What is left is freed at once, by the system.
  ~Reclaimer();
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  // `file` is open for writing and has no name any more.
  void add(Fd file);

 private:
  void run();
  void free_slowly(const Fd& file);
  // False: there is no time for pauses.
  bool pause();

  Syscalls& calls_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Fd> files_;
  bool quit_ = false;
  std::thread thread_;
};

}  // namespace vivarium
