// The part of Server that tells watchers, of as many a step as nobody notices. The rest of a txn's
// events waits in untold_, and nothing more is applied: the tree stays the one that they tell of.
#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/server/replies.h"
#include "core/server/server.h"
#include "core/tree/permissions.h"

namespace vivarium {
namespace {

// Beyond these, whoever is told an event is sent it a few at a time.
constexpr size_t kToldInTheirTurn = 64;

}  // namespace

// Watches fire from what a txn did, of whatever type it was (hazards W3).
void Server::fire_watches(const Effects& effects) {
  CHECK(untold_.empty());
  if (watches_.count() == 0) return;
  event_zxid_ = effects.header.zxid;
  for (const Effects::Change& change : effects.changes) {
    Telling telling;
    telling.number = ++events_;
    if (untold_.empty()) {
      watches_.seek(change.event, change.path);
      if (tell_some(change, telling)) continue;
    } else if (!watches_.is_watched(change.path)) {
      continue;  // whoever watches it from here on waits for what comes
    }
    untold_.emplace_back(change, std::move(telling));
  }
}

// Of the event that was sought last. True: all are told who waited for it.
bool Server::tell_some(const Effects::Change& change, Telling& telling) {
  for (; tell_left_ > 0; --tell_left_) {
    const std::optional<WatcherId> watcher = watches_.next();
    if (!watcher) {
      note_told(change, telling);
      return true;
    }
    ClientConnection* connection = find(link_of(*watcher));
    CHECK(connection != nullptr || !leaving_.empty());
    if (connection != nullptr && connection->told_up_to < telling.number) {
      tell(*connection, change, telling);
    }
  }
  return false;
}

// Who may be told is decided by the ACL that the change names, as it was when it happened; a
// one-shot watch is consumed either way (semantics section 3).
void Server::tell(ClientConnection& connection, const Effects::Change& change, Telling& telling) {
  connection.told_up_to = telling.number;
  if (!watches_.take(watcher_of(connection.link), change.event, change.path)) return;
  ++telling.waited;
  if (!may_be_told(change.acl, connection.ids, acl_rules_)) return;
  if (telling.frame.empty()) {
    append_watch_event(event_zxid_.wire(), change.event, change.path, telling.frame);
  }
  append_bytes(connection.output, telling.frame);
  ++connection.stats.sent;
  ++stats_.sent;
  if (++telling.told <= kToldInTheirTurn) {
    mark_dirty(connection);
  } else {
    mark_told(connection);
  }
}

void Server::note_told(const Effects::Change& change, const Telling& telling) {
  if (telling.waited == 0) return;
  traffic_.watch_bytes += static_cast<int64_t>(telling.told * telling.frame.size());
  traffic_.note_told(change.event, telling.told);
}

void Server::tell_on(const ServerParts& parts) {
  while (!untold_.empty()) {
    auto& [change, telling] = untold_.front();
    if (!tell_some(change, telling)) break;
    untold_.pop_front();
    if (!untold_.empty()) {
      watches_.seek(untold_.front().first.event, untold_.front().first.path);
    }
  }
  if (!takes_more()) retry_ = std::min(retry_, parts.world.now());
}

bool Server::caught_up(const ClientConnection& connection) const {
  return untold_.empty() || connection.told_up_to == events_;
}

// A watch event of zxid z comes before any answer that reflects a state >= z (semantics section
// 13), and a watch that is set behind this waits for what comes.
void Server::catch_up(ClientConnection& connection) {
  if (caught_up(connection)) return;
  const WatcherId watcher = watcher_of(connection.link);
  for (auto& [change, telling] : untold_) {
    if (!watches_.waits(watcher)) break;  // most wait for one thing, or for nothing
    if (connection.told_up_to < telling.number) tell(connection, change, telling);
  }
  connection.told_up_to = events_;
}

}  // namespace vivarium
