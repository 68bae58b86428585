// Outbox: packets to the leader that wait for the disk. "Persist, then acknowledge" is here and
// nowhere else: a packet is queued behind the durable fact it states, and packets leave in the
// order queued, so ACK-NEWLEADER never overtakes ACKEPOCH and no ACK overtakes ACK-NEWLEADER
// (hazards S5, S11, S13).
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
    items_.push_back({epoch, Zxid{}, type, zxid, std::move(data), true});
  }
  // Waits for the history up to `logged` too: who joins an epoch again has its number on disk
  // already. And for the files that say who the members are: a history that came as a state does
  // not tell what was before its last change of them (configs.h).
  void when_current(Epoch epoch, Zxid logged, PacketType type, int64_t zxid, Bytes data) {
    items_.push_back({epoch, logged, type, zxid, std::move(data), false});
  }
  void when_logged(Zxid logged, PacketType type, int64_t zxid) {
    items_.push_back({0, logged, type, zxid, {}, false});
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
  // Leaves when the epoch (accepted or current) and the log are durable up to what is named.
  struct Item {
    Epoch epoch = 0;
    Zxid logged;
    PacketType type{};
    int64_t zxid = 0;
    Bytes data;
    bool promise = false;  // the epoch is the accepted one
  };
  static bool is_durable(const Item& item, const Storage& storage) {
    if (!item.promise && item.epoch != 0 && !storage.config_saved()) return false;
    const Epoch epoch = item.promise ? storage.accepted_epoch() : storage.current_epoch();
    return epoch >= item.epoch && storage.last_durable() >= item.logged;
  }
  std::deque<Item> items_;
};

}  // namespace vivarium
