"""What a person meets at the command line: help, mistakes, and things that are in the way."""

import pathlib
import re
import shutil
import signal
import subprocess
import unittest

from tests.system.harness import (HOST, PATIENCE_S, Ensemble, ServerTest, connected, cpu_seconds, free_port, program,
                                  standalone, wait_until)


def run(*arguments):
    return subprocess.run([program("vivariumd"), *map(str, arguments)], text=True, timeout=PATIENCE_S,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Usage(ServerTest):
    def assert_refused(self, done, code, pattern):
        """The given code, and one clear line on stderr."""
        self.assertEqual(done.returncode, code, done)
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertRegex(lines[0], re.compile(pattern, re.IGNORECASE))

    def test_help_and_version(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ["zoo.cfg", "--data-dir", "--client-port", "--listen", "--version"]:
            self.assertIn(word, done.stdout)
        done = run("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\d+\.\d+\.\d+")

    def test_install(self):
        """Where a package would put it, and a unit that systemd takes, which runs what was installed."""
        build = pathlib.Path(program("vivariumd")).parents[1]
        prefix = self.folder / "prefix"
        subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, capture_output=True,
                       timeout=PATIENCE_S)
        for name in ("vivariumd", "vivctl"):
            done = subprocess.run([prefix / "bin" / name, "--version"], capture_output=True, text=True, check=False,
                                  timeout=PATIENCE_S)
            self.assertEqual(done.returncode, 0, done)
        unit = prefix / "lib" / "systemd" / "system" / "vivarium.service"
        self.assertIn(f"\nExecStart={prefix}/bin/vivariumd /etc/vivarium/zoo.cfg\n", unit.read_text())
        self.assertTrue((prefix / "lib" / "sysusers.d" / "vivarium.conf").exists())
        if shutil.which("systemd-analyze"):
            done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False,
                                  timeout=PATIENCE_S)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_wrong_usage(self):
        data = self.folder / "data"
        for arguments, pattern in [
                (["--no-such-flag"], "no-such-flag"),
                (["--data-dir", data, "--client-port", "70000"], "port"),
                (["--data-dir", data, "--client-port", "many"], "port"),
                (["--data-dir", data, "--client-port", "-1"], "port"),
                ([self.folder / "missing.cfg"], "missing.cfg"),
                ([self.folder / "a.cfg", self.folder / "b.cfg"], "b.cfg|argument|usage"),
                ([self.folder / "a.cfg", "--data-dir", data], "data-dir|zoo.cfg|a.cfg")]:
            with self.subTest(arguments):
                self.assert_refused(run(*arguments), 2, pattern)

    def configured(self, *lines):
        path = self.folder / "zoo.cfg"
        (self.folder / "data").mkdir(exist_ok=True)
        path.write_text("\n".join([f"dataDir={self.folder / 'data'}", f"clientPort={free_port()}", *lines]) + "\n")
        return path

    def test_wrong_configuration(self):
        server = "server.1=127.0.0.1:2888:3888"
        other = "server.2=127.0.0.1:2889:3889"
        limits = ["initLimit=10", "syncLimit=5"]
        self.assert_refused(run(self.configured(*limits, server, other)), 2, "myid")
        my_id = self.folder / "data" / "myid"
        for content, pattern in [("", "myid"), ("one", "one"), ("7", "server.7")]:
            with self.subTest(myid=content):
                my_id.write_text(f"{content}\n")
                self.assert_refused(run(self.configured(*limits, server, other)), 2, pattern)
        my_id.write_text("1\n")
        for lines, pattern in [
                (["noSuchKey=1"], "noSuchKey"),
                (["tickTime=soon"], "tickTime"),
                (["tickTime=0"], "tickTime"),
                (["secureClientPort=2281"], "secureClientPort"),
                ([server, other], "initLimit"),
                ([*limits, server, "server.2=127.0.0.1:x:1"], "server.2"),
                ([*limits, server, "server.2=127.0.0.1:2888:3889"], "2888.*twice")]:
            with self.subTest(lines):
                self.assert_refused(run(self.configured(*lines)), 2, pattern)

    def test_ignored_keys_are_named(self):
        server = standalone(self.folder / "one")
        (self.folder / "one.cfg").write_text(
            f"dataDir={self.folder / 'one' / 'data'}\nclientPort={server.port}\nclientPortAddress={HOST}\n"
            "netty.advancedFlowControl.enabled=true\n")
        (self.folder / "one" / "data").mkdir()
        server.arguments = [str(self.folder / "one.cfg")]
        self.own(server).start().wait_serving()
        self.assertTrue(server.said(r"netty\.advancedFlowControl\.enabled is ignored"), server.lines())

    def test_a_directory_in_use(self):
        server = self.own(standalone(self.folder / "one")).start().wait_serving()
        done = run("--data-dir", self.folder / "one" / "data", "--client-port", free_port(), "--listen", HOST)
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, r"(?i)in use|locked|another")
        with connected(server.address, seconds=10) as client:
            client.create("/still", b"here")

    def test_a_port_in_use(self):
        server = self.own(standalone(self.folder / "one")).start().wait_serving()
        done = run("--data-dir", self.folder / "two", "--client-port", server.port, "--listen", HOST)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(str(server.port), done.stderr)

    def test_a_directory_that_cannot_be(self):
        (self.folder / "file").write_text("")
        done = run("--data-dir", self.folder / "file" / "data", "--client-port", free_port(), "--listen", HOST)
        self.assertIn(done.returncode, (1, 2), done)
        self.assertIn("file", done.stderr)


class Simulator(unittest.TestCase):
    """vivsim's own mistakes: one line, and nothing that grows with the number of seeds."""

    def run_it(self, *arguments):
        return subprocess.run([program("vivsim"), *arguments], text=True, timeout=PATIENCE_S,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_wrong_usage(self):
        for arguments, pattern in [
                ([], "subcommand"),
                (["run"], "--seeds FIRST:COUNT"),
                (["run", "--seeds"], "--seeds"),
                (["run", "--seeds", "1:0"], '"1:0"'),
                (["run", "--seeds", "18446744073709551615:2"], '"18446744073709551615:2"'),
                (["run", "--seeds", "18446744073709551616:1"], '"18446744073709551616:1"'),
                (["run", "--seed", "many"], "many"),
                (["run", "--seeds", "1:1", "--jobs", "0"], "--jobs"),
                (["run", "--seeds", "1:9", "--shard", "3/3"], '"3/3"'),
                (["run", "--seeds", "1:9", "--shard", "3"], '"3"'),
                (["run", "--seeds", "1:9", "--time", "10"], '"10"'),
                (["run", "--seeds", "1:9", "--time", "0s"], '"0s"'),
                (["run", "--seeds", "1:9", "--twice", "1/0"], '"1/0"'),
                (["run", "--seeds", "1:9", "--twice", "2/3"], '"2/3"'),
                (["run", "--no-such-flag"], "no-such-flag"),
                (["merge"], "FILE"),
                (["replay"], "SEED"),
                (["replay", "x"], '"x"'),
                (["shrink", "1"], "--out"),
                (["shrink", "x", "-o", "y"], '"x"'),
                (["run", "--seed", "1", "--save", "/nowhere"], "/nowhere")]:
            with self.subTest(arguments):
                done = self.run_it(*arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertRegex(done.stderr, r"\Avivsim: [^\n]*" + re.escape(pattern) + r"[^\n]*\n\Z")

    def test_a_range_without_end_runs(self):
        """Far more seeds than anything could be kept of each; the last one there is among them."""
        with subprocess.Popen([program("vivsim"), "run", "--seeds", "1:18446744073709551615"], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
            try:
                wait_until(lambda: running.poll() is not None or cpu_seconds(running.pid) > 0.5, "schedules that run")
                self.assertIsNone(running.poll())
            finally:
                running.kill()
        self.assertEqual(self.run_it("run", "--seeds", "18446744073709551615:1").returncode, 0)


class Stopping(ServerTest):
    def test_ctrl_c_and_sigterm_with_a_client_connected(self):
        server = self.own(standalone(self.folder / "one"))
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                server.start().wait_serving()
                with connected(server.address, seconds=10) as client:
                    client.ensure_path("/here")
                    server.signal(number)
                    self.assertEqual(server.exit_code(), 0, server.lines())
                self.assertTrue(server.said("stopping: stopped as asked"), server.lines())

    def test_a_server_that_waits_for_its_ensemble(self):
        server = self.own(Ensemble(self.folder))[1].start()
        wait_until(lambda: server.said("looking"), "an election")
        self.assertFalse(server.serves())
        self.assertEqual(server.terminate(), 0, server.lines())


if __name__ == "__main__":
    unittest.main()
