#include "core/tls_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/number.h"
#include "core/properties.h"
#include "core/wire/host_port.h"

namespace vivarium {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_word(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

bool ends_with_word(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && is_word(text.substr(text.size() - word.size()), word);
}

std::optional<int64_t> number(std::string_view text, int64_t min, int64_t max) {
  const std::optional<int64_t> value = parse_number(text);
  return value && *value >= min && *value <= max ? value : std::nullopt;
}

std::string how_to_convert(std::string_view location) {
  return fmt::format(
      "JKS stores are not read; convert it: keytool -importkeystore -srckeystore {} "
      "-destkeystore {}.p12 -deststoretype PKCS12",
      location.empty() ? "STORE" : location, location.empty() ? "STORE" : location);
}

// By the name of the file where the type is not set, as ZooKeeper.
Result<StoreType> type_of(const TlsStore& store) {
  if (store.type) return *store.type;
  const std::string_view name = store.location;
  if (ends_with_word(name, ".pem")) return StoreType::Pem;
  if (ends_with_word(name, ".p12") || ends_with_word(name, ".pfx")) return StoreType::Pkcs12;
  if (ends_with_word(name, ".jks")) return fail(how_to_convert(name));
  return fail(
      fmt::format("the type of {} is unknown: name it .pem or .p12, or set ssl.keyStore.type "
                  "and ssl.trustStore.type",
                  name));
}

std::optional<TlsVersion> version_of(std::string_view name) {
  if (is_word(name, "TLSv1.2")) return TlsVersion::Tls12;
  if (is_word(name, "TLSv1.3")) return TlsVersion::Tls13;
  return std::nullopt;
}

bool is_older_version(std::string_view name) {
  for (const std::string_view old : {"SSLv2Hello", "SSLv3", "TLSv1", "TLSv1.1"}) {
    if (is_word(name, old)) return true;
  }
  return false;
}

}  // namespace

std::optional<Result<void>> TlsKeys::take(std::string_view key, std::string_view value,
                                          std::vector<std::string>& warnings) {
  constexpr std::string_view kKeyStore = "ssl.keyStore.";
  constexpr std::string_view kTrustStore = "ssl.trustStore.";
  const bool is_ssl = key.starts_with("ssl.") && !key.starts_with("ssl.quorum.");
  if (is_ssl) ssl_keys_.emplace_back(key);
  if (key == "fips-mode") {
    fips_ = is_word(value, "true");
    return std::nullopt;
  }
  if (key == "secureClientPort") {
    const std::optional<uint16_t> port = parse_port(value);
    if (!port) return fail(fmt::format("{}: '{}' is no port from 1 to 65535", key, value));
    settings_.secure_client.port = *port;
  } else if (key == "secureClientPortAddress") {
    const bool bracketed = value.size() > 2 && value.front() == '[' && value.back() == ']';
    settings_.secure_client.host = bracketed ? value.substr(1, value.size() - 2) : value;
  } else if (key == "client.portUnification") {
    settings_.on_client_port = is_word(value, "true");
  } else if (key == "serverCnxnFactory") {
    // Which of ZooKeeper's classes serves makes no difference: TLS needs none of them here.
    const bool known = value == "org.apache.zookeeper.server.NettyServerCnxnFactory" ||
                       value == "org.apache.zookeeper.server.NIOServerCnxnFactory";
    if (!known) return std::nullopt;
  } else if (key == "client.certReload" || key == "ssl.sslProvider") {
    // Certificates are always read again, and the library is always OpenSSL.
  } else if (key == "netty.server.outstandingHandshake.limit") {
    const std::optional<int64_t> limit = number(value, -1, 1'000'000);
    if (!limit) return fail(fmt::format("{}: '{}' is no whole number", key, value));
    if (*limit > 0) settings_.handshakes_max = static_cast<uint32_t>(*limit);
  } else if (!is_ssl) {
    return std::nullopt;
  } else if (key.starts_with(kKeyStore)) {
    return take_store_key(key, value, settings_.key_store);
  } else if (key.starts_with(kTrustStore)) {
    return take_store_key(key, value, settings_.trust_store);
  } else if (key == "ssl.protocol" || key == "ssl.enabledProtocols") {
    return take_protocols(key, value, warnings);
  } else if (key == "ssl.ciphersuites") {
    for (const std::string_view word : comma_separated(value)) {
      settings_.cipher_suites.emplace_back(word);
    }
  } else if (key == "ssl.allowReverseDnsLookup") {
    if (is_word(value, "true")) warnings.push_back(fmt::format("{} is ignored", key));
  } else {
    return take_choice(key, value);
  }
  return Result<void>();
}

// `key` ends in location, password, passwordPath or type. A password is in no message.
Result<void> TlsKeys::take_store_key(std::string_view key, std::string_view value,
                                     TlsStore& store) {
  if (key.ends_with(".location")) {
    store.location = value;
  } else if (key.ends_with(".passwordPath")) {
    store.password_path = value;
  } else if (key.ends_with(".password")) {
    store.password = Secret(std::string(value));
  } else if (!key.ends_with(".type")) {
    return fail(fmt::format("{}: unknown key", key));
  } else if (is_word(value, "PEM")) {
    store.type = StoreType::Pem;
  } else if (is_word(value, "PKCS12")) {
    store.type = StoreType::Pkcs12;
  } else if (is_word(value, "JKS")) {
    return fail(fmt::format("{}={}: {}", key, value, how_to_convert(store.location)));
  } else if (!value.empty()) {
    return fail(fmt::format("{}={}: the types are PEM and PKCS12", key, value));
  }
  return {};
}

Result<void> TlsKeys::take_protocols(std::string_view key, std::string_view value,
                                     std::vector<std::string>& warnings) {
  const bool is_list = key == "ssl.enabledProtocols";
  for (const std::string_view name : comma_separated(value)) {
    const std::optional<TlsVersion> version = version_of(name);
    if (version && is_list) enabled_.push_back(*version);
    if (version && !is_list) protocol_ = version;
    if (version || (!is_list && is_word(name, "TLS"))) continue;
    if (!is_older_version(name)) {
      return fail(fmt::format("{}: '{}' is neither TLSv1.2 nor TLSv1.3", key, name));
    }
    warnings.push_back(fmt::format("{}: {} is not offered, it is too weak", key, name));
  }
  if (is_list && enabled_.empty() && !comma_separated(value).empty()) {
    return fail(fmt::format("{}={}: TLSv1.2 or TLSv1.3 has to be among them", key, value));
  }
  return {};
}

Result<void> TlsKeys::take_choice(std::string_view key, std::string_view value) {
  const bool on = is_word(value, "true");
  if (key == "ssl.clientAuth") {
    if (is_word(value, "none")) {
      settings_.client_auth = ClientAuth::None;
    } else if (is_word(value, "want")) {
      settings_.client_auth = ClientAuth::Want;
    } else if (is_word(value, "need") || value.empty()) {
      settings_.client_auth = ClientAuth::Need;
    } else {
      return fail(fmt::format("{}: '{}' is none of none, want, need", key, value));
    }
  } else if (key == "ssl.hostnameVerification") {
    hostname_verification_ = on;
  } else if (key == "ssl.clientHostnameVerification") {
    settings_.check_address = on;
  } else if (key == "ssl.crl") {
    settings_.check_revoked = on;
  } else if (key == "ssl.ocsp") {
    if (on) return fail("ssl.ocsp: OCSP is not supported; lists of revoked certificates are");
  } else if (key == "ssl.authProvider") {
    if (value != "x509") return fail(fmt::format("{}={}: there is only x509", key, value));
  } else if (key == "ssl.handshakeDetectionTimeoutMillis") {
    const std::optional<int64_t> ms = number(value, 1, INT32_MAX);
    if (!ms) return fail(fmt::format("{}: '{}' is no whole number from 1", key, value));
    settings_.detection_ms = *ms;
  } else if (key.starts_with("ssl.x509.")) {
    return fail(fmt::format("{}: the id of a client is its certificate's subject", key));
  } else if (key == "ssl.context.supplier.class") {
    return fail(fmt::format("{}={}: Java classes are not supported", key, value));
  } else {
    return fail(fmt::format("{}: unknown key", key));
  }
  return {};
}

// Of the suites with forward secrecy and authenticated encryption, those of AES.
Result<void> TlsKeys::keep_to_fips(TlsSettings& settings) {
  constexpr std::string_view kSuites[] = {"TLS_AES_256_GCM_SHA384",
                                          "TLS_AES_128_GCM_SHA256",
                                          "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                                          "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                                          "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                                          "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"};
  if (settings.cipher_suites.empty()) {
    settings.cipher_suites.assign(std::begin(kSuites), std::end(kSuites));
    return {};
  }
  for (const std::string& suite : settings.cipher_suites) {
    if (suite.find("_AES_") != std::string::npos) continue;
    return fail(fmt::format("ssl.ciphersuites: {} is not for fips-mode=true", suite));
  }
  return {};
}

Result<TlsSettings> TlsKeys::finish(std::vector<std::string>& warnings) const {
  TlsSettings settings = settings_;
  if (settings.secure_client.port == 0 && !settings.secure_client.host.empty()) {
    return fail("secureClientPortAddress is set but secureClientPort is not");
  }
  if (!settings.enabled()) {
    for (const std::string& key : ssl_keys_) {
      warnings.push_back(fmt::format(
          "{} is ignored: neither secureClientPort nor client.portUnification is set", key));
    }
    return TlsSettings();
  }
  if (settings.secure_client.host == "0.0.0.0") settings.secure_client.host.clear();
  if (settings.key_store.location.empty()) {
    return fail(
        "ssl.keyStore.location is not set: TLS, as secureClientPort and client.portUnification "
        "ask for it, needs a key and a certificate");
  }
  const Result<StoreType> key_type = type_of(settings.key_store);
  if (!key_type) return fail(fmt::format("ssl.keyStore: {}", key_type.error().message));
  settings.key_store.type = *key_type;
  if (!settings.trust_store.location.empty()) {
    const Result<StoreType> trust_type = type_of(settings.trust_store);
    if (!trust_type) return fail(fmt::format("ssl.trustStore: {}", trust_type.error().message));
    settings.trust_store.type = *trust_type;
  } else if (settings.client_auth != ClientAuth::None) {
    return fail(
        "ssl.trustStore.location is not set: it says whose certificates clients may show; or set "
        "ssl.clientAuth=none");
  }
  if (!enabled_.empty()) {
    settings.version_min = *std::min_element(enabled_.begin(), enabled_.end());
    settings.version_max = *std::max_element(enabled_.begin(), enabled_.end());
  } else if (protocol_) {
    settings.version_min = settings.version_max = *protocol_;
  }
  settings.check_address = settings.check_address && hostname_verification_;
  if (fips_) {
    if (const Result<void> kept = keep_to_fips(settings); !kept) {
      return tl::unexpected<Error>(kept.error());
    }
  }
  return settings;
}

}  // namespace vivarium
