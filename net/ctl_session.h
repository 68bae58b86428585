// What vivctl's commands work with: a Client that is waited for, and the two streams that they
// print to. call() lets the Client work until the answer is there, tells of watches meanwhile, and
// ends early when interrupt_flag() is set.
#pragma once

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/wire/codes.h"
#include "net/ctl_client.h"

namespace vivarium::ctl {

// Prints lines; a terminal is shown no control characters that others wrote.
class Console {
 public:
  Console(std::FILE* out, std::FILE* err);
  void line(std::string_view text);   // with a line break
  void text(std::string_view text);   // as it is
  void error(std::string_view text);  // with a line break, to the other stream
  void flush();

 private:
  std::FILE* out_;
  std::FILE* err_;
  bool out_is_terminal_;
  bool err_is_terminal_;
};

int64_t now_ms();  // of a clock that is never set

// Set by Ctrl-C in an interactive shell (terminal.h); whoever acts on it clears it.
volatile std::sig_atomic_t& interrupt_flag();

inline constexpr int32_t kInterrupted = -1000;  // beside the protocol's codes

class Session {
 public:
  using OnEvent = std::function<void(const ClientEvent&)>;
  Session(ClientOptions options, OnEvent on_event);

  Client& client() { return client_; }
  const Servers& servers() const { return client_.servers(); }
  Reply call(Op op, Bytes body);
  int32_t submit(Op op, Bytes body) { return client_.submit(op, std::move(body)); }
  Reply wait(int32_t xid);
  // Until there is a session, or no server gave one, or the time is over.
  bool connected_within(int64_t ms, bool one_round);
  // Lets the Client work until `fd` can be read. False: interrupted.
  bool wait_readable(int fd);
  void tell(const ClientEvent& event) { on_event_(event); }
  // Asks the server to end the session, and does not wait long for it.
  void close();

 private:
  // Waits at most `ms` for anything to happen. True when `fd` can be read.
  bool pump(int fd, int64_t ms);

  Client client_;
  OnEvent on_event_;
};

}  // namespace vivarium::ctl
