// DataTree: the whole replicated state of an ensemble: znodes with data, ACLs and stats, and the
// table of sessions. apply() is the only way a txn changes it and is a pure function of (state,
// txn): no clock, no ACL check, no session deadline (hazards R17, A1). Behaviour: semantics
// sections 1, 2, 4, 15.
//
// A value: znodes live in slots of fixed pages (node_store.h), found through a hash index that
// grows in small steps, so that a copy is a copy and no step stalls. Children keep the order of
// their creation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/tree/acl.h"
#include "core/tree/node_store.h"
#include "core/tree/quota.h"
#include "core/tree/stat_persisted.h"
#include "core/tree/tree_snapshot.h"
#include "core/wire/client_messages.h"
#include "core/wire/codes.h"
#include "core/wire/txn.h"

namespace vivarium {

// What an ephemeral_owner says (semantics section 1). The sign bit alone is a container, 0xff in
// the top byte a TTL node, anything else but 0 the owning session.
enum class NodeKind : uint8_t { Persistent, Ephemeral, Container, Ttl };
NodeKind node_kind(int64_t ephemeral_owner);
inline constexpr int64_t kContainerOwner = INT64_MIN;
inline constexpr int64_t kTtlMsMax = 0xffffffffff;
// Of a TTL node; 0 for any other.
int64_t ttl_ms_of(int64_t ephemeral_owner);
int64_t ttl_owner(int64_t ttl_ms);  // from 1 to kTtlMsMax

// What one txn did, for the reply to its client and for watches. Reused between calls: its strings
// keep their memory, so that applying does not allocate for it in the steady state.
struct Effects {
  struct Change {
    WatchEvent event{};
    std::string path;
    // Who may be told (READ on the znode, the parent for ChildrenChanged, at that time). Empty:
    // everybody.
    Acl acl;
  };
  TxnHeader header;
  ErrorCode error{};  // ErrorTxn's code, a multi's first, or what apply() found (fuzzy snapshots)
  std::string path;   // of the txn's znode, where it names one
  Stat stat;          // after the txn, for create, setData, setACL and reconfig
  std::string data;   // after a reconfig
  // In firing order (semantics section 3): Created(node), ChildrenChanged(parent)... Of a multi,
  // those of all parts, in their order.
  std::vector<Change> changes;
  SessionId closed_session;    // closeSession only
  std::vector<Effects> parts;  // multi only: error, path and stat of each, without changes

  void clear();
  void add_change(WatchEvent event, std::string_view path, const Acl& acl);
  Effects& add_part();

 private:
  std::vector<Change> spare_changes_;
  std::vector<Effects> spare_parts_;
};

class DataTree {
 public:
  using Slot = uint32_t;
  static constexpr Slot kNone = UINT32_MAX;

  // A view of one znode. Borrowed: valid until the tree changes.
  struct NodeView {
    Slot slot = kNone;
    std::string_view name;  // last component; empty for the root
    ByteView data;
    bool null_data = false;
    const Acl* acl = nullptr;
    StatPersisted stat;
    int32_t num_children = 0;
    uint32_t content_crc = 0;  // CRC-32 of path and data (digest.h)
  };

  // A fresh tree: "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config".
  DataTree();

  // Applies one decoded txn. Everything but duplicates of what the tree already holds (fuzzy
  // snapshots of others, disk-formats section 6) succeeds. Sets last_applied() to the txn's zxid
  // when larger.
  void apply(const Txn& txn, Effects& effects);

  Zxid last_applied() const { return last_applied_; }
  void set_last_applied(Zxid zxid) { last_applied_ = zxid; }

  // ZooKeeper's digest, version 2: covers neither ACLs, sessions nor anything below /zookeeper.
  uint64_t digest() const { return digest_; }
  // Covers everything: znodes with ACLs and all stat fields, and sessions with timeouts. Equal on
  // all servers at equal last_applied() (K-LOGTREE). Left out is what servers write without a txn:
  // data, mzxid, mtime and version of /zookeeper/config, and the data of quota statistics.
  Hash128 state_hash() const { return state_hash_; }

  // --- reads. The empty path is the root, as "/" is.
  Slot find(std::string_view path) const;
  NodeView view(Slot slot) const;
  Stat stat(Slot slot) const;  // as clients see it
  Slot parent(Slot slot) const;
  Slot first_child(Slot slot) const;
  Slot next_sibling(Slot slot) const;
  std::string path_of(Slot slot) const;
  // Znodes, the root once. ZooKeeper's znode_count is one more.
  size_t node_count() const { return nodes_.size(); }
  // Paths of the session's ephemerals, in order of creation.
  std::vector<std::string> ephemerals(SessionId session) const;
  // Up to `max` of them, without the first `skip`.
  std::vector<std::string> ephemerals(SessionId session, size_t skip, size_t max) const;
  size_t ephemeral_count() const;
  // Would the quota above `path` be exceeded by so much more? By the statistics as applied.
  QuotaCheck check_quota(std::string_view path, int64_t bytes, int64_t count) const;
  const QuotaPaths& quota_paths() const { return quotas_; }
  // Containers and TTL nodes, which belong to no session and may end by themselves.
  const std::set<Slot>& unowned() const { return unowned_; }
  // Sessions that have ephemerals: how many, and the first one from `at_least` on.
  size_t ephemeral_owner_count() const { return owned_.size(); }
  std::optional<SessionId> ephemeral_owner_from(SessionId at_least) const;
  uint64_t data_bytes() const;  // paths and data, as ZooKeeper's approximate_data_size

  // --- sessions: id to the timeout (ms) of the createSession txn.
  const std::map<SessionId, int32_t>& sessions() const { return sessions_; }

  // --- loading a snapshot (core/storage/snapshot.h). A cleared tree holds not even the root.
  void clear();
  void load_session(SessionId session, int32_t timeout_ms);
  // Where a znode goes: its parent, which must have been loaded (kNone: there is none, or no such
  // path), and its name's hash. Asked for one znode ahead, so that the index comes from memory
  // while the one before is loaded.
  struct Place {
    Slot parent = kNone;
    uint32_t hash = 0;
  };
  Place place_of(std::string_view path) const;
  // False: no parent, or the path is there already, or no path.
  bool load_node(std::string_view path, Place place, ByteView data, bool null_data, const Acl& acl,
                 const StatPersisted& stat);
  bool load_node(std::string_view path, ByteView data, bool null_data, const Acl& acl,
                 const StatPersisted& stat) {
    return load_node(path, place_of(path), data, null_data, acl, stat);
  }

  // --- the state as it is now, to be read in slices while the tree changes. Its name is the
  // caller's, and means one snapshot of this tree. Null: it has ended, or lost its tree.
  void begin_snapshot(uint64_t name, size_t image_bytes_max);
  TreeSnapshot* snapshot(uint64_t name);
  void end_snapshot(uint64_t name);

  // Counts all quota statistics anew, as ZooKeeper does after loading a snapshot; due after one
  // that is not exact (disk-formats section 6).
  void recount_quotas();

  // Writes the ensemble's configuration into /zookeeper/config, locally and without a txn
  // (semantics section 7).
  void set_config(std::string_view text, Zxid version, WallTime now);
  // What stood in /zookeeper/config before the last reconfig that was applied; empty before any.
  std::string_view earlier_config() const { return earlier_config_; }

 private:
  struct OwnedList {
    Slot first = kNone;
    Slot last = kNone;
  };
  using Node = NodeStore::Node;

  // --- data_tree_apply.cc: one function per kind of txn; watch changes go to `out`.
  void apply_part(TxnType type, const TxnBody& body, const TxnHeader& header, Effects& result,
                  Effects& out);
  void apply_multi(const MultiTxn& multi, const TxnHeader& header, Effects& out);
  ErrorCode apply_create(TxnType type, const CreateTxn& txn, const TxnHeader& header,
                         Effects& result, Effects& out);
  ErrorCode apply_replayed_create(TxnType type, const CreateTxn& txn, Zxid zxid, Slot existing);
  ErrorCode apply_delete(std::string_view path, Zxid zxid, Effects& out);
  ErrorCode apply_set_data(const SetDataTxn& txn, const TxnHeader& header, Effects& result,
                           Effects& out);
  ErrorCode apply_reconfig(const SetDataTxn& txn, const TxnHeader& header, Effects& result,
                           Effects& out);
  ErrorCode apply_set_acl(const SetAclTxn& txn, Effects& result);
  void apply_create_session(SessionId session, int32_t timeout_ms);
  void apply_close_session(const CloseSessionTxn& txn, const TxnHeader& header, Effects& out);
  void forget_session(SessionId session);
  void raise_parent(Slot parent, int32_t parent_cversion, Zxid zxid);

  // --- structure, hashes and counters kept in step
  Slot add_node(Place place, std::string_view path, ByteView data, bool null_data, const Acl& acl,
                const StatPersisted& stat);
  void remove_node(Slot slot, std::string_view path);
  void remove_subtree(Slot slot, std::string_view path);
  void set_node_data(Slot slot, std::string_view path, ByteView data, bool null_data);
  void set_node_acl(Slot slot, const Acl& acl);
  void hash_content(Slot slot, std::string_view path);
  Hash128 element_hash(const Node& node) const;
  // A znode's share in digest and state hash: taken out before a change, put in after it.
  void unaccount(Slot slot);
  void account(Slot slot);
  // What a running snapshot has not read yet keeps its old image.
  void keep_links(Slot slot);
  void keep_session(SessionId session);
  void link_owned(Slot slot);
  void unlink_owned(Slot slot);
  const Acl& acl_of(Slot slot) const { return acls_.get(nodes_[slot].acl); }

  // --- quotas
  void quota_created(std::string_view path, size_t data_bytes);
  void quota_removed(std::string_view path, size_t data_bytes);
  void quota_adjust(std::string_view path, int64_t count, int64_t bytes);
  void quota_recount(std::string_view target);
  void set_quota_text(Slot slot, std::string_view path, const QuotaText& quota);

  Zxid last_applied_;
  uint64_t digest_ = 0;
  Hash128 state_hash_;
  NodeStore nodes_;
  Slot root_ = kNone;
  AclTable acls_;
  QuotaPaths quotas_;
  std::map<SessionId, OwnedList> owned_;
  size_t owned_count_ = 0;
  std::set<Slot> unowned_;
  uint64_t data_bytes_ = 0;
  std::map<SessionId, int32_t> sessions_;
  std::string earlier_config_;
  std::vector<std::pair<uint64_t, TreeSnapshot>> snapshots_;  // running, by name
};

}  // namespace vivarium
