// The simulator's ZooKeeper peer as a learner, against what a real one (3.8.0) said to the same
// leader (tests/golden/quorum-transcripts): the same packets in the same order, so the same order
// of writing and acknowledging. What hangs on the clients of the recorded server is left out: the
// sessions in its answers to PINGs.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "sim/apache/learner.h"
#include "tests/simulation/recordings.h"

namespace vivarium::zab_test {
namespace {

using apache::Flaws;

class LearnerHost {
 public:
  // A server with epochs, and a log of txns up to each zxid.
  LearnerHost(const Config& config, Flaws flaws, Epoch epoch, const std::vector<Zxid>& log)
      : config_(config), world_(sim::SimDisk()), database_(config, flaws), election_(config) {
    database_.load();
    settle();
    if (epoch > 0) {
      database_.accept_epoch(epoch);
      database_.begin_epoch(epoch);
    }
    for (const Zxid zxid : log) {
      Txn txn;
      txn.header.zxid = zxid;
      txn.header.type = TxnType::Error;
      txn.body = ErrorTxn{ErrorCode::NoNode};
      const apache::Proposal proposal{zxid, share(encode_txn(txn))};
      database_.log(proposal, false);
      database_.apply(proposal);
    }
    database_.flush();
    settle();
  }

  void follow(ServerId leader) {
    learner_.emplace(leader, lent());
    link_ = LinkId{static_cast<uint32_t>(world_.link_count() - 1), 1};
    step(LinkUp{link_});
  }
  void tell(ByteView bytes) { step(LinkBytes{link_, bytes}); }
  std::vector<Bytes> take_packets() {
    std::vector<Bytes> out;
    Bytes& sent = world_.at(link_).sent;
    while (true) {
      QuorumPacket packet;
      size_t used = 0;
      if (decode_quorum_packet(sent, 1 << 20, packet, used) != Decoded::Ok) return out;
      const auto end = sent.begin() + static_cast<std::ptrdiff_t>(used);
      out.emplace_back(sent.begin(), end);
      sent.erase(sent.begin(), end);
    }
  }
  ZabWorld& world() { return world_; }
  const apache::Learner& learner() const { return *learner_; }
  const apache::Database& database() const { return database_; }

  void settle() {
    do {
      for (int i = 0; i < 1000 && database_.wants_a_turn(); ++i) turn();
    } while (world_.deliver_oldest([&](const Event& event) {
      EXPECT_TRUE(database_.handle(event, world_));
      turn();
    }));
    turn();
  }

 private:
  apache::Lent lent() { return {config_, world_, database_, election_}; }
  void step(const Event& event) {
    ASSERT_TRUE(learner_->handle(event, lent()));
    turn();
    settle();
  }
  void turn() {
    database_.advance(world_);
    if (learner_) learner_->advance(lent());
    database_.advance(world_);
  }

  Config config_;
  ZabWorld world_;
  apache::Database database_;
  apache::Election election_;
  std::optional<apache::Learner> learner_;
  LinkId link_;
};

// A packet in words; of an answer to PING only that it is one.
std::string outline(const Bytes& bytes) {
  QuorumPacket packet;
  size_t used = 0;
  EXPECT_EQ(decode_quorum_packet(bytes, 1 << 20, packet, used), Decoded::Ok);
  if (packet.type == PacketType::Ping) {
    packet.data = {};
    packet.null_data = true;
    Bytes out;
    encode(packet, out);
    return words_of(out);
  }
  return words_of(bytes);
}

std::vector<std::string> play(LearnerHost& host, ServerId leader, const Recording& recorded) {
  host.follow(leader);
  std::vector<std::string> said;
  const auto collect = [&] {
    for (const Bytes& bytes : host.take_packets()) said.push_back(outline(bytes));
  };
  collect();
  for (const Recorded& packet : recorded.of(Side::Acceptor)) {
    host.tell(packet.bytes);
    collect();
  }
  return said;
}

void speaks_as_recorded(LearnerHost& host, ServerId leader, const Recording& recorded) {
  std::vector<std::string> ours = play(host, leader, recorded);
  std::vector<std::string> theirs;
  for (const Recorded& packet : recorded.of(Side::Connector)) {
    // Requests of the recorded server's clients.
    const bool own = packet.type == PacketType::Request || packet.type == PacketType::Revalidate;
    if (!own) theirs.push_back(outline(packet.bytes));
  }
  // The capture may end between a PING and its answer.
  ASSERT_GE(ours.size(), theirs.size());
  ASSERT_LE(ours.size(), theirs.size() + 1);
  ASSERT_GT(theirs.size(), 5U);
  ours.resize(theirs.size());
  EXPECT_EQ(ours, theirs);
  EXPECT_TRUE(host.learner().serving());
}

std::vector<Zxid> first_zxids(uint32_t last) {
  std::vector<Zxid> out;
  for (uint32_t counter = 1; counter <= last; ++counter) out.emplace_back(1, counter);
  return out;
}

TEST(ApacheGolden, FollowsAnEmptyEnsemble) {
  for (const int64_t self : {1, 2}) {
    LearnerHost host(recorded_config(self), Flaws::all(), 0, {});
    speaks_as_recorded(host, ServerId{3}, recording("A_startup", self));
  }
}

TEST(ApacheGolden, ComesBackByDiff) {
  LearnerHost host(recorded_config(1), Flaws::all(), 1, first_zxids(0xb));
  speaks_as_recorded(host, ServerId{3}, recording("C_diff", 1));
}

TEST(ApacheGolden, ComesBackByTrunc) {
  LearnerHost host(recorded_config(3), Flaws::all(), 1, first_zxids(0x17));
  speaks_as_recorded(host, ServerId{2}, recording("D_trunc", 3));
}

TEST(ApacheGolden, ComesBackBySnap) {
  LearnerHost host(recorded_config(1), Flaws::all(), 0, {});
  speaks_as_recorded(host, ServerId{2}, recording("E_snap", 1));
}

// ZOOKEEPER-4646: up to 3.8.4 the ACK of NEWLEADER does not wait for the log, from 3.8.5 on it
// does.
TEST(ApacheGolden, TheAckOfNewLeaderWaitsForTheLogSinceItWasMended) {
  for (const bool early : {true, false}) {
    Flaws flaws;
    flaws.early_ack = early;
    LearnerHost host(recorded_config(1), flaws, 1, first_zxids(0xb));
    host.world().hold("log");
    const std::vector<std::string> said = play(host, ServerId{3}, recording("C_diff", 1));
    const bool acknowledged = std::any_of(said.begin(), said.end(), [](const std::string& packet) {
      return packet.starts_with("ACK ");
    });
    EXPECT_EQ(acknowledged, early) << said.back();
  }
}

}  // namespace
}  // namespace vivarium::zab_test
