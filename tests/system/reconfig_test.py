"""The ensemble changes while it serves: kazoo and vivctl ask for it, servers come, change their parts, go, hand over,
and start again from the files that they have rewritten. And Apache's capture of a client that does so."""

import re
import subprocess
import unittest

from kazoo.exceptions import (BadArgumentsError, BadVersionError, ConnectionLoss, NewConfigNoQuorumError, NoAuthError,
                              SessionExpiredError)

from tests.system.apache_test import JAR, SLOW_S, TICK_MS as SLOW_TICK_MS, ApacheServer
from tests.system.golden_test import GET_DATA, STAT, Replay
from tests.system.harness import (HOST, PATIENCE_S, Ensemble, Server, ServerTest, TICK_MS, connected, free_port,
                                  new_client, once_heard, program, role_of, wait_until)

SUPER = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
GET_ACL, RECONFIG = 6, 16


class DynamicEnsemble(Ensemble):
    """`listed` servers know each other; the others know those and themselves, as newcomers do."""

    def __init__(self, folder, size, listed, ports=None, **keys):
        self.servers = {}
        self.ports = ports or {n: tuple(free_port() for _ in range(3)) for n in range(1, size + 1)}
        for n in range(1, size + 1):
            known = [m for m in range(1, size + 1) if m <= listed or m == n]
            server_folder = folder / f"server{n}"
            (server_folder / "data").mkdir(parents=True)
            (server_folder / "data" / "myid").write_text(f"{n}\n")
            lines = ["# written by a person", f"dataDir={server_folder / 'data'}", f"tickTime={TICK_MS}", "initLimit=10",
                     "syncLimit=5", "preAllocSize=1024", "reconfigEnabled=true",
                     f"DigestAuthenticationProvider.superDigest={SUPER}",
                     *(f"{key}={value}" for key, value in keys.items()), *(self.line(m) for m in known)]
            (server_folder / "zoo.cfg").write_text("\n".join(lines) + "\n")
            self.servers[n] = Server(server_folder, [server_folder / "zoo.cfg"], self.ports[n][2])

    def line(self, n, role="participant"):
        quorum, election, client = self.ports[n]
        return f"server.{n}={HOST}:{quorum}:{election}:{role};{HOST}:{client}"

    def text(self, roles, version):
        return "\n".join([*(self.line(n, role) for n, role in roles.items()), f"version={version:x}"])

    def start_only(self, numbers):
        for n in numbers:
            self[n].start()
        for n in numbers:
            self[n].wait_serving(2 * PATIENCE_S)
        return self


PART, OBS = "participant", "observer"


class Changes(ServerTest):
    def operator(self, ensemble, *numbers):
        client = new_client(",".join(ensemble[n].address for n in numbers))
        client.start(timeout=PATIENCE_S)
        self.addCleanup(client.close)
        self.addCleanup(client.stop)
        client.add_auth("digest", "super:test")
        return client

    def change(self, ensemble, client, roles, joining=None, leaving=None, members=None, within=2 * PATIENCE_S):
        """Asks until enough of the new members are there, and checks the answer."""
        def done():
            try:
                return client.reconfig(joining=joining, leaving=leaving, new_members=members)
            except NewConfigNoQuorumError:
                return None
        data, stat = wait_until(done, "a quorum of the new ensemble", within)
        self.assertEqual(data.decode(), ensemble.text(roles, stat.mzxid))
        self.assertEqual(stat.version, -1)
        return stat.mzxid

    def wait_active(self, ensemble, numbers, version):
        for n in numbers:
            wait_until(lambda n=n: ensemble[n].said(rf"configuration {version:x} \(.*\) is active"),
                       f"configuration {version:x} on server {n}")

    def assert_same_data(self, ensemble, numbers, path, data):
        for n in numbers:
            with connected(ensemble[n].address, within=2 * PATIENCE_S) as client:
                client.sync("/")
                self.assertEqual(client.get(path)[0], data, f"on server {n}")

    def test_servers_come_change_and_go(self):
        ensemble = self.own(DynamicEnsemble(self.folder, 4, 3)).start_only([1, 2, 3])
        with connected(ensemble[1].address) as nobody:
            self.assertRegex(nobody.get("/zookeeper/config")[0].decode(), r"version=100000000$")
            with self.assertRaises(NoAuthError):
                nobody.reconfig(joining=ensemble.line(4, OBS), leaving=None, new_members=None)
        client = self.operator(ensemble, 1, 2, 3)
        client.create("/kept", b"1")
        with self.assertRaises(BadArgumentsError):
            client.reconfig(joining="server.9=bad", leaving=None, new_members=None)
        with self.assertRaises(BadVersionError):
            client.reconfig(joining=None, leaving="3", new_members=None, from_config=5)
        self.assertEqual(len(client.get("/zookeeper/config")[0].decode().splitlines()), 4)
        with self.assertRaises(NewConfigNoQuorumError):
            client.reconfig(joining=None, leaving=None, new_members=f"{ensemble.line(3)},{ensemble.line(4)}")

        seen = []
        client.get("/zookeeper/config", watch=seen.append)
        ensemble.start_only([4])  # in no configuration, and yet it serves
        version = self.change(ensemble, client, {1: PART, 2: PART, 3: PART, 4: OBS}, joining=ensemble.line(4, OBS))
        wait_until(lambda: seen, "the event of /zookeeper/config")
        self.wait_active(ensemble, [1, 2, 3, 4], version)
        wait_until(lambda: role_of(ensemble[4]) == "observing", "an observer")
        version = self.change(ensemble, client, {1: PART, 2: PART, 3: PART, 4: PART}, joining=ensemble.line(4))
        self.wait_active(ensemble, [1, 2, 3, 4], version)
        wait_until(lambda: role_of(ensemble[4]) == "following", "a voter")
        client.set("/kept", b"2")

        follower = next(n for n in (1, 2, 3) if n != ensemble.wait_leader())
        stays = [n for n in (1, 2, 3, 4) if n != follower]
        client = self.operator(ensemble, *stays)
        version = self.change(ensemble, client, {n: PART for n in stays}, leaving=str(follower))
        self.wait_active(ensemble, range(1, 5), version)
        client.set("/kept", b"3")
        self.assert_same_data(ensemble, range(1, 5), "/kept", b"3")  # who has gone still follows

        leader = ensemble.wait_leader()
        left = [n for n in stays if n != leader]
        client = self.operator(ensemble, *left)
        members = ",".join(ensemble.line(n) for n in left)
        version = self.change(ensemble, client, {n: PART for n in left}, members=members)
        wait_until(lambda: ensemble.leader() in left, "one of those who are left to lead")
        self.wait_active(ensemble, left, version)
        once_heard(client.set, "/kept", b"4", seconds=2 * PATIENCE_S)
        self.assert_same_data(ensemble, left, "/kept", b"4")
        self.check_restart(ensemble, left, leader, version)

    def check_restart(self, ensemble, left, gone, version):
        """From what the files say by now."""
        ensemble.kill()
        for n in left:
            text = (ensemble[n].folder / "zoo.cfg").read_text()
            self.assertIn("# written by a person\n", text)
            self.assertNotIn("server.", text)
            dynamic = re.search(r"^dynamicConfigFile=(.*)$", text, re.MULTILINE).group(1)
            self.assertTrue(dynamic.endswith(f"/zoo.cfg.dynamic.{version:x}"), dynamic)
            with open(dynamic) as lines:
                self.assertEqual(lines.read(), "\n".join(sorted(ensemble.line(m) for m in left)))
            self.assertIn("server.", (ensemble[n].folder / "zoo.cfg.bak").read_text())
            self.assertFalse((ensemble[n].folder / "zoo.cfg.dynamic.next").exists())
        ensemble.start_only(left)
        self.assert_same_data(ensemble, left, "/kept", b"4")
        for n in left:
            self.assertTrue(ensemble[n].said("data in"), "it started")
        self.assertEqual(ensemble[gone].start().exit_code(), 2)
        self.assertIn(f"there is no line server.{gone}", "\n".join(ensemble[gone].lines()))

    def test_one_server_becomes_three(self):
        ensemble = self.own(DynamicEnsemble(self.folder, 3, 1, standaloneEnabled="false")).start_only([1])
        client = self.operator(ensemble, 1)
        client.create("/kept", b"alone")
        ensemble.start_only([2, 3])
        self.change(ensemble, client, {1: PART, 2: PART}, joining=ensemble.line(2))
        version = self.change(ensemble, client, {1: PART, 2: PART, 3: PART}, joining=ensemble.line(3))
        # As long as they know nothing but {1, 2} to be in force, nobody leads without the first.
        self.wait_active(ensemble, [2, 3], version)
        ensemble[1].kill()
        self.assert_same_data(ensemble, [2, 3], "/kept", b"alone")
        with connected(ensemble[2].address) as there:
            there.set("/kept", b"without the first")
        ensemble[1].start().wait_serving()
        self.assert_same_data(ensemble, [1, 2, 3], "/kept", b"without the first")

    def test_vivctl_asks_and_shows(self):
        ensemble = self.own(DynamicEnsemble(self.folder, 3, 3)).start_only([1, 2, 3])
        leader = ensemble.wait_leader()  # were it the one to go, connections would be lost to an election
        gone, other = (n for n in (1, 2, 3) if n != leader)
        words = f"addauth digest super:test\nreconfig -remove {gone}\nconfig\nquit\n"
        done = subprocess.run([program("vivctl"), "-server", ensemble[leader].address], input=words, text=True,
                              capture_output=True, timeout=PATIENCE_S, check=False)
        self.assertIn("Committed new configuration:\n" + ensemble.line(min(leader, other)), done.stdout, done.stderr)
        self.assertEqual(done.stdout.count(ensemble.line(leader)), 2, done.stdout)
        self.assertEqual(done.stdout.count(ensemble.line(other)), 2, done.stdout)
        self.assertNotIn(ensemble.line(gone), done.stdout)


@unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
class ChangesBesideApache(Changes):
    """Two servers of each kind: one joins, is made a voter, a follower goes, and then the leader."""

    test_servers_come_change_and_go = test_one_server_becomes_three = test_vivctl_asks_and_shows = None

    def mixed(self, ours):
        ensemble = self.own(DynamicEnsemble(self.folder, 4, 3, **{"4lw.commands.whitelist": "*"}))
        for n, server in ensemble.servers.items():
            zoo_cfg = server.folder / "zoo.cfg"
            zoo_cfg.write_text(zoo_cfg.read_text().replace(f"tickTime={TICK_MS}\n", f"tickTime={SLOW_TICK_MS}\n"))
            if n not in ours:
                ensemble.servers[n] = ApacheServer(server.folder, server.arguments, server.port)
        return ensemble

    def wait_data(self, ensemble, numbers, path, data, version):
        for n in numbers:
            with connected(ensemble[n].address, within=SLOW_S) as client:
                client.sync("/")
                self.assertEqual(client.get(path)[0], data, f"on server {n}")
                self.assertRegex(client.get("/zookeeper/config")[0].decode(), rf"\nversion={version:x}$")

    def check(self, ensemble):
        """3 leads, since each of the first three is blank."""
        leader, other = 3, 2
        for n in (1, 2, 3):
            ensemble[n].start()
        for n in (1, 2, 3):
            ensemble[n].wait_serving(SLOW_S)
        client = self.operator(ensemble, 1)
        client.create("/kept", b"1")
        ensemble[4].start().wait_serving(SLOW_S)
        self.change(ensemble, client, {1: PART, 2: PART, 3: PART, 4: OBS}, joining=ensemble.line(4, OBS), within=SLOW_S)
        self.change(ensemble, client, {n: PART for n in range(1, 5)}, joining=ensemble.line(4), within=SLOW_S)
        client.set("/kept", b"2")
        version = self.change(ensemble, client, {1: PART, leader: PART, 4: PART}, leaving=str(other), within=SLOW_S)
        client.set("/kept", b"3")
        self.wait_data(ensemble, (1, leader, 4), "/kept", b"3", version)
        try:
            client.reconfig(joining=None, leaving=str(leader), new_members=None)
        except (ConnectionLoss, SessionExpiredError):
            pass  # one that changes its part lets go of its clients
        wanted = ensemble.text({1: PART, 4: PART}, 0).rpartition("=")[0]

        def left():
            with connected(ensemble[4].address, within=SLOW_S) as there:
                there.sync("/")
                text = there.get("/zookeeper/config")[0].decode()
            return text.startswith(wanted) and int(text.rpartition("=")[2], 16)
        version = wait_until(left, "the leader to be out", SLOW_S)
        with connected(ensemble[1].address, within=SLOW_S) as there:
            there.set("/kept", b"4")
        self.wait_data(ensemble, (1, 4), "/kept", b"4", version)

    def test_a_leader_of_apache_is_asked(self):
        self.check(self.mixed(ours=(1, 4)))

    def test_a_leader_of_ours_is_asked(self):
        ensemble = self.mixed(ours=(2, 3))
        self.check(ensemble)
        self.assertTrue(ensemble[3].said("the ensemble has changed: server.4 is to lead it"))


class CapturedChanges(ServerTest):
    def test_apaches_client_and_servers(self):
        """Zxids are those of the capture: nobody else has connected before. Its ports are others', here."""
        ports = {n: tuple(free_port() for _ in range(3)) for n in range(1, 5)}
        words = {f"{base + n}".encode(): f"{port}".encode()
                 for n in ports for base, port in zip((46280, 46380, 46180), ports[n])}
        ensemble = self.own(DynamicEnsemble(self.folder, 3, 3, ports, maxSessionTimeout=20000))
        ensemble.start()
        for n in (1, 2, 3):
            wait_until(lambda n=n: role_of(ensemble[n]) in ("leading", "following"), f"server {n}", 2 * PATIENCE_S)
        follower = next(n for n in (1, 2, 3) if n != ensemble.wait_leader())
        replay = ReconfigReplay(self, lambda who: ensemble[follower].port, words)
        replay.run("17-reconfig")
        self.assertEqual(replay.compared, 15)


class ReconfigReplay(Replay):
    def compare_reply(self, operation, wanted, got):
        # Answered like getData: something, and a Stat.
        with_stat = operation in (RECONFIG, GET_ACL) and len(wanted) > STAT.size
        super().compare_reply(GET_DATA if with_stat else operation, wanted, got)


if __name__ == "__main__":
    unittest.main()
