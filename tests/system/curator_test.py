"""Curator's recipes (tests/system/clients/CuratorScenario.java) against one server and three, killed under way."""

import functools
import subprocess
import tempfile
import unittest

from tests.system.harness import SESSION_S
from tests.system.scenario import CLIENTS, READ_ONLY, Scenario, WithSasl, WithTls

JARS = ":".join(f"/usr/share/java/{name}.jar" for name in
                ["curator-client", "curator-framework", "curator-recipes", "zookeeper", "zookeeper-jute", "guava",
                 "slf4j-api", "slf4j-nop", "netty-buffer", "netty-codec", "netty-common", "netty-handler",
                 "netty-resolver", "netty-transport", "netty-transport-native-unix-common", "snappy-java"])
SCENARIOS = ["locks", "leaders", "caches", "watches", "counters", "barriers and queues", "transactions", "nodes",
             "identities", "expiry"]


@functools.cache
def classes():
    """The folder with the compiled program, which is there until the tests have ended."""
    folder = tempfile.TemporaryDirectory(prefix="vivarium-")
    unittest.addModuleCleanup(folder.cleanup)
    subprocess.run(["javac", "-nowarn", "-XDignore.symbol.file", "-d", folder.name, "-cp", JARS,
                    CLIENTS / "CuratorScenario.java"], check=True, timeout=120, capture_output=True)
    return folder.name


class WithCurator(Scenario):
    def run_curator(self, wanted, *arguments, actions=None, flags=()):
        self.run_program(["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", *flags, "-cp", f"{classes()}:{JARS}",
                          "CuratorScenario", self.hosts, str(int(SESSION_S * 1000)), *arguments], wanted, actions)


class Curator(WithCurator):
    def test_scenarios(self):
        self.run_curator(SCENARIOS, "recipes")


class Identified(WithCurator):
    """Clients whose properties say who they are, one of whom is nobody."""

    def check_people(self):
        files = []
        for name, properties in [*((name, self.java_flags(name)) for name in ("ann", "bob")),
                                 ("stranger", {"zookeeper.sasl.client": "false"})]:
            files.append(self.folder / f"{name}.properties")
            files[-1].write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        jaas = getattr(self, "jaas", None)  # which Java takes from its command line alone
        self.run_curator(["people"], "people", *self.id_of("ann"), *files,
                         flags=[f"-Djava.security.auth.login.config={jaas}"] if jaas else [])


class Tls(WithTls, Identified):
    def test_certificates_hold_behind_a_strike(self):
        self.check_people()


class Sasl(WithSasl, Identified):
    def test_passwords_hold_behind_a_strike(self):
        self.check_people()


class CuratorOfThree(Curator):
    size = 3


class TlsOfThree(Tls):
    size = 3


class SaslOfThree(Sasl):
    size = 3


class ReadOnly(WithCurator):
    size = 3
    keys = READ_ONLY

    def test_reads_without_a_quorum_and_writes_with_one_again(self):
        self.run_curator(["read-only"], "read-only", actions={"alone": self.lose_quorum,
                                                              "together": self.restart_dead})


if __name__ == "__main__":
    unittest.main()
