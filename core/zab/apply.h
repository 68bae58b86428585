// The one way a committed txn reaches the tree while the server runs (hazards S16, N2): from the
// history, in order, and never beyond what is durable here, so that memory is always a prefix of
// the disk (RULES 12, hazards S14).
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/base/check.h"
#include "core/base/ids.h"
#include "core/zab/parts.h"

namespace vivarium {

// Applies history items above tree.last_applied() and up to min(committed, last durable). `observe`
// is called with the effects of each, before the next one is applied. `max` bounds what is done: a
// txn counts as one, or as the znodes that it changed; and the user may have enough. True: more
// could be applied.
template <class Observe>
bool apply_committed(Zxid committed, size_t max, Parts& parts, Effects& effects, Observe&& observe);

// All of it: nothing is observed, and nobody is served yet.
void apply_whole(Zxid committed, Parts& parts, Effects& effects);

// A txn that was appended to the log here changes the ensemble: from now on every quorum has to
// hold in the new configuration too. False: its text is no configuration.
[[nodiscard]] bool note_reconfig(const Txn& txn, Parts& parts);

// The tree behind the txn, compared with what the txn says of it. The first difference is an alarm.
void audit_digest(const Txn& txn, Parts& parts);

// Decodes an item of the history; it was decoded when it came in, so a failure is our own bug.
Txn decode_history_item(const History::Item& item);

// What a txn did, in changed znodes: each tells of itself and of its parent.
inline size_t applying_cost(const Effects& effects) {
  return std::max<size_t>(1, effects.changes.size() / 2);
}

template <class Observe>
bool apply_committed(Zxid committed, size_t max, Parts& parts, Effects& effects,
                     Observe&& observe) {
  CHECK(max > 0);
  if (parts.storage.busy()) return false;
  const Zxid limit = std::min(committed, parts.storage.last_durable());
  if (parts.tree.last_applied() >= limit) return false;
  const History& history = parts.storage.history();
  size_t cost = 0;
  for (size_t i = history.upper_bound(parts.tree.last_applied());
       i < history.size() && history[i].zxid <= limit; ++i) {
    if (cost >= max || !parts.user.takes_more()) return true;
    const Txn txn = decode_history_item(history[i]);
    CHECK(txn.header.zxid == history[i].zxid);
    effects.clear();
    parts.tree.apply(txn, effects);
    CHECK(parts.tree.last_applied() == history[i].zxid);
    audit_digest(txn, parts);
    cost += applying_cost(effects);
    observe(effects);
  }
  return false;
}

}  // namespace vivarium
