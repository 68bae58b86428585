// Snapshots: Apache's format (disk-formats section 4), exact: the state at one zxid and nothing
// later. A snapshot file has three seals as 3.9 writes them; a SNAP stream is the body alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/tree/data_tree.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

// Sessions, ACL map, nodes, "/": what follows a SNAP packet (without "BenWasHere").
void encode_snapshot_body(const DataTree& tree, Bytes& out);
// A whole file for zxid tree.last_applied().
void encode_snapshot_file(const DataTree& tree, Bytes& out);
// Wraps a body received by SNAP into a file: header before, seals after. `body_adler` is the
// running Adler-32 over header and body.
void encode_snapshot_header(Bytes& out);
void encode_snapshot_seals(uint32_t body_adler, Zxid zxid, uint64_t digest, Bytes& out);

// Decodes a body that arrives in pieces into a cleared tree. Feed until Ok or Bad; `used` says how
// much of the piece belongs to the body. Hostile counts and lengths cost nothing but the bytes
// present.
class SnapshotBodyReader {
 public:
  Decoded feed(ByteView piece, DataTree& tree, size_t& used);
  const std::string& error() const { return error_; }

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
  Bytes rest_;  // the beginning of an element whose end has not arrived
  std::string error_;
};

// Decodes a whole file that is read in pieces: header, body, seals. The tree may have been changed
// whatever the outcome: clear it after a failure.
class SnapshotFileReader {
 public:
  // What the digest block says; zxid 0 is "no digest".
  struct Seals {
    Zxid digest_zxid;
    int32_t digest_version = 0;
    uint64_t digest = 0;
  };

  // False: the file is bad.
  bool feed(ByteView piece, DataTree& tree);
  // After the last piece. Errors: what is wrong with the file.
  Result<Seals> finish() const;

 private:
  Bytes header_;
  SnapshotBodyReader body_;
  bool body_done_ = false;
  bool bad_ = false;
  uint32_t adler_ = 1;
  Bytes seals_;
};

}  // namespace vivarium
