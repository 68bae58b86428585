#include "net/resolver.h"

#include <sys/eventfd.h>

#include <utility>

#include "core/base/check.h"
#include "disk/quiet_thread.h"

namespace vivarium {
namespace {

// A name that hangs and is asked for again and again must not fill the process with threads.
constexpr int kRunningMax = 64;

void post(Fd& wake) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake.get(), &one, sizeof one);
}

}  // namespace

Resolver::Resolver() : inbox_(std::make_shared<Inbox>()) {
  inbox_->wake = Fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  CHECK(inbox_->wake.valid());
}

void Resolver::ask(LinkId link, const Address& address) {
  bool full = false;
  {
    const std::lock_guard<std::mutex> lock(inbox_->mutex);
    full = inbox_->running >= kRunningMax;
    if (full) {
      inbox_->answers.push_back({link, {}});
    } else {
      ++inbox_->running;
    }
  }
  if (full) return post(inbox_->wake);
  quiet_thread([inbox = inbox_, link, address] { look_up(inbox, link, address); }).detach();
}

void Resolver::look_up(const std::shared_ptr<Inbox>& inbox, LinkId link, const Address& address) {
  Result<std::vector<SocketAddress>> found = resolve(address);
  Answer answer{link, {}};
  if (found) answer.addresses = std::move(*found);
  const std::lock_guard<std::mutex> lock(inbox->mutex);
  --inbox->running;
  inbox->answers.push_back(std::move(answer));
  post(inbox->wake);
}

void Resolver::take(std::vector<Answer>& out) {
  out.clear();
  uint64_t ignored = 0;
  [[maybe_unused]] const ssize_t n = ::read(inbox_->wake.get(), &ignored, sizeof ignored);
  const std::lock_guard<std::mutex> lock(inbox_->mutex);
  out.swap(inbox_->answers);
}

}  // namespace vivarium
