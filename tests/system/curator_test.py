"""Curator's recipes (tests/system/clients/CuratorScenario.java) against one server and three, killed under way."""

import pathlib
import subprocess
import unittest

from tests.system.harness import SESSION_S
from tests.system.scenario import CLIENTS, Scenario

JARS = ":".join(f"/usr/share/java/{name}.jar" for name in
                ["curator-client", "curator-framework", "curator-recipes", "zookeeper", "zookeeper-jute", "guava",
                 "slf4j-api", "slf4j-nop", "netty-buffer", "netty-codec", "netty-common", "netty-handler",
                 "netty-resolver", "netty-transport", "snappy-java"])
SCENARIOS = ["locks", "leaders", "caches", "watches", "counters", "barriers and queues", "transactions", "nodes",
             "identities", "expiry"]


class Curator(Scenario):
    def test_scenarios(self):
        source = CLIENTS / "CuratorScenario.java"
        classes = pathlib.Path(self.folder) / "classes"
        subprocess.run(["javac", "-nowarn", "-XDignore.symbol.file", "-d", classes, "-cp", JARS, source], check=True,
                       timeout=120, capture_output=True)
        self.run_program(["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{classes}:{JARS}", "CuratorScenario",
                          self.hosts, str(int(SESSION_S * 1000))], SCENARIOS)


class CuratorOfThree(Curator):
    size = 3


if __name__ == "__main__":
    unittest.main()
