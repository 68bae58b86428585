#include "core/auth_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/one_line.h"
#include "core/properties.h"

namespace vivarium {
namespace {

bool is_true(std::string_view value) {
  constexpr std::string_view kTrue = "true";
  return std::equal(value.begin(), value.end(), kTrue.begin(), kTrue.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  });
}

}  // namespace

std::optional<Result<void>> AuthKeys::take(std::string_view key, std::string_view value) {
  if (key == "enforce.auth.enabled") {
    enforced_ = is_true(value);
  } else if (key == "enforce.auth.schemes") {
    while (!value.empty()) {
      const std::string_view word = value.substr(0, value.find(','));
      value.remove_prefix(std::min(value.size(), word.size() + 1));
      if (!trimmed(word).empty()) config_.demanded.emplace_back(trimmed(word));
    }
  } else if (key == "sessionRequireClientSASLAuth") {
    config_.sasl_demanded = is_true(value);
  } else if (key == "allowSaslFailedClients") {
    config_.stays_after_failed_sasl = is_true(value);
  } else if (key == "superUser" || key.starts_with("superUser.")) {
    if (!value.empty()) config_.sasl_super_users.emplace_back(value);
  } else if (key == "SASLAuthenticationProvider.superPassword") {
    if (value.empty()) return Result<void>();
    sasl_file_.super_password = Secret(std::string(value));
    config_.sasl_super_users.emplace_back(kSaslSuper);
  } else if (key == "java.security.auth.login.config") {
    sasl_file_.path = value;
  } else if (key == "fips-mode") {
    sasl_file_.keeps_to_fips = is_true(value);
  } else if (key == "sasl.serverconfig") {
    sasl_file_.section = value;
  } else if (key == "kerberos.removeHostFromPrincipal") {
    sasl_file_.naming.removes_host = value == "true";
  } else if (key == "kerberos.removeRealmFromPrincipal") {
    sasl_file_.naming.removes_realm = value == "true";
  } else if (key == "requireKerberosConfig") {
    sasl_file_.demands_kerberos = value == "true";
  } else if (key == "security.auth_to_local") {
    Result<AuthToLocal> rules = AuthToLocal::parse(value);
    if (!rules) return fail(fmt::format("{}: {}", key, rules.error().message));
    sasl_file_.naming.rules = std::move(*rules);
  } else {
    return std::nullopt;
  }
  return Result<void>();
}

Result<AuthConfig> AuthKeys::finish(const std::vector<std::string_view>& available) const {
  AuthConfig config = config_;
  if (!enforced_) config.demanded.clear();
  if (enforced_ && config.demanded.empty() && !config.sasl_demanded) {
    return fail("enforce.auth.enabled is true but enforce.auth.schemes is not set");
  }
  if (config.sasl_demanded) config.demanded.emplace_back("sasl");
  if (!sasl_file_.super_password.empty() && sasl_file_.path.empty()) {
    return fail(
        "SASLAuthenticationProvider.superPassword is set but java.security.auth.login.config is "
        "not: there is no SASL");
  }
  for (const std::string& scheme : config.demanded) {
    if (std::find(available.begin(), available.end(), scheme) != available.end()) continue;
    return fail(fmt::format("authentication by '{}' is demanded and not set up", scheme));
  }
  return config;
}

// ------------------------------------------------------------------------------------------- JAAS

namespace {

// Words, quoted texts and single marks of a JAAS file; comments are no tokens.
class JaasReader {
 public:
  explicit JaasReader(std::string_view text) : text_(text) {}

  struct Token {
    std::string text;  // empty at the end
    bool quoted = false;
    bool is(std::string_view mark) const { return !quoted && text == mark; }
    bool at_end() const { return !quoted && text.empty(); }
  };

  Result<Token> next() {
    if (!skip_blanks()) return fail("a comment does not end");
    if (text_.empty()) return Token();
    const char first = text_.front();
    if (first == '"' || first == '\'') return quoted(first);
    if (is_mark(first)) return take(1);
    size_t size = 0;
    while (size < text_.size() && !is_mark(text_[size]) && !is_blank(text_[size]) &&
           text_[size] != '"') {
      ++size;
    }
    return take(size);
  }

 private:
  static bool is_mark(char c) { return c == '{' || c == '}' || c == ';' || c == '='; }
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  Token take(size_t size) {
    Token token{std::string(text_.substr(0, size)), false};
    text_.remove_prefix(size);
    return token;
  }
  Result<Token> quoted(char quote) {
    std::string text;
    for (size_t i = 1; i < text_.size(); ++i) {
      if (text_[i] == quote) {
        text_.remove_prefix(i + 1);
        return Token{std::move(text), true};
      }
      if (text_[i] == '\\' && i + 1 < text_.size()) ++i;
      text += text_[i];
    }
    return fail("a quoted text does not end");
  }
  bool skip_blanks() {
    for (;;) {
      while (!text_.empty() && is_blank(text_.front())) text_.remove_prefix(1);
      if (text_.starts_with("/*")) {
        const size_t end = text_.find("*/", 2);
        if (end == std::string_view::npos) return false;
        text_.remove_prefix(end + 2);
      } else if (text_.starts_with("//") || text_.starts_with("#")) {
        text_.remove_prefix(std::min(text_.size(), text_.find('\n')));
      } else {
        return true;
      }
    }
  }

  std::string_view text_;
};

struct LoginModule {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;
};

// "module flag option=value ... ;" behind `name`.
Result<LoginModule> parse_module(JaasReader& in, std::string name) {
  LoginModule module{std::move(name), {}};
  const Result<JaasReader::Token> flag = in.next();
  if (!flag) return tl::unexpected<Error>(flag.error());
  for (;;) {
    Result<JaasReader::Token> key = in.next();
    if (!key) return tl::unexpected<Error>(key.error());
    if (key->is(";")) return module;
    const Result<JaasReader::Token> equals = in.next();
    if (!equals) return tl::unexpected<Error>(equals.error());
    Result<JaasReader::Token> value = in.next();
    if (!value) return tl::unexpected<Error>(value.error());
    if (key->at_end() || !equals->is("=") || value->at_end()) {
      return fail(fmt::format("{}: expected option=value or ';'", module.name));
    }
    module.options.emplace_back(std::move(key->text), std::move(value->text));
  }
}

constexpr std::string_view kDigestModule = "org.apache.zookeeper.server.auth.DigestLoginModule";
constexpr std::string_view kKerberosModule = "com.sun.security.auth.module.Krb5LoginModule";

// A server has a host; ZooKeeper looks for it between '/' and '@'.
bool is_service_principal(std::string_view text) {
  const std::string whole =
      std::string(text) + (text.find('@') == std::string_view::npos ? "@REALM" : "");
  const std::optional<KerberosName> name = parse_kerberos_name(whole);
  return name && name->host;
}

Result<KerberosLogin> kerberos_of(const LoginModule& module) {
  KerberosLogin login;
  bool uses_keytab = false;
  for (const auto& [key, value] : module.options) {
    if (key == "useKeyTab") uses_keytab = is_true(value);
    if (key == "keyTab") login.keytab = value;
    if (key == "principal") login.principal = value;
  }
  if (!uses_keytab) return fail("Krb5LoginModule: a server needs useKeyTab=true");
  if (!is_service_principal(login.principal)) {
    return fail(fmt::format("Krb5LoginModule: principal '{}' is not SERVICE/HOST[@REALM]",
                            login.principal));
  }
  return login;
}

Result<void> add_module(const LoginModule& module, SaslLogin& login) {
  constexpr std::string_view kUser = "user_";
  if (module.name == kKerberosModule) {
    Result<KerberosLogin> kerberos = kerberos_of(module);
    if (!kerberos) return tl::unexpected<Error>(kerberos.error());
    login.kerberos = std::move(*kerberos);
    return {};
  }
  if (module.name != kDigestModule) {
    return fail(fmt::format("{} is not supported, only {} and {} are", module.name, kDigestModule,
                            kKerberosModule));
  }
  for (const auto& [key, value] : module.options) {
    if (key.starts_with(kUser)) login.users.emplace_back(key.substr(kUser.size()), Secret(value));
  }
  return {};
}

Result<std::optional<SaslLogin>> read_jaas(std::string_view text, std::string_view section) {
  JaasReader in(text);
  std::optional<SaslLogin> found;
  for (;;) {
    const Result<JaasReader::Token> name = in.next();
    if (!name) return tl::unexpected<Error>(name.error());
    if (name->at_end()) return found;
    const Result<JaasReader::Token> open = in.next();
    if (!open || !open->is("{")) return fail(fmt::format("{}: expected '{{'", name->text));
    for (;;) {
      Result<JaasReader::Token> module_name = in.next();
      if (!module_name) return tl::unexpected<Error>(module_name.error());
      if (module_name->is("}")) break;
      if (module_name->at_end()) return fail(fmt::format("{}: expected '}}'", name->text));
      const Result<LoginModule> module = parse_module(in, std::move(module_name->text));
      if (!module) return tl::unexpected<Error>(module.error());
      if (name->text != section) continue;
      if (!found) found.emplace();
      if (Result<void> done = add_module(*module, *found); !done) {
        return fail(fmt::format("{}: {}", section, done.error().message));
      }
    }
    if (name->text == section && found && !found->kerberos && found->users.empty()) {
      return fail(fmt::format("{}: there are no users (user_NAME=\"...\")", section));
    }
    const Result<JaasReader::Token> end = in.next();
    if (!end || !end->is(";")) return fail(fmt::format("{}: expected ';' behind '}}'", name->text));
  }
}

}  // namespace

Result<std::optional<SaslLogin>> parse_jaas(std::string_view text, std::string_view section) {
  Result<std::optional<SaslLogin>> login = read_jaas(text, section);
  if (!login) return fail(one_line(login.error().message));
  return login;
}

}  // namespace vivarium
