#include "sim/checkers/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vivarium::sim {

bool Agreement::in_order(Zxid zxid) const {
  return zxid == Zxid{} || std::binary_search(order_.begin(), order_.end(), zxid);
}

// What nobody has delivered yet is known to be committed when it is of the committing epoch.
Zxid Agreement::committed_up_to(Zxid zxid) const {
  if (zxid.epoch() == committed_.epoch()) return std::min(zxid, committed_);
  return delivered_up_to(zxid);
}

Zxid Agreement::delivered_up_to(Zxid zxid) const {
  const auto above = std::upper_bound(order_.begin(), order_.end(), zxid);
  return above == order_.begin() ? Zxid{} : *(above - 1);
}

void Agreement::stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
                        const DataTree& tree, const Ledger& ledger, SimTime now, Verdict& verdict) {
  if (after.last_applied != before.last_applied && !after.busy && after.exact) {
    const TreeState state{tree.state_hash(), tree.digest(), server};
    const auto entered = states_.try_emplace(after.last_applied, state);
    const TreeState& known = entered.first->second;
    const bool first = entered.second;
    verdict.expect(Checker::LogTree,
                   first || (known.hash == state.hash && known.digest == state.digest), now, [&] {
                     return fmt::format("the state of s{} at zxid {:x} differs from that of s{}",
                                        server + 1, after.last_applied.value, known.server + 1);
                   });
  }
  if (after.leading && after.established) {
    // The initial history of an established leader holds everything committed in earlier epochs.
    if (!(before.leading && before.established)) {
      Zxid end = std::max(committed_, order_.empty() ? Zxid{} : order_.back());
      // The last word of a quorum may come when a later epoch has long begun: of that this leader
      // knows nothing, and commits nothing.
      if (end.epoch() > after.epoch) end = committed_up_to(Zxid(after.epoch, UINT32_MAX));
      verdict.expect(Checker::Committed, ledger.holds(server, end) || end == Zxid{}, now, [&] {
        return fmt::format("s{} leads epoch {} and its log lacks zxid {:x}, which was committed",
                           server + 1, after.epoch, end.value);
      });
    }
    committed_ = std::max(committed_, after.committed);
  }
  if (after.delivers && (!before.delivers || after.last_applied != before.last_applied)) {
    verdict.expect(Checker::Committed, after.last_applied <= committed_, now, [&] {
      return fmt::format("s{} serves zxid {:x}, and no leader has committed beyond {:x}",
                         server + 1, after.last_applied.value, committed_.value);
    });
    deliver(server, after, ledger, now, verdict);
  }
}

void Agreement::snapshot_named(ServerIndex server, Zxid zxid, const DataTree* tree, SimTime now,
                               Verdict& verdict) const {
  const auto known = states_.find(zxid);
  if (known == states_.end()) return;  // nobody has shown it: it came between two others
  const TreeState& state = known->second;
  verdict.expect(
      Checker::SnapZxid,
      tree != nullptr && tree->state_hash() == state.hash && tree->digest() == state.digest, now,
      [&] {
        return fmt::format(
            "the snapshot {:x} of s{} {}", zxid.value, server + 1,
            tree == nullptr ? "cannot be read" : "holds another state than that zxid's");
      });
}

void Agreement::append_from_any(Zxid end, Zxid upto, const Ledger& ledger, SimTime now) {
  for (ServerIndex i = 0; i < delivered_.size(); ++i) {
    if (ledger.may_be_leftovers(i, end)) continue;
    const std::vector<Zxid> zxids = ledger.between(i, end, upto);
    if (zxids.empty() || zxids.back() != upto) continue;
    Zxid previous = end;
    const bool whole = std::all_of(zxids.begin(), zxids.end(), [&](Zxid zxid) {
      return zxid.follows(std::exchange(previous, zxid));
    });
    if (!whole) continue;
    for (const Zxid zxid : zxids) append(zxid, now);
    return;
  }
  complete_ = false;
  append(upto, now);
}

void Agreement::deliver(ServerIndex server, const NodeFacts& facts, const Ledger& ledger,
                        SimTime now, Verdict& verdict) {
  const Zxid upto = facts.last_applied;
  verdict.expect(Checker::Prefix, upto >= delivered_[server], now, [&] {
    return fmt::format("s{} delivers zxid {:x} after {:x}", server + 1, upto.value,
                       delivered_[server].value);
  });
  delivered_[server] = upto;
  const Zxid end = order_.empty() ? Zxid{} : order_.back();
  if (upto <= end) {
    verdict.expect(Checker::Agree, in_order(upto) || upto < order_.front(), now, [&] {
      return fmt::format("s{} delivers zxid {:x}, others have delivered up to {:x} without it",
                         server + 1, upto.value, end.value);
    });
    return;
  }
  // ZooKeeper applies what is committed, whether it is in its own log already or not: whoever has
  // it there shows the order, and the state shows whether anything is missing (K-LOGTREE).
  if (facts.ahead) return append_from_any(end, upto, ledger, now);
  verdict.expect(Checker::Agree, ledger.holds(server, end), now, [&] {
    return fmt::format("s{} delivers zxid {:x} without {:x}, which others have delivered",
                       server + 1, upto.value, end.value);
  });
  // A log that rests on a received state has no records below it: whoever handed the state out had
  // them.
  // The start of an epoch, which ZooKeeper names snapshots after, is no txn: the leader of that
  // epoch has delivered what lies before it.
  Zxid base = std::min(ledger.base(server), upto);
  if (base.counter() == 0) base = std::min(base, end);
  if (base > end) append_from_any(end, base, ledger, now);
  for (const Zxid zxid : ledger.between(server, std::max(end, base), upto)) append(zxid, now);
  verdict.expect(Checker::Prefix, in_order(upto), now, [&] {
    return fmt::format("s{} delivers zxid {:x}, which its log does not hold", server + 1,
                       upto.value);
  });
}

}  // namespace vivarium::sim
