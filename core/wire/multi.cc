#include "core/wire/multi.h"

#include <utility>

#include "core/base/check.h"

namespace vivarium {
namespace {

constexpr int32_t kNoError = -1;  // what requests carry, and the end

bool is_known_flag(int32_t flags) {
  return flags >= static_cast<int32_t>(CreateFlag::Persistent) &&
         flags <= static_cast<int32_t>(CreateFlag::PersistentSequentialTtl);
}

// One record off the front of `in`; fails the reader for an operation that may not be there.
MultiOp read_op(int32_t type, Op within, JuteReader& in) {
  MultiOp op;
  op.op = static_cast<Op>(type);
  const bool writes = within == Op::Multi;
  if (writes && (op.op == Op::Create || op.op == Op::Create2 || op.op == Op::CreateContainer ||
                 op.op == Op::CreateTtl)) {
    CreateRequest create = read_create_request(in, op.op);
    if (op.op != Op::CreateTtl && !is_known_flag(create.flags)) in.set_failed();
    op.record = std::move(create);
  } else if (writes && (op.op == Op::Delete || op.op == Op::Check)) {
    op.record = read_path_version_request(in);
  } else if (writes && op.op == Op::SetData) {
    op.record = read_set_data_request(in);
  } else if (!writes && (op.op == Op::GetData || op.op == Op::GetChildren)) {
    op.record = read_path_watch_request(in);
  } else {
    in.set_failed();
  }
  return op;
}

void write_header(int32_t type, bool done, int32_t error, JuteWriter& out) {
  out.i32(type);
  out.boolean(done);
  out.i32(error);
}

}  // namespace

std::optional<std::vector<MultiOp>> decode_multi_request(ByteView in, Op op) {
  CHECK(op == Op::Multi || op == Op::MultiRead);
  JuteReader reader(in);
  constexpr size_t kOpsOfMost = 16;
  std::vector<MultiOp> ops;
  ops.reserve(kOpsOfMost);
  for (;;) {
    const int32_t type = reader.i32();
    const bool done = reader.boolean();
    reader.i32();  // an error that nobody looks at
    if (!reader.ok()) return std::nullopt;
    if (done) return ops;
    ops.push_back(read_op(type, op, reader));
    if (!reader.ok()) return std::nullopt;
  }
}

void encode_multi_request(const std::vector<MultiOp>& ops, Bytes& out) {
  for (const MultiOp& op : ops) {
    JuteWriter writer(out);
    write_header(static_cast<int32_t>(op.op), false, kNoError, writer);
    if (const auto* create = std::get_if<CreateRequest>(&op.record)) {
      encode(*create, out, op.op);
    } else if (const auto* versioned = std::get_if<PathVersionRequest>(&op.record)) {
      encode(*versioned, out);
    } else if (const auto* set = std::get_if<SetDataRequest>(&op.record)) {
      encode(*set, out);
    } else {
      encode(std::get<PathWatchRequest>(op.record), out);
    }
  }
  JuteWriter writer(out);
  encode_multi_end(writer);
}

void encode_multi_header(Op op, JuteWriter& out) {
  write_header(static_cast<int32_t>(op), false, 0, out);
}

void encode_multi_error(ErrorCode error, JuteWriter& out) {
  write_header(static_cast<int32_t>(Op::Error), false, static_cast<int32_t>(error), out);
  out.i32(static_cast<int32_t>(error));
}

void encode_multi_end(JuteWriter& out) {
  write_header(static_cast<int32_t>(Op::Error), true, kNoError, out);
}

}  // namespace vivarium
