// The one way a committed txn reaches the tree while the server runs (hazards S16, N2): from the
// history, in order, and never beyond what is durable here, so that memory is always a prefix of
// the disk (RULES 12, hazards S14).
#pragma once

#include <algorithm>

#include "core/base/check.h"
#include "core/base/ids.h"
#include "core/zab/parts.h"

namespace vivarium {

// Applies history items above tree.last_applied() and up to min(committed, last durable). `observe`
// is called with the effects of each, before the next one is applied.
template <class Observe>
void apply_committed(Zxid committed, Parts& parts, Effects& effects, Observe&& observe);

// A txn that was appended to the log here changes the ensemble: from now on every quorum has to
// hold in the new configuration too. False: its text is no configuration.
[[nodiscard]] bool note_reconfig(const Txn& txn, Parts& parts);

// The tree behind the txn, compared with what the txn says of it. The first difference is an alarm.
void audit_digest(const Txn& txn, Parts& parts);

// Decodes an item of the history; it was decoded when it came in, so a failure is our own bug.
Txn decode_history_item(const History::Item& item);

template <class Observe>
void apply_committed(Zxid committed, Parts& parts, Effects& effects, Observe&& observe) {
  if (parts.storage.busy()) return;
  const Zxid limit = std::min(committed, parts.storage.last_durable());
  if (parts.tree.last_applied() >= limit) return;
  const History& history = parts.storage.history();
  for (size_t i = history.upper_bound(parts.tree.last_applied());
       i < history.size() && history[i].zxid <= limit; ++i) {
    const Txn txn = decode_history_item(history[i]);
    CHECK(txn.header.zxid == history[i].zxid);
    effects.clear();
    parts.tree.apply(txn, effects);
    CHECK(parts.tree.last_applied() == history[i].zxid);
    audit_digest(txn, parts);
    observe(effects);
  }
}

}  // namespace vivarium
