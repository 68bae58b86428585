#include "core/tree/preparation.h"
#include "core/wire/multi.h"

namespace vivarium {
namespace {

ErrorCode prepare_part(Preparation& p, MultiOp& op) {
  if (auto* create = std::get_if<CreateRequest>(&op.record)) {
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
  auto ops = decode_multi_request(p.request.body, Op::Multi);
  if (!ops) return ErrorCode::MarshallingError;
  const size_t at = p.entry.size();
  MultiTxnWriter multi(ops->size(), p.entry);
  p.pending.mark();
  p.in_multi = true;
  bool failed = false;
  for (MultiOp& op : *ops) {
    multi.begin_part();
    const ErrorCode error = failed ? ErrorCode::RuntimeInconsistency : prepare_part(p, op);
    if (error != ErrorCode::Ok) {
      if (!failed) p.pending.roll_back();
      failed = true;
      p.header.type = TxnType::Error;
      encode_body(TxnType::Error, ErrorTxn{error}, p.entry);
    }
    multi.end_part(p.header.type);
    if (p.entry.size() - at > p.body_bytes_max) {
      if (!failed) p.pending.roll_back();
      p.entry.resize(at);
      return ErrorCode::MarshallingError;
    }
  }
  p.header.type = TxnType::Multi;
  return ErrorCode::Ok;
}

}  // namespace vivarium
