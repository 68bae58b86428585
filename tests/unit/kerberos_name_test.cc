// Principals, the rules of security.auth_to_local, and the patterns they are written with.
#include "core/kerberos_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <regex>
#include <string>

namespace vivarium {
namespace {

using testing::HasSubstr;

// What the first match of `pattern` in `text` covers; "-" without one.
std::string found(std::string_view pattern, const std::string& text, size_t from = 0) {
  const auto parsed = NamePattern::parse(pattern);
  if (!parsed) return parsed.error().message;
  const auto place = parsed->find(text, from);
  return place ? text.substr(place->begin, place->end - place->begin) : "-";
}

bool matches(std::string_view pattern, std::string_view text) {
  const auto parsed = NamePattern::parse(pattern);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed && parsed->matches(text);
}

TEST(NamePattern, TakesTheFirstPlaceAndAsMuchAsItCan) {
  EXPECT_EQ(found("@.*", "bob@A@B"), "@A@B");
  EXPECT_EQ(found("b+", "abbbc"), "bbb");
  EXPECT_EQ(found("ab?c", "xacabc"), "ac");
  EXPECT_EQ(found("a.*b", "xaabab"), "aabab");
  EXPECT_EQ(found("[^a-c.]+", "ab.xyz.d"), "xyz");
  EXPECT_EQ(found("\\d\\w\\.", "a1b.2c."), "1b.");
  EXPECT_EQ(found("b|ab|a", "ab"), "ab");
  EXPECT_EQ(found("a|ab", "ab"), "a");  // the first alternative, as Java, not the longest
  EXPECT_EQ(found("^b", "ab"), "-");
  EXPECT_EQ(found("b$", "bab"), "b");
  EXPECT_EQ(found("b$", "bab", 3), "-");
  EXPECT_EQ(found("", "ab", 2), "");
  EXPECT_EQ(found("x.y", "x\xc3\xa4y"), "x\xc3\xa4y");
  EXPECT_EQ(found("[^x]y", "x\xc3\xa4y"), "\xc3\xa4y");
}

TEST(NamePattern, MatchesTheWholeOrNothing) {
  EXPECT_TRUE(matches(".*@EXAMPLE\\.COM", "bob@EXAMPLE.COM"));
  EXPECT_FALSE(matches(".*@EXAMPLE\\.COM", "bob@EXAMPLEXCOM"));
  EXPECT_FALSE(matches("bob", "bobby"));
  EXPECT_TRUE(matches("[jt]t@.*EXAMPLE.COM", "jt@SUB.EXAMPLE.COM"));
  EXPECT_TRUE(matches("a|ab", "ab"));
  EXPECT_FALSE(matches("a*", "aab"));
  EXPECT_TRUE(matches("", ""));
}

TEST(NamePattern, WhatIsNotUnderstoodIsRefused) {
  for (const char* pattern : {"(a)", "a{2}", "a*?", "a++", "*a", "\\b", "[a", "[a&&b]", "[[x]]",
                              "\\", "[]", "\xc3\xa4", "a|*", "[z-a]", "\\1"}) {
    const auto parsed = NamePattern::parse(pattern);
    ASSERT_FALSE(parsed) << pattern;
    EXPECT_FALSE(parsed.error().message.empty());
  }
}

// ECMAScript has the same greedy, leftmost, first-alternative matching for this part.
TEST(NamePattern, FindsWhatOthersFind) {
  const bool held = rc::check("the first match is that of std::regex", [] {
    const auto piece = rc::gen::element<std::string>("a", "b", ".", "[ab]", "[^a]", "c", "|", "^",
                                                     "$", "\\.", "\\w");
    const auto mark = rc::gen::element<std::string>("", "", "", "*", "+", "?");
    std::string pattern;
    const auto size = *rc::gen::inRange(0, 7);
    for (int i = 0; i < size; ++i) {
      const std::string one = *piece;
      pattern += one;
      if (one != "|" && one != "^" && one != "$") pattern += *mark;
    }
    const std::string text = *rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', '.'));
    const std::regex other(pattern);
    std::smatch match;
    const bool is_found = std::regex_search(text, match, other);
    const auto parsed = NamePattern::parse(pattern);
    RC_ASSERT(parsed.has_value());
    const auto place = parsed->find(text, 0);
    RC_ASSERT(place.has_value() == is_found);
    if (is_found) {
      const auto begin = static_cast<size_t>(match.position(0));
      const auto end = begin + static_cast<size_t>(match.length(0));
      RC_ASSERT(*place == (NamePattern::Found{begin, end}));
    }
    RC_ASSERT(parsed->matches(text) == std::regex_match(text, other));
  });
  EXPECT_TRUE(held);
}

TEST(KerberosName, HasTwoOrThreeParts) {
  const auto bob = parse_kerberos_name("bob@R");
  ASSERT_TRUE(bob);
  EXPECT_EQ(bob->service, "bob");
  EXPECT_FALSE(bob->host);
  EXPECT_EQ(bob->realm, "R");
  const auto zookeeper = parse_kerberos_name("zookeeper/h.example.com@R");
  ASSERT_TRUE(zookeeper);
  EXPECT_EQ(zookeeper->service, "zookeeper");
  EXPECT_EQ(zookeeper->host, "h.example.com");
  for (const char* other :
       {"", "bob", "bob@", "@R", "a/b/c@R", "a/@R", "/b@R", "a@R/S", "a@R@S", "a\\@b@R", "a\n@R"}) {
    EXPECT_FALSE(parse_kerberos_name(other)) << other;
  }
}

std::string id_of(std::string_view principal, std::string_view rules = "DEFAULT",
                  bool removes_host = false, bool removes_realm = false) {
  const auto parsed = AuthToLocal::parse(rules);
  if (!parsed) return parsed.error().message;
  const auto id = sasl_id_of(principal, {*parsed, removes_host, removes_realm}, "R");
  return id ? *id : "nobody: " + id.error().message;
}

TEST(SaslIds, HostAndRealmStandBehindTheShortName) {
  EXPECT_EQ(id_of("bob@R"), "bob@R");
  EXPECT_EQ(id_of("hbase/h1@R"), "hbase/h1@R");
  EXPECT_EQ(id_of("hbase/h1@R", "DEFAULT", true), "hbase@R");
  EXPECT_EQ(id_of("hbase/h1@R", "DEFAULT", false, true), "hbase/h1");
  EXPECT_EQ(id_of("hbase/h1@R", "DEFAULT", true, true), "hbase");
  // Also where a rule made the name.
  EXPECT_EQ(id_of("bob@OTHER", "RULE:[1:$1-$0]"), "bob-OTHER@OTHER");
}

TEST(SaslIds, OfARealmThatIsNotOursIsNobodyWithoutARule) {
  EXPECT_EQ(id_of("bob@OTHER"), "nobody: no rule of security.auth_to_local applies to it");
  EXPECT_EQ(id_of("bob@R", ""), "nobody: no rule of security.auth_to_local applies to it");
  EXPECT_EQ(id_of("bob"), "nobody: it is neither NAME@REALM nor NAME/HOST@REALM");
  EXPECT_EQ(id_of("a/b/c@R"), "nobody: it is neither NAME@REALM nor NAME/HOST@REALM");
  EXPECT_EQ(id_of(std::string(2000, 'a') + "@R"), "nobody: its name is too long");
}

TEST(SaslIds, RulesApplyInTheirOrder) {
  const std::string hadoop =
      "RULE:[2:$1@$0](nn@.*R)s/.*/hdfs/\n  RULE:[1:$1@$0](.*@OTHER)s/@.*//"
      "RULE:[2:$1;$2](.*;admin)s/;admin$//g DEFAULT";
  const auto name = [&](std::string_view principal) {
    return id_of(principal, hadoop, true, true);
  };
  EXPECT_EQ(name("nn/h1@R"), "hdfs");
  EXPECT_EQ(name("bob@OTHER"), "bob");
  EXPECT_EQ(name("ann/admin@OTHER"), "ann");
  EXPECT_EQ(name("ann/user@R"), "ann");
  EXPECT_EQ(name("ann/user@OTHER"), "nobody: no rule of security.auth_to_local applies to it");
  // A rule for names of two parts is none for three.
  EXPECT_EQ(id_of("a/b@R", "RULE:[1:x]"),
            "nobody: no rule of security.auth_to_local applies to it");
}

TEST(SaslIds, ReplacementsAreJavas) {
  const auto short_of = [](std::string_view rule) { return id_of("abcab@R", rule, true, true); };
  EXPECT_EQ(short_of("RULE:[1:$1]s/a/x/"), "xbcab");
  EXPECT_EQ(short_of("RULE:[1:$1]s/a/x/g"), "xbcxb");
  EXPECT_EQ(short_of("RULE:[1:$1]s/.*/x/"), "x");
  EXPECT_EQ(short_of("RULE:[1:$1]s/.*/x/g"), "xx");  // once more at the end, where nothing is left
  EXPECT_EQ(short_of("RULE:[1:$1]s/z*/-/g"), "-a-b-c-a-b-");
  EXPECT_EQ(short_of("RULE:[1:$1]s/ab//g"), "c");
  EXPECT_EQ(short_of("RULE:[1:$1]s/zz/y/"), "abcab");
  EXPECT_EQ(short_of("RULE:[1:u$1$1]"), "uabcababcab");
}

TEST(SaslIds, WhatARuleMakesIsAShortName) {
  for (const char* rule : {"RULE:[1:$1@$0]", "RULE:[1:a/$1]", "RULE:[1:$1]s/.*//"}) {
    EXPECT_THAT(id_of("bob@R", rule), HasSubstr("which is no short name")) << rule;
  }
}

TEST(SaslIds, RulesThatAreNotUnderstoodAreRefused) {
  const std::pair<const char*, const char*> kRules[] = {
      {"default", "'default': expected DEFAULT or RULE:[n:FORMAT]"},
      {"DEFAULT x", "'x': expected DEFAULT"},
      {"DEFAULT\nx\nDEFAULT", "'x\\x0aDEFAULT': expected DEFAULT"},  // in one line
      {"RULE:[:$1]", "expected RULE:[n:FORMAT]"},
      {"RULE:[1:$1", "expected RULE:[n:FORMAT]"},
      {"RULE:[1:$2]", "the number of a part"},
      {"RULE:[1:$]", "the number of a part"},
      {"RULE:[1:$1](a", "')' is missing"},
      {"RULE:[1:$1](a|(b))", "pattern 'a|(b': groups"},
      {"RULE:[1:$1]s/a/b", "expected s/FROM/TO/"},
      {"RULE:[1:$1]s/(a)/b/", "pattern '(a)': groups are not understood"},
      {"RULE:[1:$1]s/a/$0/", "'$' and '\\' in '$0' are not understood"},
      {"RULE:[1:$1]s/a/b/L", "'L': expected DEFAULT"},
  };
  for (const auto& [rule, reason] : kRules) {
    const auto parsed = AuthToLocal::parse(rule);
    ASSERT_FALSE(parsed) << rule;
    EXPECT_THAT(parsed.error().message, HasSubstr(reason));
  }
}

TEST(SaslIds, WhateverThePrincipalTheIdIsOneThatAclsMayHold) {
  const bool held = rc::check("a name with its realm, or a reason", [](const std::string& noise) {
    const auto rules = AuthToLocal::parse("RULE:[1:$1]s/x/y/g RULE:[2:$1.$2] DEFAULT");
    RC_ASSERT(rules.has_value());
    for (const std::string& principal : {noise, noise + "@R", "a/" + noise + "@R", "a@" + noise}) {
      const auto id = sasl_id_of(principal, {*rules, false, false}, "R");
      if (!id) {
        RC_ASSERT(!id.error().message.empty());
        continue;
      }
      const auto again = parse_kerberos_name(*id);
      RC_ASSERT(again.has_value());
      RC_ASSERT(again->realm == principal.substr(principal.find('@') + 1));
    }
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace vivarium
