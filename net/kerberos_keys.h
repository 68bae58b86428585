// KerberosKeys: what a server needs to accept Kerberos tickets. The keys of its principal are read
// from the keytab once; they and the replay cache are kept in memory, so that accepting a ticket
// waits for no disk, asks no KDC and resolves no name (docs/decisions.md, 80).
#pragma once

#include <memory>
#include <string>

#include "core/auth_settings.h"
#include "core/base/result.h"

namespace vivarium {

class KerberosKeys {
 public:
  // Errors, in one line: no krb5.conf or no default realm in it, no keytab, no keys of the
  // principal.
  static Result<std::unique_ptr<KerberosKeys>> read(const KerberosLogin& login);
  // The realm that krb5.conf names.
  static Result<std::string> default_realm();
  ~KerberosKeys();
  KerberosKeys(const KerberosKeys&) = delete;
  KerberosKeys& operator=(const KerberosKeys&) = delete;

  const std::string& principal() const { return principal_; }  // with its realm
  const std::string& realm() const { return realm_; }          // the default one
  const std::string& keytab() const { return keytab_; }
  size_t count() const { return count_; }
  // A gss_cred_id_t.
  const void* credentials() const;

 private:
  struct Handles;
  KerberosKeys();
  Result<void> name_principal(const std::string& written);
  Result<void> collect(const std::string& keytab);
  Result<void> acquire();

  std::unique_ptr<Handles> handles_;
  std::string principal_;
  std::string realm_;
  std::string keytab_;
  size_t count_ = 0;
};

}  // namespace vivarium
