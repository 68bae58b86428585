#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/tree/preparation.h"
#include "core/wire/multi.h"

namespace vivarium {
namespace {

ErrorCode prepare_part(Preparation& p, const MultiOp& op) {
  if (const auto* create = std::get_if<CreateRequest>(&op.record)) {
    return prepare_create(p, op.op, *create);
  }
  if (const auto* set = std::get_if<SetDataRequest>(&op.record)) return prepare_set_data(p, *set);
  const auto& versioned = std::get<PathVersionRequest>(op.record);
  return op.op == Op::Delete ? prepare_delete(p, versioned) : prepare_check(p, versioned);
}

}  // namespace

// Each operation is prepared on top of those before it. The first that fails takes all of them
// back; the txn still says what each had become, for the client: the body as prepared before it,
// its error, and RuntimeInconsistency behind it (disk-formats section 3).
ErrorCode prepare_multi(Preparation& p) {
  const auto ops = decode_multi_request(p.request.body, Op::Multi);
  if (!ops) return ErrorCode::MarshallingError;
  std::vector<Bytes> bodies(ops->size());
  MultiTxn multi;
  multi.parts.resize(ops->size());
  p.pending.mark();
  p.in_multi = true;
  bool failed = false;
  size_t bytes = sizeof(int32_t);
  for (size_t i = 0; i < ops->size(); ++i) {
    const ErrorCode error = failed ? ErrorCode::RuntimeInconsistency : prepare_part(p, (*ops)[i]);
    if (error != ErrorCode::Ok) {
      if (!failed) p.pending.roll_back();
      failed = true;
      p.header.type = TxnType::Error;
      encode_body(TxnType::Error, ErrorTxn{error}, p.body);
    }
    multi.parts[i].type = p.header.type;
    bodies[i] = std::exchange(p.body, Bytes());
    multi.parts[i].body = bodies[i];
    bytes += 2 * sizeof(int32_t) + bodies[i].size();
    if (bytes > p.body_bytes_max) {
      if (!failed) p.pending.roll_back();
      return ErrorCode::MarshallingError;
    }
  }
  const ErrorCode written = p.write(TxnType::Multi, multi);
  CHECK(written == ErrorCode::Ok);
  return ErrorCode::Ok;
}

}  // namespace vivarium
