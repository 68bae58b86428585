// TreeSnapshot: the replicated state as it was at one moment, read in slices while the tree goes on
// changing (RULES 7). The tree says what it is about to change: whatever was there and has not been
// read yet leaves its old image here, up to a bound in bytes; beyond it the snapshot is lost. A
// value that lies in its tree, so that a copy of the tree has one too; or beside a tree that does
// not change.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/tree/node_store.h"
#include "core/tree/stat_persisted.h"
#include "core/wire/txn.h"

namespace vivarium {

class DataTree;

class TreeSnapshot {
 public:
  using Slot = NodeStore::Slot;

  // One znode as it was. Borrowed until the next call, and until the tree changes.
  struct Znode {
    std::string_view path;  // the root's is empty
    ByteView data;
    bool null_data = false;
    const Acl* acl = nullptr;
    StatPersisted stat;
  };

  TreeSnapshot(const DataTree& tree, size_t image_bytes_max);

  Zxid zxid() const { return zxid_; }
  uint64_t digest() const { return digest_; }
  size_t session_count() const { return session_count_; }
  // More old images than the bound allows: nothing more can be read.
  bool lost() const { return lost_; }
  size_t image_bytes() const { return image_bytes_; }

  // --- reading, while it is not lost: all sessions in the order of their ids; then the znodes,
  // a parent before its children and these in the order of their creation. They are walked through
  // to be looked at first, and from read_znodes() on anew, to be read: then each leaves behind what
  // was kept for it.
  std::optional<std::pair<SessionId, int32_t>> next_session(const DataTree& tree);
  void read_znodes();
  // False: that was the last one.
  bool next_znode(const DataTree& tree, Znode& out);

  // --- told by the tree before it changes: what a slot holds, its links to first child and next
  // sibling, a session; and of a znode that has just come into a slot.
  void before_content(const DataTree& tree, Slot slot);
  void before_links(const DataTree& tree, Slot slot);
  void before_session(const DataTree& tree, SessionId session);
  void created(Slot slot);

 private:
  struct Content {
    std::string name;
    Bytes data;
    bool null_data = false;
    Acl acl;
    StatPersisted stat;
    size_t bytes = 0;
  };
  struct Links {
    Slot first_child = NodeStore::kNone;
    Slot next = NodeStore::kNone;
  };
  // Of a znode that was walked into: which child is next, and how long its own path is.
  struct Level {
    Slot next = NodeStore::kNone;
    size_t path_bytes = 0;
  };

  bool is_done(Slot slot) const {
    return slot / 64 < done_.size() && (done_[slot / 64] >> (slot % 64) & 1) != 0;
  }
  void set_done(Slot slot);
  void charge(size_t bytes);
  void visit(const DataTree& tree, Slot slot, Znode& out);

  Zxid zxid_;
  uint64_t digest_ = 0;
  size_t session_count_ = 0;
  Slot root_ = NodeStore::kNone;
  size_t image_bytes_max_ = 0;
  size_t image_bytes_ = 0;
  bool lost_ = false;

  bool sessions_read_ = false;
  std::optional<SessionId> last_session_;
  std::map<SessionId, std::optional<int32_t>> sessions_;  // behind last_session_, as they were

  bool begun_ = false;    // the walk
  bool reading_ = false;  // and not only looking
  std::vector<Level> levels_;
  std::string path_;
  // Slots that need not be kept: they were read, or held no znode at the time.
  std::vector<uint64_t> done_;
  std::map<Slot, Content> contents_;
  std::map<Slot, Links> links_;
  Content current_;  // of the znode that was read last
};

}  // namespace vivarium
