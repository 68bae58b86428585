// Transactions: TxnHeader + body + TxnDigest, the one encoding that the log, PROPOSAL packets and
// archives share (disk-formats section 3). Called an *entry* here: exactly those bytes, without the
// log's trailer (core/storage/record.h). A txn is encoded once, by the leader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/wire/codes.h"

namespace vivarium {

// 32 bytes on the wire: clientId, cxid, zxid, time, type.
struct TxnHeader {
  SessionId session;
  int32_t cxid = 0;
  Zxid zxid;
  WallTime time;
  TxnType type{};
};
inline constexpr size_t kTxnHeaderBytes = 32;
inline constexpr size_t kTxnZxidOffset = 12;  // within the header
inline constexpr size_t kTxnDigestBytes = 12;
inline constexpr int32_t kDigestVersion = 2;

struct AclEntry {
  int32_t perms = 0;
  std::string scheme;
  std::string id;
  bool operator==(const AclEntry&) const = default;
};
using Acl = std::vector<AclEntry>;

// Views point into the entry's bytes. `null_data` keeps a null buffer apart from an empty one.
struct CreateTxn {
  std::string_view path;
  ByteView data;
  bool null_data = false;
  Acl acl;
  bool ephemeral = false;
  int32_t parent_cversion =
      -1;              // stored cversion of the parent afterwards; -1: parent's + 1 (old logs)
  int64_t ttl_ms = 0;  // CreateTtl only
};
struct DeleteTxn {
  std::string_view path;
};
struct SetDataTxn {
  std::string_view path;
  ByteView data;
  bool null_data = false;
  int32_t version = 0;
};
struct SetAclTxn {
  std::string_view path;
  Acl acl;
  int32_t version = 0;
};
struct CheckTxn {
  std::string_view path;
  int32_t version = 0;
};
struct CreateSessionTxn {
  int32_t timeout_ms = 0;
};
struct CloseSessionTxn {
  bool has_paths = true;  // false: no body (old logs)
  std::vector<std::string_view> paths;
};
struct ErrorTxn {
  ErrorCode error{};
};
// Sub-txns stay encoded: decode each with decode_body(type, bytes).
struct MultiTxn {
  struct Part {
    TxnType type{};
    ByteView body;
  };
  std::vector<Part> parts;
};
// Create, Create2, CreateContainer and CreateTtl share CreateTxn; Delete and DeleteContainer share
// DeleteTxn; SetData and Reconfig share SetDataTxn. The header's type tells them apart.
using TxnBody = std::variant<CreateTxn, DeleteTxn, SetDataTxn, SetAclTxn, CheckTxn,
                             CreateSessionTxn, CloseSessionTxn, ErrorTxn, MultiTxn>;

struct TxnDigest {
  int32_t version = kDigestVersion;
  uint64_t tree_digest = 0;
};

struct Txn {
  TxnHeader header;
  TxnBody body;
  std::optional<TxnDigest> digest;
};

// Reads the first 32 bytes only. Errors: too short.
Result<TxnHeader> decode_txn_header(ByteView entry);
// Errors: unknown type, truncated body, trailing bytes that are no digest, a multi with a part that
// does not decode or may not stand in one. Views point into `entry`.
Result<Txn> decode_txn(ByteView entry);
// How many bytes of a record are its txn, for who reads as ZooKeeper does: header, body, and a
// digest if anything stands behind the body. What follows is nothing to it. Errors: as
// decode_txn().
Result<size_t> txn_bytes(ByteView record);
Result<TxnBody> decode_body(TxnType type, ByteView body);

void encode_txn_header(const TxnHeader& header, Bytes& out);
// For who knows the type only when the body is there: `entry` begins with an encoded header.
void patch_txn_type(TxnType type, Bytes& entry);
void encode_body(TxnType type, const TxnBody& body, Bytes& out);
void encode_digest(const TxnDigest& digest, Bytes& out);

// Writes the body of a MultiTxn of `parts` parts at the end of `out`: what is appended between
// begin_part() and end_part() is a part's body.
class MultiTxnWriter {
 public:
  MultiTxnWriter(size_t parts, Bytes& out);
  void begin_part();
  void end_part(TxnType type);

 private:
  Bytes& out_;
  size_t part_at_ = 0;
};

Bytes encode_txn(const Txn& txn);

}  // namespace vivarium
