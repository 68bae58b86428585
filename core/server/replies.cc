#include "core/server/replies.h"

#include <algorithm>

#include "core/wire/jute.h"
#include "core/wire/multi.h"

namespace vivarium {
namespace {

constexpr size_t kReplyHeaderBytes = 16;
constexpr size_t kErrorOffset = 12;  // in the reply header, behind xid and zxid
constexpr size_t kPasswordBytes = 16;

size_t begin_frame(Bytes& out) {
  const size_t begin = out.size();
  out.resize(begin + kFrameLengthBytes);
  return begin;
}

void finish_frame(size_t begin, Bytes& out) {
  const size_t length = out.size() - begin - kFrameLengthBytes;
  CHECK(length <= INT32_MAX);
  put_u32(out.data() + begin, static_cast<uint32_t>(length));
}

}  // namespace

void append_reply(const ReplyHeader& header, ByteView body, Bytes& out) {
  const size_t begin = begin_frame(out);
  encode(header, out);
  if (header.error == ErrorCode::Ok) append_bytes(out, body);
  finish_frame(begin, out);
}

void append_sasl_failure(const ReplyHeader& header, Bytes& out) {
  CHECK(header.error != ErrorCode::Ok);
  const size_t begin = begin_frame(out);
  encode(header, out);
  JuteWriter(out).null_buffer();
  finish_frame(begin, out);
}

void append_connect_response(const ConnectResponse& response, Bytes& out) {
  CHECK(response.password.size() == kPasswordBytes);
  const size_t begin = begin_frame(out);
  encode(response, out);
  finish_frame(begin, out);
}

void append_refusal(bool has_read_only, Bytes& out) {
  ConnectResponse refusal;
  refusal.password.assign(kPasswordBytes, 0);
  refusal.has_read_only = has_read_only;
  append_connect_response(refusal, out);
}

void append_watch_event(int64_t zxid, WatchEvent event, std::string_view path, Bytes& out) {
  const size_t begin = begin_frame(out);
  encode(ReplyHeader{kXidWatchEvent, zxid, ErrorCode::Ok}, out);
  encode_watch_event(event, path, out);
  finish_frame(begin, out);
}

size_t begin_reply(int32_t xid, Zxid zxid, Bytes& out) {
  const size_t begin = begin_frame(out);
  encode(ReplyHeader{xid, zxid.wire(), ErrorCode::Ok}, out);
  CHECK(out.size() == begin + kFrameLengthBytes + kReplyHeaderBytes);
  return begin;
}

void finish_reply(size_t begin, ErrorCode error, Bytes& out) {
  CHECK(out.size() >= begin + kFrameLengthBytes + kReplyHeaderBytes);
  if (error != ErrorCode::Ok) {
    out.resize(begin + kFrameLengthBytes + kReplyHeaderBytes);
    put_u32(out.data() + begin + kFrameLengthBytes + kErrorOffset, static_cast<uint32_t>(error));
  }
  finish_frame(begin, out);
}

void encode_write_result(Op op, const Effects& effects, Bytes& body) {
  CHECK(effects.error == ErrorCode::Ok);
  const bool is_create2 = op == Op::Create2 || op == Op::CreateContainer || op == Op::CreateTtl;
  if (op == Op::Create || is_create2) JuteWriter(body).string(effects.path);
  if (op == Op::Reconfig) JuteWriter(body).buffer(as_bytes(effects.data));
  const bool with_stat = is_create2 || op == Op::SetData || op == Op::SetAcl || op == Op::Reconfig;
  if (with_stat) encode(effects.stat, body);
}

void encode_multi_results(std::span<const Op> asked, const Effects& effects, Bytes& body) {
  const bool failed =
      std::any_of(effects.parts.begin(), effects.parts.end(),
                  [](const Effects& part) { return part.header.type == TxnType::Error; });
  JuteWriter writer(body);
  for (size_t i = 0; i < effects.parts.size(); ++i) {
    const Effects& part = effects.parts[i];
    if (failed || part.error != ErrorCode::Ok) {
      encode_multi_error(part.error, writer);
      continue;
    }
    // Numbers of operations and of their txns are the same.
    Op op = static_cast<Op>(part.header.type);
    if (i < asked.size() && op == Op::Create) op = asked[i];
    // Who creates more than the path is answered as create2.
    const bool with_stat = op == Op::CreateContainer || op == Op::CreateTtl;
    encode_multi_header(with_stat ? Op::Create2 : op, writer);
    encode_write_result(op, part, body);
  }
  encode_multi_end(writer);
}

}  // namespace vivarium
