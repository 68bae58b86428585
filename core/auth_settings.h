// What zoo.cfg says about clients that have to say who they are, and about SASL.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/base/secret.h"

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
  bool fips_ = false;
};

// The users of a section of a JAAS file whose login module is DigestLoginModule. nullopt: the file
// has no such section. Errors: no JAAS file, another login module.
using SaslUsers = std::vector<std::pair<std::string, Secret>>;
Result<std::optional<SaslUsers>> parse_jaas(std::string_view text, std::string_view section);

}  // namespace vivarium
