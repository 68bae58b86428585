"""Limits that hold: whoever asks for too much, or a clock or a disk that does, harms itself at most. Others go on,
memory stays bounded, and nothing acknowledged is lost."""

import contextlib
import itertools
import json
import os
import pathlib
import queue
import re
import resource
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest
import urllib.request

from tests.system.harness import (HOST, PATIENCE_S, Ensemble, Load, ServerTest, configured, connected, figure,
                                  free_port, program, standalone, wait_until)
from tests.system.wire import OP_CREATE, OP_GET_DATA, OPEN_ACL, RawSession, text

OP_SET_DATA, OP_MULTI, OP_SET_WATCHES = 5, 14, 101
XID_EVENT, XID_SET_WATCHES = -1, -8
EPHEMERAL, SEQUENTIAL = 1, 2
LONG_MS = 60_000
HOUR_S = 3600
WORDS = {"4lw.commands.whitelist": "*"}
descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)


def setUpModule():
    _, hard = descriptors
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tearDownModule():
    resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)


def create_body(path, data=b"", flags=0):
    return text(path) + struct.pack(">i", len(data)) + data + OPEN_ACL + struct.pack(">i", flags)


def word(server, name):
    with socket.create_connection((HOST, server.port), timeout=PATIENCE_S) as link:
        link.sendall(name.encode())
        return b"".join(iter(lambda: link.recv(1 << 16), b"")).decode()


def monitored(server, name):
    """One number of mntr."""
    return int(re.search(rf"^zk_{name}\t(\d+)$", word(server, "mntr"), re.MULTILINE).group(1))


def is_closed(link):
    """The server has ended this connection, on which it never sent a byte."""
    link.setblocking(False)
    try:
        return link.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


class Bystander(threading.Thread):
    """A client that writes and reads all the time; any trouble it has is the test's failure."""

    def __init__(self, server, source=HOST):
        super().__init__(daemon=True)
        self.session = RawSession(server.port, LONG_MS, source=source)
        assert self.session.create("/bystander")[1] == 0
        self.stopping = threading.Event()
        self.served = 0
        self.slowest = 0.0
        self.trouble = None

    def run(self):
        try:
            while not self.stopping.wait(0.01):
                started = time.monotonic()
                value = str(self.served).encode()
                body = text("/bystander") + struct.pack(">i", len(value)) + value + struct.pack(">i", -1)
                answers = self.session.request(OP_SET_DATA, body), self.session.request(
                    OP_GET_DATA, text("/bystander") + b"\0")
                if any(answer is None or answer[1] != 0 for answer in answers) or value not in answers[1][2]:
                    raise AssertionError(f"answers {answers}")
                self.slowest = max(self.slowest, time.monotonic() - started)
                self.served += 1
        except Exception as trouble:  # pylint: disable=broad-except
            self.trouble = trouble

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            goal = self.served + 5
            wait_until(lambda: self.trouble or self.served >= goal, "service to a bystander")
        self.stopping.set()
        self.join(PATIENCE_S)
        self.session.drop()
        if kind is None and (self.trouble or self.slowest > PATIENCE_S):
            raise AssertionError(f"a bystander was harmed: {self.trouble}, slowest answer {self.slowest:.1f} s")
        return False


class LimitsTest(ServerTest):
    def serve(self, **keys):
        return self.own(configured(self.folder / "one", **WORDS, **keys)).start().wait_serving()

    def raw(self, server, *arguments, **options):
        session = RawSession(server.port, *arguments, **options)
        self.addCleanup(session.drop)
        return session

    def links(self, server, count, source=HOST):
        made = []
        for _ in range(count):
            made.append(socket.create_connection((HOST, server.port), timeout=PATIENCE_S, source_address=(source, 0)))
            self.addCleanup(made[-1].close)
        return made


class SlowReaders(LimitsTest):
    EVENTS = 100_000
    BATCH = 500

    def name(self, number, length):
        return f"/{number:0{length}d}"

    def watch_all(self, session, length):
        """A watch on each name, by which a client renews those of an earlier connection."""
        for first in range(0, self.EVENTS, self.BATCH):
            names = b"".join(text(self.name(n, length)) for n in range(first, first + self.BATCH))
            session.send(struct.pack(">iiqii", XID_SET_WATCHES, OP_SET_WATCHES, 0, 0, self.BATCH) + names + bytes(4))
            self.assertEqual(struct.unpack(">i", session.receive()[:4]), (XID_SET_WATCHES,))

    def create_all(self, session, length):
        for first in range(0, self.EVENTS, self.BATCH):
            parts = b"".join(struct.pack(">i?i", OP_CREATE, False, -1) + create_body(self.name(n, length))
                             for n in range(first, first + self.BATCH))
            self.assertEqual(session.request(OP_MULTI, parts + struct.pack(">i?i", -1, True, -1))[1], 0)

    def storm(self, server, length):
        """Returns the reader before it has read one of its events."""
        slow = self.raw(server, LONG_MS)
        self.watch_all(slow, length)
        self.assertEqual(monitored(server, "watch_count"), self.EVENTS)
        writer = self.raw(server, LONG_MS)
        before = server.memory_mb()
        with Bystander(server) as bystander:
            self.create_all(writer, length)
        self.assertEqual(monitored(server, "watch_count"), 0)
        after = server.memory_mb()
        figure(f"{self.EVENTS} events of {length + 41} bytes for a reader that does not read: server {before:.0f} MB, "
               f"then {after:.0f} MB with the new znodes; slowest answer to another {1000 * bystander.slowest:.0f} ms")
        return slow, before, after

    def test_a_hundred_thousand_events_wait_and_are_served(self):
        server = self.serve(tickTime=3000)
        slow, before, after = self.storm(server, length=8)
        self.assertLess(after - before, 200)
        events = slow.socket.makefile("rb")
        for number in range(self.EVENTS):
            event = events.read(struct.unpack(">i", events.read(4))[0])
            self.assertEqual(struct.unpack(">i", event[:4]), (XID_EVENT,))
            self.assertTrue(event.endswith(self.name(number, 8).encode()), event)
        self.assertEqual(monitored(server, "slow_readers_dropped"), 0)
        self.assertEqual(slow.create("/alive")[1], 0)

    def test_who_lets_too_much_wait_is_dropped(self):
        server = self.serve(tickTime=3000)
        slow, before, after = self.storm(server, length=800)
        # The znodes themselves have names of 80 MB.
        self.assertLess(after - before, 500)
        self.assertEqual(monitored(server, "slow_readers_dropped"), 1)
        self.assertTrue(server.said(r"connection from 127\.0\.0\.1 closed: \d+ bytes wait that it does not read"))
        back = self.raw(server, LONG_MS, slow.session, slow.password)
        self.assertEqual(back.session, slow.session, "its session is as it was")


class Floods(LimitsTest):
    MANY = 5000

    def expired(self, server):
        return monitored(server, "sessionless_connections_expired")

    def wait_closed(self, links, seconds=2 * PATIENCE_S):
        left = list(links)

        def all_closed():
            left[:] = [link for link in left if not is_closed(link)]
            return not left
        wait_until(all_closed, "the end of connections without a session", seconds)

    def test_silent_connections_end_in_time(self):
        server = self.serve(maxClientCnxns=0, **{"nio.sessionlessCnxnTimeout": 8000})
        before = server.memory_mb()
        with Bystander(server) as bystander:
            links = self.links(server, self.MANY)
            wait_until(lambda: monitored(server, "num_alive_connections") > self.MANY, "all connections at once")
            figure(f"{self.MANY} silent connections: server {before:.0f} MB, then {server.memory_mb():.0f} MB")
            self.assertLess(server.memory_mb() - before, 100)
            self.wait_closed(links)
        figure(f"slowest answer to another {1000 * bystander.slowest:.0f} ms")
        self.assertEqual(self.expired(server), self.MANY)
        # The word's own connection counts.
        wait_until(lambda: monitored(server, "num_alive_connections") <= 2, "no connection left")
        with connected(server.address) as client:
            client.create("/after", b"")

    def test_half_handshakes_end_in_time(self):
        server = self.serve(maxClientCnxns=0, **{"nio.sessionlessCnxnTimeout": 4000})
        before = server.memory_mb()
        request = struct.pack(">iiqiqi", 45, 0, 0, 4000, 0, 16) + bytes(17)
        with Bystander(server) as bystander:
            links = self.links(server, 2000)
            for number, link in enumerate(links):
                link.sendall(request[:1 + number % (len(request) - 1)])
            self.assertLess(server.memory_mb() - before, 100)
            self.wait_closed(links)
        figure(f"2000 half handshakes: slowest answer to another {1000 * bystander.slowest:.0f} ms")
        self.assertEqual(self.expired(server), len(links))
        self.assertLessEqual(monitored(server, "global_sessions"), 1)  # the bystander's, while it lasts

    def test_a_flood_of_sessions_passes(self):
        server = self.serve(maxClientCnxns=0)
        before = server.memory_mb()
        with Bystander(server) as bystander:
            ids = set()
            for _ in range(3):
                wave = [RawSession(server.port, 1000, wait=False) for _ in range(1000)]
                for session in wave:
                    session.established()
                    ids.add(session.session)
                    session.drop()
            self.assertEqual(len(ids), 3000)
            wait_until(lambda: monitored(server, "global_sessions") == 1, "the end of all sessions but one")
        figure(f"3000 sessions asked for, 1000 at once: server {before:.0f} MB, then {server.memory_mb():.0f} MB; "
               f"slowest answer to another {1000 * bystander.slowest:.0f} ms")
        self.assertLess(server.memory_mb() - before, 100)

    def test_one_address_has_its_share_and_no_more(self):
        server = self.serve(maxClientCnxns=50, **{"nio.sessionlessCnxnTimeout": 60_000})
        with Bystander(server):
            greedy = self.links(server, 200, source="127.0.0.2")
            wait_until(lambda: sum(map(is_closed, greedy)) == 150, "150 refused connections")
            self.assertEqual(monitored(server, "connection_rejected"), 150)
            self.assertTrue(server.said(r"connection from 127\.0\.0\.2 refused: it has 50 \(maxClientCnxns\)"))
            with connected(server.address) as client:
                client.create("/another", b"")
        for link in greedy:
            link.close()
        with contextlib.closing(socket.create_connection((HOST, server.port), source_address=("127.0.0.2", 0))) as late:
            late.sendall(b"ruok")
            self.assertEqual(late.recv(4), b"imok")

    def test_all_together_have_their_number_and_no_more(self):
        server = self.serve(maxCnxns=100, maxClientCnxns=0, **{"nio.sessionlessCnxnTimeout": 3000})
        with Bystander(server):
            links = self.links(server, 300)
            wait_until(lambda: sum(map(is_closed, links)) >= 200, "refused connections")
            self.assertTrue(server.said(r"connection from 127\.0\.0\.1 refused: .*\(maxCnxns\)"))
            self.wait_closed(links)
            with connected(server.address) as client:  # the silent ones have made room
                client.create("/another", b"")


CLOCK_SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset_s;

__attribute__((constructor)) static void open_offset(void) {
  const int fd = open(getenv("CLOCK_OFFSET_FILE"), O_RDONLY);
  void *page = mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
  if (fd < 0 || page == MAP_FAILED) abort();
  close(fd);
  offset_s = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  const long failed = syscall(SYS_clock_gettime, clock, now);
  if (!failed && offset_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset_s;
  return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
  struct timespec precise;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (now) *now = precise.tv_sec;
  return precise.tv_sec;
}
"""


class DeafLogs(LimitsTest):
    def test_a_log_that_nobody_reads_stops_nobody(self):
        server = self.own(standalone(self.folder / "one"))
        unread, written = os.pipe()
        server.process = subprocess.Popen([program("vivariumd"), *server.arguments], stdin=subprocess.DEVNULL,
                                          stdout=subprocess.DEVNULL, stderr=written)
        os.close(written)
        server.output.touch()
        try:
            server.wait_serving()
            bystander = self.raw(server, 10_000)
            for _ in range(1500):  # each a line of the audit log: more than a pipe holds
                stranger = self.raw(server, 10_000)
                stranger.send(struct.pack(">iii", -4, 100, 0) + text("digest2") + text("x"))
                self.assertEqual(stranger.receive()[12:16], struct.pack(">i", -115))
                stranger.drop()
            self.assertEqual(bystander.create("/served")[1], 0)
            seen = b""
            while b"lines were dropped" not in seen:
                seen += os.read(unread, 1 << 16)
                stranger = self.raw(server, 10_000)
                stranger.send(struct.pack(">iii", -4, 100, 0) + text("digest2") + text("x"))
                stranger.receive()
            self.assertGreater(seen.count(b"auth refused"), 300)
            server.signal(signal.SIGTERM)
            self.assertEqual(server.exit_code(), 0)
        finally:
            os.close(unread)


class Clocks(LimitsTest):
    def setUp(self):
        super().setUp()
        self.short = itertools.count()

    def wait_a_sweep(self, server, bystander):
        """A session is given up, sweeps have come and gone: it has expired, by the clock that counts."""
        path = f"/short{next(self.short)}"
        brief = self.raw(server, 400)
        self.assertEqual(brief.create(path, flags=EPHEMERAL)[1], 0)
        brief.drop()
        wait_until(lambda: not self.exists(bystander, path), f"expiry of {path}")

    def exists(self, session, path):
        answer = session.request(OP_GET_DATA, text(path) + b"\0")
        self.assertIn(answer[1], (0, -101))
        return answer[1] == 0

    def shimmed(self):
        source, library, self.offset = (self.folder / name for name in ["shim.c", "shim.so", "offset"])
        source.write_text(CLOCK_SHIM)
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        self.set_clock(0)
        server = self.own(configured(self.folder / "one", maxSessionTimeout=LONG_MS, **WORDS))
        server.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self.offset)}
        return server.start().wait_serving()

    def set_clock(self, seconds):
        with open(self.offset, "r+b" if self.offset.exists() else "wb") as page:  # in place: it is mapped
            page.write(struct.pack("=q", seconds))

    def test_a_wall_clock_that_is_stepped_by_an_hour_changes_nothing(self):
        server = self.shimmed()
        silent = self.raw(server, LONG_MS)
        self.assertEqual(silent.create("/silent", flags=EPHEMERAL)[1], 0)
        client = self.raw(server, LONG_MS)
        self.assertEqual(client.create("/q")[1], 0)
        ids, names, zxids = [silent.session, client.session], [], []
        for offset in [0, HOUR_S, 0, -HOUR_S, 0]:
            self.set_clock(offset)
            self.wait_a_sweep(server, client)
            self.assertTrue(self.exists(client, "/silent"), f"a session has expired by the wall clock, at {offset} s")
            brief = self.raw(server, LONG_MS)
            ids.append(brief.session)
            zxid, error, made = brief.create("/q/n-", flags=SEQUENTIAL)
            self.assertEqual(error, 0)
            names.append(made[4:].decode())
            zxids.append(zxid)
            with connected(server.address) as other:
                _, stat = other.get(names[-1])
            self.assertEqual((stat.czxid, stat.mzxid, stat.version), (zxid, zxid, 0))
            self.assertEqual(stat.ctime, stat.mtime)
            self.assertLess(abs(stat.ctime / 1000 - time.time() - offset), 600, "the txn's time is the server's")
        self.assertEqual(names, [f"/q/n-{number:010d}" for number in range(len(names))])
        self.assertEqual(zxids, sorted(set(zxids)))
        # New lives with the clock elsewhere: sessions are found again, and new ones have ids of their own.
        for offset in [-HOUR_S, HOUR_S, 0]:
            server.kill()
            self.set_clock(offset)
            server.start().wait_serving()
            silent = self.raw(server, LONG_MS, silent.session, silent.password)
            self.assertEqual(silent.session, ids[0], f"a session was lost by a restart at {offset} s")
            self.wait_a_sweep(server, silent)
            self.assertTrue(self.exists(silent, "/silent"))
            ids += [self.raw(server, LONG_MS).session for _ in range(3)]
        self.assertEqual(len(set(ids)), len(ids), "two sessions with one id")

    def test_a_pause_does_not_expire_who_could_not_be_heard(self):
        server = self.serve(maxSessionTimeout=LONG_MS)
        witness = self.raw(server, LONG_MS)
        speaks, silent, gone = (self.raw(server, 4000) for _ in range(3))
        for name, session in [("/speaks", speaks), ("/silent", silent), ("/gone", gone)]:
            self.assertEqual(session.create(name, flags=EPHEMERAL)[1], 0)
        server.signal(signal.SIGSTOP)
        gone.drop()
        speaks.xid += 1
        speaks.send(struct.pack(">ii", speaks.xid, OP_GET_DATA) + text("/speaks") + b"\0")
        threading.Event().wait(5)  # no waiting for anything: the pause is what is tested
        server.signal(signal.SIGCONT)
        self.assertEqual(struct.unpack(">i", speaks.receive()[12:16]), (0,))
        for name in ["/speaks", "/silent", "/gone"]:
            self.assertTrue(self.exists(witness, name), name)
        back = self.raw(server, 4000, silent.session, silent.password)
        self.assertEqual(back.session, silent.session)
        self.assertEqual(back.request(OP_GET_DATA, text("/silent") + b"\0")[1], 0)
        wait_until(lambda: not self.exists(witness, "/gone"), "expiry of who does not come back")


class PipelinedWriter(threading.Thread):
    """Creates znodes with many requests under way; keeps those that were acknowledged, in order."""

    def __init__(self, server, prefix, size=100, window=200):
        super().__init__(daemon=True)
        self.session = RawSession(server.port, LONG_MS)
        self.prefix, self.size = prefix, size
        self.room = threading.Semaphore(window)
        self.sent = queue.Queue()
        self.acknowledged = []
        self.refused = []
        self.stopping = threading.Event()
        self.sender = threading.Thread(target=self.send, daemon=True)

    def send(self):
        with contextlib.suppress(OSError):
            for number in itertools.count(1):
                while not self.room.acquire(timeout=0.1):
                    if self.stopping.is_set():
                        return
                if self.stopping.is_set():
                    return
                path = f"{self.prefix}{number:07d}"
                self.sent.put(path)
                self.session.send(struct.pack(">ii", number, OP_CREATE) + create_body(path, bytes(self.size)))

    def run(self):
        self.session.socket.settimeout(4 * PATIENCE_S)
        self.sender.start()
        answers = self.session.socket.makefile("rb")
        with contextlib.suppress(OSError):
            while not (self.stopping.is_set() and self.sent.empty()):
                head = answers.read(4)
                if len(head) < 4:
                    return
                answer = answers.read(struct.unpack(">i", head)[0])
                if len(answer) < 16:
                    return
                path = self.sent.get()
                error = struct.unpack(">i", answer[12:16])[0]
                (self.refused if error else self.acknowledged).append(path)
                self.room.release()

    def finish(self):
        """All that was sent is answered, or the connection has ended."""
        self.stopping.set()
        self.sender.join(PATIENCE_S)
        wait_until(lambda: self.sent.empty() or not self.is_alive(), "answers to all requests", 2 * PATIENCE_S)
        with contextlib.suppress(OSError):  # who reads may wait for an answer to nothing
            self.session.socket.shutdown(socket.SHUT_RDWR)
        self.join(PATIENCE_S)
        assert not self.is_alive(), "the reader did not end"
        self.session.drop()

    def wait_progress(self, count):
        goal = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= goal, f"{count} more writes acknowledged")


class HardDisk(LimitsTest):
    """What both an orderly end and a full disk have to keep."""

    def assert_kept(self, server, writers):
        with connected(server.address) as client:
            held = {f"/{name}" for name in client.get_children("/")}
            for writer in writers:
                self.assertEqual(writer.refused, [])
                self.assertGreater(len(writer.acknowledged), 0)
                self.assertEqual(set(writer.acknowledged) - held, set(), "acknowledged, and not there")
                self.assertEqual(client.get(writer.acknowledged[-1])[0], bytes(writer.size))


class OrderlyEnd(HardDisk):
    def test_sigterm_with_thousands_of_requests_under_way(self):
        server = self.serve(tickTime=3000, snapCount=2000)
        self.links(server, 50)
        unread = self.raw(server, LONG_MS)
        self.assertEqual(unread.create("/big", bytes(500_000))[1], 0)
        for number in range(20):
            unread.send(struct.pack(">ii", number, OP_GET_DATA) + text("/big") + b"\0")
        writers = [PipelinedWriter(server, f"/w{number}-") for number in range(5)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.wait_progress(1000)
        asked = time.monotonic()
        self.assertEqual(server.terminate(), 0, server.lines()[-5:])
        figure(f"SIGTERM with {sum(w.sent.qsize() for w in writers)} writes under way: "
               f"an end after {time.monotonic() - asked:.2f} s")
        for writer in writers:
            writer.join(PATIENCE_S)
            writer.finish()
        self.assertFalse(server.said(" error "), "an orderly end has no errors to tell of")
        server.start().wait_serving()
        self.assert_kept(server, writers)


@unittest.skipUnless(os.geteuid() == 0, "needs root, for a disk of its own: full disks are NOT tested here")
class FullDisks(HardDisk):
    def disk(self, megabytes, name="disk"):
        """A small disk; all of it goes at the end."""
        where = self.folder / name
        where.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(where)]
        if subprocess.run(mount, check=False).returncode != 0:
            self.skipTest("tmpfs cannot be mounted here: full disks are NOT tested")
        self.addCleanup(subprocess.run, ["umount", str(where)], check=True)
        self.addCleanup(lambda: [thing.kill() for thing in self.owned])  # before that
        return where

    @staticmethod
    def fill(disk, but=0):
        """Takes the disk's room, all `but` some bytes; unlink what it returns to give it back."""
        space = os.statvfs(disk)
        filler = pathlib.Path(disk) / "filler"
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - but)
        return filler

    def stats_error(self, server):
        with urllib.request.urlopen(f"http://{HOST}:{server.http}/commands/server_stats", timeout=PATIENCE_S) as answer:
            return json.load(answer)["error"]

    def configured(self, folder, **keys):
        http = free_port()
        server = self.own(configured(folder, maxSessionTimeout=LONG_MS, **WORDS,
                                     **{"admin.serverPort": http, **keys}))
        server.http = http
        return server

    def test_writes_wait_and_reads_go_on_until_there_is_room(self):
        disk = self.disk(megabytes=16)
        filler = self.fill(disk, but=6 << 20)
        logs = disk / "logs"
        logs.mkdir()
        server = self.configured(self.folder / "one", preAllocSize=256, dataLogDir=logs).start().wait_serving()
        self.assertIsNone(self.stats_error(server))
        reader = self.raw(server, LONG_MS)
        self.assertEqual(reader.create("/kept", b"what it was")[1], 0)
        writer = PipelinedWriter(server, "/full-", size=20_000, window=20)
        writer.start()
        wait_until(lambda: server.said("no room for a log file") and monitored(server, "log_waiting_ms") > 1000,
                   "a full disk")
        acknowledged = len(writer.acknowledged)
        self.assertIn(b"what it was", reader.request(OP_GET_DATA, text("/kept") + b"\0")[2])
        self.assertRegex(self.stats_error(server), "writes have been waiting for room on the disk of the log")
        self.assertEqual(word(server, "ruok"), "imok")  # a new start would not help
        # Attempts are made, and the log is not filled with them.
        wait_until(lambda: monitored(server, "log_waiting_ms") > 3500, "more attempts")
        self.assertEqual(len(server.said("no room for a log file")), 1, server.lines())
        self.assertEqual(len(writer.acknowledged), acknowledged)
        filler.unlink()
        writer.wait_progress(50)
        wait_until(lambda: server.said("room for a log file of .* again"), "the line that says so")
        self.assertIsNone(self.stats_error(server))
        writer.finish()
        wait_until(lambda: monitored(server, "log_waiting_ms") == 0, "nothing waits for the log")
        server.kill()
        server.start().wait_serving()
        self.assert_kept(server, [writer])

    def test_a_full_disk_keeps_nobody_from_stopping(self):
        disk = self.disk(megabytes=6)
        server = self.configured(disk / "one", preAllocSize=256).start().wait_serving()
        writer = PipelinedWriter(server, "/full-", size=20_000, window=20)
        writer.start()
        wait_until(lambda: server.said("no room for a log file"), "a full disk")
        self.assertEqual(server.terminate(), 0, server.lines()[-5:])
        writer.finish()
        # It starts again in what is left, and what was acknowledged can be read.
        server.start()
        wait_until(lambda: not server.running() or server.said("leading epoch"), "service")
        self.assertTrue(server.running(), server.lines()[-5:])
        self.assertGreaterEqual(monitored(server, "znode_count"), len(writer.acknowledged))
        subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True)
        server.wait_serving()
        self.assert_kept(server, [writer])

    def test_a_leader_without_room_makes_way_for_one_that_has(self):
        ensemble = self.own(Ensemble(self.folder, preAllocSize=64))
        disks = {n: self.disk(megabytes=16, name=f"disk{n}") for n in ensemble.servers}
        for n, server in ensemble.servers.items():
            with open(server.folder / "zoo.cfg", "a", encoding="ascii") as settings:
                settings.write(f"dataLogDir={disks[n]}\n")
        ensemble.start().wait_serving()
        full = ensemble.wait_leader()
        filler = self.fill(disks[full], but=64 << 10)
        load = Load(ensemble.hosts())
        with load:
            wait_until(lambda: ensemble[full].said("no room for a log file"), "a full disk", 2 * PATIENCE_S)
            wait_until(lambda: ensemble.leader() not in (None, full), "another leader")
            load.wait_progress(50)
            filler.unlink()
            ensemble[full].wait_serving()
            load.wait_progress(50)
        self.assert_nothing_lost(load, ensemble)
        load.close()

    def test_without_room_for_its_first_log_file_a_server_does_not_look_healthy(self):
        disk = self.disk(megabytes=8)
        filler = self.fill(disk, but=512 << 10)
        server = self.configured(disk / "one", preAllocSize=1024).start()
        wait_until(lambda: server.said("no room for a log file"), "the line that says why")
        self.assertRegex(self.stats_error(server), "writes have been waiting for room on the disk of the log")
        self.assertGreater(monitored(server, "log_waiting_ms"), 0)
        filler.unlink()
        server.wait_serving()
        self.assertIsNone(self.stats_error(server))

    def test_a_snapshot_that_failed_is_written_when_there_is_room(self):
        disk = self.disk(megabytes=8)
        logs = self.folder / "logs"
        logs.mkdir()
        server = self.configured(disk / "one", dataLogDir=logs, preAllocSize=256, snapCount=100)
        server.start().wait_serving()
        filler = self.fill(disk)
        writer = PipelinedWriter(server, "/s-", window=20)
        writer.start()
        writer.wait_progress(500)
        writer.finish()
        wait_until(lambda: server.said("the snapshot of zxid .* could not be written"), "a snapshot that failed")
        snapshots = disk / "one" / "data" / "version-2"
        before = set(snapshots.glob("snapshot.*"))
        filler.unlink()
        # Nobody writes any more.
        wait_until(lambda: set(snapshots.glob("snapshot.*")) - before, "the snapshot")
        server.kill()
        server.start().wait_serving()
        self.assert_kept(server, [writer])


if __name__ == "__main__":
    unittest.main()
