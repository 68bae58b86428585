// The client doors that the settings ask for: plain, TLS, or both on one port; and SASL behind
// them.
#pragma once

#include "core/base/result.h"
#include "core/config.h"
#include "net/epoll_loop.h"

namespace vivarium {

// Reads the stores of TLS and the users of SASL; the error names the file or the key.
Result<void> add_client_doors(const ServerFile& file, LoopOptions& options);

}  // namespace vivarium
