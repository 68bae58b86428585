// QuorumCnxManager: one connection for each pair of servers, kept by the one with the larger id,
// and for each peer a queue of one message, of which a newer one takes the place. Nobody connects
// again before there is something to say.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/config.h"
#include "core/event.h"
#include "core/world.h"

namespace vivarium::apache {

class ElectionLinks {
 public:
  void send(ServerId to, Bytes frame, const Config& config, World& world);
  // haveDelivered(): some queue is empty.
  bool have_delivered() const;
  void connect_all(const Config& config, World& world);

  struct Message {
    ServerId from;
    Bytes bytes;  // without its length
  };
  // True: the event was its own; whole messages are in received().
  bool handle(const Event& event, const Config& config, World& world);
  std::vector<Message> take_received() { return std::exchange(received_, {}); }

 private:
  struct Link {
    LinkId id;
    std::optional<ServerId> peer;  // unknown until it has said so
    bool dialled = false;
    bool up = false;
    Instant dialled_at;
    Bytes in;
  };
  struct Queue {
    std::optional<Bytes> next;
    std::optional<Bytes> last;  // that was sent
  };

  Link* find(LinkId id);
  void connect_one(ServerId to, const Config& config, World& world);
  void use(Link& link, World& world);
  void finish(ServerId peer, World& world);
  void drop(LinkId id, World& world);
  void opened(Link& link, const Config& config, World& world);
  void read(LinkId id, const Config& config, World& world);
  bool read_hello(Link& link, const Config& config, World& world);
  void flush(ServerId to, World& world);

  std::vector<Link> links_;
  std::map<ServerId, LinkId> active_;  // senderWorkerMap
  std::map<ServerId, Queue> queues_;
  std::vector<Message> received_;
};

}  // namespace vivarium::apache
