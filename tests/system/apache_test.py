"""vivariumd beside Debian's ZooKeeper 3.8 in one ensemble: as the follower of one, as its leader and as its observer, and
with every member killed in its turn while clients write."""

import pathlib
import re
import subprocess
import unittest

from tests.system.harness import (PATIENCE_S, Ensemble, Load, Server, ServerTest, children, connected,
                                  four_letter_word, mode_of, role_of, wait_until)

JAR = pathlib.Path("/usr/share/java/zookeeper.jar")
LOGGING = [JAR.with_name("slf4j-log4j12.jar"), JAR.with_name("log4j-1.2.jar")]  # Debian's zookeeper depends on both
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
                ["java", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-cp", ":".join(map(str, (self.folder, JAR, *LOGGING))),
                 "-Dzookeeper.admin.enableServer=false", "-Dzookeeper.4lw.commands.whitelist=*",
                 f"-Dlog4j.configuration=file:{self.folder}/log4j.properties", *self.options,
                 "org.apache.zookeeper.server.quorum.QuorumPeerMain", self.arguments[0]],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        return self


def of_apache(server):
    """The same member, run by ZooKeeper."""
    return ApacheServer(server.folder, server.arguments, server.port)


def ours(server):
    return Server(server.folder, server.arguments, server.port)


def served_up_to(ensemble):
    """The highest zxid that one of them shows; all serve."""
    shown = [re.search(r"^Zxid: 0x([0-9a-f]+)$", four_letter_word(server.port, "srvr"), re.MULTILINE) for server in ensemble]
    return max(int(zxid[1], 16) for zxid in shown)


def noted_digests(server, behind):
    """Of what came behind a zxid, which each of them noted of some txns."""
    noted = (line.split(": ") for line in four_letter_word(server.port, "hash").splitlines())
    return {int(zxid, 16): digest for zxid, digest in noted if int(zxid, 16) > behind}


def assert_digests_agree(test, ensemble, behind=None):
    """What servers of both kinds noted of the whole tree after the same txn is the same number, from when all serve on:
    while a ZooKeeper is synchronised, its tree is ahead of its zxid, and it notes digests of that. Those of ours have
    compared every txn with what its leader said of it."""
    behind = served_up_to(ensemble) if behind is None else behind

    def all_noted():
        noted = [noted_digests(server, behind) for server in ensemble]
        return noted if set.intersection(*(set(one) for one in noted)) else None

    noted = wait_until(all_noted, "a digest that all have noted", SLOW_S)
    for zxid in set.intersection(*(set(one) for one in noted)):
        test.assertEqual(len({one[zxid] for one in noted}), 1, f"{zxid:x}: {noted}")
    for server in ensemble:
        if not isinstance(server, ApacheServer):
            test.assertIn("zk_digest_mismatches_count\t0\n", four_letter_word(server.port, "mntr"))


# What each kind prints of it as a learner.
SYNCED_BY = {"Getting a diff from the leader": "DIFF", "Getting a snapshot from leader": "SNAP",
             "Truncating log to get in sync with the leader": "TRUNC"}


def synced_by(server):
    """How it was brought level in its present life, each time: DIFF, TRUNC or SNAP."""
    if isinstance(server, ApacheServer):
        return [SYNCED_BY[match[1]] for line in server.lines() if (match := re.search(f"({'|'.join(SYNCED_BY)})", line))]
    return [match[1] for line in server.lines()
            if (match := re.search(r"(?:following|observing) server\..* by (DIFF|TRUNC|SNAP)$", line))]


def leading(ensemble):
    """The number of the member that leads, of whatever kind it is."""
    def found():
        return next((n for n, server in ensemble.servers.items() if mode_of(server) == "leader"), None)

    return wait_until(found, "a leader", SLOW_S)


class MixedTest(ServerTest):
    def ensemble(self, *of_ours, size=3, **keys):
        """All members are Apache's but those."""
        ensemble = self.own(Ensemble(self.folder, size, tickTime=TICK_MS, **{"4lw.commands.whitelist": "*"}, **keys))
        for n, server in ensemble.servers.items():
            if n not in of_ours:
                ensemble.servers[n] = of_apache(server)
        return ensemble

    def load(self, ensemble):
        load = Load(ensemble.hosts())
        self.addCleanup(load.close)
        return load

    def assert_same_children(self, ensemble, parent, paths):
        for server in ensemble:
            with connected(server.address, within=SLOW_S) as client:
                self.assertEqual(children(client, parent), set(paths), server.address)


@unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
class BesideApache(MixedTest):
    def test_follows_a_leader_of_apache(self):
        ensemble = self.ensemble(1).start()
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
        ensemble = self.ensemble(3)
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

    def miss_writes(self, ensemble, load, n, meanwhile=lambda: None):
        """The member is killed, misses writes, and comes back to all of them."""
        ensemble[n].kill()
        meanwhile()
        load.wait_progress(100, SLOW_S)
        ensemble[n].start().wait_serving(SLOW_S)
        load.wait_progress(100, SLOW_S)
        assert_digests_agree(self, ensemble)

    def kill_each(self, ensemble):
        """Every member in its turn, the leader at the end."""
        ensemble.start().wait_serving(SLOW_S)
        with self.load(ensemble) as load:
            load.wait_progress(100, SLOW_S)
            leader = leading(ensemble)
            for n in [n for n in ensemble.servers if n != leader] + [leader]:
                self.miss_writes(ensemble, load, n)
        self.assert_nothing_lost(load, ensemble)

    def test_one_of_ours_and_every_member_killed(self):
        self.kill_each(self.ensemble(2))

    def test_two_of_ours_and_every_member_killed(self):
        self.kill_each(self.ensemble(1, 2))

    def test_members_that_lost_everything_are_filled(self):
        """By leaders of the other kind too; snapshots are taken all the time."""
        ensemble = self.ensemble(1, 2, snapCount=100).start().wait_serving(SLOW_S)
        with self.load(ensemble) as load:
            load.wait_progress(300, SLOW_S)
            for n in ensemble.servers:
                self.miss_writes(ensemble, load, n, meanwhile=lambda: ensemble.wipe(n))
        self.assert_nothing_lost(load, ensemble)

    def test_our_observer_watches_apaches(self):
        ensemble = self.ensemble(4, size=4, **{"peerType": "participant"})
        for server in ensemble:
            config = server.folder / "zoo.cfg"
            text = re.sub(r"^(server\.4=.*)$", r"\1:observer", config.read_text(), flags=re.MULTILINE)
            config.write_text(text.replace("peerType=participant", "peerType=observer") if server is ensemble[4] else text)
        ensemble.start().wait_serving(SLOW_S)
        self.assertEqual(mode_of(ensemble[4]), "observer")
        with self.load(ensemble) as load:
            load.wait_progress(100, SLOW_S)
            self.miss_writes(ensemble, load, 4)
        self.assert_nothing_lost(load, ensemble)


@unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
class ComesBack(MixedTest):
    """Of one kind, to a leader of the other, under load."""

    FORGOTTEN = 250  # by each of three writers: more than the 500 txns that leaders keep at least

    def beside(self, alone, others_lead, **keys):
        """Server 3 is of the kind `alone`, the others of the other one. One of those leads, or 3 does."""
        of_ours = (3,) if alone == "ours" else (1, 2)
        ensemble = self.ensemble(*of_ours, **keys)
        for n in of_ours:  # new members of a new ensemble
            (ensemble[n].folder / "data" / "initialize").write_text("")
        first = (1, 2) if others_lead else (1, 3)
        for n in first:
            ensemble[n].start()
        for n in first:
            ensemble[n].wait_serving(SLOW_S)
        (last,) = set(ensemble.servers) - set(first)
        ensemble[last].start().wait_serving(SLOW_S)
        self.assertEqual(leading(ensemble), first[1])
        return ensemble

    def away(self, alone, how, missed=100, **keys):
        ensemble = self.beside(alone, True, **keys)
        with self.load(ensemble) as load:
            load.wait_progress(100, SLOW_S)
            ensemble[3].kill()
            load.wait_progress(missed, SLOW_S)
            ensemble[3].start().wait_serving(SLOW_S)
            load.wait_progress(100, SLOW_S)
            self.assertEqual(synced_by(ensemble[3])[0], how)
            assert_digests_agree(self, ensemble)
        self.assert_nothing_lost(load, ensemble)

    def ahead(self, alone):
        """It leads, and has logged what nobody else has, when all are gone and the others come back first. A ZooKeeper
        leader sends no TRUNC across epochs: nothing may have been written in its own before the one that it is for is
        back."""
        ensemble = self.beside(alone, False, syncLimit=50, commitLogCount=1000000)
        with self.load(ensemble) as before:
            before.wait_progress(100, SLOW_S)
        logs = ensemble[3].folder / "data" / "version-2"
        with connected(ensemble[3].address) as client:
            for n in (1, 2):
                ensemble[n].freeze()
            client.create_async("/alone", b"")
            wait_until(lambda: any(b"/alone" in log.read_bytes() for log in logs.glob("log.*")),
                       "a txn that the leader alone has")
            ensemble.kill()
        for n in (1, 2):
            ensemble[n].start()
        wait_until(lambda: {mode_of(ensemble[n]) for n in (1, 2)} == {"leader", "follower"}, "the others", SLOW_S)
        ensemble[3].start()
        wait_until(lambda: synced_by(ensemble[3]), "word of how it is brought level", SLOW_S)
        self.assertEqual(synced_by(ensemble[3]), ["TRUNC"])
        ensemble.wait_serving(SLOW_S)
        load = Load(ensemble.hosts(), "/behind")
        self.addCleanup(load.close)
        with load:
            load.wait_progress(100, SLOW_S)
            assert_digests_agree(self, ensemble)
        for each in (before, load):
            self.assert_nothing_lost(each, ensemble)
        for server in ensemble:
            with connected(server.address) as client:
                client.sync("/")
                self.assertIsNone(client.exists("/alone"))

    def test_ours_by_diff(self):
        self.away("ours", "DIFF", commitLogCount=1000000)

    def test_ours_by_snap(self):
        self.away("ours", "SNAP", missed=self.FORGOTTEN, snapshotSizeFactor=-1)

    def test_ours_by_trunc(self):
        self.ahead("ours")

    def test_apaches_by_diff(self):
        self.away("apache's", "DIFF", commitLogCount=1000000)

    def test_apaches_by_snap(self):
        self.away("apache's", "SNAP", missed=self.FORGOTTEN, snapshotSizeFactor=-1)

    def test_apaches_by_trunc(self):
        self.ahead("apache's")
