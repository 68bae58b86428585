// Every checker fires: on a violation made up for it, under its name, with a text that tells what
// is wrong, and not a step before.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/hash.h"
#include "core/storage/record.h"
#include "sim/checkers/agreement.h"
#include "sim/checkers/durability.h"
#include "sim/checkers/leadership.h"
#include "sim/checkers/messages.h"
#include "sim/checkers/results.h"
#include "sim/ledger.h"
#include "sim/model.h"
#include "sim/scenario.h"
#include "tests/simulation/checker_support.h"

namespace vivarium::sim {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr SimTime kNow{1};

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

Txn txn_of(Zxid zxid, TxnType type, TxnBody body) {
  Txn txn;
  txn.header = {kSession, 1, zxid, {1000}, type};
  txn.body = std::move(body);
  txn.digest = TxnDigest{};
  return txn;
}

Txn create_txn(Zxid zxid, std::string_view path, int32_t parent_cversion = 1) {
  CreateTxn create;
  create.path = path;
  create.acl = {{kPermAll, "world", "anyone"}};
  create.parent_cversion = parent_cversion;
  return txn_of(zxid, TxnType::Create, create);
}

Bytes record_of(Zxid zxid, std::string_view path) {
  return framed(encode_txn(create_txn(zxid, path)));
}

// Three servers of which nothing is real but what the checkers are told.
struct Servers {
  Ledger ledger{3};
  Agreement agreement{3};
  Leadership leadership{3};
  Durability durability{3};
  ConfigCheck configs{3, {true, true, true}};
  Verdict verdict;
  std::vector<NodeFacts> facts{3};
  std::vector<SimDisk> disks{3};
  DataTree tree;

  Servers() {
    for (NodeFacts& f : facts) f.role = ZabRole::Learner;
  }
  // In the server's log, and on its disk too unless it is only `written`.
  void log(ServerIndex server, Zxid zxid, bool written = false) {
    const Bytes record = record_of(zxid, fmt::format("/n{:x}", zxid.value));
    const std::string name = log_name(zxid);
    if (!written) disks[server].put(Dir::Logs, name, record);
    const Inode inode =
        written ? disks[server].create(Dir::Logs, name, kNow) : disks[server].find(Dir::Logs, name);
    ASSERT_EQ(ledger.log_written(server, inode, 0, record), std::nullopt);
  }
  void log_up_to(ServerIndex server, uint32_t counter) {
    for (uint32_t c = 1; c <= counter; ++c) log(server, Zxid(1, c));
  }
  template <class Change>
  void step(ServerIndex server, Change&& change) {
    const NodeFacts before = facts[server];
    change(facts[server]);
    const NodeFacts& after = facts[server];
    agreement.stepped(server, before, after, tree, ledger, kNow, verdict);
    leadership.stepped(server, after, kNow, verdict);
    durability.stepped(server, before, after, disks[server], ledger,
                       agreement.committed_up_to(durability.acknowledged(server)),
                       configs.needs(before, after), kNow, verdict);
  }
  void lead(ServerIndex server, Epoch epoch) {
    step(server, [&](NodeFacts& f) {
      f.role = ZabRole::Leader;
      f.leading = f.established = true;
      f.epoch = epoch;
    });
  }
  void commit(ServerIndex leader, Zxid zxid) {
    step(leader, [&](NodeFacts& f) { f.committed = zxid; });
  }
  void deliver(ServerIndex server, Zxid zxid) {
    step(server, [&](NodeFacts& f) {
      f.delivers = true;
      f.last_applied = zxid;
    });
  }
  void send(ServerIndex from, ServerIndex leader, PacketType type, int64_t zxid,
            ByteView data = {}) {
    QuorumPacket packet;
    packet.type = type;
    packet.zxid = zxid;
    packet.data = data;
    leadership.packet_sent(from, leader, facts[from], packet, kNow, verdict);
    durability.packet_sent(from, facts[from], packet, disks[from], ledger, kNow, verdict);
  }
  void acknowledge(ServerIndex from, Zxid zxid) { send(from, 0, PacketType::Ack, zxid.wire()); }
  void put_epoch(ServerIndex server, const char* name, Epoch epoch) {
    disks[server].put(Dir::Snapshots, name, bytes_of(std::to_string(epoch)));
  }
  // s1 leads epoch 1; s1 and s2 have 1:1 to 1:3 on disk, and it is committed.
  void commit_three() {
    log_up_to(0, 3);
    log_up_to(1, 3);
    put_epoch(1, "currentEpoch", 1);
    lead(0, 1);
    facts[1].epoch = 1;
    acknowledge(1, Zxid(1, 3));
    commit(0, Zxid(1, 3));
    deliver(0, Zxid(1, 3));
    ASSERT_EQ(said(verdict), "");
  }
};

// ------------------------------------------------------------------------------------- Agreement

TEST(Checkers, PrefixFiresWhenAServerGoesBack) {
  Servers s;
  s.commit_three();
  s.deliver(0, Zxid(1, 2));
  EXPECT_EQ(said(s.verdict), "K-PREFIX: s1 delivers zxid 100000002 after 100000003");
}

TEST(Checkers, PrefixFiresWhenWhatIsDeliveredIsNotInTheLog) {
  Servers s;
  s.commit_three();
  s.commit(0, Zxid(1, 4));
  s.verdict = {};
  s.deliver(0, Zxid(1, 4));
  EXPECT_EQ(said(s.verdict), "K-PREFIX: s1 delivers zxid 100000004, which its log does not hold");
}

TEST(Checkers, AgreeFiresWhenADeliveredTxnIsLeftOut) {
  Servers s;
  s.commit_three();
  s.log(2, Zxid(1, 1));
  s.log(2, Zxid(1, 4));
  s.log(0, Zxid(1, 4));
  s.log(1, Zxid(1, 4));
  s.acknowledge(1, Zxid(1, 4));
  s.commit(0, Zxid(1, 4));
  s.deliver(2, Zxid(1, 1));
  ASSERT_EQ(said(s.verdict), "");
  s.deliver(2, Zxid(1, 4));
  EXPECT_EQ(said(s.verdict),
            "K-AGREE: s3 delivers zxid 100000004 without 100000003, which others have delivered");
}

TEST(Checkers, CommittedFiresWhenANewLeaderLacksATxn) {
  Servers s;
  s.commit_three();
  s.log_up_to(2, 2);
  s.lead(2, 2);
  EXPECT_EQ(said(s.verdict),
            "K-COMMITTED: s3 leads epoch 2 and its log lacks zxid 100000003, which was committed");
}

// An ACK of NEWLEADER that was on its way for long: epoch 3 has begun, and has a txn of its own.
TEST(Checkers, CommittedAsksALateLeaderForWhatEarlierEpochsHave) {
  for (const uint32_t last : {3U, 2U}) {
    Servers s;
    s.commit_three();
    s.log(0, Zxid(3, 1));
    s.log(1, Zxid(3, 1));
    s.lead(0, 3);
    s.facts[1].epoch = 3;
    s.acknowledge(1, Zxid(3, 1));
    s.commit(0, Zxid(3, 1));
    ASSERT_EQ(said(s.verdict), "");
    s.log_up_to(2, last);
    s.lead(2, 2);
    const bool lost = last == 2;
    EXPECT_EQ(said(s.verdict),
              lost ? "K-COMMITTED: s3 leads epoch 2 and its log lacks zxid 100000003, which was "
                     "committed"
                   : "");
  }
}

TEST(Checkers, CommittedFiresWhenMoreIsServedThanCommitted) {
  Servers s;
  s.commit_three();
  s.log_up_to(1, 4);
  s.deliver(1, Zxid(1, 4));
  EXPECT_EQ(said(s.verdict),
            "K-COMMITTED: s2 serves zxid 100000004, and no leader has committed beyond 100000003");
}

TEST(Checkers, LogTreeFiresWhenOneZxidMeansTwoStates) {
  Servers s;
  s.commit_three();
  s.deliver(1, Zxid(1, 2));
  ASSERT_EQ(said(s.verdict), "");
  Effects effects;
  s.tree.apply(create_txn(Zxid(1, 3), "/other"), effects);
  s.deliver(1, Zxid(1, 3));
  EXPECT_EQ(said(s.verdict),
            "K-LOGTREE: the state of s2 at zxid 100000003 differs from that of s1");
}

TEST(Checkers, SnapZxidFiresWhenASnapshotHoldsAnotherState) {
  Servers s;
  s.commit_three();
  s.agreement.snapshot_named(1, Zxid(1, 2), nullptr, kNow, s.verdict);
  ASSERT_EQ(said(s.verdict), "") << "of a state that nobody has shown nothing is known";
  s.agreement.snapshot_named(1, Zxid(1, 3), &s.tree, kNow, s.verdict);
  ASSERT_EQ(said(s.verdict), "");
  Verdict unread;
  s.agreement.snapshot_named(1, Zxid(1, 3), nullptr, kNow, unread);
  EXPECT_EQ(said(unread), "K-SNAPZXID: the snapshot 100000003 of s2 cannot be read");
  DataTree later = s.tree;
  Effects effects;
  later.apply(create_txn(Zxid(1, 4), "/later"), effects);
  s.agreement.snapshot_named(1, Zxid(1, 3), &later, kNow, s.verdict);
  EXPECT_EQ(said(s.verdict),
            "K-SNAPZXID: the snapshot 100000003 of s2 holds another state than that zxid's");
}

// ------------------------------------------------------------------------------------- Leadership

TEST(Checkers, Leader1FiresOnTwoLeadersOfAnEpoch) {
  Servers s;
  s.lead(0, 3);
  s.lead(0, 3);
  s.lead(1, 4);
  ASSERT_EQ(said(s.verdict), "");
  s.lead(2, 3);
  EXPECT_EQ(said(s.verdict), "K-LEADER1: s3 and s1 both lead epoch 3");
}

TEST(Checkers, PromiseFiresOnTheSameEpochPromisedTwice) {
  Servers s;
  const Bytes current{0, 0, 0, 1};
  s.facts[1].epoch = 3;
  s.put_epoch(1, "acceptedEpoch", 3);
  s.send(1, 0, PacketType::AckEpoch, 0, current);
  s.send(1, 0, PacketType::AckEpoch, 0, current);
  ASSERT_EQ(said(s.verdict), "");
  s.send(1, 2, PacketType::AckEpoch, 0, current);
  EXPECT_EQ(said(s.verdict), "K-PROMISE: s2 promised epoch 3 to s1 and to s3");
}

TEST(Checkers, PromiseFiresOnAnAckToAnOlderLeader) {
  Servers s;
  s.facts[1].epoch = 3;
  s.put_epoch(1, "acceptedEpoch", 3);
  s.send(1, 0, PacketType::AckEpoch, 0, Bytes{0, 0, 0, 1});
  ASSERT_EQ(said(s.verdict), "");
  s.facts[1].epoch = 2;
  s.send(1, 2, PacketType::Ack, Zxid(2, 0).wire());
  EXPECT_EQ(said(s.verdict),
            "K-PROMISE: s2 promised epoch 3 and acknowledges to the leader of epoch 2");
}

TEST(Checkers, PromiseFiresOnAnEpochThatOneWhoIsThereHasPromised) {
  Servers s;
  const LinkId link{3, 1};
  s.facts[0].leading = true;
  s.facts[0].epoch = 4;
  s.leadership.told(1, 0, 4, 48);
  s.leadership.arrived(0, 1, link, 48);
  Verdict gone;
  Servers without = s;
  without.leadership.ended(0, link);
  without.leadership.stepped(0, s.facts[0], kNow, gone);
  EXPECT_EQ(said(gone), "") << "its connection is over";
  s.leadership.stepped(0, s.facts[0], kNow, s.verdict);
  EXPECT_EQ(said(s.verdict),
            "K-PROMISE: s1 begins epoch 4 and was told that s2 has promised epoch 4");
}

TEST(Checkers, EpochMonoFiresWhenAnEpochFalls) {
  Servers s;
  s.step(0, [](NodeFacts& f) { f.accepted_epoch = 5; });
  ASSERT_EQ(said(s.verdict), "");
  s.step(0, [](NodeFacts& f) { f.accepted_epoch = 4; });
  EXPECT_EQ(said(s.verdict), "K-EPOCHMONO: s1 holds epochs accepted 4 current 0 after 5 and 0");
}

TEST(Checkers, EpochMonoAsksOfAnObserverWhatItsRecoveryHasMadeDurable) {
  for (const bool unsettled : {true, false}) {
    Servers s;
    s.step(0, [&](NodeFacts& f) {
      f.standing = Standing::Observer;
      f.unsettled = unsettled;
      f.accepted_epoch = 5;
    });
    ASSERT_EQ(said(s.verdict), "");
    s.step(0, [](NodeFacts& f) { f.accepted_epoch = 4; });
    EXPECT_EQ(said(s.verdict).empty(), unsettled);
  }
}

// ------------------------------------------------------------------------------------- Durability

TEST(Checkers, DurAckFiresOnAnAckBeforeTheSync) {
  Servers s;
  s.log(1, Zxid(1, 1));
  s.acknowledge(1, Zxid(1, 1));
  ASSERT_EQ(said(s.verdict), "");
  s.log(1, Zxid(1, 2), true);
  s.acknowledge(1, Zxid(1, 2));
  EXPECT_EQ(said(s.verdict),
            "K-DURACK: s2 acknowledges zxid 100000002 and its disk does not hold it");
}

TEST(Checkers, DurAckFiresOnAPromiseThatIsNotOnDisk) {
  Servers s;
  s.facts[1].epoch = 4;
  s.put_epoch(1, "acceptedEpoch", 3);
  s.send(1, 0, PacketType::AckEpoch, 0, Bytes{0, 0, 0, 1});
  EXPECT_EQ(said(s.verdict), "K-DURACK: s2 promises epoch 4 and its disk does not hold it");
}

TEST(Checkers, DurAckFiresOnNewLeaderBeforeItsEpochOrHistory) {
  Servers s;
  s.facts[1].epoch = 2;
  s.put_epoch(1, "currentEpoch", 1);
  s.acknowledge(1, Zxid(2, 0));
  EXPECT_EQ(said(s.verdict),
            "K-DURACK: s2 acknowledges NEWLEADER of epoch 2 and its currentEpoch says 1");

  Servers t;
  t.log(1, Zxid(1, 7), true);
  t.facts[1].last_durable = Zxid(1, 7);
  t.put_epoch(1, "currentEpoch", 2);
  t.acknowledge(1, Zxid(2, 0));
  EXPECT_EQ(said(t.verdict),
            "K-DURACK: s2 acknowledges NEWLEADER and its disk lacks zxid 100000007");
}

TEST(Checkers, DurAckFiresWhenWhatWasAcknowledgedAndCommittedIsCut) {
  Servers s;
  s.commit_three();
  s.durability.truncated(1, Zxid(1, 3), Zxid(1, 3), kNow, s.verdict);
  ASSERT_EQ(said(s.verdict), "");
  s.durability.truncated(1, Zxid(1, 2), Zxid(1, 3), kNow, s.verdict);
  EXPECT_EQ(said(s.verdict),
            "K-DURACK: s2 goes back to zxid 100000002; it had acknowledged 100000003, which is "
            "committed");
}

// Mixed seed 1072: told to go back when nobody had committed it, and others commit it since.
TEST(Checkers, DurAckAllowsALearnerToGoBackToWhatWasCommittedWhenItWasTold) {
  Servers s;
  s.commit_three();
  s.durability.sent_back(1, Zxid(1, 2));
  s.durability.truncated(1, Zxid(1, 2), Zxid(1, 3), kNow, s.verdict);
  ASSERT_EQ(said(s.verdict), "");
  s.durability.truncated(1, Zxid(1, 1), Zxid(1, 3), kNow, s.verdict);
  EXPECT_EQ(said(s.verdict),
            "K-DURACK: s2 goes back to zxid 100000001; it had acknowledged 100000002, which is "
            "committed");

  // Whoever follows again has no such leave any more.
  Servers t;
  t.commit_three();
  t.durability.sent_back(1, Zxid(1, 2));
  t.send(1, 0, PacketType::FollowerInfo, Zxid(1, 0).wire());
  t.durability.truncated(1, Zxid(1, 2), Zxid(1, 3), kNow, t.verdict);
  EXPECT_THAT(said(t.verdict), StartsWith("K-DURACK: s2 goes back to zxid 100000002"));

  // Nor has whoever has acknowledged NEWLEADER, before it serves or not.
  Servers u;
  u.commit_three();
  u.send(1, 0, PacketType::FollowerInfo, Zxid(1, 0).wire());
  u.durability.sent_back(1, Zxid(1, 2));
  u.put_epoch(1, "currentEpoch", 2);
  u.facts[1].epoch = 2;
  u.acknowledge(1, Zxid(2, 0));
  u.step(1, [](NodeFacts&) {});
  ASSERT_EQ(said(u.verdict), "");
  u.durability.truncated(1, Zxid(1, 2), Zxid(1, 3), kNow, u.verdict);
  EXPECT_THAT(said(u.verdict), StartsWith("K-DURACK: s2 goes back to zxid 100000002"));
}

TEST(Checkers, MemDiskFiresWhenMemoryIsAheadOfTheDisk) {
  Servers s;
  s.log(0, Zxid(1, 1));
  s.step(0, [](NodeFacts& f) { f.last_durable = Zxid(1, 1); });
  ASSERT_EQ(said(s.verdict), "");
  s.log(0, Zxid(1, 2), true);
  s.step(0, [](NodeFacts& f) { f.last_durable = Zxid(1, 2); });
  EXPECT_THAT(said(s.verdict), StartsWith("K-MEMDISK: s1 takes zxid 100000002 for durable: "));

  Servers t;
  t.put_epoch(0, "currentEpoch", 1);
  t.step(0, [](NodeFacts& f) { f.accepted_epoch = f.current_epoch = 2; });
  EXPECT_EQ(said(t.verdict), "K-MEMDISK: s1 takes epoch 2 for durable and its disk says 1");

  Servers u;
  u.log_up_to(0, 1);
  u.put_epoch(0, "currentEpoch", 2);
  u.step(0, [](NodeFacts& f) {
    f.last_durable = Zxid(1, 1);
    f.last_logged = Zxid(1, 2);
  });
  ASSERT_EQ(said(u.verdict), "");
  u.step(0, [](NodeFacts& f) { f.accepted_epoch = f.current_epoch = 2; });
  EXPECT_EQ(said(u.verdict),
            "K-MEMDISK: s1 has epoch 2 on disk, and its history only to 100000001 of 100000002");
}

TEST(Checkers, DurAckFiresOnAnEpochAnnouncedBeforeTheLeadersOwnPromise) {
  Servers s;
  s.put_epoch(0, "acceptedEpoch", 2);
  s.durability.epoch_announced(0, 2, s.disks[0], kNow, s.verdict);
  ASSERT_EQ(said(s.verdict), "");
  s.durability.epoch_announced(0, 3, s.disks[0], kNow, s.verdict);
  EXPECT_EQ(said(s.verdict),
            "K-DURACK: s1 announces epoch 3 and its disk does not hold its own promise");
}

TEST(Checkers, RecoverFiresWhenAnAcknowledgedTxnDoesNotComeBack) {
  Servers s;
  s.commit_three();
  s.facts[1] = NodeFacts{};
  s.step(1, [](NodeFacts& f) {
    f.role = ZabRole::Looking;
    f.last_logged = Zxid(1, 2);
  });
  EXPECT_EQ(said(s.verdict),
            "K-RECOVER: s2 recovered up to zxid 100000002 and had acknowledged 100000003");
}

TEST(Checkers, RecoverFiresWhenAVoterThatWasNeverDamagedStandsAside) {
  for (const bool damaged : {false, true}) {
    Servers s;
    s.step(1, [](NodeFacts& f) { f.role = ZabRole::Looking; });
    if (damaged) s.durability.tail_lost(1, Zxid(1, 1));
    s.step(1, [](NodeFacts& f) { f.standing = Standing::Aside; });
    EXPECT_EQ(said(s.verdict),
              damaged ? "" : "K-RECOVER: s2 stands aside, and nothing was damaged");
  }
}

TEST(Checkers, RecoverFiresWhenAVoterForgetsThatItIsOne) {
  Servers s;
  s.step(1, [](NodeFacts& f) { f.role = ZabRole::Looking; });
  for (const Standing standing : {Standing::Voter, Standing::Aside}) {
    s.facts[1] = NodeFacts{};
    s.step(1, [&](NodeFacts& f) {
      f.role = ZabRole::Looking;
      f.standing = standing;
    });
    const bool fires = standing == Standing::Aside;
    EXPECT_EQ(said(s.verdict),
              fires
                  ? "K-RECOVER: s2 was a voter and stands aside after a crash that damaged nothing"
                  : "");
  }
}

// A later epoch has committed other txns: its zxids are above those that were lost with their
// leader.
TEST(Checkers, CommittedUpToLeavesOutWhatALaterEpochDoesNotHave) {
  Servers s;
  s.commit_three();
  EXPECT_EQ(s.agreement.committed_up_to(Zxid(1, 2)), Zxid(1, 2));
  EXPECT_EQ(s.agreement.committed_up_to(Zxid(1, 4)), Zxid(1, 3));
  s.log(0, Zxid(2, 1));
  s.log(1, Zxid(2, 1));
  s.lead(0, 2);
  s.facts[1].epoch = 2;
  s.acknowledge(1, Zxid(2, 1));
  s.commit(0, Zxid(2, 1));
  ASSERT_EQ(said(s.verdict), "");
  EXPECT_EQ(s.agreement.committed_up_to(Zxid(1, 4)), Zxid(1, 3));
  EXPECT_EQ(s.agreement.committed_up_to(Zxid(2, 1)), Zxid(2, 1));
}

TEST(Checkers, RecoverAllowsACrashWithinATruncationToGoBackToWhatIsCommitted) {
  Servers s;
  s.commit_three();
  s.log(1, Zxid(1, 4));
  s.acknowledge(1, Zxid(1, 4));
  s.step(1, [](NodeFacts& f) { f.busy = true; });
  for (const uint32_t last : {3U, 2U}) {
    s.facts[1] = NodeFacts{};
    s.step(1, [&](NodeFacts& f) {
      f.role = ZabRole::Looking;
      f.last_logged = Zxid(1, last);
    });
    const bool committed_lost = last == 2;
    EXPECT_EQ(said(s.verdict) != "", committed_lost) << said(s.verdict);
  }
}

// Seed 509649: it was no voter when it came back, and one at its next start.
TEST(Checkers, RecoverRemembersThatATruncationWasFinishedByWhoeverIsNoVoter) {
  for (const uint32_t last : {3U, 2U}) {
    Servers s;
    s.commit_three();
    s.log(1, Zxid(1, 4));
    s.acknowledge(1, Zxid(1, 4));
    s.step(1, [](NodeFacts& f) { f.busy = true; });
    for (const Standing standing : {Standing::Observer, Standing::Voter}) {
      s.facts[1] = NodeFacts{};
      s.step(1, [&](NodeFacts& f) {
        f.role = ZabRole::Looking;
        f.standing = standing;
        f.last_logged = Zxid(1, last);
      });
    }
    const bool committed_lost = last == 2;
    EXPECT_EQ(said(s.verdict) != "", committed_lost) << said(s.verdict);
  }
}

TEST(Checkers, QuorumFiresOnACommitWithoutAMajority) {
  Servers s;
  s.commit_three();
  s.log(0, Zxid(1, 4));
  s.commit(0, Zxid(1, 4));
  EXPECT_EQ(said(s.verdict),
            "K-QUORUM: s1 committed zxid 100000004 with 1 of 3 voters having it on disk");
}

TEST(Checkers, QuorumFiresOnALeaderWhoseEpochTooFewHaveBegun) {
  Servers s;
  const std::vector<bool> voters{true, true, false};  // the last one observes
  s.put_epoch(0, "currentEpoch", 2);
  for (const ServerIndex server : {1U, 2U}) {
    s.put_epoch(server, "currentEpoch", 2);
    s.facts[server].epoch = 2;
  }
  s.acknowledge(2, Zxid(2, 0));
  Verdict early;
  s.durability.established(0, 2, voters, s.disks[0], kNow, early);
  EXPECT_EQ(said(early), "K-QUORUM: s1 leads epoch 2, which 1 of 2 voters have begun");
  s.acknowledge(1, Zxid(2, 0));
  s.durability.established(0, 2, voters, s.disks[0], kNow, s.verdict);
  EXPECT_EQ(said(s.verdict), "");
}

// ------------------------------------------------------------------------------------- Verdict

TEST(Checkers, OnlyThoseThatAreHeardFindAnything) {
  Verdict verdict;
  verdict.hear_only(checkers_from_outside());
  verdict.violated(Checker::Quorum, "too few", kNow);
  verdict.expect(Checker::DurAck, false, kNow, [] { return "too early"; });
  EXPECT_EQ(said(verdict), "");
  EXPECT_EQ(verdict.counts()[static_cast<size_t>(Checker::DurAck)], 1U);
  verdict.expect(Checker::Result, false, kNow, [] { return "other data"; });
  EXPECT_EQ(said(verdict), "K-RESULT: other data");
}

TEST(Checkers, FromOutsideWhatClientsAndOperatorsSeeAndProgress) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < kCheckers; ++i) {
    if (checkers_from_outside().test(i)) names.push_back(name_of(static_cast<Checker>(i)));
  }
  EXPECT_THAT(names,
              testing::ElementsAre("K-LINW", "K-RESULT", "K-FIFO", "K-SEQ", "K-MONO", "K-SYNC",
                                   "K-ATOMIC", "K-SEQNAME", "K-SESSION", "K-EPH", "K-NOEXPIRE",
                                   "K-WATCH-ORDER", "K-WATCH-ONCE", "K-WATCH-RECONN", "K-ADMIN",
                                   "K-PARTIAL", "K-STABLE", "K-LIVE"));
}

TEST(Messages, WhatBlamesAPeer) {
  EXPECT_TRUE(blames_peer("looking: gap: 200000003 proposed after 200000001"));
  EXPECT_TRUE(blames_peer("looking: COMMIT 200000003 after 200000001 does not fit this log"));
  EXPECT_TRUE(blames_peer("looking: the leader sent packet 4 out of place"));
  EXPECT_TRUE(blames_peer("learner 2 dropped: ACK of a txn that it was not sent"));
  EXPECT_TRUE(blames_peer("a connection to the quorum port dropped: bytes that are no packet"));
}

TEST(Messages, WhatBlamesNobody) {
  EXPECT_FALSE(blames_peer("looking: the leader closed the connection"));
  EXPECT_FALSE(blames_peer("looking: the leader's epoch is below one promised here"));
  EXPECT_FALSE(blames_peer("learner 2 dropped: it acknowledges nothing"));
  EXPECT_FALSE(blames_peer("learner 2 at 100000001: DIFF 200000003"));
  EXPECT_FALSE(blames_peer("a request of a client does not decode"));
}

// ------------------------------------------------------------------------------------- Ledger

// Keeps the handle of the log file that s1 writes to; it may have been a spare when it was opened.
struct LogHandle final : Observer {
  FileId file;
  void called(Simulation& sim, HostId host, const Call& call) override {
    if (call.kind != CallKind::Write || host != HostId{0}) return;
    const std::string_view name = sim.files(host).name_of(call.file);
    if (name.starts_with("log.") || name.starts_with("spare.")) file = call.file;
  }
};

TEST(Checkers, ZxidUniqFiresOnASecondPayload) {
  Ledger ledger(3);
  EXPECT_EQ(ledger.log_written(0, 1, 16, record_of(Zxid(1, 1), "/a")), std::nullopt);
  EXPECT_EQ(ledger.log_written(1, 1, 16, record_of(Zxid(1, 1), "/a")), std::nullopt);
  EXPECT_EQ(ledger.log_written(2, 1, 16, record_of(Zxid(1, 1), "/b")),
            "s3 wrote another payload under zxid 100000001 than was written before");

  // And in a cluster, where a log is written.
  Profile p = scenario_profile();
  p.operations_per_client = 10;
  Cluster cluster(1, p, {});
  LogHandle handle;
  cluster.sim().observe(&cluster);
  cluster.also_observe(&handle);
  ASSERT_TRUE(cluster.sim().run_until(cluster, SimTime{} + milliseconds(10'000), [&] {
    return cluster.facts(0).last_durable >= Zxid(1, 3) && handle.file.valid();
  }));
  const Bytes record = record_of(Zxid(1, 1), "/forged");
  Call call;
  call.kind = CallKind::Write;
  call.file = handle.file;
  call.offset = 4096;
  call.bytes = record;
  ASSERT_EQ(said(cluster.verdict()), "");
  cluster.called(cluster.sim(), HostId{0}, call);
  EXPECT_EQ(said(cluster.verdict()),
            "K-ZXIDUNIQ: s1 wrote another payload under zxid 100000001 than was written before");
}

// ------------------------------------------------------------------------------------- results,
// Model

// What a real run left: histories of clients, the order of txns, and the ledger.
struct RealRun {
  Scenario scenario;
  std::vector<Zxid> order;
  Verdict verdict;

  RealRun() {
    EXPECT_EQ(scenario.play([&] {
      ScriptedClient client = scenario.client(0);
      ASSERT_TRUE(scenario.until([&] { return scenario.serving(); }));
      ASSERT_TRUE(client.create("/a", "1").ok() && client.set("/a", "2").ok());
      ASSERT_EQ(client.get("/a").data, "2");
      ASSERT_TRUE(client.create("/a/b", "").ok() && client.remove("/a/b").ok());
    }),
              "");
    order = scenario.cluster().agreement().order();
    check();
    EXPECT_EQ(said(verdict), "") << "as it was";
  }
  void check() {
    check_history(scenario.cluster().clients(), order, scenario.cluster().ledger(), {}, kNow,
                  verdict);
  }
  std::vector<Zxid>::iterator txn(Op op) {
    const std::vector<ClientOp>& ops = scenario.cluster().clients()[0].ops();
    const auto found =
        std::find_if(ops.begin(), ops.end(), [&](const ClientOp& o) { return o.op == op; });
    return std::find(order.begin(), order.end(), found->reply_zxid);
  }
};

TEST(Checkers, ResultFiresWhenAnAnsweredWriteIsNotCommitted) {
  RealRun run;
  run.order.erase(run.txn(Op::Delete));
  run.check();
  EXPECT_THAT(said(run.verdict), StartsWith("K-RESULT: c1 session "));
  EXPECT_THAT(said(run.verdict), HasSubstr("op 2 /a/b: was answered and never committed"));
}

TEST(Checkers, ResultFiresWhenARequestIsCommittedTwice) {
  RealRun run;
  const Zxid zxid = *run.txn(Op::Delete);
  run.order.insert(run.txn(Op::Delete), zxid);
  run.check();
  EXPECT_THAT(said(run.verdict), HasSubstr("op 2 /a/b: committed twice"));
}

TEST(Checkers, ResultFiresWhenAReadShowsAnotherState) {
  RealRun run;
  run.order.erase(run.txn(Op::SetData));
  run.check();
  EXPECT_THAT(said(run.verdict), HasSubstr("op 4 /a: read at"));
  EXPECT_THAT(said(run.verdict), HasSubstr("another Stat"));
}

TEST(Checkers, ResultFiresWhenATxnCannotBeInItsState) {
  RealRun run;
  std::iter_swap(run.txn(Op::SetData), run.txn(Op::Create));
  run.check();
  EXPECT_THAT(said(run.verdict), StartsWith("K-RESULT: "));
  EXPECT_THAT(said(run.verdict), HasSubstr("op 5 /a: became error 0 where -101 was due"));
}

TEST(Checkers, ResultFiresWhenASessionCommitsWithoutBeingOpen) {
  RealRun run;
  // Of all sessions, so that it is also the client's.
  std::erase_if(run.order, [&](Zxid zxid) {
    return decode_txn(run.scenario.cluster().ledger().entry(zxid))->header.type ==
           TxnType::CreateSession;
  });
  run.check();
  EXPECT_THAT(said(run.verdict),
              HasSubstr("K-SESSION: became error 0 in a session that is closed"));
}

TEST(Checkers, SyncFiresWhenAnAnsweredWriteWasNotSeen) {
  ClientOp sync;
  sync.op = Op::Sync;
  sync.invoked = SimTime{20};
  sync.reply_zxid = Zxid(1, 2);
  Verdict verdict;
  check_syncs({{SimTime{10}, Zxid(1, 2)}, {SimTime{20}, Zxid(1, 3)}}, {&sync}, kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  check_syncs({{SimTime{19}, Zxid(1, 3)}, {SimTime{10}, Zxid(1, 2)}}, {&sync}, kNow, verdict);
  EXPECT_THAT(said(verdict), StartsWith("K-SYNC: c1 session 0 xid 0 op 9 : answered at 100000002, "
                                        "and 100000003 had been answered"));
}

TEST(Checkers, TheModelRefusesTxnsThatTheirStateForbids) {
  Model model;
  EXPECT_EQ(model.apply(txn_of(Zxid(1, 1), TxnType::CreateSession, CreateSessionTxn{1000})),
            std::nullopt);
  EXPECT_EQ(model.apply(txn_of(Zxid(1, 2), TxnType::CreateSession, CreateSessionTxn{1000})),
            "K-SESSION: a session id begins twice");
  EXPECT_EQ(model.apply(create_txn(Zxid(1, 3), "/a")), std::nullopt);
  EXPECT_EQ(model.apply(create_txn(Zxid(1, 4), "/b", 5)), "K-SEQNAME: parent cversion 5 after 1");
  EXPECT_EQ(model.apply(create_txn(Zxid(1, 4), "/a", 2)), "creates /a, which cannot be");
  Txn ephemeral = create_txn(Zxid(1, 5), "/e", 2);
  std::get<CreateTxn>(ephemeral.body).ephemeral = true;
  EXPECT_EQ(model.apply(ephemeral), std::nullopt);
  EXPECT_EQ(model.apply(txn_of(Zxid(1, 6), TxnType::CloseSession, CloseSessionTxn{})),
            "K-EPH: closeSession does not list exactly the session's ephemerals");
  EXPECT_EQ(model.apply(txn_of(Zxid(1, 7), TxnType::Delete, DeleteTxn{"/none"})),
            "deletes /none, which cannot be");
  SetDataTxn set;
  set.path = "/a";
  set.version = 2;
  EXPECT_EQ(model.apply(txn_of(Zxid(1, 8), TxnType::SetData, set)),
            "sets another version than the next");
}

// ------------------------------------------------------------------------------------- the
// cluster's own

TEST(Checkers, FifoFiresOnAReplyOutOfTurn) {
  Scenario s;
  EXPECT_EQ(s.play([&] {
    ASSERT_TRUE(s.until([&] { return s.serving() && s.client(0).connected(); }));
    Bytes body;
    encode(ReplyHeader{5, 0, ErrorCode::Ok}, body);
    Bytes frame(4);
    put_u32(frame.data(), static_cast<uint32_t>(body.size()));
    append_bytes(frame, body);
    for (const LinkInfo& link : s.sim().network().links()) {
      if (link.port != kClientPort) continue;
      Moment moment = s.sim().moment();
      s.sim().network().inject(moment, link, 1, frame);
    }
    ASSERT_TRUE(s.wait(milliseconds(100)));
  }),
            "K-FIFO: reply 5 to nothing");
}

TEST(Checkers, MonoFiresOnAReplyOfAnEarlierState) {
  Scenario s;
  EXPECT_EQ(s.play([&] {
    ScriptedClient client = s.client(0);
    ASSERT_TRUE(s.until([&] { return s.serving() && client.connected(); }));
    ASSERT_TRUE(client.create("/a", "1").ok());
    SimClient& machine = s.cluster().client(0);
    s.sim().pause(HostId{machine.server()});
    const size_t ticket = machine.ask({Op::GetData, "/a", {}, -1, CreateFlag::Persistent, false});
    ASSERT_TRUE(s.until([&] { return machine.asked(ticket) != nullptr; }));
    Bytes body;
    encode(ReplyHeader{machine.asked(ticket)->xid, 0, ErrorCode::NoNode}, body);
    Bytes frame(4);
    put_u32(frame.data(), static_cast<uint32_t>(body.size()));
    append_bytes(frame, body);
    for (const LinkInfo& link : s.sim().network().links()) {
      if (link.port != kClientPort || link.from != s.cluster().client_host(0)) continue;
      Moment moment = s.sim().moment();
      s.sim().network().inject(moment, link, 1, frame);
    }
    ASSERT_TRUE(s.wait(milliseconds(100)));
    s.sim().resume(HostId{machine.server()});
  }),
            "K-MONO: K-MONO: a reply at zxid 0 after one at 100000002");
}

// Kills whoever leads once the cluster is quiet.
struct LateKiller final : Observer {
  const Cluster* cluster = nullptr;
  SimTime after;
  void delivering(Simulation&, HostId, const Event&) override {}
  void called(Simulation& sim, HostId host, const Call& call) override {
    if (sim.now() < after || call.kind != CallKind::Send) return;
    if (cluster->leader() == host.value && !done) sim.doom(host, Death::Kill);
    done = done || cluster->leader() == host.value;
  }
  bool done = false;
};

TEST(Checkers, StableFiresWhenALeaderGoesWithoutAReason) {
  Profile p = scenario_profile();
  p.quiet_end = true;
  p.operations_per_client = 5;
  Cluster well(1, p, {});
  const Outcome good = well.run();
  ASSERT_FALSE(good.violation.has_value()) << good.violation->text;
  EXPECT_GT(good.evaluated[static_cast<size_t>(Checker::Stable)], 0U);

  Cluster cluster(1, p, {});
  LateKiller killer;
  killer.cluster = &cluster;
  killer.after = well.sim().now() - milliseconds(p.session_timeout_ms);
  cluster.also_observe(&killer);
  const Outcome outcome = cluster.run();
  ASSERT_TRUE(outcome.violation.has_value());
  EXPECT_EQ(outcome.violation->checker, "K-STABLE");
}

// Cuts all servers from each other as soon as one of them is in trouble.
struct TroubleForAll final : Observer {
  uint32_t servers = 0;
  void happened(Simulation& sim, HostId, std::string_view what) override {
    if (!what.starts_with("fault 65535:")) return;
    for (uint32_t a = 0; a < servers; ++a) {
      for (uint32_t b = 0; b < a; ++b) sim.set_paths(HostId{a}, HostId{b}, Path::Stalled);
    }
  }
};

// Those kinds of trouble that cut paths put these back.
TEST(Checkers, PartialFiresWhenNobodyGoesOnBesideAServerInTrouble) {
  size_t fired = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Profile p = profile_of(seed, ProfileKind::Swarm);
    if (!p.partial_end) continue;
    const Outcome good = Cluster(seed, p, {}).run();
    ASSERT_FALSE(good.violation.has_value()) << good.violation->text;
    ASSERT_GT(good.evaluated[static_cast<size_t>(Checker::Partial)], 0U);
    Cluster cluster(seed, p, {});
    TroubleForAll trouble;
    trouble.servers = p.servers;
    cluster.also_observe(&trouble);
    const Outcome outcome = cluster.run();
    if (outcome.violation && outcome.violation->checker == "K-PARTIAL") ++fired;
  }
  EXPECT_GE(fired, 2U);
}

TEST(Checkers, NoExpireFiresWhenASessionEndsThoughNothingHappened) {
  Profile p = scenario_profile();
  p.quiet_end = true;
  p.operations_per_client = 1;
  Cluster cluster(1, p, {});
  // A client that pings at a tenth of the pace it should.
  const HostId client = cluster.client_host(0);
  cluster.sim().clock(client).set_drift(SimTime{}, -900'000);
  const Outcome outcome = cluster.run();
  ASSERT_TRUE(outcome.violation.has_value());
  EXPECT_EQ(outcome.violation->checker, "K-NOEXPIRE");
}

TEST(Checkers, LiveFiresWhenTheEnsembleDoesNotComeTogether) {
  Profile p = scenario_profile();
  p.settle = milliseconds(60);  // less than an election takes
  Cluster cluster(1, p, {});
  const Outcome outcome = cluster.run();
  ASSERT_TRUE(outcome.violation.has_value());
  EXPECT_EQ(outcome.violation->checker, "K-LIVE");
  EXPECT_THAT(outcome.violation->text, StartsWith("not converged after healing: s1 role "));
}

}  // namespace
}  // namespace vivarium::sim
