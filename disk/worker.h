// Worker: one thread that executes batches. What is submitted while a batch runs becomes the next
// batch, which is what makes a group commit. Signals stay with the main thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "disk/disk_op.h"

namespace vivarium {

class Worker {
 public:
  using RunBatch = std::function<void(std::vector<DiskOp>&)>;

  explicit Worker(RunBatch run_batch);
  // Drops what no batch has begun with, as the end of a process does.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Takes the operations and leaves `ops` empty.
  void submit(std::vector<DiskOp>& ops);
  // Returns when all that was submitted has been carried out.
  void finish();

 private:
  void run();

  RunBatch run_batch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<DiskOp> queue_;
  bool busy_ = false;
  bool quit_ = false;
  std::thread thread_;
};

}  // namespace vivarium
