#include "tests/contract/tls_material.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/socket_address.h"

namespace vivarium::contract {
namespace {

using Bio = std::unique_ptr<BIO, OpenSslFree<BIO_free>>;

long next_serial() {
  static long serial = 1000;
  return ++serial;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Identity made(const CertificateForm& form, const Identity* authority) {
  Identity out;
  out.key.reset(EVP_EC_gen("P-256"));
  out.certificate.reset(X509_new());
  X509* certificate = out.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), next_serial());
  const long day = 24L * 3600;
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60 * day);
  X509_gmtime_adj(X509_getm_notAfter(certificate), form.days * day);
  X509_NAME* name = X509_get_subject_name(certificate);
  for (const auto& [attribute, value] : form.name) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
    EXPECT_EQ(X509_NAME_add_entry_by_txt(name, attribute.c_str(), MBSTRING_UTF8, bytes,
                                         static_cast<int>(value.size()), -1, 0),
              1)
        << attribute;
  }
  X509* issuer = authority != nullptr ? authority->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  X509_set_pubkey(certificate, out.key.get());
  extend(certificate, issuer, NID_basic_constraints,
         authority == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (authority == nullptr) extend(certificate, issuer, NID_key_usage, "keyCertSign,cRLSign");
  if (!form.address.empty()) {
    extend(certificate, issuer, NID_subject_alt_name, "IP:" + form.address);
  }
  if (!form.usage.empty()) extend(certificate, issuer, NID_ext_key_usage, form.usage);
  EVP_PKEY* signer = authority != nullptr ? authority->key.get() : out.key.get();
  EXPECT_GT(X509_sign(certificate, signer, EVP_sha256()), 0);
  return out;
}

std::string pkcs12_text(PKCS12* container) {
  const Bio bio(BIO_new(BIO_s_mem()));
  EXPECT_NE(container, nullptr);
  i2d_PKCS12_bio(bio.get(), container);
  PKCS12_free(container);
  return text_of(bio.get());
}

}  // namespace

Identity make_authority(const std::string& common_name) {
  return made({{{"CN", common_name}}, 30, "", ""}, nullptr);
}

Identity make_identity(const Identity& authority, const CertificateForm& form) {
  return made(form, &authority);
}

Identity make_identity(const Identity& authority, const std::string& common_name) {
  return made({{{"CN", common_name}}, 30, "", ""}, &authority);
}

std::string pem_of(const EVP_PKEY* key, const std::string& password) {
  const Bio bio(BIO_new(BIO_s_mem()));
  const auto* secret = reinterpret_cast<const unsigned char*>(password.data());
  PEM_write_bio_PrivateKey(bio.get(), key, password.empty() ? nullptr : EVP_aes_256_cbc(),
                           password.empty() ? nullptr : secret, static_cast<int>(password.size()),
                           nullptr, nullptr);
  return text_of(bio.get());
}

std::string pem_of(const X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return text_of(bio.get());
}

std::string pem_of_revoked(const Identity& authority, const X509* certificate) {
  const RevocationList list(X509_CRL_new());
  X509_CRL_set_version(list.get(), 1);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(authority.certificate.get()));
  ASN1_TIME* time = X509_gmtime_adj(nullptr, -3600);
  X509_CRL_set1_lastUpdate(list.get(), time);
  X509_gmtime_adj(time, 24L * 3600);
  X509_CRL_set1_nextUpdate(list.get(), time);
  if (certificate != nullptr) {
    X509_REVOKED* one = X509_REVOKED_new();
    X509_gmtime_adj(time, -1800);
    X509_REVOKED_set_serialNumber(one,
                                  const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(certificate)));
    X509_REVOKED_set_revocationDate(one, time);
    X509_CRL_add0_revoked(list.get(), one);
  }
  ASN1_TIME_free(time);
  EXPECT_GT(X509_CRL_sign(list.get(), authority.key.get(), EVP_sha256()), 0);
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), list.get());
  return text_of(bio.get());
}

std::string key_store_pem(const Identity& identity) {
  return pem_of(identity.key.get()) + pem_of(identity.certificate.get());
}

std::string pkcs12_of(const Identity& identity, const std::string& password) {
  return pkcs12_text(PKCS12_create(password.c_str(), "me", identity.key.get(),
                                   identity.certificate.get(), nullptr, 0, 0, 0, 0, 0));
}

std::string pkcs12_of_authority(const Identity& authority, const std::string& password) {
  STACK_OF(X509)* all = sk_X509_new_null();
  sk_X509_push(all, authority.certificate.get());
  PKCS12* container =
      PKCS12_create(password.c_str(), nullptr, nullptr, nullptr, all, 0, 0, 0, 0, 0);
  sk_X509_free(all);
  return pkcs12_text(container);
}

// ----------------------------------------------------------------------------------------- client

TlsClient::TlsClient(uint16_t port, const Options& options)
    : context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_NO_AUTO_CHAIN);
  // What the server demands is the server's to demand.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, options.version_max);
  if (options.identity != nullptr) {
    SSL_CTX_use_certificate(context, options.identity->certificate.get());
    SSL_CTX_use_PrivateKey(context, options.identity->key.get());
  }
  if (options.authority != nullptr) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), options.authority->certificate.get());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  const auto to = resolve_literal({"127.0.0.1", port});
  fd_ = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd_.get(), to->front().get(), to->front().length), 0);
  fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), fd_.get());
  SSL_set_connect_state(ssl_.get());
}

// Notes how the connection ended, if it has.
bool TlsClient::moved(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_NONE) return true;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return false;
  ended_ = true;
  saw_close_notify_ = error == SSL_ERROR_ZERO_RETURN;
  if (!saw_close_notify_) failure_ = openssl_complaint();
  return false;
}

void TlsClient::pump() {
  if (ended_ || !fd_.valid()) return;
  ERR_clear_error();
  if (!connected_) {
    if (!moved(SSL_do_handshake(ssl_.get()))) return;
    connected_ = true;
  }
  while (!to_send_.empty() && !ended_) {
    size_t sent = 0;
    if (!moved(SSL_write_ex(ssl_.get(), to_send_.data(), to_send_.size(), &sent))) break;
    to_send_.erase(to_send_.begin(), to_send_.begin() + static_cast<std::ptrdiff_t>(sent));
  }
  std::array<Byte, 16384> buffer;
  while (!still_ && !ended_) {
    size_t size = 0;
    if (!moved(SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &size))) break;
    append_bytes(received_, ByteView(buffer).first(size));
  }
}

void TlsClient::say_end() { SSL_shutdown(ssl_.get()); }

void TlsClient::close() {
  ssl_.reset();
  fd_.reset();
}

std::string TlsClient::server_subject() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate != nullptr ? rfc2253_name(X509_get_subject_name(certificate)) : "";
}

}  // namespace vivarium::contract
