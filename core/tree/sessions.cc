#include "core/tree/sessions.h"

#include <algorithm>
#include <cstddef>

#include "core/base/check.h"

namespace vivarium {

// A loop that was silent for longer than a tick slept (or had its process stopped): what sessions
// sent meanwhile may still lie in sockets, so nobody may be judged by that time.
void SessionTracker::observe(Instant now) {
  CHECK(tick_.ns > 0);
  if (!started_ || now < last_seen_) {
    started_ = true;
    last_seen_ = std::max(last_seen_, now);
    return;
  }
  const Duration gap = now - last_seen_;
  last_seen_ = now;
  if (gap <= tick_ || sessions_.empty()) return;
  const int64_t ticks = (gap.ns + tick_.ns - 1) / tick_.ns;
  shift_ = shift_ + tick_ * ticks;
}

void SessionTracker::move_deadline(SessionId id, Session& session, int32_t timeout_ms,
                                   Instant now) {
  const Instant end = now + milliseconds(timeout_ms);
  const int64_t deadline_ns = (end.ns / tick_.ns + 1) * tick_.ns - shift_.ns;
  if (deadline_ns == session.deadline_ns) return;
  session.deadline_ns = deadline_ns;
  buckets_[deadline_ns].push_back(id);
}

void SessionTracker::add(SessionId session, int32_t timeout_ms, Instant now) {
  observe(now);
  const auto [entry, added] = sessions_.try_emplace(session);
  if (added) entry->second.deadline_ns = INT64_MIN;
  if (!entry->second.closing) move_deadline(session, entry->second, timeout_ms, now);
}

bool SessionTracker::touch(SessionId session, int32_t timeout_ms, Instant now) {
  observe(now);
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || found->second.closing) return false;
  move_deadline(session, found->second, timeout_ms, now);
  return true;
}

void SessionTracker::remove(SessionId session) { sessions_.erase(session); }

bool SessionTracker::known(SessionId session) const { return sessions_.contains(session); }

bool SessionTracker::closing(SessionId session) const {
  const auto found = sessions_.find(session);
  return found != sessions_.end() && found->second.closing;
}

void SessionTracker::set_closing(SessionId session) {
  const auto found = sessions_.find(session);
  if (found != sessions_.end()) found->second.closing = true;
}

void SessionTracker::set_owner(SessionId session, ServerId owner) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  found->second.owner = owner;
  found->second.owned = true;
}

ErrorCode SessionTracker::check(SessionId session, ServerId owner) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || found->second.closing) return ErrorCode::SessionExpired;
  if (!found->second.owned) set_owner(session, owner);
  return found->second.owner == owner ? ErrorCode::Ok : ErrorCode::SessionMoved;
}

std::vector<SessionId> SessionTracker::expire(Instant now) {
  observe(now);
  std::vector<SessionId> due;
  while (!buckets_.empty() && buckets_.begin()->first + shift_.ns <= now.ns) {
    const auto bucket = buckets_.begin();
    const size_t first = due.size();
    for (const SessionId id : bucket->second) {
      const auto found = sessions_.find(id);
      if (found == sessions_.end()) continue;
      Session& session = found->second;
      if (session.closing || session.deadline_ns != bucket->first) continue;
      session.closing = true;
      due.push_back(id);
    }
    std::sort(due.begin() + static_cast<ptrdiff_t>(first), due.end());
    buckets_.erase(bucket);
  }
  return due;
}

Instant SessionTracker::next_deadline() const {
  if (sessions_.empty()) return Instant::never();
  const Instant alive = last_seen_ + tick_ / 2;
  if (buckets_.empty()) return alive;
  return std::min(alive, Instant{buckets_.begin()->first + shift_.ns});
}

bool SessionTracker::list_due(DueCursor& cursor, size_t max, Instant& at,
                              std::vector<SessionId>& due) const {
  due.clear();
  const auto bucket = buckets_.lower_bound(cursor.bucket);
  if (bucket == buckets_.end()) return false;
  if (bucket->first != cursor.bucket) cursor = {bucket->first, 0};
  at = Instant{bucket->first} + shift_;
  const std::vector<SessionId>& listed = bucket->second;
  const size_t end = std::min(listed.size(), cursor.within + std::min(max, listed.size()));
  for (; cursor.within < end; ++cursor.within) {
    const auto found = sessions_.find(listed[cursor.within]);
    // Listed in several sets, it is due in the last.
    if (found == sessions_.end() || found->second.deadline_ns != bucket->first) continue;
    due.push_back(found->first);
  }
  if (cursor.within >= listed.size()) cursor = {bucket->first + 1, 0};
  return true;
}

size_t SessionTracker::size() const { return sessions_.size(); }

}  // namespace vivarium
