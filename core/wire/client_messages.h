// Records of the client protocol that the server reads and writes (client-protocol sections 2, 4,
// 7), without the frame's length. Decoders return nullopt for a truncated record; trailing bytes
// are ignored. Views point into the input.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/wire/codes.h"
#include "core/wire/jute.h"
#include "core/wire/txn.h"

namespace vivarium {

struct ConnectRequest {
  int32_t protocol_version = 0;
  Zxid last_zxid_seen;
  int32_t timeout_ms = 0;
  SessionId session;
  ByteView password;
  bool null_password = false;
  bool has_read_only = false;  // the optional last byte was there
  bool read_only = false;
};
struct ConnectResponse {
  int32_t timeout_ms = 0;  // 0: session refused
  SessionId session;
  Bytes password;  // 16 bytes
  bool has_read_only = false;
  bool read_only = false;
};

struct RequestHeader {
  int32_t xid = 0;
  int32_t type = 0;
};
struct ReplyHeader {
  int32_t xid = 0;
  int64_t zxid = 0;
  ErrorCode error{};
};

// As clients see it: cversion is 2 * stored - num_children, ephemeral_owner is 0 for containers and
// TTL nodes (semantics section 1). 68 bytes.
struct Stat {
  Zxid czxid;
  Zxid mzxid;
  int64_t ctime_ms = 0;
  int64_t mtime_ms = 0;
  int32_t version = 0;
  int32_t cversion = 0;
  int32_t aversion = 0;
  int64_t ephemeral_owner = 0;
  int32_t data_length = 0;
  int32_t num_children = 0;
  Zxid pzxid;
  bool operator==(const Stat&) const = default;
};

struct CreateRequest {  // create, create2, createContainer, createTTL
  std::string_view path;
  ByteView data;
  bool null_data = false;
  bool null_acl = false;
  Acl acl;
  int32_t flags = 0;
  int64_t ttl_ms = -1;  // on the wire in createTTL only
};
struct PathVersionRequest {  // delete, check
  std::string_view path;
  int32_t version = 0;
};
struct PathWatchRequest {  // exists, getData, getChildren, getChildren2
  std::string_view path;
  bool watch = false;
};
struct SetDataRequest {
  std::string_view path;
  ByteView data;
  bool null_data = false;
  int32_t version = 0;
};
struct SetAclRequest {
  std::string_view path;
  bool null_acl = false;
  Acl acl;
  int32_t version = 0;
};
struct PathRequest {  // getACL, getAllChildrenNumber, deleteContainer
  std::string_view path;
};
struct AuthPacket {
  std::string_view scheme;
  bool null_scheme = false;
  ByteView auth;
  bool null_auth = false;
};
struct ReconfigRequest {
  std::optional<std::string_view> joining;      // server lines, with commas between them
  std::optional<std::string_view> leaving;      // ids
  std::optional<std::string_view> new_members;  // the whole list, instead of the two
  int64_t version = -1;                         // of the configuration to be changed; -1: whatever
};
struct SyncRequest {  // sync, getEphemerals
  std::string_view path;
  bool null_path = false;
};

std::optional<ConnectRequest> decode_connect_request(ByteView in);
std::optional<RequestHeader> decode_request_header(ByteView in);  // the first 8 bytes
// Null paths are failures but in setData and setACL, which answer them like "".
std::optional<CreateRequest> decode_create_request(ByteView in);
std::optional<CreateRequest> decode_create_ttl_request(ByteView in);
std::optional<PathVersionRequest> decode_path_version_request(ByteView in);
std::optional<PathWatchRequest> decode_path_watch_request(ByteView in);
std::optional<SetDataRequest> decode_set_data_request(ByteView in);
std::optional<SetAclRequest> decode_set_acl_request(ByteView in);
std::optional<PathRequest> decode_path_request(ByteView in);
std::optional<AuthPacket> decode_auth_packet(ByteView in);
std::optional<SyncRequest> decode_sync_request(ByteView in);
std::optional<ReconfigRequest> decode_reconfig_request(ByteView in);

// The same off the front of `in`, for the operations of a multi; ok() of the reader tells whether
// they were whole.
CreateRequest read_create_request(JuteReader& in, Op op);
PathVersionRequest read_path_version_request(JuteReader& in);
PathWatchRequest read_path_watch_request(JuteReader& in);
SetDataRequest read_set_data_request(JuteReader& in);

void encode(const ConnectResponse& r, Bytes& out);
void encode(const ReplyHeader& r, Bytes& out);
void encode(const Stat& s, Bytes& out);
void encode_watch_event(WatchEvent type, std::string_view path, Bytes& out);  // state 3, as always

// The other direction, for the simulator's clients, vivctl and tests.
void encode(const ConnectRequest& r, Bytes& out);
void encode(const RequestHeader& r, Bytes& out);
void encode(const CreateRequest& r, Bytes& out, Op op = Op::Create);
void encode(const SetAclRequest& r, Bytes& out);
void encode(const PathRequest& r, Bytes& out);
void encode(const AuthPacket& r, Bytes& out);
void encode(const PathVersionRequest& r, Bytes& out);
void encode(const PathWatchRequest& r, Bytes& out);
void encode(const SetDataRequest& r, Bytes& out);
void encode(const ReconfigRequest& r, Bytes& out);
void encode(const SyncRequest& r, Bytes& out);
std::optional<ConnectResponse> decode_connect_response(ByteView in);
std::optional<ReplyHeader> decode_reply_header(ByteView in);  // the first 16 bytes
std::optional<Stat> decode_stat(ByteView in);                 // the first 68 bytes
struct WatcherEvent {
  WatchEvent type{};
  int32_t state = 0;
  std::string_view path;
};
std::optional<WatcherEvent> decode_watch_event(ByteView in);

// The 16 bytes that Apache derives from a session id (java.util.Random; client-protocol section 2).
Bytes apache_session_password(SessionId session);

}  // namespace vivarium
