// Links behind doors with TLS: the bytes, ends and credit of the contract, who the core is told of,
// what strangers cost, and files that change. The clients are OpenSSL's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

#include "net/epoll_loop.h"
#include "net/socket_address.h"
#include "tests/contract/actor.h"
#include "tests/contract/real_worlds.h"
#include "tests/contract/tls_material.h"

namespace vivarium::contract {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// One loop with a door for TLS, one for both, and what its core would see.
class TlsLinks : public testing::Test {
 protected:
  struct Accepted {
    LinkId link;
    std::string subject;
    Bytes bytes;
    bool down = false;
    bool drained = false;
  };

  const Identity authority = make_authority("Authority");
  const Identity stranger_authority = make_authority("Elsewhere");
  const Identity server = make_identity(authority, "server");
  const Identity alice =
      make_identity(authority, {{{"O", "Example"}, {"CN", "alice"}}, 30, "", ""});

  TlsSettings settings;
  uint64_t credit = 1 << 30;
  Duration deadline = milliseconds(10'000);

  void SetUp() override {
    settings.secure_client = {"127.0.0.1", 1};
    settings.on_client_port = true;
    settings.key_store = {path("key.pem"), StoreType::Pem, Secret(), ""};
    settings.trust_store = {path("trust.pem"), StoreType::Pem, Secret(), ""};
    write("key.pem", key_store_pem(server));
    write("trust.pem", pem_of(authority.certificate.get()));
  }
  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name) + ".new", std::ios::binary) << text;
    std::filesystem::rename(path(name) + ".new", path(name));
  }

  void start() {
    const auto context = TlsContext::load(settings);
    ASSERT_TRUE(context) << context.error().message;
    LoopOptions options;
    options.tls = *context;
    options.handshake_deadline = deadline;
    options.log = [this](LogLevel, std::string_view line) { lines.emplace_back(line); };
    options.doors.push_back({Door::Client, {"127.0.0.1", 0}, false, {DoorTls::Either}});
    options.doors.push_back({Door::Client, {"127.0.0.1", 0}, false, {DoorTls::Tls}});
    auto disk = FileDisk::make({disk_directory_.path(), "", {}, {}, {}});
    ASSERT_TRUE(disk) << disk.error().message;
    auto made = EpollLoop::make(std::move(options), std::move(*disk),
                                [this](const Event& event, World& world) { take(event, world); });
    ASSERT_TRUE(made) << made.error().message;
    loop = std::move(*made);
    loop->turn(0);
  }
  void take(const Event& event, World& world) {
    if (const auto* e = std::get_if<LinkAccepted>(&event)) {
      accepted.push_back({e->link, std::string(e->certificate_subject), {}});
      EXPECT_EQ(e->remote_address, "127.0.0.1");
      world.give_credit(e->link, credit);
    } else if (const auto* bytes = std::get_if<LinkBytes>(&event)) {
      append_bytes(of(bytes->link).bytes, bytes->bytes);
    } else if (const auto* down = std::get_if<LinkDown>(&event)) {
      of(down->link).down = true;
    } else if (const auto* drained = std::get_if<LinkDrained>(&event)) {
      of(drained->link).drained = true;
    }
  }
  Accepted& of(LinkId link) {
    const auto found = std::find_if(accepted.begin(), accepted.end(),
                                    [&](const Accepted& one) { return one.link == link; });
    EXPECT_NE(found, accepted.end());
    return *found;
  }

  std::unique_ptr<TlsClient> client(const Identity* identity) {
    return std::make_unique<TlsClient>(loop->tls_port(), TlsClient::Options{identity, &authority});
  }
  Fd plain_client(uint16_t port) {
    const auto to = resolve_literal({"127.0.0.1", port});
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), to->front().get(), to->front().length), 0);
    return fd;
  }
  // Turns the loop and the clients until done() holds.
  template <class Done>
  void until(const std::vector<TlsClient*>& clients, Done done, const char* what) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "not seen in time: " << what;
      for (TlsClient* one : clients) one->pump();
      loop->turn(1);
    }
  }
  // Behind whatever alert there may be.
  bool is_closed(const Fd& fd) {
    std::array<Byte, 100> alert;
    ssize_t n = 0;
    do {
      n = recv(fd.get(), alert.data(), alert.size(), MSG_DONTWAIT);
    } while (n > 0);
    return n == 0 || errno != EAGAIN;
  }
  int64_t metric(const std::string& name) const {
    const MetricTable::Numbers gauges = loop->metrics()->gauges();
    const auto gauge = gauges.find(name);
    return gauge != gauges.end() ? gauge->second : loop->metrics()->counter(name);
  }
  size_t said(const std::string& part) const {
    return static_cast<size_t>(std::count_if(lines.begin(), lines.end(), [&](const auto& line) {
      return line.find(part) != std::string::npos;
    }));
  }
  // A client that may come in, does.
  void expect_served(const Identity* identity, const std::string& subject) {
    const auto one = client(identity);
    const size_t before = accepted.size();
    until(
        {one.get()}, [&] { return accepted.size() > before && one->connected(); }, "a client");
    EXPECT_EQ(accepted.back().subject, subject);
  }
  // One line a second says why: the client tries until one does.
  void expect_refused(const Identity* identity, const std::string& why) {
    const size_t before = accepted.size();
    const size_t told = said(why);
    std::unique_ptr<TlsClient> one;
    until(
        {},
        [&] {
          if (one == nullptr || one->ended()) one = client(identity);
          one->pump();
          return said(why) > told;
        },
        why.c_str());
    EXPECT_EQ(accepted.size(), before);
    EXPECT_GT(metric("unsuccessful_handshake"), 0);
  }

  std::unique_ptr<EpollLoop> loop;
  std::vector<Accepted> accepted;
  std::vector<std::string> lines;

 private:
  const TemporaryDirectory directory_;
  const TemporaryDirectory disk_directory_;
};

TEST_F(TlsLinks, BytesPassBothWaysAndTheCoreIsToldWhoItIs) {
  start();
  const auto one = client(&alice);
  const Bytes up = pattern(3'000'000, 1);
  const Bytes down = pattern(5'000'000, 2);
  one->send(up);
  until(
      {one.get()}, [&] { return accepted.size() == 1; }, "LinkAccepted");
  EXPECT_EQ(accepted[0].subject, "CN=alice,O=Example");
  loop->act([&](World& world) {
    world.send(accepted[0].link, ByteView(down).first(10));
    world.send_shared(accepted[0].link,
                      std::make_shared<const Bytes>(down.begin() + 10, down.end()));
  });
  until(
      {one.get()},
      [&] {
        return one->received().size() == down.size() && accepted[0].bytes.size() == up.size();
      },
      "all bytes");
  EXPECT_TRUE(accepted[0].bytes == up);
  EXPECT_TRUE(one->received() == down);
  EXPECT_EQ(one->server_subject(), "CN=server");
  EXPECT_TRUE(accepted[0].drained);
}

TEST_F(TlsLinks, NothingArrivesBeyondTheCredit) {
  credit = 1000;
  start();
  const auto one = client(&alice);
  const Bytes sent = pattern(100'000, 1);
  one->send(sent);
  until(
      {one.get()}, [&] { return !accepted.empty() && !accepted[0].bytes.empty(); }, "bytes");
  one->say_end();
  for (size_t given = credit; given < 50'000; given += 777) {
    for (int i = 0; i < 3; ++i) loop->turn(0);
    ASSERT_LE(accepted[0].bytes.size(), given);
    loop->act([&](World& world) { world.give_credit(accepted[0].link, 777); });
  }
  EXPECT_FALSE(accepted[0].down);
  loop->act([&](World& world) { world.give_credit(accepted[0].link, 100'000); });
  until(
      {one.get()}, [&] { return accepted[0].down; }, "LinkDown behind all bytes");
  EXPECT_TRUE(accepted[0].bytes == sent);
}

TEST_F(TlsLinks, AReaderThatIsSlowHoldsNobodyUpAndGetsAllOfIt) {
  start();
  const auto slow = client(&alice);
  const auto quick = client(&alice);
  until(
      {slow.get()}, [&] { return accepted.size() == 1; }, "the slow one");
  until(
      {slow.get(), quick.get()}, [&] { return accepted.size() == 2; }, "the quick one");
  slow->hold_still(true);
  const Bytes much = pattern(20'000'000, 1);
  loop->act([&](World& world) { world.send(accepted[0].link, much); });
  loop->act([&](World& world) { world.send(accepted[1].link, as_bytes("at once")); });
  until(
      {slow.get(), quick.get()}, [&] { return quick->received().size() == 7; }, "the short one");
  loop->act([&](World& world) { EXPECT_GT(world.unsent(accepted[0].link), 10'000'000U); });
  slow->hold_still(false);
  until(
      {slow.get()}, [&] { return slow->received().size() == much.size(); }, "the long one");
  EXPECT_TRUE(slow->received() == much);
  until(
      {slow.get()}, [&] { return accepted[0].drained; }, "LinkDrained");
  EXPECT_FALSE(accepted[1].drained);
}

TEST_F(TlsLinks, ACloseThatDrainsEndsWithCloseNotify) {
  start();
  const auto one = client(&alice);
  until(
      {one.get()}, [&] { return accepted.size() == 1; }, "LinkAccepted");
  const Bytes last = pattern(300'000, 1);
  loop->act([&](World& world) {
    world.send(accepted[0].link, last);
    world.close(accepted[0].link, true);
  });
  until(
      {one.get()}, [&] { return one->ended(); }, "the end");
  EXPECT_TRUE(one->saw_close_notify());
  EXPECT_TRUE(one->received() == last);
  EXPECT_FALSE(accepted[0].down);
}

TEST_F(TlsLinks, EveryWayOfLeavingIsLinkDownBehindTheBytes) {
  start();
  for (const bool farewell : {true, false}) {
    for (const uint64_t new_credit : {uint64_t{1 << 20}, uint64_t{0}}) {
      credit = new_credit;
      const size_t index = accepted.size();
      const auto one = client(&alice);
      until(
          {one.get()}, [&] { return accepted.size() > index && one->connected(); }, "a link");
      if (credit != 0) one->send(pattern(5000, 1));
      until(
          {one.get()}, [&] { return one->unsent() == 0; }, "what it sends");
      if (farewell) one->say_end();
      one->close();
      until(
          {}, [&] { return accepted[index].down; }, "LinkDown");
      EXPECT_EQ(accepted[index].bytes.size(), credit != 0 ? 5000U : 0U);
    }
  }
}

TEST_F(TlsLinks, WithoutACertificateWhereOneIsNeeded) {
  start();
  expect_refused(nullptr, "peer did not return a certificate");
  expect_served(&alice, "CN=alice,O=Example");
}

TEST_F(TlsLinks, WithoutACertificateWhereOneIsWanted) {
  settings.client_auth = ClientAuth::Want;
  start();
  expect_served(nullptr, "");
  expect_served(&alice, "CN=alice,O=Example");
  const Identity mallory = make_identity(stranger_authority, "alice");
  expect_refused(&mallory, "certificate verify failed: unable to get local issuer certificate");
}

TEST_F(TlsLinks, WithACertificateWhereNoneIsAskedFor) {
  settings.client_auth = ClientAuth::None;
  settings.trust_store = {};
  start();
  expect_served(&alice, "");
}

TEST_F(TlsLinks, CertificatesThatDoNotHold) {
  start();
  const Identity other = make_identity(stranger_authority, "alice");
  const Identity expired = make_identity(authority, {{{"CN", "late"}}, -1, "", ""});
  const Identity for_servers = make_identity(authority, {{{"CN", "s"}}, 30, "", "serverAuth"});
  const Identity pretender = make_authority("Authority");  // the same name, another key
  const Identity forged = make_identity(pretender, "alice");
  expect_refused(&other, "unable to get local issuer certificate");
  expect_refused(&expired, "certificate has expired");
  expect_refused(&for_servers, "unsuitable certificate purpose");
  expect_refused(&forged, "certificate signature failure");
  expect_served(&alice, "CN=alice,O=Example");
}

TEST_F(TlsLinks, RevokedCertificates) {
  const Identity bob = make_identity(authority, "bob");
  settings.check_revoked = true;
  EXPECT_THAT(TlsContext::load(settings).error().message, HasSubstr("ssl.crl: there is no list"));
  write("trust.pem",
        pem_of(authority.certificate.get()) + pem_of_revoked(authority, bob.certificate.get()));
  start();
  expect_refused(&bob, "certificate revoked");
  expect_served(&alice, "CN=alice,O=Example");
}

TEST_F(TlsLinks, ACertificateMayHaveToNameTheAddress) {
  settings.check_address = true;
  start();
  const Identity here = make_identity(authority, {{{"CN", "here"}}, 30, "127.0.0.1", ""});
  const Identity there = make_identity(authority, {{{"CN", "there"}}, 30, "10.0.0.1", ""});
  expect_served(&here, "CN=here");
  expect_refused(&there, "the certificate of CN=there does not name that address");
  expect_refused(&alice, "does not name that address");
}

TEST_F(TlsLinks, OldVersionsAreRefusedAndRenegotiationToo) {
  start();
  TlsClient old(loop->tls_port(), {&alice, &authority, TLS1_1_VERSION});
  until(
      {&old}, [&] { return old.ended(); }, "the end of the old one");
  EXPECT_THAT(accepted, IsEmpty());
  TlsClient one(loop->tls_port(), {&alice, &authority, TLS1_2_VERSION});
  until(
      {&one}, [&] { return accepted.size() == 1 && one.connected(); }, "TLS 1.2");
  EXPECT_STREQ(SSL_get_version(one.ssl()), "TLSv1.2");
  EXPECT_EQ(SSL_renegotiate(one.ssl()), 1);
  SSL_do_handshake(one.ssl());
  one.send(as_bytes("behind it"));
  until(
      {&one}, [&] { return one.ended() || accepted[0].bytes.size() == 9; }, "an answer");
  EXPECT_EQ(SSL_num_renegotiations(one.ssl()), 1);
  EXPECT_TRUE(one.ended()) << "a renegotiation was carried out";
}

TEST_F(TlsLinks, CipherSuitesByTheNamesOfTheRfcs) {
  settings.cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  start();
  const auto one = client(&alice);
  until(
      {one.get()}, [&] { return accepted.size() == 1 && one->connected(); }, "a client");
  EXPECT_STREQ(SSL_get_cipher(one->ssl()), "ECDHE-ECDSA-AES256-GCM-SHA384");
  settings.cipher_suites = {"TLS_NO_SUCH_THING"};
  EXPECT_EQ(TlsContext::load(settings).error().message,
            "ssl.ciphersuites: 'TLS_NO_SUCH_THING' is no cipher suite known here");
}

TEST_F(TlsLinks, PlainBytesOnThePortForTlsCostOnlyTheirConnection) {
  start();
  const auto one = client(&alice);
  until(
      {one.get()}, [&] { return accepted.size() == 1; }, "a client");
  const Fd plain = plain_client(loop->tls_port());
  ASSERT_EQ(::write(plain.get(), "ruok", 4), 4);
  until(
      {one.get()}, [&] { return is_closed(plain); }, "the end of the plain one");
  EXPECT_EQ(said("TLS connection from 127.0.0.1 refused: its first bytes are not those of TLS"),
            1U);
  const Fd garbled = plain_client(loop->tls_port());
  ASSERT_EQ(::write(garbled.get(), "\x16\x03\x01\xff\xff\xff\xff", 7), 7);
  until(
      {one.get()}, [&] { return is_closed(garbled); }, "the end of the garbled one");
  one->send(as_bytes("still here"));
  until(
      {one.get()}, [&] { return accepted[0].bytes.size() == 10; }, "the client's bytes");
  EXPECT_EQ(accepted.size(), 1U);
}

TEST_F(TlsLinks, OnePortForBoth) {
  start();
  const Fd plain = plain_client(loop->port(Door::Client));
  TlsClient one(loop->port(Door::Client), {&alice, &authority});
  ASSERT_EQ(::write(plain.get(), "ruok", 4), 4);
  until(
      {&one}, [&] { return accepted.size() == 2 && one.connected(); }, "both");
  const bool plain_first = accepted[0].subject.empty();
  EXPECT_EQ(accepted[plain_first ? 1 : 0].subject, "CN=alice,O=Example");
  Accepted& plain_link = accepted[plain_first ? 0 : 1];
  until(
      {&one}, [&] { return plain_link.bytes.size() == 4; }, "the plain bytes");
  EXPECT_EQ(as_text(plain_link.bytes), "ruok");
}

// Whoever says nothing is taken for a plain client, whose deadline is the core's business.
TEST_F(TlsLinks, SilenceOnAPortForBothIsPlain) {
  settings.detection_ms = 20;
  start();
  const Fd plain = plain_client(loop->port(Door::Client));
  until(
      {}, [&] { return accepted.size() == 1; }, "LinkAccepted");
  EXPECT_EQ(accepted[0].subject, "");
  ASSERT_EQ(::write(plain.get(), "late", 4), 4);
  until(
      {}, [&] { return accepted[0].bytes.size() == 4; }, "the bytes");
}

TEST_F(TlsLinks, HandshakesThatGetNowhereEndAtTheirDeadline) {
  deadline = milliseconds(30);
  start();
  const Fd silent = plain_client(loop->tls_port());
  const Fd half = plain_client(loop->tls_port());
  ASSERT_EQ(::write(half.get(), "\x16\x03\x01\x02", 4), 4);
  until(
      {}, [&] { return is_closed(silent) && is_closed(half); }, "both ends");
  EXPECT_THAT(accepted, IsEmpty());
  EXPECT_EQ(metric("unsuccessful_handshake"), 2);
  EXPECT_EQ(metric("outstanding_tls_handshake"), 0);
}

TEST_F(TlsLinks, AFloodOfHalfHandshakesIsBoundedAndLetsOthersIn) {
  settings.handshakes_max = 20;
  start();
  std::vector<Fd> flood;
  for (int i = 0; i < 100; ++i) {
    flood.push_back(plain_client(loop->tls_port()));
    ASSERT_EQ(::write(flood.back().get(), "\x16\x03\x01\x02", 4), 4);
  }
  const auto one = client(&alice);
  int64_t most = 0;
  until(
      {one.get()},
      [&] {
        most = std::max(most, metric("outstanding_tls_handshake"));
        return accepted.size() == 1 && metric("tls_handshake_exceeded") >= 80;
      },
      "the client in the flood");
  EXPECT_EQ(most, 20);
  EXPECT_EQ(accepted[0].subject, "CN=alice,O=Example");
  EXPECT_LE(said("TLS connection from"), 25U) << "one line a second, not one for each";
}

TEST_F(TlsLinks, FilesThatChangeAreReadAgain) {
  start();
  const auto before = client(&alice);
  until(
      {before.get()}, [&] { return accepted.size() == 1 && before->connected(); }, "a client");
  const Identity next = make_identity(authority, "next");
  write("key.pem", key_store_pem(next));
  until(
      {before.get()}, [&] { return said("TLS was read again") == 1; }, "the line");
  EXPECT_THAT(lines.back(), HasSubstr("CN=next, valid until"));
  const auto after = client(&alice);
  until(
      {after.get()}, [&] { return accepted.size() == 2 && after->connected(); }, "another");
  EXPECT_EQ(after->server_subject(), "CN=next");
  EXPECT_EQ(before->server_subject(), "CN=server");
  before->send(as_bytes("as ever"));
  until(
      {before.get()}, [&] { return accepted[0].bytes.size() == 7; }, "bytes of the first");
}

TEST_F(TlsLinks, FilesThatAreNoGoodLeaveWhatIsInForce) {
  start();
  write("key.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n");
  loop->reload_tls();
  until(
      {}, [&] { return said("TLS could not be read again, what was in force stays") == 1; },
      "the line");
  EXPECT_THAT(lines.back(), HasSubstr(path("key.pem") + ": there is no private key in it"));
  expect_served(&alice, "CN=alice,O=Example");
  // A certificate in whose place nothing is found is no reason to end either.
  std::filesystem::remove(path("key.pem"));
  loop->reload_tls();
  until(
      {}, [&] { return said("cannot read " + path("key.pem")) == 1; }, "the second line");
  expect_served(&alice, "CN=alice,O=Example");
  write("key.pem", key_store_pem(make_identity(authority, "mended")));
  loop->reload_tls();
  until(
      {}, [&] { return said("TLS was read again") == 1; }, "the third line");
}

TEST_F(TlsLinks, TrustIsReadAgainToo) {
  start();
  write("trust.pem", pem_of(stranger_authority.certificate.get()));
  loop->reload_tls();
  until(
      {}, [&] { return said("TLS was read again") == 1; }, "the line");
  expect_refused(&alice, "unable to get local issuer certificate");
  const Identity other = make_identity(stranger_authority, "other");
  expect_served(&other, "CN=other");
}

TEST_F(TlsLinks, WhatIsWrongAtTheStartIsOneLineWithTheFile) {
  settings.key_store.location = path("none.pem");
  EXPECT_EQ(TlsContext::load(settings).error().message,
            "cannot read " + path("none.pem") + ": No such file or directory");
  settings.key_store.location = path("key.pem");
  settings.trust_store.password_path = path("none.txt");
  EXPECT_THAT(TlsContext::load(settings).error().message, HasSubstr(path("none.txt")));
  settings.trust_store.password_path.clear();
  settings.trust_store.type = StoreType::Pkcs12;
  EXPECT_THAT(TlsContext::load(settings).error().message,
              HasSubstr(path("trust.pem") + ": it is no PKCS#12 file"));
  write("store.p12", pkcs12_of(server, "from a file"));
  write("password", "from a file\n");
  settings.trust_store.type = StoreType::Pem;
  settings.key_store = {path("store.p12"), StoreType::Pkcs12, Secret("wrong"), path("password")};
  const auto loaded = TlsContext::load(settings);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_THAT((*loaded)->summary(), HasSubstr("CN=server, valid until 20"));
}

}  // namespace
}  // namespace vivarium::contract
