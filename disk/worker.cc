#include "disk/worker.h"

#include <iterator>
#include <utility>

#include "disk/quiet_thread.h"

namespace vivarium {

Worker::Worker(RunBatch run_batch) : run_batch_(std::move(run_batch)) {
  thread_ = quiet_thread([this] { run(); });
}

Worker::~Worker() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Worker::submit(std::vector<DiskOp>& ops) {
  if (ops.empty()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.empty()) {
      queue_.swap(ops);
    } else {
      queue_.insert(queue_.end(), std::make_move_iterator(ops.begin()),
                    std::make_move_iterator(ops.end()));
    }
  }
  ops.clear();
  changed_.notify_all();
}

void Worker::finish() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void Worker::run() {
  std::vector<DiskOp> batch;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return quit_ || !queue_.empty(); });
    if (quit_) return;
    batch.swap(queue_);
    busy_ = true;
    lock.unlock();
    run_batch_(batch);
    batch.clear();
    lock.lock();
    busy_ = false;
    if (queue_.empty()) changed_.notify_all();
  }
}

}  // namespace vivarium
