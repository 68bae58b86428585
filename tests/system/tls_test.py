"""Clients over TLS: kazoo with certificates made by the openssl command, and what comes to the port that is no client."""

import contextlib
import pathlib
import signal
import socket
import ssl
import subprocess
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.retry import KazooRetry
from kazoo.security import make_acl

from tests.system.harness import (HOST, PATIENCE_S, SESSION_S, Ensemble, ServerTest, configured, end_client, free_port,
                                  new_client, wait_until)


# The shell as zkCli.sh starts it, with all of the library that TLS needs: Debian's script names a part of it.
JARS = ":".join(f"/usr/share/java/{name}.jar" for name in
                ["zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-nop", "commons-cli", "netty-buffer", "netty-codec",
                 "netty-common", "netty-handler", "netty-resolver", "netty-transport",
                 "netty-transport-native-unix-common"])


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder, name):
        self.folder = folder / name.lower()
        self.folder.mkdir()
        self.name = name
        self.key, self.certificate = self.folder / "ca.key", self.folder / "ca.pem"
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    @staticmethod
    def run(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=PATIENCE_S)

    def issue(self, name, subject):
        """Returns the paths of key, certificate, and a store with both."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
        self.run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
                 "-keyout", key, "-out", request)
        self.run("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                 "-days", "2", "-out", certificate)
        store = self.folder / f"{name}.pem"
        store.write_text(key.read_text() + certificate.read_text())
        return key, certificate, store

    def pack(self, name, password):
        """Key and certificate as PKCS#12."""
        store = self.folder / f"{name}.p12"
        self.run("pkcs12", "-export", "-inkey", self.folder / f"{name}.key", "-in", self.folder / f"{name}.crt",
                 "-passout", f"pass:{password}", "-out", store)
        return store


class Tls(ServerTest):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder, "Ours")
        self.server_store = self.authority.issue("server", "/O=Example/CN=server")[2]
        self.alice = self.authority.issue("alice", "/O=Example/CN=alice")
        self.bob = self.authority.issue("bob", "/O=Example/CN=bob")

    def keys(self, **more):
        return {"secureClientPort": free_port(), "secureClientPortAddress": HOST,
                "ssl.keyStore.location": self.server_store, "ssl.trustStore.location": self.authority.certificate,
                **more}

    def served(self, **more):
        keys = self.keys(**more)
        server = self.own(configured(self.folder / "one", **keys)).start().wait_serving()
        server.tls = f"{HOST}:{keys['secureClientPort']}"
        server.tls_port = keys["secureClientPort"]
        return server

    def tls_client(self, hosts, identity):
        key, certificate, _ = identity
        quick = KazooRetry(max_tries=-1, delay=0.01, backoff=1, max_jitter=0.1, max_delay=0.02)
        client = KazooClient(hosts=hosts, timeout=SESSION_S, connection_retry=quick, use_ssl=True,
                             keyfile=str(key), certfile=str(certificate), ca=str(self.authority.certificate),
                             verify_certs=True)
        self.addCleanup(end_client, client)
        return client

    def started(self, hosts, identity):
        client = self.tls_client(hosts, identity)
        client.start(timeout=PATIENCE_S)
        return client

    def handshake(self, port, identity=None):
        """A client's context and a connection that has shaken hands, with what the server showed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.authority.certificate)
        if identity is not None:
            context.load_cert_chain(identity[1], identity[0])
        return context.wrap_socket(socket.create_connection((HOST, port), timeout=PATIENCE_S))


class Certificates(Tls):
    def test_a_certificate_is_who_a_client_is(self):
        server = self.served()
        alice, bob = self.started(server.tls, self.alice), self.started(server.tls, self.bob)
        alice.create("/mine", b"secret", acl=[make_acl("x509", "CN=alice,O=Example", all=True)])
        alice.create("/auth", b"", acl=[make_acl("auth", "", all=True)])
        self.assertEqual(alice.get("/mine")[0], b"secret")
        self.assertEqual([(entry.id.scheme, entry.id.id) for entry in alice.get_acls("/auth")[0]],
                         [("x509", "CN=alice,O=Example")])
        self.assertRaises(NoAuthError, bob.get, "/mine")
        plain = new_client(server.address)
        self.addCleanup(end_client, plain)
        plain.start(timeout=PATIENCE_S)
        self.assertRaises(NoAuthError, plain.set, "/mine", b"")
        big = bytes(range(256)) * 4000
        alice.set("/mine", big)
        self.assertEqual(alice.get("/mine")[0], big)

    def test_who_has_no_certificate_of_ours_does_not_come_in(self):
        server = self.served()
        theirs = Authority(self.folder, "Theirs").issue("mallory", "/O=Example/CN=alice")
        for identity in [theirs, None]:
            with self.assertRaises((ssl.SSLError, ConnectionError)), self.handshake(server.tls_port, identity) as tls:
                # With TLS 1.3 the client learns of its refusal behind its own handshake.
                tls.sendall(b"ruok")
                if tls.recv(100) == b"":
                    raise ConnectionResetError
        wait_until(lambda: server.said("refused: .*unable to get local issuer certificate"), "the line")
        self.started(server.tls, self.alice)

    def test_zookeepers_own_shell(self):
        server = self.served()
        # Java reads keys as PKCS#8, which is what openssl writes.
        flags = {"client.secure": "true", "clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
                 "ssl.keyStore.location": self.alice[2], "ssl.trustStore.location": self.authority.certificate,
                 "ssl.hostnameVerification": "false"}
        done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-cp", JARS,
                               *(f"-Dzookeeper.{key}={value}" for key, value in flags.items()),
                               "org.apache.zookeeper.ZooKeeperMain", "-timeout", "20000", "-waitforconnection",
                               "-server", server.tls],
                              text=True, timeout=120, input="create /java x auth::cdrwa\ngetAcl /java\nquit\n",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertIn("Created /java", done.stdout)
        self.assertIn("'x509,'CN=alice%2CO=Example", done.stdout)

    def test_want_lets_in_who_shows_nothing(self):
        server = self.served(**{"ssl.clientAuth": "want"})
        with self.handshake(server.tls_port) as tls:
            tls.sendall(b"ruok")
        self.started(server.tls, self.alice)

    def test_pkcs12_and_a_password_in_a_file(self):
        store = self.authority.pack("server", "open sesame")
        (self.folder / "password").write_text("open sesame\n")
        server = self.served(**{"ssl.keyStore.location": store,
                                "ssl.keyStore.passwordPath": self.folder / "password"})
        self.started(server.tls, self.alice).create("/packed", b"")
        self.assertFalse(server.said("sesame"))

    def test_a_wrong_password_is_one_line(self):
        store = self.authority.pack("server", "open sesame")
        server = self.own(configured(self.folder / "one", **self.keys(
            **{"ssl.keyStore.location": store, "ssl.keyStore.password": "guessed"})))
        self.assertEqual(server.start().exit_code(), 2)
        last = server.lines()[-1]
        self.assertIn(f"{store}: it cannot be opened; is the password right?", last)
        self.assertNotIn("guessed", last)

    def test_a_new_certificate_needs_no_restart(self):
        server = self.served()
        alice = self.started(server.tls, self.alice)
        session = alice.client_id
        next_store = self.authority.issue("next", "/O=Example/CN=next")[2]
        self.server_store.write_text("not yet whole")
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.said("TLS could not be read again, what was in force stays"), "the refusal")
        next_store.replace(self.server_store)  # and nobody says a word

        def shown():
            with self.handshake(server.tls_port, self.bob) as tls:
                return dict(part[0] for part in tls.getpeercert()["subject"])["commonName"]
        wait_until(lambda: shown() == "next", "the new certificate")
        alice.create("/still", b"")
        self.assertEqual(alice.client_id, session)


class Ports(Tls):
    def test_one_port_for_both(self):
        server = self.own(configured(self.folder / "one", **{
            "client.portUnification": "true", "ssl.keyStore.location": self.server_store,
            "ssl.trustStore.location": self.authority.certificate})).start().wait_serving()
        self.started(server.address, self.alice).create("/tls", b"", acl=[make_acl("auth", "", all=True)])
        plain = new_client(server.address)
        self.addCleanup(end_client, plain)
        plain.start(timeout=PATIENCE_S)
        self.assertIn("tls", plain.get_children("/"))
        self.assertRaises(NoAuthError, plain.get, "/tls")

    def test_a_server_for_tls_alone(self):
        port = free_port()
        folder = self.folder / "alone"
        server = self.own(configured(folder, **{**self.keys(), "secureClientPort": port}))
        lines = [line for line in (folder / "zoo.cfg").read_text().splitlines() if not line.startswith("clientPort")]
        (folder / "zoo.cfg").write_text("\n".join(lines))
        server.start()
        wait_until(lambda: server.said("listening for clients"), "the door")
        self.started(f"{HOST}:{port}", self.alice).create("/tls", b"")

    def test_what_is_no_tls_costs_its_own_connection(self):
        server = self.served()
        alice = self.started(server.tls, self.alice)
        for junk in [b"ruok", bytes(44), b"\x16\x03\x01\xff\xff" + bytes(5000), b"GET / HTTP/1.0\r\n\r\n"]:
            with socket.create_connection((HOST, server.tls_port), timeout=PATIENCE_S) as stranger:
                with contextlib.suppress(ConnectionError):
                    stranger.sendall(junk)
                    while stranger.recv(1000):
                        pass
        alice.create("/unmoved", b"")

    def test_a_flood_of_half_handshakes_keeps_nobody_out(self):
        server = self.served(**{"netty.server.outstandingHandshake.limit": 50})
        alice = self.started(server.tls, self.alice)
        stop = threading.Event()
        opened = []

        def flood():
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    stranger = socket.create_connection((HOST, server.tls_port), timeout=PATIENCE_S)
                    stranger.sendall(b"\x16\x03\x01\x02")
                    opened.append(stranger)
                if len(opened) >= 500:
                    break
        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        for number in range(5):
            self.started(server.tls, self.bob).create(f"/in{number}", b"")
        alice.create("/unmoved", b"")
        thread.join(PATIENCE_S)
        stop.set()
        descriptors = len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))
        self.assertLess(descriptors, 200)
        for stranger in opened:
            stranger.close()


class TlsEnsemble(Tls):
    def test_ids_go_with_the_writes_of_followers(self):
        ensemble = self.own(Ensemble(self.folder / "three", **{
            "client.portUnification": "true", "ssl.keyStore.location": self.server_store,
            "ssl.trustStore.location": self.authority.certificate})).start().wait_serving()
        leader = ensemble.wait_leader()
        followers = [server for n, server in ensemble.servers.items() if n != leader]
        alice, bob = self.started(followers[0].address, self.alice), self.started(followers[1].address, self.bob)
        alice.create("/mine", b"1", acl=[make_acl("auth", "", all=True)])
        alice.set("/mine", b"2")
        bob.sync("/mine")
        self.assertRaises(NoAuthError, bob.set, "/mine", b"3")
        self.assertRaises(NoAuthError, bob.get, "/mine")
        self.assertEqual(alice.get("/mine")[0], b"2")
