"""SASL DIGEST-MD5 (tests/system/kerberos_test.py has GSSAPI): kazoo and ZooKeeper's own shell with users of a JAAS file."""

import subprocess

from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.retry import KazooRetry
from kazoo.security import make_acl

from tests.system.harness import PATIENCE_S, SESSION_S, ServerTest, configured, end_client, new_client, wait_until
from tests.system.wire import OP_GET_DATA, RawSession, text

JAAS = """
// What the server knows; the other section is a client's.
Server {
  org.apache.zookeeper.server.auth.DigestLoginModule required
  user_bob="bob's secret"
  user_ann="x";
};
Client {
  org.apache.zookeeper.server.auth.DigestLoginModule required username="bob" password="bob's secret";
};
"""
JARS = ":".join(f"/usr/share/java/{name}.jar" for name in
                ["zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-nop", "commons-cli"])


class Sasl(ServerTest):
    def served(self, **keys):
        jaas = self.folder / "jaas.conf"
        jaas.write_text(JAAS)
        return self.own(configured(self.folder / "one", **{
            "java.security.auth.login.config": jaas,
            "authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider", **keys}))

    def client(self, server, user, password):
        client = KazooClient(hosts=server.address, timeout=SESSION_S,
                             connection_retry=KazooRetry(max_tries=2, delay=0.01, max_delay=0.02),
                             sasl_options={"mechanism": "DIGEST-MD5", "username": user, "password": password})
        self.addCleanup(end_client, client)
        return client

    def started(self, server, user="bob", password="bob's secret"):
        client = self.client(server, user, password)
        client.start(timeout=PATIENCE_S)
        return client

    def test_users_are_who_they_prove_to_be(self):
        server = self.served().start().wait_serving()
        bob, ann = self.started(server), self.started(server, "ann", "x")
        bob.create("/bobs", b"1", acl=[make_acl("sasl", "bob", all=True)])
        bob.create("/auth", b"1", acl=[make_acl("auth", "", all=True)])
        self.assertEqual(bob.get("/bobs")[0], b"1")
        self.assertEqual([(entry.id.scheme, entry.id.id) for entry in bob.get_acls("/auth")[0]], [("sasl", "bob")])
        self.assertRaises(NoAuthError, ann.get, "/bobs")
        plain = new_client(server.address)
        self.addCleanup(end_client, plain)
        plain.start(timeout=PATIENCE_S)
        self.assertRaises(NoAuthError, plain.get, "/bobs")

    def test_a_wrong_password_does_not_come_in(self):
        server = self.served().start().wait_serving()
        for times, (user, password) in enumerate([("bob", "guessed"), ("nobody", "bob's secret"), ("ann", "")], 1):
            client = self.client(server, user, password)
            client.start_async()
            wait_until(lambda: len(server.said("audit: sasl refused from 127.0.0.1")) >= times, f"refusal of {user}")
            wait_until(lambda: not client.connected, f"the end of {user}")
            end_client(client)
        self.started(server).create("/still", b"")
        self.assertFalse(server.said("secret|guessed"))

    def test_super_users(self):
        server = self.served(superUser="ann").start().wait_serving()
        bob, ann = self.started(server), self.started(server, "ann", "x")
        bob.create("/bobs", b"1", acl=[make_acl("sasl", "bob", all=True)])
        self.assertEqual(ann.get("/bobs")[0], b"1")

    def test_the_super_password_is_that_of_super(self):
        server = self.served(**{"SASLAuthenticationProvider.superPassword": "above all"}).start().wait_serving()
        bob, boss = self.started(server), self.started(server, "super", "above all")
        bob.create("/bobs", b"1", acl=[make_acl("sasl", "bob", all=True)])
        self.assertEqual(boss.get("/bobs")[0], b"1")
        self.assertFalse(server.said("above all"))

    def test_who_says_nothing_may_do_nothing_where_sasl_is_demanded(self):
        server = self.served(sessionRequireClientSASLAuth="true").start()
        wait_until(lambda: server.said("leading epoch"), "service")
        self.started(server).create("/in", b"")
        stranger = RawSession(server.port)
        self.addCleanup(stranger.drop)
        self.assertEqual(stranger.request(OP_GET_DATA, text("/in") + b"\0"), (0, -124, b""))
        self.assertIsNone(stranger.receive())
        self.assertTrue(server.said("a request without authentication refused"))
        self.started(server, "ann", "x").get("/in")

    def test_zookeepers_own_shell(self):
        server = self.served().start().wait_serving()
        done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-cp", JARS,
                               f"-Djava.security.auth.login.config={self.folder / 'jaas.conf'}",
                               "org.apache.zookeeper.ZooKeeperMain", "-timeout", "20000", "-waitforconnection",
                               "-server", server.address],
                              text=True, timeout=120, input="create /java x auth::cdrwa\ngetAcl /java\nquit\n",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertIn("SaslAuthenticated", done.stdout)
        self.assertIn("'sasl,'bob", done.stdout)

    def test_a_file_that_is_none_is_one_line(self):
        server = self.served()
        (self.folder / "jaas.conf").write_text("Server { com.ibm.security.auth.module.Krb5LoginModule required; };")
        self.assertEqual(server.start().exit_code(), 2)
        self.assertRegex(server.lines()[-1], r"jaas\.conf: Server: .*Krb5LoginModule is not supported")

    def test_fips_mode_takes_no_passwords(self):
        server = self.served(**{"fips-mode": "true"})
        self.assertEqual(server.start().exit_code(), 2)
        self.assertRegex(server.lines()[-1], r"jaas\.conf: SASL DIGEST-MD5 is not for fips-mode=true")
