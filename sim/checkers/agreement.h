// What servers deliver is one sequence (K-PREFIX, K-AGREE), nothing committed is ever missing from
// it (K-COMMITTED), and the state after each zxid is the same wherever and however it was reached
// (K-LOGTREE), in a snapshot too (K-SNAPZXID). "Delivered" is what clients may see: a serving
// server's applied txns.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/base/hash.h"
#include "core/base/ids.h"
#include "sim/checkers/verdict.h"
#include "sim/ledger.h"
#include "sim/observation.h"

namespace vivarium::sim {

class Agreement {
 public:
  explicit Agreement(uint32_t servers) : delivered_(servers) {}

  // After a step of a server; `before` are its facts after the step before.
  void stepped(ServerIndex server, const NodeFacts& before, const NodeFacts& after,
               const DataTree& tree, const Ledger& ledger, SimTime now, Verdict& verdict);
  // A server gives a snapshot its name. `tree` is what can be read of it; null: it cannot be read.
  void snapshot_named(ServerIndex server, Zxid zxid, const DataTree* tree, SimTime now,
                      Verdict& verdict) const;
  void died(ServerIndex server) { delivered_[server] = Zxid{}; }

  // The one sequence, as far as anybody has delivered it.
  const std::vector<Zxid>& order() const { return order_; }
  // The last one; 0: nothing was delivered yet.
  Zxid last() const { return order_.empty() ? Zxid{} : order_.back(); }
  // When each of it was first delivered.
  const std::vector<SimTime>& delivered_at() const { return delivered_at_; }
  // False: some txns of it are in nobody's log any more, only in states.
  bool complete() const { return complete_; }
  Zxid committed() const { return committed_; }
  // The highest committed zxid that is not above `zxid`, as far as it is known.
  Zxid committed_up_to(Zxid zxid) const;
  // The last delivered txn that is not above `zxid`.
  Zxid delivered_up_to(Zxid zxid) const;

 private:
  void deliver(ServerIndex server, const NodeFacts& facts, const Ledger& ledger, SimTime now,
               Verdict& verdict);
  void append_from_any(Zxid end, Zxid upto, const Ledger& ledger, SimTime now);
  bool in_order(Zxid zxid) const;

  struct TreeState {
    Hash128 hash;
    uint64_t digest = 0;
    ServerIndex server = 0;
  };
  void append(Zxid zxid, SimTime now) {
    order_.push_back(zxid);
    delivered_at_.push_back(now);
  }

  std::vector<Zxid> order_;
  std::vector<SimTime> delivered_at_;
  bool complete_ = true;
  std::vector<Zxid> delivered_;  // per server, in its present life
  Zxid committed_;               // highest that an established leader has committed
  std::map<Zxid, TreeState> states_;
};

}  // namespace vivarium::sim
