// decide(): every row of the table of recovery, with facts that lead to it and to its neighbours.
#include <gtest/gtest.h>

#include "core/storage/recovery_table.h"

namespace vivarium {
namespace {

// A member of ours, whole: its log ends at 1:5 and its frontier says 1:4.
RecoveryFacts whole() {
  RecoveryFacts f;
  f.data = true;
  f.frontier_file = f.frontier_valid = true;
  f.frontier.member = true;
  f.frontier.zxid = Zxid(1, 4);
  f.frontier.accepted_epoch = f.frontier.current_epoch = 1;
  f.accepted_file = f.current_file = 1;
  f.base_found = true;
  f.ours = true;
  f.last = Zxid(1, 5);
  return f;
}

// The log ends in a bad place as a crash leaves it.
RecoveryFacts torn() {
  RecoveryFacts f = whole();
  f.end = PrefixEnd::Bad;
  f.bad = BadPlace::EndByte;
  f.could_be_torn = true;
  return f;
}

// A directory of Apache's, never touched by us.
RecoveryFacts apaches() {
  RecoveryFacts f;
  f.data = true;
  f.base_found = true;
  f.foreign_tail = true;
  f.accepted_file = f.current_file = 1;
  f.last = Zxid(1, 5);
  return f;
}

Found found(const RecoveryFacts& facts) { return decide(facts).found; }

TEST(StorageTable, AnEmptyDirectoryIsBlank) {
  EXPECT_EQ(found({}), Found::Blank);
  RecoveryFacts promised;
  promised.frontier_file = promised.frontier_valid = true;
  promised.frontier.accepted_epoch = 7;
  EXPECT_EQ(found(promised), Found::Blank) << "a promise is no data";
  promised.frontier.member = promised.base_found = true;
  EXPECT_EQ(found(promised), Found::Whole) << "a member with an empty history";
}

TEST(StorageTable, ALostFrontierIsAmnesia) {
  RecoveryFacts f = whole();
  f.frontier_valid = false;
  EXPECT_EQ(found(f), Found::Amnesia) << "unreadable";
  f.frontier_file = false;
  EXPECT_EQ(found(f), Found::Amnesia) << "missing";
  RecoveryFacts empty;
  empty.frontier_file = true;
  EXPECT_EQ(found(empty), Found::Amnesia) << "a blank member";
  f = whole();
  f.frontier = Frontier{};
  f.frontier.accepted_epoch = f.frontier.current_epoch = 1;
  EXPECT_EQ(found(f), Found::Amnesia) << "created after the data";
}

// The frontier lies beside the log: a lost log directory takes it along, and what is left looks
// like Apache's, or like nothing.
TEST(StorageTable, AMarkBesideTheSnapshotsTellsOfALostFrontier) {
  RecoveryFacts f = whole();
  f.frontier_file = f.frontier_valid = f.ours = false;
  EXPECT_EQ(found(f), Found::Foreign) << "snapshots and epochs, and no word of ours";
  f.mark_file = true;
  EXPECT_EQ(found(f), Found::Amnesia);
  EXPECT_FALSE(foreign_era(f));
  f.foreign_tail = true;
  EXPECT_EQ(found(f), Found::Amnesia);
  RecoveryFacts empty;
  empty.mark_file = true;
  EXPECT_EQ(found(empty), Found::Amnesia);
  RecoveryFacts well = whole();
  well.mark_file = true;
  EXPECT_EQ(found(well), Found::Whole);
}

TEST(StorageTable, WithoutPeersNoEpochFileTellsOfApache) {
  RecoveryFacts f = whole();
  f.last = Zxid(1, 2);  // the frontier says 1:4
  f.accepted_file = 3;
  EXPECT_EQ(found(f), Found::Foreign) << "Apache may have cut the log and gone on";
  f.standalone = true;
  EXPECT_EQ(found(f), Found::Damaged);
}

TEST(StorageTable, WholeAndTorn) {
  EXPECT_EQ(found(whole()), Found::Whole);
  EXPECT_FALSE(decide(whole()).cut);
  EXPECT_EQ(found(torn()), Found::Whole);
  EXPECT_TRUE(decide(torn()).cut);
  EXPECT_EQ(decide(torn()).claimed, Zxid(1, 5));
}

TEST(StorageTable, RuleTByTheFrontier) {
  RecoveryFacts f = torn();
  f.frontier.zxid = Zxid(1, 6);
  EXPECT_EQ(found(f), Found::Damaged);
  EXPECT_EQ(decide(f).claimed, Zxid(1, 6));
  f = whole();
  f.frontier.zxid = Zxid(1, 6);
  EXPECT_EQ(found(f), Found::Damaged) << "the log simply ends early";
}

TEST(StorageTable, RuleTByLaterRecords) {
  RecoveryFacts f = torn();
  f.durable_behind = Zxid(1, 5);
  EXPECT_TRUE(decide(f).cut) << "a reordered group commit leaves valid records behind a bad one";
  f.durable_behind = Zxid(1, 6);
  EXPECT_EQ(found(f), Found::Damaged);
  EXPECT_EQ(decide(f).claimed, Zxid(1, 6));
}

TEST(StorageTable, RuleTByALaterFile) {
  RecoveryFacts f = torn();
  f.later_file = true;
  EXPECT_EQ(found(f), Found::Damaged);
  f = whole();
  f.later_file = true;
  EXPECT_EQ(found(f), Found::Whole) << "a later file is no harm to a whole one";
}

TEST(StorageTable, RuleTByASnapshot) {
  RecoveryFacts f = torn();
  f.below_base = true;
  EXPECT_EQ(found(f), Found::Damaged);
  f = whole();
  f.below_base = true;
  EXPECT_EQ(found(f), Found::Whole) << "nothing is bad";
}

TEST(StorageTable, RuleTByAWrongSector) {
  RecoveryFacts f = torn();
  f.could_be_torn = false;
  EXPECT_EQ(found(f), Found::Damaged);
}

TEST(StorageTable, WhatIsMissing) {
  RecoveryFacts f = whole();
  f.end = PrefixEnd::Gap;
  EXPECT_EQ(found(f), Found::Damaged);
  f = whole();
  f.base_found = false;
  EXPECT_EQ(found(f), Found::Damaged);
  f = torn();
  f.unreadable = true;
  EXPECT_EQ(found(f), Found::Damaged);
  f = whole();
  f.install_lost = true;
  EXPECT_EQ(found(f), Found::Damaged);
}

TEST(StorageTable, AnUnknownTxnIsRefused) {
  RecoveryFacts f = whole();
  f.end = PrefixEnd::Undecodable;
  EXPECT_EQ(found(f), Found::Refused);
  f = apaches();
  f.end = PrefixEnd::Undecodable;
  EXPECT_EQ(found(f), Found::Refused);
}

TEST(StorageTable, ApacheWasHere) {
  EXPECT_EQ(found(apaches()), Found::Foreign);
  RecoveryFacts f = whole();
  f.foreign_tail = true;
  EXPECT_EQ(found(f), Found::Foreign) << "a record without a trailer behind ours";
  f.frontier.zxid = f.last;
  EXPECT_EQ(found(f), Found::Whole) << "ours has begun with it";
  f.end = PrefixEnd::Bad;
  f.bad = BadPlace::Checksum;
  EXPECT_EQ(found(f), Found::Damaged) << "and what is behind it is ours";
  f.bad = BadPlace::EndByte;
  f.foreign_end = true;
  EXPECT_EQ(found(f), Found::Foreign) << "but for what ZooKeeper began to write";
  f = whole();
  f.current_file = f.accepted_file = 2;
  EXPECT_EQ(found(f), Found::Foreign) << "epoch files newer than the frontier";
  f.frontier.zxid = Zxid(1, 9);
  EXPECT_EQ(found(f), Found::Foreign) << "the frontier is void: Apache may have truncated";
  EXPECT_EQ(decide(f).claimed, Zxid(1, 5));
}

TEST(StorageTable, ApachesRulesForApachesFiles) {
  RecoveryFacts f = apaches();
  f.end = PrefixEnd::Bad;
  for (const BadPlace bad : {BadPlace::PastEnd, BadPlace::EndByte}) {
    f.bad = bad;
    EXPECT_EQ(found(f), Found::Foreign) << to_string(bad);
    EXPECT_TRUE(decide(f).cut);
  }
  for (const BadPlace bad : {BadPlace::Checksum, BadPlace::Length, BadPlace::Header, BadPlace::Hole,
                             BadPlace::Trailer}) {
    f.bad = bad;
    EXPECT_EQ(found(f), Found::Refused) << to_string(bad);
  }
  f.bad = BadPlace::EndByte;
  f.data_behind = true;
  EXPECT_EQ(found(f), Found::Refused) << "Apache would drop what is behind it and say nothing";
  f.data_behind = false;
  f.later_file = true;
  EXPECT_EQ(found(f), Found::Refused);
  f = apaches();
  f.end = PrefixEnd::Gap;
  EXPECT_EQ(found(f), Found::Refused);
  f = apaches();
  f.base_found = false;
  EXPECT_EQ(found(f), Found::Refused);
}

// RULES 7, and what ZooKeeper would drop without a word.
TEST(StorageTable, ATreeThatNothingVouchesFor) {
  for (RecoveryFacts f : {apaches(), whole(), torn()}) {
    f.untrue = true;
    EXPECT_EQ(found(f), Found::Damaged);
    EXPECT_FALSE(decide(f).cut) << "nothing is touched";
    f.end = PrefixEnd::Undecodable;
    EXPECT_EQ(found(f), Found::Refused);
  }
  RecoveryFacts f = apaches();
  f.unread = Zxid(1, 5);
  EXPECT_EQ(found(f), Found::Foreign) << "the log has what the snapshot had";
  f.unread = Zxid(1, 6);
  EXPECT_EQ(found(f), Found::Damaged);
  f = whole();
  f.unread = Zxid(1, 6);
  EXPECT_EQ(found(f), Found::Whole) << "the frontier knows how far it went";
}

// R6: a log without a snapshot is taken only by word, and only if nothing speaks against it.
TEST(StorageTable, ApachesLogAlone) {
  RecoveryFacts f = apaches();
  f.lone_log = true;
  EXPECT_EQ(found(f), Found::Refused);
  EXPECT_NE(std::string_view(decide(f).row).find("snapshot.trust.empty"), std::string_view::npos);
  f.trust_lone = true;
  EXPECT_EQ(found(f), Found::Foreign);
  f.misfit = true;
  EXPECT_EQ(found(f), Found::Refused);
  f = apaches();
  f.trust_lone = true;
  f.base_found = false;
  EXPECT_EQ(found(f), Found::Refused) << "the word is not enough";
  // Ours went on, and its first snapshot was never finished.
  f = whole();
  f.lone_log = true;
  f.base_found = false;
  EXPECT_EQ(found(f), Found::Damaged);
  EXPECT_NE(std::string_view(decide(f).row).find("snapshot.trust.empty"), std::string_view::npos);
}

TEST(StorageTable, ApachesRulesForEpochs) {
  RecoveryFacts f = apaches();
  f.current_file = f.accepted_file = std::nullopt;
  EXPECT_EQ(found(f), Found::Foreign) << "missing files take the epoch of the last zxid";
  f.current_file = f.accepted_file = 0;
  EXPECT_EQ(found(f), Found::Refused) << "a log epoch above currentEpoch";
  f.current_tmp_file = 1;
  f.accepted_file = 1;
  EXPECT_EQ(found(f), Found::Foreign) << "unless currentEpoch.tmp exists";
  f.standalone = true;
  f.current_tmp_file = std::nullopt;
  EXPECT_EQ(found(f), Found::Foreign) << "a standalone server has no epochs";
  f = apaches();
  f.accepted_file = 0;
  EXPECT_EQ(found(f), Found::Refused) << "accepted below current";
  f = apaches();
  f.epoch_file_unreadable = true;
  EXPECT_EQ(found(f), Found::Refused);
}

}  // namespace
}  // namespace vivarium
