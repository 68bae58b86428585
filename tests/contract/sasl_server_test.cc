// SaslServer against bytes that no client of good will sends. What such clients do is in
// tests/system/sasl_test.py.
#include "net/sasl_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <rapidcheck.h>

#include <array>
#include <string>
#include <utility>

namespace vivarium::contract {
namespace {

using State = SaslAnswer::State;
using testing::HasSubstr;

std::unique_ptr<SaslServer> server_for_bob() {
  SaslUsers users;
  users.emplace_back("bob", Secret("secret"));
  users.emplace_back("ann", Secret("other"));
  auto server = SaslServer::make(std::move(users));
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
}

}  // namespace
}  // namespace vivarium::contract
