// Replication: what the server asks of the layer below, which Node adapts Zab to. Any of these
// calls may call the server back before it returns: revalidated(), synced(), applied(),
// serving_stopped().
#pragma once

#include <cstdint>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/tree/prepare.h"

namespace vivarium {

class Replication {
 public:
  virtual ~Replication() = default;

  // Clients may be served. Everything below is called only while it holds.
  virtual bool serving() const = 0;
  // Asked while it does not hold: until then clients may wait for it, since an election has just
  // begun. In the past: nobody waits.
  virtual Instant may_serve_until() const = 0;
  // The tree came as a fuzzy SNAP, and is seen to hold more than what was applied to it.
  virtual bool is_ahead() const { return false; }
  // Each submitted write comes back through Server::applied(), as its txn or as an error txn, in
  // the order of submission, unless serving_stopped() comes first.
  virtual void submit(const WriteRequest& request) = 0;
  virtual void sync(SessionId session, int32_t cxid, uint64_t ticket) = 0;
  virtual void revalidate(SessionId session, int32_t timeout_ms) = 0;
  // A frame of the session arrived. False: the session is known to be gone or closing.
  virtual bool touch(SessionId session, int32_t timeout_ms) = 0;
  // The pipeline is full: take no more writes.
  virtual bool congested() const = 0;
};

}  // namespace vivarium
