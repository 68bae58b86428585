// The client doors that the settings ask for: plain, TLS, or both on one port.
#pragma once

#include "core/base/result.h"
#include "core/config.h"
#include "net/epoll_loop.h"

namespace vivarium {

// Reads key and trust stores when there is TLS; the error names the file or the key.
Result<void> add_client_doors(const ServerFile& file, LoopOptions& options);

}  // namespace vivarium
