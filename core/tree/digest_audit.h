// DigestAudit: is the tree here, behind each txn, the one that whoever proposed it had? Compares
// digests (TxnDigest, core/tree/digest.h) as txns are applied, counts, and remembers the first
// difference of its life: that of the server, or of one reading of the log.
//
// A tree that came as a fuzzy snapshot or SNAP may hold more than its zxid says, until the txns
// have caught up with it: a difference counts when there is still one then, and is nothing when
// there is none (RULES 7).
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/ids.h"
#include "core/tree/data_tree.h"
#include "core/wire/txn.h"

namespace vivarium {

class DigestAudit {
 public:
  struct Difference {
    Zxid zxid;    // of the first txn behind which it was seen
    Zxid agreed;  // the last one before it behind which both were equal; 0: none in this life
    uint64_t here = 0;
    uint64_t there = 0;
    bool operator==(const Difference&) const = default;
  };

  // `txn` was applied to `tree` just now. How many differences are known more than before.
  uint64_t compare(const Txn& txn, const DataTree& tree);
  // `there` is the digest of a tree behind `zxid`, the last that `tree` holds.
  uint64_t compare(Zxid zxid, uint64_t there, const DataTree& tree);
  // The tree was written down by a server that went on applying meanwhile, or may have been.
  void doubt();
  // Another tree is here; not exact: doubt().
  void replaced(bool exact);
  // Nothing in it is newer than this txn.
  void doubt_until(Zxid zxid);

  uint64_t compared() const { return compared_; }
  uint64_t differing() const { return differing_; }
  // Behind `zxid`, the last one compared, the tree is another than there, and may be ahead of it.
  bool in_doubt(Zxid zxid) const { return suspect_ && zxid < exact_from_; }
  // The tree was never doubted, or has been equal since. Untrue: neither, and it was another than
  // there when they were last compared: no state that the ensemble was in.
  bool vouched() const { return vouched_; }
  bool untrue() const { return !vouched_ && suspect_.has_value(); }
  // The last txn behind which both were equal.
  Zxid agreed() const { return agreed_; }
  const std::optional<Difference>& first() const { return first_; }

 private:
  uint64_t compared_ = 0;
  uint64_t differing_ = 0;
  Zxid agreed_;
  bool vouched_ = true;                // was equal, or never doubted
  Zxid exact_from_;                    // behind this txn the tree has to be exact
  uint64_t doubtful_ = 0;              // differences before it, since the last equal digest
  std::optional<Difference> suspect_;  // the first of them
  std::optional<Difference> first_;
};

}  // namespace vivarium
