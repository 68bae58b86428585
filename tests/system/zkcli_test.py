"""ZooKeeper's own shell, zkCli.sh of Debian's package, scripted: against one server and three, killed under way."""

import os
import re
import subprocess
import unittest

from tests.system.harness import SESSION_S, Ensemble, ServerTest, connected, standalone, wait_until
from tests.system.scenario import READ_ONLY, Scenario, WithSasl, WithTls
from tests.system.shell_driver import ZKCLI, Shell
from tests.system.tls_test import JARS


class ZkCli(ServerTest):
    def run_commands(self, hosts, *commands):
        """One shell, one command a line; returns all that it printed."""
        environment = {**os.environ, "JVMFLAGS": "-XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=off"}
        done = subprocess.run([ZKCLI, "-timeout", "20000", "-server", hosts], text=True, timeout=120,
                              input="\n".join([*commands, "quit"]) + "\n", env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout

    def check(self, hosts):
        printed = self.run_commands(
            hosts, "create /cli first", "get /cli", "set /cli second", "get -s /cli", "create -s /cli/n- x",
            "create -e /cli/brief y", "ls /cli", "stat /cli", "get /none", "delete /cli",
            "delete /cli/n-0000000000", "ls /")
        for expected in [r"Created /cli$", r"^first$", r"^second$", r"^dataVersion = 1$", r"Created /cli/n-0000000000$",
                         r"Created /cli/brief$", r"^\[brief, n-0000000000\]$|^\[n-0000000000, brief\]$",
                         r"^numChildren = 2$", r"Node does not exist: /none", r"Node not empty: /cli",
                         r"^\[(cli, zookeeper|zookeeper, cli)\]$"]:
            self.assertRegex(printed, re.compile(expected, re.MULTILINE))
        # The shell has closed its session: the ephemeral is gone and the node can go.
        printed = self.run_commands(hosts, "ls /cli", "delete /cli", "ls /")
        self.assertRegex(printed, re.compile(r"^\[\]$", re.MULTILINE))
        self.assertRegex(printed, re.compile(r"^\[zookeeper\]$", re.MULTILINE))

    def test_one_node(self):
        server = self.own(standalone(self.folder / "one")).start().wait_serving()
        self.check(server.address)

    def test_three_nodes(self):
        ensemble = self.own(Ensemble(self.folder)).start().wait_serving()
        self.check(ensemble.hosts())


class Driven(Scenario):
    """Shells that stay open while servers are killed."""

    def shell(self, *arguments, hosts=None, **properties):
        flags = {"org.slf4j.simpleLogger.defaultLogLevel": "off", **properties}
        # Debian's script names a part of the class path; the JVM takes the last one that it is given.
        environment = {**os.environ, "CLIENT_JVMFLAGS": f"-XX:TieredStopAtLevel=1 -cp {JARS}",
                       "JVMFLAGS": " ".join(f"-D{key}={value}" for key, value in flags.items())}
        shell = Shell([ZKCLI, "-timeout", str(int(SESSION_S * 1000)), "-server", hosts or self.hosts, *arguments],
                      environment=environment)
        self.addCleanup(self.end, shell)
        shell.printed = ""
        shell.wait_for(lambda: re.search("WatchedEvent state:(SyncConnected|ConnectedReadOnly)", shell.text["out"]),
                       "the connection")
        return shell

    def end(self, shell):
        """Kills what a failed test has left."""
        if shell.process.poll() is None:
            shell.process.kill()
            shell.process.wait()
        for pipe in (shell.process.stdin, shell.process.stdout, shell.process.stderr):
            pipe.close()

    def ask(self, shell, command):
        """What a command prints, asked again while a strike cuts it off."""
        def answer():
            printed = "".join(shell.run(command))
            shell.printed += printed
            return None if "ConnectionLoss" in printed else [printed]
        return wait_until(answer, f"an answer to {command}")[0]

    def ask_for(self, shell, command, expected):
        printed = self.ask(shell, command)
        self.assertRegex(printed, re.compile(expected, re.MULTILINE))
        return printed

    def told(self, shell, event):
        """Waits for a watch's event among all that the shell has printed."""
        shell.wait_for(lambda: event in shell.printed + shell.text["out"], event)


class Strikes(Driven):
    def test_a_session_and_its_watches_outlive_a_strike(self):
        shell, other = self.shell(), self.shell()
        for command in ["create /watched 1", "create /tree x", "create -e /live x", "create -e -s /live- x"]:
            self.ask_for(shell, command, "^Created /")
        owner = self.ask_for(shell, "stat /live", r"^ephemeralOwner = 0x[0-9a-f]{8,}$")
        owner = re.search(r"ephemeralOwner = \w+", owner).group()
        self.ask_for(shell, "get -w /watched", "^1$")
        self.ask(shell, "addWatch /tree")
        self.ask(other, "sync /")
        self.strike()
        self.ask(other, "set /watched 2")
        self.told(shell, "type:NodeDataChanged path:/watched")
        self.ask_for(other, "create /tree/below x", "Created /tree/below|already exists: /tree/below")
        self.told(shell, "type:NodeCreated path:/tree/below")
        self.ask_for(other, "stat /live", owner + "$")
        self.ask_for(other, "ls /", r"\blive-\d{10}\b")
        shell.end("quit")
        with connected(self.hosts) as client:
            client.sync("/")
            self.assertEqual([name for name in client.get_children("/") if name.startswith("live")], [])


class Identified(Driven):
    """Shells that say who they are, behind a strike too."""

    def check_people(self):
        ann, bob = (self.shell(**self.java_flags(name)) for name in ("ann", "bob"))
        self.ask_for(ann, "create /anns x auth::cdrwa", "^Created /anns$")
        scheme, name = self.id_of("ann")
        self.ask_for(ann, "getAcl /anns", f"^'{scheme},'{name.replace(',', '%2C')}$|^'{scheme},'{name}$")
        self.ask_for(ann, "create -e /live x", "^Created /live$")
        self.ask(bob, "sync /")
        self.ask_for(bob, "get /anns", "Insufficient permission : /anns")
        self.strike()
        self.ask(ann, "set /anns y")
        self.ask_for(ann, "get /anns", "^y$")
        self.ask(bob, "sync /")
        self.ask_for(bob, "set /anns z", "Insufficient permission : /anns")
        self.ask_for(bob, "ls /", r"\blive\b")
        ann.end("quit")
        self.ask(bob, "sync /")
        self.ask_for(bob, "stat /live", "Node does not exist: /live")


class Tls(WithTls, Identified):
    def test_certificates_hold_behind_a_strike(self):
        self.check_people()


class Sasl(WithSasl, Identified):
    def test_passwords_hold_behind_a_strike(self):
        self.check_people()


class StrikesOfThree(Strikes):
    size = 3


class TlsOfThree(Tls):
    size = 3


class SaslOfThree(Sasl):
    size = 3


class ReadOnly(Driven):
    size = 3
    keys = READ_ONLY

    def test_reads_without_a_quorum_and_writes_with_one_again(self):
        with connected(self.hosts) as client:
            client.create("/kept", b"1")
        for server in self.servers:
            with connected(server.address) as client:
                client.sync("/")
        last = self.lose_quorum()
        shell = self.shell("-r", hosts=self.hosts)
        self.assertIn("ConnectedReadOnly", shell.text["out"])
        self.ask_for(shell, "get /kept", "^1$")
        self.ask_for(shell, "set /kept 2", "[Nn]ot.?[Rr]ead.?[Oo]nly|read-only")
        self.assertTrue(last.running())
        self.restart_dead()
        self.told(shell, "state:SyncConnected")
        self.ask(shell, "set /kept 2")
        self.ask_for(shell, "get /kept", "^2$")
        shell.end("quit")


if __name__ == "__main__":
    unittest.main()
