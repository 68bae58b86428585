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
        program = subprocess.Popen(
            ["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{classes}:{JARS}", "CuratorScenario", self.hosts,
             str(int(SESSION_S * 1000))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.addCleanup(program.kill)
        done, printed = [], []
        for line in program.stdout:
            printed.append(line.rstrip())
            if line == "strike\n":
                self.strike()
                program.stdin.write("\n")
                program.stdin.flush()
            elif line.startswith("ok "):
                done.append(line[len("ok "):].strip())
        status = program.wait()
        program.stdin.close()
        program.stdout.close()
        self.assertEqual((status, done), (0, SCENARIOS), "\n".join(printed[-30:]))


class CuratorOfThree(Curator):
    size = 3


if __name__ == "__main__":
    unittest.main()
