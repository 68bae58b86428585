#include "core/tree/digest_audit.h"

#include <algorithm>

#include "core/base/check.h"

namespace vivarium {

uint64_t DigestAudit::compare(const Txn& txn, const DataTree& tree) {
  if (!txn.digest || txn.digest->version != kDigestVersion) {
    CHECK(tree.last_applied() == txn.header.zxid);
    return 0;
  }
  return compare(txn.header.zxid, txn.digest->tree_digest, tree);
}

uint64_t DigestAudit::compare(Zxid zxid, uint64_t there, const DataTree& tree) {
  CHECK(tree.last_applied() == zxid);
  if (there == tree.digest()) {
    ++compared_;
    agreed_ = zxid;
    vouched_ = true;
    exact_from_ = Zxid();
    doubtful_ = 0;
    suspect_.reset();
    return 0;
  }
  if (!suspect_) suspect_ = Difference{zxid, agreed_, tree.digest(), there};
  ++doubtful_;
  if (zxid < exact_from_) return 0;
  const uint64_t known = doubtful_;
  doubtful_ = 0;
  compared_ += known;
  differing_ += known;
  if (!first_) first_ = suspect_;
  return known;
}

void DigestAudit::doubt() {
  vouched_ = false;
  exact_from_ = Zxid{UINT64_MAX};
  doubtful_ = 0;
  suspect_.reset();
}

void DigestAudit::replaced(bool exact) {
  doubt();
  if (!exact) return;
  vouched_ = true;
  exact_from_ = Zxid();
}

void DigestAudit::doubt_until(Zxid zxid) { exact_from_ = std::min(exact_from_, zxid); }

}  // namespace vivarium
