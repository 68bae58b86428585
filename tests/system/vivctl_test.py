"""vivctl: what ZooKeeper's zkCli.sh was seen to print, one-shot commands, `status`, people at a terminal, and servers
that talk nonsense."""

import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
import unittest

from tests.system.apache_test import JAR, SLOW_S, ApacheServer
from tests.system.harness import (HOST, PATIENCE_S, Ensemble, ServerTest, configured, connected, figure, free_port,
                                  program, standalone, wait_until)
from tests.system.shell_driver import EXIT_CODES, Shell, commands_of, comment_of, exit_codes, step_text

FOLDER = pathlib.Path(__file__).parents[1] / "transcripts" / "vivctl"
TRANSCRIPTS = [file for file in sorted(FOLDER.glob("*.txt")) if file.name != EXIT_CODES]


def run(*arguments, text=None, home=None):
    environment = {**os.environ, "TZ": "UTC", **({"HOME": str(home)} if home else {})}
    return subprocess.run([program("vivctl"), *map(str, arguments)], text=True, timeout=PATIENCE_S, input=text or "",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def expected(transcript):
    """A transcript of zkCli.sh with vivctl's deliberate differences (docs/compatibility.md)."""
    text = re.sub(r"^! org\.apache\.commons\.cli\.\w+: ", "! ", transcript, flags=re.MULTILINE)
    text = re.sub(r"^! KeeperErrorCode = InvalidACL.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^> (create \S+ .*)\n((?:! .*\n)*)! Acl is not valid : null\n",
                  lambda m: f"> {m[1]}\n{m[2]}! Acl is not valid : {m[1].split()[1]}\n", text, flags=re.MULTILINE)
    text = re.sub(r"^! (Created )", r"\1", text, flags=re.MULTILINE)
    text = text.replace("! get [-s] [-w] path\n", "! get [-s] [-w] [-b] [-x] path\n")
    text = text.replace("! set [-s] [-v version] path data\n", "! set [-s] [-v version] [-b] path data\n")
    text = text.replace("! removewatches path [-c|-d|-a] [-l]\n", "! removewatches path [-c|-d|-p|-r|-a] [-l]\n")
    return in_order(text)


def in_order(transcript):
    """Lines of a step sorted where their order is the moment's: lists, and what the event thread printed."""
    text = re.sub(r"^\[(.*, .*)\]$", lambda m: f"[{', '.join(sorted(m[1].split(', ')))}]", transcript,
                  flags=re.MULTILINE)
    steps = re.split(r"^(?=> )", text, flags=re.MULTILINE)
    watch = re.compile(r"^\nWATCHER::\n\nWatchedEvent .*\n", re.MULTILINE)
    for i, step in enumerate(steps):
        seen = watch.findall(step)
        steps[i] = watch.sub("", step) + "".join(seen)
    return "".join(steps)


class Transcripts(ServerTest):
    maxDiff = None

    def replay(self, hosts):
        self.assertGreaterEqual(len(TRANSCRIPTS), 5)
        for file in TRANSCRIPTS:
            with self.subTest(file.name):
                transcript = file.read_text()
                shell = Shell([program("vivctl"), "-server", hosts], environment={**os.environ, "TZ": "UTC"})
                try:
                    shell.run("sync /")
                    steps = [step_text(command, shell.run(command)) for command in commands_of(transcript)]
                    self.assertEqual(shell.end("sync /"), (0, "Sync is OK\n", ""))
                finally:
                    shell.process.kill()
                    shell.process.wait()
                self.assertEqual(in_order(comment_of(transcript) + "".join(steps)), expected(transcript))

    def test_as_zkcli_on_vivariumd(self):
        server = self.own(configured(self.folder, extendedTypesEnabled="true")).start().wait_serving()
        self.replay(server.address)

    def test_exit_codes(self):
        server = self.own(standalone(self.folder)).start().wait_serving()
        codes = (FOLDER / EXIT_CODES).read_text()
        for failure in ("listquota /x", "setquota -n 0 /x"):  # docs/compatibility.md: it says so, and ends with 0
            codes = codes.replace(f"> {failure}\n= 0\n", f"> {failure}\n= 1\n")
        self.assertEqual(exit_codes([program("vivctl"), "-server", server.address], codes), codes)

    @unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
    def test_as_zkcli_on_apache(self):
        ours = configured(self.folder, extendedTypesEnabled="true")
        server = self.own(ApacheServer(ours.folder, ours.arguments, ours.port)).start().wait_serving(SLOW_S)
        self.replay(server.address)


class OneShot(ServerTest):
    def assert_fails(self, done, code, line):
        self.assertEqual((done.returncode, done.stdout), (code, ""), done)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, line)

    def test_usage(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ["-server", "-timeout", "-waitforconnection", "getAllChildrenNumber path", "deleteall", "status"]:
            self.assertIn(word, done.stdout)
        done = run("--version")
        self.assertRegex(done.stdout, r"^vivctl \d+\.\d+\.\d+\n$")
        for arguments, line in [(["--bogus"], "--bogus"), (["-server"], "-server"), (["-timeout", "x"], "timeout"),
                                (["-timeout", "0"], "timeout"), (["-server", "h:99999", "ls", "/"], "h:99999"),
                                (["-server", "", "ls", "/"], "no server"), (["-server", "h/a//b", "ls", "/"], "a//b"),
                                (["status", "more"], "status"), (["status", "-timeout", "-3"], "timeout"),
                                (["status", "--wrong"], "--wrong")]:
            with self.subTest(arguments):
                self.assert_fails(run(*arguments), 2, re.escape(line))
        self.assert_fails(run("nonsense"), 127, "Command not found: nonsense")
        self.assertIn("setquota", run("help").stdout)

    def test_commands(self):
        server = self.own(standalone(self.folder)).start().wait_serving()
        at = ["-server", server.address]
        self.assertEqual(run(*at, "create", "/a", "some words").stdout, "Created /a\n")
        done = run(*at, "get", "/a")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "some words\n", ""))
        self.assertEqual(run(*at, "create", "-s", "/a/n-", "x").stdout, "Created /a/n-0000000000\n")
        self.assert_fails(run(*at, "get", "/b"), 1, "^Node does not exist: /b$")
        self.assert_fails(run(*at, "get"), 1, r"^get \[-s\]")
        self.assert_fails(run(*at, "get", "-q", "/a"), 1, "^Unrecognized option: -q$")
        self.assertEqual(run(*at, "set", "-b", "/a", "AAEC/w==").returncode, 0)
        self.assertEqual(run(*at, "get", "-b", "/a").stdout, "AAEC/w==\n")
        self.assertIn("|00000000| 00 01 02 ff", run(*at, "get", "-x", "/a").stdout)
        with connected(server.address) as client:
            self.assertEqual(client.get("/a")[0], b"\x00\x01\x02\xff")
        begin = time.monotonic()
        run(*at, "-waitforconnection", "ls", "/")
        figure(f"vivctl, start to end with one ls: {(time.monotonic() - begin) * 1000:.0f} ms")

    def test_config(self):
        server = self.own(configured(self.folder, **{})).start().wait_serving()
        at = ["-server", f"{server.address}/somewhere"]
        done = run(*at, "config", "-s")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertIn("cZxid = 0x0\n", done.stdout)
        done = run(*at, "reconfig", "-remove", "3")
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertRegex(done.stderr, r"^KeeperErrorCode = \w.*\n$")

    def test_chroot(self):
        server = self.own(standalone(self.folder)).start().wait_serving()
        run("-server", server.address, "create", "/app")
        at = ["-server", f"{server.address},{server.address}/app"]
        self.assertEqual(run(*at, "create", "-s", "/n-", "x").stdout, "Created /n-0000000000\n")
        self.assertEqual(run(*at, "ls", "-R", "/").stdout, "/\n/n-0000000000\n")
        self.assertEqual(run(*at, "get", "/nothing").stderr, "Node does not exist: /nothing\n")
        done = run(*at, text="get -w /n-0000000000\nset /n-0000000000 y\ncreate -e /e x\ngetEphemerals\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"type:NodeDataChanged path:/n-0000000000 zxid")
        self.assertIn("Created /e\n[/e]\n", done.stdout)
        self.assertEqual(run("-server", server.address, "ls", "/app").stdout, "[n-0000000000]\n")

    def test_script(self):
        server = self.own(standalone(self.folder)).start().wait_serving()
        done = run("-server", server.address, text="# a comment\n\ncreate /s 'a b'\nget /s\nget /t\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (1, "Created /s\na b\n", "Node does not exist: /t\n"))
        done = run("-server", server.address, text="get /t\nls /\nquit\nget /t\n")
        self.assertEqual((done.returncode, done.stdout), (0, "[s, zookeeper]\n"))
        done = run("-server", server.address, text="close\nls /\nconnect\nls /\nredo 1\nhistory")
        self.assertEqual(done.stderr, "Not connected\n")
        self.assertTrue(done.stdout.startswith("[s, zookeeper]\n[s, zookeeper]\n0 - close\n"), done.stdout)
        self.assertTrue(done.stdout.endswith("4 - ls /\n5 - history\n"), done.stdout)

    def test_many_znodes(self):
        server = self.own(standalone(self.folder)).start().wait_serving()
        at = ["-server", server.address]
        commands = ["create /m"] + [f"create /m/{i}\ncreate /m/{i}/x" for i in range(600)]
        self.assertEqual(run(*at, text="\n".join(commands)).returncode, 0)
        self.assertEqual(run(*at, "getAllChildrenNumber", "/m").stdout, "1200\n")
        self.assertEqual(len(run(*at, "ls", "-R", "/m").stdout.splitlines()), 1201)
        done = run(*at, "deleteall", "-b", "7", "/m")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(run(*at, "ls", "/").stdout, "[zookeeper]\n")
        self.assert_fails(run(*at, "deleteall", "/"), 1, "^Failed to delete some node")

    def test_nobody_there(self):
        at = ["-server", f"{HOST}:{free_port()}"]
        self.assert_fails(run(*at, "ls", "/"), 1, r"ConnectionLoss for / \(127.0.0.1:\d+: Connection refused\)$")
        self.assert_fails(run(*at, "-timeout", "300", "-waitforconnection", "ls", "/"), 1,
                          r"no session within 300 ms \(.*Connection refused\)$")


class Status(ServerTest):
    def rows(self, done):
        lines = done.stdout.splitlines()
        self.assertTrue(lines[0].startswith("SERVER"), done)
        return {line.split()[0]: line for line in lines[1:-1]}

    def test_standalone(self):
        server = self.own(standalone(self.folder)).start().wait_serving()
        done = run("status", "-server", server.address)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertRegex(self.rows(done)[server.address], r" standalone +rw +0x[0-9a-f]+ +\d+ +\d+ +\d+/[\d.]+/\d+ ")
        self.assertIn("1 of 1 answer", done.stdout)
        gone = f"{HOST}:{free_port()}"
        done = run("-server", f"{server.address},{gone}", "status", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        told = json.loads(done.stdout)
        self.assertTrue(told["healthy"])
        self.assertEqual([member["server"] for member in told["members"]], [server.address, gone])
        self.assertEqual([member["reachable"] for member in told["members"]], [True, False])
        self.assertEqual((told["members"][0]["role"], told["members"][0]["mode"]), ("standalone", "rw"))
        self.assertEqual(told["members"][1]["error"], "Connection refused")
        done = run("-server", gone, "status")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, "unreachable: Connection refused")
        self.assertIn("0 of 1 answer, no leader", done.stdout)

    def roles(self, ensemble):
        """The exit code, and each server's role by its number."""
        done = run("status", "-server", ensemble.hosts(), "--json")
        self.assertEqual(done.stderr, "")
        told = json.loads(done.stdout)
        self.assertEqual(told["healthy"], done.returncode == 0)
        return done.returncode, dict(zip(ensemble.servers, (member["role"] for member in told["members"])))

    def test_ensemble(self):
        ensemble = self.own(Ensemble(self.folder)).start().wait_serving()
        code, roles = self.roles(ensemble)
        self.assertEqual((code, sorted(roles.values())), (0, ["follower", "follower", "leader"]))
        leader = next(n for n, role in roles.items() if role == "leader")
        done = run("status", "-server", ensemble.hosts())
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertIn(f"3 of 3 answer, leader {ensemble[leader].address}\n", done.stdout)
        self.assertEqual(len(self.rows(done)), 3)
        ensemble[leader].kill()
        wait_until(lambda: sorted(filter(None, self.roles(ensemble)[1].values())) == ["follower", "leader"],
                   "a leader of two")
        done = run("status", "-server", ensemble.hosts())
        self.assertIn("2 of 3 answer", done.stdout)
        self.assertIn("unreachable: Connection refused", self.rows(done)[ensemble[leader].address])
        left = [n for n in ensemble.servers if n != leader]
        ensemble[left[0]].kill()
        wait_until(lambda: self.roles(ensemble)[0] == 1, "the end of service")
        done = run("status", "-server", ensemble.hosts())
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 of 3 answer, no leader", done.stdout)
        self.assertIn("not currently serving", self.rows(done)[ensemble[left[1]].address])

    def test_without_words(self):
        def serve(connection, answer, read_only):
            first = read_exactly(connection, 4)
            if first == b"srvr":
                connection.sendall(answer)
                return
            read_exactly(connection, struct.unpack(">i", first)[0])
            connection.sendall(WELCOME[:-1] + bytes([read_only]))
            xid, _ = struct.unpack(">ii", read_frame(connection))
            connection.sendall(frame(struct.pack(">iqi", xid, 0x17, 0)))
        refusal = b"srvr is not executed because it is not in the whitelist.\n"
        for answer, read_only, code, row in [
                (refusal, False, 0, r" - +rw +0x17 .* not in the whitelist\.$"),
                (b"", False, 0, r" - +rw +0x17 .* no answer to srvr$"),
                (b"", True, 1, r" read-only +ro +0x17 ")]:
            with self.subTest(answer, read_only=read_only):
                door = Door(lambda connection: serve(connection, answer, read_only))
                self.addCleanup(door.close)
                done = run("status", "-server", door.address)
                self.assertEqual((done.returncode, done.stderr), (code, ""), done)
                self.assertRegex(self.rows(done)[door.address], row)

    def test_read_only(self):
        keys = {"readonlymode.enabled": "true", "localSessionsEnabled": "true"}
        ensemble = self.own(Ensemble(self.folder, **keys)).start().wait_serving()
        self.assertEqual(run("-server", ensemble.hosts(), "create", "/r", "x").returncode, 0)
        ensemble[1].kill()
        ensemble[2].kill()
        at = ["-server", ensemble[3].address, "-timeout", "2000"]
        wait_until(lambda: " read-only " in run("status", *at[:2]).stdout, "read-only service")
        done = run(*at, "-r", "get", "/r")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual((done.stdout, done.stderr), ("x\n", ""))
        done = run(*at, "-r", "set", "/r", "y")
        self.assertEqual((done.returncode, done.stderr), (1, "Not a read-only call: /r\n"))
        done = run(*at, "get", "/r")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, "^KeeperErrorCode = ConnectionLoss for /r .*without a session")
        done = run("status", *at[:2])
        self.assertEqual((done.returncode, done.stderr), (1, ""), done)
        self.assertRegex(self.rows(done)[ensemble[3].address], r" read-only +ro +0x")

    @unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
    def test_apache(self):
        ours = configured(self.folder)
        server = self.own(ApacheServer(ours.folder, ours.arguments, ours.port)).start().wait_serving(SLOW_S)
        done = run("status", "-server", server.address, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        member = json.loads(done.stdout)["members"][0]
        self.assertEqual((member["role"], member["mode"], member["error"]), ("standalone", "rw", None))
        self.assertRegex(member["version"], r"^3\.8\.")
        self.assertRegex(member["zxid"], r"^0x[0-9a-f]+$")
        self.assertRegex(member["latency_ms"], r"^\d+/[\d.]+/\d+$")
        self.assertEqual(member["outstanding"], 0)


class Door:
    """A listening socket; `serve(connection)` runs on a thread for every connection."""

    def __init__(self, serve):
        self.serve = serve
        self.listener = socket.create_server((HOST, 0))
        self.address = f"{HOST}:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve_one, args=(connection,), daemon=True).start()

    def serve_one(self, connection):
        with contextlib.suppress(OSError), connection:
            self.serve(connection)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def read_frame(connection):
    return read_exactly(connection, struct.unpack(">i", read_exactly(connection, 4))[0])


def frame(data):
    return struct.pack(">i", len(data)) + data


WELCOME = frame(struct.pack(">iiqi16sB", 0, 10000, 0x1234, 16, b"p" * 16, 0))


class Nonsense(ServerTest):
    def answered_with(self, *answers):
        """A server that answers the handshake with answers[0], the first request with answers[1], ..."""
        def serve(connection):
            for answer in answers:
                read_frame(connection)
                connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        door = Door(serve)
        self.addCleanup(door.close)
        return door.address

    def test_one_line_for_it(self):
        ok = struct.pack(">iqi", 1, 5, 0)
        for answers, line in [
                ([b""], "without a session"),
                ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "a frame of"),
                ([struct.pack(">i", -1)], "a frame of"),
                ([frame(b"short")], "handshake makes no sense"),
                ([frame(struct.pack(">iiqi", 0, 10000, 7, 2**30))], "handshake makes no sense"),
                ([WELCOME, b""], "closed the connection"),
                ([WELCOME, frame(b"abc")], "too short"),
                ([WELCOME, frame(struct.pack(">iqi", 77, 5, 0))], "not asked"),
                ([WELCOME, frame(struct.pack(">iqi", -1, 5, 0) + b"x")], "watch event"),
                ([WELCOME, struct.pack(">i", 2**31 - 1)], "a frame of 2147483647 bytes"),
                ([WELCOME, frame(ok)], "answer to getChildren makes no sense"),
                ([WELCOME, frame(ok + struct.pack(">i", 2**30))], "answer to getChildren makes no sense"),
                ([WELCOME, frame(ok + struct.pack(">ii", 1, -7))], "answer to getChildren makes no sense"),
                ([WELCOME, frame(struct.pack(">iqi", 1, 5, -12345))], "Unknown error -12345 for /"),
                ([frame(bytes(37))], "Session expired for /")]:
            with self.subTest(line, answers=answers):
                done = run("-server", self.answered_with(*answers), "-timeout", "2000", "ls", "/")
                self.assertEqual((done.returncode, done.stdout), (1, ""), done)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertRegex(done.stderr, line)

    def test_answers_cut_short(self):
        """Every beginning of a right answer, and every second byte of it replaced by one that makes lengths large."""
        stat_bytes = struct.pack(">qqqqiiiqiiq", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
        text = lambda value: struct.pack(">i", len(value)) + value
        answers = {
            ("ls", "-s", "/"): struct.pack(">i", 2) + text(b"one") + text(b"two") + stat_bytes,
            ("getAcl", "/"): struct.pack(">ii", 1, 31) + text(b"world") + text(b"anyone") + stat_bytes,
            ("whoami",): struct.pack(">i", 1) + text(b"ip") + text(b"10.0.0.1"),
        }
        answer = [b""]

        def serve(connection):
            read_frame(connection)
            connection.sendall(WELCOME)
            read_frame(connection)
            connection.sendall(frame(struct.pack(">iqi", 1, 5, 0) + answer[0]))
            with contextlib.suppress(OSError):
                read_frame(connection)  # closeSession
                connection.sendall(frame(struct.pack(">iqi", 2, 5, 0)))
        door = Door(serve)
        self.addCleanup(door.close)
        for command, whole in answers.items():
            answer[0] = whole
            self.assertEqual(run("-server", door.address, *command).returncode, 0)
            changed = [whole[:at] + b"\x7f" + whole[at + 1:] for at in range(0, len(whole), 2)]
            for answer[0] in [whole[:at] for at in range(len(whole))] + changed:
                done = run("-server", door.address, *command)
                self.assertIn(done.returncode, (0, 1), (command, answer[0], done))
                self.assertEqual(len(done.stderr.splitlines()), done.returncode, (command, answer[0], done))
                if len(answer[0]) < len(whole):
                    self.assertEqual((done.returncode, done.stdout), (1, ""), (command, answer[0], done))

    def test_status_of_it(self):
        def flood(connection):
            with contextlib.suppress(OSError):
                while True:
                    connection.sendall(b"x" * 65536)
        door = Door(flood)
        self.addCleanup(door.close)
        silent = Door(lambda connection: connection.recv(1) and connection.recv(4096) and None)
        self.addCleanup(silent.close)
        done = run("status", "-server", f"{door.address},{silent.address}", "-timeout", "1000")
        self.assertEqual((done.returncode, done.stderr), (1, ""), done)
        self.assertIn("0 of 2 answer", done.stdout)

    def test_silence(self):
        stop = threading.Event()
        self.addCleanup(stop.set)
        door = Door(lambda connection: stop.wait())
        self.addCleanup(door.close)
        done = run("-server", door.address, "-timeout", "300", "ls", "/")
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertRegex(done.stderr, r"ConnectionLoss for / \(.*no answer in time\)\n$")


class Passage:
    """Passes bytes to a server, until cut() ends all connections."""

    def __init__(self, port):
        self.port = port
        self.open = []
        self.shut = False
        self.door = Door(self.serve)
        self.address = self.door.address

    def serve(self, connection):
        if self.shut:
            return
        with socket.create_connection((HOST, self.port)) as server:
            pair = (connection, server)
            self.open.append(pair)
            other = {connection: server, server: connection}
            while True:
                for one in select.select(pair, [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    other[one].sendall(data)

    def cut(self, shut):
        self.shut = shut
        for pair in self.open:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self.open = []


class Moves(ServerTest):
    def test_session_survives_its_connection(self):
        server = self.own(standalone(self.folder)).start().wait_serving()
        passage = Passage(server.port)
        self.addCleanup(passage.door.close)
        shell = Shell([program("vivctl"), "-server", passage.address])
        self.addCleanup(shell.process.wait)
        self.addCleanup(shell.process.kill)
        shell.run("create /m x")
        shell.run("create -e /eph x")
        shell.run("addauth digest me:secret")
        shell.run("create /mine x auth::cdrwa")
        shell.run("get -w /m")
        shell.run("addWatch /deep")
        passage.cut(shut=True)
        with connected(server.address) as client:
            client.set("/m", b"y")
            passage.shut = False
            # The watch was gone with the connection: only setWatches can tell.
            shell.wait_for(lambda: "type:NodeDataChanged path:/m" in shell.text["out"], "the missed event")
            client.create("/deep")
            shell.wait_for(lambda: "type:NodeCreated path:/deep" in shell.text["out"], "the persistent watch")
        shell.run("sync /")
        self.assertEqual(shell.run("getEphemerals"), ("[/eph]\n", ""))
        self.assertEqual(shell.run("get /mine"), ("x\n", ""))
        self.assertEqual(shell.end("sync /"), (0, "Sync is OK\n", ""))
        self.assertEqual(run("-server", server.address, "ls", "/").stdout, "[deep, m, mine, zookeeper]\n")

    def test_next_server(self):
        ensemble = self.own(Ensemble(self.folder)).start().wait_serving()
        shell = Shell([program("vivctl"), "-server", ensemble.hosts()])
        self.addCleanup(shell.process.wait)
        self.addCleanup(shell.process.kill)
        self.assertEqual(shell.run("create -e /eph x"), ("Created /eph\n", ""))
        for n in (1, 2, 3):  # one of them is the one that the shell has
            ensemble[n].kill()
            wait_until(lambda: shell.run("getEphemerals") == ("[/eph]\n", ""), "the session elsewhere")
            ensemble[n].start()
            ensemble.wait_serving()
        self.assertEqual(shell.end("sync /"), (0, "Sync is OK\n", ""))


class Person:
    """vivctl at a terminal."""

    def __init__(self, home, *arguments):
        environment = {**os.environ, "HOME": str(home), "TERM": "vt100", "LC_ALL": "C.UTF-8"}
        file = program("vivctl")
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            try:
                os.execve(file, ["vivctl", *arguments], environment)
            finally:
                os._exit(126)
        self.seen = ""

    def type(self, text):
        os.write(self.terminal, text.encode())

    def sees(self, pattern):
        """Waits for it, and forgets what stood before its end."""
        deadline = time.monotonic() + PATIENCE_S
        while not (match := re.search(pattern, self.seen)):
            if not select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"waited for {pattern}; saw {self.seen!r}")
            try:
                self.seen += os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"ended before {pattern}; saw {self.seen!r}") from None
        self.seen = self.seen[match.end():]
        return match

    def end(self):
        """The exit code."""
        with contextlib.suppress(OSError):
            while select.select([self.terminal], [], [], PATIENCE_S)[0] and (data := os.read(self.terminal, 65536)):
                self.seen += data.decode(errors="replace")
        ended = lambda: os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        try:
            wait_until(ended, "the end of vivctl")
        finally:
            if not ended():
                os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(status)


class Interactive(ServerTest):
    PROMPT = r"\[zk: \S+\(CONNECTED\) \d+\] "

    def test_a_session(self):
        server = self.own(standalone(self.folder)).start().wait_serving()
        person = Person(self.folder, "-server", server.address)
        person.sees(self.PROMPT)
        person.type("create /colours x\n")
        person.sees("Created /colours\r\n")
        person.sees(self.PROMPT)
        person.type("create /colours/red r\ncreate /colours/rose r\n")
        person.sees("Created /colours/rose\r\n")
        person.sees(self.PROMPT)
        person.type("getAllCh\t")  # a command
        person.sees("ildrenNumber ")
        person.type("/col\t\n")  # and a path
        person.sees("\r\n2\r\n")
        person.sees(self.PROMPT)
        person.type("get /colours/r\t\t")  # two of them
        person.sees("/colours/red  /colours/rose")
        person.type("o\t\n")
        person.sees("\r\nr\r\n")
        person.sees(self.PROMPT)
        person.type("addauth digest me:secret\n")
        person.sees(self.PROMPT)
        person.type("setAcl /colours/red world:anyone:cdrwa,digest:me:secret-hash:r\n")
        person.sees(self.PROMPT)
        person.type("get -w /colours\n")
        person.sees("\r\nx\r\n")
        person.sees(self.PROMPT)
        person.type("ls /")  # in the middle of a line an event comes
        with connected(server.address) as client:
            client.set("/colours", b"\x1b[2J\x07")
        person.sees("WATCHER::")
        person.sees("type:NodeDataChanged path:/colours")
        person.type("colours\n")
        person.sees(r"\[red, rose\]")
        person.sees(self.PROMPT)
        person.type("get /colours\n")  # what a server sends does not drive the terminal
        person.sees(re.escape(r"\x1b[2J\x07"))
        person.sees(self.PROMPT)
        person.type("half a line\x03")
        person.sees(r"\^C")
        person.sees(self.PROMPT)
        person.type("get /nothing\n")
        person.sees("Node does not exist: /nothing")
        person.sees(self.PROMPT)
        person.type("\x04")
        self.assertEqual(person.end(), 1)
        history = self.folder / ".vivctl_history"
        self.assertEqual(stat.S_IMODE(history.stat().st_mode), 0o600)
        kept = history.read_text()
        self.assertIn("get", kept)
        self.assertNotIn("secret", kept)

        person = Person(self.folder, "-server", server.address)
        person.sees(self.PROMPT)
        person.type("\x10")  # the line before
        person.sees("get /nothing")
        person.type("\x03")
        person.sees(self.PROMPT)
        person.type("quit\n")
        self.assertEqual(person.end(), 0)

    def test_interrupted_commands(self):
        gone = f"{HOST}:{free_port()}"
        stop = threading.Event()
        self.addCleanup(stop.set)
        door = Door(lambda connection: stop.wait())
        self.addCleanup(door.close)
        for address in (gone, door.address):
            with self.subTest(address):
                person = Person(self.folder, "-server", address)
                person.sees(r"\(CONNECTING\) 0\] ")
                if address == door.address:
                    person.type("ls /\n")
                    person.sees(r"ls /\r\n")
                    os.kill(person.pid, signal.SIGINT)
                    person.sees("Interrupted")
                    person.sees(r"\(CONNECTING\) 1\] ")
                person.type("\x04")
                self.assertEqual(person.end(), 1 if address == door.address else 0)


if __name__ == "__main__":
    unittest.main()
