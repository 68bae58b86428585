// Recorded conversations of real ZooKeeper servers (tests/golden/quorum-transcripts): our node
// plays one side against the recorded other one, from a directory like that of the server it stands
// for, and what it sends is compared with what was recorded, packet by packet and byte by byte.
// What is different on purpose stands in each test with its reason.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/membership.h"
#include "core/storage/snapshot.h"
#include "core/wire/jute.h"
#include "core/wire/peer_extension.h"
#include "tests/simulation/recordings.h"
#include "tests/simulation/zab_host.h"
#include "tests/simulation/zab_words.h"
#include "tests/unit/golden_data.h"

namespace vivarium::zab_test {
namespace {

std::vector<Zxid> zxids(Epoch epoch, uint32_t last) {
  std::vector<Zxid> out;
  for (uint32_t counter = 1; counter <= last; ++counter) out.push_back({epoch, counter});
  return out;
}

// Ours without what Apache's peers do not look at: the word that says "one of ours" behind
// LearnerInfo and LEADERINFO, the digest behind an error txn (docs/formats.md), and in an answer to
// REVALIDATE the zxid that was proposed before it.
Bytes as_apache_reads(const Bytes& bytes) {
  QuorumPacket packet;
  size_t used = 0;
  EXPECT_EQ(decode_quorum_packet(bytes, 1 << 20, packet, used), Decoded::Ok);
  size_t fixed = 0;
  if (packet.type == PacketType::FollowerInfo) fixed = 20;
  if (packet.type == PacketType::LeaderInfo) fixed = 4;
  if (fixed != 0) {
    EXPECT_TRUE(decode_peer_extension(packet.data.subspan(fixed)).has_value());
    packet.data = packet.data.first(fixed);
  }
  constexpr size_t kTypeAt = 28;
  constexpr size_t kErrorTxnBytes = 36;
  constexpr size_t kDigestBytes = 12;
  const bool txn = packet.type == PacketType::Proposal || packet.type == PacketType::Inform;
  if (txn && get_u32(packet.data.data() + kTypeAt) == UINT32_MAX) {
    EXPECT_EQ(packet.data.size(), kErrorTxnBytes + kDigestBytes);
    packet.data = packet.data.first(kErrorTxnBytes);
  }
  if (packet.type == PacketType::Revalidate) packet.zxid = -1;
  Bytes out;
  encode(packet, out);
  return out;
}

void expect_equal(std::vector<Bytes> ours, const std::vector<Bytes>& theirs) {
  for (Bytes& bytes : ours) bytes = as_apache_reads(bytes);
  std::vector<std::string> our_words;
  std::vector<std::string> their_words;
  for (const Bytes& bytes : ours) our_words.push_back(words_of(bytes));
  for (const Bytes& bytes : theirs) their_words.push_back(words_of(bytes));
  ASSERT_EQ(our_words, their_words);
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(golden::to_hex(ours[i]), golden::to_hex(theirs[i])) << our_words[i];
  }
}

std::vector<Bytes> take_sent(ZabHost& host, const std::string& name) {
  std::vector<Bytes> out;
  for (const ZabHost::Packet& sent : host.take_packets()) {
    if (host.links().at(name) == sent.link) out.push_back(sent.bytes);
  }
  return out;
}

void follow(ZabHost& host, int64_t leader, int64_t epoch) {
  Notification n;
  n.leader = ServerId{leader};
  n.election_epoch = 1;
  n.peer_epoch = epoch;
  for (const Member& m : host.config().members) {
    if (m.id == host.config().id) continue;
    n.state = m.id == n.leader ? PeerState::Leading : PeerState::Following;
    host.notify(m.id, n);
  }
  host.accept_dial(std::to_string(leader));
}

// --- our node as the follower

// Plays the leader of the recording up to its last PING.
std::vector<Bytes> follow_recording(ZabHost& host, int64_t leader, const Recording& recorded) {
  std::vector<Bytes> ours;
  const auto collect = [&] {
    for (Bytes& bytes : take_sent(host, std::to_string(leader))) ours.push_back(std::move(bytes));
  };
  collect();
  for (const Recorded& packet : recorded.of(Side::Acceptor)) {
    host.tell(std::to_string(leader), packet.bytes);
    collect();
  }
  return ours;
}

// What the recorded follower sent. An ACK of each txn that was committed before NEWLEADER is left
// out: Apache's log thread acknowledges whatever it writes; our learner says with its ACK of
// NEWLEADER that all of it is durable, and the leader counts nothing else.
std::vector<Bytes> recorded_answers(const Recording& recorded) {
  std::set<Zxid> committed;
  bool newleader = false;
  std::vector<Bytes> out;
  for (const Recorded& packet : recorded.packets) {
    if (packet.type == PacketType::NewLeader) newleader = true;
    if (packet.type == PacketType::Commit && !newleader) committed.insert(packet.zxid);
    if (packet.from == Side::Acceptor) continue;
    if (packet.type == PacketType::Ack && committed.count(packet.zxid) > 0) continue;
    out.push_back(packet.bytes);
  }
  return out;
}

void follows_as_recorded(const Config& config, sim::SimDisk disk, int64_t leader,
                         const Recording& recorded) {
  ZabHost host(config, std::move(disk));
  host.start();
  follow(host, leader, 1);
  const std::vector<Bytes> ours = follow_recording(host, leader, recorded);
  std::vector<Bytes> theirs = recorded_answers(recorded);
  // The capture may end between a PING and its answer.
  ASSERT_LE(theirs.size(), ours.size());
  ASSERT_GE(theirs.size() + 1, ours.size());
  ASSERT_GT(theirs.size(), 5u);
  expect_equal(
      std::vector<Bytes>(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(theirs.size())),
      theirs);
  EXPECT_TRUE(host.node().zab().serving());
}

TEST(ZabGolden, FollowsAnEmptyEnsembleAsAnEmptyServer) {
  for (const int64_t self : {1, 2}) {
    const Config config = recorded_config(self);
    follows_as_recorded(config, ZabHost::make_disk(config, 0, 0, {}), 3,
                        recording("A_startup", self));
  }
}

TEST(ZabGolden, ComesBackByDiff) {
  const Config config = recorded_config(1);
  follows_as_recorded(config, ZabHost::make_disk(config, 1, 1, zxids(1, 0xb)), 3,
                      recording("C_diff", 1));
}

TEST(ZabGolden, ComesBackByTrunc) {
  const Config config = recorded_config(3);
  follows_as_recorded(config, ZabHost::make_disk(config, 1, 1, zxids(1, 0x17)), 2,
                      recording("D_trunc", 3));
}

// The recorded server had lost its data, and voted and promised all the same. Ours would stand
// aside (RULES 10); one that is a member without a txn is in the same place without having
// forgotten anything.
TEST(ZabGolden, ComesBackBySnap) {
  const Config config = recorded_config(1);
  follows_as_recorded(config, ZabHost::make_disk(config, 0, 0, {}), 2, recording("E_snap", 1));
}

// --- our node as the leader

// Packets in the order of the capture, of two streams.
struct Timed {
  std::string link;
  Recorded packet;
};
std::vector<Timed> merged(const Recording& one, const Recording& two) {
  std::vector<Timed> out;
  for (const Recorded& packet : one.packets) out.push_back({"1", packet});
  for (const Recorded& packet : two.packets) out.push_back({"2", packet});
  std::stable_sort(out.begin(), out.end(),
                   [](const Timed& a, const Timed& b) { return a.packet.time < b.packet.time; });
  return out;
}

TxnHeader proposal_header(const Recorded& packet) {
  QuorumPacket decoded;
  size_t used = 0;
  EXPECT_EQ(decode_quorum_packet(packet.bytes, 1 << 20, decoded, used), Decoded::Ok);
  return decode_txn_header(decoded.data).value();
}

// What the leader sent, without what hangs on time: PINGs come by the clock, and SYNC, which Apache
// answers at once, comes from ours when a majority has answered a PING sent after the request
// (RULES 15). `syncs` counts the latter.
std::vector<Bytes> without_pings(const std::vector<Bytes>& packets, size_t& syncs) {
  std::vector<Bytes> out;
  for (const Bytes& bytes : packets) {
    QuorumPacket packet;
    size_t used = 0;
    EXPECT_EQ(decode_quorum_packet(bytes, 1 << 20, packet, used), Decoded::Ok);
    if (packet.type == PacketType::Sync) ++syncs;
    if (packet.type != PacketType::Ping && packet.type != PacketType::Sync) out.push_back(bytes);
  }
  return out;
}

class RecordedFollowers {
 public:
  explicit RecordedFollowers(ZabHost& host) : host_(host) {}

  // Plays both followers. Requests of the leader's own clients, whose bytes are in no capture, come
  // by way of server 2, made from what the leader proposed for them.
  void play(const std::vector<Timed>& conversation) {
    for (const Timed& item : conversation) {
      if (item.packet.type == PacketType::Proposal) times_[item.packet.zxid] = item.packet;
    }
    for (const Timed& item : conversation) {
      set_clock();
      if (item.packet.from == Side::Connector) {
        host_.tell(item.link, item.packet.bytes);
      } else if (item.packet.type == PacketType::Proposal && item.link == "1") {
        play_own_client(item.packet);
      }
      collect();
    }
  }
  const std::vector<Bytes>& sent(const std::string& link) { return sent_[link]; }

 private:
  // Time goes into txns: the next one is made when the recorded one was.
  void set_clock() {
    const auto next = times_.upper_bound(host_.node().storage().last_logged());
    if (next != times_.end()) host_.world().wall = proposal_header(next->second).time;
  }

  void play_own_client(const Recorded& proposal) {
    const TxnHeader header = proposal_header(proposal);
    if (host_.node().storage().last_logged() >= header.zxid) return;
    if ((header.session.value >> 56) != 3) return;
    QuorumPacket decoded;
    size_t used = 0;
    ASSERT_EQ(decode_quorum_packet(proposal.bytes, 1 << 20, decoded, used), Decoded::Ok);
    const Txn txn = decode_txn(decoded.data).value();
    Bytes body;
    Op op = Op::CloseSession;
    if (const auto* session = std::get_if<CreateSessionTxn>(&txn.body)) {
      op = Op::CreateSession;
      JuteWriter(body).i32(session->timeout_ms);
    } else if (const auto* create = std::get_if<CreateTxn>(&txn.body)) {
      op = Op::Create;
      CreateRequest request;
      request.path = create->path;
      request.data = create->data;
      request.acl = create->acl;
      encode(request, body);
    } else if (std::holds_alternative<ErrorTxn>(txn.body)) {
      op = Op::Delete;
      encode(PathVersionRequest{"/nope", -1}, body);
    }
    host_.tell("2", request_packet({header.session, header.cxid, op, body}, "127.0.0.1"));
  }

  void collect() {
    for (const ZabHost::Packet& packet : host_.take_packets()) {
      for (const auto& [name, id] : host_.links()) {
        if (id == packet.link) sent_[name].push_back(packet.bytes);
      }
    }
  }

  ZabHost& host_;
  std::map<Zxid, Recorded> times_;
  std::map<std::string, std::vector<Bytes>> sent_;
};

// From three empty servers on: two followers, then sessions, writes of all kinds through a follower
// and the leader, a sync, a session that moves, errors. Every txn is as the real leader made it,
// digest and all.
TEST(ZabGolden, LeadsAnEmptyEnsembleAndItsFirstWrites) {
  const Config config = recorded_config(3);
  ZabHost host(config, ZabHost::make_disk(config, 0, 0, {}));
  host.start();
  host.elect();
  host.connect("1", Door::Quorum);
  host.connect("2", Door::Quorum);
  RecordedFollowers followers(host);
  const Recording start1 = recording("A_startup", 1);
  const Recording start2 = recording("A_startup", 2);
  const Recording write1 = recording("B_write", 0, 0);
  const Recording write2 = recording("B_write", 0, 1);
  followers.play(merged(start1, start2));
  followers.play(merged(write1, write2));
  for (const std::string link : {"1", "2"}) {
    std::vector<Bytes> recorded;
    const bool first = link == "1";
    for (const Recording* part : {first ? &start1 : &start2, first ? &write1 : &write2}) {
      for (const Recorded& packet : part->of(Side::Acceptor)) recorded.push_back(packet.bytes);
    }
    size_t our_syncs = 0;
    size_t their_syncs = 0;
    const std::vector<Bytes> ours = without_pings(followers.sent(link), our_syncs);
    const std::vector<Bytes> theirs = without_pings(recorded, their_syncs);
    ASSERT_GT(theirs.size(), 20u);
    expect_equal(ours, theirs);
    EXPECT_EQ(our_syncs, their_syncs);
  }
  EXPECT_EQ(host.node().tree().last_applied(), Zxid(1, 10));
}

// --- the ensemble changes

// Three servers whose lists name client ports, and which one may be left of.
Config changing_config(int64_t self) {
  Config config = recorded_config(self);
  for (Member& m : config.members) {
    const auto n = static_cast<uint16_t>(m.id.value);
    m.quorum = {"127.0.0.1", static_cast<uint16_t>(46280 + n)};
    m.election = {"127.0.0.1", static_cast<uint16_t>(46380 + n)};
    m.client = {"127.0.0.1", static_cast<uint16_t>(46180 + n)};
  }
  config.reconfig.enabled = true;
  config.reconfig.standalone_enabled = false;
  config.super_digest = Secret("super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
  return config;
}

std::vector<Bytes> sent_by_leader(const Recording& recorded) {
  std::vector<Bytes> out;
  for (const Recorded& packet : recorded.of(Side::Acceptor)) out.push_back(packet.bytes);
  return out;
}

// LEADERINFO of ours also tells what is active; the epoch's first one tells nothing yet.
void expect_said(const std::vector<Bytes>& ours, const Recording& recorded) {
  size_t syncs = 0;
  expect_equal(without_pings(ours, syncs), without_pings(sent_by_leader(recorded), syncs));
}

// A server that is in no list follows, is taken in as an observer and comes back as one; then two
// of three voters go, the leader among them, and the last one is told to lead.
TEST(ZabGolden, LeadsThroughChangesOfTheEnsembleAndHandsOver) {
  const Config config = changing_config(3);
  ZabHost host(config, ZabHost::make_disk(config, 0, 0, {}));
  host.start();
  host.elect();
  const Recording one = recording("F_reconfig", 1);
  const Recording two = recording("F_reconfig", 2);
  const Recording stranger = recording("F_reconfig", 4, 0);
  const Recording observer = recording("F_reconfig", 4, 1);
  std::vector<Timed> conversation = merged(one, two);
  for (const Recorded& packet : stranger.packets) conversation.push_back({"stranger", packet});
  for (const Recorded& packet : observer.packets) conversation.push_back({"observer", packet});
  std::stable_sort(conversation.begin(), conversation.end(),
                   [](const Timed& a, const Timed& b) { return a.packet.time < b.packet.time; });
  for (const char* link : {"1", "2", "stranger", "observer"}) host.connect(link, Door::Quorum);
  RecordedFollowers followers(host);
  followers.play(conversation);
  expect_said(followers.sent("1"), one);
  expect_said(followers.sent("2"), two);
  expect_said(followers.sent("observer"), observer);
  EXPECT_EQ(host.node().configs().active().version, Zxid(1, 8));
  ASSERT_NE(host.node().zab().leader_role(), nullptr);
  EXPECT_EQ(host.node().zab().leader_role()->designated(), ServerId{1});
  host.pass(config.tick());
  EXPECT_FALSE(host.node().zab().leading());
  EXPECT_EQ(host.node().zab().standing(), Standing::NonVoting);
}

// The same from the side of the one who is left: it follows, and then leads without an election.
TEST(ZabGolden, FollowsThroughChangesOfTheEnsembleAndTakesOver) {
  const Config config = changing_config(1);
  ZabHost host(config, ZabHost::make_disk(config, 0, 0, {}));
  host.start();
  follow(host, 3, 1);
  const Recording recorded = recording("F_reconfig", 1);
  const std::vector<Bytes> ours = follow_recording(host, 3, recorded);
  EXPECT_EQ(host.node().configs().active().version, Zxid(1, 8));
  EXPECT_EQ(host.node().configs().active().members.size(), 2u);
  ASSERT_TRUE(host.node().zab().leading()) << "no vote was asked for";
  EXPECT_EQ(host.node().zab().epoch(), 2u);
  // Requests are its clients' in the recording; what it acknowledges is as recorded.
  const auto acks = [](const std::vector<Bytes>& packets) {
    std::vector<std::string> out;
    for (const Bytes& bytes : packets) {
      const std::string words = words_of(bytes);
      if (words.starts_with("ACK")) out.push_back(words);
    }
    return out;
  };
  std::vector<Bytes> theirs;
  for (const Recorded& packet : recorded.of(Side::Connector)) theirs.push_back(packet.bytes);
  EXPECT_EQ(acks(ours), acks(theirs));
  EXPECT_GT(acks(theirs).size(), 8u);
}

// In no list, and then an observer of the ensemble: the connection is made anew, as what it is now.
TEST(ZabGolden, IsTakenInAsAnObserver) {
  Config config = changing_config(4);
  config.members.push_back(
      {ServerId{4}, {"127.0.0.1", 46284}, {"127.0.0.1", 46384}, false, {"127.0.0.1", 46184}});
  ZabHost host(config, ZabHost::make_disk(config, 0, 0, {}));
  host.start();
  const std::string list = to_text(Membership{Zxid(1, 0), changing_config(1).members});
  Notification n;
  n.leader = ServerId{3};
  n.election_epoch = 1;
  n.peer_epoch = 1;
  n.config = list;
  for (int round = 0; round < 2; ++round) {  // in its own list first, then in that of the others
    for (const int64_t from : {1, 2, 3}) {
      n.state = from == 3 ? PeerState::Leading : PeerState::Following;
      host.notify(ServerId{from}, n);
    }
  }
  host.accept_dial("3");
  EXPECT_EQ(host.node().zab().standing(), Standing::NonVoting);
  const std::vector<Bytes> ours = follow_recording(host, 3, recording("F_reconfig", 4, 0));
  EXPECT_EQ(words_of(ours.front()).substr(0, 12), "FOLLOWERINFO");
  EXPECT_EQ(host.node().zab().standing(), Standing::Observer);
  EXPECT_EQ(host.node().configs().active().version, Zxid(1, 4));
  host.pass(milliseconds(config.observer_election_delay_ms));
  for (const int64_t from : {1, 2, 3}) {
    n.state = from == 3 ? PeerState::Leading : PeerState::Following;
    host.notify(ServerId{from}, n);
  }
  host.accept_dial("3");
  const std::vector<Bytes> again = follow_recording(host, 3, recording("F_reconfig", 4, 1));
  EXPECT_EQ(words_of(again.front()).substr(0, 12), "OBSERVERINFO");
  EXPECT_EQ(host.node().storage().last_logged(), Zxid(1, 8));
  EXPECT_EQ(host.node().configs().active().members.size(), 2u);
}

}  // namespace
}  // namespace vivarium::zab_test
