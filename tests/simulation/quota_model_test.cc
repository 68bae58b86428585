// QuotaModel: what is known of statistics, and which verdicts a leader may give that is behind.
#include <gtest/gtest.h>

#include "sim/quota_model.h"

namespace vivarium::sim {
namespace {

constexpr std::string_view kSixAtMost = "count=3,bytes=-1=;countHardLimit=6";

struct Quota {
  QuotaModel model;
  Quota() {
    model.epoch(1);
    model.limits("/a", kSixAtMost);
    model.statistics("/a", SubtreeSize{5, 40});
  }
  bool may_fit(int64_t count) const { return model.verdicts("/a/b", count, 0).may_fit; }
  bool may_exceed(int64_t count) const { return model.verdicts("/a/b", count, 0).may_exceed; }
};

TEST(QuotaModel, StatisticsFollowWhatIsBelowThePath) {
  Quota quota;
  EXPECT_EQ(quota.model.text("/a"), "count=5,bytes=40");
  quota.model.changed("/a/b/c", 1, 7);
  quota.model.changed("/b", 1, 100);
  EXPECT_EQ(quota.model.text("/a"), "count=6,bytes=47");
  EXPECT_EQ(quota.model.text("/b"), std::nullopt);
  quota.model.limits("/a", std::nullopt);
  EXPECT_FALSE(quota.model.known("/a"));
}

TEST(QuotaModel, StatisticsMadeBeforeTheLimitsAreNotKnown) {
  QuotaModel model;
  model.statistics("/a", SubtreeSize{1, 0});
  model.limits("/a", kSixAtMost);
  EXPECT_FALSE(model.known("/a"));
  const QuotaModel::Verdicts verdicts = model.verdicts("/a/b", 1, 0);
  EXPECT_TRUE(verdicts.may_fit && verdicts.may_exceed);
}

TEST(QuotaModel, ALeaderMayBeAsFarBehindAsItsEpochIsLong) {
  Quota quota;
  quota.model.epoch(2);
  EXPECT_TRUE(quota.may_fit(1));
  EXPECT_FALSE(quota.may_exceed(1));
  EXPECT_FALSE(quota.may_fit(2));
  quota.model.changed("/a/b", 1, 0);
  EXPECT_TRUE(quota.may_fit(1) && quota.may_exceed(1));
  quota.model.epoch(3);
  EXPECT_FALSE(quota.may_fit(1));
  EXPECT_TRUE(quota.may_exceed(1));
  // What does not grow is not asked about.
  EXPECT_FALSE(quota.may_exceed(0));
}

TEST(QuotaModel, PathsAndTexts) {
  EXPECT_EQ(QuotaModel::limited_by("/zookeeper/quota/a/zookeeper_limits"), "/a");
  EXPECT_EQ(QuotaModel::counted_by("/zookeeper/quota/a/zookeeper_stats"), "/a");
  EXPECT_EQ(QuotaModel::limited_by("/zookeeper/quota/a"), "");
  EXPECT_EQ(QuotaModel::limited_by("/a/zookeeper_limits"), "");
  const std::string limits = "/zookeeper/quota/a/zookeeper_limits";
  EXPECT_TRUE(QuotaModel::is_bad(limits, as_bytes("none")));
  EXPECT_FALSE(QuotaModel::is_bad(limits, as_bytes(kSixAtMost)));
  EXPECT_FALSE(QuotaModel::is_bad("/a", as_bytes("none")));
}

}  // namespace
}  // namespace vivarium::sim
