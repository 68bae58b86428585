// The doors that the settings ask for: for clients, plain, TLS, or both on one port, and SASL
// behind them; and for the other members.
#pragma once

#include "core/base/result.h"
#include "core/config.h"
#include "net/epoll_loop.h"

namespace vivarium {

// The doors of a member of an ensemble for the others.
void add_peer_doors(const ServerFile& file, LoopOptions& options);
// Reads the stores of TLS and the users of SASL; the error names the file or the key.
Result<void> add_client_doors(const ServerFile& file, LoopOptions& options);

}  // namespace vivarium
