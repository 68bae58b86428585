// What zoo.cfg says about TLS for clients: secureClientPort, client.portUnification and the keys
// that begin with ssl. Files are only named here; net/tls_context.h reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/secret.h"
#include "core/world.h"

namespace vivarium {

enum class StoreType : uint8_t { Pem, Pkcs12 };

struct TlsStore {
  std::string location;  // empty: none
  std::optional<StoreType> type;
  Secret password;
  std::string password_path;  // a file that holds the password; it counts before `password`
};

// Whether clients show a certificate: they need not, they may, they have to.
enum class ClientAuth : uint8_t { None, Want, Need };

enum class TlsVersion : uint8_t { Tls12, Tls13 };

struct TlsSettings {
  Address secure_client;        // the port for TLS alone; port 0: there is none
  bool on_client_port = false;  // client.portUnification: TLS and plain bytes on clientPort
  TlsStore key_store;
  TlsStore trust_store;
  TlsVersion version_min = TlsVersion::Tls12;
  TlsVersion version_max = TlsVersion::Tls13;
  std::vector<std::string> cipher_suites;  // the RFCs' names; empty: the default ones
  ClientAuth client_auth = ClientAuth::Need;
  bool check_address = false;  // a client's certificate names the address it comes from
  bool check_revoked = false;  // by the lists in the trust store
  int64_t detection_ms = 5000;
  uint32_t handshakes_max = 1000;  // under way at once

  bool enabled() const { return secure_client.port != 0 || on_client_port; }
};

// Collects the keys of TLS, one after the other in any order.
class TlsKeys {
 public:
  // nullopt: no key of TLS, or (fips-mode) not of TLS alone. Warnings are lines about what is
  // ignored.
  std::optional<Result<void>> take(std::string_view key, std::string_view value,
                                   std::vector<std::string>& warnings);
  // What all keys together mean.
  Result<TlsSettings> finish(std::vector<std::string>& warnings) const;

 private:
  Result<void> take_store_key(std::string_view key, std::string_view value, TlsStore& store);
  Result<void> take_protocols(std::string_view key, std::string_view value,
                              std::vector<std::string>& warnings);
  Result<void> take_choice(std::string_view key, std::string_view value);
  static Result<void> keep_to_fips(TlsSettings& settings);

  TlsSettings settings_;
  std::vector<std::string> ssl_keys_;
  std::vector<TlsVersion> enabled_;
  std::optional<TlsVersion> protocol_;
  bool hostname_verification_ = true;
  bool fips_ = false;
};

}  // namespace vivarium
