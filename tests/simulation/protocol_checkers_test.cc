// The checkers of Zab's order and messages, and of what servers keep and may say: each fires on a
// violation made up for it, under its name, and not a step before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/storage/record.h"
#include "core/storage/snapshot.h"
#include "sim/checkers/ballots.h"
#include "sim/checkers/bounded.h"
#include "sim/checkers/contiguous.h"
#include "sim/checkers/conversations.h"
#include "sim/checkers/corruption.h"
#include "sim/checkers/fail_stop.h"
#include "sim/checkers/founding.h"
#include "sim/checkers/global_order.h"
#include "sim/checkers/idempotent.h"
#include "sim/checkers/integrity.h"
#include "sim/checkers/linear.h"
#include "sim/checkers/local_order.h"
#include "sim/checkers/observers.h"
#include "sim/checkers/partial.h"
#include "sim/checkers/primary_integrity.h"
#include "sim/checkers/total_order.h"
#include "sim/checkers/truncation.h"
#include "tests/simulation/checker_support.h"

namespace vivarium::sim {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr SimTime kNow{1};

NodeFacts leading(Epoch epoch) {
  NodeFacts facts;
  facts.leading = facts.established = true;
  facts.epoch = epoch;
  return facts;
}

NodeFacts delivering(Zxid upto) {
  NodeFacts facts;
  facts.delivers = true;
  facts.last_applied = upto;
  return facts;
}

// A record with this zxid in a log file of the server's own, and in its ledger.
void log(Ledger& ledger, ServerIndex server, Zxid zxid) {
  TxnHeader header;
  header.zxid = zxid;
  header.type = TxnType::Error;
  Txn txn;
  txn.header = header;
  txn.body = ErrorTxn{ErrorCode::NoNode};
  txn.digest = TxnDigest{};
  const Bytes entry = encode_txn(txn);
  const Bytes record = framed(entry);
  ASSERT_EQ(ledger.log_written(server, static_cast<Inode>(zxid.value), 16, record), std::nullopt);
}

TEST(ProtocolCheckers, Integrity) {
  Broadcasts broadcasts;
  Verdict verdict;
  check_origin(0, leading(2), Zxid(2, 1), broadcasts, kNow, verdict);
  broadcasts.add(0, Zxid(2, 1), Zxid{});
  check_origin(1, NodeFacts{}, Zxid(2, 1), broadcasts, kNow, verdict);
  check_integrity(1, Zxid(2, 1), broadcasts, kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  check_origin(1, leading(1), Zxid(2, 2), broadcasts, kNow, verdict);
  EXPECT_EQ(said(verdict),
            "K-INTEGRITY: s2 has zxid 200000002, which no leader of epoch 2 has broadcast");
}

TEST(ProtocolCheckers, LocalOrder) {
  Broadcasts broadcasts;
  for (uint32_t c = 1; c <= 3; ++c) broadcasts.add(0, Zxid(1, c), Zxid{});
  LocalOrder order;
  Verdict verdict;
  order.delivered(Zxid(1, 1), broadcasts, kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  order.delivered(Zxid(1, 3), broadcasts, kNow, verdict);
  EXPECT_THAT(said(verdict), StartsWith("K-LOCALORD: zxid 100000003 is delivered as number 2"));
}

TEST(ProtocolCheckers, GlobalOrder) {
  Verdict verdict;
  check_global_order(0, delivering(Zxid(1, 4)), delivering(Zxid(2, 1)), kNow, verdict);
  check_global_order(0, NodeFacts{}, delivering(Zxid(1, 4)), kNow, verdict);  // another life
  ASSERT_EQ(said(verdict), "");
  check_global_order(0, delivering(Zxid(2, 1)), delivering(Zxid(1, 4)), kNow, verdict);
  EXPECT_EQ(said(verdict), "K-GLOBALORD: s1 delivers txns of epoch 1 behind those of epoch 2");
}

TEST(ProtocolCheckers, PrimaryIntegrity) {
  Broadcasts broadcasts;
  broadcasts.add(1, Zxid(2, 1), Zxid(1, 3));
  Verdict verdict;
  check_new_primary(2, Zxid(1, 3), broadcasts, kNow, verdict);
  check_later_primaries(Zxid(1, 3), broadcasts, kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  Verdict then;
  check_new_primary(2, Zxid(1, 4), broadcasts, kNow, then);
  EXPECT_THAT(said(then), StartsWith("K-PRIMINT: s2 begins to broadcast in epoch 2"));
  check_later_primaries(Zxid(1, 4), broadcasts, kNow, verdict);
  EXPECT_THAT(said(verdict), StartsWith("K-PRIMINT: zxid 100000004 is delivered, and s2"));
}

TEST(ProtocolCheckers, Contiguous) {
  Verdict verdict;
  Contiguous contiguous(3);
  contiguous.delivered(Zxid(1, 7), kNow, verdict);
  contiguous.delivered(Zxid(1, 8), kNow, verdict);
  contiguous.delivered(Zxid(3, 1), kNow, verdict);
  contiguous.proposed(0, 1, Zxid(1, 7), kNow, verdict);
  contiguous.proposed(0, 2, Zxid(1, 3), kNow, verdict);
  contiguous.proposed(0, 1, Zxid(1, 8), kNow, verdict);
  Ledger ledger(3);
  log(ledger, 0, Zxid(1, 1));
  contiguous.logged(0, ledger, kNow, verdict);
  log(ledger, 0, Zxid(1, 2));
  contiguous.logged(0, ledger, kNow, verdict);
  ASSERT_EQ(said(verdict), "");

  Verdict delivered = verdict;
  contiguous.delivered(Zxid(3, 3), kNow, delivered);
  EXPECT_EQ(said(delivered), "K-CONTIG: zxid 300000003 is delivered behind 300000001");
  Verdict proposed = verdict;
  contiguous.proposed(0, 2, Zxid(1, 5), kNow, proposed);
  EXPECT_EQ(said(proposed), "K-CONTIG: s1 sends zxid 100000005 to s3 behind 100000003");
  contiguous.stream_begins(0, 2);
  contiguous.proposed(0, 2, Zxid(1, 2), kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  log(ledger, 0, Zxid(1, 4));
  contiguous.logged(0, ledger, kNow, verdict);
  EXPECT_EQ(said(verdict), "K-CONTIG: s1 logs zxid 100000004 behind 100000002");
}

TEST(ProtocolCheckers, TotalOrder) {
  Ledger ledger(2);
  for (const uint32_t c : {1U, 2U, 4U}) log(ledger, 1, Zxid(1, c));
  const std::vector<Zxid> order{Zxid(1, 1), Zxid(1, 2), Zxid(1, 3), Zxid(1, 4)};
  Verdict verdict;
  check_total_order(1, delivering(Zxid(1, 1)), delivering(Zxid(1, 2)), order, ledger, kNow,
                    verdict);
  ASSERT_EQ(said(verdict), "");
  check_total_order(1, delivering(Zxid(1, 2)), delivering(Zxid(1, 4)), order, ledger, kNow,
                    verdict);
  EXPECT_EQ(said(verdict),
            "K-TOTAL: s2 delivers 1 txns between 100000002 and 100000004, where others have 2");
}

// A conversation, packet by packet; the first complaint.
class Talk {
 public:
  Talk& learner(PacketType type, Zxid zxid = {}) { return say(true, type, zxid); }
  Talk& leader(PacketType type, Zxid zxid = {}) { return say(false, type, zxid); }
  Talk& synchronised() {
    return learner(PacketType::FollowerInfo)
        .leader(PacketType::LeaderInfo, Zxid(2, 0))
        .learner(PacketType::AckEpoch, Zxid(1, 4))
        .leader(PacketType::Diff, Zxid(1, 5))
        .leader(PacketType::Proposal, Zxid(1, 5))
        .leader(PacketType::Commit, Zxid(1, 5))
        .leader(PacketType::NewLeader, Zxid(2, 0))
        .learner(PacketType::Ack, Zxid(2, 0))
        .leader(PacketType::UpToDate);
  }
  std::string complaint() const { return said(verdict_); }

 private:
  Talk& say(bool learner, PacketType type, Zxid zxid) {
    QuorumPacket packet;
    packet.type = type;
    packet.zxid = zxid.wire();
    conversations_.sent(1, learner ? 1 : 0, learner, packet, kNow, verdict_);
    return *this;
  }
  Conversations conversations_;
  Verdict verdict_;
};

TEST(ProtocolCheckers, Conversations) {
  EXPECT_EQ(Talk()
                .synchronised()
                .leader(PacketType::Proposal, Zxid(2, 1))
                .learner(PacketType::Ack, Zxid(2, 1))
                .leader(PacketType::Commit, Zxid(2, 1))
                .learner(PacketType::Request)
                .complaint(),
            "");
  EXPECT_EQ(Talk().leader(PacketType::LeaderInfo).complaint(),
            "K-TLAMSG: s1 sends its learner something before an introduction");
  EXPECT_EQ(Talk().learner(PacketType::FollowerInfo).learner(PacketType::AckEpoch).complaint(),
            "K-TLAMSG: s2 sends its leader ACKEPOCH before LEADERINFO");
  EXPECT_EQ(Talk().synchronised().leader(PacketType::Commit, Zxid(2, 1)).complaint(),
            "K-TLAMSG: s1 sends its learner COMMIT of what was not proposed");
  EXPECT_EQ(Talk().synchronised().learner(PacketType::Ack, Zxid(2, 1)).complaint(),
            "K-TLAMSG: s2 sends its leader ACK of what was not proposed");
  EXPECT_EQ(Talk().synchronised().leader(PacketType::UpToDate).complaint(),
            "K-TLAMSG: s1 sends its learner a second UPTODATE");
  EXPECT_EQ(Talk().synchronised().leader(PacketType::Inform, Zxid(2, 1)).complaint(),
            "K-TLAMSG: s1 sends its learner INFORM to a follower");
  EXPECT_EQ(Talk()
                .learner(PacketType::FollowerInfo)
                .leader(PacketType::LeaderInfo)
                .leader(PacketType::Diff)
                .complaint(),
            "K-TLAMSG: s1 sends its learner a synchronisation before ACKEPOCH");
}

TEST(ProtocolCheckers, Observers) {
  NodeFacts observer = leading(3);
  observer.standing = Standing::Observer;
  Verdict verdict;
  check_observers(0, NodeFacts{}, leading(3), kNow, verdict);
  check_observers(0, leading(3), observer, kNow, verdict);  // made one by a change of the ensemble
  ASSERT_EQ(said(verdict), "");
  check_observers(3, NodeFacts{}, observer, kNow, verdict);
  EXPECT_THAT(said(verdict), StartsWith("K-OBS: s4 leads epoch 3 and is no voter"));
}

TEST(ProtocolCheckers, FailStop) {
  FailStop fail_stop(2);
  Verdict verdict;
  fail_stop.told(0, "snapshot.100000001", ::vivarium::Lane::Bulk);
  fail_stop.told(0, "spare.7", ::vivarium::Lane::Bulk);
  fail_stop.sends(0, kNow, verdict);
  fail_stop.told(0, "log.100000001", ::vivarium::Lane::Log);
  fail_stop.sends(1, kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  fail_stop.sends(0, kNow, verdict);
  EXPECT_EQ(said(verdict),
            "K-FAILSTOP: s1 goes on sending, and log.100000001 could not be written");
  Verdict later;
  fail_stop.died(0);
  fail_stop.sends(0, kNow, later);
  EXPECT_EQ(said(later), "");
}

TEST(ProtocolCheckers, Ballots) {
  const auto nobody = [](ServerIndex) { return false; };
  const auto after = [&](const std::vector<std::pair<ServerIndex, std::string>>& lines) {
    Ballots ballots(3);
    Verdict verdict;
    for (const auto& [server, line] : lines) ballots.said(server, line, nobody, kNow, verdict);
    return said(verdict);
  };
  const std::pair<ServerIndex, std::string> s1_looks{
      0, "looking, round 1, vote server.1 (epoch 0, zxid 0x0)"};
  const std::pair<ServerIndex, std::string> s2_looks{
      1, "looking, round 1, vote server.2 (epoch 0, zxid 0x0)"};
  const std::pair<ServerIndex, std::string> s1_votes{0,
                                                     "round 1, vote server.2 (epoch 0, zxid 0x0)"};
  const std::pair<ServerIndex, std::string> s1_follows{
      0, "decided, round 1: server.2 (epoch 0, zxid 0x0)"};
  const std::pair<ServerIndex, std::string> s2_leads{
      1, "decided, round 1: server.2 (epoch 0, zxid 0x0)"};
  EXPECT_EQ(after({s1_looks, s2_looks, s1_votes, s2_leads, s1_follows}), "");
  EXPECT_THAT(after({s2_looks, s2_leads}),
              StartsWith("K-QUORUM: s2 takes itself for elected in round 1, in which 1 of 3"));
  // Others voted for that leader, and this server hears of it.
  const std::pair<ServerIndex, std::string> s3_votes{2,
                                                     "round 1, vote server.2 (epoch 0, zxid 0x0)"};
  EXPECT_THAT(after({s2_looks, s3_votes, s2_leads, s1_looks, s1_follows}),
              StartsWith("K-QUORUM: s1 follows s2, for whom 2 of 3 voted in round 1"));
  Ballots ballots(3);
  Verdict told;
  const auto leads = [](ServerIndex server) { return server == 1; };
  ballots.said(s1_follows.first, s1_follows.second, leads, kNow, told);
  EXPECT_EQ(said(told), "");
  EXPECT_THAT(after({s1_looks, s1_votes, {0, "round 1, vote server.1 (epoch 0, zxid 0x0)"}}),
              StartsWith("K-QUORUM: s1 changes its vote for a worse one"));
}

TEST(ProtocolCheckers, Founding) {
  Founding founding(1);
  NodeFacts facts;
  facts.standing = Standing::Voter;
  Verdict verdict;
  founding.begun(0, Zxid{});
  founding.founds(0);
  founding.recovered(0, facts, Zxid(1, 1), kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  founding.begun(0, Zxid(1, 1));
  founding.founds(0);
  founding.recovered(0, facts, Zxid(1, 1), kNow, verdict);
  EXPECT_EQ(said(verdict), "K-PROMISE: s1 has lost its data, and votes before it was synchronised");
}

TEST(ProtocolCheckers, TruncationsThatWereBegun) {
  SimDisk disk;
  Frontier frontier;
  frontier.intent = Intent::Truncation;
  frontier.intent_zxid = Zxid(1, 3);
  Bytes slot;
  encode_frontier(frontier, slot);
  disk.put(Dir::Logs, kFrontierName, slot);
  NodeFacts facts;
  facts.standing = Standing::Voter;
  facts.last_logged = Zxid(1, 3);
  Truncations truncations(1);
  Verdict verdict;
  truncations.born(0, disk);
  truncations.recovered(0, facts, kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  facts.last_logged = Zxid(1, 5);
  truncations.born(0, disk);
  truncations.recovered(0, facts, kNow, verdict);
  EXPECT_EQ(said(verdict),
            "K-RECOVER: s1 had begun to cut its log back to 100000003, and starts with it to "
            "100000005");
}

TEST(ProtocolCheckers, Corruption) {
  Ledger ledger(1);
  log(ledger, 0, Zxid(1, 1));
  log(ledger, 0, Zxid(1, 2));
  NodeFacts facts;
  facts.standing = Standing::Voter;
  facts.last_durable = Zxid(1, 2);
  Verdict verdict;
  check_corruption(0, facts, ledger, kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  facts.last_durable = Zxid(1, 3);
  check_corruption(0, facts, ledger, kNow, verdict);
  EXPECT_EQ(said(verdict),
            "K-CORRUPT: s1 takes its log for whole to 100000003, and it can be read to 100000002 "
            "only");
  log(ledger, 0, Zxid(1, 4));
  facts.last_durable = Zxid(1, 4);
  Verdict gap;
  check_corruption(0, facts, ledger, kNow, gap);
  EXPECT_EQ(
      said(gap),
      "K-CORRUPT: s1 takes its log for whole to 100000004, and what comes before 100000004 is "
      "in no file of it");
}

TEST(ProtocolCheckers, Idempotent) {
  Ledger ledger(1);
  log(ledger, 0, Zxid(1, 1));
  DataTree tree;
  const std::vector<Zxid> order{Zxid(1, 1)};
  Effects effects;
  tree.apply(*decode_txn(ledger.entry(Zxid(1, 1))), effects);
  Verdict verdict;
  check_idempotent(tree, order, ledger, kNow, verdict);
  EXPECT_EQ(said(verdict), "");
  EXPECT_EQ(verdict.counts()[static_cast<size_t>(Checker::Idemp)], 1U);
  // A tree that the txns did not make: they change it once more.
  CreateTxn create;
  create.path = "/one";
  create.acl = {{kPermAll, "world", "anyone"}};
  create.parent_cversion = 1;
  Txn txn;
  txn.header.zxid = Zxid(1, 2);
  txn.header.type = TxnType::Create;
  txn.body = create;
  txn.digest = TxnDigest{};
  const Bytes entry = encode_txn(txn);
  const Bytes record = framed(entry);
  ASSERT_EQ(ledger.log_written(0, 9, 16, record), std::nullopt);
  tree.set_last_applied(Zxid(1, 2));
  check_idempotent(tree, {Zxid(1, 1), Zxid(1, 2)}, ledger, kNow, verdict);
  EXPECT_THAT(said(verdict), StartsWith("K-IDEMP: the txns from 100000001 to 100000002"));
}

TEST(ProtocolCheckers, Linear) {
  HistoryTxn first;
  first.zxid = Zxid(1, 1);
  first.session = kSession;
  first.cxid = 2;
  HistoryTxn second = first;
  second.zxid = Zxid(1, 2);
  second.cxid = 1;
  ClientLog log;
  log.ops.resize(2);
  for (int32_t i = 0; i < 2; ++i) {
    ClientOp& op = log.ops[static_cast<size_t>(i)];
    op.session = kSession;
    op.xid = i + 1;
    op.invoked = at_ms(10 * i);
    op.returned = at_ms(10 * i + 15);
    op.answered = true;
  }
  Past past;
  past.history.add(first);
  past.history.add(second);
  past.clients = {&log};
  Verdict verdict;
  check_linear(past, verdict);  // they overlap: either order will do
  ASSERT_EQ(said(verdict), "");
  log.ops[0].returned = at_ms(5);
  check_linear(past, verdict);
  EXPECT_THAT(said(verdict), StartsWith("K-LINW: c1 xid 2 has zxid 100000001, and 100000002"));
}

TEST(ProtocolCheckers, Bounded) {
  Config config;
  config.snapshots_kept = 1;
  const Node node(config);
  Bytes snapshot;
  encode_snapshot_file(DataTree(), snapshot);
  SimDisk disk;
  const auto put = [](SimDisk& on, uint32_t n, ByteView bytes) {
    on.put(Dir::Snapshots, snapshot_name({Zxid(1, n)}), bytes);
  };
  for (uint32_t i = 1; i <= 3; ++i) put(disk, i, snapshot);
  Verdict verdict;
  check_bounded(0, node, disk, kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  Verdict logs;
  SimDisk more = disk;
  for (uint32_t i = 1; i <= 5; ++i) more.put(Dir::Logs, log_name(Zxid(0, i)), {});
  check_bounded(0, node, more, kNow, logs);
  EXPECT_THAT(said(logs), StartsWith("K-BOUNDED: s1 keeps 5 log files"));
  // As many that cannot be read stay beside them, and no more.
  SimDisk rotten = disk;
  for (uint32_t i = 4; i <= 6; ++i) put(rotten, i, {});
  check_bounded(0, node, rotten, kNow, verdict);
  ASSERT_EQ(said(verdict), "");
  put(rotten, 7, {});
  Verdict too_rotten;
  check_bounded(0, node, rotten, kNow, too_rotten);
  EXPECT_EQ(said(too_rotten), "K-BOUNDED: s1 has 7 snapshots, of 1");
  put(disk, 4, snapshot);
  check_bounded(0, node, disk, kNow, verdict);
  EXPECT_EQ(said(verdict), "K-BOUNDED: s1 has 4 snapshots, of 1");
}

TEST(ProtocolCheckers, Partial) {
  PartialProgress partial(3, milliseconds(1000));
  const std::vector<bool> all(9, true);
  std::vector<bool> two(9, true);
  two[0 * 3 + 2] = two[1 * 3 + 2] = false;  // s3 is cut off
  Verdict verdict;
  int64_t ms = 0;
  const auto goes_on = [&](int64_t until, const std::vector<bool>& together, bool serve) {
    for (; ms < until; ms += 50) {
      partial.looked(together, {serve, serve, false}, at_ms(ms), verdict);
    }
  };
  goes_on(1500, all, true);
  goes_on(2400, two, false);
  ASSERT_EQ(said(verdict), "");
  goes_on(2800, two, false);
  EXPECT_EQ(said(verdict),
            "K-PARTIAL: nobody has served for 1000 ms, and s1 s2 are well and connected");
  // A majority that falls apart now and then owes nothing.
  PartialProgress another(3, milliseconds(1000));
  Verdict fine;
  const std::vector<bool> none(9, false);
  for (int64_t at = 0; at < 9000; at += 50) {
    another.looked(at % 900 == 0 ? none : all, {false, false, false}, at_ms(at), fine);
  }
  EXPECT_EQ(said(fine), "");
}

}  // namespace
}  // namespace vivarium::sim
