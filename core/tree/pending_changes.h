// PendingChanges: the leader's speculative view, which is the tree plus everything prepared and not
// yet applied: one record per touched path with what preparation asks of a znode (semantics section
// 9). Rebuilt empty at the start of a leadership, dropped at its end (hazards B9).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "core/tree/acl.h"
#include "core/tree/data_tree.h"
#include "core/tree/slot_index.h"

namespace vivarium {

class PendingChanges {
 public:
  // A znode as the next txn will find it. `acl` is borrowed until the tree or the records change.
  struct NodeState {
    bool exists = false;
    StatPersisted stat;
    int32_t num_children = 0;
    uint32_t content_crc = 0;
    uint32_t data_bytes = 0;
    const Acl* acl = nullptr;
  };

  // Drops the records of txns up to and including `applied`, which the tree holds by now.
  void forget(Zxid applied);
  bool empty() const { return queue_.empty(); }
  size_t size() const { return queue_.size(); }

  // Opens txn `zxid`; prepare() calls it first. Forgets what the tree has applied.
  void begin(Zxid zxid, const DataTree& tree);
  NodeState look(std::string_view path, const DataTree& tree) const;
  // Records the change of `path` by the open txn, from `before` to `after`.
  void change(std::string_view path, const NodeState& before, const NodeState& after);
  // For a multi: what change() records between mark() and roll_back(), in one txn, has not been.
  void mark();
  void roll_back();
  // Digest of the tree after all that is prepared.
  uint64_t digest() const { return digest_; }
  // Ephemerals of the session after all that is prepared: the tree's in its order, then younger
  // ones.
  std::vector<std::string> ephemerals(SessionId session, const DataTree& tree) const;

 private:
  using RecordId = uint32_t;
  struct RecordState {
    Zxid zxid;  // of the newest change; 0: free
    bool exists = false;
    StatPersisted stat;
    int32_t num_children = 0;
    uint32_t content_crc = 0;
    uint32_t data_bytes = 0;
    uint32_t acl = 0;
  };
  struct Record : RecordState {
    std::string path;  // the root's is empty
    uint32_t hash = 0;
  };
  // One per record and txn, oldest first. Stale once the record has a newer zxid.
  struct Queued {
    Zxid zxid;
    RecordId record = 0;
  };

  // A record as it was before a change that may be taken back. Counts as a user of its ACL.
  struct Undo {
    RecordId id = 0;
    bool added = false;  // there was none
    RecordState before;
  };

  void keep_for_undo(RecordId id, bool added);
  void forget_undo();
  RecordId find(std::string_view path) const;
  RecordId add(std::string_view path);
  void drop(RecordId id);
  void count_owner(const Record& record, int32_t by);

  std::vector<Record> records_;
  std::vector<RecordId> free_;
  SlotIndex index_;
  AclTable acls_;
  std::deque<Queued> queue_;
  std::map<SessionId, int32_t> owners_;  // sessions with ephemerals among the records
  Zxid zxid_;                            // of the last txn begun
  uint64_t digest_ = 0;
  bool marked_ = false;
  std::vector<Undo> undo_;  // oldest first
  size_t marked_queue_ = 0;
  uint64_t marked_digest_ = 0;
};

}  // namespace vivarium
