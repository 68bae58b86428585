#include "sim/operations.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/base/check.h"
#include "core/wire/acl_codec.h"
#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"

namespace vivarium::sim {
namespace {

constexpr size_t kStatBytes = 68;

CreateRequest create_request(const ClientOp& op, const Identity& who) {
  CreateRequest request;
  request.path = op.path;
  request.data = op.data;
  request.acl = acl_of(op.acl, who);
  request.flags = op.flags;
  request.ttl_ms = op.ttl_ms;
  return request;
}

MultiOp multi_op(const ClientOp& op, const Identity& who) {
  MultiOp out;
  out.op = op.op;
  if (is_create(op.op)) {
    out.record = create_request(op, who);
  } else if (op.op == Op::SetData) {
    out.record = SetDataRequest{op.path, op.data, false, op.version};
  } else if (op.op == Op::Delete || op.op == Op::Check) {
    out.record = PathVersionRequest{op.path, op.version};
  } else {
    out.record = PathWatchRequest{op.path, op.watch};
  }
  return out;
}

void read_names(JuteReader& in, std::vector<std::string>& names) {
  for (size_t n = in.count(4); n > 0; --n) names.emplace_back(in.string());
}

void read_stat(JuteReader& in, ClientOp& op) {
  op.stat = decode_stat(in.take(kStatBytes));
  if (!op.stat) in.set_failed();
}

// The result of one operation, alone or in a multi.
void read_result(Op op, JuteReader& in, ClientOp& out) {
  if (is_create(op) || op == Op::Sync) out.reply_path = in.string();
  if (op == Op::GetData || op == Op::Reconfig) {
    const ByteView data = in.buffer();
    out.reply_data.assign(data.begin(), data.end());
  }
  if (op == Op::GetChildren || op == Op::GetChildren2 || op == Op::GetEphemerals) {
    read_names(in, out.children);
  }
  if (op == Op::WhoAmI) {
    for (size_t n = in.count(8); n > 0; --n) {
      const std::string_view scheme = in.string();
      out.children.push_back(fmt::format("{} {}", scheme, in.string()));
    }
  }
  if (op == Op::AddWatch && in.i32() != 0) in.set_failed();
  if (op == Op::GetAcl) out.reply_acl = decode_acl(in);
  if (op == Op::GetAllChildrenNumber) out.number = in.i32();
  const bool with_stat = op == Op::GetData || op == Op::Reconfig || op == Op::SetData ||
                         op == Op::Exists || op == Op::GetChildren2 || op == Op::SetAcl ||
                         op == Op::GetAcl || (is_create(op) && op != Op::Create);
  if (with_stat) read_stat(in, out);
}

// Results in the order of the operations. Who creates more than a plain path is answered as
// create2.
void read_multi(JuteReader& in, ClientOp& op) {
  for (ClientOp& part : op.parts) {
    const auto type = static_cast<Op>(in.i32());
    const bool done = in.boolean();
    part.error = static_cast<ErrorCode>(in.i32());
    if (done) return in.set_failed();
    if (type == Op::Error) {
      if (static_cast<ErrorCode>(in.i32()) != part.error) in.set_failed();
      continue;
    }
    const bool as_create2 = part.op == Op::CreateContainer || part.op == Op::CreateTtl;
    if (type != (as_create2 ? Op::Create2 : part.op) || part.error != ErrorCode::Ok) {
      return in.set_failed();
    }
    read_result(part.op, in, part);
  }
  (void)in.i32();
  if (!in.boolean()) in.set_failed();
  (void)in.i32();
}

}  // namespace

ClientOp recorded(const Operation& operation) {
  ClientOp op;
  op.op = operation.op;
  op.path = operation.path;
  op.data = operation.data;
  op.version = operation.version;
  op.flags = static_cast<int32_t>(operation.flag);
  op.ttl_ms = operation.ttl_ms;
  op.acl = operation.acl;
  op.watch = operation.watch;
  op.truncated = operation.truncated;
  op.ask = operation.ask;
  op.parts.reserve(operation.parts.size());
  for (const Operation& part : operation.parts) op.parts.push_back(recorded(part));
  return op;
}

bool is_refused(Op op) {
  return op == Op::Check || op == Op::DeleteContainer || op == Op::CreateSession ||
         op == Op::Notification || op == kUnknownOp;
}

void encode_body(const ClientOp& op, Bytes& out) {
  if (op.op == Op::CloseSession || op.op == Op::WhoAmI) return;
  if (is_create(op.op)) {
    encode(create_request(op, op.who), out, op.op);
  } else if (op.op == Op::Delete || is_refused(op.op) || op.op == Op::AddWatch ||
             op.op == Op::RemoveWatches || op.op == Op::CheckWatches) {
    encode(PathVersionRequest{op.path, op.version}, out);  // the same fields
  } else if (op.op == Op::SetData) {
    encode(SetDataRequest{op.path, op.data, false, op.version}, out);
  } else if (op.op == Op::Reconfig) {
    ReconfigRequest request;
    if (!op.ask.joining.empty()) request.joining = op.ask.joining;
    if (!op.ask.leaving.empty()) request.leaving = op.ask.leaving;
    if (op.ask.members) request.new_members = *op.ask.members;
    request.version = op.ask.version;
    encode(request, out);
  } else if (op.op == Op::SetAcl) {
    encode(SetAclRequest{op.path, false, acl_of(op.acl, op.who), op.version}, out);
  } else if (op.op == Op::Sync || op.op == Op::GetEphemerals) {
    encode(SyncRequest{op.path, false}, out);
  } else if (op.op == Op::GetAcl || op.op == Op::GetAllChildrenNumber) {
    encode(PathRequest{op.path}, out);
  } else if (op.op == Op::Multi || op.op == Op::MultiRead) {
    std::vector<MultiOp> ops;
    for (const ClientOp& part : op.parts) ops.push_back(multi_op(part, op.who));
    encode_multi_request(ops, out);
  } else {
    encode(PathWatchRequest{op.path, op.watch}, out);
  }
}

bool decode_result(ByteView body, ClientOp& op) {
  JuteReader in(body);
  if (op.op == Op::Multi || op.op == Op::MultiRead) {
    read_multi(in, op);
  } else {
    read_result(op.op, in, op);
  }
  return in.ok() && in.left() == 0;
}

}  // namespace vivarium::sim
