#include "net/tls_store.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/base/check.h"

namespace vivarium {
namespace {

using Bio = std::unique_ptr<BIO, OpenSslFree<BIO_free>>;
using Pkcs12 = std::unique_ptr<PKCS12, OpenSslFree<PKCS12_free>>;

constexpr size_t kStoreBytesMax = 16 << 20;

// What Java's own stores begin with.
constexpr std::array<Byte, 4> kJksMagic = {0xfe, 0xed, 0xfe, 0xed};
constexpr std::array<Byte, 4> kJceksMagic = {0xce, 0xce, 0xce, 0xce};

Result<Bio> reader_of(ByteView bytes) {
  if (bytes.size() > kStoreBytesMax) return fail("it is larger than any store");
  const auto begins_with = [&](const std::array<Byte, 4>& magic) {
    return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
  };
  if (begins_with(kJksMagic) || begins_with(kJceksMagic)) {
    return fail(
        "it is a JKS store; convert it: keytool -importkeystore -srckeystore STORE "
        "-destkeystore STORE.p12 -deststoretype PKCS12");
  }
  Bio bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  CHECK(bio != nullptr);
  return bio;
}

// OpenSSL asks for a password by calling back; it must never ask at the terminal.
int give_password(char* out, int size, int, void* password) {
  const std::string& text = static_cast<const Secret*>(password)->reveal();
  if (text.empty() || text.size() > static_cast<size_t>(size)) return -1;
  std::memcpy(out, text.data(), text.size());
  return static_cast<int>(text.size());
}

// PEM files end where no further block begins; whatever else stops the reading is damage.
bool at_end_of_pem() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

template <class Owner, class Read>
Result<std::vector<Owner>> read_all(ByteView bytes, Read read, const char* what) {
  Result<Bio> bio = reader_of(bytes);
  if (!bio) return tl::unexpected<Error>(bio.error());
  std::vector<Owner> found;
  ERR_clear_error();
  while (Owner one{read(bio->get(), nullptr, nullptr, nullptr)}) found.push_back(std::move(one));
  if (at_end_of_pem()) {
    ERR_clear_error();
    return found;
  }
  return fail(fmt::format("{} {} is damaged: {}", what, found.size() + 1, openssl_complaint()));
}

Result<std::vector<Certificate>> certificates_of(ByteView bytes) {
  return read_all<Certificate>(bytes, PEM_read_bio_X509, "certificate");
}

Result<KeyStore> parse_pem_keys(ByteView bytes, const Secret& password) {
  Result<Bio> bio = reader_of(bytes);
  if (!bio) return tl::unexpected<Error>(bio.error());
  KeyStore store;
  ERR_clear_error();
  store.key.reset(
      PEM_read_bio_PrivateKey(bio->get(), nullptr, give_password, const_cast<Secret*>(&password)));
  if (store.key == nullptr) {
    const std::string why = openssl_complaint();
    const bool any = as_text(bytes).find("PRIVATE KEY-----") != std::string_view::npos;
    if (!any) return fail("there is no private key in it");
    return fail(fmt::format("the private key cannot be read; is the password right? ({})", why));
  }
  Result<std::vector<Certificate>> all = certificates_of(bytes);
  if (!all) return tl::unexpected<Error>(all.error());
  if (all->empty()) return fail("there is no certificate in it");
  store.certificate = std::move(all->front());
  all->erase(all->begin());
  store.chain = std::move(*all);
  return store;
}

// Both kinds of stores lie in the same container.
Result<KeyStore> parse_pkcs12(ByteView bytes, const Secret& password) {
  Result<Bio> bio = reader_of(bytes);
  if (!bio) return tl::unexpected<Error>(bio.error());
  ERR_clear_error();
  const Pkcs12 container(d2i_PKCS12_bio(bio->get(), nullptr));
  if (container == nullptr) {
    return fail(fmt::format("it is no PKCS#12 file ({})", openssl_complaint()));
  }
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
  STACK_OF(X509)* others = nullptr;
  if (PKCS12_parse(container.get(), password.reveal().c_str(), &key, &certificate, &others) != 1) {
    return fail(
        fmt::format("it cannot be opened; is the password right? ({})", openssl_complaint()));
  }
  KeyStore store;
  store.key.reset(key);
  store.certificate.reset(certificate);
  while (others != nullptr && sk_X509_num(others) > 0) {
    store.chain.emplace_back(sk_X509_shift(others));
  }
  sk_X509_free(others);
  ERR_clear_error();
  return store;
}

}  // namespace

std::string openssl_complaint() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (error == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : fmt::format("OpenSSL error {:x}", error);
}

Result<KeyStore> parse_key_store(ByteView bytes, StoreType type, const Secret& password) {
  Result<KeyStore> store =
      type == StoreType::Pem ? parse_pem_keys(bytes, password) : parse_pkcs12(bytes, password);
  if (!store) return store;
  if (store->key == nullptr) return fail("there is no private key in it");
  if (store->certificate == nullptr) return fail("there is no certificate of its key in it");
  if (X509_check_private_key(store->certificate.get(), store->key.get()) != 1) {
    ERR_clear_error();
    return fail("its first certificate is not that of its private key");
  }
  return store;
}

Result<TrustStore> parse_trust_store(ByteView bytes, StoreType type, const Secret& password) {
  TrustStore store;
  if (type == StoreType::Pem) {
    Result<std::vector<Certificate>> authorities = certificates_of(bytes);
    if (!authorities) return tl::unexpected<Error>(authorities.error());
    auto revoked = read_all<RevocationList>(bytes, PEM_read_bio_X509_CRL, "revocation list");
    if (!revoked) return tl::unexpected<Error>(revoked.error());
    store.authorities = std::move(*authorities);
    store.revoked = std::move(*revoked);
  } else {
    Result<KeyStore> container = parse_pkcs12(bytes, password);
    if (!container) return tl::unexpected<Error>(container.error());
    store.authorities = std::move(container->chain);
    if (container->certificate != nullptr) {
      store.authorities.push_back(std::move(container->certificate));
    }
  }
  if (store.authorities.empty()) return fail("there is no certificate in it");
  return store;
}

// ------------------------------------------------------------------------------------------ names

namespace {

// The types that RFC 2253 has words for; others are written by number.
std::string_view word_of(const ASN1_OBJECT* type) {
  switch (OBJ_obj2nid(type)) {
    case NID_commonName:
      return "CN";
    case NID_countryName:
      return "C";
    case NID_localityName:
      return "L";
    case NID_stateOrProvinceName:
      return "ST";
    case NID_organizationName:
      return "O";
    case NID_organizationalUnitName:
      return "OU";
    case NID_streetAddress:
      return "STREET";
    case NID_domainComponent:
      return "DC";
    case NID_userId:
      return "UID";
    default:
      return {};
  }
}

bool is_text(const ASN1_STRING* value) {
  switch (ASN1_STRING_type(value)) {
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_UTF8STRING:
    case V_ASN1_T61STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_GENERALSTRING:
    case V_ASN1_BMPSTRING:
      return true;
    default:
      return false;
  }
}

std::string escaped(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\r'; };
  const auto lead =
      static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_space) - text.begin());
  size_t end = text.size();
  while (end > lead && is_space(text[end - 1])) --end;
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') {
      out += "\\00";
      continue;
    }
    const bool outside = i < lead || i >= end;
    if (outside || std::string_view(",=+<>#;\"\\").find(text[i]) != std::string_view::npos) {
      out += '\\';
    }
    out += text[i];
  }
  return out;
}

std::string hex_of(const ASN1_STRING* value) {
  unsigned char* der = nullptr;
  const int size = i2d_ASN1_PRINTABLE(value, &der);
  std::string out = "#";
  for (int i = 0; i < size; ++i) out += fmt::format("{:02x}", der[i]);
  OPENSSL_free(der);
  return out;
}

std::string attribute(const X509_NAME_ENTRY* entry) {
  const ASN1_OBJECT* type = X509_NAME_ENTRY_get_object(entry);
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
  const std::string_view word = word_of(type);
  if (word.empty() || !is_text(value)) {
    std::array<char, 128> number = {};
    OBJ_obj2txt(number.data(), static_cast<int>(number.size()), type, 1);
    return fmt::format("{}={}", word.empty() ? number.data() : word, hex_of(value));
  }
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return fmt::format("{}={}", word, hex_of(value));
  const std::string text(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return fmt::format("{}={}", word, escaped(text));
}

}  // namespace

std::string rfc2253_name(const X509_NAME* name) {
  // Attributes of one set belong together with '+' between; the sets come last one first.
  std::vector<std::string> sets;
  int last_set = -1;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const int set = X509_NAME_ENTRY_set(entry);
    if (set == last_set) {
      sets.back() += '+' + attribute(entry);
    } else {
      sets.push_back(attribute(entry));
    }
    last_set = set;
  }
  std::string out;
  for (auto set = sets.rbegin(); set != sets.rend(); ++set) {
    if (!out.empty()) out += ',';
    out += *set;
  }
  ERR_clear_error();
  return out;
}

}  // namespace vivarium
