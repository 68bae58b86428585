// libFuzzer over the decoders of core/wire, and of the texts of addresses and quotas. The first
// byte selects the decoder.
// What decodes must encode to bytes that decode to the same encoding; stream decoders must not
// change their verdict when more bytes arrive.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "core/tree/quota.h"
#include "core/wire/client_messages.h"
#include "core/wire/host_port.h"
#include "core/wire/multi.h"
#include "core/wire/peer_extension.h"
#include "core/wire/peer_messages.h"
#include "core/wire/txn.h"

namespace vivarium {
namespace {

constexpr size_t kDataBytesMax = 4096;

template <class T>
Bytes encoded(const T& record) {
  Bytes out;
  encode(record, out);
  return out;
}
Bytes encoded(const Txn& txn) { return encode_txn(txn); }
Bytes encoded(const TxnHeader& header) {
  Bytes out;
  encode_txn_header(header, out);
  return out;
}
Bytes encoded(const std::vector<SessionTouch>& touches) {
  Bytes out;
  encode_touches(touches, out);
  return out;
}
Bytes encoded(const Notification& n) {
  Bytes frame;
  encode_notification_frame(n, frame);
  return Bytes(frame.begin() + 4, frame.end());
}
Bytes encoded(const WatcherEvent& event) {
  Bytes out;
  encode_watch_event(event.type, event.path, out);
  return out;
}
struct Encoder {
  template <class T>
  Bytes operator()(const T& record) const {
    return encoded(record);
  }
};

// `decode` yields an optional or a Result.
template <class Decode, class Encode = Encoder>
void check_stable(ByteView bytes, Decode decode, Encode encode_again = {}) {
  const auto record = decode(bytes);
  if (!record.has_value()) return;
  const Bytes once = encode_again(*record);
  const auto back = decode(ByteView(once));
  CHECK(back.has_value());
  CHECK(encode_again(*back) == once);
}

template <class T, class Decode>
void check_stream(ByteView bytes, Decode decode) {
  T record;
  size_t used = 0;
  const Decoded verdict = decode(bytes, record, used);
  if (verdict == Decoded::Ok) CHECK(used <= bytes.size());
  // A verdict on a front holds for the whole.
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 8) {
    const Bytes front(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    T front_record;
    size_t front_used = 0;
    const Decoded early = decode(ByteView(front), front_record, front_used);
    if (early == Decoded::NeedMore) continue;
    CHECK(early == verdict);
    CHECK(early != Decoded::Ok || front_used == used);
  }
  // And Ok needs the last byte it counts.
  if (verdict != Decoded::Ok) return;
  CHECK(used > 0);
  T cut_record;
  size_t cut_used = 0;
  CHECK(decode(bytes.first(used - 1), cut_record, cut_used) == Decoded::NeedMore);
}

void check_packet(ByteView bytes) {
  const auto decode = [](ByteView in, QuorumPacket& packet, size_t& used) {
    return decode_quorum_packet(in, kDataBytesMax, packet, used);
  };
  check_stream<QuorumPacket>(bytes, decode);
  check_stable(bytes, [&](ByteView in) -> std::optional<QuorumPacket> {
    QuorumPacket packet;
    size_t used = 0;
    if (decode(in, packet, used) != Decoded::Ok) return std::nullopt;
    return packet;
  });
}

// The packets with which a damaged leader is filled.
template <class T, class Decode, class Encode>
void check_fill(ByteView bytes, PacketType type, Decode decode, Encode encode_again) {
  QuorumPacket packet;
  size_t used = 0;
  if (decode_quorum_packet(bytes, kDataBytesMax, packet, used) != Decoded::Ok) return;
  packet.type = type;
  const std::optional<T> record = decode(packet);
  if (!record) return;
  Bytes once;
  encode_again(*record, once);
  CHECK(decode_quorum_packet(once, kDataBytesMax, packet, used) == Decoded::Ok);
  CHECK(packet.type == type && used == once.size());
  const std::optional<T> back = decode(packet);
  CHECK(back);
  Bytes twice;
  encode_again(*back, twice);
  CHECK(once == twice);
}

// A bare id of an old peer is no hello that could be encoded.
void check_hello(ByteView bytes) {
  check_stream<ElectionHello>(bytes, decode_election_hello);
  check_stable(bytes, [](ByteView in) -> std::optional<ElectionHello> {
    ElectionHello hello;
    size_t used = 0;
    if (decode_election_hello(in, hello, used) != Decoded::Ok) return std::nullopt;
    if (hello.address.empty()) return std::nullopt;
    return hello;
  });
}

// The first byte is the txn's type, modulo 256.
void check_body(ByteView bytes) {
  if (bytes.empty()) return;
  const TxnType type = static_cast<TxnType>(static_cast<int8_t>(bytes[0]));
  const Result<TxnBody> body = decode_body(type, bytes.subspan(1));
  if (!body) return;
  Bytes once;
  encode_body(type, *body, once);
  const Result<TxnBody> back = decode_body(type, once);
  CHECK(back.has_value());
  Bytes twice;
  encode_body(type, *back, twice);
  CHECK(once == twice);
}

void check_multi(ByteView bytes, Op op) {
  const auto ops = decode_multi_request(bytes, op);
  if (!ops) return;
  Bytes once;
  encode_multi_request(*ops, once);
  const auto back = decode_multi_request(once, op);
  CHECK(back && back->size() == ops->size());
  Bytes twice;
  encode_multi_request(*back, twice);
  CHECK(once == twice);
}

Bytes bytes_of(const std::string& text) { return Bytes(text.begin(), text.end()); }

void check_address(ByteView bytes) {
  check_stable(
      bytes, [](ByteView in) { return parse_host_port(as_text(in)); },
      [](const HostPort& address) {
        return bytes_of(bracketed_host(address.host) + ":" + std::to_string(address.port));
      });
}

void check_quota(ByteView bytes) {
  check_stable(
      bytes, [](ByteView in) { return parse_quota(as_text(in)); },
      [](const QuotaText& quota) { return bytes_of(format_quota(quota)); });
}

void check_create_ttl(ByteView bytes) {
  check_stable(bytes, decode_create_ttl_request, [](const CreateRequest& create) {
    Bytes out;
    encode(create, out, Op::CreateTtl);
    return out;
  });
}

constexpr uint8_t kDecoders = 34;

void run(uint8_t decoder, ByteView bytes) {
  switch (decoder % kDecoders) {
    case 0:
      return check_stable(bytes, decode_txn);
    case 1:
      return check_body(bytes);
    case 2:
      return check_packet(bytes);
    case 3:
      return check_hello(bytes);
    case 4:
      return check_stable(bytes, decode_notification);
    case 5:
      return check_stable(bytes, decode_learner_info);
    case 6:
      return check_stable(bytes, decode_forwarded_request);
    case 7:
      return check_stable(bytes, decode_touches);
    case 8:
      return check_stable(bytes, decode_revalidate);
    case 9:
      return check_stable(bytes, decode_revalidate_answer);
    case 10:
      return check_stable(bytes, decode_connect_request);
    case 11:
      return check_stable(bytes, decode_connect_response);
    case 12:
      return check_stable(bytes, decode_create_request);
    case 13:
      return check_stable(bytes, decode_path_version_request);
    case 14:
      return check_stable(bytes, decode_path_watch_request);
    case 15:
      return check_stable(bytes, decode_set_data_request);
    case 16:
      return check_stable(bytes, decode_sync_request);
    case 17:
      return check_stable(bytes, decode_stat);
    case 18:
      return check_stable(bytes, decode_watch_event);
    case 19:
      return check_fill<FillEnd>(bytes, kFillEnd, decode_fill_end,
                                 [](const FillEnd& end, Bytes& out) { encode(end, out); });
    case 20:
      return check_stable(bytes, decode_set_acl_request);
    case 21:
      return check_stable(bytes, decode_path_request);
    case 22:
      return check_stable(bytes, decode_auth_packet);
    case 23:
      return check_multi(bytes, Op::Multi);
    case 24:
      return check_multi(bytes, Op::MultiRead);
    case 25:
      return check_stable(bytes, decode_peer_extension);
    case 26:
      return check_fill<ZxidRange>(bytes, kFillAsk, decode_fill_ask, encode_fill_ask);
    case 27:
      return check_stable(bytes, decode_reconfig_request);
    case 28:
      return check_create_ttl(bytes);
    case 29:
      return check_stable(bytes, decode_request_header);
    case 30:
      return check_stable(bytes, decode_reply_header);
    case 31:
      return check_stable(bytes, decode_txn_header);
    case 32:
      return check_address(bytes);
    case 33:
      return check_quota(bytes);
  }
}

}  // namespace
}  // namespace vivarium

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  vivarium::run(data[0], vivarium::ByteView(data + 1, size - 1));
  return 0;
}
