// What clients of Apache ZooKeeper 3.8.0 sent and got, replayed against Server. Replies must be the
// captured bytes but for what differs between two runs of Apache too: times, zxids (by a constant),
// session ids, and the order of children, identities and ephemerals. What differs otherwise has a
// row in docs/compatibility.md.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <set>

#include "core/wire/acl_codec.h"
#include "core/wire/jute.h"
#include "tests/unit/golden_data.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

struct Frame {
  int seq = 0;
  std::string connection;
  bool from_client = false;
  bool is_end = false;
  std::string label;
  Bytes payload;  // without the length; raw when `is_raw`
  bool is_raw = false;
};

std::vector<Frame> load(const std::string& name) {
  const auto json = golden::read_json("client-transcripts/" + name + ".json");
  std::vector<Frame> frames;
  for (const auto& connection : json.at("connections")) {
    for (const auto& item : connection.at("frames")) {
      Frame frame;
      frame.seq = item.at("seq").get<int>();
      frame.connection = connection.at("name").get<std::string>();
      frame.from_client = item.at("dir").get<std::string>() == "c2s";
      frame.label = item.at("label").get<std::string>();
      frame.is_end = frame.label == "EOF";
      Bytes bytes = golden::from_hex(item.at("hex").get<std::string>());
      frame.is_raw =
          !frame.is_end && (bytes.size() < 4 || get_u32(bytes.data()) + 4 != bytes.size());
      if (!frame.is_raw && bytes.size() >= 4) bytes.erase(bytes.begin(), bytes.begin() + 4);
      frame.payload = std::move(bytes);
      frames.push_back(std::move(frame));
    }
  }
  std::sort(frames.begin(), frames.end(),
            [](const Frame& a, const Frame& b) { return a.seq < b.seq; });
  return frames;
}

// A difference has its reason there.
void expect_a_row_of_the_docs(const std::string& capture, int seq) {
  static const std::string text = [] {
    std::ifstream in(SOURCE_DIR "/docs/compatibility.md");
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  const std::regex row(fmt::format("\\n\\| `{}`,[^|]*\\b{}\\b[^|]*\\|", capture, seq));
  EXPECT_TRUE(std::regex_search(text, row)) << capture << ", frame " << seq;
}

// What to add to a zxid of the captures, by the zxid from which on it holds: captures that are left
// out are missing from our numbers.
using Shifts = std::map<int64_t, int64_t>;

int64_t shifted(const Shifts& shifts, int64_t zxid) {
  if (zxid <= 0 || shifts.empty()) return zxid;
  const auto after = shifts.upper_bound(zxid);
  return after == shifts.begin() ? zxid : zxid + std::prev(after)->second;
}

void normalise_stat(JuteReader& in, Bytes& out, const Shifts& shifts,
                    const std::map<int64_t, int64_t>& sessions) {
  auto stat = decode_stat(in.take(68));
  ASSERT_TRUE(stat.has_value());
  for (Zxid* zxid : {&stat->czxid, &stat->mzxid, &stat->pzxid}) {
    *zxid = Zxid::from_wire(shifted(shifts, zxid->wire()));
  }
  stat->ctime_ms = 0;
  stat->mtime_ms = 0;
  const auto session = sessions.find(stat->ephemeral_owner);
  if (session != sessions.end()) stat->ephemeral_owner = session->second;
  encode(*stat, out);
}

void normalise_children(JuteReader& in, Bytes& out) {
  std::set<std::string> names;
  const int32_t count = in.i32();
  for (int32_t i = 0; i < count; ++i) names.emplace(in.string());
  ASSERT_EQ(names.size(), static_cast<size_t>(count));
  JuteWriter writer(out);
  writer.i32(count);
  for (const std::string& name : names) writer.string(name);
}

void normalise_data(JuteReader& in, Bytes& out) {
  bool null = false;
  const ByteView data = in.buffer(&null);
  JuteWriter writer(out);
  if (null) {
    writer.null_buffer();
  } else {
    writer.buffer(data);
  }
}

// Pairs of strings, in an order that nobody promises.
void normalise_identities(JuteReader& in, Bytes& out) {
  std::set<std::pair<std::string, std::string>> ids;
  const int32_t count = in.i32();
  for (int32_t i = 0; i < count; ++i) {
    const std::string scheme(in.string());
    ids.emplace(scheme, in.string());
  }
  ASSERT_EQ(ids.size(), static_cast<size_t>(count));
  JuteWriter writer(out);
  writer.i32(count);
  for (const auto& [scheme, id] : ids) {
    writer.string(scheme);
    writer.string(id);
  }
}

void normalise_acl(JuteReader& in, Bytes& out) {
  const Acl acl = decode_acl(in);
  JuteWriter writer(out);
  encode_acl(acl, writer);
}

struct Names {
  const Shifts& shifts;
  const std::map<int64_t, int64_t>& sessions;
};

void normalise_result(Op op, JuteReader& in, const Names& names, Bytes& out) {
  static const std::set<Op> with_path = {Op::Create, Op::Create2, Op::CreateContainer,
                                         Op::CreateTtl};
  static const std::set<Op> with_stat = {Op::Create2, Op::CreateContainer, Op::CreateTtl,
                                         Op::Exists,  Op::SetData,         Op::SetAcl,
                                         Op::GetAcl,  Op::GetData,         Op::GetChildren2};
  if (with_path.count(op) != 0) JuteWriter(out).string(in.string());
  if (op == Op::GetData) normalise_data(in, out);
  if (op == Op::GetAcl) normalise_acl(in, out);
  if (op == Op::GetChildren || op == Op::GetChildren2 || op == Op::GetEphemerals) {
    normalise_children(in, out);
  }
  if (op == Op::WhoAmI) normalise_identities(in, out);
  if (with_stat.count(op) != 0) normalise_stat(in, out, names.shifts, names.sessions);
}

void normalise_multi(JuteReader& in, const Names& names, Bytes& out) {
  for (bool done = false; !done && in.ok();) {
    const int32_t type = in.i32();
    done = in.boolean();
    const int32_t error = in.i32();
    JuteWriter writer(out);
    writer.i32(type);
    writer.boolean(done);
    writer.i32(error);
    if (!done && type != -1) normalise_result(static_cast<Op>(type), in, names, out);
    if (!done && type == -1) JuteWriter(out).i32(in.i32());
  }
}

// A reply with times dropped, children sorted, and zxids and session ids translated.
void normalise_reply(int32_t op, ByteView payload, const Names& names, Bytes& out) {
  auto header = decode_reply_header(payload);
  ASSERT_TRUE(header.has_value());
  // 3.8 says -1 in events where 3.9 and this server give the zxid: compare_event().
  if (header->xid == kXidWatchEvent) header->zxid = -1;
  header->zxid = shifted(names.shifts, header->zxid);
  encode(*header, out);
  JuteReader in(payload.subspan(16));
  if (header->error == ErrorCode::Ok && header->xid != kXidWatchEvent) {
    const auto kind = static_cast<Op>(op);
    if (kind == Op::Multi || kind == Op::MultiRead) {
      normalise_multi(in, names, out);
    } else {
      normalise_result(kind, in, names, out);
    }
  }
  ASSERT_TRUE(in.ok());
  append_bytes(out, in.rest());
}

// Replays one capture after the other against one server, as they were taken.
class Replay {
 public:
  // As the captured server was set up.
  static Config config() {
    Config settings = ServerHost::default_config();
    settings.extended_types = true;
    settings.super_digest = Secret("super:D/InIHSb7yEEbrWz8b9l71RjZJU=");  // super:test
    return settings;
  }
  Replay() : host(config()) {}

  // Makes of what the captured server said what this one says.
  using Change = std::function<void(Bytes&)>;

  // `skip`: frames that stand for something this server does otherwise, `changes`: those that are
  // other ones here, each with a reason at its call.
  void run(const std::string& name, const std::set<int>& skip = {},
           const std::map<int, Change>& changes = {}) {
    SCOPED_TRACE(name);
    links_.clear();
    asked_.clear();
    waiting_.clear();
    aligned_ = false;
    for (const int seq : skip) expect_a_row_of_the_docs(name, seq);
    for (const auto& [seq, change] : changes) expect_a_row_of_the_docs(name, seq);
    for (const auto& [seq, said] : said_besides) expect_a_row_of_the_docs(name, seq);
    for (const int seq : {exchanged.first, exchanged.second}) {
      if (seq != 0) expect_a_row_of_the_docs(name, seq);
    }
    for (Frame& frame : in_our_order(load(name))) {
      if (skip.count(frame.seq) != 0) continue;
      SCOPED_TRACE("frame " + std::to_string(frame.seq) + ": " + frame.label);
      if (frame.from_client) {
        if (before_request) before_request(frame.seq);
        say(frame);
      } else if (frame.is_end) {
        host.settle();
        EXPECT_TRUE(host.received(links_.at(frame.connection)).empty());
        EXPECT_NE(host.end_of(links_.at(frame.connection)), LinkEnd::Open);
      } else {
        host.settle();
        hear_besides(frame);
        const auto change = changes.find(frame.seq);
        if (change != changes.end()) change->second(frame.payload);
        hear(frame);
      }
      if (testing::Test::HasFailure()) return;
    }
  }

  ServerHost host;
  std::function<void(int)> before_request;
  // What this server says and the captured one did not: in front of which frame, and what.
  std::map<int, std::string> said_besides;
  // Two frames of the capture that come in the other order here.
  std::pair<int, int> exchanged;
  size_t replies_compared = 0;

 private:
  std::vector<Frame> in_our_order(std::vector<Frame> frames) const {
    const auto find = [&frames](int seq) {
      return std::find_if(frames.begin(), frames.end(),
                          [seq](const Frame& frame) { return frame.seq == seq; });
    };
    const auto first = find(exchanged.first);
    const auto second = find(exchanged.second);
    if (first != frames.end()) std::swap(first->payload, second->payload);
    return frames;
  }

  void say(const Frame& frame) {
    if (links_.count(frame.connection) == 0) {
      links_[frame.connection] = host.open("127.0.0.1");
      if (frame.payload.size() >= 44) {
        connect(frame);
        return;
      }
    }
    const LinkId link = links_.at(frame.connection);
    if (frame.is_raw) {
      host.send(link, frame.payload);
      return;
    }
    Bytes payload = frame.payload;
    const auto header = decode_request_header(payload);
    if (header) {
      const auto type = static_cast<Op>(header->type);
      if (type == Op::SetWatches || type == Op::SetWatches2) translate_relative_zxid(payload);
      asked_[frame.connection].push_back(header->type);
      host.send_frame(link, payload);
    } else {
      host.send_frame(link, payload);
    }
  }

  // A session of the capture is the one that this server gave in its place.
  void connect(const Frame& frame) {
    const auto request = decode_connect_request(frame.payload);
    ASSERT_TRUE(request.has_value());
    ConnectRequest ours = *request;
    Bytes password(request->password.begin(), request->password.end());
    const auto session = sessions_.find(request->session.value);
    if (session != sessions_.end()) {
      ours.session = SessionId{session->second};
      if (password == apache_session_password(request->session)) {
        password = apache_session_password(ours.session);
      }
    }
    ours.password = password;
    Bytes payload;
    encode(ours, payload);
    ASSERT_EQ(payload.size(), frame.payload.size());
    put_u32(payload.data(), static_cast<uint32_t>(request->protocol_version));
    asked_[frame.connection].push_back(0);
    host.send_frame(links_.at(frame.connection), payload);
  }

  void translate_relative_zxid(Bytes& payload) const {
    const uint64_t zxid = get_u64(payload.data() + 8);
    put_u64(payload.data() + 8,
            static_cast<uint64_t>(shifted(shifts_, static_cast<int64_t>(zxid))));
  }

  std::deque<Bytes>& waiting(const Frame& frame) {
    std::deque<Bytes>& queue = waiting_[frame.connection];
    for (Bytes& got : host.received(links_.at(frame.connection))) queue.push_back(std::move(got));
    return queue;
  }

  void hear_besides(const Frame& frame) {
    const auto besides = said_besides.find(frame.seq);
    if (besides == said_besides.end()) return;
    std::deque<Bytes>& queue = waiting(frame);
    ASSERT_FALSE(queue.empty());
    EXPECT_EQ(golden::to_hex(queue.front()), besides->second);
    queue.pop_front();
  }

  void hear(const Frame& frame) {
    std::deque<Bytes>& queue = waiting(frame);
    ASSERT_FALSE(queue.empty());
    const Bytes got = std::move(queue.front());
    queue.pop_front();
    const bool is_event = frame.label == "watch event";
    int32_t asked = 0;
    if (!is_event) {
      auto& types = asked_[frame.connection];
      ASSERT_FALSE(types.empty());
      asked = types.front();
      types.erase(types.begin());
    }
    if (frame.label == "ConnectResponse") {
      compare_connect(frame.payload, got);
      return;
    }
    if (is_event) compare_event(frame, got);
    compare_reply(asked, frame.payload, got);
  }

  // That of the txn, but of what setWatches says was missed: 3.8 says -1 in all.
  void compare_event(const Frame& frame, ByteView got) {
    const auto theirs = decode_reply_header(frame.payload);
    const auto ours = decode_reply_header(got);
    ASSERT_TRUE(theirs.has_value() && ours.has_value());
    EXPECT_EQ(theirs->zxid, -1);
    const std::vector<int32_t>& asked = asked_[frame.connection];
    const auto next = asked.empty() ? Op::Error : static_cast<Op>(asked.front());
    if (next == Op::SetWatches || next == Op::SetWatches2) {
      EXPECT_EQ(ours->zxid, -1);
    } else {
      EXPECT_GT(ours->zxid, 0);
      EXPECT_LE(ours->zxid, host.tree.last_applied().wire());
    }
  }

  void compare_connect(ByteView wanted, ByteView got) {
    const auto theirs = decode_connect_response(wanted);
    const auto ours = decode_connect_response(got);
    ASSERT_TRUE(theirs.has_value() && ours.has_value());
    ConnectResponse expected = *theirs;
    if (theirs->session != SessionId()) {
      const auto known = sessions_.emplace(theirs->session.value, ours->session.value);
      expected.session = SessionId{known.first->second};
      expected.password = apache_session_password(expected.session);
    }
    Bytes bytes;
    encode(expected, bytes);
    EXPECT_EQ(golden::to_hex(got), golden::to_hex(bytes));
    ++replies_compared;
  }

  void compare_reply(int32_t op, ByteView wanted, ByteView got) {
    const auto theirs = decode_reply_header(wanted);
    const auto ours = decode_reply_header(got);
    ASSERT_TRUE(theirs.has_value() && ours.has_value());
    if (!aligned_ && theirs->zxid > 0) {
      shifts_[theirs->zxid] = ours->zxid - theirs->zxid;
      aligned_ = true;
    }
    Bytes expected;
    Bytes actual;
    ASSERT_NO_FATAL_FAILURE(normalise_reply(op, wanted, {shifts_, sessions_}, expected));
    ASSERT_NO_FATAL_FAILURE(normalise_reply(op, got, {{}, sessions_}, actual));
    EXPECT_EQ(golden::to_hex(actual), golden::to_hex(expected));
    ++replies_compared;
  }

  std::map<std::string, LinkId> links_;
  std::map<std::string, std::vector<int32_t>> asked_;  // types, of the ConnectRequest 0
  std::map<std::string, std::deque<Bytes>> waiting_;
  std::map<int64_t, int64_t> sessions_;  // the capture's to ours
  Shifts shifts_;
  bool aligned_ = false;  // this capture's shift is known
};

TEST(ServerGolden, RepliesAreApachesByteForByte) {
  Replay replay;
  replay.run("01-connect");
  // The wrong password of frame 6 leaves the session's owner alone: Apache closed it (frame 9).
  replay.run("02-reattach", {9});
  replay.run("03-create");
  replay.run("04-reads");
  replay.run("05-writes");
  // Frame 8: 3.8.0 answers create2 inside a multi, its second operation, as type 1 without a Stat,
  // 3.9 and this server as type 15. Frame 26: behind the error, the captured server sent the end of
  // a multi.
  const auto as_create2 = [](Bytes& reply) {
    constexpr std::ptrdiff_t kType = 36;  // its last byte
    constexpr std::ptrdiff_t kPathEnd = 50;
    ASSERT_EQ(reply.at(kType), 1);
    reply[kType] = static_cast<Byte>(Op::Create2);
    Stat stat;
    stat.czxid = stat.mzxid = stat.pzxid = Zxid::from_wire(decode_reply_header(reply)->zxid);
    stat.data_length = 1;
    Bytes bytes;
    encode(stat, bytes);
    reply.insert(reply.begin() + kPathEnd, bytes.begin(), bytes.end());
  };
  const auto header_alone = [](Bytes& reply) { reply.resize(16); };
  replay.run("06-multi", {}, {{8, as_create2}, {26, header_alone}});
  // Frame 32: exists asks for READ since 3.9.2.
  const auto not_allowed = [](Bytes& reply) {
    auto header = decode_reply_header(reply);
    header->error = ErrorCode::NoAuth;
    reply.clear();
    encode(*header, reply);
  };
  replay.run("07-auth-acl", {}, {{32, not_allowed}});
  replay.run("08-watches");
  // A child watch beside a recursive one on the same path: 3.8 lost it, 3.9 does not.
  replay.said_besides[39] = "ffffffff000000000000007d000000000000000400000003000000032f7377";
  replay.run("09-setwatches");
  replay.said_besides.clear();
  replay.run("10-malformed");
  replay.run("11-pipelined");
  // Frames 18 and 20: ephemerals of one session go in the order of their creation, there in that of
  // a hash.
  replay.exchanged = {18, 20};
  replay.run("12-close-ephemerals");
  replay.exchanged = {};
  replay.before_request = [&replay](int seq) {
    if (seq == 21) replay.host.let_pass(4000);
  };
  replay.run("13-expiry");
  EXPECT_GT(replay.replies_compared, 170U);
}

}  // namespace
}  // namespace vivarium::server_test
