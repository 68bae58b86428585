// Requests about watches (client-protocol section 10): ReadHandlers as those of reads.h, but those
// of class Rearm, which bring up to a million paths and are served in slices.
#pragma once

#include <cstddef>

#include "core/base/bytes.h"
#include "core/server/reads.h"
#include "core/wire/codes.h"

namespace vivarium {

// How far a setWatches has come.
struct RearmPlace {
  size_t offset = 0;   // in the body; 0: not begun
  Zxid since;          // relativeZxid
  uint32_t lists = 0;  // that were begun
  size_t left = 0;     // paths of the last of these
};
struct Rearmed {
  size_t done = 0;  // paths, of this slice
  bool all = false;
  ErrorCode error{};
};

// setWatches and setWatches2: tells what happened since relativeZxid and registers the rest.
// Decided by mzxid for data, by pzxid for children, by existence for exist (hazards W1). A missed
// event on a znode that the client may not read is not told, and its one-shot watch is gone as if
// it had been. Goes on at `place` with `max` paths; what changes between two slices is told as
// an event by those registered, and as missed by the others. Appends whole frames of events, which
// precede the reply.
Rearmed rearm_watches(const ReadContext& context, Op op, ByteView body, RearmPlace& place,
                      size_t max, Bytes& out);

// Neither looks at the path or at ACLs: what may be told is decided when an event is due.
ErrorCode add_watch(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode check_watches(const ReadContext& context, ByteView body, Bytes& out);
ErrorCode remove_watches(const ReadContext& context, ByteView body, Bytes& out);

}  // namespace vivarium
