// Outbox: packets to the leader that wait for the disk. "Persist, then acknowledge" is here and nowhere
// else: a packet is queued behind the durable fact it states, and packets leave in the order queued, so
// ACK-NEWLEADER never overtakes ACKEPOCH and no ACK overtakes ACK-NEWLEADER (hazards S5, S11, S13).
#pragma once

#include <cstdint>
#include <deque>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/storage/storage.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

class Outbox {
 public:
  void when_accepted(Epoch epoch, PacketType type, int64_t zxid, Bytes data) {
    items_.push_back({Until::AcceptedEpoch, epoch, type, zxid, std::move(data)});
  }
  void when_current(Epoch epoch, PacketType type, int64_t zxid) {
    items_.push_back({Until::CurrentEpoch, epoch, type, zxid, {}});
  }
  void when_logged(Zxid logged, PacketType type, int64_t zxid) {
    items_.push_back({Until::Logged, logged.value, type, zxid, {}});
  }

  // Moves every packet at the front whose fact is durable by now into `out`.
  void release(const Storage& storage, Bytes& out) {
    while (!items_.empty() && is_durable(items_.front(), storage)) {
      const Item& item = items_.front();
      if (item.data.empty()) {
        encode_packet(item.type, item.zxid, out);
      } else {
        encode_packet(item.type, item.zxid, item.data, out);
      }
      items_.pop_front();
    }
  }
  bool empty() const { return items_.empty(); }

 private:
  enum class Until : uint8_t { AcceptedEpoch, CurrentEpoch, Logged };
  struct Item {
    Until until{};
    uint64_t value = 0;
    PacketType type{};
    int64_t zxid = 0;
    Bytes data;
  };
  static bool is_durable(const Item& item, const Storage& storage) {
    switch (item.until) {
      case Until::AcceptedEpoch:
        return storage.accepted_epoch() >= item.value;
      case Until::CurrentEpoch:
        return storage.current_epoch() >= item.value;
      case Until::Logged:
        return storage.last_durable().value >= item.value;
    }
    return false;
  }
  std::deque<Item> items_;
};

}  // namespace vivarium
