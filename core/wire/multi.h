// multi and multiRead (client-protocol section 9): operations, each behind a MultiHeader (int type,
// boolean done, int err), then a header that says done.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/wire/client_messages.h"
#include "core/wire/codes.h"
#include "core/wire/jute.h"

namespace vivarium {

struct MultiOp {
  Op op{};
  // The creates; delete and check; setData; getData and getChildren.
  std::variant<CreateRequest, PathVersionRequest, SetDataRequest, PathWatchRequest> record;
};

// `op` is Multi or MultiRead, which have no operation in common. nullopt for everything that fails
// the request as a whole: truncated, an operation that may not be there, a create with flags that
// nobody knows (createTTL answers for its own).
std::optional<std::vector<MultiOp>> decode_multi_request(ByteView in, Op op);
void encode_multi_request(const std::vector<MultiOp>& ops, Bytes& out);

// Headers of replies. An error's stands in front of its code.
void encode_multi_header(Op op, JuteWriter& out);
void encode_multi_error(ErrorCode error, JuteWriter& out);
void encode_multi_end(JuteWriter& out);

}  // namespace vivarium
