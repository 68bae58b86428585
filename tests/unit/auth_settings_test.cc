// Keys about clients that have to say who they are, and JAAS files.
#include "core/auth_settings.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>

#include "core/config.h"
#include "tests/unit/server_file.h"

namespace vivarium {
namespace {

TEST(AuthKeys, WhatIsDemanded) {
  EXPECT_TRUE(parsed(kPlain).config.auth.demanded.empty());
  EXPECT_EQ(parsed(kPlain + "enforce.auth.enabled=true\nenforce.auth.schemes=digest, ip")
                .config.auth.demanded,
            (std::vector<std::string>{"digest", "ip"}));
  EXPECT_TRUE(parsed(kPlain + "enforce.auth.enabled=false\nenforce.auth.schemes=digest")
                  .config.auth.demanded.empty());
  const ServerFile sasl =
      parsed(kPlain +
             "sessionRequireClientSASLAuth=true\njava.security.auth.login.config=/jaas.conf\n"
             "sasl.serverconfig=Zk\nsuperUser=ann\nsuperUser.2=bob\n");
  EXPECT_EQ(sasl.config.auth.demanded, std::vector<std::string>{"sasl"});
  EXPECT_TRUE(sasl.config.auth.sasl_demanded);
  EXPECT_FALSE(sasl.config.auth.stays_after_failed_sasl);
  EXPECT_EQ(sasl.config.auth.sasl_super_users, (std::vector<std::string>{"ann", "bob"}));
  EXPECT_EQ(sasl.sasl.path, "/jaas.conf");
  EXPECT_EQ(sasl.sasl.section, "Zk");
  EXPECT_TRUE(parsed(kPlain + "allowSaslFailedClients=true").config.auth.stays_after_failed_sasl);
}

TEST(AuthKeys, WhatPrincipalsAreCalled) {
  const auto id = [](const std::string& keys) {
    const ServerFile file = parsed(kPlain + keys);
    return sasl_id_of("nn/host@R", file.sasl.naming, "R").value_or("nobody");
  };
  EXPECT_EQ(id(""), "nn/host@R");
  EXPECT_EQ(id("kerberos.removeHostFromPrincipal=true\n"), "nn@R");
  EXPECT_EQ(id("kerberos.removeRealmFromPrincipal=true\n"), "nn/host");
  EXPECT_EQ(id("kerberos.removeRealmFromPrincipal=TRUE\n"), "nn/host@R");  // Java: equals
  EXPECT_EQ(id("security.auth_to_local=RULE:[2:$1@$0](nn@R)s/.*/hdfs/ DEFAULT\n"), "hdfs/host@R");
  EXPECT_EQ(refusal(kPlain + "security.auth_to_local=RULE:[1:$1](a)(b)\n"),
            "security.auth_to_local: '(b)': expected DEFAULT or RULE:[n:FORMAT]");
  EXPECT_TRUE(parsed(kPlain + "requireKerberosConfig=true\n").sasl.demands_kerberos);
  EXPECT_FALSE(parsed(kPlain + "requireKerberosConfig=false\n").sasl.demands_kerberos);
  const Result<ServerFile> options = parse_server_file(
      {kPlain, "", "", "-Dzookeeper.security.auth_to_local='RULE:[2:$1$2] DEFAULT'"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_TRUE(options->warnings.empty());
  EXPECT_EQ(sasl_id_of("nn/host@R", options->sasl.naming, "R").value_or("nobody"), "nnhost/host@R");
}

TEST(AuthKeys, OptionsOfTheProcessCountToo) {
  const Result<ServerFile> file =
      parse_server_file({kPlain + "secureClientPort=2281\nssl.clientAuth=none\n", "", "",
                         "-Dzookeeper.sessionRequireClientSASLAuth=true "
                         "-Djava.security.auth.login.config=/jaas.conf "
                         "-Dzookeeper.ssl.keyStore.location=/k.pem"});
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->config.auth.demanded, std::vector<std::string>{"sasl"});
  EXPECT_EQ(file->sasl.path, "/jaas.conf");
  EXPECT_EQ(file->tls.key_store.location, "/k.pem");
  EXPECT_TRUE(file->warnings.empty());
}

TEST(AuthKeys, WhatCannotBeDemanded) {
  EXPECT_EQ(refusal(kPlain + "enforce.auth.enabled=true"),
            "enforce.auth.enabled is true but enforce.auth.schemes is not set");
  EXPECT_EQ(refusal(kPlain + "enforce.auth.enabled=true\nenforce.auth.schemes=x509"),
            "authentication by 'x509' is demanded and not set up");
  EXPECT_EQ(refusal(kPlain + "sessionRequireClientSASLAuth=true"),
            "authentication by 'sasl' is demanded and not set up");
  EXPECT_EQ(refusal(kPlain + "enforce.auth.enabled=true\nenforce.auth.schemes=digest\n"
                             "DigestAuthenticationProvider.enabled=false"),
            "authentication by 'digest' is demanded and not set up");
}

// The JAAS file says which mechanism it is: whoever reads it refuses DIGEST-MD5 then.
TEST(AuthKeys, FipsModeIsForWhoReadsTheJaasFile) {
  const std::string sasl = kPlain + "java.security.auth.login.config=/jaas.conf\n";
  EXPECT_TRUE(parsed(sasl + "fips-mode=true").sasl.keeps_to_fips);
  EXPECT_FALSE(parsed(sasl + "fips-mode=false").sasl.keeps_to_fips);
  EXPECT_TRUE(parsed(kPlain + "fips-mode=true").warnings.empty());
}

const std::string kModule = "org.apache.zookeeper.server.auth.DigestLoginModule";

SaslUsers users(const std::string& text, std::string_view section = "Server") {
  const auto found = parse_jaas(text, section);
  EXPECT_TRUE(found && *found) << (found ? "no section" : found.error().message);
  return found && *found ? (**found).users : SaslUsers();
}

std::string complaint(const std::string& text) {
  const auto found = parse_jaas(text, "Server");
  EXPECT_FALSE(found);
  return found ? "" : found.error().message;
}

TEST(Jaas, UsersOfASection) {
  const SaslUsers found = users(
      "// users\nClient { com.sun.security.auth.module.Krb5LoginModule required; };\n"
      "/* ours */ Server {\n  " +
      kModule + " required\n user_bob=\"se\\\"cret\"\n  # and\n  user_ann='x y' debug=true;\n};\n");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].first, "bob");
  EXPECT_TRUE(found[0].second.is("se\"cret"));
  EXPECT_EQ(found[1].first, "ann");
  EXPECT_TRUE(found[1].second.is("x y"));
  EXPECT_EQ(users("A{m required;};B{" + kModule + " required user_u=p;};", "B").size(), 1U);
}

const std::string kKerberos = "com.sun.security.auth.module.Krb5LoginModule";

TEST(Jaas, AKerberosPrincipalAndItsKeytab) {
  const auto found = parse_jaas("Server { " + kKerberos +
                                    " required useKeyTab=true keyTab=\"/etc/zk.keytab\"\n"
                                    "storeKey=true useTicketCache=false "
                                    "principal=\"zookeeper/zk1.example.com@EXAMPLE.COM\"; };",
                                "Server");
  ASSERT_TRUE(found && *found) << (found ? "no section" : found.error().message);
  ASSERT_TRUE((**found).kerberos);
  EXPECT_EQ((**found).kerberos->keytab, "/etc/zk.keytab");
  EXPECT_EQ((**found).kerberos->principal, "zookeeper/zk1.example.com@EXAMPLE.COM");
  EXPECT_TRUE((**found).users.empty());
  // Both modules: the users are kept, and ZooKeeper's choice is the caller's.
  const auto both = parse_jaas("Server { " + kModule + " required user_u=p; " + kKerberos +
                                   " required useKeyTab=TRUE principal='zk/h'; };",
                               "Server");
  ASSERT_TRUE(both && *both);
  EXPECT_TRUE((**both).kerberos);
  EXPECT_EQ((**both).kerberos->keytab, "");
  EXPECT_EQ((**both).users.size(), 1U);
}

TEST(Jaas, WhatAKerberosServerNeeds) {
  const auto of = [](const std::string& options) {
    return complaint("Server { " + kKerberos + " required " + options + "; };");
  };
  EXPECT_EQ(of(""), "Server: Krb5LoginModule: a server needs useKeyTab=true");
  EXPECT_EQ(of("useKeyTab=false principal=\"a/b\""),
            "Server: Krb5LoginModule: a server needs useKeyTab=true");
  for (const std::string name :
       {"", "zookeeper", "zookeeper@R", "*", "a/b/c@R", "a/b@R@S", "a/@R"}) {
    EXPECT_EQ(of("useKeyTab=true principal=\"" + name + "\""),
              "Server: Krb5LoginModule: principal '" + name + "' is not SERVICE/HOST[@REALM]");
  }
}

TEST(Jaas, ASectionThatIsNotThereIsNoError) {
  for (const std::string text : {"", "// nothing\n", "Client { m required; };"}) {
    const auto found = parse_jaas(text, "Server");
    ASSERT_TRUE(found);
    EXPECT_FALSE(*found) << text;
  }
}

TEST(Jaas, WhatIsNoJaasFileIsOneLine) {
  EXPECT_EQ(complaint("Server { \"a\nb\" required; };"),
            "Server: a\\x0ab is not supported, only " + kModule +
                " and com.sun.security.auth.module.Krb5LoginModule are");
  EXPECT_EQ(complaint("Server { com.ibm.security.auth.module.Krb5LoginModule required; };"),
            "Server: com.ibm.security.auth.module.Krb5LoginModule is not supported, only " +
                kModule + " and com.sun.security.auth.module.Krb5LoginModule are");
  EXPECT_EQ(complaint("Server { " + kModule + " required; };"),
            "Server: there are no users (user_NAME=\"...\")");
  EXPECT_EQ(complaint("Server " + kModule), "Server: expected '{'");
  EXPECT_EQ(complaint("Server { " + kModule + " required user_a;"),
            kModule + ": expected option=value or ';'");
  EXPECT_EQ(complaint("Server { " + kModule + " required user_a=\"x"),
            "a quoted text does not end");
  EXPECT_EQ(complaint("Server { /* "), "a comment does not end");
  EXPECT_EQ(complaint("Server { " + kModule + " required user_a=x; }"),
            "Server: expected ';' behind '}'");
  EXPECT_EQ(complaint("Server {"), "Server: expected '}'");
}

TEST(Jaas, WhateverTheTextThereIsAnAnswer) {
  const bool held =
      rc::check("any text is users, nobody, or one line", [](const std::string& noise) {
        const std::string whole = "Server { " + kModule + " required user_a=\"x\"; };";
        const auto at = *rc::gen::inRange<size_t>(0, whole.size());
        for (const std::string& text : {noise, whole.substr(0, at) + noise, whole.substr(0, at)}) {
          const auto found = parse_jaas(text, "Server");
          RC_ASSERT(found || !found.error().message.empty());
        }
      });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace vivarium
