#include "net/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "net/whole_file.h"

namespace vivarium {
namespace {

// What a client may show: certificates of a chain together. OpenSSL's own limit is 100 KiB.
constexpr long kPeerChainBytesMax = 32 << 10;

// Forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
constexpr const char* kDefaultCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";

FileMark mark_of(const std::string& path) {
  struct stat status = {};
  if (path.empty() || ::stat(path.c_str(), &status) != 0) return {};
  const auto ns = [](const timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  return {status.st_dev, status.st_ino, status.st_size, ns(status.st_mtim), ns(status.st_ctim)};
}

Result<Secret> password_of(const TlsStore& store) {
  if (store.password_path.empty()) return store.password;
  Result<std::string> text = read_whole_file(store.password_path);
  if (!text) return tl::unexpected<Error>(text.error());
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  return Secret(std::move(*text));
}

template <class Parse>
auto read_store(const TlsStore& store, Parse parse)
    -> decltype(parse(ByteView(), StoreType::Pem, Secret())) {
  const Result<Secret> password = password_of(store);
  if (!password) return tl::unexpected<Error>(password.error());
  const Result<std::string> text = read_whole_file(store.location);
  if (!text) return tl::unexpected<Error>(text.error());
  CHECK(store.type.has_value());
  auto parsed = parse(as_bytes(*text), *store.type, *password);
  if (parsed) return parsed;
  return fail(fmt::format("{}: {}", store.location, parsed.error().message));
}

std::string date_of(const ASN1_TIME* time) {
  tm parts = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "?";
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

}  // namespace

FileMarks file_marks(const TlsSettings& settings) {
  return {mark_of(settings.key_store.location), mark_of(settings.key_store.password_path),
          mark_of(settings.trust_store.location), mark_of(settings.trust_store.password_path)};
}

// ---------------------------------------------------------------------------------------- context

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsSettings& settings) {
  CHECK(settings.enabled());
  std::shared_ptr<TlsContext> context(new TlsContext(settings));
  context->marks_ = file_marks(settings);
  const Result<void> done = context->set_up();
  ERR_clear_error();
  if (!done) return tl::unexpected<Error>(done.error());
  return std::shared_ptr<const TlsContext>(std::move(context));
}

Result<void> TlsContext::set_up() {
  context_.reset(SSL_CTX_new(TLS_server_method()));
  CHECK(context_ != nullptr);
  SSL_CTX* context = context_.get();
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_max_cert_list(context, kPeerChainBytesMax);
  const auto number = [](TlsVersion version) {
    return version == TlsVersion::Tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  };
  SSL_CTX_set_min_proto_version(context, number(settings_.version_min));
  SSL_CTX_set_max_proto_version(context, number(settings_.version_max));
  if (Result<void> done = use_ciphers(); !done) return done;
  if (Result<void> done = use_keys(); !done) return done;
  return use_trust();
}

// Names of the RFCs, as Java has them: those of TLS 1.3 have no WITH.
Result<void> TlsContext::use_ciphers() {
  std::string of_13;
  std::string of_12 = settings_.cipher_suites.empty() ? kDefaultCiphers12 : "";
  for (const std::string& name : settings_.cipher_suites) {
    const bool is_13 = name.starts_with("TLS_") && name.find("_WITH_") == std::string::npos;
    const char* known = OPENSSL_cipher_name(name.c_str());
    if (std::string_view(known) == "(NONE)") {
      return fail(fmt::format("ssl.ciphersuites: '{}' is no cipher suite known here", name));
    }
    std::string& list = is_13 ? of_13 : of_12;
    if (!list.empty()) list += ':';
    list += is_13 ? name : known;
  }
  SSL_CTX* context = context_.get();
  if (!settings_.cipher_suites.empty()) {
    if (SSL_CTX_set_ciphersuites(context, of_13.c_str()) != 1) {
      return fail(fmt::format("ssl.ciphersuites: {}", openssl_complaint()));
    }
    if (of_12.empty()) SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    if (of_13.empty()) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  }
  if (!of_12.empty() && SSL_CTX_set_cipher_list(context, of_12.c_str()) != 1) {
    return fail(fmt::format("ssl.ciphersuites: {}", openssl_complaint()));
  }
  return {};
}

Result<void> TlsContext::use_keys() {
  const Result<KeyStore> store = read_store(settings_.key_store, parse_key_store);
  if (!store) return tl::unexpected<Error>(store.error());
  SSL_CTX* context = context_.get();
  bool used = SSL_CTX_use_certificate(context, store->certificate.get()) == 1 &&
              SSL_CTX_use_PrivateKey(context, store->key.get()) == 1;
  for (const Certificate& one : store->chain) {
    used = used && SSL_CTX_add1_chain_cert(context, one.get()) == 1;
  }
  if (!used) {
    return fail(fmt::format("{}: {}", settings_.key_store.location, openssl_complaint()));
  }
  describe(store->certificate.get());
  return {};
}

Result<void> TlsContext::use_trust() {
  SSL_CTX* context = context_.get();
  if (settings_.client_auth == ClientAuth::None) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return {};
  }
  const Result<TrustStore> store = read_store(settings_.trust_store, parse_trust_store);
  if (!store) return tl::unexpected<Error>(store.error());
  X509_STORE* trusted = SSL_CTX_get_cert_store(context);
  for (const Certificate& one : store->authorities) X509_STORE_add_cert(trusted, one.get());
  for (const RevocationList& one : store->revoked) X509_STORE_add_crl(trusted, one.get());
  if (settings_.check_revoked) {
    if (store->revoked.empty()) {
      return fail(
          fmt::format("ssl.crl: there is no list of revoked certificates in {}; "
                      "append the authorities' lists to it, as PEM",
                      settings_.trust_store.location));
    }
    X509_STORE_set_flags(trusted, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
  const int how = settings_.client_auth == ClientAuth::Need
                      ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                      : SSL_VERIFY_PEER;
  SSL_CTX_set_verify(context, how, nullptr);
  return {};
}

void TlsContext::describe(const X509* certificate) {
  summary_ = fmt::format("the certificate is that of {}, valid until {}",
                         rfc2253_name(X509_get_subject_name(certificate)),
                         date_of(X509_get0_notAfter(certificate)));
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) summary_ += ": IT HAS EXPIRED";
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) summary_ += ": NOT YET VALID";
}

// ----------------------------------------------------------------------------------------- stream

TlsStream::TlsStream(const TlsContext& context, int socket)
    : check_address_(context.settings().check_address), ssl_(SSL_new(context.get())) {
  CHECK(ssl_ != nullptr);
  CHECK(SSL_set_fd(ssl_.get(), socket) == 1);
  SSL_set_accept_state(ssl_.get());
}

TlsStream::Outcome TlsStream::failed(std::string why) {
  why_ = std::move(why);
  return Outcome::Failed;
}

TlsStream::Outcome TlsStream::outcome_of(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_NONE:
      return Outcome::Done;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Outcome::Again;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::Ended;
    case SSL_ERROR_SYSCALL:
      return failed(errno == 0 ? "the connection broke" : std::strerror(errno));
    default:
      break;
  }
  // The other end went without a word of farewell. What it sent is whole frames or is not.
  const bool gone = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  const std::string complaint = openssl_complaint();
  if (gone && SSL_is_init_finished(ssl_.get()) == 1) return Outcome::Ended;
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (verdict == X509_V_OK) return failed(complaint);
  return failed(fmt::format("{}: {}", complaint, X509_verify_cert_error_string(verdict)));
}

TlsStream::Outcome TlsStream::handshake(std::string_view remote_address) {
  ERR_clear_error();
  errno = 0;
  const Outcome outcome = outcome_of(SSL_do_handshake(ssl_.get()));
  if (outcome == Outcome::Ended) return failed("the other end closed");
  if (outcome != Outcome::Done) return outcome;
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr) return Outcome::Done;
  CHECK(SSL_get_verify_result(ssl_.get()) == X509_V_OK);
  peer_subject_ = rfc2253_name(X509_get_subject_name(certificate));
  const std::string address(remote_address);
  if (check_address_ && X509_check_ip_asc(certificate, address.c_str(), 0) != 1) {
    return failed(fmt::format("the certificate of {} does not name that address", peer_subject_));
  }
  return Outcome::Done;
}

TlsStream::Passed TlsStream::read(Byte* out, size_t max) {
  ERR_clear_error();
  errno = 0;
  size_t bytes = 0;
  const int result = SSL_read_ex(ssl_.get(), out, max, &bytes);
  return {outcome_of(result), bytes};
}

TlsStream::Outcome TlsStream::look_ahead() {
  ERR_clear_error();
  errno = 0;
  Byte next = 0;
  size_t bytes = 0;
  const int result = SSL_peek_ex(ssl_.get(), &next, 1, &bytes);
  return outcome_of(result);
}

TlsStream::Passed TlsStream::write(ByteView bytes) {
  CHECK(!bytes.empty());
  ERR_clear_error();
  errno = 0;
  size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
  return {outcome_of(result), written};
}

void TlsStream::say_end() {
  ERR_clear_error();
  if (why_.empty()) (void)SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace vivarium
