#include "core/zab/sync_plan.h"

namespace vivarium {

SyncPlan plan_sync(std::optional<Zxid> learner_last, const History& history, Zxid committed,
                   LearnerKind kind) {
  const SyncPlan snap{SyncPlan::Kind::Snap, {}, {}};
  // It knows nothing of its own, or needs what is no longer held in memory.
  if (!learner_last.has_value() || *learner_last < history.base()) return snap;
  const Zxid last = *learner_last;
  // Outstanding proposals are no part of what such a learner may have when it is in sync: they are
  // cut, and proposed again.
  if (kind == LearnerKind::Apaches && last > committed && history.contains(last) &&
      history.contains(committed)) {
    return {SyncPlan::Kind::Trunc, committed, committed};
  }
  // Its last txn is one of ours: our histories agree up to it.
  if (history.contains(last)) return {SyncPlan::Kind::Diff, committed, last};
  // The start of an established epoch (a state that only such a leader hands out) stands for the
  // end of that epoch's initial history, which every later leader has as a prefix of its own.
  if (last.counter() == 0 && last.epoch() != 0 && last < history.last())
    return {SyncPlan::Kind::Diff, committed, last};
  // It has a tail that we have not. The last txn common to both is known only when ours below its
  // last is of the same epoch: one leader proposed both, in order.
  const size_t i = history.upper_bound(last);
  const Zxid previous = i == 0 ? history.base() : history[i - 1].zxid;
  if (previous.epoch() == last.epoch() && previous.value != 0) {
    return {SyncPlan::Kind::Trunc, previous, previous};
  }
  return snap;
}

}  // namespace vivarium
