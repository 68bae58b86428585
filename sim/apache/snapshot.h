// ZooKeeper's snapshots (disk-formats section 4): written while txns are applied, so that a file
// holds znodes of different zxids. Sessions and the numbers of ACL lists are those of the
// beginning, each znode is as it is when the walk comes to it, and a child that has gone meanwhile
// is left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/tree/data_tree.h"
#include "core/wire/peer_messages.h"

namespace vivarium::apache {

class SnapshotWriter {
 public:
  enum class Form : uint8_t { Body, File };
  SnapshotWriter(const DataTree& tree, Form form);

  // The zxid in the name: the last one applied when it began.
  Zxid zxid() const { return zxid_; }
  // Appends up to `znodes` of them to `out`, from the tree as it is now. True: that was all, with
  // the seals of a file.
  bool write(const DataTree& tree, size_t znodes, Bytes& out);

 private:
  struct Level {
    std::string path;
    std::vector<std::string> children;
    size_t next = 0;
  };

  void begin(const DataTree& tree, Bytes& out);
  void collect_acls(const DataTree& tree, DataTree::Slot slot);
  void visit(const DataTree& tree, std::string path, Bytes& out);
  void seal(const DataTree& tree, size_t from, Bytes& out);
  int64_t acl_id(const Acl& acl);

  Form form_;
  Zxid zxid_;
  Bytes front_;  // header, sessions, ACL lists
  std::vector<Acl> acls_;
  std::vector<Level> levels_;
  bool begun_ = false;
  uint32_t adler_ = 1;  // of all written before
};

// What follows a SNAP packet, up to "/"; into a cleared tree. NeedMore: the same again with more.
Decoded read_body(ByteView in, DataTree& tree, size_t& used);

// A whole file. False: it is not valid, and the one before it counts.
struct SnapshotSeals {
  Zxid digest_zxid;  // the last txn whose effects may be in it
};
bool read_file(ByteView file, DataTree& tree, SnapshotSeals& seals);

}  // namespace vivarium::apache
