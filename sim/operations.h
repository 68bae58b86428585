// The client protocol from the client's end: the request that an operation makes, and what its
// reply says.
#pragma once

#include "core/base/bytes.h"
#include "core/wire/codes.h"
#include "core/wire/txn.h"
#include "sim/observation.h"
#include "sim/workload.h"

namespace vivarium::sim {

// Not for clients to ask, alone: answered with Unimplemented and the end of the connection.
bool is_refused(Op op);
inline constexpr Op kUnknownOp{42};

// What the history keeps of a request, its parts too.
ClientOp recorded(const Operation& operation);
// The record behind the request header.
void encode_body(const ClientOp& op, Bytes& out);
// The body of a reply without an error, into the op. False: it does not decode.
bool decode_result(ByteView body, ClientOp& op);

}  // namespace vivarium::sim
