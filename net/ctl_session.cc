#include "net/ctl_session.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "net/ctl_text.h"

namespace vivarium::ctl {
namespace {

constexpr int64_t kForeverMs = int64_t{3600} * 1000;
constexpr int64_t kCloseMs = 2000;

void print(std::FILE* stream, bool terminal, std::string_view text) {
  const std::string shown = terminal ? harmless(text) : std::string();
  const std::string_view bytes = terminal ? std::string_view(shown) : text;
  std::fwrite(bytes.data(), 1, bytes.size(), stream);
}

}  // namespace

Console::Console(std::FILE* out, std::FILE* err)
    : out_(out),
      err_(err),
      out_is_terminal_(::isatty(::fileno(out)) == 1),
      err_is_terminal_(::isatty(::fileno(err)) == 1) {}

void Console::line(std::string_view line) {
  text(line);
  std::fputc('\n', out_);
}

void Console::text(std::string_view text) { print(out_, out_is_terminal_, text); }

void Console::error(std::string_view text) {
  std::fflush(out_);
  print(err_, err_is_terminal_, text);
  std::fputc('\n', err_);
  std::fflush(err_);
}

void Console::flush() { std::fflush(out_); }

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

volatile std::sig_atomic_t& interrupt_flag() {
  static volatile std::sig_atomic_t flag = 0;
  return flag;
}

Session::Session(ClientOptions options, OnEvent on_event)
    : client_(std::move(options), now_ms()), on_event_(std::move(on_event)) {}

Reply Session::call(Op op, Bytes body) { return wait(client_.submit(op, std::move(body))); }

Reply Session::wait(int32_t xid) {
  for (;;) {
    if (std::optional<Reply> reply = client_.take(xid)) return std::move(*reply);
    if (interrupt_flag() != 0) {
      interrupt_flag() = 0;
      return {kInterrupted, {}};
    }
    // Identities are asked for outside the order of requests, so nothing fails in their place.
    if (xid == kXidAuth && !client_.alive()) return {kAuthFailed, {}};
    if (xid == kXidAuth && client_.tried_all()) return {kConnectionLoss, {}};
    pump(-1, kForeverMs);
  }
}

bool Session::connected_within(int64_t ms, bool one_round) {
  const int64_t until = now_ms() + ms;
  while (client_.alive() && client_.state() == ClientState::Connecting) {
    const int64_t left = until - now_ms();
    if (left <= 0 || (one_round && client_.tried_all()) || interrupt_flag() != 0) break;
    pump(-1, left);
  }
  return client_.state() == ClientState::Connected ||
         client_.state() == ClientState::ConnectedReadOnly;
}

bool Session::wait_readable(int fd) {
  while (interrupt_flag() == 0) {
    if (pump(fd, kForeverMs)) return true;
  }
  return false;
}

void Session::close() {
  if (!client_.alive()) return;
  if (client_.state() == ClientState::Connecting) return client_.give_up();
  const int32_t xid = client_.submit(Op::CloseSession, {});
  const int64_t until = now_ms() + kCloseMs;
  while (!client_.take(xid) && now_ms() < until && interrupt_flag() == 0) {
    pump(-1, until - now_ms());
  }
  if (client_.alive()) client_.give_up();
}

bool Session::pump(int fd, int64_t ms) {
  const std::array<pollfd, 2> own = client_.waits();
  std::array<pollfd, 3> all = {own[0], own[1], pollfd{fd, POLLIN, 0}};
  const int client_ms = client_.wait_ms(now_ms());
  const int64_t wait = client_ms < 0 ? ms : std::min<int64_t>(client_ms, ms);
  const timespec limit = {static_cast<time_t>(wait / 1000),
                          static_cast<long>(wait % 1000 * 1000000)};
  // In an interactive shell SIGINT is blocked everywhere but here: none is missed.
  sigset_t none;
  sigemptyset(&none);
  const int ready = ::ppoll(all.data(), all.size(), &limit, &none);
  const bool readable = ready > 0 && all[2].revents != 0;
  client_.work(now_ms());
  for (const ClientEvent& event : client_.take_events()) on_event_(event);
  return readable;
}

}  // namespace vivarium::ctl
