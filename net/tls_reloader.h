// TlsReloader: reads the files of TLS again when they have changed or when somebody asks, on a
// thread of its own, so that no connection waits for it. A file that is being written counts once
// it has been the same for two looks. News is announced at wake_fd().
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "disk/fd.h"
#include "net/tls_context.h"

namespace vivarium {

class TlsReloader {
 public:
  struct News {
    std::shared_ptr<const TlsContext> context;  // null: the files are no good, the old ones stay
    std::string line;
  };

  explicit TlsReloader(const TlsContext& in_force);
  ~TlsReloader();
  TlsReloader(const TlsReloader&) = delete;
  TlsReloader& operator=(const TlsReloader&) = delete;

  int wake_fd() const { return wake_.get(); }
  void ask();
  // The latest since the last call.
  std::optional<News> take();

 private:
  void run();
  void load();

  const TlsSettings settings_;
  const Fd wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool asked_ = false;
  bool ending_ = false;
  std::optional<News> news_;
  FileMarks loaded_;  // of the files that were tried last; the thread's
  std::thread thread_;
};

}  // namespace vivarium
