// Keys, certificates and stores made on the spot, and TlsClient: a client's end of TLS that waits
// for nothing: pump() does what can be done now.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "disk/fd.h"
#include "net/tls_store.h"

namespace vivarium::contract {

struct Identity {
  PrivateKey key;
  Certificate certificate;
};

struct CertificateForm {
  std::vector<std::pair<std::string, std::string>> name;  // attribute and value, the widest first
  int days = 30;                                          // from now; negative: over
  std::string address;                                    // as subject alternative name
  std::string usage;                                      // extended key usage, empty: any
};

Identity make_authority(const std::string& common_name);
Identity make_identity(const Identity& authority, const CertificateForm& form);
// A subject CN=`common_name`.
Identity make_identity(const Identity& authority, const std::string& common_name);

std::string pem_of(const EVP_PKEY* key, const std::string& password = "");
std::string pem_of(const X509* certificate);
// A list that names `certificate`, or nobody.
std::string pem_of_revoked(const Identity& authority, const X509* certificate);
std::string key_store_pem(const Identity& identity);
std::string pkcs12_of(const Identity& identity, const std::string& password);
std::string pkcs12_of_authority(const Identity& authority, const std::string& password);

class TlsClient {
 public:
  struct Options {
    const Identity* identity = nullptr;   // shown when asked for
    const Identity* authority = nullptr;  // of the server; null: anybody's
    int version_max = TLS1_3_VERSION;
  };
  TlsClient(uint16_t port, const Options& options);

  void send(ByteView bytes) { append_bytes(to_send_, bytes); }
  // Handshake, then sends and, unless it holds still, receives what can be.
  void pump();
  void hold_still(bool still) { still_ = still; }
  // Says close_notify, and with it that nothing follows.
  void say_end();
  void close();

  bool connected() const { return connected_; }
  bool ended() const { return ended_; }  // in whatever way
  const std::string& failure() const { return failure_; }
  bool saw_close_notify() const { return saw_close_notify_; }
  const Bytes& received() const { return received_; }
  size_t unsent() const { return to_send_.size(); }
  std::string server_subject() const;
  SSL* ssl() { return ssl_.get(); }

 private:
  bool moved(int result);

  std::unique_ptr<SSL_CTX, OpenSslFree<SSL_CTX_free>> context_;
  Fd fd_;
  std::unique_ptr<SSL, OpenSslFree<SSL_free>> ssl_;
  Bytes to_send_;
  Bytes received_;
  bool still_ = false;
  bool connected_ = false;
  bool ended_ = false;
  bool saw_close_notify_ = false;
  std::string failure_;
};

}  // namespace vivarium::contract
