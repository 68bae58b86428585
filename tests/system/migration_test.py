"""Moving between ZooKeeper 3.8 and vivariumd, both ways: with the directory of one server, and with a live ensemble,
member by member, while clients write. docs/migration.md says how a person does it."""

import re
import signal
import time
import unittest

from kazoo.security import make_digest_acl

from tests.system.apache_test import JAR, SLOW_S, TICK_MS, assert_digests_agree, leading, of_apache, ours, served_up_to
from tests.system.harness import Ensemble, Load, ServerTest, configured, connected, figure, mode_of, wait_until

WORDS = {"4lw.commands.whitelist": "*"}
OWNER = ("digest", "owner:secret")


def whole_tree(client, path="/"):
    """Everything that a client can see, by path: data, ACL and Stat."""
    seen = {}
    waiting = [path]
    while waiting:
        at = waiting.pop()
        data, stat = client.get(at)
        seen[at] = (data, client.get_acls(at)[0], stat)
        waiting += [f"{at.rstrip('/')}/{name}" for name in client.get_children(at)]
    return seen


@unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
class Directories(ServerTest):
    def life(self, server, first):
        """Starts it, compares what it serves with `first`, writes all kinds of things, and kills it: what it served."""
        self.own(server).start().wait_serving(SLOW_S)
        with connected(server.address) as client:
            client.add_auth(*OWNER)
            if first is not None:
                self.assertEqual(whole_tree(client), first)
            base = client.create("/life-", b"", sequence=True)
            for i in range(200):
                client.create(f"{base}/s", b"%d" % i, sequence=True)
            for i in range(0, 200, 3):
                client.delete(f"{base}/s{i:010d}")
            for i in range(1, 200, 3):
                client.set(f"{base}/s{i:010d}", b"again")
            client.create(f"{base}/large", b"x" * 900_000)
            client.create(f"{base}/empty")
            client.create(f"{base}/locked", b"1", acl=[make_digest_acl("owner", "secret", all=True)])
            client.set_acls(f"{base}/empty", [make_digest_acl("owner", "secret", read=True, admin=True)])
            client.create(f"{base}/ephemeral", b"", ephemeral=True)
            many = client.transaction()
            many.create(f"{base}/t", b"in a transaction")
            many.create(f"{base}/t/child", b"")
            many.set_data(f"{base}/large", b"small now")
            many.delete(f"{base}/s{199:010d}")
            many.check(f"{base}/t", 0)
            self.assertFalse([r for r in many.commit() if isinstance(r, Exception)])
            failed = client.transaction()
            failed.create(f"{base}/t/never", b"")
            failed.check(f"{base}/t", 7)
            failed.commit()
        with connected(server.address) as client:
            client.add_auth(*OWNER)
            seen = whole_tree(client)
        server.kill()
        return seen

    def lives(self, *kinds):
        server = configured(self.folder / "one", **WORDS, snapCount=150)
        seen = None
        for kind in kinds:
            seen = self.life(kind(server), seen)
        self.assertEqual(len([path for path in seen if re.fullmatch(r"/life-\d{10}", path)]), len(kinds))

    def test_there_and_back(self):
        self.lives(of_apache, ours, of_apache)

    def test_ours_first_and_each_behind_each(self):
        self.lives(ours, of_apache, of_apache, ours, ours, of_apache)

    def test_a_log_without_a_snapshot_is_taken_by_word_alone(self):
        """As ZooKeeper 3.4 may leave it; once ours has taken it, there is a snapshot for both."""
        server = configured(self.folder / "one", **WORDS)
        seen = self.life(of_apache(server), None)
        only_snapshot(server, None)
        refusing = self.own(ours(server)).start()
        self.assertNotEqual(refusing.exit_code(), 0)
        self.assertTrue(refusing.said("snapshot.trust.empty=true"))
        self.assertIsNone(newest_snapshot(server))
        zoo_cfg = server.folder / "zoo.cfg"
        without = zoo_cfg.read_text()
        zoo_cfg.write_text(without + "snapshot.trust.empty=true\n")
        seen = self.life(ours(server), seen)
        zoo_cfg.write_text(without)
        for kind in (ours, of_apache, ours):
            seen = self.life(kind(server), seen)

    def test_compressed_snapshots_are_read_by_the_other(self):
        for method in ("gz", "snappy"):
            with self.subTest(method):
                server = configured(self.folder / method, **WORDS, snapCount=150, **{"snapshot.compression.method": method})
                seen = None
                for kind in (of_apache, ours, of_apache, ours, ours):
                    newest = newest_snapshot(server)
                    only_snapshot(server, newest)
                    life = kind(server)
                    seen = self.life(life, seen)
                    if newest is None:
                        continue
                    self.assertTrue(newest.name.endswith(f".{method}"), newest)
                    self.assertFalse(life.said("is not used|problem reading snap"))

    def test_a_damaged_compressed_snapshot_is_refused_with_a_line(self):
        server = configured(self.folder / "one", **WORDS, snapCount=150, **{"snapshot.compression.method": "gz"})
        seen = self.life(ours(server), None)
        newest = newest_snapshot(server)
        newest.write_bytes(newest.read_bytes()[:-9])
        again = ours(server)
        self.life(again, seen)
        self.assertTrue(again.said(f"{re.escape(newest.name)} is not used: what is compressed in it is damaged"))


def only_snapshot(server, newest):
    """The others go: a server that cannot read it has no state to begin with."""
    for other in (server.folder / "data" / "version-2").glob("snapshot.*"):
        if other != newest:
            other.unlink()


def newest_snapshot(server):
    """The file with the highest zxid, compressed or not; None where there is none."""
    files = (server.folder / "data" / "version-2").glob("snapshot.*")
    return max(files, key=lambda file: int(file.name.split(".")[1], 16), default=None)


def has_tail(server):
    logs = (server.folder / "data" / "version-2").glob("log.*")
    return any(b"/tail" in log.read_bytes() for log in logs)


@unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
class TakenBackByApache(ServerTest):
    """RULES 6: ZooKeeper runs on directories of ours, takes back in one what its leader does not have, and writes; then ours
    runs on them again."""

    def leave_a_tail(self, ensemble):
        """The leader logs a txn that reaches nobody, and everything ends. Its number."""
        leader = ensemble.wait_leader()
        others = [server for n, server in ensemble.servers.items() if n != leader]
        with connected(ensemble[leader].address, 20 * TICK_MS / 1000) as client:
            client.create("/before", b"everywhere")
            for server in others:
                server.signal(signal.SIGSTOP)
            client.create_async("/tail", b"nowhere else")
            wait_until(lambda: has_tail(ensemble[leader]), "the txn in the log")
            ensemble.kill()
        for server in others:
            self.assertFalse(has_tail(server))
        return leader

    def become(self, kind, ensemble):
        for n in ensemble.servers:
            ensemble.servers[n] = self.own(kind(ensemble[n]))

    def start(self, ensemble, *numbers):
        """Without a client: a session is a txn of the new epoch."""
        for n in numbers:
            ensemble[n].start()
        for n in numbers:
            wait_until(lambda n=n: mode_of(ensemble[n]) in ("leader", "follower"), f"server {n}", SLOW_S)

    def seen(self, client):
        """Without the node that each member writes for itself."""
        client.sync("/")
        return {path: node for path, node in whole_tree(client).items() if path != "/zookeeper/config"}

    def assert_same_tree(self, ensemble, expected):
        for server in ensemble:
            with connected(server.address, within=SLOW_S) as client:
                self.assertEqual(self.seen(client), expected, server.address)

    def turns(self, written_before, how):
        ensemble = self.own(Ensemble(self.folder, tickTime=TICK_MS, **WORDS))
        ensemble.start().wait_serving()
        ahead = self.leave_a_tail(ensemble)

        self.become(of_apache, ensemble)
        behind = [n for n in ensemble.servers if n != ahead]
        self.start(ensemble, *behind)
        if written_before:
            with connected(ensemble[behind[0]].address) as client:
                client.create("/after", b"in its place")
        self.start(ensemble, ahead)
        self.assertTrue(ensemble[ahead].said(how), ensemble[ahead].lines()[-20:])
        with connected(ensemble[ahead].address) as client:
            self.assertIsNone(client.exists("/tail"))
            client.create("/by-apache", b"x" * 5000)
            expected = self.seen(client)
        ensemble.kill()
        tail = has_tail(ensemble[ahead])

        # The one that was ahead is among those that begin, so that its state counts.
        self.become(ours, ensemble)
        self.start(ensemble, ahead, behind[0])
        self.assertTrue(ensemble[ahead].said("last written by Apache ZooKeeper"))
        self.start(ensemble, behind[1])
        self.assert_same_tree(ensemble, expected)
        before = served_up_to(ensemble)
        with connected(ensemble.hosts()) as client:
            for _ in range(150):  # digests are noted of some txns only
                client.create("/and-ours-", b"", sequence=True)
            expected = self.seen(client)
        self.assert_same_tree(ensemble, expected)
        assert_digests_agree(self, ensemble, behind=before)
        ensemble.kill()
        ensemble.start().wait_serving()
        self.assert_same_tree(ensemble, expected)
        return tail

    def test_by_a_trunc(self):
        self.assertFalse(self.turns(False, "Truncating log to get in sync with the leader"))

    def test_by_a_snap_that_leaves_it_in_the_log(self):
        self.assertTrue(self.turns(True, "Getting a snapshot from leader"))


@unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
class Replacement(ServerTest):
    """A live ensemble under load changes its kind, one member after the other, the leader at the end."""

    def replace(self, ensemble, load, kind):
        """Each member in its turn; seconds without an acknowledged write, for each."""
        last = leading(ensemble)
        gaps = []
        for n in [n for n in ensemble.servers if n != last] + [last]:
            began = time.monotonic()
            ensemble[n].terminate()
            ensemble.servers[n] = self.own(kind(ensemble[n]))
            ensemble[n].start().wait_serving(SLOW_S)
            load.wait_progress(150, SLOW_S)
            gaps.append(load.longest_gap(began))
            assert_digests_agree(self, ensemble)
        return gaps

    def test_there_and_back_without_downtime(self):
        ensemble = self.own(Ensemble(self.folder, tickTime=TICK_MS, **WORDS))
        for n in ensemble.servers:
            ensemble.servers[n] = self.own(of_apache(ensemble[n]))
        ensemble.start().wait_serving(SLOW_S)
        load = Load(ensemble.hosts())
        self.addCleanup(load.close)
        with load:
            load.wait_progress(300, SLOW_S)
            there = self.replace(ensemble, load, ours)
            back = self.replace(ensemble, load, of_apache)
        self.assert_nothing_lost(load, ensemble)
        for way, gaps in (("to vivariumd", there), ("back to ZooKeeper", back)):
            figure(f"writes stop for {' / '.join(f'{gap:.2f}' for gap in gaps)} s while members go {way}, leader last")


if __name__ == "__main__":
    unittest.main()
