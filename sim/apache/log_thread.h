// SyncRequestProcessor and FileTxnLog: txns wait in a queue, are appended and synced in batches,
// and acknowledged behind the sync, in order. Every so many txns the log rolls and a snapshot is
// due; no batch goes on in the next file, so that no crash leaves that one alone. What a directory
// holds is taken to be durable with the first sync of a file in it, which ZooKeeper, who syncs no
// directory, relies on.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/config.h"
#include "core/event.h"
#include "core/world.h"

namespace vivarium::apache {

class LogThread {
 public:
  void append(Zxid zxid, SharedBytes entry, bool acknowledge) {
    queued_.push_back({zxid, std::move(entry), acknowledge});
  }
  bool idle() const { return queued_.empty() && flushing_.empty(); }
  // The last txn of the last batch that was synced since it was closed.
  Zxid synced() const { return synced_; }
  // The next txn goes into a new file.
  void close(World& world);
  // Whoever has the acknowledgements is gone; the txns stay.
  void forget_acknowledgements();

  // Begins the next batch, when none is under way.
  void advance(const Config& config, World& world);
  // True: the event was its own.
  bool handle(const Event& event, World& world);
  // Synced since the last call, in their order.
  std::vector<Zxid> take_acknowledged();
  // A snapshot has become due since the last call.
  bool take_snapshot_due() { return std::exchange(snapshot_due_, false); }

 private:
  struct Request {
    Zxid zxid;
    SharedBytes entry;
    bool acknowledge = false;
  };

  void append_to_file(const Request& request, const Config& config, World& world);
  void pad(const Config& config, World& world);
  void write_out(World& world);
  void roll(World& world);

  std::deque<Request> queued_;
  std::vector<Request> flushing_;
  std::vector<Zxid> acknowledged_;
  Zxid synced_;
  FileId file_;
  uint64_t position_ = 0;  // behind what was written
  uint64_t size_ = 0;      // with the zeros behind it
  Bytes buffer_;
  std::vector<FileId> unsynced_;
  bool new_name_ = false;
  uint32_t syncs_left_ = 0;
  uint32_t since_roll_ = 0;
  uint32_t roll_at_ = 0;
  bool snapshot_due_ = false;
};

}  // namespace vivarium::apache
