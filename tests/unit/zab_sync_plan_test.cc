// The table of DIFF, TRUNC and SNAP, and what a running Apache leader decided in the same
// situations (tests/golden/quorum-transcripts/G_sync_decisions.json).
#include "core/zab/sync_plan.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/unit/zab_history.h"

namespace vivarium {
namespace {

SyncPlan plan(std::optional<Zxid> learner, const History& history) {
  return plan_sync(learner, history, history.last());
}

TEST(SyncPlanTest, LearnerWithTheLeadersLastTxnGetsAnEmptyDiff) {
  const History h = history_of(Zxid{}, run(1, 1, 5));
  EXPECT_EQ(plan(Zxid(1, 5), h), (SyncPlan{SyncPlan::Kind::Diff, Zxid(1, 5), Zxid(1, 5)}));
}

TEST(SyncPlanTest, LearnerBehindGetsWhatItLacks) {
  const History h = history_of(Zxid{}, run(1, 1, 5));
  EXPECT_EQ(plan(Zxid(1, 2), h), (SyncPlan{SyncPlan::Kind::Diff, Zxid(1, 5), Zxid(1, 2)}));
  EXPECT_EQ(plan(Zxid{}, h), (SyncPlan{SyncPlan::Kind::Diff, Zxid(1, 5), Zxid{}}));
}

TEST(SyncPlanTest, LearnerWithOutstandingProposalsOfThisLeaderKeepsThem) {
  const History h = history_of(Zxid{}, run(1, 1, 5));
  EXPECT_EQ(plan_sync(Zxid(1, 5), h, Zxid(1, 3)),
            (SyncPlan{SyncPlan::Kind::Diff, Zxid(1, 3), Zxid(1, 5)}));
}

// It would take them for committed, and serve them (seed 12 of the first mixed campaign).
TEST(SyncPlanTest, LearnerOfApachesWithOutstandingProposalsIsCutToTheCommitPoint) {
  const History h = history_of(Zxid{}, run(1, 1, 5));
  const SyncPlan cut{SyncPlan::Kind::Trunc, Zxid(1, 3), Zxid(1, 3)};
  EXPECT_EQ(plan_sync(Zxid(1, 5), h, Zxid(1, 3), LearnerKind::Apaches), cut);
  EXPECT_EQ(plan_sync(Zxid(1, 4), h, Zxid(1, 3), LearnerKind::Apaches), cut);
  const SyncPlan diff{SyncPlan::Kind::Diff, Zxid(1, 3), Zxid(1, 3)};
  EXPECT_EQ(plan_sync(Zxid(1, 3), h, Zxid(1, 3), LearnerKind::Apaches), diff);
}

// Hazard S3: a range test would send DIFF to a learner whose tail the leader never had.
TEST(SyncPlanTest, TailOfAnEpochThatContinuedWithoutItIsTruncated) {
  std::vector<Zxid> zxids = run(7, 1, 3);
  zxids.emplace_back(8, 1);
  const History h = history_of(Zxid{}, zxids);
  EXPECT_EQ(plan(Zxid(7, 4), h), (SyncPlan{SyncPlan::Kind::Trunc, Zxid(7, 3), Zxid(7, 3)}));
}

// Hazard S19: an epoch that the leader has nothing of; no common txn is known.
TEST(SyncPlanTest, TailOfAnEpochUnknownToTheLeaderIsReplacedBySnap) {
  const History h = history_of(Zxid{}, run(1, 1, 2));
  EXPECT_EQ(plan(Zxid(2, 1), h).kind, SyncPlan::Kind::Snap);
}

TEST(SyncPlanTest, LearnerBelowWhatIsHeldGetsSnap) {
  const History h = history_of(Zxid(1, 9), run(1, 10, 12));
  EXPECT_EQ(plan(Zxid(1, 8), h).kind, SyncPlan::Kind::Snap);
  EXPECT_EQ(plan(Zxid(1, 9), h).kind, SyncPlan::Kind::Diff);
}

TEST(SyncPlanTest, LearnerThatClaimsNothingGetsSnap) {
  EXPECT_EQ(plan(std::nullopt, history_of(Zxid{}, run(1, 1, 2))).kind, SyncPlan::Kind::Snap);
}

TEST(SyncPlanTest, AgreesWithApacheWhereItsHistoryReaches) {
  std::ifstream file(std::string(SOURCE_DIR) +
                     "/tests/golden/quorum-transcripts/G_sync_decisions.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  std::vector<Zxid> zxids = run(1, 1, 12);
  int compared = 0;
  for (const auto& probe : golden["probes"]) {
    // The leader's log grew by the sessions that the probes opened: its last zxid is in the DIFF
    // packet.
    const auto learner = Zxid(std::stoull(probe["ackepoch_zxid"].get<std::string>(), nullptr, 16));
    std::string kind;
    Zxid packet;
    for (const auto& p : probe["leader_packets"]) {
      const auto name = p[0].get<std::string>();
      if (name != "DIFF" && name != "TRUNC" && name != "SNAP") continue;
      kind = name;
      packet = Zxid(std::stoull(p[1].get<std::string>(), nullptr, 16));
    }
    ASSERT_FALSE(kind.empty());
    // Below Apache's oldest record it has no base; our history is complete from the first txn on.
    if (learner < Zxid(1, 1)) continue;
    std::vector<Zxid> all = zxids;
    for (const Zxid z : run(2, 1, 0x18)) all.push_back(z);
    const SyncPlan ours = plan(learner, history_of(Zxid{}, all));
    const std::string our_kind = ours.kind == SyncPlan::Kind::Diff    ? "DIFF"
                                 : ours.kind == SyncPlan::Kind::Trunc ? "TRUNC"
                                                                      : "SNAP";
    // docs/decisions.md: a tail of an epoch unknown to the leader is never cut by guess, and one of
    // an epoch that it knows is cut although newer epochs follow.
    if (kind == "TRUNC" && learner.epoch() > 2) {
      EXPECT_EQ(our_kind, "SNAP") << probe["case"];
      continue;
    }
    if (probe["case"] == "previous epoch, after its end") {
      EXPECT_EQ(ours.packet_zxid, Zxid(1, 12));
      EXPECT_EQ(our_kind, "TRUNC");
      continue;
    }
    EXPECT_EQ(our_kind, kind) << probe["case"];
    if (kind != "SNAP") {
      EXPECT_EQ(ours.packet_zxid, packet) << probe["case"];
    }
    ++compared;
  }
  EXPECT_GE(compared, 6);
}

// Two servers whose logs are prefixes of runs of leaders: after the plan the learner has the
// leader's history, and nothing that both had is cut.
RC_GTEST_PROP(SyncPlanProperty, PlanMakesTheHistoriesEqual, ()) {
  // Common part, then a tail each; tails of one epoch are prefixes of one run.
  const auto common = *rc::gen::inRange<uint32_t>(0, 6);
  const auto leader_tail = *rc::gen::inRange<uint32_t>(0, 4);
  const auto learner_tail = *rc::gen::inRange<uint32_t>(0, 4);
  const bool same_epoch = *rc::gen::arbitrary<bool>();
  std::vector<Zxid> base = run(1, 1, common);
  std::vector<Zxid> leader = base;
  std::vector<Zxid> learner = base;
  for (uint32_t c = 1; c <= learner_tail; ++c) learner.emplace_back(1, common + c);
  for (uint32_t c = 1; c <= leader_tail; ++c) {
    leader.push_back(same_epoch ? Zxid(1, common + c) : Zxid(3, c));
  }
  const History h = history_of(Zxid{}, leader);
  const Zxid last = learner.empty() ? Zxid{} : learner.back();
  const SyncPlan p = plan(last, h);
  if (p.kind == SyncPlan::Kind::Snap) return;
  std::vector<Zxid> result;
  for (const Zxid z : learner) {
    if (p.kind == SyncPlan::Kind::Diff || z <= p.packet_zxid) result.push_back(z);
  }
  for (size_t i = h.upper_bound(p.from); i < h.size(); ++i) result.push_back(h[i].zxid);
  RC_ASSERT(result == leader);
}

}  // namespace
}  // namespace vivarium
