// The keys of TLS in zoo.cfg.
#include "core/tls_settings.h"

#include <gtest/gtest.h>

#include <string>

#include "core/config.h"
#include "tests/unit/server_file.h"

namespace vivarium {
namespace {

const std::string kSecure = kPlain + "secureClientPort=2281\nssl.keyStore.location=/k.pem\n" +
                            "ssl.trustStore.location=/t.p12\n";

TEST(TlsKeys, FiveLinesSwitchItOn) {
  const ServerFile file = parsed(
      kPlain +
      "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n"
      "secureClientPort=2281\nsecureClientPortAddress=[::1]\n"
      "ssl.keyStore.location=/etc/key.pem\nssl.keyStore.password=sesame\n"
      "zookeeper.ssl.trustStore.location=/etc/trust.pfx\nssl.trustStore.passwordPath=/etc/word\n");
  EXPECT_TRUE(file.warnings.empty());
  const TlsSettings& tls = file.tls;
  EXPECT_TRUE(tls.enabled());
  EXPECT_FALSE(tls.on_client_port);
  EXPECT_EQ(tls.secure_client, (Address{"::1", 2281}));
  EXPECT_EQ(tls.key_store.location, "/etc/key.pem");
  EXPECT_EQ(tls.key_store.type, StoreType::Pem);
  EXPECT_TRUE(tls.key_store.password.is("sesame"));
  EXPECT_EQ(tls.trust_store.type, StoreType::Pkcs12);
  EXPECT_EQ(tls.trust_store.password_path, "/etc/word");
  EXPECT_EQ(tls.client_auth, ClientAuth::Need);
  EXPECT_EQ(tls.version_min, TlsVersion::Tls12);
  EXPECT_EQ(tls.version_max, TlsVersion::Tls13);
  EXPECT_FALSE(tls.check_address || tls.check_revoked);
  EXPECT_TRUE(file.config.x509_ids);
  EXPECT_FALSE(parsed(kPlain).config.x509_ids || parsed(kPlain).tls.enabled());
}

TEST(TlsKeys, EachChoice) {
  const auto tls = [](const std::string& lines) { return parsed(kSecure + lines).tls; };
  EXPECT_EQ(tls("ssl.clientAuth=none").client_auth, ClientAuth::None);
  EXPECT_EQ(tls("ssl.clientAuth=WANT").client_auth, ClientAuth::Want);
  EXPECT_EQ(tls("ssl.clientAuth=need").client_auth, ClientAuth::Need);
  EXPECT_EQ(tls("ssl.clientAuth=").client_auth, ClientAuth::Need);
  EXPECT_EQ(tls("ssl.protocol=TLSv1.2").version_max, TlsVersion::Tls12);
  EXPECT_EQ(tls("ssl.protocol=TLSv1.3").version_min, TlsVersion::Tls13);
  EXPECT_EQ(tls("ssl.protocol=TLS").version_min, TlsVersion::Tls12);
  EXPECT_EQ(tls("ssl.protocol=TLSv1.2\nssl.enabledProtocols=TLSv1.3,TLSv1.2").version_max,
            TlsVersion::Tls13);
  EXPECT_EQ(tls("ssl.enabledProtocols=TLSv1.3").version_min, TlsVersion::Tls13);
  EXPECT_EQ(tls("ssl.ciphersuites=A, B,,C").cipher_suites,
            (std::vector<std::string>{"A", "B", "C"}));
  for (const std::string& suite : tls("fips-mode=true").cipher_suites) {
    EXPECT_NE(suite.find("_AES_"), std::string::npos) << suite;
  }
  EXPECT_FALSE(tls("fips-mode=true").cipher_suites.empty());
  EXPECT_TRUE(tls("fips-mode=false").cipher_suites.empty());
  EXPECT_TRUE(tls("ssl.crl=true").check_revoked);
  EXPECT_TRUE(tls("ssl.clientHostnameVerification=true").check_address);
  EXPECT_FALSE(
      tls("ssl.clientHostnameVerification=true\nssl.hostnameVerification=false").check_address);
  EXPECT_EQ(tls("ssl.handshakeDetectionTimeoutMillis=70").detection_ms, 70);
  EXPECT_EQ(tls("netty.server.outstandingHandshake.limit=9").handshakes_max, 9U);
  EXPECT_EQ(tls("netty.server.outstandingHandshake.limit=-1").handshakes_max, 1000U);
  EXPECT_EQ(tls("ssl.keyStore.type=pkcs12").key_store.type, StoreType::Pkcs12);
  EXPECT_EQ(parsed(kSecure + "X509AuthenticationProvider.superUser=CN\\=root,O\\=x")
                .config.x509_super_user,
            "CN=root,O=x");
}

TEST(TlsKeys, PortsMayBeOneOrTwo) {
  const std::string stores = "ssl.keyStore.location=/k.pem\nssl.clientAuth=none\n";
  EXPECT_TRUE(parsed(kPlain + stores + "client.portUnification=true").tls.on_client_port);
  const ServerFile alone = parsed("dataDir=/d\nsecureClientPort=2281\n" + stores);
  EXPECT_EQ(alone.client.port, 0);
  EXPECT_EQ(alone.tls.secure_client.port, 2281);
  EXPECT_EQ(refusal("dataDir=/d\nclient.portUnification=true\n" + stores),
            "client.portUnification is set but clientPort is not");
  EXPECT_EQ(refusal("dataDir=/d\n" + stores), "clientPort is not set");
  EXPECT_EQ(refusal(kPlain + stores + "secureClientPort=2181"),
            "clientPort and secureClientPort are one; client.portUnification=true serves both on "
            "clientPort");
  EXPECT_EQ(refusal(kPlain + "secureClientPortAddress=127.0.0.1"),
            "secureClientPortAddress is set but secureClientPort is not");
}

TEST(TlsKeys, WhatIsRefusedSaysWhy) {
  EXPECT_EQ(refusal(kPlain + "secureClientPort=2281"),
            "ssl.keyStore.location is not set: TLS, as secureClientPort and client.portUnification "
            "ask for it, needs a key and a certificate");
  EXPECT_EQ(refusal(kPlain + "secureClientPort=2281\nssl.keyStore.location=/k.pem"),
            "ssl.trustStore.location is not set: it says whose certificates clients may show; or "
            "set ssl.clientAuth=none");
  EXPECT_EQ(refusal(kPlain + "secureClientPort=0"),
            "secureClientPort: '0' is no port from 1 to 65535");
  for (const std::string lines :
       {"secureClientPort=1\nssl.keyStore.location=/s.jks", "ssl.keyStore.type=JKS"}) {
    EXPECT_NE(refusal(kPlain + lines).find("keytool -importkeystore"), std::string::npos) << lines;
  }
  EXPECT_EQ(refusal(kSecure + "fips-mode=true\nssl.ciphersuites=TLS_CHACHA20_POLY1305_SHA256"),
            "ssl.ciphersuites: TLS_CHACHA20_POLY1305_SHA256 is not for fips-mode=true");
  EXPECT_EQ(refusal(kSecure + "ssl.ocsp=true"),
            "ssl.ocsp: OCSP is not supported; lists of revoked certificates are");
  EXPECT_EQ(refusal(kSecure + "ssl.clientAuth=perhaps"),
            "ssl.clientAuth: 'perhaps' is none of none, want, need");
  EXPECT_EQ(refusal(kSecure + "ssl.enabledProtocols=TLSv1.1"),
            "ssl.enabledProtocols=TLSv1.1: TLSv1.2 or TLSv1.3 has to be among them");
  EXPECT_EQ(refusal(kSecure + "ssl.protocol=TLSv9"),
            "ssl.protocol: 'TLSv9' is neither TLSv1.2 nor TLSv1.3");
  EXPECT_EQ(refusal(kSecure + "ssl.authProvider=mine"),
            "ssl.authProvider=mine: there is only x509");
  EXPECT_EQ(refusal(kSecure + "ssl.keyStore.type=BCFKS"),
            "ssl.keyStore.type=BCFKS: the types are PEM and PKCS12");
  EXPECT_EQ(refusal(kSecure + "ssl.keyStore.colour=red"), "ssl.keyStore.colour: unknown key");
  EXPECT_EQ(refusal(kSecure + "ssl.colour=red"), "ssl.colour: unknown key");
  EXPECT_EQ(refusal(kSecure + "sslQuorum=true"),
            "sslQuorum=true: TLS between servers is not supported");
}

TEST(TlsKeys, WhatDoesNothingIsNamed) {
  EXPECT_EQ(parsed(kPlain + "ssl.keyStore.location=/k.pem").warnings,
            std::vector<std::string>{"ssl.keyStore.location is ignored: neither secureClientPort "
                                     "nor client.portUnification is set"});
  EXPECT_EQ(
      parsed(kSecure + "ssl.enabledProtocols=TLSv1.1,TLSv1.2").warnings,
      std::vector<std::string>{"ssl.enabledProtocols: TLSv1.1 is not offered, it is too weak"});
  EXPECT_EQ(parsed(kSecure + "ssl.quorum.keyStore.location=/q.jks").warnings,
            std::vector<std::string>{
                "ssl.quorum.keyStore.location is ignored: TLS between servers is not supported"});
  EXPECT_TRUE(parsed(kSecure + "client.certReload=true").warnings.empty());
}

}  // namespace
}  // namespace vivarium
