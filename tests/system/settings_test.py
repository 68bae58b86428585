"""Keys of zoo.cfg that act on the machine: directories, doors and syncs; and what the AdminServer changes: snapshots
taken and fetched, connections shed, restore refused."""

import http.client
import json
import pathlib
import shutil
import socket
import struct
import unittest

from tests.system.apache_test import ApacheServer
from tests.system.harness import (HOST, PATIENCE_S, Ensemble, ServerTest, configured, connected, free_port,
                                  once_heard, role_of, wait_until)

JAR = pathlib.Path("/usr/share/java/zookeeper.jar")
IDENTITY = {"Authorization": "digest admin:secret"}


def ask(port, method, path, body=None, headers=None):
    """Status, headers and body of one answer."""
    link = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_S)
    try:
        link.request(method, path, body, IDENTITY if headers is None else headers)
        answer = link.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        link.close()


class Directories(ServerTest):
    def test_a_missing_directory_may_be_an_error(self):
        server = self.own(configured(self.folder / "one", **{"datadir.autocreate": "false"})).start()
        self.assertEqual(server.exit_code(), 1)
        self.assertTrue(server.said(r"version-2.*No such file.*datadir\.autocreate"), server.lines())
        (server.folder / "data" / "version-2").mkdir()
        server.start().wait_serving()

    def test_without_syncs_a_kill_loses_nothing(self):
        server = self.own(configured(self.folder / "one", **{"forceSync": "no"})).start().wait_serving()
        self.assertTrue(server.said(r"forceSync=no: what is acknowledged is not on the disk"))
        with connected(server.address) as client:
            for n in range(50):
                client.create(f"/n{n}", b"x")
        server.kill()
        server.start().wait_serving()
        with connected(server.address) as client:
            self.assertEqual(len(client.get_children("/")), 51)


class Doors(ServerTest):
    def test_the_election_port_may_be_taken_for_a_while(self):
        ensemble = self.own(Ensemble(self.folder, electionPortBindRetry=20))
        text = (ensemble[1].folder / "zoo.cfg").read_text()
        port = int(text.split("server.1=")[1].split("\n")[0].split(":")[2])
        with socket.create_server((HOST, port)):
            ensemble.start()
            wait_until(lambda: ensemble[1].said(r"electionPort: cannot bind.*; trying again"), "an attempt")
        ensemble.wait_serving()

    def test_the_election_port_is_not_waited_for_for_ever(self):
        ensemble = self.own(Ensemble(self.folder, electionPortBindRetry=1))
        text = (ensemble[1].folder / "zoo.cfg").read_text()
        port = int(text.split("server.1=")[1].split("\n")[0].split(":")[2])
        with socket.create_server((HOST, port)):
            ensemble[1].start()
            self.assertEqual(ensemble[1].exit_code(), 1)
        self.assertTrue(ensemble[1].said(r"electionPort: cannot bind"))

    def test_ports_for_servers_are_where_they_are_said_to_be(self):
        for everywhere in ("false", "true"):
            folder = self.folder / everywhere
            ensemble = self.own(Ensemble(folder, quorumListenOnAllIPs=everywhere)).start().wait_serving()
            text = (ensemble[1].folder / "zoo.cfg").read_text()
            port = int(text.split("server.1=")[1].split("\n")[0].split(":")[2])
            self.assertEqual(self.listens_everywhere(port), everywhere == "true")
            ensemble.kill()

    def listens_everywhere(self, port):
        """By the kernel's table: is a socket of this port bound to no address of its own?"""
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in pathlib.Path(table).read_text().splitlines()[1:]:
                local, state = line.split()[1], line.split()[3]
                address, number = local.split(":")
                if state == "0A" and int(number, 16) == port:
                    return set(address) == {"0"}
        self.fail(f"nobody listens at {port}")
        return None

    def test_a_leader_that_serves_nobody(self):
        admins = [free_port() for _ in range(3)]
        ensemble = self.own(Ensemble(self.folder, leaderServes="no", **{"4lw.commands.whitelist": "*"}))
        for server, admin in zip(ensemble, admins):
            with open(server.folder / "zoo.cfg", "a", encoding="utf-8") as file:
                file.write(f"admin.serverPort={admin}\n")
        ensemble.start()
        leader = ensemble.wait_leader()
        with connected(ensemble.hosts()) as client:
            client.create("/a", b"1")
            for n in (1, 2, 3):
                if n != leader:
                    ensemble[n].wait_serving()
            self.assertFalse(ensemble[leader].serves())
        # Those who look after it see it all the same.
        status, _, body = ask(admins[leader - 1], "GET", "/commands/monitor")
        answer = json.loads(body)
        self.assertEqual((status, answer["server_state"], answer["synced_followers"]), (200, "leader", 2))
        self.assertEqual(role_of(ensemble[leader]), "leading")


class Admin(ServerTest):
    def start(self, **keys):
        self.port = free_port()
        keys = {"admin.serverPort": self.port, "admin.rateLimiterIntervalInMS": 0, **keys}
        self.server = self.own(configured(self.folder / "one", **keys)).start().wait_serving()
        return self.server

    def fill(self, count, size=1000):
        with connected(self.server.address) as client:
            for n in range(count):
                client.create(f"/n{n:04d}", bytes([n % 256]) * size)

    def test_a_snapshot_is_fetched(self):
        server = self.start()
        self.fill(600)
        status, headers, body = ask(self.port, "GET", "/commands/snapshot?streaming=true")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/octet-stream"))
        self.assertEqual(int(headers["snapshot_size"]), len(body))
        name = "snapshot." + headers["last_zxid"].removeprefix("0x")
        self.assertEqual((server.folder / "data" / "version-2" / name).read_bytes(), body)
        self.assertEqual(body[:4], b"ZKSN")
        self.assertGreater(len(body), 600 * 1000)
        last = json.loads(ask(self.port, "GET", "/commands/last_snapshot")[2])
        self.assertEqual("snapshot." + last["zxid"], name)
        self.assertGreater(last["timestamp"], 1_700_000_000)
        # Nothing has come since: the same file, whose size alone is asked for.
        status, headers, again = ask(self.port, "GET", "/commands/snap?streaming=false")
        self.assertEqual((status, int(headers["snapshot_size"])), (200, len(body)))
        self.assertEqual(json.loads(again), {"command": "snapshot", "error": None})
        self.take_over(server, name, body)

    def take_over(self, server, name, body):
        """Into an empty directory, as the refusal of restore says: ours and Apache's go on from it."""
        server.kill()
        shutil.rmtree(server.folder / "data" / "version-2")
        (server.folder / "data" / "version-2").mkdir()
        (server.folder / "data" / "version-2" / name).write_bytes(body)
        starters = [server]
        if JAR.exists():
            other = configured(self.folder / "apache")
            (other.folder / "data" / "version-2").mkdir()
            (other.folder / "data" / "version-2" / name).write_bytes(body)
            starters.append(self.own(ApacheServer(other.folder, other.arguments, other.port)))
        for one in starters:
            one.start().wait_serving(3 * PATIENCE_S)
            with connected(one.address) as client:
                self.assertEqual(len(client.get_children("/")), 601, one.lines()[-5:])
                self.assertEqual(client.get("/n0077")[0], bytes([77]) * 1000)
                client.create("/on", b"")

    def test_a_snapshot_while_clients_write(self):
        self.start()
        self.fill(100, 5000)
        with connected(self.server.address) as client:
            writes = [client.create_async(f"/w{n}", b"x" * 1000) for n in range(500)]
            status, headers, body = ask(self.port, "GET", "/commands/snapshot")
            for write in writes:
                write.get(timeout=PATIENCE_S)
        self.assertEqual((status, int(headers["snapshot_size"])), (200, len(body)))
        # The digest block says the zxid of the state, which is that of the name: it is exact.
        zxid = int(headers["last_zxid"], 16)
        self.assertEqual(body.count(struct.pack(">qi", zxid, 2)), 1)

    def test_who_may_and_how_often(self):
        self.start(**{"admin.rateLimiterIntervalInMS": 3_600_000})
        self.assertEqual(ask(self.port, "GET", "/commands/snapshot", headers={})[0], 401)
        self.assertEqual(ask(self.port, "GET", "/commands/snapshot")[0], 200)
        status, _, body = ask(self.port, "GET", "/commands/snapshot")
        self.assertEqual(status, 429)
        self.assertIn("rateLimiter", json.loads(body)["error"])
        self.assertEqual(json.loads(ask(self.port, "GET", "/commands/monitor")[2])["snapshot_rate_limited_count"], 1)

    def test_snapshots_may_be_off(self):
        self.start(**{"admin.snapshot.enabled": "false"})
        status, _, body = ask(self.port, "GET", "/commands/snapshot")
        self.assertEqual(status, 503)
        self.assertIn("admin.snapshot.enabled", json.loads(body)["error"])

    def test_restore_is_refused_with_its_reason(self):
        self.start()
        self.fill(3)
        for size in (10, 1 << 20):
            status, _, body = ask(self.port, "POST", "/commands/restore", b"x" * size,
                                  {**IDENTITY, "Expect": "100-continue"} if size > 1000 else None)
            self.assertEqual(status, 501)
            self.assertIn("Stop all servers", json.loads(body)["error"])
        self.assertEqual(ask(self.port, "POST", "/commands/restore", b"x", {})[0], 401)
        self.assertEqual(ask(self.port, "GET", "/commands/restore")[0], 405)

    def test_connections_are_shed(self):
        self.start()
        with connected(self.server.address) as one, connected(self.server.address) as other:
            sessions = [one.client_id[0], other.client_id[0]]
            one.create("/e", b"", ephemeral=True)
            for body in (b"", b"{}", b'{"percentage": 101}', b'{"percentage": -1}', b'{"percentage": }', b"[]"):
                self.assertEqual(ask(self.port, "POST", "/commands/shed_connections", body)[0], 400, body)
            self.assertEqual(ask(self.port, "POST", "/commands/shed", b'{"percentage": 50}', {})[0], 401)
            status, _, body = ask(self.port, "POST", "/commands/shed", b'{"percentage": 0}')
            self.assertEqual((status, json.loads(body)["connections_shed"]), (200, 0))
            status, _, body = ask(self.port, "POST", "/commands/shed_connections", b'{"percentage": 100}')
            answer = json.loads(body)
            self.assertEqual((status, answer["connections_shed"], answer["percentage_requested"]), (200, 2, 100))
            # They come back to the sessions that they had.
            self.assertIsNotNone(once_heard(one.exists, "/e"))
            self.assertIsNotNone(once_heard(other.exists, "/e"))
            self.assertEqual([one.client_id[0], other.client_id[0]], sessions)
            monitor = json.loads(ask(self.port, "GET", "/commands/monitor")[2])
            self.assertEqual(monitor["connection_drop_count"], 2)


if __name__ == "__main__":
    unittest.main()
