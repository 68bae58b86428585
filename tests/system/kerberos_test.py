"""SASL GSSAPI: a real KDC, and clients with tickets: kazoo, ZooKeeper's own shell, and one that says anything."""

import contextlib
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest
from unittest import mock

from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.retry import KazooRetry
from kazoo.security import make_acl

from tests.system import kazoo_test, zkcli_test
from tests.system.apache_test import JAR, ApacheServer
from tests.system.harness import HOST, PATIENCE_S, SESSION_S, TROUBLE, ServerTest, configured, end_client, wait_until
from tests.system.kerberos import INSTALLED, OTHER, REALM, Kdc
from tests.system.sasl_test import JARS
from tests.system.scenario import APACHE, Scenario
from tests.system.wire import OP_GET_DATA, RawSession, text

try:
    import gssapi
    from gssapi.raw import NameType
except ImportError:
    gssapi = None

OP_SASL, OP_WHO_AM_I = 102, 107
AUTH_FAILED, NEEDS_SASL = -115, -124
SERVICE = "zookeeper/localhost"
NO_LAYER = b"\x01\0\0\0"
LOGIN = "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true"
PROVIDER = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
DEMANDED = {"sessionRequireClientSASLAuth": "true"}


def step(session, token):
    """One SASL request: (error, the answer's token or None); None when the connection is closed."""
    answer = session.request(OP_SASL, struct.pack(">i", len(token)) + token)
    if answer is None:
        return None
    _, error, body = answer
    size = struct.unpack(">i", body[:4])[0]
    return error, None if size < 0 else body[4:4 + size]


def ids(session):
    """What the server takes the client of this connection for."""
    _, error, body = session.request(OP_WHO_AM_I)
    assert error == 0, error
    count, body = struct.unpack(">i", body[:4])[0], body[4:]
    strings = []
    for _ in range(2 * count):
        size = struct.unpack(">i", body[:4])[0]
        strings.append(body[4:4 + size].decode())
        body = body[4 + size:]
    pairs = set(zip(strings[::2], strings[1::2]))
    return sorted(pair for pair in pairs if pair[0] != "ip")


class Ticket:
    """A client's side of one exchange."""

    def __init__(self, cache, service=f"{SERVICE}@{REALM}", mutual=True):
        flags = [gssapi.RequirementFlag.integrity]
        if mutual:
            flags.append(gssapi.RequirementFlag.mutual_authentication)
        self.mutual = mutual
        self.context = gssapi.SecurityContext(
            name=gssapi.Name(service, NameType.kerberos_principal), usage="initiate", flags=flags,
            creds=gssapi.Credentials(usage="initiate", store={"ccache": cache}))
        self.first = self.context.step()

    def answer_to_offer(self, answer, wanted=NO_LAYER, acts_for=b""):
        error, offer = answer
        assert error == 0, error
        assert self.context.unwrap(offer).message[:1] == NO_LAYER[:1], "a layer was offered"
        return self.context.wrap(wanted + acts_for, False).message

    def offered(self, session):
        """The exchange up to the server's offer of layers."""
        answer = step(session, self.first)
        if self.mutual and answer is not None and answer[0] == 0:
            self.context.step(answer[1])
            answer = step(session, b"")
        return answer

    def shown(self, session, **last):
        """All of it: how the last answer was."""
        answer = self.offered(session)
        if answer is None or answer[0] != 0:
            return answer
        return step(session, self.answer_to_offer(answer, **last))


def keytab_of(cache):
    return cache.removeprefix("FILE:").removesuffix(".cache")


def tickets_of(name):
    """kazoo's options for this client."""
    return {"mechanism": "GSSAPI", "principal": f"{name}@{REALM}"}


class KerberosTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        folder = cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="vivarium-kdc-"))
        cls.kdc = Kdc(f"{folder}/kdc")
        cls.stack.callback(cls.kdc.stop)
        cls.stack.enter_context(mock.patch.dict(os.environ, cls.kdc.environment))
        cls.service_keys = cls.kdc.keytab(SERVICE)
        cls.bob, cls.ann = cls.kdc.cache("bob"), cls.kdc.cache("ann")
        cls.stranger = cls.kdc.cache("eve", OTHER)
        # Tickets of both, for kazoo's library: it looks for the client's own whenever it connects, also behind start().
        tickets = pathlib.Path(folder, "tickets")
        tickets.mkdir()
        for name, cache in (("ann", cls.ann), ("bob", cls.bob)):
            cls.kdc.run("kinit", "-k", "-t", keytab_of(cache), "-c", f"DIR::{tickets}/tkt{name}", f"{name}@{REALM}")
        cls.stack.enter_context(mock.patch.dict(os.environ, KRB5CCNAME=f"DIR:{tickets}"))

    def jaas(self, keytab=None, principal=f"{SERVICE}@{REALM}"):
        """A file for the server, and for a client that is bob."""
        path = self.folder / "jaas.conf"
        path.write_text(f'Server {{\n  {LOGIN} keyTab="{keytab or self.service_keys}" principal="{principal}";\n}};\n'
                        f'Client {{\n  {LOGIN} keyTab="{keytab_of(self.bob)}" principal="bob@{REALM}";\n}};\n')
        return path

    def configured(self, name="one", **keys):
        return self.own(configured(self.folder / name, **{"java.security.auth.login.config": self.jaas(),
                                                          "authProvider.1": PROVIDER, **keys}))

    def served(self, **keys):
        server = self.configured(**keys).start()
        wait_until(lambda: server.said("leading epoch"), "service")
        return server

    def session(self, server):
        session = RawSession(server.port, timeout_ms=4000)
        self.addCleanup(session.drop)
        return session

    def answer_once(self, server, token):
        session = RawSession(server.port, timeout_ms=4000)
        try:
            return step(session, token)
        finally:
            session.drop()

    def assert_refused(self, server, ticket, **last):
        session = self.session(server)
        self.assertEqual(ticket.shown(session, **last), (AUTH_FAILED, None))
        self.assertIsNone(session.receive(), "the connection stays")

    def assert_taken_for(self, server, ticket, *wanted, **last):
        session = self.session(server)
        self.assertEqual(ticket.shown(session, **last), (0, None))
        self.assertEqual(ids(session), sorted(wanted))

@unittest.skipUnless(INSTALLED and gssapi, "krb5-kdc, krb5-admin-server, krb5-user or python3-gssapi is not installed")
class Kerberos(KerberosTest):
    def kazoo(self, server, name):
        client = KazooClient(hosts=f"localhost:{server.port}", timeout=SESSION_S,
                             connection_retry=KazooRetry(max_tries=3, delay=0.01, max_delay=0.02),
                             sasl_options=tickets_of(name))
        self.addCleanup(end_client, client)
        client.start(timeout=PATIENCE_S)
        return client

    def test_kazoo_is_whom_its_ticket_names(self):
        server = self.served()
        bob, ann = self.kazoo(server, "bob"), self.kazoo(server, "ann")
        bob.create("/bobs", b"1", acl=[make_acl("sasl", f"bob@{REALM}", all=True)])
        bob.create("/auth", b"1", acl=[make_acl("auth", "", all=True)])
        self.assertEqual(bob.get("/bobs")[0], b"1")
        self.assertEqual([(entry.id.scheme, entry.id.id) for entry in bob.get_acls("/auth")[0]],
                         [("sasl", f"bob@{REALM}")])
        self.assertRaises(NoAuthError, ann.get, "/bobs")
        plain = self.session(server)
        self.assertEqual(plain.request(OP_GET_DATA, text("/bobs") + b"\0")[1], -102)

    def test_who_has_no_ticket_does_not_come_in(self):
        server = self.served(**DEMANDED)
        with self.assertRaises(TROUBLE):  # start() may return before the library has looked for a ticket
            self.kazoo(server, "nobody").get("/")
        stranger = self.session(server)
        self.assertEqual(stranger.request(OP_GET_DATA, text("/") + b"\0"), (0, NEEDS_SASL, b""))
        self.kazoo(server, "bob").create("/in", b"")

    def test_zookeepers_own_shell(self):
        server = self.served()
        done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-cp", JARS,
                               f"-Djava.security.auth.login.config={self.jaas()}",
                               f"-Djava.security.krb5.conf={self.kdc.config}",
                               f"-Dzookeeper.server.principal={SERVICE}@{REALM}",
                               "org.apache.zookeeper.ZooKeeperMain", "-timeout", "20000", "-waitforconnection",
                               "-server", server.address],
                              text=True, timeout=120, input="create /java x auth::cdrwa\ngetAcl /java\nquit\n",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertIn("SaslAuthenticated", done.stdout)
        self.assertIn(f"'sasl,'bob@{REALM}", done.stdout)

    def test_names_as_the_operator_wants_them(self):
        keytab = self.kdc.keytab("nn/host1")
        cache = f"FILE:{keytab}.cache"
        self.kdc.run("kinit", "-k", "-t", str(keytab), "-c", cache, "nn/host1")
        plain = self.served()
        self.assert_taken_for(plain, Ticket(cache), ("sasl", f"nn/host1@{REALM}"))
        plain.kill()
        short = self.served(**{"kerberos.removeHostFromPrincipal": "true", "kerberos.removeRealmFromPrincipal": "true",
                               "security.auth_to_local": "RULE:[2:$1@$0](nn@.*)s/.*/hdfs/ DEFAULT",
                               "superUser": "ann"})
        self.assert_taken_for(short, Ticket(cache), ("sasl", "hdfs"))
        self.assert_taken_for(short, Ticket(self.ann), ("sasl", "ann"), ("super", ""))

    def test_nobody_acts_for_another(self):
        server = self.served(superUser=f"ann@{REALM}", **{"fips-mode": "true"})
        for acts_for in (b"", f"bob@{REALM}".encode(), f"ann@{REALM}".encode(), b"super", b"\0\xff" * 40, b"a" * 5000):
            self.assert_taken_for(server, Ticket(self.bob), ("sasl", f"bob@{REALM}"), acts_for=acts_for)

    def test_another_realm_is_nobody_until_a_rule_names_it(self):
        server = self.served()
        for acts_for in (b"", f"bob@{REALM}".encode()):
            self.assert_refused(server, Ticket(self.stranger), acts_for=acts_for)
        wait_until(lambda: server.said(f"GSSAPI refused a client: eve@{OTHER}: no rule"), "the reason")
        server.kill()
        ruled = self.served(**{"security.auth_to_local": f"RULE:[1:$1@$0](.*@{OTHER})s/@.*/-of-other/ DEFAULT"})
        self.assert_taken_for(ruled, Ticket(self.stranger), ("sasl", f"eve-of-other@{OTHER}"))
        self.assert_taken_for(ruled, Ticket(self.bob), ("sasl", f"bob@{REALM}"))

    def test_tickets_for_others_are_refused(self):
        # Keys of another service in the same keytab are not the server's.
        self.kdc.admin(f"addprinc -randkey other/localhost@{REALM}")
        self.kdc.admin(f"ktadd -k {self.service_keys} other/localhost@{REALM}")
        self.kdc.keytab("zookeeper/elsewhere")
        self.kdc.keytab(SERVICE, OTHER)
        server = self.served()
        for service in (f"other/localhost@{REALM}", f"zookeeper/elsewhere@{REALM}"):
            self.assert_refused(server, Ticket(self.bob, service))
        self.assert_refused(server, Ticket(self.stranger, f"{SERVICE}@{OTHER}"))
        self.assertEqual(len(server.said("GSSAPI refused a client: ")), 3)
        self.assert_taken_for(server, Ticket(self.bob), ("sasl", f"bob@{REALM}"))

    def test_what_is_shown_twice_is_refused(self):
        """Also without mutual authentication, as Java's clients do it: nothing of the server is in their tokens."""
        server = self.served()
        ticket = Ticket(self.bob, mutual=False)
        self.assert_taken_for(server, ticket, ("sasl", f"bob@{REALM}"))
        session = self.session(server)
        self.assertEqual(step(session, ticket.first), (AUTH_FAILED, None))
        self.assertTrue(server.said("GSSAPI refused a client: .*replay"))

    def strict_server(self):
        """One that allows clocks to differ by a second instead of five minutes."""
        with mock.patch.dict(os.environ, KRB5_CONFIG=str(self.kdc.krb5_conf("strict.conf", skew=1))):
            return self.served()

    def test_what_was_made_long_ago_is_refused(self):
        server = self.strict_server()
        self.assert_taken_for(server, Ticket(self.bob), ("sasl", f"bob@{REALM}"))
        kept = [Ticket(self.bob).first for _ in range(500)]  # each is good once
        wait_until(lambda: self.answer_once(server, kept.pop()) == (AUTH_FAILED, None), "the refusal")
        self.assertTrue(server.said("GSSAPI refused a client: .*Clock skew"))
        self.assert_taken_for(server, Ticket(self.bob), ("sasl", f"bob@{REALM}"))

    def test_a_ticket_that_has_expired_is_refused(self):
        server = self.strict_server()
        cache = self.kdc.cache("short", life="5s")
        kept = [Ticket(cache).first]

        def has_expired():
            try:  # the client's library will not use it any more
                fresh = Ticket(cache).first
            except gssapi.exceptions.GSSError:
                return True
            if len(kept) < 200:
                kept.append(fresh)
            return False
        wait_until(has_expired, "the end of the ticket")
        wait_until(lambda: (self.answer_once(server, kept.pop()) == (AUTH_FAILED, None)
                            and server.said("GSSAPI refused a client: .*expired")), "its end for the server")
        self.assert_taken_for(server, Ticket(self.bob), ("sasl", f"bob@{REALM}"))

    def test_garbage_is_refused_and_nobody_else_notices(self):
        server = self.served()
        whole = Ticket(self.bob).first
        spnego = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
        negotiated = gssapi.SecurityContext(
            name=gssapi.Name(f"{SERVICE}@{REALM}", NameType.kerberos_principal), mech=spnego, usage="initiate",
            creds=gssapi.Credentials(usage="initiate", store={"ccache": self.bob})).step()
        tokens = [b"garbage", b"\0" * 4096, b"\x60", whole[:-1], whole[:40], whole[1:], negotiated,
                  b"\x60\x0d" + whole[4:15] + b"\x02\0", whole[:17] + bytes(50) + whole[67:], b"\x60\x84\xff\xff\xff\xff" + whole[6:], b"x" * 70000]
        # All over what is sealed: the ticket's end, the authenticator's.
        tokens += [whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1:] for at in range(300, len(whole), 41)]
        for token in tokens:
            session = self.session(server)
            self.assertEqual(step(session, token), (AUTH_FAILED, None), token[:80])
            self.assertIsNone(session.receive())
        self.assert_taken_for(server, Ticket(self.bob), ("sasl", f"bob@{REALM}"))

    def test_garbage_behind_a_good_beginning_is_refused(self):
        server = self.served()
        for last in (b"", b"x", b"\x05\x04" + bytes(30)):
            session, ticket = self.session(server), Ticket(self.bob)
            self.assertEqual(ticket.offered(session)[0], 0)
            self.assertEqual(step(session, last), (AUTH_FAILED, None), last)
        # No layers, and no words that are too short.
        for wanted in (b"\x02\0\xff\xff", b"\x04\0\xff\xff", b"\x01\0"):
            self.assert_refused(server, Ticket(self.bob), wanted=wanted)
        # A token belongs to its connection.
        one, other = self.session(server), self.session(server)
        first, second = Ticket(self.bob), Ticket(self.bob)
        answers = first.offered(one), second.offered(other)
        self.assertEqual(step(one, second.answer_to_offer(answers[1])), (AUTH_FAILED, None))
        self.assertEqual(step(other, first.answer_to_offer(answers[0])), (AUTH_FAILED, None))

    def test_the_server_asks_no_kdc(self):
        """One that starts where there is none, and so does not know of any."""
        alone = self.folder / "alone.conf"
        alone.write_text(f"[libdefaults]\n  default_realm = {REALM}\n  dns_lookup_kdc = false\n")
        with mock.patch.dict(os.environ, KRB5_CONFIG=str(alone)):
            server = self.served()
        self.assert_taken_for(server, Ticket(self.bob), ("sasl", f"bob@{REALM}"))

    def test_tokens_in_pieces(self):
        server = self.served()
        session, ticket = self.session(server), Ticket(self.bob)
        body = struct.pack(">iii", 1, OP_SASL, len(ticket.first)) + ticket.first
        for byte in struct.pack(">i", len(body)) + body:
            session.socket.sendall(bytes([byte]))
        self.assertEqual(struct.unpack(">iqi", session.receive()[:16]), (1, 0, 0))
        # A token of GSS-API is whole or it is none.
        half = self.session(server)
        self.assertEqual(step(half, ticket.first[:300]), (AUTH_FAILED, None))

    def test_what_is_missing_is_one_line(self):
        cases = [({"keytab": self.folder / "none.keytab"}, {}, "none.keytab: .*(No such file|not found)"),
                 ({"principal": f"zookeeper/other@{REALM}"}, {}, f"has no key of zookeeper/other@{REALM}"),
                 ({}, {"KRB5_CONFIG": str(self.folder / "none.conf")}, "the default realm: ")]
        for number, (login, environment, reason) in enumerate(cases):
            server = self.configured(f"bad{number}")
            self.jaas(**login)
            server.environment = environment
            self.assertEqual(server.start().exit_code(), 2)
            self.assertRegex(server.lines()[-1], r"jaas\.conf: .*" + reason)
        demanding = self.own(configured(self.folder / "demanding", requireKerberosConfig="true"))
        demanding.environment = {"KRB5_CONFIG": str(self.folder / "none.conf")}
        self.assertEqual(demanding.start().exit_code(), 2)
        self.assertIn("requireKerberosConfig: ", demanding.lines()[-1])


class WithKerberos(KerberosTest, Scenario):
    """The servers of a scenario, of which each is the same service."""

    def server_keys(self):
        self.login = self.jaas()
        with open(self.login, "a", encoding="ascii") as file:
            for name in ("ann", "bob"):
                keytab = keytab_of(getattr(self, name))
                file.write(f'{name} {{\n  {LOGIN} keyTab="{keytab}" principal="{name}@{REALM}";\n}};\n')
        return {**self.keys, "java.security.auth.login.config": self.login, "authProvider.1": PROVIDER}

    def id_of(self, name):
        return "sasl", f"{name}@{REALM}"


@unittest.skipIf(APACHE, "Debian's ZooKeeper takes these settings from its command line")
@unittest.skipUnless(INSTALLED and gssapi, "krb5-kdc, krb5-admin-server, krb5-user or python3-gssapi is not installed")
class KazooWithTickets(WithKerberos, kazoo_test.Identified):
    def options(self, name):
        return {"hosts": self.hosts.replace(HOST, "localhost"), "sasl_options": tickets_of(name)}

    def test_tickets_hold_behind_a_strike(self):
        self.check_people()


@unittest.skipIf(APACHE, "Debian's ZooKeeper takes these settings from its command line")
@unittest.skipUnless(INSTALLED and gssapi, "krb5-kdc, krb5-admin-server, krb5-user or python3-gssapi is not installed")
class ShellWithTickets(WithKerberos, zkcli_test.Identified):
    def java_flags(self, name):
        return {"java.security.auth.login.config": self.login, "java.security.krb5.conf": self.kdc.config,
                "zookeeper.server.principal": f"{SERVICE}@{REALM}", "zookeeper.sasl.clientconfig": name}

    def test_tickets_hold_behind_a_strike(self):
        self.check_people()


class KazooWithTicketsOfThree(KazooWithTickets):
    size = 3


class ShellWithTicketsOfThree(ShellWithTickets):
    size = 3


class ApacheWithTickets(ApacheServer):
    """Java takes these settings from its command line alone."""

    def __init__(self, like, jaas, krb5_conf):
        super().__init__(like.folder, like.arguments, like.port)
        self.options = [f"-Djava.security.auth.login.config={jaas}", f"-Djava.security.krb5.conf={krb5_conf}",
                        f"-Dzookeeper.authProvider.1={PROVIDER}"]

@unittest.skipUnless(INSTALLED and gssapi and JAR.exists(), "a KDC, python3-gssapi or ZooKeeper is not installed")
class BesideApache(KerberosTest):
    """The same clients at Debian's ZooKeeper 3.8."""

    def outcome(self, server, ticket, **last):
        session = self.session(server)
        answer = ticket.shown(session, **last)
        return ids(session) if answer == (0, None) else answer

    def outcomes(self, server):
        bob = f"bob@{REALM}"
        twice = Ticket(self.bob, mutual=False)
        whole = Ticket(self.bob).first
        table = {
            "mutual": self.outcome(server, Ticket(self.bob)),
            "not mutual": self.outcome(server, twice),
            "shown twice": step(self.session(server), twice.first),
            "for itself": self.outcome(server, Ticket(self.bob), acts_for=bob.encode()),
            "for another": self.outcome(server, Ticket(self.bob), acts_for=f"ann@{REALM}".encode()),
            "another service": self.outcome(server, Ticket(self.bob, f"zookeeper/elsewhere@{REALM}")),
            "a layer": self.outcome(server, Ticket(self.bob), wanted=b"\x04\0\xff\xff"),
            "garbage": step(self.session(server), b"garbage"),
            "half a token": step(self.session(server), whole[:300]),
            "a bit flipped": step(self.session(server), whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]),
        }
        return table, self.outcome(server, Ticket(self.stranger), acts_for=bob.encode()), self.parted(server)

    def parted(self, server):
        """What a principal of three parts becomes."""
        session = self.session(server)
        answer = Ticket(self.three).shown(session)
        return ids(session) if answer == (0, None) else answer

    def test_the_same_answers(self):
        self.kdc.keytab("zookeeper/elsewhere")
        self.three = self.kdc.cache("a/b/c")
        ours = self.served()
        apaches = self.own(ApacheWithTickets(self.configured("apache"), self.jaas(), self.kdc.config)).start()
        apaches.wait_serving(3 * PATIENCE_S)
        here, stranger_here, parted_here = self.outcomes(ours)
        there, stranger_there, parted_there = self.outcomes(apaches)
        self.assertEqual(here, there)
        self.assertEqual(here["mutual"], [("sasl", f"bob@{REALM}")])
        self.assertEqual(here["for another"], [("sasl", f"bob@{REALM}")])
        # docs/compatibility.md: there, whom no rule names is whoever it wants to be; and here there is an answer.
        self.assertEqual(stranger_here, (AUTH_FAILED, None))
        self.assertEqual(stranger_there, [("sasl", f"bob@{REALM}")])
        self.assertEqual((parted_here, parted_there), ((AUTH_FAILED, None), None))
