#include "core/wire/txn.h"

#include <fmt/format.h>

#include "core/wire/acl_codec.h"
#include "core/wire/fixed.h"
#include "core/wire/jute.h"
#include "core/wire/jute_fields.h"

namespace vivarium {
namespace {

constexpr size_t kPartBytesMin = 8;    // type, length of the body
constexpr size_t kStringBytesMin = 4;  // length

CreateTxn read_create(TxnType type, JuteReader& in) {
  CreateTxn txn;
  txn.path = read_path(in);
  txn.data = in.buffer(&txn.null_data);
  txn.acl = decode_acl(in);
  if (type == TxnType::Create || type == TxnType::Create2) txn.ephemeral = in.boolean();
  // CreateTxnV0: logs older than 3.4 end here.
  if (type == TxnType::Create && in.ok() && in.left() == 0) return txn;
  txn.parent_cversion = in.i32();
  if (type == TxnType::CreateTtl) txn.ttl_ms = in.i64();
  return txn;
}

SetDataTxn read_set_data(JuteReader& in) {
  SetDataTxn txn;
  txn.path = read_path(in);
  txn.data = in.buffer(&txn.null_data);
  txn.version = in.i32();
  return txn;
}

SetAclTxn read_set_acl(JuteReader& in) {
  SetAclTxn txn;
  txn.path = read_path(in);
  txn.acl = decode_acl(in);
  txn.version = in.i32();
  return txn;
}

CheckTxn read_check(JuteReader& in) {
  CheckTxn txn;
  txn.path = read_path(in);
  txn.version = in.i32();
  return txn;
}

CloseSessionTxn read_close_session(JuteReader& in) {
  CloseSessionTxn txn;
  bool null = false;
  const size_t count = in.count(kStringBytesMin, &null);
  if (null) in.set_failed();
  for (size_t i = 0; i < count && in.ok(); ++i) txn.paths.push_back(read_path(in));
  return txn;
}

MultiTxn read_multi(JuteReader& in) {
  MultiTxn txn;
  bool null = false;
  const size_t count = in.count(kPartBytesMin, &null);
  if (null) in.set_failed();
  txn.parts.reserve(count);
  for (size_t i = 0; i < count && in.ok(); ++i) {
    MultiTxn::Part part;
    part.type = static_cast<TxnType>(in.i32());
    bool null_body = false;
    part.body = in.buffer(&null_body);
    if (null_body) in.set_failed();
    txn.parts.push_back(part);
  }
  return txn;
}

// What Apache applies inside a multi; everything else is refused there, as it is here. Above all no
// multi: nesting would let bytes choose the depth of our stack.
bool may_be_part(TxnType type) {
  switch (type) {
    case TxnType::Create:
    case TxnType::Create2:
    case TxnType::CreateContainer:
    case TxnType::CreateTtl:
    case TxnType::Delete:
    case TxnType::DeleteContainer:
    case TxnType::SetData:
    case TxnType::Check:
    case TxnType::Error:
      return true;
    case TxnType::SetAcl:
    case TxnType::Multi:
    case TxnType::Reconfig:
    case TxnType::CreateSession:
    case TxnType::CloseSession:
      return false;
  }
  return false;
}

Result<TxnBody> checked_parts(MultiTxn txn) {
  for (const MultiTxn::Part& part : txn.parts) {
    const int32_t type = static_cast<int32_t>(part.type);
    if (!may_be_part(part.type)) return fail(fmt::format("multi txn holds a txn of type {}", type));
    if (const Result<TxnBody> body = decode_body(part.type, part.body); !body) {
      return fail("inside a multi txn: " + body.error().message);
    }
  }
  return TxnBody(std::move(txn));
}

// Reads a body off the front of `in`; what stands behind it is left to the caller.
Result<TxnBody> read_body(TxnType type, JuteReader& in) {
  TxnBody body;
  switch (type) {
    case TxnType::Create:
    case TxnType::Create2:
    case TxnType::CreateContainer:
    case TxnType::CreateTtl:
      body = read_create(type, in);
      break;
    case TxnType::Delete:
    case TxnType::DeleteContainer:
      body = DeleteTxn{read_path(in)};
      break;
    case TxnType::SetData:
    case TxnType::Reconfig:
      body = read_set_data(in);
      break;
    case TxnType::SetAcl:
      body = read_set_acl(in);
      break;
    case TxnType::Check:
      body = read_check(in);
      break;
    case TxnType::CreateSession:
      body = CreateSessionTxn{in.i32()};
      break;
    case TxnType::CloseSession:
      body = read_close_session(in);
      break;
    case TxnType::Error:
      body = ErrorTxn{static_cast<ErrorCode>(in.i32())};
      break;
    case TxnType::Multi: {
      MultiTxn multi = read_multi(in);
      if (in.ok()) return checked_parts(std::move(multi));
      break;
    }
    default:
      return fail(fmt::format("unknown txn type {}", static_cast<int32_t>(type)));
  }
  if (!in.ok()) {
    return fail(fmt::format("body of a txn of type {} is cut short or malformed",
                            static_cast<int32_t>(type)));
  }
  return body;
}

// A closeSession without a body, in a log with or without digests. Twelve bytes beginning with the
// int 2 could also be a vector of two empty paths, which no session can own: they are a digest.
bool close_session_without_body(ByteView rest) {
  if (rest.empty()) return true;
  return rest.size() == kTxnDigestBytes &&
         get_u32(rest.data()) == static_cast<uint32_t>(kDigestVersion);
}

void write_create(TxnType type, const CreateTxn& txn, JuteWriter& out) {
  out.string(txn.path);
  write_data(txn.data, txn.null_data, out);
  encode_acl(txn.acl, out);
  if (type == TxnType::Create || type == TxnType::Create2) out.boolean(txn.ephemeral);
  out.i32(txn.parent_cversion);
  if (type == TxnType::CreateTtl) out.i64(txn.ttl_ms);
}

void write_close_session(const CloseSessionTxn& txn, JuteWriter& out) {
  CHECK(txn.has_paths || txn.paths.empty());
  CHECK(txn.paths.size() <= INT32_MAX);
  if (!txn.has_paths) return;
  out.i32(static_cast<int32_t>(txn.paths.size()));
  for (const std::string_view path : txn.paths) out.string(path);
}

void write_multi(const MultiTxn& txn, Bytes& out) {
  MultiTxnWriter writer(txn.parts.size(), out);
  for (const MultiTxn::Part& part : txn.parts) {
    writer.begin_part();
    append_bytes(out, part.body);
    writer.end_part(part.type);
  }
}

template <class T>
const T& body_as(const TxnBody& body) {
  const T* const typed = std::get_if<T>(&body);
  CHECK(typed != nullptr);
  return *typed;
}

}  // namespace

Result<TxnHeader> decode_txn_header(ByteView entry) {
  if (entry.size() < kTxnHeaderBytes) {
    return fail(fmt::format("txn of {} bytes has no whole header", entry.size()));
  }
  JuteReader in(entry.first(kTxnHeaderBytes));
  TxnHeader header;
  header.session = SessionId{in.i64()};
  header.cxid = in.i32();
  header.zxid = Zxid::from_wire(in.i64());
  header.time = WallTime{in.i64()};
  header.type = static_cast<TxnType>(in.i32());
  CHECK(in.ok() && in.left() == 0);
  return header;
}

namespace {

// `in` is at the end of the body then.
Result<Txn> decode_without_digest(ByteView entry, JuteReader& in) {
  const Result<TxnHeader> header = decode_txn_header(entry);
  if (!header) return tl::unexpected<Error>(header.error());
  in = JuteReader(entry.subspan(kTxnHeaderBytes));
  Txn txn;
  txn.header = *header;
  if (header->type == TxnType::CloseSession && close_session_without_body(in.rest())) {
    txn.body = CloseSessionTxn{false, {}};
  } else {
    Result<TxnBody> body = read_body(header->type, in);
    if (!body) return tl::unexpected<Error>(body.error());
    txn.body = std::move(*body);
  }
  return txn;
}

}  // namespace

Result<Txn> decode_txn(ByteView entry) {
  JuteReader in({});
  Result<Txn> txn = decode_without_digest(entry, in);
  if (!txn || in.left() == 0) return txn;
  if (in.left() != kTxnDigestBytes) {
    return fail(fmt::format("{} bytes behind the body of a txn of type {} are no digest", in.left(),
                            static_cast<int32_t>(txn->header.type)));
  }
  TxnDigest digest;
  digest.version = in.i32();
  digest.tree_digest = static_cast<uint64_t>(in.i64());
  txn->digest = digest;
  return txn;
}

Result<size_t> txn_bytes(ByteView record) {
  JuteReader in({});
  const Result<Txn> txn = decode_without_digest(record, in);
  if (!txn) return tl::unexpected<Error>(txn.error());
  if (in.left() != 0 && in.left() < kTxnDigestBytes) return fail("half a digest behind a txn");
  return record.size() - in.left() + (in.left() == 0 ? 0 : kTxnDigestBytes);
}

Result<TxnBody> decode_body(TxnType type, ByteView body) {
  if (type == TxnType::CloseSession && body.empty()) return TxnBody(CloseSessionTxn{false, {}});
  JuteReader in(body);
  Result<TxnBody> result = read_body(type, in);
  if (result && in.left() != 0) {
    return fail(fmt::format("{} bytes too many behind the body of a txn of type {}", in.left(),
                            static_cast<int32_t>(type)));
  }
  return result;
}

void encode_txn_header(const TxnHeader& header, Bytes& out) {
  Byte* p = grow(out, kTxnHeaderBytes);
  p = put_next(p, header.session.value);
  p = put_next(p, header.cxid);
  p = put_next(p, header.zxid.wire());
  p = put_next(p, header.time.ms);
  p = put_next(p, static_cast<int32_t>(header.type));
  CHECK(p == out.data() + out.size());
}

void patch_txn_type(TxnType type, Bytes& entry) {
  CHECK(entry.size() >= kTxnHeaderBytes);
  put_u32(entry.data() + kTxnHeaderBytes - 4, static_cast<uint32_t>(type));
}

void encode_body(TxnType type, const TxnBody& body, Bytes& out) {
  JuteWriter writer(out);
  switch (type) {
    case TxnType::Create:
    case TxnType::Create2:
    case TxnType::CreateContainer:
    case TxnType::CreateTtl:
      return write_create(type, body_as<CreateTxn>(body), writer);
    case TxnType::Delete:
    case TxnType::DeleteContainer:
      return writer.string(body_as<DeleteTxn>(body).path);
    case TxnType::SetData:
    case TxnType::Reconfig: {
      const SetDataTxn& txn = body_as<SetDataTxn>(body);
      writer.string(txn.path);
      write_data(txn.data, txn.null_data, writer);
      return writer.i32(txn.version);
    }
    case TxnType::SetAcl: {
      const SetAclTxn& txn = body_as<SetAclTxn>(body);
      writer.string(txn.path);
      encode_acl(txn.acl, writer);
      return writer.i32(txn.version);
    }
    case TxnType::Check: {
      const CheckTxn& txn = body_as<CheckTxn>(body);
      writer.string(txn.path);
      return writer.i32(txn.version);
    }
    case TxnType::CreateSession:
      return writer.i32(body_as<CreateSessionTxn>(body).timeout_ms);
    case TxnType::CloseSession:
      return write_close_session(body_as<CloseSessionTxn>(body), writer);
    case TxnType::Error:
      return writer.i32(static_cast<int32_t>(body_as<ErrorTxn>(body).error));
    case TxnType::Multi:
      return write_multi(body_as<MultiTxn>(body), out);
  }
  CHECK(false);
}

MultiTxnWriter::MultiTxnWriter(size_t parts, Bytes& out) : out_(out) {
  CHECK(parts <= INT32_MAX);
  JuteWriter(out_).i32(static_cast<int32_t>(parts));
}

void MultiTxnWriter::begin_part() {
  part_at_ = out_.size();
  JuteWriter writer(out_);
  writer.i32(0);  // its type
  writer.i32(0);  // its length
}

void MultiTxnWriter::end_part(TxnType type) {
  CHECK(may_be_part(type));
  JuteWriter writer(out_);
  writer.patch_i32(part_at_, static_cast<int32_t>(type));
  writer.patch_i32(part_at_ + 4, static_cast<int32_t>(out_.size() - part_at_ - 8));
}

void encode_digest(const TxnDigest& digest, Bytes& out) {
  JuteWriter writer(out);
  writer.i32(digest.version);
  writer.i64(static_cast<int64_t>(digest.tree_digest));
}

Bytes encode_txn(const Txn& txn) {
  Bytes out;
  encode_txn_header(txn.header, out);
  encode_body(txn.header.type, txn.body, out);
  if (txn.digest) encode_digest(*txn.digest, out);
  return out;
}

}  // namespace vivarium
