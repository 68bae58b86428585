// How a damaged leader is filled: what a follower answers, and what the leader makes of it (RULES
// 9).
#include "core/zab/refill.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/hash.h"
#include "core/wire/txn.h"
#include "tests/unit/zab_history.h"

namespace vivarium {
namespace {

constexpr ServerId kOne{1};
constexpr ServerId kTwo{2};
constexpr ServerId kThree{3};

uint32_t crc_of(Zxid zxid) { return crc32c(*entry_of(zxid)); }

std::vector<Zxid> zxids_of(const std::vector<History::Item>& items) {
  std::vector<Zxid> zxids;
  for (const History::Item& item : items) zxids.push_back(item.zxid);
  return zxids;
}

// Good up to 1:2, then (1:2, 1:5] and (1:7, 1:8] are missing; 1:6, 1:7, 1:9 are intact.
Damage damage() {
  Damage d;
  d.claimed = Zxid(1, 9);
  d.faults = {{{Zxid(1, 2), Zxid(1, 5)}, crc_of(Zxid(1, 5))},
              {{Zxid(1, 7), Zxid(1, 8)}, crc_of(Zxid(1, 8))}};
  d.salvaged = {{Zxid(1, 6), Zxid(1, 5), entry_of(Zxid(1, 6))},
                {Zxid(1, 7), Zxid(1, 6), entry_of(Zxid(1, 7))},
                {Zxid(1, 9), Zxid(1, 8), entry_of(Zxid(1, 9))}};
  return d;
}

Quorum quorum_of(int64_t voters) {
  Config config;
  for (int64_t id = 1; id <= voters; ++id) {
    config.members.push_back({ServerId{id}, {"s", 1}, {"s", 2}, false});
  }
  return Quorum(config);
}

// A follower with this log answers everything.
void ask(Refill& refill, ServerId who, const History& history, const Damage* its_damage = nullptr) {
  const std::vector<Fault> faults = refill.faults();
  for (const Fault& fault : faults) {
    const FillAnswer answer = answer_fill(fault.range, history, its_damage);
    for (const History::Item& item : answer.entries) {
      ASSERT_TRUE(refill.on_entry(who, item.zxid, *item.entry));
    }
    ASSERT_TRUE(refill.on_end(who, {fault.range, answer.rest}));
  }
}

// --- the follower's answers

FillRest rest(ZxidRange range, const History& history, size_t entries,
              const Damage* its_damage = nullptr) {
  const FillAnswer answer = answer_fill(range, history, its_damage);
  EXPECT_EQ(answer.entries.size(), entries);
  return answer.rest;
}

TEST(RefillAnswer, OfAWholeServer) {
  const History h = history_of(Zxid(1, 3), run(1, 4, 8));
  EXPECT_EQ(rest({Zxid(1, 4), Zxid(1, 6)}, h, 2), FillRest::None);
  EXPECT_EQ(rest({Zxid(1, 3), Zxid(1, 8)}, h, 5), FillRest::None) << "from its base on";
  EXPECT_EQ(rest({Zxid(1, 6), Zxid(1, 10)}, h, 2), FillRest::Never) << "beyond its end";
  EXPECT_EQ(rest({Zxid(1, 8), Zxid(1, 9)}, h, 0), FillRest::Never);
  EXPECT_EQ(rest({Zxid(1, 20), Zxid(1, 21)}, h, 0), FillRest::Never);
  EXPECT_EQ(rest({Zxid(1, 1), Zxid(1, 5)}, h, 0), FillRest::Unknown) << "not in memory any more";
}

TEST(RefillAnswer, OfAServerWhoseHistoryWentAnotherWay) {
  const History h = history_of(Zxid(1, 3), {Zxid(1, 4), Zxid(3, 1), Zxid(3, 2)});
  EXPECT_EQ(rest({Zxid(1, 4), Zxid(1, 6)}, h, 0), FillRest::Never) << "3:1 stands there";
  EXPECT_EQ(rest({Zxid(2, 1), Zxid(2, 2)}, h, 0), FillRest::Never) << "it never had 2:1 either";
}

TEST(RefillAnswer, OfADamagedServerIsNeverMoreThanItKnows) {
  const History h = history_of(Zxid(1, 0), run(1, 1, 2));
  const Damage d = damage();
  EXPECT_EQ(rest({Zxid(1, 1), Zxid(1, 2)}, h, 1, &d), FillRest::None) << "of the good prefix";
  EXPECT_EQ(rest({Zxid(1, 5), Zxid(1, 7)}, h, 2, &d), FillRest::None) << "salvaged";
  EXPECT_EQ(rest({Zxid(1, 1), Zxid(1, 4)}, h, 1, &d), FillRest::Unknown) << "its own fault";
  EXPECT_EQ(rest({Zxid(1, 3), Zxid(1, 4)}, h, 0, &d), FillRest::Unknown) << "within its fault";
  EXPECT_EQ(rest({Zxid(1, 8), Zxid(1, 12)}, h, 1, &d), FillRest::Never) << "beyond its claim";
}

// --- the leader's decision

TEST(RefillTest, FromOneServerThatHasAll) {
  Refill refill(damage(), quorum_of(3));
  EXPECT_FALSE(refill.filled(true));
  ask(refill, kOne, history_of(Zxid{}, run(1, 1, 9)));
  const auto items = refill.filled(false);
  ASSERT_TRUE(items);
  EXPECT_EQ(zxids_of(*items), run(1, 3, 9));
}

TEST(RefillTest, FromTwoServersThatHaveAPartEach) {
  Refill refill(damage(), quorum_of(3));
  ask(refill, kOne, history_of(Zxid{}, run(1, 1, 6)));
  EXPECT_FALSE(refill.filled(true)) << "1:8 was never had by one only";
  EXPECT_FALSE(refill.hopeless(kThree));
  ask(refill, kTwo, history_of(Zxid(1, 6), run(1, 7, 8)));
  const auto items = refill.filled(false);
  ASSERT_TRUE(items);
  EXPECT_EQ(zxids_of(*items), run(1, 3, 9));
}

TEST(RefillTest, FromAServerDamagedElsewhere) {
  Damage other = damage();
  other.faults = {{{Zxid(1, 5), Zxid(1, 6)}, crc_of(Zxid(1, 6))}};
  other.salvaged.clear();
  for (const Zxid z : run(1, 7, 9)) other.salvaged.push_back({z, Zxid{z.value - 1}, entry_of(z)});
  Refill refill(damage(), quorum_of(3));
  ask(refill, kOne, history_of(Zxid{}, run(1, 1, 5)), &other);
  const auto items = refill.filled(false);
  ASSERT_TRUE(items);
  EXPECT_EQ(zxids_of(*items), run(1, 3, 9));
}

TEST(RefillTest, WhatAMajorityNeverHadIsGivenUpWithAllBehindIt) {
  Refill refill(damage(), quorum_of(3));
  ask(refill, kOne, history_of(Zxid{}, run(1, 1, 4)));
  EXPECT_FALSE(refill.filled(true)) << "one of three is no majority";
  EXPECT_FALSE(refill.hopeless(kThree));
  ask(refill, kTwo, history_of(Zxid{}, run(1, 1, 3)));
  EXPECT_FALSE(refill.filled(false)) << "an acknowledgement may still be counted somewhere";
  EXPECT_TRUE(refill.hopeless(kThree)) << "the others can go on by themselves";
  const auto items = refill.filled(true);
  ASSERT_TRUE(items);
  EXPECT_EQ(zxids_of(*items), run(1, 3, 4)) << "1:4 was there, 1:5 and what followed is not";
}

TEST(RefillTest, OneWhoCannotTellIsNotOneWhoNeverHad) {
  Refill refill(damage(), quorum_of(3));
  ask(refill, kOne, history_of(Zxid{}, run(1, 1, 2)));
  ask(refill, kTwo, history_of(Zxid(1, 7), run(1, 8, 9)));
  EXPECT_FALSE(refill.filled(true));
  EXPECT_TRUE(refill.hopeless(kThree)) << "all have answered";
  EXPECT_EQ(refill.missing(kThree),
            "100000003-100000005; server.1 never had them; server.2 cannot tell");
}

TEST(RefillTest, FiveServersNeedThreeWhoNeverHad) {
  Refill refill(damage(), quorum_of(5));
  for (const int64_t id : {1, 2}) ask(refill, ServerId{id}, history_of(Zxid{}, run(1, 1, 2)));
  EXPECT_FALSE(refill.filled(true));
  EXPECT_FALSE(refill.hopeless(ServerId{5}));
  ask(refill, kThree, history_of(Zxid{}, run(1, 1, 2)));
  ASSERT_TRUE(refill.filled(true));
  EXPECT_TRUE(refill.filled(true)->empty());
}

TEST(RefillTest, AnswersThatMakeNoSense) {
  const ZxidRange range = damage().faults[0].range;
  Refill refill(damage(), quorum_of(3));
  EXPECT_FALSE(refill.on_entry(kOne, Zxid(1, 3), *entry_of(Zxid(1, 4)))) << "another's entry";
  EXPECT_FALSE(refill.on_entry(kOne, Zxid(1, 3), Bytes(3))) << "no txn";
  ASSERT_TRUE(refill.on_entry(kOne, Zxid(1, 3), *entry_of(Zxid(1, 3))));
  EXPECT_FALSE(refill.on_entry(kOne, Zxid(1, 5), *entry_of(Zxid(1, 5)))) << "a gap";
  EXPECT_FALSE(refill.on_end(kTwo, {range, FillRest::None})) << "nothing, and it is all";
  EXPECT_FALSE(refill.on_end(kTwo, {{Zxid(1, 2), Zxid(1, 4)}, FillRest::Never})) << "another range";
  for (const Zxid z : run(1, 3, 4)) ASSERT_TRUE(refill.on_entry(kTwo, z, *entry_of(z)));
  Txn other;
  other.header = {SessionId{8}, 0, Zxid(1, 5), WallTime{1000}, TxnType::Error};
  other.body = ErrorTxn{};
  other.digest = TxnDigest{kDigestVersion, 5};
  ASSERT_TRUE(refill.on_entry(kTwo, Zxid(1, 5), encode_txn(other)));
  EXPECT_FALSE(refill.on_end(kTwo, {range, FillRest::None})) << "the link names another entry";
  EXPECT_FALSE(refill.filled(true));
}

// A gap in which epochs changed: 1:2, then something, then 3:2 which is missing too, then 3:3.
TEST(RefillTest, AGapAcrossEpochsTakesOnlyWhatLeadsToItsEnd) {
  Damage d;
  d.claimed = Zxid(3, 3);
  d.faults = {{{Zxid(1, 2), Zxid(3, 2)}, crc_of(Zxid(3, 2))}};
  d.salvaged = {{Zxid(3, 3), Zxid(3, 2), entry_of(Zxid(3, 3))}};
  Refill refill(d, quorum_of(3));
  // Server 1 went on otherwise, with epoch 2: its entries are not the lost ones.
  ask(refill, kOne, history_of(Zxid{}, {Zxid(1, 1), Zxid(1, 2), Zxid(2, 1)}));
  ask(refill, kTwo, history_of(Zxid{}, run(1, 1, 2)));
  EXPECT_FALSE(refill.filled(true));
  ask(refill, kTwo,
      history_of(Zxid{}, {Zxid(1, 1), Zxid(1, 2), Zxid(1, 3), Zxid(3, 1), Zxid(3, 2)}));
  const auto items = refill.filled(false);
  ASSERT_TRUE(items);
  EXPECT_EQ(zxids_of(*items), (std::vector<Zxid>{{1, 3}, {3, 1}, {3, 2}, {3, 3}}));
}

}  // namespace
}  // namespace vivarium
