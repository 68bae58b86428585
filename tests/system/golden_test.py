"""Captures of Apache's clients and servers that need an ensemble, replayed against three real servers: a session that
moves, and a member that serves read-only. Replies must be the captured bytes but for what differs between two runs of
Apache too: times, zxids (by a constant), session ids, passwords, and the order of children. The captures of one server
are replayed by ServerGolden."""

import json
import pathlib
import re
import socket
import struct
import tempfile
import unittest

from tests.system.harness import HOST, PATIENCE_S, Ensemble, connected, four_letter_word, wait_until

CAPTURES = pathlib.Path(__file__).resolve().parents[1] / "golden" / "client-transcripts"
CONNECT, EXISTS, GET_DATA, SET_DATA, GET_CHILDREN = 0, 3, 4, 5, 8
STAT = struct.Struct(">qqqqiiiqiiq")
PING_XID, EVENT_XID = -2, -1


def frames_of(name):
    """(seq, connection, direction, label, payload) in their order."""
    capture = json.loads((CAPTURES / f"{name}.json").read_text())
    frames = [(frame["seq"], connection["name"], frame["dir"], frame["label"], bytes.fromhex(frame["hex"])[4:])
              for connection in capture["connections"] for frame in connection["frames"]]
    return sorted(frames)


def strings(payload):
    names = []
    at = 4
    for _ in range(struct.unpack_from(">i", payload)[0]):
        (size,) = struct.unpack_from(">i", payload, at)
        names.append(payload[at + 4:at + 4 + size])
        at += 4 + size
    assert at == len(payload)
    return names


def zxid_at(port):
    """The last zxid that the server has applied."""
    answer = four_letter_word(port, "srvr")
    return int(re.search(r"^Zxid: 0x([0-9a-f]+)$", answer, re.MULTILINE).group(1), 16)


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection((HOST, port), timeout=PATIENCE_S)
        self.asked = []

    def send(self, payload):
        self.socket.sendall(struct.pack(">i", len(payload)) + payload)

    def exactly(self, count):
        got = b""
        while len(got) < count:
            try:
                more = self.socket.recv(count - len(got))
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            got += more
        return got

    def frame(self):
        head = self.exactly(4)
        return None if head is None else self.exactly(struct.unpack(">i", head)[0])


class Replay:
    """Says what the captured clients said. `ports` gives a server's port for a connection's name; `words` what stands in
    the place of others, just as long, in all that was captured."""

    def __init__(self, test, ports, words=None):
        self.test = test
        self.ports = ports
        self.words = words or {}
        self.shift = None
        self.seen = 0  # the highest zxid of a reply
        self.sessions = {}
        self.passwords = {}
        self.compared = 0

    def run(self, name):
        connections = {}
        for seq, who, direction, label, payload in frames_of(name):
            for there, here in self.words.items():
                payload = payload.replace(there, here)
            with self.test.subTest(capture=name, frame=seq, label=label):
                if direction == "c2s":
                    self.say(connections, who, payload)
                elif label == "EOF":
                    self.test.assertIsNone(connections[who].frame())
                else:
                    self.hear(connections[who], payload)
        for connection in connections.values():
            connection.socket.close()

    def say(self, connections, who, payload):
        # The captured servers had all applied what their clients had been told elsewhere.
        wait_until(lambda: zxid_at(self.ports(who)) >= self.seen, f"{who} has what others have")
        if who not in connections:
            connections[who] = Connection(self.ports(who))
            connections[who].asked.append(CONNECT)
            theirs, password = struct.unpack_from(">q", payload, 16)[0], payload[28:44]
            ours = self.sessions.get(theirs, theirs)
            payload = (payload[:16] + struct.pack(">q", ours) + payload[24:28]
                       + self.passwords.get(theirs, password) + payload[44:])
        else:
            xid, operation = struct.unpack_from(">ii", payload)
            if xid != PING_XID:
                connections[who].asked.append(operation)
        connections[who].send(payload)

    def hear(self, connection, wanted):
        got = connection.frame()
        self.test.assertIsNotNone(got, "the server closed the connection")
        xid = struct.unpack_from(">i", wanted)[0]
        is_reply = len(wanted) < 36 or connection.asked[:1] != [CONNECT]
        operation = connection.asked.pop(0) if xid not in (PING_XID, EVENT_XID) or not is_reply else None
        if is_reply:
            self.compare_reply(operation, wanted, got)
        else:
            self.compare_connect(wanted, got)
        self.compared += 1

    def compare_connect(self, wanted, got):
        theirs, ours = struct.unpack_from(">q", wanted, 8)[0], struct.unpack_from(">q", got, 8)[0]
        self.test.assertEqual(ours, self.sessions.setdefault(theirs, ours))
        self.test.assertEqual(got[20:36], self.passwords.setdefault(theirs, got[20:36]))
        for field in (slice(0, 8), slice(16, 20), slice(36, None)):
            self.test.assertEqual(got[field].hex(), wanted[field].hex())

    def compare_reply(self, operation, wanted, got):
        zxid = [struct.unpack_from(">q", reply, 4)[0] for reply in (wanted, got)]
        if self.shift is None and zxid[0] > 0:
            self.shift = zxid[1] - zxid[0]
        self.seen = max(self.seen, zxid[1])
        header = [(xid, error) for xid, _, error in (struct.unpack_from(">iqi", r) for r in (wanted, got))]
        self.test.assertEqual(header[1], header[0])
        if header[0][0] != EVENT_XID:  # docs/compatibility.md: 3.8 says -1 there
            self.test.assertEqual(zxid[1], zxid[0] + self.shift)
        theirs, ours = wanted[16:], got[16:]
        if operation == GET_CHILDREN:
            self.test.assertEqual(sorted(strings(ours)), sorted(strings(theirs)))
        elif operation in (EXISTS, GET_DATA, SET_DATA) and header[0][1] == 0:
            self.test.assertEqual(ours[:-STAT.size].hex(), theirs[:-STAT.size].hex())
            self.test.assertEqual(self.plain(ours[-STAT.size:], 0), self.plain(theirs[-STAT.size:], self.shift))
        else:
            self.test.assertEqual(ours.hex(), theirs.hex())

    def plain(self, stat, shift):
        """A Stat without its times, in our zxids and sessions."""
        czxid, mzxid, _, _, version, cversion, aversion, owner, length, children, pzxid = STAT.unpack(stat)
        return (czxid + shift, mzxid + shift, pzxid + shift, version, cversion, aversion,
                self.sessions.get(owner, owner) if shift else owner, length, children)


class CapturesOfAnEnsemble(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        # The capture's sessions are longer than 20 ticks of the other tests.
        self.ensemble = Ensemble(pathlib.Path(folder.name), maxSessionTimeout=20000)
        for server in self.ensemble:
            server.environment["SERVER_JVMFLAGS"] = "-Dreadonlymode.enabled=true"
        self.addCleanup(self.ensemble.kill)

    def begin(self):
        """All serve and server 3 leads, as in the captures: who leads in its place is started anew."""
        self.ensemble.start().wait_serving()
        for _ in range(5):
            leader = self.ensemble.wait_leader()
            if leader == 3:
                return
            self.ensemble[leader].kill()
            wait_until(lambda: self.ensemble.leader() not in (None, leader), "another leader")
            self.ensemble[leader].start().wait_serving()
        self.fail("server 3 never leads")

    def leave_alone(self, number, seen):
        """Only this server goes on, and serves read-only all that clients have seen."""
        wait_until(lambda: zxid_at(self.ensemble[number].port) >= seen, "everything is applied")
        for other, server in self.ensemble.servers.items():
            if other != number:
                server.kill()
        wait_until(lambda: self.ensemble[number].said("read-only"), "read-only service")

    def test_sessions_move_and_members_serve_read_only(self):
        self.begin()
        names = next(strings(payload[16:]) for seq, _, _, _, payload in frames_of("15-read-only") if seq == 10)
        with connected(self.ensemble[3].address) as client:
            for name in names:
                if name not in (b"zookeeper", b"ens"):
                    client.create("/" + name.decode())
        replay = Replay(self, lambda who: self.ensemble[int(who[-1])].port)
        replay.run("14-ensemble-move")

        self.leave_alone(1, replay.seen)
        replay.ports = lambda who: self.ensemble[1].port
        replay.run("16-read-only-no-local-sessions")

        for server in self.ensemble:
            server.kill()
            with open(server.folder / "zoo.cfg", "a") as config:
                config.write("localSessionsEnabled=true\n")
        self.ensemble.start()
        wait_until(self.ensemble.leader, "a leader")
        for server in self.ensemble:
            server.wait_serving()
        self.leave_alone(1, replay.seen)
        replay.run("15-read-only")
        self.assertEqual(replay.compared, 18 + 1 + 13)


if __name__ == "__main__":
    unittest.main()
