// Authorisation, generated from the one table: every operation against every permission, by every
// scheme, asked directly and within a multi, from the client's side of a server.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/sha.h"
#include "core/server/identity.h"
#include "core/tree/permissions.h"
#include "core/wire/jute.h"
#include "core/wire/multi.h"
#include "tests/unit/server_host.h"

namespace vivarium::server_test {
namespace {

constexpr int32_t kPerms[] = {kPermRead, kPermWrite, kPermCreate, kPermDelete, kPermAdmin};
constexpr std::string_view kAlice = "alice:secret";
constexpr std::string_view kSuper = "super:test";
constexpr std::string_view kHome = "10.0.0.1";
constexpr std::string_view kAbroad = "192.168.7.7";

std::string digest_of(std::string_view user) {
  return digest_id(as_bytes(user), DigestAlgorithm::Sha1);
}

// How somebody comes to match an entry, or not.
struct Scheme {
  std::string name;
  AclEntry entry;             // without perms
  std::string_view secret;    // of the auth packet of whoever matches; empty: none is needed
  std::string_view address;   // of whoever matches
  bool has_strangers = true;  // there is somebody who does not match
  bool grants_all = false;    // whatever the perms are
};

std::vector<Scheme> schemes() {
  return {
      {"world", {0, "world", "anyone"}, "", kHome, false},
      {"digest", {0, "digest", digest_of(kAlice)}, kAlice, kHome},
      {"auth", {0, "auth", ""}, kAlice, kHome},
      {"ip", {0, "ip", "10.0.0.0/8"}, "", kHome},
      {"super", {0, "digest", digest_of("nobody:else")}, kSuper, kHome, true, true},
  };
}

class Permissions : public testing::Test {
 protected:
  static Config config() {
    Config settings = ServerHost::default_config();
    settings.extended_types = true;
    settings.super_digest = Secret(digest_of(kSuper));
    return settings;
  }
  LinkId client(ServerHost& host, std::string_view address, std::string_view secret) {
    const LinkId link = host.open(address);
    host.send_frame(link, connect_request());
    host.settle();
    if (!secret.empty()) {
      host.send_frame(
          link, request_of(kXidAuth, Op::Auth, AuthPacket{"digest", false, as_bytes(secret)}));
    }
    host.settle();
    host.received(link);
    return link;
  }
  // /p and /p/c, one of them with the list in question; made by whoever "auth" shall stand for.
  void make_znodes(ServerHost& host, const Requirement& row, AclEntry entry, int32_t perms) {
    entry.perms = perms;
    const Acl asked = {entry};
    const LinkId owner = client(host, kHome, kAlice);
    const bool on_parent = row.of == AclOf::Parent;
    host.send_frame(owner, create(1, "/p", "x", CreateFlag::Persistent, anyone()));
    host.send_frame(owner, create(2, "/p/c", "x", CreateFlag::Persistent, anyone()));
    SetAclRequest set;
    set.path = on_parent ? "/p" : "/p/c";
    set.acl = asked;
    set.version = -1;
    host.send_frame(owner, request_of(3, Op::SetAcl, set));
    host.settle();
    for (const Bytes& reply : host.received(owner)) {
      ASSERT_EQ(decode_reply_header(reply)->error, ErrorCode::Ok);
    }
  }

  static std::optional<MultiOp> record_of(Op op) {
    CreateRequest made;
    made.path = "/p/new";
    made.acl = anyone();
    if (op == Op::CreateTtl) {
      made.flags = static_cast<int32_t>(CreateFlag::PersistentTtl);
      made.ttl_ms = 1000;
    }
    if (op == Op::Create || op == Op::Create2 || op == Op::CreateContainer || op == Op::CreateTtl) {
      return MultiOp{op, made};
    }
    if (op == Op::Delete || op == Op::Check) return MultiOp{op, PathVersionRequest{"/p/c", -1}};
    if (op == Op::SetData) return MultiOp{op, SetDataRequest{"/p/c", as_bytes("y"), false, -1}};
    if (op == Op::GetData || op == Op::GetChildren) {
      return MultiOp{op, PathWatchRequest{"/p/c", false}};
    }
    return std::nullopt;
  }
  // Body of the operation alone; nullopt: it cannot be asked for alone.
  static std::optional<Bytes> body_of(Op op) {
    Bytes body;
    if (op == Op::SetAcl) {
      SetAclRequest set;
      set.path = "/p/c";
      set.acl = anyone();
      set.version = -1;
      encode(set, body);
      return body;
    }
    if (op == Op::GetAcl || op == Op::GetAllChildrenNumber) {
      encode(PathRequest{"/p/c"}, body);
      return body;
    }
    if (op == Op::Exists || op == Op::GetChildren2) {
      encode(PathWatchRequest{"/p/c", false}, body);
      return body;
    }
    const auto record = record_of(op);
    if (!record || op == Op::Check) return std::nullopt;
    if (const auto* made = std::get_if<CreateRequest>(&record->record)) encode(*made, body, op);
    if (const auto* set = std::get_if<SetDataRequest>(&record->record)) encode(*set, body);
    if (const auto* path = std::get_if<PathWatchRequest>(&record->record)) encode(*path, body);
    if (const auto* gone = std::get_if<PathVersionRequest>(&record->record)) encode(*gone, body);
    return body;
  }

  ErrorCode ask_directly(ServerHost& host, LinkId link, Op op, const Bytes& body) {
    host.send_frame(link, request(7, op, body));
    host.settle();
    const auto replies = host.received(link);
    EXPECT_EQ(replies.size(), 1U);
    return replies.empty() ? ErrorCode::SystemError : decode_reply_header(replies[0])->error;
  }
  ErrorCode ask_in_multi(ServerHost& host, LinkId link, const MultiOp& op) {
    const bool reads = op.op == Op::GetData || op.op == Op::GetChildren;
    Bytes body;
    encode_multi_request({op}, body);
    host.send_frame(link, request(7, reads ? Op::MultiRead : Op::Multi, body));
    host.settle();
    const auto replies = host.received(link);
    EXPECT_EQ(replies.size(), 1U);
    if (replies.empty()) return ErrorCode::SystemError;
    EXPECT_EQ(decode_reply_header(replies[0])->error, ErrorCode::Ok);
    JuteReader in{ByteView(replies[0]).subspan(16)};
    const int32_t type = in.i32();
    (void)in.boolean();
    const auto error = static_cast<ErrorCode>(in.i32());
    return type == -1 ? error : ErrorCode::Ok;
  }

  size_t refused_ = 0;
  size_t allowed_ = 0;
  std::set<Op> direct_;
  std::set<Op> in_multi_;

  void expect_verdict(ErrorCode got, bool allowed) {
    EXPECT_EQ(got, allowed ? ErrorCode::Ok : ErrorCode::NoAuth);
    ++(allowed ? allowed_ : refused_);
  }
  void try_all(const Requirement& row, const Scheme& scheme, int32_t perms, bool matches) {
    const bool allowed = matches && (scheme.grants_all || (perms & row.perms) != 0);
    const auto body = body_of(row.op);
    const auto record = record_of(row.op);
    ASSERT_TRUE(body || record) << "an operation with a requirement that nobody can ask for";
    for (const bool directly : {true, false}) {
      if (directly ? !body.has_value() : !record.has_value()) continue;
      SCOPED_TRACE(std::string(directly ? "directly" : "in a multi"));
      ServerHost host(config());
      ASSERT_NO_FATAL_FAILURE(make_znodes(host, row, scheme.entry, perms));
      const LinkId link = client(host, matches ? scheme.address : kAbroad,
                                 matches ? scheme.secret : std::string_view("bob:secret"));
      if (directly) {
        expect_verdict(ask_directly(host, link, row.op, *body), allowed);
        direct_.insert(row.op);
      } else {
        expect_verdict(ask_in_multi(host, link, *record), allowed);
        in_multi_.insert(row.op);
      }
    }
  }
};

TEST_F(Permissions, EveryOperationByEveryPermissionAndSchemeAndWay) {
  for (const Requirement& row : all_requirements()) {
    // reconfig answers that it is disabled before it looks at an ACL.
    if (row.of == AclOf::Nobody || row.of == AclOf::Config) continue;
    for (const Scheme& scheme : schemes()) {
      for (const int32_t perms : kPerms) {
        for (const bool matches : {true, false}) {
          if (!matches && !scheme.has_strangers) continue;
          SCOPED_TRACE("operation " + std::to_string(static_cast<int>(row.op)) + " with " +
                       std::to_string(perms) + " for " + scheme.name +
                       (matches ? "" : ", by a stranger"));
          try_all(row, scheme, perms, matches);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
  EXPECT_EQ(direct_.size(), 13U);
  EXPECT_EQ(in_multi_.size(), 9U);
  EXPECT_GT(allowed_, 200U);
  EXPECT_GT(refused_, 700U);
}

// The same for ids that only TLS and SASL can give, and for what watches tell.
TEST(PermissionTable, EverySchemeThatIsEnabledGrantsWhatItsEntrySays) {
  const std::vector<AuthId> entries = {
      {"digest", "u:h"}, {"ip", "10.1.2.3"}, {"x509", "CN=u"}, {"sasl", "u@R"}};
  AclRules all;
  all.x509 = true;
  all.sasl = true;
  for (const AuthId& id : entries) {
    SCOPED_TRACE(id.scheme);
    AclRules without = all;
    without.digest = id.scheme != "digest";
    without.x509 = id.scheme != "x509";
    without.sasl = id.scheme != "sasl";
    const std::vector<AuthId> holder = {id};
    const std::vector<AuthId> stranger = {{id.scheme, "10.9.9.9"}, {"other", id.id}};
    for (const int32_t perms : kPerms) {
      const Acl acl = {{perms, id.scheme, id.id}};
      for (const Requirement& row : all_requirements()) {
        const bool asked = row.of != AclOf::Nobody;
        EXPECT_EQ(may(row.op, acl, holder, all), !asked || (perms & row.perms) != 0);
        EXPECT_EQ(may(row.op, acl, stranger, all), !asked);
        if (id.scheme != "ip") {
          EXPECT_EQ(may(row.op, acl, holder, without), !asked);
        }
        AclRules open = all;
        open.skip = true;
        EXPECT_TRUE(may(row.op, acl, stranger, open));
      }
      EXPECT_EQ(may_be_told(acl, holder, all), perms == kPermRead);
      EXPECT_FALSE(may_be_told(acl, stranger, all));
    }
  }
}

TEST(PermissionTable, HasARowForEveryOperation) {
  std::set<Op> rows;
  for (const Requirement& row : all_requirements()) {
    EXPECT_TRUE(rows.insert(row.op).second);
    EXPECT_EQ(row.of == AclOf::Nobody, row.perms == 0);
  }
  EXPECT_EQ(rows.size(), 33U);
}

TEST(Acls, WhichIdsMayBeSet) {
  AclRules rules;
  const std::vector<AuthId> ids = {{"ip", "10.0.0.1"}, {"digest", "u:h"}, {"sasl", "u"}};
  Acl resolved;
  const auto code = [&](std::string_view scheme, std::string_view id) {
    return resolve_acl({{1, std::string(scheme), std::string(id)}}, ids, rules, resolved);
  };
  EXPECT_EQ(code("x509", "CN=a"), ErrorCode::InvalidAcl);
  EXPECT_EQ(code("sasl", "u"), ErrorCode::InvalidAcl);
  EXPECT_EQ(code("world", "someone"), ErrorCode::InvalidAcl);
  EXPECT_EQ(code("super", ""), ErrorCode::InvalidAcl);
  EXPECT_EQ(code("", "anyone"), ErrorCode::InvalidAcl);
  ASSERT_EQ(code("auth", "whatever"), ErrorCode::Ok);
  EXPECT_EQ(resolved, (Acl{{1, "digest", "u:h"}}));
  rules.x509 = true;
  rules.sasl = true;
  ASSERT_EQ(code("auth", ""), ErrorCode::Ok);
  EXPECT_EQ(resolved, (Acl{{1, "digest", "u:h"}, {1, "sasl", "u"}}));
  for (const char* id : {"u", "", "u@R", "u/host@R"}) EXPECT_EQ(code("sasl", id), ErrorCode::Ok);
  for (const char* id : {"u@R@S", "u@R/x", "u/a/b@R"}) {
    EXPECT_EQ(code("sasl", id), ErrorCode::InvalidAcl) << id;
  }
  for (const char* id : {"CN=a", "CN=a,O=b", "CN=a\\,b, O=c", "CN=\"a,b\",C=x", "OU=x+CN=y", ""}) {
    EXPECT_EQ(code("x509", id), ErrorCode::Ok) << id;
  }
  for (const char* id : {"a", "=a", "CN=a,", "CN=a,b", "CN=\"a", "CN=a\\"}) {
    EXPECT_EQ(code("x509", id), ErrorCode::InvalidAcl) << id;
  }
  rules.digest = false;
  EXPECT_EQ(code("digest", "u:h"), ErrorCode::InvalidAcl);
}

TEST(Acls, AnySaslUserAsTheOperatorSays) {
  AclRules rules;
  rules.sasl = true;
  const Acl acl = {{kPermRead, "sasl", "everybody"}};
  const std::vector<AuthId> user = {{"sasl", "u"}};
  EXPECT_FALSE(acl_grants(acl, kPermRead, user, rules));
  rules.any_sasl_user = "everybody";
  EXPECT_TRUE(acl_grants(acl, kPermRead, user, rules));
  EXPECT_FALSE(acl_grants(acl, kPermRead, std::vector<AuthId>{{"digest", "u:h"}}, rules));
}

TEST(Acls, AListAsLongAsAPacketIsRefused) {
  Acl acl;
  for (int32_t i = 0; i < 80'000; ++i) acl.push_back({i, "world", "anyone"});
  Acl resolved;
  EXPECT_EQ(resolve_acl(acl, {}, AclRules{}, resolved), ErrorCode::InvalidAcl);
  acl.resize(kSetAclEntriesMax);
  EXPECT_EQ(resolve_acl(acl, {}, AclRules{}, resolved), ErrorCode::Ok);
}

TEST(Acls, ReadersWithoutAdminSeeNoHashes) {
  ServerHost host;
  const LinkId link = host.open();
  host.send_frame(link, connect_request());
  host.send_frame(link, create(1, "/a", "", CreateFlag::Persistent,
                               {{kPermRead, "world", "anyone"}, {kPermAll, "digest", "u:hash"}}));
  host.send_frame(link, request_of(2, Op::GetAcl, PathRequest{"/a"}));
  host.settle();
  const std::vector<Bytes> replies = host.received(link);
  ASSERT_EQ(replies.size(), 3U);
  const std::string_view body = as_text(replies[2]);
  EXPECT_NE(body.find("u:x"), std::string_view::npos);
  EXPECT_EQ(body.find("hash"), std::string_view::npos);
}

TEST(Sha, KnownAnswers) {
  const auto hex = [](ByteView bytes) {
    std::string text;
    for (const Byte byte : bytes) text += fmt::format("{:02x}", byte);
    return text;
  };
  EXPECT_EQ(hex(sha1(as_bytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(sha1({})), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(hex(sha1(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(base64(as_bytes("")), "");
  EXPECT_EQ(base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(base64(as_bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(digest_of(kSuper), "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
}

}  // namespace
}  // namespace vivarium::server_test
