// auth, sasl and whoAmI (client-protocol section 11), and the reads that came with them.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "core/server/identity.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

Bytes auth(std::string_view scheme, std::string_view data) {
  return request_of(kXidAuth, Op::Auth, AuthPacket{scheme, false, as_bytes(data)});
}

class ServerIdentity : public testing::Test {
 protected:
  LinkId connected(std::string_view address = "10.0.0.1",
                   std::string_view certificate_subject = {}) {
    const LinkId link = host.open(address, certificate_subject);
    host.send_frame(link, connect_request());
    host.settle();
    host.received(link);
    return link;
  }
  ReplyHeader reply_to(LinkId link, const Bytes& frame) {
    host.send_frame(link, frame);
    host.settle();
    const auto replies = host.received(link);
    EXPECT_EQ(replies.size(), 1U);
    if (replies.empty()) return {};
    body_ = Bytes(replies[0].begin() + 16, replies[0].end());
    return *decode_reply_header(replies[0]);
  }
  std::vector<std::string> who_am_i(LinkId link) {
    EXPECT_EQ(reply_to(link, request(1, Op::WhoAmI)).error, ErrorCode::Ok);
    JuteReader in(body_);
    std::vector<std::string> ids;
    for (size_t n = in.count(8); n > 0; --n) {
      const std::string scheme(in.string());
      ids.push_back(scheme + " " + std::string(in.string()));
    }
    EXPECT_TRUE(in.ok() && in.left() == 0);
    return ids;
  }

  ServerHost host;
  Bytes body_;
};

TEST_F(ServerIdentity, IdsAddUp) {
  const LinkId link = connected();
  EXPECT_EQ(who_am_i(link), std::vector<std::string>{"ip 10.0.0.1"});
  const ReplyHeader reply = reply_to(link, auth("digest", "alice:secret"));
  EXPECT_EQ(reply.xid, kXidAuth);
  EXPECT_EQ(reply.zxid, 0);
  EXPECT_EQ(reply.error, ErrorCode::Ok);
  EXPECT_EQ(reply_to(link, auth("digest", "alice:secret")).error, ErrorCode::Ok);
  EXPECT_EQ(reply_to(link, auth("digest", "nocolon")).error, ErrorCode::Ok);
  EXPECT_EQ(reply_to(link, auth("ip", "anything")).error, ErrorCode::Ok);
  EXPECT_EQ(who_am_i(link),
            (std::vector<std::string>{"ip 10.0.0.1", "digest alice", "digest nocolon"}));
}

TEST_F(ServerIdentity, AFailureEndsTheConnectionAndNotTheSession) {
  for (const std::string_view scheme : {"world", "nosuch", "super", "sasl", "x509", "auth", ""}) {
    SCOPED_TRACE(scheme);
    const LinkId link = connected();
    const size_t sessions = host.tree.sessions().size();
    const ReplyHeader reply = reply_to(link, auth(scheme, "a:b"));
    EXPECT_EQ(reply.error, ErrorCode::AuthFailed);
    EXPECT_EQ(reply.zxid, 0);
    EXPECT_EQ(host.end_of(link), LinkEnd::Drained);
    EXPECT_EQ(host.tree.sessions().size(), sessions);
  }
  const LinkId link = connected();
  EXPECT_EQ(reply_to(link, request(kXidAuth, Op::Auth, Bytes(3))).error, ErrorCode::AuthFailed);
  EXPECT_EQ(host.end_of(link), LinkEnd::Drained);
  EXPECT_EQ(host.world.audit_.size(), 8U);
}

TEST_F(ServerIdentity, DigestCanBeDisabled) {
  host.config.digest_auth = false;
  const LinkId link = connected();
  EXPECT_EQ(reply_to(link, auth("digest", "a:b")).error, ErrorCode::AuthFailed);
}

TEST_F(ServerIdentity, TheSuperUserIsWhoTheOperatorSays) {
  host.config.super_digest = Secret("super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
  const LinkId link = connected();
  reply_to(link, auth("digest", "super:wrong"));
  EXPECT_EQ(who_am_i(link).size(), 2U);
  reply_to(link, auth("digest", "super:test"));
  EXPECT_EQ(who_am_i(link).back(), "super ");
  EXPECT_EQ(reply_to(link, set_data(1, "/zookeeper/config", "x")).error, ErrorCode::Ok);
}

TEST_F(ServerIdentity, ACertificateIsAnIdOfItsHolder) {
  Config config = ServerHost::default_config();
  config.x509_ids = true;
  host = ServerHost(config);
  const LinkId alice = connected("10.0.0.1", "CN=alice,O=x");
  const LinkId bob = connected("10.0.0.1", "CN=bob,O=x");
  const LinkId plain = connected();
  EXPECT_EQ(who_am_i(alice), (std::vector<std::string>{"ip 10.0.0.1", "x509 CN=alice,O=x"}));
  EXPECT_EQ(who_am_i(plain), std::vector<std::string>{"ip 10.0.0.1"});
  const Acl acl = {{kPermAll, "x509", "CN=alice,O=x"}};
  EXPECT_EQ(reply_to(bob, create(1, "/a", "", CreateFlag::Persistent, acl)).error, ErrorCode::Ok);
  EXPECT_EQ(reply_to(bob, read(2, Op::GetData, "/a")).error, ErrorCode::NoAuth);
  EXPECT_EQ(reply_to(plain, set_data(2, "/a", "y")).error, ErrorCode::NoAuth);
  EXPECT_EQ(reply_to(alice, set_data(2, "/a", "x")).error, ErrorCode::Ok);
  EXPECT_EQ(reply_to(alice, read(3, Op::GetData, "/a")).error, ErrorCode::Ok);
  // "auth" in a list stands for it.
  EXPECT_EQ(
      reply_to(alice, create(4, "/b", "", CreateFlag::Persistent, {{kPermAll, "auth", ""}})).error,
      ErrorCode::Ok);
  EXPECT_EQ(reply_to(bob, read(5, Op::GetData, "/b")).error, ErrorCode::NoAuth);
  // A packet adds nothing to what TLS knows.
  EXPECT_EQ(reply_to(alice, auth("x509", "")).error, ErrorCode::Ok);
  EXPECT_EQ(reply_to(plain, auth("x509", "CN=alice,O=x")).error, ErrorCode::AuthFailed);
}

TEST_F(ServerIdentity, TheSuperUserMayBeACertificate) {
  Config config = ServerHost::default_config();
  config.x509_ids = true;
  config.x509_super_user = "CN=root";
  host = ServerHost(config);
  const LinkId root = connected("10.0.0.1", "CN=root");
  EXPECT_EQ(who_am_i(root),
            (std::vector<std::string>{"ip 10.0.0.1", "x509 CN=root", "super CN=root"}));
  EXPECT_EQ(reply_to(root, set_data(1, "/zookeeper/config", "x")).error, ErrorCode::Ok);
  const LinkId other = connected("10.0.0.1", "CN=root,O=x");
  EXPECT_EQ(reply_to(other, set_data(1, "/zookeeper/config", "x")).error, ErrorCode::NoAuth);
}

TEST_F(ServerIdentity, WithoutTheSchemeACertificateIsNoId) {
  const LinkId link = connected("10.0.0.1", "CN=alice");
  EXPECT_EQ(who_am_i(link), std::vector<std::string>{"ip 10.0.0.1"});
}

Bytes sasl(std::string_view token) {
  Bytes body;
  JuteWriter(body).buffer(as_bytes(token));
  return request(7, Op::Sasl, body);
}

TEST_F(ServerIdentity, SaslTakesItsStepsAndAddsAnId) {
  host.world.has_sasl_ = true;
  host.config.auth.sasl_super_users = {"ROOT"};
  const LinkId link = connected();
  EXPECT_EQ(reply_to(link, sasl("?")).error, ErrorCode::Ok);
  EXPECT_EQ(body_, (Bytes{0, 0, 0, 3, 'w', 'h', 'o'}));
  EXPECT_EQ(who_am_i(link), std::vector<std::string>{"ip 10.0.0.1"});
  const ReplyHeader done = reply_to(link, sasl("BOB"));
  EXPECT_EQ(done.error, ErrorCode::Ok);
  EXPECT_EQ(done.zxid, 0);
  EXPECT_EQ(body_, (Bytes{0, 0, 0, 2, 'o', 'k'}));
  EXPECT_EQ(who_am_i(link), (std::vector<std::string>{"ip 10.0.0.1", "sasl BOB"}));
  EXPECT_EQ(reply_to(link, sasl("ROOT")).error, ErrorCode::Ok);
  EXPECT_EQ(who_am_i(link).back(), "super ");
}

// Java's clients take a token of nothing for the end of GSSAPI, and wait behind an empty one.
TEST_F(ServerIdentity, SaslWithNothingMoreToSayEndsWithATokenOfNothing) {
  host.world.has_sasl_ = true;
  host.world.sasl_ends_silently_ = true;
  const LinkId link = connected();
  EXPECT_EQ(reply_to(link, sasl("BOB")).error, ErrorCode::Ok);
  EXPECT_EQ(body_, (Bytes{0xff, 0xff, 0xff, 0xff}));
  EXPECT_EQ(who_am_i(link).back(), "sasl BOB");
}

TEST_F(ServerIdentity, SaslThatFailsEndsTheConnectionUnlessItMayStay) {
  host.world.has_sasl_ = true;
  const LinkId link = connected();
  const ReplyHeader reply = reply_to(link, sasl("nobody"));
  EXPECT_EQ(reply.error, ErrorCode::AuthFailed);
  EXPECT_EQ(body_, (Bytes{0xff, 0xff, 0xff, 0xff}));
  EXPECT_EQ(host.end_of(link), LinkEnd::Drained);
  const LinkId garbled = connected();
  EXPECT_EQ(reply_to(garbled, request(7, Op::Sasl, Bytes(2))).error, ErrorCode::AuthFailed);
  host.config.auth.stays_after_failed_sasl = true;
  const LinkId staying = connected();
  EXPECT_EQ(reply_to(staying, sasl("nobody")).error, ErrorCode::Ok);
  EXPECT_EQ(who_am_i(staying), std::vector<std::string>{"ip 10.0.0.1"});
  host.config.auth.sasl_demanded = true;
  const LinkId demanded = connected();
  EXPECT_EQ(reply_to(demanded, sasl("nobody")).error, ErrorCode::SessionClosedRequireSaslAuth);
  EXPECT_EQ(host.end_of(demanded), LinkEnd::Drained);
}

TEST_F(ServerIdentity, WhoHasToSayWhoItIsMayDoNothingBefore) {
  host.config.auth.demanded = {"digest", "sasl"};
  host.world.has_sasl_ = true;
  for (const Bytes& first : {read(1, Op::GetData, "/"), create(1, "/a"), sync(1, "/"),
                             request(kXidPing, Op::Ping), request(1, Op::CloseSession)}) {
    const LinkId link = connected();
    const ReplyHeader reply = reply_to(link, first);
    EXPECT_EQ(reply.error, ErrorCode::SessionClosedRequireSaslAuth);
    EXPECT_EQ(reply.zxid, 0);
    EXPECT_EQ(host.end_of(link), LinkEnd::Drained);
  }
  EXPECT_EQ(host.tree.node_count(), ServerHost().tree.node_count());
  const LinkId by_digest = connected();
  EXPECT_EQ(reply_to(by_digest, auth("digest", "a:b")).error, ErrorCode::Ok);
  EXPECT_EQ(reply_to(by_digest, create(1, "/a")).error, ErrorCode::Ok);
  const LinkId by_sasl = connected();
  EXPECT_EQ(reply_to(by_sasl, sasl("?")).error, ErrorCode::Ok);
  EXPECT_EQ(reply_to(by_sasl, sasl("BOB")).error, ErrorCode::Ok);
  EXPECT_EQ(reply_to(by_sasl, read(2, Op::GetData, "/a")).error, ErrorCode::Ok);
}

TEST_F(ServerIdentity, NobodyIsSuperWithoutADigest) {
  const LinkId link = connected();
  for (const std::string_view secret : {"", ":", "super:", "super:test"}) {
    EXPECT_EQ(reply_to(link, auth("digest", secret)).error, ErrorCode::Ok);
  }
  EXPECT_EQ(reply_to(link, set_data(1, "/zookeeper/config", "x")).error, ErrorCode::NoAuth);
}

TEST_F(ServerIdentity, AnotherHashAsTheOperatorSays) {
  EXPECT_EQ(digest_id(as_bytes("super:test"), DigestAlgorithm::Sha256),
            "super:wjySwxg860UATFtciuZ1lpzrCHrPeov6SPu/ZD56uig=");
}

// What a request may do is settled when it is read: an auth behind it comes too late, and its
// answer waits for the request's.
TEST_F(ServerIdentity, RequestsKeepTheIdsTheyWereReadWith) {
  const LinkId link = connected();
  const std::string id = digest_id(as_bytes("u:p"), DigestAlgorithm::Sha1);
  reply_to(link, create(1, "/shut", "", CreateFlag::Persistent, {{kPermAll, "digest", id}}));
  host.commits_by_itself = false;
  host.send_frame(link, create(2, "/a"));
  host.send_frame(link, read(3, Op::GetData, "/shut"));
  host.send_frame(link, auth("digest", "u:p"));
  host.send_frame(link, read(4, Op::GetData, "/shut"));
  host.settle();
  EXPECT_TRUE(host.received(link).empty());
  host.commits_by_itself = true;
  host.settle();
  std::vector<std::pair<int32_t, ErrorCode>> seen;
  for (const Bytes& reply : host.received(link)) {
    const auto header = decode_reply_header(reply);
    seen.emplace_back(header->xid, header->error);
  }
  EXPECT_EQ(seen, (std::vector<std::pair<int32_t, ErrorCode>>{{2, ErrorCode::Ok},
                                                              {3, ErrorCode::NoAuth},
                                                              {kXidAuth, ErrorCode::Ok},
                                                              {4, ErrorCode::Ok}}));
}

TEST_F(ServerIdentity, AFailureWaitsForTheAnswersBeforeIt) {
  const LinkId link = connected();
  host.commits_by_itself = false;
  host.send_frame(link, create(1, "/a"));
  host.send_frame(link, auth("nosuch", ""));
  host.send_frame(link, create(2, "/never"));
  host.settle();
  EXPECT_EQ(host.end_of(link), LinkEnd::Open);
  host.commits_by_itself = true;
  host.settle();
  EXPECT_EQ(host.received(link).size(), 2U);
  EXPECT_EQ(host.end_of(link), LinkEnd::Drained);
  EXPECT_EQ(host.tree.find("/never"), DataTree::kNone);
}

TEST_F(ServerIdentity, IdsAreLimited) {
  const LinkId link = connected();
  ErrorCode last = ErrorCode::Ok;
  int added = 0;
  for (; last == ErrorCode::Ok && added < 200; ++added) {
    last = reply_to(link, auth("digest", "u" + std::to_string(added) + ":p")).error;
  }
  EXPECT_EQ(last, ErrorCode::AuthFailed);
  EXPECT_EQ(added, 100);
  const LinkId other = connected();
  EXPECT_EQ(reply_to(other, auth("digest", std::string(100'000, 'x'))).error,
            ErrorCode::AuthFailed);
}

TEST_F(ServerIdentity, SaslIsNotSetUp) {
  const LinkId link = connected();
  Bytes token;
  JuteWriter(token).string("token");
  const ReplyHeader reply = reply_to(link, request(5, Op::Sasl, token));
  EXPECT_EQ(reply.xid, 5);
  EXPECT_EQ(reply.zxid, 0);
  EXPECT_EQ(reply.error, ErrorCode::Ok);
  EXPECT_EQ(body_, (Bytes{0xff, 0xff, 0xff, 0xff}));
}

TEST_F(ServerIdentity, EphemeralsAreTheCallersOwn) {
  const LinkId link = connected();
  const LinkId other = connected("10.0.0.2");
  for (const std::string_view path : {"/e1", "/e2", "/f"}) {
    reply_to(link, create(1, path, "", CreateFlag::Ephemeral));
  }
  reply_to(other, create(1, "/e3", "", CreateFlag::Ephemeral));
  const auto ephemerals = [&](std::string_view prefix, bool null = false) {
    EXPECT_EQ(reply_to(link, request_of(2, Op::GetEphemerals, SyncRequest{prefix, null})).error,
              ErrorCode::Ok);
    JuteReader in(body_);
    std::set<std::string> paths;
    for (size_t n = in.count(4); n > 0; --n) paths.emplace(in.string());
    return paths;
  };
  const std::set<std::string> all = {"/e1", "/e2", "/f"};
  EXPECT_EQ(ephemerals("/"), all);
  EXPECT_EQ(ephemerals(" "), all);
  EXPECT_EQ(ephemerals("", true), all);
  EXPECT_EQ(ephemerals("/e"), (std::set<std::string>{"/e1", "/e2"}));
  EXPECT_TRUE(ephemerals("/x").empty());
}

TEST_F(ServerIdentity, AllChildrenAreCounted) {
  const LinkId link = connected();
  for (const std::string_view path : {"/a", "/a/b", "/a/b/c", "/a/d", "/e"}) {
    reply_to(link, create(1, path));
  }
  const auto count = [&](std::string_view path) {
    EXPECT_EQ(reply_to(link, request_of(2, Op::GetAllChildrenNumber, PathRequest{path})).error,
              ErrorCode::Ok);
    return JuteReader(body_).i32();
  };
  EXPECT_EQ(count("/"), 8);  // /zookeeper and its two too
  EXPECT_EQ(count("/a"), 3);
  EXPECT_EQ(count("/a/b"), 1);
  EXPECT_EQ(count("/a/d"), 0);
  EXPECT_EQ(reply_to(link, request_of(2, Op::GetAllChildrenNumber, PathRequest{"/no"})).error,
            ErrorCode::NoNode);
}

TEST_F(ServerIdentity, AMultiReadThatFitsNoBufferIsRefused) {
  const LinkId link = connected();
  reply_to(link, create(1, "/big", std::string(900'000, 'x')));
  Bytes body;
  encode_multi_request(
      std::vector<MultiOp>(200, MultiOp{Op::GetData, PathWatchRequest{"/big", false}}), body);
  EXPECT_EQ(reply_to(link, request(2, Op::MultiRead, body)).error, ErrorCode::MarshallingError);
  EXPECT_TRUE(body_.empty());
}

// Results of a multi are of the kinds that were asked for, whatever its txn says (RULES 13).
TEST_F(ServerIdentity, ACreate2InAMultiIsAnsweredAsOne) {
  const LinkId link = connected();
  CreateRequest made;
  made.path = "/a";
  made.acl = anyone();
  std::vector<MultiOp> ops = {{Op::Create2, made}};
  made.path = "/b";
  ops.push_back({Op::Create, made});
  made.path = "/c";
  ops.push_back({Op::CreateContainer, made});
  Bytes body;
  encode_multi_request(ops, body);
  EXPECT_EQ(reply_to(link, request(2, Op::Multi, body)).error, ErrorCode::Ok);
  JuteReader in(body_);
  std::vector<int32_t> types;
  for (;;) {
    types.push_back(in.i32());
    const bool done = in.boolean();
    (void)in.i32();
    if (done) break;
    (void)in.string();
    if (types.back() == 15) (void)in.take(68);
  }
  EXPECT_TRUE(in.ok() && in.left() == 0);
  EXPECT_EQ(types, (std::vector<int32_t>{15, 1, 15, -1}));
}

TEST_F(ServerIdentity, AMovedSessionsMultiEndsItsConnection) {
  const LinkId link = connected();
  const SessionId session = host.tree.sessions().begin()->first;
  host.tracker().set_owner(session, ServerId{9});
  Bytes body;
  encode_multi_request({MultiOp{Op::Check, PathVersionRequest{"/", -1}}}, body);
  host.send_frame(link, request(2, Op::Multi, body));
  host.settle();
  EXPECT_TRUE(host.received(link).empty());
  EXPECT_EQ(host.end_of(link), LinkEnd::Drained);
}

}  // namespace
}  // namespace vivarium::server_test
