// Reads: requests that are answered from this server's tree and may leave a watch. One function per
// opcode; checks in the order of client-protocol section 8.
#pragma once

#include <vector>

#include "core/base/bytes.h"
#include "core/tree/data_tree.h"
#include "core/tree/watches.h"
#include "core/wire/codes.h"
#include "core/wire/peer_messages.h"

namespace vivarium {

struct ReadContext {
  const DataTree& tree;
  WatchTable& watches;
  WatcherId watcher;
  const std::vector<AuthId>& ids;  // of the connection
};

// Appends the reply's body to `out`. After an error what was appended is dropped.
using ReadHandler = ErrorCode (*)(const ReadContext&, ByteView body, Bytes& out);

ErrorCode read_ping(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_exists(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_data(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_children(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode read_children2(const ReadContext& context, ByteView body, Bytes& out);

// setWatches: appends to `out` whole frames of the events that the client has missed, which precede
// the reply, and registers the rest. Decided by mzxid for data and pzxid for children (hazards W1).
ErrorCode rearm_watches(const ReadContext& context, ByteView body, Bytes& out);

// May a connection with these ids see the node at `path`? A node that is not there hides nothing.
bool may_read(const DataTree& tree, std::string_view path, const std::vector<AuthId>& ids);

}  // namespace vivarium
