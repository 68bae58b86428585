// Key and trust stores: what is read, and what is said of files that are something else.
#include "net/tls_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/asn1.h>

#include "tests/contract/tls_material.h"

namespace vivarium::contract {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string complaint(std::string_view text, StoreType type, const std::string& password = "") {
  const auto store = parse_key_store(as_bytes(text), type, Secret(password));
  return store ? "" : store.error().message;
}

std::string trust_complaint(std::string_view text, StoreType type,
                            const std::string& password = "") {
  const auto store = parse_trust_store(as_bytes(text), type, Secret(password));
  return store ? "" : store.error().message;
}

class TlsStores : public testing::Test {
 protected:
  const Identity authority = make_authority("Authority");
  const Identity server = make_identity(authority, "server");
};

TEST_F(TlsStores, PemKeyAndChainInAnyOrder) {
  const std::string key = pem_of(server.key.get());
  const std::string chain = pem_of(server.certificate.get()) + pem_of(authority.certificate.get());
  for (const std::string& text : {key + chain, "some words in front\n" + chain + key}) {
    const auto store = parse_key_store(as_bytes(text), StoreType::Pem, Secret());
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ(X509_cmp(store->certificate.get(), server.certificate.get()), 0);
    ASSERT_EQ(store->chain.size(), 1U);
    EXPECT_EQ(X509_cmp(store->chain[0].get(), authority.certificate.get()), 0);
  }
}

TEST_F(TlsStores, PasswordsOpenAndAreNeverShown) {
  const std::string pem =
      pem_of(server.key.get(), "open sesame") + pem_of(server.certificate.get());
  const std::string pkcs12 = pkcs12_of(server, "open sesame");
  for (const StoreType type : {StoreType::Pem, StoreType::Pkcs12}) {
    const std::string& text = type == StoreType::Pem ? pem : pkcs12;
    EXPECT_EQ(complaint(text, type, "open sesame"), "");
    for (const std::string wrong : {"", "Sesame", "open sesame "}) {
      EXPECT_THAT(complaint(text, type, wrong), HasSubstr("is the password right?"));
      EXPECT_THAT(complaint(text, type, wrong), Not(HasSubstr("esame")));
    }
  }
  EXPECT_EQ(complaint(pkcs12_of(server, ""), StoreType::Pkcs12), "");
}

TEST_F(TlsStores, TrustStoresHoldAuthoritiesAndRevocations) {
  const Identity other = make_authority("Other");
  const std::string pem = pem_of(authority.certificate.get()) +
                          pem_of_revoked(authority, server.certificate.get()) +
                          pem_of(other.certificate.get());
  const auto store = parse_trust_store(as_bytes(pem), StoreType::Pem, Secret());
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(store->authorities.size(), 2U);
  EXPECT_EQ(store->revoked.size(), 1U);
  const std::string pkcs12 = pkcs12_of_authority(authority, "secret");
  const auto packed = parse_trust_store(as_bytes(pkcs12), StoreType::Pkcs12, Secret("secret"));
  ASSERT_TRUE(packed) << packed.error().message;
  ASSERT_EQ(packed->authorities.size(), 1U);
  EXPECT_EQ(X509_cmp(packed->authorities[0].get(), authority.certificate.get()), 0);
}

TEST_F(TlsStores, WhatIsMissingIsNamed) {
  const std::string certificate = pem_of(server.certificate.get());
  const std::string key = pem_of(server.key.get());
  EXPECT_EQ(complaint(certificate, StoreType::Pem), "there is no private key in it");
  EXPECT_EQ(complaint("", StoreType::Pem), "there is no private key in it");
  EXPECT_EQ(complaint(key, StoreType::Pem), "there is no certificate in it");
  EXPECT_EQ(complaint(key + pem_of(authority.certificate.get()), StoreType::Pem),
            "its first certificate is not that of its private key");
  EXPECT_EQ(complaint(pkcs12_of_authority(authority, "x"), StoreType::Pkcs12, "x"),
            "there is no private key in it");
  EXPECT_EQ(trust_complaint(key, StoreType::Pem), "there is no certificate in it");
  EXPECT_THAT(complaint(key + certificate, StoreType::Pkcs12), HasSubstr("it is no PKCS#12 file"));
}

TEST_F(TlsStores, StoresOfJavaAreToldHowToConvert) {
  for (const std::string_view magic : {"\xfe\xed\xfe\xed\0\0\0\2", "\xce\xce\xce\xce\0\0\0\2"}) {
    EXPECT_THAT(complaint(magic, StoreType::Pem), HasSubstr("keytool -importkeystore"));
    EXPECT_THAT(trust_complaint(magic, StoreType::Pkcs12), HasSubstr("-deststoretype PKCS12"));
  }
}

// Every file cut short, and with each of many bytes changed, is a store or one clear line.
TEST_F(TlsStores, DamagedFilesAreStoresOrOneLine) {
  const std::string pem = key_store_pem(server) + pem_of_revoked(authority, nullptr);
  const std::string pkcs12 = pkcs12_of(server, "secret");
  size_t refused = 0;
  const auto try_it = [&](const std::string& text, StoreType type) {
    for (const std::string& line :
         {complaint(text, type, "secret"), trust_complaint(text, type, "secret")}) {
      refused += line.empty() ? 0U : 1U;
      EXPECT_EQ(line.find('\n'), std::string::npos);
      EXPECT_EQ(line.find("secret"), std::string::npos);
    }
  };
  for (size_t at = 0; at < pem.size(); at += 13) {
    std::string changed = pem;
    changed[at] = static_cast<char>(changed[at] ^ 5);
    try_it(changed, StoreType::Pem);
    try_it(pem.substr(0, at), StoreType::Pem);
  }
  for (size_t at = 0; at < pkcs12.size(); at += 97) {
    std::string changed = pkcs12;
    changed[at] = static_cast<char>(changed[at] ^ 5);
    try_it(changed, StoreType::Pkcs12);
    try_it(pkcs12.substr(0, at), StoreType::Pkcs12);
  }
  EXPECT_GT(refused, 100U);
}

// What Java's X500Principal.getName() says of the same names.
TEST_F(TlsStores, NamesAreWrittenAsRfc2253HasThem) {
  const auto name_of = [&](std::vector<std::pair<std::string, std::string>> parts) {
    const Identity identity = make_identity(authority, {std::move(parts), 30, "", ""});
    return rfc2253_name(X509_get_subject_name(identity.certificate.get()));
  };
  EXPECT_EQ(name_of({{"C", "DE"}, {"O", "Example"}, {"OU", "Ops"}, {"CN", "alice"}}),
            "CN=alice,OU=Ops,O=Example,C=DE");
  EXPECT_EQ(name_of({{"DC", "org"}, {"UID", "u1"}, {"street", "Way 1"}, {"ST", "B"}, {"L", "K"}}),
            "L=K,ST=B,STREET=Way 1,UID=u1,DC=org");
  EXPECT_EQ(name_of({{"CN", "a, b+c=\"d\" <e>;#f\\"}}),
            "CN=a\\, b\\+c\\=\\\"d\\\" \\<e\\>\\;\\#f\\\\");
  EXPECT_EQ(name_of({{"CN", "  two "}}), "CN=\\ \\ two\\ ");
  EXPECT_EQ(name_of({{"CN", "J\xc3\xbcrgen"}}), "CN=J\xc3\xbcrgen");
  // Types without a word of RFC 2253 go by number, their values as bytes.
  EXPECT_EQ(name_of({{"emailAddress", "a@b"}, {"CN", "x"}}),
            "CN=x,1.2.840.113549.1.9.1=#1603614062");
  EXPECT_EQ(name_of({{"serialNumber", "7"}}), "2.5.4.5=#130137");
  EXPECT_EQ(name_of({}), "");
}

}  // namespace
}  // namespace vivarium::contract
