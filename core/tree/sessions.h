// SessionTracker: the leader's (or standalone server's) clockwork of sessions: deadlines in
// ZooKeeper's buckets, owners, and which are closing (semantics section 11, RULES 16). Not
// replicated: rebuilt from DataTree::sessions() with full timeouts when a leadership starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/wire/codes.h"

namespace vivarium {

class SessionTracker {
 public:
  SessionTracker() = default;
  explicit SessionTracker(Duration tick) : tick_(tick) {}

  // Starts (or keeps) tracking; the deadline is ((now + timeout) / tick + 1) * tick. A closing
  // session stays closing.
  void add(SessionId session, int32_t timeout_ms, Instant now);
  // Moves the deadline. False: unknown or closing.
  bool touch(SessionId session, int32_t timeout_ms, Instant now);
  void remove(SessionId session);
  bool known(SessionId session) const;
  bool closing(SessionId session) const;
  void set_closing(SessionId session);
  void set_owner(SessionId session, ServerId owner);  // nothing for an unknown session
  // Ok, SessionExpired (unknown or closing) or SessionMoved (another owner). The first asker
  // becomes the owner of a session without one.
  ErrorCode check(SessionId session, ServerId owner);

  // Sessions due at `now`, marked closing. A gap in the loop longer than a tick between two calls
  // shifts all deadlines by the gap (RULES 16): a server that slept must not expire those it could
  // not hear. A call of add() or touch() shows the loop alive too. In order of deadline, then id.
  std::vector<SessionId> expire(Instant now);
  // When expire() is to be called next: at the next deadline, and every half tick, which is how a
  // gap is told from idleness. never() without sessions.
  Instant next_deadline() const;
  size_t size() const;

  // --- for operators: sessions by the instant at which they are due, in portions.
  struct DueCursor {
    int64_t bucket = INT64_MIN;
    size_t within = 0;
  };
  size_t due_sets() const { return buckets_.size(); }
  // Up to `max` entries on from the cursor, all of one set. False: there are no more sets.
  bool list_due(DueCursor& cursor, size_t max, Instant& at, std::vector<SessionId>& due) const;

 private:
  struct Session {
    int64_t deadline_ns = 0;  // on the tracker's clock: the real one less shift_
    ServerId owner;
    bool owned = false;
    bool closing = false;
  };

  void observe(Instant now);
  void move_deadline(SessionId id, Session& session, int32_t timeout_ms, Instant now);

  Duration tick_ = milliseconds(3000);
  Duration shift_;  // sum of the gaps slept through, each rounded up to whole ticks
  Instant last_seen_;
  bool started_ = false;
  std::map<SessionId, Session> sessions_;
  // By deadline. A session that moved on stays listed in its old buckets until they are due.
  std::map<int64_t, std::vector<SessionId>> buckets_;
};

}  // namespace vivarium
