"""What the scenarios with other people's clients share: one server or three, and strikes under way.

With VIVARIUM_SCENARIOS=apache the same tests run against Debian's ZooKeeper: a scenario that fails there
too asks for more than ZooKeeper gives.
"""

import os
import pathlib
import re
import subprocess
import threading
import unittest

from tests.system.apache_test import ApacheServer
from tests.system.harness import PATIENCE_S, Ensemble, ServerTest, configured, mode_of, wait_until
from tests.system.tls_test import Authority

CLIENTS = pathlib.Path(__file__).parent / "clients"
APACHE = os.environ.get("VIVARIUM_SCENARIOS") == "apache"
# What a server needs to serve reads without a quorum, and sessions without one.
READ_ONLY = {"readonlymode.enabled": "true", "localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true"}


class Scenario(ServerTest):
    """A test against `size` servers, started with `keys` in their zoo.cfg."""

    size = 1
    keys = {}
    strikes = 0

    def setUp(self):
        super().setUp()
        keys = {"preAllocSize": 1024, **self.server_keys()}
        if self.size == 1:
            self.servers = [configured(self.folder / "one", **keys)]
        else:
            self.servers = list(Ensemble(self.folder, self.size, **keys))
        if APACHE:
            self.servers = [ApacheServer(old.folder, old.arguments, old.port) for old in self.servers]
        self.hosts = ",".join(server.address for server in self.servers)
        for server in self.servers:
            self.own(server).start()
        for server in self.servers:
            server.wait_serving(2 * PATIENCE_S)

    def server_keys(self):
        """The keys of this test; its folder is there for what they name."""
        return self.keys

    def who(self, *modes):
        """The server that says that it is one of these."""
        def found():
            return next((server for server in self.servers if server.running() and mode_of(server) in modes), None)
        return wait_until(found, f"a server that is {' or '.join(modes)}")

    def strike(self):
        """kill -9 of the one server, or of the leader and, the next time, of a follower, under whatever goes on."""
        victim = self.who("standalone" if self.size == 1 else ["leader", "follower"][self.strikes % 2])
        self.strikes += 1
        victim.kill()
        if self.size > 1:
            self.who("leader")
        victim.start()
        wait_until(lambda: mode_of(victim) is not None, "the killed one among the others")

    def lose_quorum(self):
        """Kills all but one server, which is returned."""
        last = self.who("follower")
        for server in self.servers:
            if server is not last:
                server.kill()
        return last

    def restart_dead(self):
        for server in self.servers:
            if not server.running():
                server.start()

    def run_program(self, command, wanted, actions=None):
        """A client's program: carries out what its lines ask for, until it has said "ok" of all that is `wanted`."""
        actions = {"strike": self.strike, **(actions or {})}
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, bufsize=1)
        self.addCleanup(running.kill)
        done, printed = [], []
        for line in running.stdout:
            printed.append(line.rstrip())
            action = actions.get(line.strip())
            if action is not None:
                action()
                running.stdin.write("\n")
                running.stdin.flush()
            elif line.startswith("ok "):
                done.append(line[len("ok "):].strip())
        status = running.wait()
        running.stdin.close()
        running.stdout.close()
        self.assertEqual((status, done), (0, wanted), "\n".join(printed[-30:]))


@unittest.skipIf(APACHE, "Debian's ZooKeeper would need Netty for it")
class WithTls(Scenario):
    """Servers that take TLS on their ordinary port, from clients that show a certificate of our authority."""

    people = ("ann", "bob")

    def server_keys(self):
        authority = Authority(self.folder, "Ours")
        self.authority = authority.certificate
        store = authority.issue("server", "/O=Example/CN=server")[2]
        self.shown = {name: authority.issue(name, f"/O=Example/CN={name}") for name in self.people}
        return {**self.keys, "client.portUnification": "true", "ssl.keyStore.location": store,
                "ssl.trustStore.location": self.authority}

    def id_of(self, name):
        """What the server takes them for: scheme and id."""
        return "x509", f"CN={name},O=Example"

    def java_flags(self, name):
        """The properties with which ZooKeeper's own client shows a certificate; it checks no names then."""
        return {"zookeeper.client.secure": "true",
                "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
                "zookeeper.ssl.keyStore.location": self.shown[name][2],
                "zookeeper.ssl.trustStore.location": self.authority, "zookeeper.ssl.hostnameVerification": "false"}


@unittest.skipIf(APACHE, "Debian's ZooKeeper would need its JAAS file from the command line")
class WithSasl(Scenario):
    """Servers that know people by their passwords, with DIGEST-MD5."""

    passwords = {"ann": "ann's secret", "bob": "x"}

    def server_keys(self):
        login = "org.apache.zookeeper.server.auth.DigestLoginModule required"
        users = "".join(f'\n  user_{name}="{password}"' for name, password in self.passwords.items())
        clients = "".join(f'{name} {{\n  {login} username="{name}" password="{password}";\n}};\n'
                          for name, password in self.passwords.items())
        self.jaas = self.folder / "jaas.conf"
        self.jaas.write_text(f"Server {{\n  {login}{users};\n}};\n{clients}")
        return {**self.keys, "java.security.auth.login.config": self.jaas,
                "authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}

    def id_of(self, name):
        return "sasl", name

    def java_flags(self, name):
        return {"java.security.auth.login.config": self.jaas, "zookeeper.sasl.clientconfig": name}


class Crew:
    """Threads that end with the `with` block; what one of them raised fails the test."""

    def __init__(self):
        self.threads = []
        self.raised = []
        self.stopping = threading.Event()

    def go(self, work, *arguments):
        def guarded():
            try:
                work(*arguments)
            except BaseException as error:  # pylint: disable=broad-except
                self.raised.append(error)
        thread = threading.Thread(target=guarded, daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE_S)
            if self.raised:
                raise self.raised[0]
            if thread.is_alive():
                raise AssertionError("a client never came to its end")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        if kind is None:
            self.join()
        return False
