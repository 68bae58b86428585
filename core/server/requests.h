// The table of operations: how each request of a client is served (client-protocol section 6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

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
// Where an operation's requests are counted, and ZooKeeper's name of the count; empty: none.
size_t place_of(const Operation& operation);
std::string_view operation_name(size_t place);

}  // namespace vivarium
