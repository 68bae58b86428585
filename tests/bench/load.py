"""What the benches of one server share: sessions with many requests in flight, what the server says of itself."""

import contextlib
import multiprocessing
import resource
import statistics
import struct
import time

from tests.system import harness
from tests.system.wire import OP_CREATE, OP_GET_DATA, OPEN_ACL, RawSession, text

OP_DELETE, OP_EXISTS, OP_SET, OP_MULTI = 2, 3, 5, 14
DATA = b"x" * 100
WINDOW = 500
CREATES_A_MULTI = 100
SESSIONS_A_PROCESS = 5000
SETTINGS = {"tickTime": 2000, "maxClientCnxns": 0, "4lw.commands.whitelist": "*", "admin.enableServer": "false",
            "maxSessionTimeout": 600000}


def create_body(path, flags=0, data=DATA):
    return text(path) + struct.pack(">i", len(data)) + data + OPEN_ACL + struct.pack(">i", flags)


def multi(parts):
    """The body of a multi of (op, body)."""
    return b"".join(struct.pack(">i?i", op, False, -1) + body for op, body in parts) + struct.pack(">i?i", -1, True, -1)


class Pipe:
    """A session with many requests in flight; answers are counted, and none may be an error."""

    def __init__(self, port, timeout_ms=60000, window=WINDOW):
        self.window = window
        self.session = RawSession(port, timeout_ms)
        self.session.socket.settimeout(300)
        self.link = self.session.socket.makefile("rb", 1 << 20)
        self.xid = 0
        self.waiting = 0

    def run(self, op, bodies, allowed=()):
        out = []
        for body in bodies:
            self.xid += 1
            out.append(struct.pack(">iii", len(body) + 8, self.xid, op) + body)
            if len(out) == self.window // 2:
                self.flush(out, allowed)
        self.flush(out, allowed)
        while self.waiting:
            self.answer(allowed)

    def flush(self, out, allowed):
        self.session.socket.sendall(b"".join(out))
        self.waiting += len(out)
        out.clear()
        while self.waiting > self.window // 2:
            self.answer(allowed)

    def answer(self, allowed=()):
        length = struct.unpack(">i", self.link.read(4))[0]
        answer = self.link.read(length)
        xid, _, error = struct.unpack(">iqi", answer[:16])
        if xid < 0:
            return  # a watch event
        assert error == 0 or error in allowed, error
        self.waiting -= 1

    def close(self):
        """The end of the session; returns when it is over."""
        self.session.send(struct.pack(">ii", self.xid + 1, -11))
        while self.link.read(65536):
            pass


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latency(session, op, bodies):
    """Median and 99th percentile in microseconds."""
    took = []
    for body in bodies:
        begun = time.monotonic()
        assert session.request(op, body)[1] == 0
        took.append((time.monotonic() - begun) * 1e6)
    return f"{statistics.median(took):.0f}, {percentile(took, 0.99):.0f}"


def metrics(server):
    lines = (line.split("\t") for line in harness.four_letter_word(server.port, "mntr").splitlines())
    return {line[0].removeprefix("zk_"): line[1] for line in lines if len(line) == 2}


def wait_for_read(port, path, seconds=300):
    """Seconds until a client has read the znode, from now."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        try:
            session = RawSession(port, 60000)
            answer = session.request(OP_GET_DATA, text(path) + b"\0")
            session.drop()
            if answer is not None and answer[1] == 0:
                return time.monotonic() - begun
        except OSError:
            pass
        time.sleep(0.002)
    raise AssertionError(f"no read of {path} within {seconds} s")


def znode_path(i):
    return f"/g/b{i // 1000:05}/k{i:08}"


def populate(port, first, last):
    """Creates in multis, of which a few are in flight: a client in Python is to be no slower than the server."""
    pipe = Pipe(port, window=8)
    parents = [znode_path(i).rsplit("/", 1)[0] for i in range(first // 1000 * 1000, last, 1000)]
    pipe.run(OP_CREATE, map(create_body, parents), allowed=(-110,))
    starts = range(first, last, CREATES_A_MULTI)
    pipe.run(OP_MULTI, (multi((OP_CREATE, create_body(znode_path(i)))
                              for i in range(at, min(last, at + CREATES_A_MULTI))) for at in starts))
    pipe.session.drop()


def in_processes(target, arguments):
    processes = [multiprocessing.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0, f"a client ended with {process.exitcode}"


def make_znodes(port, count):
    """`count` znodes of 100 bytes, 1,000 below one parent, by four clients."""
    session = RawSession(port, 60000)
    session.request(OP_CREATE, create_body("/g"))
    session.drop()
    each = -(-count // 4)
    in_processes(populate, [(port, at, min(count, at + each)) for at in range(0, count, each)])


def descriptors_allowed(wanted):
    """Lets this process and its children have `wanted` descriptors, or as many as it may. How many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for count in (wanted, min(wanted, hard)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), max(hard, count)))
            return max(soft, count)
    return soft


def hold_sessions(port, count, connected, source, timeout_ms, prepare, ready, done):
    """Opens sessions from one address, many handshakes at a time; so many of them stay connected, until `done`.
    `prepare`: called with each."""
    sessions = []
    for at in range(0, count, 50):
        fresh = [RawSession(port, timeout_ms, wait=False, source=source) for _ in range(min(50, count - at))]
        for session in fresh:
            session.established()
            if prepare is not None:
                prepare(session)
            if len(sessions) < connected:
                sessions.append(session)
            else:
                session.drop()
    ready.release()
    done.wait()


class Crowd:
    """Many sessions, held by processes of their own until the end of the block. When `connected` is smaller than
    `count`, the others have lost their connections."""

    def __init__(self, port, count, timeout_ms=600000, prepare=None, connected=None, network=1):
        connected = count if connected is None else connected
        self.ready, self.done = multiprocessing.Semaphore(0), multiprocessing.Event()
        parts = [min(SESSIONS_A_PROCESS, count - at) for at in range(0, count, SESSIONS_A_PROCESS)]
        # An address of its own for each process: one has no more than 28,000 ports to connect from.
        self.holders = [multiprocessing.Process(target=hold_sessions,
                                                args=(port, part, part * connected // count, f"127.0.{network}.{n + 1}",
                                                      timeout_ms, prepare, self.ready, self.done))
                        for n, part in enumerate(parts)]

    def __enter__(self):
        for holder in self.holders:
            holder.start()
        for _ in self.holders:
            assert self.ready.acquire(timeout=600), "the sessions did not come up"
        return self

    def leave(self):
        """All connections end at once, their sessions do not."""
        self.done.set()
        for holder in self.holders:
            holder.join()

    def __exit__(self, *_):
        self.leave()
        return False
