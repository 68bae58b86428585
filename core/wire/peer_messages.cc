#include "core/wire/peer_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/wire/fixed.h"
#include "core/wire/host_port.h"
#include "core/wire/jute.h"

namespace vivarium {
namespace {

constexpr int64_t kHelloVersion = -65536;              // one address
constexpr int64_t kHelloVersionMultiAddress = -65535;  // several, joined by '|'
constexpr int32_t kHelloAddressBytesMax = 2048;
constexpr size_t kHelloFixedBytes = 20;

constexpr size_t kNotificationBytesMin = 28;          // without the leader's epoch
constexpr size_t kNotificationBytesUnversioned = 40;  // what stands in the last four is not read
constexpr size_t kNotificationHeadBytes = 40;         // up to the version, with it
constexpr int32_t kNotificationVersionWithConfig = 2;

constexpr int32_t kLearnerProtocolUnknown =
    1;  // Apache's assumption about a learner that is silent
constexpr size_t kAuthIdBytesMin = 8;
constexpr size_t kPacketHeadBytes = 16;  // type, zxid, length of the data

bool valid_addresses(std::string_view addresses) {
  while (true) {
    const size_t bar = addresses.find('|');
    if (!parse_host_port(addresses.substr(0, bar))) return false;
    if (bar == std::string_view::npos) return true;
    addresses.remove_prefix(bar + 1);
  }
}

// Reads the front of a stream: running out of bytes is no error, only a reason to wait.
class StreamReader {
 public:
  explicit StreamReader(ByteView in) : in_(in) {}

  Decoded state() const { return state_; }
  bool ok() const { return state_ == Decoded::Ok; }
  size_t position() const { return at_; }
  void set_bad() { state_ = Decoded::Bad; }
  int32_t i32() {
    const ByteView v = take(4);
    return v.empty() ? 0 : static_cast<int32_t>(get_u32(v.data()));
  }
  int64_t i64() {
    const ByteView v = take(8);
    return v.empty() ? 0 : static_cast<int64_t>(get_u64(v.data()));
  }
  // Bad as soon as the length is read, whether or not the bytes are there.
  ByteView buffer(size_t bytes_max, bool* null = nullptr) {
    const int32_t n = i32();
    if (!ok()) return {};
    if (null != nullptr) *null = n == -1;
    if (n == -1) return {};
    if (n < 0 || static_cast<size_t>(n) > bytes_max) {
      set_bad();
      return {};
    }
    return take(static_cast<size_t>(n));
  }

 private:
  ByteView take(size_t n) {
    if (!ok()) return {};
    if (n > in_.size() - at_) {
      state_ = Decoded::NeedMore;
      return {};
    }
    const ByteView v = in_.subspan(at_, n);
    at_ += n;
    return v;
  }

  ByteView in_;
  size_t at_ = 0;
  Decoded state_ = Decoded::Ok;
};

// Walks over the ids of an authinfo vector; all of them together may take `bytes_max`. Collects
// them only when asked to, so that a packet that is still incomplete costs no allocation.
void read_auth(StreamReader& in, int32_t count, size_t bytes_max, std::vector<AuthId>* out) {
  const size_t start = in.position();
  const auto bytes_left = [&] {  // behind the length that comes next
    const size_t used = in.position() - start + 4;
    return used < bytes_max ? bytes_max - used : 0;
  };
  for (int32_t i = 0; i < count && in.ok(); ++i) {
    const ByteView scheme = in.buffer(bytes_left());
    const ByteView id = in.buffer(bytes_left());
    if (in.ok() && out != nullptr) {
      out->push_back({std::string(as_text(scheme)), std::string(as_text(id))});
    }
  }
}

}  // namespace

// --- election port

Decoded decode_election_hello(ByteView in, ElectionHello& out, size_t& used) {
  if (in.size() < 8) return Decoded::NeedMore;
  JuteReader reader(in);
  const int64_t version = reader.i64();
  if (version >= 0) {  // a very old peer: only its id
    out = ElectionHello{ServerId{version}, {}};
    used = reader.position();
    return Decoded::Ok;
  }
  if (version != kHelloVersion && version != kHelloVersionMultiAddress) return Decoded::Bad;
  if (in.size() < kHelloFixedBytes) return Decoded::NeedMore;
  const ServerId from{reader.i64()};
  const int32_t length = reader.i32();
  CHECK(reader.ok() && reader.position() == kHelloFixedBytes);
  if (length < 1 || length > kHelloAddressBytesMax) return Decoded::Bad;
  if (reader.left() < static_cast<size_t>(length)) return Decoded::NeedMore;
  const std::string_view address = as_text(reader.take(static_cast<size_t>(length)));
  if (!valid_addresses(address)) return Decoded::Bad;
  out = ElectionHello{from, std::string(address)};
  used = reader.position();
  return Decoded::Ok;
}

void encode(const ElectionHello& hello, Bytes& out) {
  CHECK(!hello.address.empty() && hello.address.size() <= kHelloAddressBytesMax);
  JuteWriter writer(out);
  writer.i64(kHelloVersion);
  writer.i64(hello.from.value);
  writer.string(hello.address);
}

Result<Notification> decode_notification(ByteView message) {
  if (message.size() < kNotificationBytesMin) {
    return fail(fmt::format("notification of {} bytes is too short", message.size()));
  }
  JuteReader in(message);
  Notification n;
  const int32_t state = in.i32();
  if (state < 0 || state > static_cast<int32_t>(PeerState::Observing)) {
    return fail(fmt::format("notification with unknown state {}", state));
  }
  n.state = static_cast<PeerState>(state);
  n.leader = ServerId{in.i64()};
  n.zxid = in.i64();
  n.election_epoch = in.i64();
  n.version = 0;
  if (message.size() == kNotificationBytesMin) {
    n.peer_epoch = n.zxid >> 32;
    return n;
  }
  n.peer_epoch = in.i64();
  if (message.size() == kNotificationBytesUnversioned) return n;
  n.version = in.i32();
  if (n.version >= kNotificationVersionWithConfig) {
    bool null = false;
    n.config = in.string(&null);
    if (null) in.set_failed();
  }
  if (!in.ok()) return fail(fmt::format("notification of {} bytes is malformed", message.size()));
  n.extension = in.rest();
  return n;
}

void encode_notification_frame(const Notification& n, Bytes& out) {
  JuteWriter writer(out);
  const size_t start = writer.position();
  Byte* head = grow(out, 4 + kNotificationHeadBytes);
  head = put_next(head, int32_t{0});
  head = put_next(head, static_cast<int32_t>(n.state));
  head = put_next(head, n.leader.value);
  head = put_next(head, n.zxid);
  head = put_next(head, n.election_epoch);
  head = put_next(head, n.peer_epoch);
  put_next(head, n.version);
  if (n.version >= kNotificationVersionWithConfig) writer.string(n.config);
  writer.raw(n.extension);
  const size_t length = writer.position() - start - 4;
  CHECK(length <= kNotificationBytesMax);
  writer.patch_i32(start, static_cast<int32_t>(length));
}

// --- leader port

Decoded decode_quorum_packet(ByteView in, size_t data_bytes_max, QuorumPacket& out, size_t& used) {
  if (in.empty()) return Decoded::NeedMore;
  StreamReader reader(in);
  QuorumPacket packet;
  packet.type = static_cast<PacketType>(reader.i32());
  packet.zxid = reader.i64();
  packet.data = reader.buffer(data_bytes_max, &packet.null_data);
  const int32_t count = reader.i32();
  packet.null_auth = count == -1;
  if (count > 0 && static_cast<size_t>(count) > data_bytes_max / kAuthIdBytesMin) reader.set_bad();
  if (count > 0) {
    StreamReader again = reader;
    read_auth(reader, count, data_bytes_max, nullptr);
    if (!reader.ok()) return reader.state();
    read_auth(again, count, data_bytes_max, &packet.auth);
    CHECK(again.ok() && again.position() == reader.position());
  }
  if (!reader.ok()) return reader.state();
  out = std::move(packet);
  used = reader.position();
  return Decoded::Ok;
}

namespace {

// Null where there is none.
void encode_parts(PacketType type, int64_t zxid, const ByteView* data,
                  const std::span<const AuthId>* auth, Bytes& out) {
  CHECK(data == nullptr || data->size() <= INT32_MAX);
  CHECK(auth == nullptr || auth->size() <= INT32_MAX);
  JuteWriter writer(out);
  Byte* head = grow(out, kPacketHeadBytes);
  head = put_next(head, static_cast<int32_t>(type));
  head = put_next(head, zxid);
  put_next(head, data == nullptr ? -1 : static_cast<int32_t>(data->size()));
  if (data != nullptr && !data->empty()) writer.raw(*data);
  writer.i32(auth == nullptr ? -1 : static_cast<int32_t>(auth->size()));
  if (auth == nullptr) return;
  for (const AuthId& id : *auth) {
    writer.string(id.scheme);
    writer.string(id.id);
  }
}

}  // namespace

void encode(const QuorumPacket& packet, Bytes& out) {
  CHECK(!packet.null_data || packet.data.empty());
  CHECK(!packet.null_auth || packet.auth.empty());
  const std::span<const AuthId> auth = packet.auth;
  encode_parts(packet.type, packet.zxid, packet.null_data ? nullptr : &packet.data,
               packet.null_auth ? nullptr : &auth, out);
}

void encode_packet(PacketType type, int64_t zxid, Bytes& out) {
  encode_parts(type, zxid, nullptr, nullptr, out);
}

void encode_packet(PacketType type, int64_t zxid, ByteView data, Bytes& out) {
  encode_parts(type, zxid, &data, nullptr, out);
}

void encode_packet(PacketType type, int64_t zxid, ByteView data, std::span<const AuthId> auth,
                   Bytes& out) {
  encode_parts(type, zxid, &data, &auth, out);
}

std::optional<LearnerInfo> decode_learner_info(ByteView data) {
  JuteReader in(data);
  LearnerInfo info;
  info.id = ServerId{in.i64()};
  info.protocol_version = kLearnerProtocolUnknown;
  if (in.ok() && in.left() > 0) info.protocol_version = in.i32();
  if (in.ok() && in.left() > 0) info.config_version = in.i64();
  if (!in.ok()) return std::nullopt;
  info.extension = in.rest();
  return info;
}

void encode(const LearnerInfo& info, Bytes& out) {
  JuteWriter writer(out);
  writer.i64(info.id.value);
  writer.i32(info.protocol_version);
  writer.i64(info.config_version);
  writer.raw(info.extension);
}

std::optional<ForwardedRequest> decode_forwarded_request(ByteView data) {
  JuteReader in(data);
  ForwardedRequest request;
  request.session = SessionId{in.i64()};
  request.cxid = in.i32();
  request.op = static_cast<Op>(in.i32());
  if (!in.ok()) return std::nullopt;
  request.body = in.rest();
  return request;
}

void encode(const ForwardedRequest& request, Bytes& out) {
  JuteWriter writer(out);
  Byte* head = grow(out, 16);
  head = put_next(head, request.session.value);
  head = put_next(head, request.cxid);
  put_next(head, static_cast<int32_t>(request.op));
  writer.raw(request.body);
}

std::optional<std::vector<SessionTouch>> decode_touches(ByteView data) {
  JuteReader in(data);
  std::vector<SessionTouch> touches;
  while (in.ok() && in.left() > 0) {
    SessionTouch touch;
    touch.session = SessionId{in.i64()};
    touch.timeout_ms = in.i32();
    touches.push_back(touch);
  }
  if (!in.ok()) return std::nullopt;
  return touches;
}

void encode_touches(const std::vector<SessionTouch>& touches, Bytes& out) {
  for (const SessionTouch& touch : touches) encode(touch, out);
}

std::optional<SessionTouch> decode_revalidate(ByteView data) {
  JuteReader in(data);
  SessionTouch touch;
  touch.session = SessionId{in.i64()};
  touch.timeout_ms = in.i32();
  if (!in.ok()) return std::nullopt;
  return touch;
}

void encode(const SessionTouch& touch, Bytes& out) {
  JuteWriter writer(out);
  writer.i64(touch.session.value);
  writer.i32(touch.timeout_ms);
}

std::optional<RevalidateAnswer> decode_revalidate_answer(ByteView data) {
  JuteReader in(data);
  RevalidateAnswer answer;
  answer.session = SessionId{in.i64()};
  answer.valid = in.boolean();
  if (!in.ok()) return std::nullopt;
  return answer;
}

void encode(const RevalidateAnswer& answer, Bytes& out) {
  JuteWriter writer(out);
  writer.i64(answer.session.value);
  writer.boolean(answer.valid);
}

std::string config_text(const std::vector<ConfigMember>& members, uint64_t version) {
  std::vector<const ConfigMember*> sorted;
  sorted.reserve(members.size());
  for (const ConfigMember& m : members) sorted.push_back(&m);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const ConfigMember* a, const ConfigMember* b) { return a->id < b->id; });
  // Said with every epoch and to every learner: number by number, not by format strings.
  std::string text;
  const auto add = [&text](std::string_view before, int64_t number) {
    std::array<char, 20> digits;
    text += before;
    text.append(digits.data(),
                std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
  };
  for (const ConfigMember* m : sorted) {
    add("server.", m->id.value);
    text += '=';
    text += bracketed_host(m->quorum_host);
    add(":", m->quorum_port);
    add(":", m->election_port);
    text += m->observer ? ":observer" : ":participant";
    if (m->client_port != 0) {
      text += ';';
      text += bracketed_host(m->client_host);
      add(":", m->client_port);
    }
    text += '\n';
  }
  return text + fmt::format("version={:x}", version);
}

}  // namespace vivarium
