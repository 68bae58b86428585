// Frames from the server to a client (client-protocol sections 2, 4, 7), appended to a connection's
// output with the length in front.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "core/tree/data_tree.h"
#include "core/wire/client_messages.h"
#include "core/wire/codes.h"

namespace vivarium {

// In front of every frame.
inline constexpr size_t kFrameLengthBytes = 4;

// Watch events made by setWatches rather than by a txn carry this for a zxid.
inline constexpr int64_t kNoEventZxid = -1;

void append_reply(const ReplyHeader& header, ByteView body, Bytes& out);
// Of a failed step of SASL: a token of nothing stands behind the error.
void append_sasl_failure(const ReplyHeader& header, Bytes& out);
void append_connect_response(const ConnectResponse& response, Bytes& out);
// All zero but for the presence of the readOnly byte: the client is told that its session has
// expired.
void append_refusal(bool has_read_only, Bytes& out);
void append_watch_event(int64_t zxid, WatchEvent event, std::string_view path, Bytes& out);

// A reply whose body is written in place: begin, append the body to `out`, finish. An error drops
// the body.
size_t begin_reply(int32_t xid, Zxid zxid, Bytes& out);
void finish_reply(size_t begin, ErrorCode error, Bytes& out);

// The body of the reply to a write that succeeded.
void encode_write_result(Op op, const Effects& effects, Bytes& body);
// Of a multi, whatever became of it: a failed one, too, is answered by a result for each operation.
// `asked` are the operations of the request; txns do not tell a create2 from a create.
void encode_multi_results(std::span<const Op> asked, const Effects& effects, Bytes& body);

}  // namespace vivarium
