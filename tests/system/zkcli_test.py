"""ZooKeeper's own shell, zkCli.sh of Debian's package, scripted."""

import os
import re
import subprocess
import unittest

from tests.system.harness import Ensemble, ServerTest, standalone

ZKCLI = "/usr/share/zookeeper/bin/zkCli.sh"


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


if __name__ == "__main__":
    unittest.main()
