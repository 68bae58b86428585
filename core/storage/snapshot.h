// Snapshots: Apache's format (disk-formats section 4), exact: the state at one zxid and nothing
// later. A snapshot file has three seals as 3.9 writes them; a SNAP stream is the body alone. Both
// are made in slices, while the tree goes on changing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/tree/data_tree.h"
#include "core/tree/tree_snapshot.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

// In the place of the digest, beside zxid 0 ("no digest").
inline constexpr uint64_t kUnsettledMark = 0x7669'7641'6865'6164;  // "vivAhead"

// What one slice of a snapshot may take of a step: so many sessions, lists or znodes, or so many
// bytes, whichever comes first; a znode is never divided.
struct SnapshotSlice {
  size_t elements = SIZE_MAX;
  size_t bytes = SIZE_MAX;
};

// Writes a state in slices: sessions, ACL map, znodes, "/"; a file also header and seals. ACLs get
// their numbers in the order in which a walk meets them, and stand in front of all znodes: so there
// are two walks.
class SnapshotEncoder {
 public:
  enum class Form : uint8_t { Body, File };
  explicit SnapshotEncoder(Form form, bool exact = true) : form_(form), exact_(exact) {}

  // Appends the next slice to `out`. True: that was the last one. `state` is not lost.
  bool encode(const DataTree& tree, TreeSnapshot& state, SnapshotSlice slice, Bytes& out);

 private:
  enum class Part : uint8_t { Begin, Sessions, Look, Acls, Znodes, End };

  struct AclLess {
    bool operator()(const Acl& a, const Acl& b) const;
  };
  void encode_part(const DataTree& tree, TreeSnapshot& state, Bytes& out);
  void encode_acl(Bytes& out);
  void encode_znode(const TreeSnapshot::Znode& znode, Bytes& out) const;
  void end_part(TreeSnapshot& state, Bytes& out);

  Form form_;
  bool exact_;
  Part part_ = Part::Begin;
  std::map<Acl, int64_t, AclLess> acls_;
  std::optional<Acl> last_acl_;  // the one written last
  uint32_t adler_ = 1;           // of all slices so far
};

// In one step: what is small, or has to be there at once. The body is what follows a SNAP packet
// (without "BenWasHere"), the file one for zxid tree.last_applied().
void encode_snapshot_body(const DataTree& tree, Bytes& out);
void encode_snapshot_file(const DataTree& tree, Bytes& out);
// Wraps a body received by SNAP into a file: header before, seals after. `body_adler` is the
// running Adler-32 over header and body. Without a digest: the body is another's, and may be ahead
// of its zxid (RULES 7); Apache takes it for one without a digest.
void encode_snapshot_header(Bytes& out);
void encode_snapshot_seals(uint32_t body_adler, Zxid zxid, std::optional<uint64_t> digest,
                           Bytes& out);

// Decodes a body that arrives in pieces into a cleared tree. Feed until Ok or Bad; `used` says how
// much of the piece belongs to the body. Hostile counts and lengths cost nothing but the bytes
// present.
class SnapshotBodyReader {
 public:
  Decoded feed(ByteView piece, DataTree& tree, size_t& used);
  const std::string& error() const { return error_; }
  // Znodes whose ACL stands in no list: closed until a txn that is replayed says what it is.
  size_t closed_nodes() const { return closed_nodes_; }

 private:
  enum class Part : uint8_t { SessionCount, Sessions, AclCount, Acls, Nodes, End };

  Decoded read(ByteView in, DataTree& tree, size_t& used);
  Decoded read_part(ByteView in, DataTree& tree, size_t& used);
  Decoded read_acl(ByteView in, size_t& used);
  Decoded read_node(ByteView in, DataTree& tree, size_t& used);
  Decoded bad(std::string why);

  Part part_ = Part::SessionCount;
  uint32_t left_ = 0;  // sessions or ACLs still to come
  std::map<int64_t, Acl> acls_;
  Acl open_acl_ = open_acl();                  // kOpenAclId, which stands in no list
  Acl closed_acl_ = {{0, "world", "anyone"}};  // of a list that is not there
  size_t closed_nodes_ = 0;
  std::optional<DataTree::Place> next_place_;  // of the znode that comes next, if it is known
  Bytes rest_;  // the beginning of an element whose end has not arrived
  std::string error_;
};

// Decodes a whole file that is read in pieces: header, body, seals. The tree may have been changed
// whatever the outcome: clear it after a failure.
class SnapshotFileReader {
 public:
  // What the digest block says.
  struct Seals {
    Zxid digest_zxid;  // 0: there is no digest
    int32_t digest_version = 0;
    uint64_t digest = 0;

    bool has_digest() const { return digest_zxid != Zxid{} && digest_version == kDigestVersion; }
    // Received from a server of ZooKeeper's that went on applying meanwhile, or may have.
    bool unsettled() const { return digest_zxid == Zxid{} && digest == kUnsettledMark; }
  };

  // False: the file is bad.
  bool feed(ByteView piece, DataTree& tree);
  // After the last piece. Errors: what is wrong with the file.
  Result<Seals> finish() const;
  size_t closed_nodes() const { return body_.closed_nodes(); }

 private:
  Bytes header_;
  SnapshotBodyReader body_;
  bool body_done_ = false;
  bool bad_ = false;
  uint32_t adler_ = 1;
  Bytes seals_;
};

}  // namespace vivarium
