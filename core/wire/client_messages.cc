#include "core/wire/client_messages.h"

#include "core/wire/acl_codec.h"
#include "core/wire/fixed.h"
#include "core/wire/jute.h"
#include "core/wire/jute_fields.h"

namespace vivarium {
namespace {

constexpr int32_t kStateSyncConnected = 3;
constexpr size_t kPasswordBytes = 16;

template <class T>
std::optional<T> if_whole(const JuteReader& in, T&& record) {
  if (!in.ok()) return std::nullopt;
  return std::forward<T>(record);
}

void write_acl(const Acl& acl, bool null, JuteWriter& out) {
  CHECK(!null || acl.empty());
  if (null) {
    out.i32(-1);
  } else {
    encode_acl(acl, out);
  }
}

}  // namespace

std::optional<ConnectRequest> decode_connect_request(ByteView in) {
  JuteReader reader(in);
  ConnectRequest r;
  r.protocol_version = reader.i32();
  r.last_zxid_seen = Zxid::from_wire(reader.i64());
  r.timeout_ms = reader.i32();
  r.session = SessionId{reader.i64()};
  r.password = reader.buffer(&r.null_password);
  if (reader.ok() && reader.left() > 0) {
    r.has_read_only = true;
    r.read_only = reader.boolean();
  }
  return if_whole(reader, std::move(r));
}

void encode(const ConnectRequest& r, Bytes& out) {
  JuteWriter writer(out);
  writer.i32(r.protocol_version);
  writer.i64(r.last_zxid_seen.wire());
  writer.i32(r.timeout_ms);
  writer.i64(r.session.value);
  write_data(r.password, r.null_password, writer);
  if (r.has_read_only) writer.boolean(r.read_only);
}

std::optional<ConnectResponse> decode_connect_response(ByteView in) {
  JuteReader reader(in);
  ConnectResponse r;
  reader.i32();  // protocol version, always 0
  r.timeout_ms = reader.i32();
  r.session = SessionId{reader.i64()};
  const ByteView password = reader.buffer();
  r.password.assign(password.begin(), password.end());
  if (reader.ok() && reader.left() > 0) {
    r.has_read_only = true;
    r.read_only = reader.boolean();
  }
  return if_whole(reader, std::move(r));
}

void encode(const ConnectResponse& r, Bytes& out) {
  JuteWriter writer(out);
  writer.i32(0);
  writer.i32(r.timeout_ms);
  writer.i64(r.session.value);
  writer.buffer(r.password);
  if (r.has_read_only) writer.boolean(r.read_only);
}

std::optional<RequestHeader> decode_request_header(ByteView in) {
  JuteReader reader(in);
  RequestHeader r;
  r.xid = reader.i32();
  r.type = reader.i32();
  return if_whole(reader, std::move(r));
}

void encode(const RequestHeader& r, Bytes& out) {
  Byte* p = grow(out, 8);
  p = put_next(p, r.xid);
  put_next(p, r.type);
}

std::optional<ReplyHeader> decode_reply_header(ByteView in) {
  JuteReader reader(in);
  ReplyHeader r;
  r.xid = reader.i32();
  r.zxid = reader.i64();
  r.error = static_cast<ErrorCode>(reader.i32());
  return if_whole(reader, std::move(r));
}

void encode(const ReplyHeader& r, Bytes& out) {
  Byte* p = grow(out, 16);
  p = put_next(p, r.xid);
  p = put_next(p, r.zxid);
  put_next(p, static_cast<int32_t>(r.error));
}

std::optional<Stat> decode_stat(ByteView in) {
  JuteReader reader(in);
  Stat s;
  s.czxid = Zxid::from_wire(reader.i64());
  s.mzxid = Zxid::from_wire(reader.i64());
  s.ctime_ms = reader.i64();
  s.mtime_ms = reader.i64();
  s.version = reader.i32();
  s.cversion = reader.i32();
  s.aversion = reader.i32();
  s.ephemeral_owner = reader.i64();
  s.data_length = reader.i32();
  s.num_children = reader.i32();
  s.pzxid = Zxid::from_wire(reader.i64());
  return if_whole(reader, std::move(s));
}

void encode(const Stat& s, Bytes& out) {
  Byte* p = grow(out, 68);
  p = put_next(p, s.czxid.wire());
  p = put_next(p, s.mzxid.wire());
  p = put_next(p, s.ctime_ms);
  p = put_next(p, s.mtime_ms);
  p = put_next(p, s.version);
  p = put_next(p, s.cversion);
  p = put_next(p, s.aversion);
  p = put_next(p, s.ephemeral_owner);
  p = put_next(p, s.data_length);
  p = put_next(p, s.num_children);
  put_next(p, s.pzxid.wire());
}

std::optional<WatcherEvent> decode_watch_event(ByteView in) {
  JuteReader reader(in);
  WatcherEvent event;
  event.type = static_cast<WatchEvent>(reader.i32());
  event.state = reader.i32();
  event.path = read_path(reader);
  return if_whole(reader, std::move(event));
}

void encode_watch_event(WatchEvent type, std::string_view path, Bytes& out) {
  JuteWriter writer(out);
  writer.i32(static_cast<int32_t>(type));
  writer.i32(kStateSyncConnected);
  writer.string(path);
}

CreateRequest read_create_request(JuteReader& in, Op op) {
  CreateRequest r;
  r.path = read_path(in);
  r.data = in.buffer(&r.null_data);
  r.acl = decode_acl(in, &r.null_acl);
  r.flags = in.i32();
  if (op == Op::CreateTtl) r.ttl_ms = in.i64();
  return r;
}

std::optional<CreateRequest> decode_create_request(ByteView in) {
  JuteReader reader(in);
  CreateRequest r = read_create_request(reader, Op::Create);
  return if_whole(reader, std::move(r));
}

std::optional<CreateRequest> decode_create_ttl_request(ByteView in) {
  JuteReader reader(in);
  CreateRequest r = read_create_request(reader, Op::CreateTtl);
  return if_whole(reader, std::move(r));
}

void encode(const CreateRequest& r, Bytes& out, Op op) {
  JuteWriter writer(out);
  writer.string(r.path);
  write_data(r.data, r.null_data, writer);
  write_acl(r.acl, r.null_acl, writer);
  writer.i32(r.flags);
  if (op == Op::CreateTtl) writer.i64(r.ttl_ms);
}

PathVersionRequest read_path_version_request(JuteReader& in) {
  PathVersionRequest r;
  r.path = read_path(in);
  r.version = in.i32();
  return r;
}

std::optional<PathVersionRequest> decode_path_version_request(ByteView in) {
  JuteReader reader(in);
  PathVersionRequest r = read_path_version_request(reader);
  return if_whole(reader, std::move(r));
}

void encode(const PathVersionRequest& r, Bytes& out) {
  JuteWriter writer(out);
  writer.string(r.path);
  writer.i32(r.version);
}

PathWatchRequest read_path_watch_request(JuteReader& in) {
  PathWatchRequest r;
  r.path = read_path(in);
  r.watch = in.boolean();
  return r;
}

std::optional<PathWatchRequest> decode_path_watch_request(ByteView in) {
  JuteReader reader(in);
  PathWatchRequest r = read_path_watch_request(reader);
  return if_whole(reader, std::move(r));
}

void encode(const PathWatchRequest& r, Bytes& out) {
  JuteWriter writer(out);
  writer.string(r.path);
  writer.boolean(r.watch);
}

SetDataRequest read_set_data_request(JuteReader& in) {
  SetDataRequest r;
  r.path = in.string();
  r.data = in.buffer(&r.null_data);
  r.version = in.i32();
  return r;
}

std::optional<SetDataRequest> decode_set_data_request(ByteView in) {
  JuteReader reader(in);
  SetDataRequest r = read_set_data_request(reader);
  return if_whole(reader, std::move(r));
}

void encode(const SetDataRequest& r, Bytes& out) {
  JuteWriter writer(out);
  writer.string(r.path);
  write_data(r.data, r.null_data, writer);
  writer.i32(r.version);
}

std::optional<SetAclRequest> decode_set_acl_request(ByteView in) {
  JuteReader reader(in);
  SetAclRequest r;
  r.path = reader.string();
  r.acl = decode_acl(reader, &r.null_acl);
  r.version = reader.i32();
  return if_whole(reader, std::move(r));
}

void encode(const SetAclRequest& r, Bytes& out) {
  JuteWriter writer(out);
  writer.string(r.path);
  write_acl(r.acl, r.null_acl, writer);
  writer.i32(r.version);
}

std::optional<PathRequest> decode_path_request(ByteView in) {
  JuteReader reader(in);
  PathRequest r;
  r.path = read_path(reader);
  return if_whole(reader, std::move(r));
}

void encode(const PathRequest& r, Bytes& out) { JuteWriter(out).string(r.path); }

std::optional<AuthPacket> decode_auth_packet(ByteView in) {
  JuteReader reader(in);
  reader.i32();  // a type that nobody looks at
  AuthPacket r;
  r.scheme = reader.string(&r.null_scheme);
  r.auth = reader.buffer(&r.null_auth);
  return if_whole(reader, std::move(r));
}

void encode(const AuthPacket& r, Bytes& out) {
  JuteWriter writer(out);
  writer.i32(0);
  write_data(as_bytes(r.scheme), r.null_scheme, writer);
  write_data(r.auth, r.null_auth, writer);
}

std::optional<SyncRequest> decode_sync_request(ByteView in) {
  JuteReader reader(in);
  SyncRequest r;
  r.path = reader.string(&r.null_path);
  return if_whole(reader, std::move(r));
}

std::optional<ReconfigRequest> decode_reconfig_request(ByteView in) {
  JuteReader reader(in);
  ReconfigRequest r;
  for (std::optional<std::string_view>* text : {&r.joining, &r.leaving, &r.new_members}) {
    bool null = false;
    const std::string_view value = reader.string(&null);
    if (!null) *text = value;
  }
  r.version = reader.i64();
  return if_whole(reader, std::move(r));
}

void encode(const ReconfigRequest& r, Bytes& out) {
  JuteWriter writer(out);
  for (const std::optional<std::string_view>& text : {r.joining, r.leaving, r.new_members}) {
    write_data(as_bytes(text.value_or("")), !text, writer);
  }
  writer.i64(r.version);
}

void encode(const SyncRequest& r, Bytes& out) {
  JuteWriter writer(out);
  write_data(as_bytes(r.path), r.null_path, writer);
}

Bytes apache_session_password(SessionId session) {
  constexpr uint64_t kSuperSecret = 0xB3415C00ULL;
  constexpr uint64_t kMultiplier = 0x5DEECE66DULL;
  constexpr uint64_t kMask = (uint64_t{1} << 48) - 1;
  uint64_t state = ((static_cast<uint64_t>(session.value) ^ kSuperSecret) ^ kMultiplier) & kMask;
  Bytes password;
  while (password.size() < kPasswordBytes) {
    state = (state * kMultiplier + 0xB) & kMask;
    for (unsigned shift = 16; shift < 48; shift += 8) {
      password.push_back(static_cast<Byte>(state >> shift));
    }
  }
  return password;
}

}  // namespace vivarium
