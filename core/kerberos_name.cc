#include "core/kerberos_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/one_line.h"
#include "core/properties.h"

namespace vivarium {
namespace {

// Longer ones are nobody's; what a rule costs grows with them.
constexpr size_t kPrincipalBytesMax = 1024;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes the digits at the beginning of `rest`. nullopt: none, or more than two.
std::optional<size_t> take_number(std::string_view& rest) {
  size_t digits = 0;
  size_t number = 0;
  while (digits < rest.size() && is_digit(rest[digits])) {
    if (digits < 2) number = number * 10 + static_cast<size_t>(rest[digits] - '0');
    ++digits;
  }
  if (digits == 0 || digits > 2) return std::nullopt;
  rest.remove_prefix(digits);
  return number;
}

// Takes what stands before `mark`, and the mark.
std::optional<std::string_view> take_until(std::string_view& rest, char mark) {
  const size_t end = rest.find(mark);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return taken;
}

Result<NamePattern> pattern_of(std::string_view text) {
  Result<NamePattern> pattern = NamePattern::parse(text);
  if (pattern) return pattern;
  return fail(fmt::format("pattern '{}': {}", text, pattern.error().message));
}

}  // namespace

std::optional<KerberosName> parse_kerberos_name(std::string_view text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '\\';
  });
  const size_t at = text.find('@');
  if (!is_plain || at == std::string_view::npos) return std::nullopt;
  KerberosName name;
  name.realm = text.substr(at + 1);
  const std::string_view before = text.substr(0, at);
  const size_t slash = before.find('/');
  name.service = before.substr(0, slash);
  if (slash != std::string_view::npos) name.host = before.substr(slash + 1);
  const auto is_part = [](std::string_view part) {
    return !part.empty() && part.find_first_of("/@") == std::string_view::npos;
  };
  if (!is_part(name.service) || !is_part(name.realm)) return std::nullopt;
  if (name.host && !is_part(*name.host)) return std::nullopt;
  return name;
}

// Behind "RULE:[n:".
Result<void> AuthToLocal::parse_format(std::string_view text, Rule& rule) {
  FormatPiece piece;
  while (!text.empty()) {
    const size_t size = std::min(text.find('$'), text.size());
    piece.text = text.substr(0, size);
    text.remove_prefix(size);
    rule.format.push_back(std::exchange(piece, {}));
    if (text.empty()) return {};
    text.remove_prefix(1);
    piece.part = take_number(text);
    if (!piece.part || *piece.part > rule.parts) {
      return fail("a '$' has to be followed by the number of a part of the name");
    }
    if (text.empty()) rule.format.push_back(piece);
  }
  return {};
}

// Behind "s/".
Result<void> AuthToLocal::parse_replacement(std::string_view& rest, Rule& rule) {
  const auto from = take_until(rest, '/');
  const auto to = take_until(rest, '/');
  if (!from || !to) return fail("expected s/FROM/TO/");
  if (to->find_first_of("$\\") != std::string_view::npos) {
    return fail(fmt::format("'$' and '\\' in '{}' are not understood", *to));
  }
  Result<NamePattern> pattern = pattern_of(*from);
  if (!pattern) return tl::unexpected<Error>(pattern.error());
  rule.replaced = std::move(*pattern);
  rule.replacement = *to;
  rule.replaces_all = rest.starts_with('g');
  if (rule.replaces_all) rest.remove_prefix(1);
  return {};
}

Result<AuthToLocal::Rule> AuthToLocal::parse_rule(std::string_view& rest) {
  constexpr std::string_view kDefault = "DEFAULT";
  constexpr std::string_view kRule = "RULE:[";
  Rule rule;
  if (rest.starts_with(kDefault)) {
    rest.remove_prefix(kDefault.size());
    return rule;
  }
  if (!rest.starts_with(kRule)) return fail("expected DEFAULT or RULE:[n:FORMAT]");
  rest.remove_prefix(kRule.size());
  rule.is_default = false;
  const auto parts = take_number(rest);
  const bool has_colon = rest.starts_with(':');
  if (has_colon) rest.remove_prefix(1);
  const auto format = take_until(rest, ']');
  if (!parts || !has_colon || !format) return fail("expected RULE:[n:FORMAT]");
  rule.parts = *parts;
  if (Result<void> done = parse_format(*format, rule); !done) {
    return tl::unexpected<Error>(done.error());
  }
  if (rest.starts_with('(')) {
    rest.remove_prefix(1);
    const auto matched = take_until(rest, ')');
    if (!matched) return fail("')' is missing");
    Result<NamePattern> pattern = pattern_of(*matched);
    if (!pattern) return tl::unexpected<Error>(pattern.error());
    rule.matched = std::move(*pattern);
  }
  if (rest.starts_with("s/")) {
    rest.remove_prefix(2);
    if (Result<void> done = parse_replacement(rest, rule); !done) {
      return tl::unexpected<Error>(done.error());
    }
  }
  return rule;
}

Result<AuthToLocal> AuthToLocal::parse(std::string_view text) {
  AuthToLocal rules;
  rules.rules_.clear();
  for (std::string_view rest = trimmed(text); !rest.empty(); rest = trimmed(rest)) {
    const std::string_view begin = rest;
    Result<Rule> rule = parse_rule(rest);
    if (!rule) return fail(one_line(fmt::format("'{}': {}", begin, rule.error().message)));
    rules.rules_.push_back(std::move(*rule));
  }
  return rules;
}

std::optional<std::string> AuthToLocal::apply(const Rule& rule, const KerberosName& name,
                                              std::string_view default_realm) {
  if (rule.is_default) {
    if (name.realm != default_realm) return std::nullopt;
    return name.service;
  }
  if (rule.parts != (name.host ? 2U : 1U)) return std::nullopt;
  std::string base;
  for (const FormatPiece& piece : rule.format) {
    if (piece.part == 0U) base += name.realm;
    if (piece.part == 1U) base += name.service;
    if (piece.part == 2U) base += name.host.value_or("");
    base += piece.text;
  }
  if (rule.matched && !rule.matched->matches(base)) return std::nullopt;
  if (!rule.replaced) return base;
  // As Java: behind an empty match the next one is looked for a character further on.
  std::string result;
  size_t copied = 0;
  for (size_t from = 0; from <= base.size();) {
    const auto found = rule.replaced->find(base, from);
    if (!found) break;
    result.append(base, copied, found->begin - copied);
    result += rule.replacement;
    copied = found->end;
    from = found->end + (found->begin == found->end ? 1 : 0);
    if (!rule.replaces_all) break;
  }
  return result.append(base, copied, std::string::npos);
}

Result<std::string> AuthToLocal::short_name(const KerberosName& name,
                                            std::string_view default_realm) const {
  for (const Rule& rule : rules_) {
    std::optional<std::string> result = apply(rule, name, default_realm);
    if (!result) continue;
    if (result->empty() || result->find_first_of("/@") != std::string::npos) {
      return fail(fmt::format("a rule makes '{}' of it, which is no short name", *result));
    }
    return std::move(*result);
  }
  return fail("no rule of security.auth_to_local applies to it");
}

Result<std::string> sasl_id_of(std::string_view principal, const KerberosNaming& naming,
                               std::string_view default_realm) {
  if (principal.size() > kPrincipalBytesMax) return fail("its name is too long");
  const auto name = parse_kerberos_name(principal);
  if (!name) return fail("it is neither NAME@REALM nor NAME/HOST@REALM");
  Result<std::string> id = naming.rules.short_name(*name, default_realm);
  if (!id) return id;
  if (name->host && !naming.removes_host) *id += "/" + *name->host;
  if (!naming.removes_realm) *id += "@" + name->realm;
  return id;
}

}  // namespace vivarium
