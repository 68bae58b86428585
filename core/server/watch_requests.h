// Requests about watches (client-protocol section 10): ReadHandlers as those of reads.h, but the
// two of class Rearm, which append to `out` whole frames of the events that the client has missed;
// these precede the reply.
#pragma once

#include "core/base/bytes.h"
#include "core/server/reads.h"
#include "core/wire/codes.h"

namespace vivarium {

// Tells what happened since relativeZxid and registers the rest. Decided by mzxid for data, by
// pzxid for children, by existence for exist (hazards W1). A missed event on a znode that the
// client may not read is not told, and its one-shot watch is gone as if it had been.
ErrorCode set_watches(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode set_watches2(const ReadContext& context, ByteView body, Bytes& out);

// Neither looks at the path or at ACLs: what may be told is decided when an event is due.
ErrorCode add_watch(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode check_watches(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode remove_watches(const ReadContext& context, ByteView body, Bytes& out);

}  // namespace vivarium
