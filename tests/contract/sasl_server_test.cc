// SaslServer against bytes that no client of good will sends. What such clients do is in
// tests/system/sasl_test.py and tests/system/kerberos_test.py.
#include "net/sasl_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <krb5/krb5.h>
#include <openssl/evp.h>
#include <rapidcheck.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace vivarium::contract {
namespace {

using State = SaslAnswer::State;
using testing::HasSubstr;

std::unique_ptr<SaslServer> server_for_bob() {
  SaslLogin login;
  login.users.emplace_back("bob", Secret("secret"));
  login.users.emplace_back("ann", Secret("other"));
  auto server = SaslServer::make(std::move(login), {}, {});
  EXPECT_TRUE(server) << server.error().message;
  return std::move(*server);
}

const LinkId kLink{1, 1};

std::string md5(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  unsigned size = 0;
  EXPECT_EQ(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr), 1);
  return std::string(digest.begin(), digest.begin() + size);
}

std::string hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

// What RFC 2831 has a client say to the challenge, on behalf of `acts_for` if that is not empty.
std::string response(const Bytes& challenge, const std::string& user, const std::string& password,
                     const std::string& acts_for = "") {
  const std::string text(as_text(challenge));
  const size_t begin = text.find("nonce=\"") + 7;
  const std::string nonce = text.substr(begin, text.find('"', begin) - begin);
  const std::string uri = "zookeeper/zk-sasl-md5";
  std::string a1 = md5(user + ":zk-sasl-md5:" + password) + ":" + nonce + ":c";
  if (!acts_for.empty()) a1 += ":" + acts_for;
  const std::string proof =
      hex(md5(hex(md5(a1)) + ":" + nonce + ":00000001:c:auth:" + hex(md5("AUTHENTICATE:" + uri))));
  std::string out = fmt::format(
      "charset=utf-8,username=\"{}\",realm=\"zk-sasl-md5\",nonce=\"{}\",nc=00000001,cnonce=\"c\","
      "digest-uri=\"{}\",response={},qop=auth",
      user, nonce, uri, proof);
  if (!acts_for.empty()) out += ",authzid=\"" + acts_for + "\"";
  return out;
}

TEST(SaslServer, BeginsWithAChallenge) {
  const auto server = server_for_bob();
  const SaslAnswer first = server->step(kLink, {});
  EXPECT_EQ(first.state, State::Continue);
  const std::string text(as_text(first.token));
  for (const char* part : {"realm=\"zk-sasl-md5\"", "qop=\"auth\"", "algorithm=md5-sess"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  // Each link has a challenge of its own.
  EXPECT_NE(server->step(LinkId{2, 1}, {}).token, first.token);
}

TEST(SaslServer, TheRightPasswordIsItsUser) {
  const auto server = server_for_bob();
  const auto answer_to = [&](const std::string& user, const std::string& password,
                             const std::string& acts_for) {
    const SaslAnswer first = server->step(kLink, {});
    EXPECT_EQ(first.state, State::Continue);
    return server->step(kLink, as_bytes(response(first.token, user, password, acts_for)));
  };
  for (const std::string acts_for : {"", "bob"}) {
    const SaslAnswer done = answer_to("bob", "secret", acts_for);
    EXPECT_EQ(done.state, State::Done);
    EXPECT_EQ(done.user, "bob");
    EXPECT_THAT(std::string(as_text(done.token)), HasSubstr("rspauth="));
  }
  // Nobody acts for another, whether or not there is such a user.
  EXPECT_EQ(answer_to("bob", "secret", "ann").state, State::Failed);
  EXPECT_EQ(answer_to("bob", "secret", "nobody").state, State::Failed);
  EXPECT_EQ(answer_to("bob", "other", "").state, State::Failed);
  EXPECT_EQ(answer_to("nobody", "secret", "").state, State::Failed);
  EXPECT_EQ(answer_to("nobody", "", "").state, State::Failed);
}

TEST(SaslServer, AResponseIsGoodForItsChallengeOnly) {
  const auto server = server_for_bob();
  const SaslAnswer first = server->step(kLink, {});
  const std::string once = response(first.token, "bob", "secret");
  EXPECT_EQ(server->step(kLink, as_bytes(once)).state, State::Done);
  EXPECT_EQ(server->step(kLink, {}).state, State::Continue);
  EXPECT_EQ(server->step(kLink, as_bytes(once)).state, State::Failed);
}

TEST(SaslServer, AfterAFailureTheNextOneBeginsAnew) {
  const auto server = server_for_bob();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(server->step(kLink, {}).state, State::Continue);
    EXPECT_EQ(server->step(kLink, as_bytes("username=\"bob\"")).state, State::Failed);
  }
  EXPECT_EQ(server->step(kLink, {}).state, State::Continue);
  server->forget(kLink);
  EXPECT_EQ(server->step(kLink, {}).state, State::Continue);
}

TEST(SaslServer, LongTokensAreNotLookedAt) {
  const auto server = server_for_bob();
  EXPECT_EQ(server->step(kLink, {}).state, State::Continue);
  EXPECT_EQ(server->step(kLink, Bytes(5000, 'a')).state, State::Failed);
}

TEST(SaslServer, NoBytesButTheRightOnesAreAnybody) {
  const auto server = server_for_bob();
  const bool held =
      rc::check("whatever comes behind the challenge fails", [&](const std::string& noise) {
        const SaslAnswer first = server->step(kLink, {});
        RC_ASSERT(first.state == State::Continue);
        const std::string challenge(as_text(first.token));
        const std::string begin = *rc::gen::element(
            std::string(), std::string("username=\"bob\",realm=\"zk-sasl-md5\",nc=00000001,"),
            "username=\"bob\"," + challenge + ",cnonce=\"x\",nc=00000001,response=");
        const SaslAnswer answer = server->step(kLink, as_bytes(begin + noise));
        RC_ASSERT(answer.state == State::Failed || answer.state == State::Continue);
        server->forget(kLink);
      });
  EXPECT_TRUE(held);
}

// A krb5.conf and a keytab, and no KDC.
class SaslByTicket : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "vivarium-kerberos-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::ofstream(folder_ / "krb5.conf") << "[libdefaults]\ndefault_realm = R\n";
    setenv("KRB5_CONFIG", (folder_ / "krb5.conf").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("KRB5_CONFIG");
    std::filesystem::remove_all(folder_);
  }
  std::string keytab(const std::vector<std::string>& principals) {
    const std::string path = folder_ / "keytab";
    krb5_context context = nullptr;
    krb5_keytab file = nullptr;
    EXPECT_EQ(krb5_init_context(&context), 0);
    EXPECT_EQ(krb5_kt_resolve(context, ("WRFILE:" + path).c_str(), &file), 0);
    for (const std::string& principal : principals) {
      krb5_keytab_entry entry = {};
      entry.vno = 1;
      EXPECT_EQ(krb5_parse_name(context, principal.c_str(), &entry.principal), 0);
      std::array<uint8_t, 32> bytes = {};  // nobody will show a ticket that is sealed with it
      entry.key.enctype = ENCTYPE_AES256_CTS_HMAC_SHA1_96;
      entry.key.length = bytes.size();
      entry.key.contents = bytes.data();
      EXPECT_EQ(krb5_kt_add_entry(context, file, &entry), 0);
      krb5_free_principal(context, entry.principal);
    }
    krb5_kt_close(context, file);
    krb5_free_context(context);
    return path;
  }
  Result<std::unique_ptr<SaslServer>> server_as(const std::string& principal,
                                                const std::string& keytab) {
    SaslLogin login;
    login.kerberos = KerberosLogin{keytab, principal};
    return SaslServer::make(std::move(login), {},
                            [this](LogLevel, std::string_view line) { lines_.emplace_back(line); });
  }

  std::filesystem::path folder_;
  std::vector<std::string> lines_;
};

TEST_F(SaslByTicket, TakesTheKeysOfItsPrincipalAndNoOthers) {
  const std::string path = keytab({"zookeeper/h@R", "other/h@R", "zookeeper/h@S", "zookeeper/h@R"});
  for (const std::string name : {"zookeeper/h@R", "zookeeper/h"}) {
    const auto server = server_as(name, path);
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_EQ((*server)->summary(), "GSSAPI as zookeeper/h@R, 2 keys of " + path);
  }
}

TEST_F(SaslByTicket, WhatIsMissingIsOneLine) {
  const auto complaint = [](const auto& server) { return server ? "" : server.error().message; };
  EXPECT_THAT(complaint(server_as("zookeeper/h", folder_ / "none")), HasSubstr("none"));
  const std::string path = keytab({"other/h@R"});
  EXPECT_EQ(complaint(server_as("zookeeper/h", path)),
            "Kerberos cannot be set up: " + path + " has no key of zookeeper/h@R");
  std::ofstream(folder_ / "torn") << "no keytab";
  EXPECT_THAT(complaint(server_as("zookeeper/h", folder_ / "torn")), HasSubstr("torn"));
  std::ofstream(folder_ / "krb5.conf") << "[libdefaults]\ndns_lookup_realm = false\n";
  EXPECT_THAT(complaint(server_as("zookeeper/h@R", path)), HasSubstr("the default realm"));
  EXPECT_FALSE(KerberosKeys::default_realm());
}

// The library says of such tokens that it goes on, and has nothing to go on with. Who believes it
// is crashed by any stranger.
TEST_F(SaslByTicket, ATokenOfAnotherKindIsNone) {
  const auto server = server_as("zookeeper/h", keytab({"zookeeper/h@R"}));
  ASSERT_TRUE(server) << server.error().message;
  const std::string mechanism = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
  using namespace std::string_literals;
  for (const std::string& kind : {"\x02\0"s, "\x03\0"s, "\x05\x04"s, "\0\0"s}) {
    const std::string inner = mechanism + kind + "body";
    const std::string token = '\x60' + std::string(1, static_cast<char>(inner.size())) + inner;
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ((*server)->step(kLink, as_bytes(token)).state, State::Failed);
    }
  }
  EXPECT_EQ(lines_.size(), 8U);
}

TEST_F(SaslByTicket, NoBytesAreAnybody) {
  const auto server = server_as("zookeeper/h", keytab({"zookeeper/h@R"}));
  ASSERT_TRUE(server) << server.error().message;
  // The head of a token of Kerberos and of an AP-REQ, and of SPNEGO.
  const std::string kerberos = "\x60\x1d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01";
  const std::string spnego = "\x60\x1d\x06\x06\x2b\x06\x01\x05\x05\x02";
  const bool held = rc::check(
      "whatever comes fails, and the next one begins anew", [&](const std::string& noise) {
        const std::string begin = *rc::gen::element(std::string(), kerberos,
                                                    kerberos + '\0' + "\x6e\x10\x30\x0e", spnego);
        const SaslAnswer answer = (*server)->step(kLink, as_bytes(begin + noise + "!"));
        RC_ASSERT(answer.state == State::Failed);
        RC_ASSERT(answer.token.empty() && answer.user.empty());
      });
  EXPECT_TRUE(held);
  EXPECT_EQ((*server)->step(kLink, Bytes(70'000, 'a')).state, State::Failed);
  ASSERT_FALSE(lines_.empty());
  for (const std::string& line : lines_) {
    EXPECT_THAT(line, testing::StartsWith("GSSAPI refused a client: "));
  }
}

}  // namespace
}  // namespace vivarium::contract
