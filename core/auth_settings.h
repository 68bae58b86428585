// What zoo.cfg says about clients that have to say who they are, and about SASL.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/base/secret.h"
#include "core/kerberos_name.h"

namespace vivarium {

inline constexpr std::string_view kSaslSuper = "super";

struct AuthConfig {
  // A connection without an id of one of these schemes may do nothing but identify itself. Empty:
  // nothing is demanded.
  std::vector<std::string> demanded;          // enforce.auth.schemes
  bool sasl_demanded = false;                 // sessionRequireClientSASLAuth
  bool stays_after_failed_sasl = false;       // allowSaslFailedClients
  std::vector<std::string> sasl_super_users;  // superUser, superUser.NAME
};

// Where users of SASL are named: a JAAS file of Java's.
struct SaslFile {
  std::string path;  // java.security.auth.login.config; empty: no SASL
  std::string section = "Server";
  // SASLAuthenticationProvider.superPassword: of the user "super", who may do everything.
  Secret super_password{};
  KerberosNaming naming;          // what principals are called in ACLs
  bool keeps_to_fips = false;     // fips-mode: no DIGEST-MD5
  bool demands_kerberos = false;  // requireKerberosConfig: no start without a default realm
};

class AuthKeys {
 public:
  // nullopt: no key of these.
  std::optional<Result<void>> take(std::string_view key, std::string_view value);
  // `available`: the schemes by which a client can identify itself here.
  Result<AuthConfig> finish(const std::vector<std::string_view>& available) const;
  const SaslFile& sasl_file() const { return sasl_file_; }

 private:
  AuthConfig config_;
  SaslFile sasl_file_;
  bool enforced_ = false;
};

using SaslUsers = std::vector<std::pair<std::string, Secret>>;

// Krb5LoginModule: as whom the server lets itself be called, and where its keys are.
struct KerberosLogin {
  std::string keytab;     // empty: the library's usual one
  std::string principal;  // SERVICE/HOST, with or without @REALM
};

// What a section of a JAAS file says. As in ZooKeeper a principal means GSSAPI, and users mean
// DIGEST-MD5 where there is none.
struct SaslLogin {
  SaslUsers users;
  std::optional<KerberosLogin> kerberos;
};

// nullopt: the file has no such section. Errors: no JAAS file, another login module than
// DigestLoginModule and Krb5LoginModule, or one without what a server needs.
Result<std::optional<SaslLogin>> parse_jaas(std::string_view text, std::string_view section);

}  // namespace vivarium
