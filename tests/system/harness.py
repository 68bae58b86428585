"""Starts, stops and kills real servers for the system tests, and connects real clients to them.

VIVARIUM_BIN names the folder with the programs (ctest sets it). Nothing here waits for a fixed time:
wait_until() polls with a deadline, and every deadline is generous, because only its miss is an error.
"""

import contextlib
import logging
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry

logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # servers come and go here: that is the test

HOST = "127.0.0.1"
TICK_MS = 200
SESSION_S = 20 * TICK_MS / 1000  # the longest that the servers grant
PATIENCE_S = 30
# What a client sees while servers come and go.
TROUBLE = (KazooException, KazooTimeoutError, OSError)


def program(name):
    return str(pathlib.Path(os.environ["VIVARIUM_BIN"]) / name)


def wait_until(condition, what, seconds=PATIENCE_S):
    """Returns the first true value of condition(); fails the test with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        pause.wait(0.01)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def once_heard(call, *arguments, seconds=PATIENCE_S):
    """What a client's call returns, however often its connection breaks before that."""
    def attempt():
        with contextlib.suppress(*TROUBLE):
            return (call(*arguments),)
        return None

    return wait_until(attempt, f"an answer to {call.__name__}{arguments}", seconds)[0]


_ports_given = set()


def _outgoing_from():
    """The first of the ports that connections are given: one of those, let go by a server that is down, may be gone."""
    with contextlib.suppress(OSError):
        return int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    return 32768


def free_port():
    """One of five digits that nobody has, and that no connection is given while its server is down."""
    first = 10000
    last = max(_outgoing_from(), first + 2000) - 1
    for _ in range(10000):
        port = random.randint(first, last)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            if port not in _ports_given:
                _ports_given.add(port)
                return port
    raise AssertionError(f"no free port from {first} to {last}")


def is_open(port):
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def four_letter_word(port, word, seconds=PATIENCE_S):
    """What nc would print."""
    with socket.create_connection((HOST, port), timeout=seconds) as link:
        link.sendall(word.encode())
        return b"".join(iter(lambda: link.recv(65536), b"")).decode()


def mode_of(server):
    """What the server calls itself in its answer to srvr; None when it does not serve."""
    with contextlib.suppress(OSError):
        found = re.search(r"^Mode: (.*)$", four_letter_word(server.port, "srvr", 2), re.MULTILINE)
        return found and found.group(1)
    return None


class Server:
    """One vivariumd. Its folder keeps the data and, in `output`, what all its lives have printed."""

    def __init__(self, folder, arguments, port):
        self.folder = pathlib.Path(folder)
        self.arguments = [str(argument) for argument in arguments]
        self.port = port
        self.address = f"{HOST}:{port}"
        self.output = self.folder / "output"
        self.environment = {}  # besides that of the test
        self.process = None
        self.output_before = 0

    def start(self):
        assert not self.running(), "started twice"
        self.output_before = self.output.stat().st_size if self.output.exists() else 0
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen([program("vivariumd"), *self.arguments], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=subprocess.STDOUT,
                                            env={**os.environ, **self.environment})
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        """Stops it, and returns when not one of its threads runs any more."""
        self.signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        wait_until(lambda: all(task.read_text("ascii").rpartition(")")[2].split()[0] == "T" for task in tasks.glob("*/stat")),
                   "all threads stopped")

    def kill(self):
        if self.running():
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def exit_code(self, seconds=PATIENCE_S):
        """Waits for the end of the process."""
        wait_until(lambda: not self.running(), f"the end of {self.arguments}", seconds)
        return self.process.returncode

    def terminate(self):
        self.signal(signal.SIGTERM)
        return self.exit_code()

    def said(self, pattern):
        """The lines of the present life that match."""
        return [line for line in self.lines() if re.search(pattern, line)]

    def lines(self):
        with open(self.output, "rb") as out:
            out.seek(self.output_before)
            return out.read().decode(errors="replace").splitlines()

    def memory_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) / 1024

    def serves(self):
        """True when a client gets a session here now."""
        if not self.running() or not is_open(self.port):
            return False
        client = new_client(self.address)
        try:
            client.start(timeout=2)
            return True
        except TROUBLE:
            return False
        finally:
            end_client(client)

    def wait_serving(self, seconds=PATIENCE_S):
        def serving_or_gone():
            assert self.running(), f"{self.arguments} ended with {self.process.returncode}: {self.lines()[-5:]}"
            return self.serves()
        wait_until(serving_or_gone, f"service at {self.address}; it said {self.lines()[-5:]}", seconds)
        return self


def standalone(folder, listen=HOST):
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    return Server(folder, ["--data-dir", folder / "data", "--client-port", port, "--listen", listen], port)


def figure(text):
    """A measured value for people; tests/run shows these lines."""
    print(f"figure: {text}", flush=True)


def configured(folder, **keys):
    """A standalone server with a zoo.cfg."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    lines = {"dataDir": folder / "data", "clientPort": port, "clientPortAddress": HOST, "tickTime": TICK_MS, **keys}
    (folder / "data").mkdir(exist_ok=True)
    (folder / "zoo.cfg").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    return Server(folder, [folder / "zoo.cfg"], port)


class Ensemble:
    """Servers 1..size with ordinary zoo.cfgs and empty directories."""

    def __init__(self, folder, size=3, **keys):
        self.servers = {}
        ports = {n: (free_port(), free_port()) for n in range(1, size + 1)}
        members = {f"server.{n}": f"{HOST}:{quorum}:{election}" for n, (quorum, election) in ports.items()}
        for n in ports:
            limits = {"initLimit": 10, "syncLimit": 5, **keys}
            server = configured(folder / f"server{n}", **limits, **members)
            (server.folder / "data" / "myid").write_text(f"{n}\n")
            self.servers[n] = server

    def __getitem__(self, n):
        return self.servers[n]

    def __iter__(self):
        return iter(self.servers.values())

    def hosts(self):
        return ",".join(server.address for server in self)

    def start(self):
        for server in self:
            server.start()
        return self

    def start_missing(self):
        for server in self:
            if not server.running():
                server.start()
        return self

    def wait_serving(self, seconds=2 * PATIENCE_S):
        for server in self:
            server.wait_serving(seconds)
        return self

    def kill(self):
        for server in self:
            server.kill()

    def wipe(self, n):
        """Takes all data of a server that does not run, and leaves it its number."""
        data = self[n].folder / "data"
        shutil.rmtree(data / "version-2")

    def synced_by(self, n):
        """How server n was brought level last, as its leaders printed it: DIFF, TRUNC or SNAP."""
        lines = [line for server in self for line in server.said(rf"learner {n} at .*: (DIFF|TRUNC|SNAP)")]
        return re.search(r": (DIFF|TRUNC|SNAP)", max(lines)).group(1) if lines else None

    def memory_mb(self):
        return sum(server.memory_mb() for server in self)

    def wait_leader(self):
        return wait_until(self.leader, "a leader")

    def leader(self):
        """The number of the server that leads, by what the servers say of themselves; None if none."""
        leading = [n for n, server in self.servers.items() if server.running() and role_of(server) == "leading"]
        return leading[-1] if leading else None


# What a server prints about its role (docs/operations.md), newest last.
ROLE = re.compile(r"^\S+ info +(looking|leading|following|observing)\b")


def role_of(server):
    roles = [match.group(1) for line in server.lines() if (match := ROLE.match(line))]
    return roles[-1] if roles else None


def new_client(hosts, seconds=SESSION_S):
    """A kazoo client that comes back quickly, so that a gap is the servers' and not its own."""
    quick = KazooRetry(max_tries=-1, delay=0.01, backoff=1, max_jitter=0.1, max_delay=0.02)
    return KazooClient(hosts=hosts, timeout=seconds, connection_retry=quick, command_retry=KazooRetry(max_tries=0))


def end_client(client):
    with contextlib.suppress(*TROUBLE):
        client.stop()
    with contextlib.suppress(*TROUBLE):
        client.close()


@contextlib.contextmanager
def connected(hosts, seconds=SESSION_S, within=PATIENCE_S):
    client = new_client(hosts, seconds)
    try:
        client.start(timeout=within)
        yield client
    finally:
        end_client(client)


class Writer(threading.Thread):
    """A client that creates one znode after another until told to stop, and keeps the accounts:
    `acknowledged` holds (time, path); a create that ended in trouble may or may not have happened."""

    def __init__(self, hosts, parent, number):
        super().__init__(daemon=True)
        self.prefix = f"{parent}/w{number}-"
        self.ephemeral = f"{parent}-live{number}"
        self.acknowledged = []
        self.unknown = []
        self.lost_session = False
        self.stopping = threading.Event()
        self.client = new_client(hosts)
        self.client.add_listener(self.listen)
        self.client.start(timeout=PATIENCE_S)
        self.session = self.client.client_id[0]
        self.client.create(self.ephemeral, b"", ephemeral=True)

    def listen(self, state):
        if state == "LOST" and not self.stopping.is_set():
            self.lost_session = True

    def run(self):
        number = 0
        while not self.stopping.is_set():
            path = f"{self.prefix}{number:06d}"
            number += 1
            try:
                self.client.create(path, path.encode())
                self.acknowledged.append((time.monotonic(), path))
            except TROUBLE:
                self.unknown.append(path)
                self.stopping.wait(0.002)

    def finish(self):
        self.stopping.set()
        self.join(PATIENCE_S)
        assert not self.is_alive(), "a request was never answered and its connection never closed"


class Load:
    """Some Writers below one parent; use as a context."""

    def __init__(self, hosts, parent="/load", writers=3):
        with connected(hosts) as client:
            client.create(parent, b"")
        self.parent = parent
        self.writers = [Writer(hosts, parent, number) for number in range(writers)]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *_):
        for writer in self.writers:
            writer.stopping.set()
        for writer in self.writers:
            writer.finish()
        return False

    def close(self):
        for writer in self.writers:
            end_client(writer.client)

    def acknowledged(self):
        return sorted(entry for writer in self.writers for entry in list(writer.acknowledged))

    def paths(self):
        return {path for _, path in self.acknowledged()}

    def wait_progress(self, count=100, seconds=PATIENCE_S):
        """Waits until each writer has been acknowledged `count` times from now."""
        goals = [(writer, len(writer.acknowledged) + count) for writer in self.writers]
        wait_until(lambda: all(len(writer.acknowledged) >= goal for writer, goal in goals), "acknowledged writes",
                   seconds)

    def longest_gap(self, start):
        """Seconds in which no write at all was acknowledged, from `start` to the last one."""
        times = [start] + [when for when, _ in self.acknowledged() if when > start]
        return max(later - earlier for earlier, later in zip(times, times[1:]))


def children(client, parent):
    """All children of `parent` as of now: behind a sync, so that a follower is not merely late."""
    client.sync(parent)
    return {f"{parent}/{name}" for name in client.get_children(parent)}


class ServerTest(unittest.TestCase):
    """A test with a folder; servers made through own() end with it, and on failure say their last lines."""

    longMessage = True

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vivarium-"))
        self.owned = []
        self.addCleanup(self.tidy_up)

    def own(self, thing):
        self.owned.append(thing)
        return thing

    def tidy_up(self):
        servers = [server for thing in self.owned for server in (thing if isinstance(thing, Ensemble) else [thing])]
        for server in servers:
            server.kill()
        if self.failed():
            for server in servers:
                if server.output.exists():
                    print(f"--- {server.output}\n" + "\n".join(server.lines()[-40:]), flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def failed(self):
        result = self._outcome.result
        return any(test is self for test, _ in result.failures + result.errors) or not self._outcome.success

    def assert_nothing_lost(self, load, servers):
        """Each server has every acknowledged write, all have the same ones, and no session was lost."""
        held = {}
        for server in servers:
            with connected(server.address) as client:
                held[server.address] = children(client, load.parent)
                lost = load.paths() - held[server.address]
                self.assertEqual(lost, set(), f"acknowledged and not on {server.address}")
                for path in sorted(held[server.address])[-20:]:
                    self.assertEqual(client.get(path)[0], path.encode())
                for writer in load.writers:
                    self.assertFalse(writer.lost_session, "a live session was lost")
                    self.assertEqual(writer.client.client_id[0], writer.session)
                    self.assertIsNotNone(client.exists(writer.ephemeral), "an ephemeral of a live session is gone")
        self.assertEqual(len({frozenset(paths) for paths in held.values()}), 1, "servers differ")
