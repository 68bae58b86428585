"""kazoo against one node: operations, watches, sessions, and what is left after kill -9 and SIGTERM."""

import contextlib
import queue
import resource
import socket
import struct
import unittest

from kazoo.exceptions import (BadVersionError, NoAuthError, NoChildrenForEphemeralsError, NodeExistsError, NoNodeError,
                              NotEmptyError, RolledBackError, RuntimeInconsistency)
from kazoo.security import make_acl

from tests.system.harness import (HOST, PATIENCE_S, TROUBLE, Load, ServerTest, configured, connected, end_client,
                                  figure, new_client, standalone, wait_until)
from tests.system.wire import OP_GET_DATA, RawSession, text


class OneNode(ServerTest):
    def setUp(self):
        super().setUp()
        self.server = self.own(configured(self.folder / "one")).start().wait_serving()

    def raw(self, *arguments, **options):
        session = RawSession(self.server.port, *arguments, **options)
        self.addCleanup(session.drop)
        return session

    def client(self, **options):
        client = new_client(self.server.address, **options)
        self.addCleanup(end_client, client)
        client.start(timeout=PATIENCE_S)
        return client


class Operations(OneNode):
    def test_create_get_set_delete(self):
        client = self.client()
        self.assertEqual(client.create("/a", b"one"), "/a")
        data, stat = client.get("/a")
        self.assertEqual((data, stat.version, stat.data_length, stat.children_count), (b"one", 0, 3, 0))
        self.assertEqual(stat.czxid, stat.mzxid)
        changed = client.set("/a", b"three", version=0)
        self.assertEqual((changed.version, changed.data_length), (1, 5))
        self.assertGreater(changed.mzxid, changed.czxid)
        self.assertEqual(client.get("/a")[0], b"three")
        client.delete("/a", version=1)
        self.assertIsNone(client.exists("/a"))

    def test_errors(self):
        client = self.client()
        client.create("/parent", b"")
        client.create("/parent/child", b"")
        client.create("/brief", b"", ephemeral=True)
        for error, attempt in [
                (NoNodeError, lambda: client.get("/none")),
                (NoNodeError, lambda: client.set("/none", b"")),
                (NoNodeError, lambda: client.delete("/none")),
                (NoNodeError, lambda: client.get_children("/none")),
                (NoNodeError, lambda: client.create("/none/child", b"")),
                (NodeExistsError, lambda: client.create("/parent", b"")),
                (BadVersionError, lambda: client.set("/parent", b"", version=7)),
                (BadVersionError, lambda: client.delete("/parent/child", version=7)),
                (NotEmptyError, lambda: client.delete("/parent")),
                (NoChildrenForEphemeralsError, lambda: client.create("/brief/child", b""))]:
            with self.subTest(error=error):
                self.assertRaises(error, attempt)
        self.assertEqual(client.get_children("/parent"), ["child"])

    def test_children_and_their_counts(self):
        client = self.client()
        client.create("/p", b"")
        for name in ["x", "y", "z"]:
            client.create(f"/p/{name}", b"")
        client.delete("/p/y")
        names, stat = client.get_children("/p", include_data=True)
        self.assertEqual(sorted(names), ["x", "z"])
        self.assertEqual((stat.children_count, stat.children_version), (2, 4))
        self.assertIn("zookeeper", client.get_children("/"))
        self.assertEqual(client.sync("/p"), "/p")

    def test_sequential_names(self):
        client = self.client()
        client.create("/q", b"")
        made = [client.create("/q/n-", b"", sequence=True) for _ in range(3)]
        self.assertEqual(made, ["/q/n-0000000000", "/q/n-0000000001", "/q/n-0000000002"])
        client.delete(made[2])
        self.assertEqual(client.create("/q/n-", b"", sequence=True, ephemeral=True), "/q/n-0000000003")

    def test_data_of_every_size(self):
        client = self.client()
        for size in [0, 1, 1023, 65536, 1_000_000]:
            path = client.create(f"/size{size}", bytes(size))
            self.assertEqual(client.get(path)[0], bytes(size))

    def test_pipelined_requests_are_answered_in_order(self):
        client = self.client()
        client.create("/n", b"-1")
        results = []
        for number in range(200):
            client.set_async("/n", str(number).encode())
            results.append(client.get_async("/n"))
        self.assertEqual([int(result.get(timeout=PATIENCE_S)[0]) for result in results], list(range(200)))

    def test_access_is_for_whom_the_list_names(self):
        owner, stranger = self.client(), self.client()
        owner.add_auth("digest", "alice:secret")
        owner.create("/a", b"mine", acl=[make_acl("auth", "", all=True)])
        acl, stat = owner.get_acls("/a")
        self.assertEqual([(entry.id.scheme, entry.id.id.split(":")[0]) for entry in acl], [("digest", "alice")])
        self.assertEqual(stat.acl_version, 0)
        self.assertRaises(NoAuthError, stranger.get, "/a")
        self.assertRaises(NoAuthError, stranger.set, "/a", b"theirs")
        owner.set_acls("/a", [make_acl("world", "anyone", read=True), make_acl("auth", "", all=True)])
        self.assertEqual(stranger.get("/a")[0], b"mine")
        self.assertRaises(NoAuthError, stranger.set, "/a", b"theirs")
        stranger.add_auth("digest", "alice:secret")
        stranger.set("/a", b"ours")

    def test_transactions_are_all_or_nothing(self):
        client = self.client()
        client.create("/t", b"")
        transaction = client.transaction()
        transaction.create("/t/a", b"1")
        transaction.set_data("/t", b"2", version=0)
        transaction.check("/t", version=1)
        self.assertEqual(transaction.commit()[0], "/t/a")
        transaction = client.transaction()
        transaction.delete("/t/a")
        transaction.check("/t", version=7)
        transaction.create("/t/b", b"")
        results = transaction.commit()
        self.assertEqual([type(result) for result in results],
                         [RolledBackError, BadVersionError, RuntimeInconsistency])
        self.assertEqual(client.get_children("/t"), ["a"])


class Watches(OneNode):
    def watched(self, client):
        events = queue.Queue()
        return events, events.put

    def expect(self, events, kind, path):
        event = events.get(timeout=PATIENCE_S)
        self.assertEqual((event.type, event.path), (kind, path))

    def test_each_kind_fires_once(self):
        watcher, other = self.client(), self.client()
        other.create("/w", b"")
        events, put = self.watched(watcher)
        watcher.exists("/w/new", watch=put)
        other.create("/w/new", b"")
        self.expect(events, "CREATED", "/w/new")
        watcher.get("/w/new", watch=put)
        other.set("/w/new", b"1")
        self.expect(events, "CHANGED", "/w/new")
        watcher.get_children("/w", watch=put)
        other.create("/w/second", b"")
        self.expect(events, "CHILD", "/w")
        watcher.get("/w/new", watch=put)
        other.delete("/w/new")
        self.expect(events, "DELETED", "/w/new")
        other.create("/w/new", b"")
        other.set("/w/new", b"2")
        self.assertEqual(watcher.get("/w/new")[0], b"2")  # had another event come, it would be here by now
        self.assertTrue(events.empty())

    def test_an_event_precedes_what_it_tells_of(self):
        watcher, other = self.client(), self.client()
        other.create("/o", b"0")
        for number in range(50):
            events, put = self.watched(watcher)
            watcher.get("/o", watch=put)
            other.set("/o", str(number).encode())
            if int(watcher.get("/o")[0]) == number:
                self.expect(events, "CHANGED", "/o")


class Sessions(OneNode):
    def test_ephemerals_end_with_their_session(self):
        owner, other = self.client(), self.client()
        path = owner.create("/e", b"", ephemeral=True)
        self.assertEqual(other.get(path)[1].ephemeralOwner, owner.client_id[0])
        owner.stop()
        self.assertIsNone(other.exists(path))

    def test_ephemerals_end_when_a_session_expires(self):
        other = self.client()
        vanishing = self.raw(timeout_ms=1000)
        self.assertEqual(vanishing.create("/gone", flags=1)[1], 0)
        deleted = queue.Queue()
        self.assertIsNotNone(other.exists("/gone", watch=deleted.put))
        vanishing.drop()
        self.assertEqual(deleted.get(timeout=PATIENCE_S).type, "DELETED")
        back = self.raw(session=vanishing.session, password=vanishing.password)
        self.assertEqual((back.session, back.timeout_ms), (0, 0))

    def test_a_session_that_pings_lives(self):
        session = self.raw(timeout_ms=400)
        self.assertEqual(session.create("/alive", flags=1)[1], 0)
        # Others come and go for well over the timeout; each is timed by the server, not by this test.
        for _ in range(4):
            brief = self.raw(timeout_ms=400)
            self.assertEqual(brief.create("/brief", flags=1)[1], 0)
            brief.drop()
            wait_until(lambda: session.request(OP_GET_DATA, text("/brief") + b"\0")[1] == -101, "expiry of /brief")
        self.assertEqual(session.request(OP_GET_DATA, text("/alive") + b"\0")[1], 0)

    def test_reattach(self):
        first = self.raw(timeout_ms=4000)
        self.assertEqual(first.create("/kept", flags=1)[1], 0)
        first.drop()
        again = self.raw(4000, first.session, first.password)
        self.assertEqual(again.session, first.session)
        self.assertEqual(again.request(OP_GET_DATA, text("/kept") + b"\0")[1], 0)
        thief = self.raw(4000, first.session, b"x" * 16)
        self.assertEqual(thief.session, 0)
        self.assertEqual(again.request(OP_GET_DATA, text("/kept") + b"\0")[1], 0)

    def test_timeouts_are_bounded(self):
        self.assertEqual(self.raw(timeout_ms=1).timeout_ms, 400)
        self.assertEqual(self.raw(timeout_ms=10**9).timeout_ms, 4000)


class Hostile(OneNode):
    def test_nonsense_costs_its_sender_the_connection_and_nobody_else(self):
        client = self.client()
        client.create("/h", b"well")
        connect = struct.pack(">iqiqi", 0, 0, 4000, 0, 16) + bytes(17)
        framed = struct.pack(">i", len(connect)) + connect
        for name, sent in [("negative length", b"\xff\xff\xff\xff"), ("huge length", b"\x7f\xff\xff\xff"),
                           ("no frame", b"GET / HTTP/1.0\r\n\r\n"), ("empty connect", struct.pack(">i", 0)),
                           ("short connect", struct.pack(">i", 3) + b"abc"),
                           ("header cut", framed + struct.pack(">i", 3) + b"abc"),
                           ("oversized request", framed + struct.pack(">i", 1 << 21))]:
            with self.subTest(name), socket.create_connection((HOST, self.server.port), timeout=20) as link:
                link.sendall(sent)
                try:
                    while link.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        self.assertEqual(client.get("/h")[0], b"well")
        self.assertTrue(self.server.running())

    def test_a_cut_request_is_answered_with_an_error(self):
        session = self.raw()
        self.assertEqual(session.request(OP_GET_DATA, b"\0\0")[1], -5)
        self.assertEqual(session.create("/after")[1], 0)

    def test_an_unknown_operation_is_answered_and_ends_the_connection(self):
        session = self.raw()
        self.assertEqual(session.request(999)[1], -6)
        self.assertIsNone(session.receive())


class Many(ServerTest):
    def test_connections_of_one_address_are_limited(self):
        server = self.own(configured(self.folder / "one", maxClientCnxns=3)).start().wait_serving()
        held = []

        def one_more():
            with contextlib.suppress(OSError):  # also what a connection that is refused sees
                held.append(RawSession(server.port, 4000))
                self.addCleanup(held[-1].drop)
                return True
            return False

        for _ in range(3):  # the harness's own connection may still be counted
            wait_until(one_more, "a connection within the limit")
        self.assertFalse(one_more())
        refusal = r"connection from 127\.0\.0\.1 refused: it has 3 \(maxClientCnxns\)"
        wait_until(lambda: server.said(refusal), "the line that says why")
        held[0].drop()
        wait_until(one_more, "a connection in place of another")
        self.assertEqual(held[1].create("/served")[1], 0)

    def test_a_thousand_connections_and_watches(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2048, hard)), hard))
        server = self.own(configured(self.folder / "one", maxClientCnxns=0, tickTime=3000)).start().wait_serving()
        sessions = [RawSession(server.port, 60000, wait=False) for _ in range(1000)]
        for session in sessions:
            self.addCleanup(session.drop)
            session.established()
        self.assertEqual(len({session.session for session in sessions}), 1000)
        self.assertEqual(sessions[0].create("/watched")[1], 0)
        for session in sessions:
            session.xid += 1
            session.send(struct.pack(">ii", session.xid, OP_GET_DATA) + text("/watched") + b"\1")
        for session in sessions:
            self.assertEqual(session.receive()[12:16], b"\0\0\0\0")
        with connected(server.address) as client:
            client.set("/watched", b"now")
        for session in sessions:
            self.assertEqual(struct.unpack(">i", session.receive()[:4]), (-1,))  # a watch event
        figure(f"1000 sessions with a watch each: server has {server.memory_mb():.0f} MB")

    def test_a_client_that_does_not_read_costs_itself_only(self):
        server = self.own(configured(self.folder / "one", tickTime=3000)).start().wait_serving()
        slow = RawSession(server.port, 60000)
        self.addCleanup(slow.drop)
        self.assertEqual(slow.create("/big", bytes(1_000_000))[1], 0)
        asked = 300
        for xid in range(asked):
            body = struct.pack(">ii", 100 + xid, OP_GET_DATA) + text("/big") + b"\0"
            slow.send(body)
        with connected(server.address) as client:
            for number in range(20):
                client.create(f"/other{number}", b"")
        self.assertLess(server.memory_mb(), 100)
        for xid in range(asked):
            answer = slow.receive()
            self.assertEqual(struct.unpack(">i", answer[:4]), (100 + xid,))
            self.assertGreater(len(answer), 1_000_000)


class Restarts(ServerTest):
    def test_kill_under_load_loses_nothing(self):
        server = self.own(configured(self.folder / "one")).start().wait_serving()
        with Load(server.address) as load:
            for _ in range(3):
                load.wait_progress(50)
                server.kill()
                server.start().wait_serving()
            load.wait_progress(50)
        self.assert_nothing_lost(load, [server])
        load.close()

    def test_sigterm_under_load_is_orderly(self):
        server = self.own(configured(self.folder / "one")).start().wait_serving()
        with Load(server.address) as load:
            load.wait_progress(50)
            self.assertEqual(server.terminate(), 0, server.lines()[-5:])
            server.start().wait_serving()
            load.wait_progress(50)
        self.assert_nothing_lost(load, [server])
        load.close()

    def test_a_client_lives_through_a_restart(self):
        server = self.own(configured(self.folder / "one")).start().wait_serving()
        with connected(server.address) as client:
            client.create("/mine", b"", ephemeral=True)
            session = client.client_id[0]
            server.kill()
            server.start()
            wait_until(lambda: self.sees(client, "/mine"), "the ephemeral again")
            self.assertEqual(client.client_id[0], session)
        with connected(server.address) as other:
            self.assertIsNone(other.exists("/mine"))

    def test_snapshots_and_rolled_logs_give_the_same_tree(self):
        server = self.own(configured(self.folder / "one", snapCount=50, preAllocSize=64, txnLogSizeLimitInKb=64))
        server.start().wait_serving()
        with Load(server.address) as load:
            load.wait_progress(200)
        kept = list((server.folder / "data" / "version-2").glob("snapshot.*"))
        self.assertGreaterEqual(len(kept), 1)
        server.kill()
        server.start().wait_serving()
        self.assert_nothing_lost(load, [server])
        load.close()

    def test_flags_alone_start_a_node(self):
        server = self.own(standalone(self.folder / "flags")).start().wait_serving()
        with connected(server.address, seconds=10) as client:
            client.create("/f", b"1")
        self.assertEqual(server.terminate(), 0, server.lines()[-5:])
        server.start().wait_serving()
        with connected(server.address, seconds=10) as client:
            self.assertEqual(client.get("/f")[0], b"1")

    @staticmethod
    def sees(client, path):
        try:
            return client.exists(path) is not None
        except TROUBLE:
            return False


if __name__ == "__main__":
    unittest.main()
