"""kazoo and its recipes against one server and three, which are killed while the recipes are at work."""

import socket
import threading
import unittest

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (BadVersionError, ConnectionLoss, NoAuthError, NodeExistsError, NoNodeError,
                              NotReadOnlyCallError, RolledBackError)
from kazoo.protocol.states import KeeperState
from kazoo.recipe.barrier import DoubleBarrier
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.retry import KazooRetry
from kazoo.security import make_acl, make_digest_acl

from tests.system.harness import HOST, PATIENCE_S, SESSION_S, end_client, wait_until
from tests.system.scenario import READ_ONLY, Crew, Scenario, WithSasl, WithTls


def patient():
    return KazooRetry(max_tries=-1, delay=0.01, backoff=1, max_jitter=0.1, max_delay=0.05)


class WithKazoo(Scenario):
    def client(self, hosts=None, **options):
        """A started client that keeps its session through strikes: `lost` is set when it does not."""
        client = KazooClient(hosts=hosts or self.hosts, connection_retry=patient(), command_retry=patient(),
                             **{"timeout": SESSION_S, **options})
        self.addCleanup(end_client, client)
        client.lost = threading.Event()
        client.states = []

        def listen(state):
            client.states.append(state)
            if state == KazooState.LOST:
                client.lost.set()
        client.add_listener(listen)
        client.start(timeout=PATIENCE_S)
        return client

    def send_away(self, client):
        """All that the client can reach from now on is a closed door: it can neither ping nor close."""
        client.set_hosts(f"{HOST}:9")
        client._connection._socket.shutdown(socket.SHUT_RDWR)  # pylint: disable=protected-access
        wait_until(lambda: not client.connected, "the client to be away")

    def assert_kept(self, *clients):
        for client in clients:
            self.assertFalse(client.lost.is_set(), "a live session was lost")


class Sessions(WithKazoo):
    def test_a_session_and_what_hangs_on_it_outlive_a_strike(self):
        owner, other = self.client(), self.client()
        session = owner.client_id
        owner.create("/live", b"", ephemeral=True)
        self.strike()
        owner.retry(owner.create, "/after", b"")
        self.assertEqual(owner.client_id, session)
        other.retry(other.sync, "/")
        self.assertEqual(other.retry(other.exists, "/live").ephemeralOwner, session[0])
        self.assert_kept(owner, other)
        owner.stop()
        wait_until(lambda: other.exists("/live") is None, "the end of the ephemeral")

    def test_a_session_that_is_taken_over_and_closed_has_expired(self):
        first, watcher = self.client(hosts=self.servers[0].address), self.client()
        first.create("/live", b"", ephemeral=True)
        gone = threading.Event()
        watcher.sync("/")
        watcher.exists("/live", watch=lambda event: gone.set() if event.type == "DELETED" else None)
        session = first.client_id
        self.send_away(first)  # or it would come back and take the session from the second again
        second = self.client(client_id=session)
        self.assertEqual(second.client_id, session)
        second.stop()
        self.assertTrue(gone.wait(PATIENCE_S), "the ephemeral's end was not told")
        first.set_hosts(self.hosts)
        self.assertTrue(first.lost.wait(PATIENCE_S), "the client does not know that its session is gone")
        wait_until(lambda: first.connected and first.client_id[0] != session[0], "a new session")
        self.assertIsNone(first.retry(first.exists, "/live"))

    def test_a_session_that_nobody_uses_expires(self):
        client, watcher = self.client(hosts=self.servers[0].address), self.client()
        client.create("/live", b"", ephemeral=True)
        watcher.sync("/live")
        gone = threading.Event()
        watcher.exists("/live", watch=lambda _: gone.set())
        self.send_away(client)
        self.assertTrue(gone.wait(PATIENCE_S), "the session never expired")
        self.assertIsNone(watcher.exists("/live"))
        client.set_hosts(self.hosts)
        self.assertTrue(client.lost.wait(PATIENCE_S), "a session that has expired was taken up again")

    def test_identities_come_back_with_the_connection(self):
        mine, theirs = self.client(auth_data=[("digest", "ann:secret")]), self.client()
        mine.create("/mine", b"1", acl=[make_digest_acl("ann", "secret", all=True)])
        theirs.sync("/")
        self.assertRaises(NoAuthError, theirs.get, "/mine")
        self.strike()
        self.assertEqual(mine.retry(mine.set, "/mine", b"2").version, 1)
        theirs.retry(theirs.sync, "/")
        self.assertRaises(NoAuthError, theirs.retry, theirs.get, "/mine")
        self.assertRaises(NoAuthError, theirs.retry, theirs.set_acls, "/mine", [make_digest_acl("eve", "x", all=True)])
        theirs.add_auth("digest", "ann:secret")
        self.assertEqual(theirs.retry(theirs.get, "/mine")[0], b"2")
        mine.retry(mine.set_acls, "/mine", [make_digest_acl("ann", "secret", read=True)])
        self.assertRaises(NoAuthError, mine.retry, mine.set, "/mine", b"3")
        self.assertEqual(mine.get_acls("/mine")[1].aversion, 1)

    def test_chroot(self):
        whole = self.client()
        whole.create("/apps/one", b"", makepath=True)
        inside = self.client(hosts=self.hosts + "/apps/one")
        seen = []
        inside.exists("/x", watch=seen.append)
        inside.create("/x", b"inside")
        whole.sync("/")
        self.assertEqual(whole.get("/apps/one/x")[0], b"inside")
        wait_until(lambda: seen, "the event")
        self.assertEqual(seen[0].path, "/x")
        self.strike()
        inside.retry(inside.get_children, "/", seen.append)
        whole.retry(whole.delete, "/apps/one/x")
        wait_until(lambda: len(seen) == 2, "the event behind the strike")
        self.assertEqual((seen[1].type, seen[1].path), ("CHILD", "/"))


class Recipes(WithKazoo):
    def test_a_lock_has_one_owner(self):
        clients = [self.client() for _ in range(3)]
        owner = []
        counts = dict.fromkeys(clients, 0)

        def contend(client, crew):
            session = str(client.client_id[0])
            while not crew.stopping.is_set():
                with client.Lock("/lock", session):
                    owner.append(client)
                    self.assertEqual(owner, [client], "two owners")
                    owner.remove(client)
                    counts[client] += 1
        with Crew() as crew:
            for client in clients:
                crew.go(contend, client, crew)
            for _ in range(2):
                goal = {client: count + 5 for client, count in counts.items()}
                wait_until(lambda: crew.raised or all(counts[c] >= goal[c] for c in clients), "locks for each")
                if goal[clients[0]] < 10:
                    self.strike()
            self.assertEqual(crew.raised, [])
        self.assert_kept(*clients)
        clients[0].retry(clients[0].sync, "/lock")
        self.assertEqual(clients[0].retry(clients[0].get_children, "/lock"), [])

    def test_readers_share_and_writers_do_not(self):
        one, two, three = (self.client() for _ in range(3))
        first, second, writer = one.ReadLock("/rw"), two.ReadLock("/rw"), three.WriteLock("/rw")
        self.assertTrue(first.acquire(timeout=PATIENCE_S))
        self.assertTrue(second.acquire(timeout=PATIENCE_S))
        self.assertFalse(writer.acquire(blocking=False))
        with Crew() as crew:
            crew.go(lambda: writer.acquire(timeout=PATIENCE_S))
            wait_until(lambda: len(one.get_children("/rw")) == 3, "the writer's turn")
            self.strike()
            first.release()
            self.assertFalse(writer.is_acquired)
            second.release()
        self.assertTrue(writer.is_acquired)
        writer.release()

    def test_an_election_goes_on_when_the_elected_goes(self):
        clients = [self.client() for _ in range(3)]
        turns = []
        abdicate = {client: threading.Event() for client in clients}

        def lead(client):
            turns.append(client)
            abdicate[client].wait(PATIENCE_S)
        with Crew() as crew:
            for client in clients:
                crew.go(client.Election("/election", "x").run, lead, client)
            for turn in range(1, 4):
                wait_until(lambda: len(turns) >= turn, f"leader {turn}")
                self.strike()
                self.assertEqual(len(turns), turn, "two lead")
                abdicate[turns[-1]].set()
        self.assertEqual(set(turns), set(clients))
        self.assert_kept(*clients)

    def test_a_semaphore_lends_no_more_than_it_has(self):
        clients = [self.client() for _ in range(4)]
        inside, most = set(), []

        def work(client):
            for _ in range(5):
                with client.Semaphore("/semaphore", max_leases=2):
                    inside.add(client)
                    most.append(len(inside))
                    inside.discard(client)
        with Crew() as crew:
            for client in clients:
                crew.go(work, client)
            self.strike()
        self.assertEqual(len(most), 20)
        self.assertLessEqual(max(most), 2)

    def test_barriers(self):
        clients = [self.client() for _ in range(3)]
        barrier = clients[0].Barrier("/barrier")
        barrier.create()
        passed, entered, left = [], [], []
        for client in clients:
            client.sync("/")

        def go(client):
            both = DoubleBarrier(client, "/double", len(clients))
            both.enter()
            entered.append(client)
            both.leave()
            left.append(len(entered))
        with Crew() as crew:
            for client in clients:
                crew.go(lambda client: passed.append(client.Barrier("/barrier").wait(PATIENCE_S)), client)
            self.assertFalse(clients[0].Barrier("/barrier").wait(0.1))
            self.assertEqual(passed, [])
            barrier.remove()
        self.assertEqual(passed, [True] * 3)
        with Crew() as crew:
            crew.go(go, clients[0])
            crew.go(go, clients[1])
            wait_until(lambda: clients[2].exists("/double") and len(clients[2].get_children("/double")) == 2,
                       "two at the barrier")
            self.assertEqual(entered, [])
            crew.go(go, clients[2])
        self.assertEqual(left, [3, 3, 3])

    def test_a_counter_counts_all(self):
        clients = [self.client() for _ in range(3)]

        def count(client):
            counter = client.Counter("/counter")
            for _ in range(10):
                counter += 1
        with Crew() as crew:
            for client in clients:
                crew.go(count, client)
        clients[0].sync("/counter")
        self.assertEqual(clients[0].Counter("/counter").value, 30)
        self.strike()
        self.assertEqual(clients[1].retry(lambda: clients[1].Counter("/counter").value), 30)

    def test_queues(self):
        producer, consumer, another = self.client(), self.client(), self.client()
        queue = producer.Queue("/queue")
        for number, priority in [(0, 200), (1, 100), (2, 100), (3, 50)]:
            queue.put(str(number).encode(), priority)
        consumer.sync("/queue")
        self.assertEqual([consumer.Queue("/queue").get() for _ in range(5)], [b"3", b"1", b"2", b"0", None])
        items = [str(number).encode() for number in range(10)]
        producer.LockingQueue("/locking").put_all(items)
        queues = [client.LockingQueue("/locking") for client in (consumer, another)]
        consumer.sync("/locking")
        taken = [queue.get(PATIENCE_S) for queue in queues]
        self.strike()  # what they have taken is still theirs
        for client, queue in zip((consumer, another), queues):
            self.assertTrue(client.retry(queue.consume))

        def consume(queue):
            while (item := queue.get(0.5)) is not None:
                self.assertTrue(queue.consume())
                taken.append(item)
        with Crew() as crew:
            for queue in queues:
                crew.go(consume, queue)
        self.assertEqual(sorted(taken), items)
        self.assert_kept(consumer, another)

    def test_a_party_knows_who_is_there(self):
        one, two = self.client(), self.client()
        party, other = one.Party("/party", "one"), two.Party("/party", "two")
        party.join()
        other.join()
        self.strike()
        one.retry(one.sync, "/")
        self.assertEqual(sorted(one.retry(lambda: list(party))), ["one", "two"])
        two.stop()
        wait_until(lambda: list(party) == ["one"], "the other to have gone")


class Caches(WithKazoo):
    def test_a_tree_cache_ends_up_as_the_tree(self):
        writer, reader = self.client(), self.client()
        writer.create("/cached", b"")
        cache = TreeCache(reader, "/cached")
        self.addCleanup(cache.close)
        ready = threading.Event()
        cache.listen(lambda event: ready.set() if event.event_type == TreeEvent.INITIALIZED else None)
        cache.start()
        self.assertTrue(ready.wait(PATIENCE_S))
        rounds = []

        def write(crew):
            while not crew.stopping.is_set():
                number = len(rounds)
                writer.retry(writer.ensure_path, f"/cached/{number % 7}/child")
                writer.retry(writer.set, f"/cached/{number % 7}", str(number).encode())
                if number % 5 == 0:
                    writer.retry(writer.delete, f"/cached/{(number + 3) % 7}", recursive=True) if writer.retry(
                        writer.exists, f"/cached/{(number + 3) % 7}") else None
                rounds.append(number)
        with Crew() as crew:
            crew.go(write, crew)
            for _ in range(2):
                goal = len(rounds) + 20
                wait_until(lambda: crew.raised or len(rounds) >= goal, "writes")
                self.strike()
        goal = self.tree(writer, "/cached")
        self.assertGreater(len(goal), 3)
        wait_until(lambda: self.cached(cache, "/cached") == goal, "the cache to be as the tree")
        self.assert_kept(writer, reader)

    def tree(self, client, path):
        found = {path: client.retry(client.get, path)[0]}
        for name in client.retry(client.get_children, path):
            found.update(self.tree(client, f"{path}/{name}"))
        return found

    def cached(self, cache, path):
        data = cache.get_data(path)
        if data is None:
            return {}
        found = {path: data.data}
        for name in cache.get_children(path, []):
            found.update(self.cached(cache, f"{path}/{name}"))
        return found

    def test_watches_of_data_and_children_tell_the_last_state(self):
        writer, reader = self.client(), self.client()
        writer.create("/watched", b"0")
        data, names = [], []
        reader.sync("/")
        reader.DataWatch("/watched", lambda value, stat: data.append((value, stat and stat.version)))
        reader.ChildrenWatch("/watched", lambda children: names.append(sorted(children)))
        wait_until(lambda: data and names, "the first calls")
        for number in range(1, 3):
            self.strike()
            writer.retry(writer.set, "/watched", str(number).encode())
            writer.retry(writer.create, f"/watched/{number}", b"")
            wait_until(lambda: data[-1] == (str(number).encode(), number), "the data")
            wait_until(lambda: names[-1] == [str(n) for n in range(1, number + 1)], "the children")
        self.assertEqual([version for _, version in data], sorted(version for _, version in data))


class Transactions(WithKazoo):
    def test_all_or_nothing(self):
        client = self.client()
        transaction = client.transaction()
        transaction.create("/a", b"1")
        transaction.create("/a/s-", b"2", sequence=True)
        transaction.set_data("/a", b"3")
        transaction.check("/a", 1)
        results = transaction.commit()
        self.assertEqual(results[:2], ["/a", "/a/s-0000000000"])
        self.assertEqual((results[2].version, results[3]), (1, True))
        transaction = client.transaction()
        transaction.set_data("/a", b"4")
        transaction.delete("/a", 9)
        transaction.create("/b", b"")
        self.assertEqual([type(result) for result in transaction.commit()][:2], [RolledBackError, BadVersionError])
        self.assertEqual(client.get("/a")[0], b"3")
        self.assertIsNone(client.exists("/b"))

    def test_nothing_leaks_between_two_accounts(self):
        clients = [self.client() for _ in range(3)]
        for name in ("/left", "/right"):
            clients[0].create(name, b"100")
        for client in clients:
            client.sync("/")
        done = dict.fromkeys(clients, 0)

        def move(client, crew):
            while not crew.stopping.is_set():
                left, right = (client.retry(client.get, name) for name in ("/left", "/right"))
                transaction = client.transaction()
                transaction.set_data("/left", str(int(left[0]) - 1).encode(), left[1].version)
                transaction.set_data("/right", str(int(right[0]) + 1).encode(), right[1].version)
                try:
                    results = transaction.commit()
                except ConnectionLoss:
                    continue
                done[client] += not any(isinstance(result, Exception) for result in results)
        with Crew() as crew:
            for client in clients:
                crew.go(move, client, crew)
            for _ in range(2):
                goal = sum(done.values()) + 20
                wait_until(lambda: crew.raised or sum(done.values()) >= goal, "transfers")
                self.strike()
        for server in self.servers:
            there = self.client(hosts=server.address)
            there.sync("/")
            left, right = (there.get(name) for name in ("/left", "/right"))
            self.assertEqual(int(left[0]) + int(right[0]), 200)
            self.assertEqual(left[1].version, right[1].version)
            self.assertGreaterEqual(left[1].version, sum(done.values()))
        self.assert_kept(*clients)

    def test_errors_by_name(self):
        client = self.client()
        client.create("/a/b", b"", makepath=True)
        self.assertRaises(NodeExistsError, client.create, "/a/b")
        self.assertRaises(NoNodeError, client.get, "/none")
        self.assertRaises(BadVersionError, client.set, "/a", b"", 5)
        self.assertEqual(client.create("/with", b"data", include_data=True)[1].dataLength, 4)


class Identified(WithKazoo):
    """Clients whose connection says who they are; a subclass says how, in options(), and the servers' ids for them."""

    def check_people(self):
        ann, bob = (self.client(**self.options(name)) for name in ("ann", "bob"))
        session = ann.client_id
        ann.create("/anns", b"1", acl=[make_acl("auth", "", all=True)])
        self.assertEqual([(entry.id.scheme, entry.id.id) for entry in ann.get_acls("/anns")[0]], [self.id_of("ann")])
        ann.create("/open", b"1")
        ann.create("/live", b"", ephemeral=True)
        bob.sync("/")
        self.assertRaises(NoAuthError, bob.get, "/anns")
        seen = []
        bob.DataWatch("/open", lambda value, _: seen.append(value))
        wait_until(lambda: seen, "the first value")
        with Crew() as crew:
            for client in (ann, bob):
                crew.go(self.contend, client, crew)
            self.strike()
            goal = len(self.sections) + 10
            wait_until(lambda: crew.raised or len(self.sections) >= goal, "locks behind the strike")
            crew.stopping.set()
        self.assertEqual([result.version for result in ann.retry(self.set_both, ann, b"2")], [1, 1])
        wait_until(lambda: seen[-1] == b"2", "the second value")
        bob.retry(bob.sync, "/")
        results = bob.retry(self.set_both, bob, b"3")
        self.assertEqual([type(result) for result in results], [RolledBackError, NoAuthError])
        self.assertEqual(bob.get("/open")[0], b"2")
        self.assertEqual(bob.exists("/live").ephemeralOwner, session[0])
        self.assertEqual(ann.client_id, session)
        stranger = self.client()
        stranger.sync("/")
        self.assertRaises(NoAuthError, stranger.set, "/anns", b"4")
        self.assert_kept(ann, bob)

    def set_both(self, client, data):
        transaction = client.transaction()
        transaction.set_data("/open", data)
        transaction.set_data("/anns", data)
        return transaction.commit()

    def setUp(self):
        super().setUp()
        self.sections, self.inside = [], []

    def contend(self, client, crew):
        while not crew.stopping.is_set():
            with client.Lock("/lock"):
                self.inside.append(client)
                self.assertEqual(self.inside, [client], "two owners")
                self.inside.remove(client)
                self.sections.append(client)


class Tls(WithTls, Identified):
    def options(self, name):
        key, certificate, _ = self.shown[name]
        return {"use_ssl": True, "keyfile": str(key), "certfile": str(certificate), "ca": str(self.authority),
                "verify_certs": True}

    def test_certificates_hold_behind_a_strike(self):
        self.check_people()


class Sasl(WithSasl, Identified):
    def options(self, name):
        return {"sasl_options": {"mechanism": "DIGEST-MD5", "username": name, "password": self.passwords[name]}}

    def test_passwords_hold_behind_a_strike(self):
        self.check_people()


def with_three(*cases):
    """The same tests against three servers."""
    for case in cases:
        name = f"{case.__name__}OfThree"
        globals()[name] = type(name, (case,), {"size": 3, "__module__": __name__})


with_three(Sessions, Recipes, Caches, Transactions, Tls, Sasl)


class ReadOnly(WithKazoo):
    size = 3
    keys = READ_ONLY

    def test_reads_without_a_quorum_and_writes_with_one_again(self):
        client = self.client(read_only=True)
        client.create("/kept", b"1")
        for server in self.servers:
            self.client(hosts=server.address).sync("/")
        last = self.lose_quorum()
        reader = self.client(hosts=last.address, read_only=True)
        self.assertEqual(reader.client_state, KeeperState.CONNECTED_RO)
        self.assertEqual(reader.get("/kept")[0], b"1")
        self.assertRaises(NotReadOnlyCallError, reader.set, "/kept", b"2")
        self.assertRaises(NotReadOnlyCallError, reader.create, "/new", b"")
        wait_until(lambda: client.client_state == KeeperState.CONNECTED_RO, "the first client to read")
        self.assertEqual(client.retry(client.get, "/kept")[0], b"1")
        self.restart_dead()
        wait_until(lambda: client.client_state == KeeperState.CONNECTED, "a server for writes", 2 * PATIENCE_S)
        client.retry(client.set, "/kept", b"2")


class ReadOnlyOfOne(WithKazoo):
    keys = READ_ONLY

    def test_who_would_only_read_gets_all_of_a_single_server(self):
        client = self.client(read_only=True)
        for value in (b"1", b"2"):
            self.assertEqual(client.client_state, KeeperState.CONNECTED)
            client.retry(client.ensure_path, "/written")
            client.retry(client.set, "/written", value)
            self.strike()
            wait_until(lambda: client.connected, "the client to be back")
        self.assert_kept(client)


if __name__ == "__main__":
    unittest.main()
