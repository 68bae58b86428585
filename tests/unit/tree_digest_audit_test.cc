#include <gtest/gtest.h>

#include "core/tree/digest_audit.h"
#include "tests/unit/tree_support.h"

namespace vivarium {
namespace {

using tree_test::apply_body;
using tree_test::create_txn;

// A tree behind txn 1:n, and txns that say of it what they are told to.
class Audited {
 public:
  // Creates a znode; the txn's digest is off by so much. What compare() said.
  uint64_t next(uint64_t off, int32_t version = kDigestVersion) {
    zxid_ = Zxid(1, zxid_.counter() + 1);
    const std::string path = "/" + std::to_string(zxid_.counter());
    apply_body(tree, TxnType::Create, create_txn(path, "x", -1), zxid_);
    return audit.compare(said(TxnDigest{version, tree.digest() + off}), tree);
  }
  uint64_t next_without_digest() {
    zxid_ = Zxid(1, zxid_.counter() + 1);
    tree.set_last_applied(zxid_);
    return audit.compare(said(std::nullopt), tree);
  }

  DataTree tree;
  DigestAudit audit;

 private:
  Txn said(std::optional<TxnDigest> digest) const {
    Txn txn;
    txn.header.zxid = zxid_;
    txn.header.type = TxnType::Error;
    txn.body = ErrorTxn{};
    txn.digest = digest;
    return txn;
  }

  Zxid zxid_;
};

TEST(DigestAudit, CountsWhatIsEqual) {
  Audited a;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(a.next(0), 0U);
  EXPECT_EQ(a.audit.compared(), 5U);
  EXPECT_EQ(a.audit.differing(), 0U);
  EXPECT_EQ(a.audit.agreed(), Zxid(1, 5));
  EXPECT_FALSE(a.audit.first().has_value());
}

TEST(DigestAudit, RemembersTheFirstDifference) {
  Audited a;
  a.next(0);
  EXPECT_EQ(a.next(7), 1U);
  const uint64_t here = a.tree.digest();
  const DigestAudit::Difference first{Zxid(1, 2), Zxid(1, 1), here, here + 7};
  EXPECT_EQ(a.audit.first(), first);
  EXPECT_EQ(a.next(9), 1U);
  EXPECT_EQ(a.next(0), 0U);  // the znode that differed was removed, say
  EXPECT_EQ(a.next(3), 1U);
  EXPECT_EQ(a.audit.first(), first);
  EXPECT_EQ(a.audit.compared(), 5U);
  EXPECT_EQ(a.audit.differing(), 3U);
  EXPECT_EQ(a.audit.agreed(), Zxid(1, 4));
}

TEST(DigestAudit, DigestsOfAnotherKindSayNothing) {
  Audited a;
  EXPECT_EQ(a.next(1, 3), 0U);
  EXPECT_EQ(a.next_without_digest(), 0U);
  EXPECT_EQ(a.audit.compared(), 0U);
  EXPECT_FALSE(a.audit.first().has_value());
}

TEST(DigestAudit, AFuzzyTreeMayDifferUntilTheTxnsHaveCaughtUp) {
  Audited a;
  a.audit.doubt();
  EXPECT_EQ(a.next(1), 0U);
  EXPECT_EQ(a.next(2), 0U);
  EXPECT_TRUE(a.audit.in_doubt(Zxid(1, 2)));
  a.audit.doubt_until(Zxid(1, 4));
  EXPECT_EQ(a.next(3), 0U);
  EXPECT_EQ(a.next(0), 0U);
  EXPECT_FALSE(a.audit.in_doubt(Zxid(1, 4)));
  EXPECT_EQ(a.audit.compared(), 1U);
  EXPECT_EQ(a.audit.differing(), 0U);
  EXPECT_EQ(a.next(1), 1U);
  EXPECT_FALSE(a.audit.in_doubt(Zxid(1, 5))) << "it is another tree, and may be seen to be";
  EXPECT_EQ(a.audit.first()->zxid, Zxid(1, 5));
}

TEST(DigestAudit, WhatIsEqualOnceIsExactFromThereOn) {
  Audited a;
  a.audit.doubt();
  EXPECT_EQ(a.next(1), 0U);
  EXPECT_EQ(a.next(0), 0U);
  EXPECT_EQ(a.next(1), 1U);
  EXPECT_EQ(a.audit.first()->zxid, Zxid(1, 3));
  EXPECT_EQ(a.audit.first()->agreed, Zxid(1, 2));
}

TEST(DigestAudit, WhatStillDiffersThenHasDifferedAllAlong) {
  Audited a;
  a.next(0);
  a.audit.doubt();
  EXPECT_EQ(a.next(1), 0U);
  EXPECT_EQ(a.next(1), 0U);
  a.audit.doubt_until(Zxid(1, 4));
  EXPECT_EQ(a.next(1), 3U);
  EXPECT_EQ(a.audit.first()->zxid, Zxid(1, 2));
  EXPECT_EQ(a.audit.first()->agreed, Zxid(1, 1));
  EXPECT_EQ(a.audit.differing(), 3U);
  EXPECT_EQ(a.audit.compared(), 4U);
}

TEST(DigestAudit, AnotherTreeIsDoubtedAnew) {
  Audited a;
  a.audit.doubt();
  EXPECT_EQ(a.next(1), 0U);
  a.audit.doubt();
  a.audit.doubt_until(Zxid(1, 3));
  EXPECT_EQ(a.next(0), 0U);
  EXPECT_EQ(a.next(0), 0U);
  EXPECT_EQ(a.audit.differing(), 0U);
}

TEST(DigestAudit, IsUntrueUntilADigestIsEqual) {
  Audited a;
  EXPECT_EQ(a.next(1), 1U);
  EXPECT_FALSE(a.audit.untrue()) << "it was never doubted: told, and no more";
  a.audit.replaced(false);
  EXPECT_FALSE(a.audit.vouched());
  EXPECT_FALSE(a.audit.untrue()) << "nothing has been heard";
  EXPECT_EQ(a.next(1), 0U);
  EXPECT_TRUE(a.audit.untrue());
  EXPECT_EQ(a.next(0), 0U);
  EXPECT_TRUE(a.audit.vouched());
  EXPECT_EQ(a.next(1), 1U);
  EXPECT_FALSE(a.audit.untrue());
  a.audit.replaced(true);
  EXPECT_TRUE(a.audit.vouched());
  EXPECT_EQ(a.next(1), 1U) << "an exact state is not ahead";
}

TEST(DigestAudit, TakesTheDigestOfASnapshotToo) {
  Audited a;
  a.next(0);
  a.audit.replaced(false);
  EXPECT_EQ(a.audit.compare(Zxid(1, 1), a.tree.digest() + 1, a.tree), 0U);
  EXPECT_TRUE(a.audit.untrue());
  EXPECT_EQ(a.audit.compare(Zxid(1, 1), a.tree.digest(), a.tree), 0U);
  EXPECT_TRUE(a.audit.vouched());
}

}  // namespace
}  // namespace vivarium
