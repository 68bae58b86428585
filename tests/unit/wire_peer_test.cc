// Messages between servers: every golden election message and QuorumPacket byte for byte and as the
// independent parser has it; streams cut anywhere; hostile bytes.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/wire/jute.h"
#include "core/wire/peer_extension.h"
#include "core/wire/peer_messages.h"
#include "core/wire/txn.h"
#include "tests/unit/golden_data.h"
#include "tests/unit/packet_names.h"
#include "tests/unit/wire_support.h"

namespace vivarium {
namespace {

using nlohmann::json;

constexpr size_t kDataBytesMax = 1 << 20;

Bytes copy(ByteView view) { return Bytes(view.begin(), view.end()); }

// --- golden transcripts

class GoldenStream {
 public:
  GoldenStream(std::map<std::string, int>& seen, Bytes bytes)
      : seen_(seen), bytes_(std::move(bytes)) {}

  void take_election(const json& decoded) {
    for (const json& want : decoded) {
      SCOPED_TRACE(want.dump());
      if (want["what"] == "InitialMessage") {
        take_hello(want);
      } else {
        take_notification(want);
      }
      if (testing::Test::HasFatalFailure()) return;
    }
    // One capture ends behind a frame's length.
    EXPECT_TRUE(left().empty() || (left().size() == 4 && ++seen_["cut short"] == 1));
  }

  void take_leader(const json& decoded) {
    for (const json& want : decoded) {
      SCOPED_TRACE(want.dump());
      const size_t length = want["len"].get<size_t>();
      ASSERT_LE(length, left().size());
      if (want["what"] != "snapshot stream") take_packet(want);
      if (testing::Test::HasFatalFailure()) return;
      at_ += length;
      ++seen_[want["what"].get<std::string>()];
    }
    EXPECT_TRUE(left().empty());
  }

 private:
  ByteView left() const { return ByteView(bytes_).subspan(at_); }
  void expect_front(const Bytes& encoding, size_t length) {
    ASSERT_LE(length, left().size());
    EXPECT_EQ(golden::to_hex(encoding), golden::to_hex(left().first(length)));
  }

  void take_hello(const json& want) {
    ElectionHello hello;
    size_t used = 0;
    ASSERT_EQ(decode_election_hello(left(), hello, used), Decoded::Ok);
    EXPECT_EQ(used, want["len"].get<size_t>());
    EXPECT_EQ(hello.from.value, want["sid"].get<int64_t>());
    EXPECT_EQ(hello.address, want["electionAddr"].get<std::string>());
    expect_front(encoded(hello), used);
    at_ += used;
    ++seen_["hello"];
  }

  void take_notification(const json& want) {
    const size_t length = want["len"].get<size_t>();
    ASSERT_LE(length, left().size());
    ASSERT_EQ(get_u32(left().data()) + 4, length);
    const Result<Notification> n = decode_notification(left().subspan(4, length - 4));
    ASSERT_TRUE(n) << n.error().message;
    const std::map<PeerState, std::string> states = {{PeerState::Looking, "LOOKING"},
                                                     {PeerState::Following, "FOLLOWING"},
                                                     {PeerState::Leading, "LEADING"},
                                                     {PeerState::Observing, "OBSERVING"}};
    EXPECT_EQ(states.at(n->state), want["state"].get<std::string>());
    EXPECT_EQ(n->leader.value, golden::to_i64(want["leader"]));
    EXPECT_EQ(n->zxid, golden::to_i64(want["zxid"]));
    EXPECT_EQ(n->election_epoch, golden::to_i64(want["electionEpoch"]));
    EXPECT_EQ(n->peer_epoch, golden::to_i64(want["peerEpoch"]));
    EXPECT_EQ(n->version, want["version"].get<int32_t>());
    EXPECT_EQ(n->config, want["config"].get<std::string>());
    EXPECT_TRUE(n->extension.empty());
    Bytes frame;
    encode_notification_frame(*n, frame);
    expect_front(frame, length);
    at_ += length;
    ++seen_["notification"];
  }

  void take_packet(const json& want) {
    QuorumPacket packet;
    size_t used = 0;
    ASSERT_EQ(decode_quorum_packet(left(), kDataBytesMax, packet, used), Decoded::Ok);
    ASSERT_EQ(used, want["len"].get<size_t>());
    expect_front(encoded(packet), used);
    EXPECT_EQ(packet_names().at(packet.type), want["what"].get<std::string>());
    EXPECT_EQ(packet.zxid, golden::to_i64(want["zxid"]));
    EXPECT_EQ(packet.null_data ? -1 : static_cast<int64_t>(packet.data.size()),
              want["data_len"].get<int64_t>());
    EXPECT_EQ(packet.null_auth, want["authinfo"].is_null());
    if (!packet.null_auth) {
      json ids = json::array();
      for (const AuthId& id : packet.auth) ids.push_back(json::array({id.scheme, id.id}));
      EXPECT_EQ(ids, want["authinfo"]);
      ++seen_["authinfo"];
    }
    if (want.contains("LearnerInfo")) check_learner_info(packet.data, want["LearnerInfo"]);
    if (want.contains("touch")) check_touches(packet.data, want["touch"]);
    if (want.contains("request")) check_request(packet.data, want["request"]);
    if (want.contains("config")) {
      EXPECT_EQ(as_text(packet.data), want["config"].get<std::string>());
    }
    if (packet.type == PacketType::Revalidate) check_revalidate(packet.data, want);
    if (want.contains("entry")) {
      const size_t before = packet.type == PacketType::InformAndActivate ? 8 : 0;
      check_entry(packet.data.subspan(before), want["entry"]);
    }
  }

  static void check_learner_info(ByteView data, const json& want) {
    const std::optional<LearnerInfo> info = decode_learner_info(data);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->id.value, want["serverid"].get<int64_t>());
    EXPECT_EQ(info->protocol_version, golden::to_i64(want["protocolVersion"]));
    EXPECT_EQ(info->config_version, golden::to_i64(want["configVersion"]));
    EXPECT_EQ(encoded(*info), copy(data));
  }

  void check_touches(ByteView data, const json& want) {
    const std::optional<std::vector<SessionTouch>> touches = decode_touches(data);
    ASSERT_TRUE(touches);
    ASSERT_EQ(touches->size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ((*touches)[i].session.value, golden::to_i64(want[i][0]));
      EXPECT_EQ((*touches)[i].timeout_ms, want[i][1].get<int32_t>());
      ++seen_["touch"];
    }
    Bytes bytes;
    encode_touches(*touches, bytes);
    EXPECT_EQ(bytes, copy(data));
  }

  static void check_request(ByteView data, const json& want) {
    const std::optional<ForwardedRequest> request = decode_forwarded_request(data);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->session.value, golden::to_i64(want["sessionId"]));
    EXPECT_EQ(request->cxid, want["cxid"].get<int32_t>());
    EXPECT_EQ(static_cast<int32_t>(request->op), want["type"].get<int32_t>());
    EXPECT_EQ(golden::to_hex(request->body), want["body"].get<std::string>());
    EXPECT_EQ(encoded(*request), copy(data));
  }

  static void check_revalidate(ByteView data, const json& want) {
    if (want.contains("timeout")) {
      const std::optional<SessionTouch> question = decode_revalidate(data);
      ASSERT_TRUE(question);
      EXPECT_EQ(question->session.value, golden::to_i64(want["sessionId"]));
      EXPECT_EQ(question->timeout_ms, want["timeout"].get<int32_t>());
      EXPECT_EQ(encoded(*question), copy(data));
    } else {
      const std::optional<RevalidateAnswer> answer = decode_revalidate_answer(data);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->session.value, golden::to_i64(want["sessionId"]));
      EXPECT_EQ(answer->valid, want["valid"].get<bool>());
      EXPECT_EQ(encoded(*answer), copy(data));
    }
  }

  static void check_entry(ByteView entry, const json& want) {
    const Result<Txn> txn = decode_txn(entry);
    ASSERT_TRUE(txn) << txn.error().message;
    EXPECT_EQ(txn->header.zxid.wire(), golden::to_i64(want["hdr"]["zxid"]));
    EXPECT_EQ(static_cast<int32_t>(txn->header.type), want["hdr"]["type"].get<int32_t>());
    EXPECT_EQ(encode_txn(*txn), copy(entry));
  }

  std::map<std::string, int>& seen_;
  Bytes bytes_;
  size_t at_ = 0;
};

TEST(WirePeerGolden, EveryMessageDecodesAsTheIndependentParserSaysAndReencodesToTheSameBytes) {
  std::map<std::string, int> seen;
  for (const char* name : {"A_startup", "B_write", "C_diff", "D_trunc", "E_snap", "F_reconfig"}) {
    const json capture = golden::read_json(std::string("quorum-transcripts/") + name + ".json");
    for (const json& stream : capture["streams"]) {
      for (const char* direction : {"c2s", "s2c"}) {
        SCOPED_TRACE(std::string(name) + " " + stream["stream"].dump() + " " + direction);
        Bytes bytes;
        for (const json& chunk : stream["chunks"]) {
          if (chunk["dir"] != direction || !chunk.contains("hex")) continue;
          append_bytes(bytes, golden::from_hex(chunk["hex"].get<std::string>()));
        }
        const json& decoded = stream[std::string("decoded_") + direction];
        GoldenStream golden_stream(seen, std::move(bytes));
        if (stream["kind"] == "election") {
          golden_stream.take_election(decoded);
        } else {
          golden_stream.take_leader(decoded);
        }
      }
    }
  }
  const std::map<std::string, int> exactly = {{"hello", 27},
                                              {"notification", 62},
                                              {"FOLLOWERINFO", 10},
                                              {"OBSERVERINFO", 2},
                                              {"ACKEPOCH", 12},
                                              {"ACK", 71},
                                              {"PING", 328},
                                              {"LEADERINFO", 12},
                                              {"DIFF", 9},
                                              {"NEWLEADER", 12},
                                              {"UPTODATE", 12},
                                              {"REQUEST", 15},
                                              {"REVALIDATE", 4},
                                              {"PROPOSAL", 47},
                                              {"COMMIT", 42},
                                              {"SYNC", 1},
                                              {"TRUNC", 1},
                                              {"SNAP", 2},
                                              {"snapshot stream", 2},
                                              {"COMMITANDACTIVATE", 5},
                                              {"INFORM", 3},
                                              {"INFORMANDACTIVATE", 1}};
  for (const auto& [what, count] : exactly) EXPECT_EQ(seen[what], count) << what;
  EXPECT_GT(seen["authinfo"], 0);
  EXPECT_GT(seen["touch"], 0);
}

ConfigMember local_member(int64_t id, uint16_t base, bool observer, bool client) {
  const auto port = [&](int kind) { return static_cast<uint16_t>(base + kind + id); };
  ConfigMember member{ServerId{id}, "127.0.0.1", port(200), "127.0.0.1",
                      port(300),    observer,    {},        0};
  if (client) {
    member.client_host = "127.0.0.1";
    member.client_port = port(100);
  }
  return member;
}

TEST(WirePeerGolden, ConfigTextIsApaches) {
  const json startup = golden::read_json("quorum-transcripts/A_startup.json");
  const json want = startup["streams"][0]["decoded_c2s"][1]["config"];
  const auto plain = [](int64_t id) { return local_member(id, 23080, false, false); };
  EXPECT_EQ(config_text({plain(1), plain(2), plain(3)}, 0), want.get<std::string>());
  EXPECT_EQ(config_text({plain(3), plain(1), plain(2)}, 0), want.get<std::string>());

  const std::string dynamic = golden::read_json("quorum-transcripts/F_reconfig.json").dump();
  const auto full = [](int64_t id, bool observer) {
    return local_member(id, 46080, observer, true);
  };
  const std::string four =
      config_text({full(1, false), full(2, false), full(3, false), full(4, true)}, 0x100000004);
  EXPECT_TRUE(four.ends_with("\nversion=100000004"));
  // In the dump, line ends are escaped.
  EXPECT_NE(dynamic.find(json(four).dump()), std::string::npos) << four;
}

TEST(WirePeer, ConfigTextPutsIpv6InBrackets) {
  EXPECT_EQ(config_text({{ServerId{7}, "fe80::1", 2888, "fe80::1", 3888, true, "::", 2181}}, 0),
            "server.7=[fe80::1]:2888:3888:observer;[::]:2181\nversion=0");
}

// --- election port

Bytes hello_bytes(int64_t version, int64_t sid, std::string_view address) {
  Bytes bytes;
  JuteWriter out(bytes);
  out.i64(version);
  out.i64(sid);
  out.string(address);
  return bytes;
}

Decoded decode_hello(ByteView bytes, ElectionHello& hello) {
  size_t used = 0;
  const Decoded decoded = decode_election_hello(bytes, hello, used);
  if (decoded == Decoded::Ok) {
    EXPECT_LE(used, bytes.size());
  }
  return decoded;
}

TEST(WirePeer, HelloForms) {
  ElectionHello hello;
  EXPECT_EQ(decode_hello(hello_bytes(-65536, 2, "host:3888"), hello), Decoded::Ok);
  EXPECT_EQ(hello.address, "host:3888");
  EXPECT_EQ(decode_hello(hello_bytes(-65535, 2, "host:3888|[::1]:3889"), hello), Decoded::Ok);
  EXPECT_EQ(hello.address, "host:3888|[::1]:3889");
  // A very old peer sends its id alone; what follows is the first notification.
  Bytes old = hello_bytes(5, 0, "");
  size_t used = 0;
  EXPECT_EQ(decode_election_hello(old, hello, used), Decoded::Ok);
  EXPECT_EQ(used, 8U);
  EXPECT_EQ(hello.from, ServerId{5});
  EXPECT_EQ(hello.address, "");
}

TEST(WirePeer, HelloRefusals) {
  ElectionHello hello;
  for (const std::string& address :
       {std::string(), std::string("host"), std::string("host:"), std::string(":1"),
        std::string("host:0"), std::string("host:65536"), std::string("host:-1"),
        std::string("host:1x"), std::string("::1:3888"), std::string("[::1]3888"),
        std::string("[::1:3888"), std::string("[[a]:1"), std::string("a[b:1"), std::string("a:1|"),
        std::string("a:1||b:2"), std::string(2044, 'h') + ":3888"}) {
    EXPECT_EQ(decode_hello(hello_bytes(-65536, 2, address), hello), Decoded::Bad) << address;
  }
  EXPECT_EQ(decode_hello(hello_bytes(-65536, 2, std::string(2043, 'h') + ":3888"), hello),
            Decoded::Ok);
  // What is wrong is said before the rest has arrived.
  for (const int64_t version : {int64_t{-1}, int64_t{-65534}, int64_t{-65537}, INT64_MIN}) {
    Bytes bytes = hello_bytes(version, 2, "host:3888");
    bytes.resize(8);
    EXPECT_EQ(decode_hello(bytes, hello), Decoded::Bad) << version;
  }
  for (const int32_t length : {-1, 0, 2049, INT32_MAX}) {
    Bytes bytes = hello_bytes(-65536, 2, "");
    put_u32(bytes.data() + 16, static_cast<uint32_t>(length));
    EXPECT_EQ(decode_hello(bytes, hello), Decoded::Bad) << length;
  }
}

Bytes notification_bytes(const Notification& n) {
  Bytes frame;
  encode_notification_frame(n, frame);
  EXPECT_EQ(get_u32(frame.data()), frame.size() - 4);
  return Bytes(frame.begin() + 4, frame.end());
}

TEST(WirePeer, NotificationFormsByLength) {
  Notification n;
  n.state = PeerState::Leading;
  n.leader = ServerId{3};
  n.zxid = 0x500000007;
  n.election_epoch = 9;
  n.peer_epoch = 6;
  n.config = "version=0";
  const Bytes whole = notification_bytes(n);
  ASSERT_EQ(whole.size(), 44 + n.config.size());

  const auto first = [&](size_t size) {
    return Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
  };
  for (size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut = first(size);
    const Result<Notification> back = decode_notification(cut);
    EXPECT_EQ(back.has_value(), size == 28 || size == 40) << size;
    if (!back) continue;
    EXPECT_EQ(back->version, 0);
    EXPECT_EQ(back->zxid, n.zxid);
    EXPECT_EQ(back->config, "");
    EXPECT_EQ(back->peer_epoch, size == 28 ? 5 : 6);  // 28: the epoch of the zxid
  }

  Bytes extended = whole;
  append_bytes(extended, as_bytes("ours"));
  const Result<Notification> back = decode_notification(extended);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->config, n.config);
  EXPECT_EQ(as_text(back->extension), "ours");
  EXPECT_EQ(notification_bytes(*back), extended);
}

TEST(WirePeer, NotificationRefusals) {
  Notification n;
  n.config = "version=0";
  Bytes bytes = notification_bytes(n);
  EXPECT_TRUE(decode_notification(bytes));
  for (const int32_t length : {-1, -2, 10, INT32_MAX, INT32_MIN}) {
    put_u32(bytes.data() + 40, static_cast<uint32_t>(length));
    EXPECT_FALSE(decode_notification(bytes)) << length;
  }
  bytes = notification_bytes(n);
  for (const int32_t state : {-1, 4, INT32_MAX}) {
    put_u32(bytes.data(), static_cast<uint32_t>(state));
    EXPECT_FALSE(decode_notification(bytes)) << state;
  }
}

// --- leader port

TEST(WirePeer, PacketFormsAreAsShortAsApaches) {
  Bytes bytes;
  encode_packet(PacketType::UpToDate, kNoZxidWire, bytes);
  EXPECT_EQ(golden::to_hex(bytes), "0000000cffffffffffffffffffffffffffffffff");
  bytes.clear();
  encode_packet(PacketType::Ping, 5, ByteView{}, bytes);
  EXPECT_EQ(golden::to_hex(bytes), "00000005000000000000000500000000ffffffff");
}

TEST(WirePeer, PacketRefusalsComeBeforeTheBytes) {
  const auto outcome = [](auto write) {
    Bytes bytes;
    JuteWriter out(bytes);
    out.i32(static_cast<int32_t>(PacketType::Request));
    out.i64(-1);
    write(out);
    QuorumPacket packet;
    size_t used = 0;
    return decode_quorum_packet(bytes, 1000, packet, used);
  };
  EXPECT_EQ(outcome([](JuteWriter& out) { out.i32(1000); }), Decoded::NeedMore);
  EXPECT_EQ(outcome([](JuteWriter& out) { out.i32(1001); }), Decoded::Bad);
  EXPECT_EQ(outcome([](JuteWriter& out) { out.i32(-2); }), Decoded::Bad);
  const auto with_auth = [&](int32_t count, std::vector<int32_t> lengths) {
    return outcome([&](JuteWriter& out) {
      out.null_buffer();
      out.i32(count);
      for (const int32_t length : lengths) out.i32(length);
    });
  };
  EXPECT_EQ(with_auth(0, {}), Decoded::Ok);
  EXPECT_EQ(with_auth(1, {}), Decoded::NeedMore);
  EXPECT_EQ(with_auth(126, {}), Decoded::Bad);  // could not fit into 1000 bytes
  EXPECT_EQ(with_auth(INT32_MAX, {}), Decoded::Bad);
  EXPECT_EQ(with_auth(1, {-2}), Decoded::Bad);
  EXPECT_EQ(with_auth(1, {1000}), Decoded::Bad);  // all ids together are bounded
  EXPECT_EQ(with_auth(1, {0, -2}), Decoded::Bad);
  EXPECT_EQ(with_auth(1, {0, 0}), Decoded::Ok);
}

TEST(WirePeer, LearnerInfoForms) {
  LearnerInfo info;
  info.id = ServerId{4};
  info.config_version = 0x100000000;
  Bytes bytes = encoded(info);
  ASSERT_EQ(bytes.size(), 20U);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    const std::optional<LearnerInfo> back = decode_learner_info(cut);
    EXPECT_EQ(back.has_value(), size == 8 || size == 12 || size == 20) << size;
    if (!back) continue;
    EXPECT_EQ(back->id, info.id);
    EXPECT_EQ(back->protocol_version, size == 8 ? 1 : 0x10000);
    EXPECT_EQ(back->config_version, size == 20 ? info.config_version : 0);
  }
  append_bytes(bytes, as_bytes("ours"));
  const std::optional<LearnerInfo> back = decode_learner_info(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(as_text(back->extension), "ours");
  EXPECT_EQ(encoded(*back), bytes);
}

TEST(WirePeer, TouchesComeInWholes) {
  const std::vector<SessionTouch> touches = {{SessionId{1}, 1000}, {SessionId{-1}, 2000}};
  Bytes bytes;
  encode_touches(touches, bytes);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const auto back = decode_touches(ByteView(bytes).first(size));
    EXPECT_EQ(back.has_value(), size % 12 == 0) << size;
    if (back) {
      EXPECT_EQ(back->size(), size / 12);
    }
  }
  EXPECT_FALSE(decode_revalidate(ByteView(bytes).first(11)));
  EXPECT_FALSE(decode_revalidate_answer(ByteView(bytes).first(8)));
  EXPECT_FALSE(decode_forwarded_request(ByteView(bytes).first(15)));
}

// --- properties

// The outcome for every front of `bytes`, each in an allocation of its own size, so that a
// sanitizer sees a read beyond. Waiting may turn into one verdict, and a verdict stays: same
// outcome, same length.
template <class Decode>
Decoded consistent_outcome(const Bytes& bytes, Decode decode) {
  Decoded verdict = Decoded::NeedMore;
  size_t verdict_used = 0;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const Bytes front(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    size_t used = 0;
    const Decoded decoded = decode(ByteView(front), used);
    RC_ASSERT(verdict == Decoded::NeedMore || (decoded == verdict && used == verdict_used));
    RC_ASSERT(used <= size);
    // Ok comes with the very byte that completes the message, not later.
    if (decoded == Decoded::Ok && verdict == Decoded::NeedMore) RC_ASSERT(used == size);
    verdict = decoded;
    verdict_used = used;
  }
  return verdict;
}

Decoded packet_outcome(const Bytes& bytes) {
  return consistent_outcome(bytes, [](ByteView front, size_t& used) {
    QuorumPacket packet;
    return decode_quorum_packet(front, 200, packet, used);
  });
}

Decoded hello_outcome(const Bytes& bytes) {
  return consistent_outcome(bytes, [](ByteView front, size_t& used) {
    ElectionHello hello;
    return decode_election_hello(front, hello, used);
  });
}

Bytes mostly_small_bytes() {
  return *rc::gen::container<Bytes>(
      rc::gen::weightedOneOf<Byte>({{3, rc::gen::just<Byte>(0)},
                                    {2, rc::gen::inRange<Byte>(0, 8)},
                                    {1, rc::gen::arbitrary<Byte>()}}));
}

// A sound message with a few bytes changed reaches deeper than noise does.
void damage(Bytes& bytes) {
  const size_t count = *rc::gen::inRange<size_t>(0, 3);
  for (size_t i = 0; i < count && !bytes.empty(); ++i) {
    const size_t at = *rc::gen::inRange<size_t>(0, bytes.size());
    bytes[at] = *rc::gen::arbitrary<Byte>();
  }
}

QuorumPacket draw_packet(Bytes& data) {
  QuorumPacket packet;
  packet.type = static_cast<PacketType>(*rc::gen::inRange(0, 22));
  packet.zxid = *rc::gen::arbitrary<int64_t>();
  packet.null_data = *rc::gen::arbitrary<bool>();
  if (!packet.null_data) {
    data = mostly_small_bytes();
    packet.data = data;
  }
  packet.null_auth = *rc::gen::arbitrary<bool>();
  const size_t ids = packet.null_auth ? 0 : *rc::gen::inRange<size_t>(0, 4);
  for (size_t i = 0; i < ids; ++i) {
    const std::string text = *rc::gen::container<std::string>(rc::gen::inRange('a', 'z'));
    packet.auth.push_back({"digest", text.substr(0, 20)});
  }
  return packet;
}

RC_GTEST_PROP(WirePeerProperty, PacketsComeBackAndAreFoundInAStream, ()) {
  Bytes data;
  const QuorumPacket packet = draw_packet(data);
  Bytes bytes = encoded(packet);
  const size_t length = bytes.size();
  append_bytes(bytes, mostly_small_bytes());
  QuorumPacket back;
  size_t used = 0;
  RC_ASSERT(decode_quorum_packet(bytes, 200, back, used) == Decoded::Ok);
  RC_ASSERT(used == length);
  RC_ASSERT(back.type == packet.type && back.zxid == packet.zxid);
  RC_ASSERT(back.null_data == packet.null_data && copy(back.data) == data);
  RC_ASSERT(back.null_auth == packet.null_auth && back.auth == packet.auth);
  RC_ASSERT(packet_outcome(bytes) == Decoded::Ok);
}

RC_GTEST_PROP(WirePeerProperty, DamagedPacketsDecodeConsistently, ()) {
  Bytes data;
  Bytes bytes = encoded(draw_packet(data));
  damage(bytes);
  const Decoded outcome = packet_outcome(bytes);
  RC_CLASSIFY(outcome == Decoded::Ok, "ok");
  RC_CLASSIFY(outcome == Decoded::Bad, "bad");
  RC_CLASSIFY(outcome == Decoded::NeedMore, "need more");
}

RC_GTEST_PROP(WirePeerProperty, NoiseDecodesConsistently, ()) {
  const Bytes bytes = mostly_small_bytes();
  packet_outcome(bytes);
  hello_outcome(bytes);
  (void)decode_notification(bytes).has_value();
  decode_learner_info(bytes);
  decode_forwarded_request(bytes);
  decode_touches(bytes);
  decode_revalidate(bytes);
  decode_revalidate_answer(bytes);
}

RC_GTEST_PROP(WirePeerProperty, HellosComeBackAndDecodeConsistently, (int64_t sid, uint16_t port)) {
  RC_PRE(port > 0);
  const std::string host = "h" + *rc::gen::container<std::string>(rc::gen::inRange('a', 'z'));
  const ElectionHello hello{ServerId{sid}, host + ":" + std::to_string(port)};
  Bytes bytes = encoded(hello);
  ElectionHello back;
  size_t used = 0;
  RC_ASSERT(decode_election_hello(bytes, back, used) == Decoded::Ok);
  RC_ASSERT(used == bytes.size());
  RC_ASSERT(back.from == hello.from && back.address == hello.address);
  RC_ASSERT(hello_outcome(bytes) == Decoded::Ok);
  damage(bytes);
  hello_outcome(bytes);
}

RC_GTEST_PROP(WirePeerProperty, NotificationsComeBack,
              (int64_t a, int64_t b, int64_t c, int64_t d, const std::string& config,
               const Bytes& extension)) {
  Notification n;
  n.state = static_cast<PeerState>(*rc::gen::inRange(0, 4));
  n.leader = ServerId{a};
  n.zxid = b;
  n.election_epoch = c;
  n.peer_epoch = d;
  n.config = config;
  n.extension = extension;
  Bytes bytes = notification_bytes(n);
  const Result<Notification> back = decode_notification(bytes);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->state == n.state && back->leader == n.leader && back->zxid == b);
  RC_ASSERT(back->election_epoch == c && back->peer_epoch == d && back->version == 2);
  RC_ASSERT(back->config == config && copy(back->extension) == extension);
  RC_ASSERT(notification_bytes(*back) == bytes);
  damage(bytes);
  const Result<Notification> damaged = decode_notification(bytes);
  if (damaged) RC_ASSERT(notification_bytes(*damaged) == bytes);
}

RC_GTEST_PROP(WirePeerProperty, SmallRecordsComeBack,
              (int64_t a, int32_t b, int32_t c, const Bytes& rest, bool flag)) {
  const ForwardedRequest request{SessionId{a}, b, static_cast<Op>(c), rest};
  const std::optional<ForwardedRequest> request_back = decode_forwarded_request(encoded(request));
  RC_ASSERT(request_back && request_back->session == request.session && request_back->cxid == b);
  RC_ASSERT(static_cast<int32_t>(request_back->op) == c);
  const Bytes answer = encoded(RevalidateAnswer{SessionId{a}, flag});
  RC_ASSERT(answer.size() == 9U);
  const std::optional<RevalidateAnswer> answer_back = decode_revalidate_answer(answer);
  RC_ASSERT(answer_back && answer_back->session == SessionId{a} && answer_back->valid == flag);
  const std::optional<SessionTouch> touch =
      decode_revalidate(encoded(SessionTouch{SessionId{a}, b}));
  RC_ASSERT(touch && touch->session == SessionId{a} && touch->timeout_ms == b);
}

RC_GTEST_PROP(WirePeerProperty, ExtensionsComeBack,
              (uint64_t a, uint32_t b, uint32_t c, uint64_t d, uint8_t faults,
               const Bytes& later)) {
  PeerExtension extension;
  extension.damaged = faults % 2 != 0;
  for (uint64_t i = 1; extension.damaged && i <= faults % (kPeerFaultsMax + 1); ++i) {
    extension.faults.push_back({Zxid{4 * i}, Zxid{4 * i + 1 + b % 3}});
  }
  if (c % 2 != 0) extension.remembered = Acknowledged{LogId{a, b}, c, Zxid{d}};
  if (c % 3 != 0) extension.log = LogId{d, c};
  const Bytes bytes = encoded(extension);
  // What a later version says behind it is passed over.
  Bytes longer = bytes;
  append_bytes(longer, later);
  for (const Bytes* in : {&bytes, static_cast<const Bytes*>(&longer)}) {
    const std::optional<PeerExtension> back = decode_peer_extension(*in);
    RC_ASSERT(back.has_value());
    RC_ASSERT(back->damaged == extension.damaged && back->faults == extension.faults);
    RC_ASSERT(back->remembered == extension.remembered && back->log == extension.log);
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    RC_ASSERT(!decode_peer_extension(ByteView(bytes).first(size)));
  }
}

}  // namespace
}  // namespace vivarium
