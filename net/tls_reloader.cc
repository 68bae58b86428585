#include "net/tls_reloader.h"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <utility>

#include "core/base/check.h"
#include "disk/quiet_thread.h"

namespace vivarium {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{1000};

}  // namespace

TlsReloader::TlsReloader(const TlsContext& in_force)
    : settings_(in_force.settings()),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      loaded_(in_force.marks()) {
  CHECK(wake_.valid());
  thread_ = quiet_thread([this] { run(); });
}

TlsReloader::~TlsReloader() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void TlsReloader::ask() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    asked_ = true;
  }
  changed_.notify_one();
}

std::optional<TlsReloader::News> TlsReloader::take() {
  uint64_t times = 0;
  (void)::read(wake_.get(), &times, sizeof times);
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(news_, std::nullopt);
}

void TlsReloader::run() {
  FileMarks seen = loaded_;
  for (;;) {
    bool asked = false;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait_for(lock, kBetweenLooks, [this] { return asked_ || ending_; });
      if (ending_) return;
      asked = std::exchange(asked_, false);
    }
    const FileMarks now = file_marks(settings_);
    const bool settled = now == std::exchange(seen, now);
    if (asked || (settled && now != loaded_)) load();
  }
}

void TlsReloader::load() {
  loaded_ = file_marks(settings_);
  const Result<std::shared_ptr<const TlsContext>> context = TlsContext::load(settings_);
  News news;
  if (context) {
    news.context = *context;
    news.line = fmt::format("TLS was read again: {}", news.context->summary());
  } else {
    news.line = fmt::format("TLS could not be read again, what was in force stays: {}",
                            context.error().message);
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Two failures in a row hide no success.
    if (news_ && news_->context != nullptr && news.context == nullptr) {
      news.context = news_->context;
    }
    news_ = std::move(news);
  }
  const uint64_t once = 1;
  CHECK(::write(wake_.get(), &once, sizeof once) == static_cast<ssize_t>(sizeof once));
}

}  // namespace vivarium
