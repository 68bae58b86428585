// The table of operations: how each request of a client is served (client-protocol section 6).
#pragma once

#include <cstdint>

#include "core/server/client_connection.h"
#include "core/server/reads.h"
#include "core/wire/codes.h"

namespace vivarium {

struct Operation {
  Op op{};
  RequestClass kind{};
  ReadHandler read = nullptr;  // Read and Rearm
};

// Types that no client may send, known or not, are Refused.
const Operation& operation_of(int32_t type);

}  // namespace vivarium
