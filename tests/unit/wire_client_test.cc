// The client protocol: every golden frame of the operations at hand, both directions, byte for
// byte; round trips; hostile bytes.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>

#include "core/wire/client_messages.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"
#include "tests/unit/golden_data.h"
#include "tests/unit/wire_support.h"

namespace vivarium {
namespace {

using nlohmann::json;

template <class T>
std::optional<Bytes> again(const std::optional<T>& record) {
  if (!record) return std::nullopt;
  return encoded(*record);
}

// --- golden transcripts

// Decodes and encodes a request's body; nullopt when it does not decode.
std::optional<Bytes> request_again(Op op, ByteView body) {
  if (op == Op::Create || op == Op::Create2 || op == Op::CreateContainer)
    return again(decode_create_request(body));
  if (op == Op::Delete) return again(decode_path_version_request(body));
  if (op == Op::Exists || op == Op::GetData || op == Op::GetChildren || op == Op::GetChildren2) {
    return again(decode_path_watch_request(body));
  }
  if (op == Op::SetData) return again(decode_set_data_request(body));
  if (op == Op::SetAcl) return again(decode_set_acl_request(body));
  if (op == Op::GetAcl || op == Op::GetAllChildrenNumber) return again(decode_path_request(body));
  if (op == Op::Auth) return again(decode_auth_packet(body));
  if (op == Op::CreateTtl) {
    const auto create = decode_create_ttl_request(body);
    if (!create) return std::nullopt;
    Bytes out;
    encode(*create, out, op);
    return out;
  }
  if (op == Op::Multi || op == Op::MultiRead) {
    const auto ops = decode_multi_request(body, op);
    if (!ops) return std::nullopt;
    Bytes out;
    encode_multi_request(*ops, out);
    return out;
  }
  if (op == Op::Sync) return again(decode_sync_request(body));
  return Bytes{};  // ping and closeSession have no body
}

bool covered(Op op) {
  constexpr Op kCovered[] = {Op::Create,  Op::Create2, Op::Delete,      Op::Exists,
                             Op::GetData, Op::SetData, Op::GetChildren, Op::GetChildren2,
                             Op::Sync,    Op::Ping,    Op::CloseSession};
  return std::find(std::begin(kCovered), std::end(kCovered), op) != std::end(kCovered);
}

// Requests that decode here, whose replies other tests look at.
bool covered_request(Op op) {
  constexpr Op kMore[] = {Op::SetAcl, Op::GetAcl,          Op::GetAllChildrenNumber,
                          Op::Auth,   Op::CreateContainer, Op::CreateTtl,
                          Op::Multi,  Op::MultiRead};
  return covered(op) || std::find(std::begin(kMore), std::end(kMore), op) != std::end(kMore);
}

void copy_string(JuteReader& in, JuteWriter& out) {
  bool null = false;
  const std::string_view text = in.string(&null);
  EXPECT_FALSE(null);
  out.string(text);
}

void copy_stat(JuteReader& in, Bytes& out) {
  const std::optional<Stat> stat = decode_stat(in.take(68));
  ASSERT_TRUE(stat);
  encode(*stat, out);
}

// The same for the body of a reply.
Bytes reply_again(Op op, ByteView body) {
  JuteReader in(body);
  Bytes bytes;
  JuteWriter out(bytes);
  if (op == Op::Create || op == Op::Create2 || op == Op::Sync) copy_string(in, out);
  if (op == Op::GetData) {
    bool null = false;
    const ByteView data = in.buffer(&null);
    if (null) {
      out.null_buffer();
    } else {
      out.buffer(data);
    }
  }
  if (op == Op::GetChildren || op == Op::GetChildren2) {
    const size_t count = in.count(4);
    out.i32(static_cast<int32_t>(count));
    for (size_t i = 0; i < count; ++i) copy_string(in, out);
  }
  if (op == Op::Create2 || op == Op::Exists || op == Op::GetData || op == Op::SetData ||
      op == Op::GetChildren2) {
    copy_stat(in, bytes);
  }
  EXPECT_TRUE(in.ok());
  return bytes;
}

class GoldenConversation {
 public:
  // Frames by kind, so that a test can tell that it saw what it is for.
  std::map<std::string, int> seen;

  void take_connection(const json& connection) {
    requests_.clear();
    expect_connect_ = true;
    for (const json& frame : connection["frames"]) {
      const Bytes bytes = golden::from_hex(frame["hex"].get<std::string>());
      if (bytes.size() < 4 || get_u32(bytes.data()) != bytes.size() - 4)
        continue;  // EOF, bad frames
      const ByteView payload = ByteView(bytes).subspan(4);
      SCOPED_TRACE(frame["label"].get<std::string>() + " " + golden::to_hex(payload));
      if (frame["dir"] == "c2s") {
        take_request(payload);
      } else {
        take_reply(payload, frame);
      }
    }
  }

 private:
  void take_request(ByteView payload) {
    if (expect_connect_) {
      const std::optional<ConnectRequest> request = decode_connect_request(payload);
      if (payload.size() < 28) {
        EXPECT_FALSE(request);
        return;
      }
      ASSERT_TRUE(request);
      expect_equal(encoded(*request), payload);
      expect_connect_ = false;
      connecting_ = true;
      asked_session_ = request->session;
      ++seen["connect request"];
      return;
    }
    const std::optional<RequestHeader> header = decode_request_header(payload);
    if (payload.size() < 8) {
      EXPECT_FALSE(header);
      return;
    }
    ASSERT_TRUE(header);
    expect_equal(encoded(*header), payload.first(8));
    Request request{*header, true};
    const Op op = static_cast<Op>(header->type);
    if (covered_request(op)) {
      const std::optional<Bytes> body = request_again(op, payload.subspan(8));
      request.decoded = body.has_value();
      if (body) {
        // One golden request has bytes behind its record, to be ignored.
        ASSERT_LE(body->size(), payload.size() - 8);
        if (body->size() < payload.size() - 8) ++seen["trailing bytes"];
        expect_equal(*body, payload.subspan(8, body->size()));
        ++seen["request " + std::to_string(header->type)];
      } else {
        ++seen["undecodable request"];
      }
    }
    requests_.push_back(request);
  }

  void take_reply(ByteView payload, const json& frame) {
    if (connecting_) return take_connect_response(payload);
    const std::optional<ReplyHeader> header = decode_reply_header(payload);
    ASSERT_TRUE(header);
    expect_equal(encoded(*header), payload.first(16));
    const ByteView body = payload.subspan(16);
    if (header->xid == kXidWatchEvent) return take_watch_event(body);
    EXPECT_EQ(header->xid, frame["xid"].get<int32_t>());
    EXPECT_EQ(header->zxid, frame["zxid"].get<int64_t>());
    EXPECT_EQ(static_cast<int32_t>(header->error), frame["err"].get<int32_t>());
    ASSERT_FALSE(requests_.empty());
    const Request request = requests_.front();
    requests_.pop_front();
    ASSERT_EQ(header->xid, request.header.xid);
    const Op op = static_cast<Op>(request.header.type);
    if (!covered_request(op)) return;
    EXPECT_EQ(request.decoded, header->error != ErrorCode::MarshallingError);
    if (!covered(op)) return;
    if (header->error != ErrorCode::Ok) {
      EXPECT_TRUE(body.empty());
      ++seen["error"];
      return;
    }
    expect_equal(reply_again(op, body), body);
    ++seen["reply " + std::to_string(request.header.type)];
  }

  void take_connect_response(ByteView payload) {
    connecting_ = false;
    const std::optional<ConnectResponse> response = decode_connect_response(payload);
    ASSERT_TRUE(response);
    expect_equal(encoded(*response), payload);
    ++seen["connect response"];
    if (response->session == SessionId{}) {
      EXPECT_EQ(response->password, Bytes(16));
      ++seen["refusal"];
      return;
    }
    if (asked_session_ != SessionId{}) {
      EXPECT_EQ(response->session, asked_session_);
    }
    EXPECT_EQ(golden::to_hex(apache_session_password(response->session)),
              golden::to_hex(response->password));
  }

  void take_watch_event(ByteView body) {
    const std::optional<WatcherEvent> event = decode_watch_event(body);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->state, 3);
    Bytes bytes;
    encode_watch_event(event->type, event->path, bytes);
    expect_equal(bytes, body);
    ++seen["event " + std::to_string(static_cast<int32_t>(event->type))];
  }

  static void expect_equal(ByteView a, ByteView b) {
    EXPECT_EQ(golden::to_hex(a), golden::to_hex(b));
  }

  struct Request {
    RequestHeader header;
    bool decoded = false;
  };
  std::deque<Request> requests_;
  SessionId asked_session_;
  bool expect_connect_ = true;
  bool connecting_ = false;
};

TEST(WireClientGolden, EveryFrameDecodesAndReencodesToTheSameBytes) {
  GoldenConversation conversation;
  for (const char* topic :
       {"01-connect", "02-reattach", "03-create", "04-reads", "05-writes", "06-multi",
        "07-auth-acl", "08-watches", "09-setwatches", "10-malformed", "11-pipelined",
        "12-close-ephemerals", "13-expiry", "14-ensemble-move", "15-read-only", "17-reconfig"}) {
    SCOPED_TRACE(topic);
    const json transcript = golden::read_json(std::string("client-transcripts/") + topic + ".json");
    for (const json& connection : transcript["connections"]) {
      conversation.take_connection(connection);
    }
  }
  const std::map<std::string, int> at_least = {{"connect request", 40}, {"connect response", 35},
                                               {"refusal", 3},          {"undecodable request", 3},
                                               {"trailing bytes", 1},   {"error", 40},
                                               {"request 1", 50},       {"request 15", 2},
                                               {"request 2", 10},       {"request 3", 5},
                                               {"request 4", 10},       {"request 5", 10},
                                               {"request 8", 5},        {"request 9", 3},
                                               {"request 11", 5},       {"request 12", 2},
                                               {"request -11", 20},     {"reply 1", 20},
                                               {"reply 15", 2},         {"reply 2", 3},
                                               {"reply 3", 3},          {"reply 4", 5},
                                               {"reply 5", 5},          {"reply 8", 3},
                                               {"reply 9", 3},          {"reply 11", 5},
                                               {"reply 12", 1},         {"reply -11", 20},
                                               {"event 1", 1},          {"event 2", 1},
                                               {"event 3", 1},          {"event 4", 1}};
  for (const auto& [kind, count] : at_least) EXPECT_GE(conversation.seen[kind], count) << kind;
}

// --- single facts

TEST(WireClient, PasswordIsApaches) {
  EXPECT_EQ(golden::to_hex(apache_session_password(SessionId{0x100001c776e0003})),
            "3d80fda4fd74d355b9997eaadb0919b4");
}

TEST(WireClient, ConnectResponseIsAsLongAsApaches) {
  ConnectResponse response;
  response.password = Bytes(16);
  EXPECT_EQ(encoded(response).size(), 36U);
  response.has_read_only = true;
  EXPECT_EQ(encoded(response).size(), 37U);
}

TEST(WireClient, NullPathIsAFailureOnlyWhereZooKeeperCallsItMalformed) {
  Bytes body;
  JuteWriter out(body);
  out.null_buffer();
  out.null_buffer();
  out.i32(-1);
  out.i32(0);
  EXPECT_FALSE(decode_create_request(body));
  EXPECT_FALSE(decode_path_version_request(body));
  EXPECT_FALSE(decode_path_watch_request(body));
  // setData answers "bad arguments" to it, as to an empty path; sync echoes it.
  const std::optional<SetDataRequest> set_data = decode_set_data_request(body);
  ASSERT_TRUE(set_data);
  EXPECT_EQ(set_data->path, "");
  EXPECT_TRUE(set_data->null_data);
  const std::optional<SyncRequest> sync = decode_sync_request(body);
  ASSERT_TRUE(sync);
  EXPECT_TRUE(sync->null_path);
  EXPECT_EQ(encoded(*sync), Bytes(4, 0xff));
}

TEST(WireClient, NullAclIsToldFromAnEmptyOne) {
  for (const bool null : {true, false}) {
    CreateRequest request;
    request.path = "/a";
    request.null_acl = null;
    const Bytes bytes = encoded(request);
    const std::optional<CreateRequest> back = decode_create_request(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->null_acl, null);
    EXPECT_EQ(encoded(*back), bytes);
  }
}

// A scheme that is null is one that nobody knows, which is found out behind other checks; beside
// "auth" nobody looks at the id.
TEST(WireClient, AclWithoutAnIdIsMalformed) {
  const std::optional<std::string_view> none;
  using Entry = std::pair<std::optional<std::string_view>, std::optional<std::string_view>>;
  const auto decodes = [](const Entry& entry) {
    Bytes body;
    JuteWriter out(body);
    out.string("/a");
    out.string("");
    out.i32(1);
    out.i32(kPermAll);
    for (const auto& text : {entry.first, entry.second}) {
      if (text) {
        out.string(*text);
      } else {
        out.null_buffer();
      }
    }
    out.i32(0);
    return decode_create_request(body).has_value();
  };
  EXPECT_FALSE(decodes({"world", none}));
  EXPECT_FALSE(decodes({"digest", none}));
  EXPECT_TRUE(decodes({"auth", none}));
  EXPECT_TRUE(decodes({none, "anyone"}));
  EXPECT_TRUE(decodes({none, none}));
}

TEST(WireClient, HugeAclCountCostsNothing) {
  Bytes body;
  JuteWriter out(body);
  out.string("/a");
  out.string("");
  out.i32(INT32_MAX);
  out.raw(Bytes(1000));
  EXPECT_FALSE(decode_create_request(body));
}

// --- properties

// `bytes` in an allocation of exactly their size, so that a sanitizer sees every read beyond.
template <class F>
void for_each_cut(const Bytes& bytes, F check) {
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    check(ByteView(cut));
  }
}

RC_GTEST_PROP(WireClientProperty, RequestsComeBackAndNoCutOfThemDecodes,
              (const std::string& path, const Bytes& data, int32_t number, bool flag)) {
  CreateRequest create{path, data, false, false, {{number, path, "id"}, {1, "", ""}}, number};
  if (flag) {
    create.data = {};
    create.null_data = true;
  }
  const Bytes create_bytes = encoded(create);
  const std::optional<CreateRequest> create_back = decode_create_request(create_bytes);
  RC_ASSERT(create_back.has_value());
  RC_ASSERT(create_back->path == path);
  RC_ASSERT(create_back->null_data == flag);
  RC_ASSERT(create_back->acl == create.acl);
  RC_ASSERT(create_back->flags == number);
  RC_ASSERT(encoded(*create_back) == create_bytes);
  for_each_cut(create_bytes, [](ByteView cut) { RC_ASSERT(!decode_create_request(cut)); });

  const Bytes delete_bytes = encoded(PathVersionRequest{path, number});
  const std::optional<PathVersionRequest> delete_back = decode_path_version_request(delete_bytes);
  RC_ASSERT(delete_back && delete_back->path == path && delete_back->version == number);
  for_each_cut(delete_bytes, [](ByteView cut) { RC_ASSERT(!decode_path_version_request(cut)); });

  const Bytes watch_bytes = encoded(PathWatchRequest{path, flag});
  const std::optional<PathWatchRequest> watch_back = decode_path_watch_request(watch_bytes);
  RC_ASSERT(watch_back && watch_back->path == path && watch_back->watch == flag);
  for_each_cut(watch_bytes, [](ByteView cut) { RC_ASSERT(!decode_path_watch_request(cut)); });

  const Bytes set_bytes = encoded(SetDataRequest{path, data, false, number});
  const std::optional<SetDataRequest> set_back = decode_set_data_request(set_bytes);
  RC_ASSERT(set_back && set_back->path == path && set_back->version == number);
  RC_ASSERT(Bytes(set_back->data.begin(), set_back->data.end()) == data);
  for_each_cut(set_bytes, [](ByteView cut) { RC_ASSERT(!decode_set_data_request(cut)); });

  const Bytes sync_bytes = encoded(SyncRequest{path, false});
  const std::optional<SyncRequest> sync_back = decode_sync_request(sync_bytes);
  RC_ASSERT(sync_back && sync_back->path == path && !sync_back->null_path);
  for_each_cut(sync_bytes, [](ByteView cut) { RC_ASSERT(!decode_sync_request(cut)); });
}

RC_GTEST_PROP(WireClientProperty, ConnectRecordsComeBack,
              (int64_t number, int32_t timeout, const Bytes& password, bool flag, bool read_only)) {
  ConnectRequest request;
  request.protocol_version = timeout;
  request.last_zxid_seen = Zxid::from_wire(number);
  request.timeout_ms = timeout;
  request.session = SessionId{number};
  request.password = password;
  request.has_read_only = flag;
  request.read_only = flag && read_only;
  const Bytes bytes = encoded(request);
  const std::optional<ConnectRequest> back = decode_connect_request(bytes);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->session == request.session);
  RC_ASSERT(back->last_zxid_seen == request.last_zxid_seen);
  RC_ASSERT(back->has_read_only == flag && back->read_only == request.read_only);
  RC_ASSERT(encoded(*back) == bytes);
  // Without its last byte it is the request of a client that knows no read-only servers.
  for_each_cut(bytes, [&](ByteView cut) {
    RC_ASSERT(decode_connect_request(cut).has_value() == (flag && cut.size() + 1 == bytes.size()));
  });

  const ConnectResponse response{timeout, SessionId{number}, password, flag, flag && read_only};
  const std::optional<ConnectResponse> response_back = decode_connect_response(encoded(response));
  RC_ASSERT(response_back.has_value());
  RC_ASSERT(response_back->password == password);
  RC_ASSERT(encoded(*response_back) == encoded(response));
}

RC_GTEST_PROP(WireClientProperty, RepliesComeBack, (int64_t a, int64_t b, int32_t c, int32_t d)) {
  const Stat stat{Zxid::from_wire(a),
                  Zxid::from_wire(b),
                  b,
                  a,
                  c,
                  d,
                  c ^ d,
                  a ^ b,
                  d,
                  c,
                  Zxid::from_wire(a + 1 > a ? a + 1 : 0)};
  RC_ASSERT(decode_stat(encoded(stat)) == stat);
  RC_ASSERT(encoded(stat).size() == 68U);
  const std::optional<ReplyHeader> header =
      decode_reply_header(encoded(ReplyHeader{c, a, static_cast<ErrorCode>(d)}));
  RC_ASSERT(header && header->xid == c && header->zxid == a);
  RC_ASSERT(static_cast<int32_t>(header->error) == d);
}

RC_GTEST_PROP(WireClientProperty, NoBytesCrash, ()) {
  const Bytes bytes =
      *rc::gen::container<Bytes>(rc::gen::weightedOneOf<Byte>({{3, rc::gen::just<Byte>(0)},
                                                               {2, rc::gen::inRange<Byte>(0, 8)},
                                                               {1, rc::gen::arbitrary<Byte>()}}));
  // What decodes is encoded to something that decodes to the same encoding.
  const auto stable = [&](auto decode) {
    const auto record = decode(ByteView(bytes));
    if (!record) return;
    const Bytes once = encoded(*record);
    const auto back = decode(ByteView(once));
    RC_ASSERT(back.has_value());
    RC_ASSERT(encoded(*back) == once);
  };
  stable(decode_connect_request);
  stable(decode_connect_response);
  stable(decode_request_header);
  stable(decode_reply_header);
  stable(decode_create_request);
  stable(decode_set_acl_request);
  stable(decode_path_request);
  stable(decode_auth_packet);
  const auto multi = decode_multi_request(bytes, Op::Multi);
  if (multi) {
    Bytes once;
    encode_multi_request(*multi, once);
    const auto back = decode_multi_request(once, Op::Multi);
    RC_ASSERT(back.has_value());
    RC_ASSERT(back->size() == multi->size());
  }
  stable(decode_path_version_request);
  stable(decode_path_watch_request);
  stable(decode_set_data_request);
  stable(decode_sync_request);
  stable(decode_stat);
  decode_watch_event(bytes);
}

}  // namespace
}  // namespace vivarium
