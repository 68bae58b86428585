#include "core/zab/digest_audit.h"

#include <algorithm>

#include "core/base/check.h"

namespace vivarium {

uint64_t DigestAudit::compare(const Txn& txn, const DataTree& tree) {
  const Zxid zxid = txn.header.zxid;
  CHECK(tree.last_applied() == zxid);
  if (!txn.digest || txn.digest->version != kDigestVersion) return 0;
  const uint64_t there = txn.digest->tree_digest;
  if (there == tree.digest()) {
    ++compared_;
    agreed_ = zxid;
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
  exact_from_ = Zxid{UINT64_MAX};
  doubtful_ = 0;
  suspect_.reset();
}

void DigestAudit::doubt_until(Zxid zxid) { exact_from_ = std::min(exact_from_, zxid); }

}  // namespace vivarium
