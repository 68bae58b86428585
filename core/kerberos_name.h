// Kerberos principals, and the ids of scheme sasl that they become, as ZooKeeper's KerberosName and
// SaslServerCallbackHandler make them: the rules of security.auth_to_local shorten a principal, and
// its host and realm stand behind the short name again unless the operator says otherwise. A
// principal to which no rule applies becomes nobody; ZooKeeper lets its client choose a name then.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/name_pattern.h"

namespace vivarium {

struct KerberosName {
  std::string service;              // or a person
  std::optional<std::string> host;  // or a role
  std::string realm;
};

// "service@REALM" or "service/host@REALM". nullopt: neither, or with characters that libraries
// write differently (a backslash, or what is not printed).
std::optional<KerberosName> parse_kerberos_name(std::string_view text);

// security.auth_to_local: DEFAULT and RULE:[n:format](pattern)s/from/to/g, the first that applies.
class AuthToLocal {
 public:
  AuthToLocal() : rules_(1) {}  // DEFAULT
  static Result<AuthToLocal> parse(std::string_view text);
  // Error: no rule applies, or what it makes is no short name.
  Result<std::string> short_name(const KerberosName& name, std::string_view default_realm) const;

 private:
  // "$1@x": texts, each with the number of the part that stands before it. 0 is the realm.
  struct FormatPiece {
    std::optional<size_t> part;
    std::string text;
  };
  struct Rule {
    bool is_default = true;
    size_t parts = 0;  // how many parts names have to which it applies
    std::vector<FormatPiece> format;
    std::optional<NamePattern> matched;
    std::optional<NamePattern> replaced;
    std::string replacement;
    bool replaces_all = false;
  };
  static Result<Rule> parse_rule(std::string_view& rest);
  static Result<void> parse_format(std::string_view text, Rule& rule);
  static Result<void> parse_replacement(std::string_view& rest, Rule& rule);
  static std::optional<std::string> apply(const Rule& rule, const KerberosName& name,
                                          std::string_view default_realm);

  std::vector<Rule> rules_;
};

struct KerberosNaming {
  AuthToLocal rules;           // security.auth_to_local
  bool removes_host = false;   // kerberos.removeHostFromPrincipal
  bool removes_realm = false;  // kerberos.removeRealmFromPrincipal
};

// Error: why this principal is nobody here.
Result<std::string> sasl_id_of(std::string_view principal, const KerberosNaming& naming,
                               std::string_view default_realm);

}  // namespace vivarium
