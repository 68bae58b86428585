// Key and trust stores as OpenSSL's objects, from the bytes of PEM or PKCS#12 files. Whatever the
// bytes are, the answer is a store or one line that says what is wrong; a password is in no line.
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/secret.h"
#include "core/tls_settings.h"

namespace vivarium {

template <auto kFree>
struct OpenSslFree {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using PrivateKey = std::unique_ptr<EVP_PKEY, OpenSslFree<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, OpenSslFree<X509_free>>;
using RevocationList = std::unique_ptr<X509_CRL, OpenSslFree<X509_CRL_free>>;

struct KeyStore {
  PrivateKey key;
  Certificate certificate;         // of `key`
  std::vector<Certificate> chain;  // of those who vouch for it, the nearest first
};

struct TrustStore {
  std::vector<Certificate> authorities;  // never empty
  std::vector<RevocationList> revoked;
};

Result<KeyStore> parse_key_store(ByteView bytes, StoreType type, const Secret& password);
Result<TrustStore> parse_trust_store(ByteView bytes, StoreType type, const Secret& password);

// The newest of OpenSSL's complaints, and none is left behind.
std::string openssl_complaint();

// As RFC 2253 writes a name, in the form that Java's X500Principal::getName gives it: ACLs of
// scheme x509 hold that text.
std::string rfc2253_name(const X509_NAME* name);

}  // namespace vivarium
