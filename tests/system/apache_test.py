"""vivariumd beside Debian's ZooKeeper 3.8 in one ensemble: as the follower of one, and as its leader.

A first check, not the mixed system test: two of three servers are Apache's, no faults but kills of whole processes.
"""

import pathlib
import subprocess
import unittest

from tests.system.harness import (PATIENCE_S, Ensemble, Server, ServerTest, children, connected, role_of,
                                  wait_until)

JAR = pathlib.Path("/usr/share/java/zookeeper.jar")
SLOW_S = 3 * PATIENCE_S  # a Java process on a busy machine
TICK_MS = 500


class ApacheServer(Server):
    """One QuorumPeerMain with the same zoo.cfg, folder and ports that a vivariumd would have."""

    options = ()  # more of Java's

    def start(self):
        assert not self.running(), "started twice"
        self.output_before = self.output.stat().st_size if self.output.exists() else 0
        (self.folder / "log4j.properties").write_text(
            "log4j.rootLogger=INFO, C\nlog4j.appender.C=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.C.layout=org.apache.log4j.PatternLayout\n"
            "log4j.appender.C.layout.ConversionPattern=%d{ISO8601} %-5p %c{1} - %m%n\n")
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(
                ["java", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-cp", f"{self.folder}:{JAR}",
                 "-Dzookeeper.admin.enableServer=false", "-Dzookeeper.4lw.commands.whitelist=*",
                 f"-Dlog4j.configuration=file:{self.folder}/log4j.properties", *self.options,
                 "org.apache.zookeeper.server.quorum.QuorumPeerMain", self.arguments[0]],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        return self


@unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
class BesideApache(ServerTest):
    def ensemble(self, ours):
        """Three servers, all of Apache's but `ours`."""
        ensemble = self.own(Ensemble(self.folder, tickTime=TICK_MS, **{"4lw.commands.whitelist": "*"}))
        for n in (1, 2, 3):
            if n != ours:
                old = ensemble[n]
                ensemble.servers[n] = ApacheServer(old.folder, old.arguments, old.port)
        return ensemble

    def assert_same_children(self, ensemble, parent, paths):
        for server in ensemble:
            with connected(server.address, within=SLOW_S) as client:
                self.assertEqual(children(client, parent), set(paths), server.address)

    def test_follows_a_leader_of_apache(self):
        ensemble = self.ensemble(ours=1).start()
        ensemble.wait_serving(SLOW_S)
        self.assertNotEqual(role_of(ensemble[1]), "leading")
        with connected(ensemble[2].address) as elsewhere, connected(ensemble[1].address) as here:
            here.create("/here", b"by way of the follower")
            elsewhere.create("/here/2", b"by way of the others")
            self.assertEqual(here.get("/here")[0], b"by way of the follower")
            here.sync("/here")
            self.assertEqual(here.get("/here/2")[0], b"by way of the others")
            here.create("/here/e", b"", ephemeral=True)
        # It comes back with what it missed.
        ensemble[1].kill()
        with connected(ensemble[2].address) as client:
            for i in range(20):
                client.create(f"/here/{i:02d}", b"while it was away")
            ensemble[1].start().wait_serving(SLOW_S)
            paths = children(client, "/here")
        self.assertNotIn("/here/e", paths)
        self.assert_same_children(ensemble, "/here", paths)

    def test_leads_followers_of_apache(self):
        ensemble = self.ensemble(ours=3)
        (ensemble[3].folder / "data" / "initialize").write_text("")
        ensemble[3].start()
        ensemble[1].start().wait_serving(SLOW_S)
        self.assertEqual(ensemble.leader(), 3)
        with connected(ensemble[1].address) as client:
            client.create("/led", b"")
            for i in range(20):
                client.create(f"/led/{i:02d}", b"x")
            ensemble[2].start().wait_serving(SLOW_S)
            client.create("/led/last", b"x")
            paths = children(client, "/led")
        self.assertEqual(len(paths), 21)
        ensemble.wait_serving(SLOW_S)
        self.assert_same_children(ensemble, "/led", paths)
        # Apache's take over, with all of it, and ours comes back as a follower.
        ensemble[3].kill()
        ensemble[2].wait_serving(SLOW_S)
        with connected(ensemble[2].address) as client:
            client.create("/led/after", b"x")
        ensemble[3].start().wait_serving(SLOW_S)
        wait_until(lambda: role_of(ensemble[3]) == "following", "following")
        self.assert_same_children(ensemble, "/led", paths | {"/led/after"})
