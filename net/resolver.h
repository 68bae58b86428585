// Resolver: looks names up beside the loop, on a thread per lookup that is never waited for: a DNS
// server that does not answer costs that name only. Results are announced at wake_fd().
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/ids.h"
#include "core/world.h"
#include "disk/fd.h"
#include "net/socket_address.h"

namespace vivarium {

class Resolver {
 public:
  struct Answer {
    LinkId link;
    std::vector<SocketAddress> addresses;  // empty: not found
  };

  Resolver();
  int wake_fd() const { return inbox_->wake.get(); }
  // An answer for `link` follows.
  void ask(LinkId link, const Address& address);
  void take(std::vector<Answer>& out);

 private:
  struct Inbox {
    Fd wake;
    std::mutex mutex;
    std::vector<Answer> answers;
    int running = 0;
  };
  static void look_up(const std::shared_ptr<Inbox>& inbox, LinkId link, const Address& address);

  std::shared_ptr<Inbox> inbox_;  // the threads hold it too, and may outlive the Resolver
};

}  // namespace vivarium
