"""What operators ask: four-letter words, the AdminServer, Prometheus, the audit log; one server and three, and
the fields beside those of Debian's ZooKeeper 3.8."""

import contextlib
import json
import pathlib
import re
import socket
import subprocess
import unittest
import urllib.error
import urllib.request

from tests.system.harness import (HOST, PATIENCE_S, Ensemble, Server, ServerTest, configured, connected,
                                  four_letter_word, free_port, is_open, standalone, wait_until)

JAR = pathlib.Path("/usr/share/java/zookeeper.jar")
SERVLETS = pathlib.Path("/usr/share/java/servlet-api.jar")  # which the AdminServer needs and JAR does not name
WORDS = ["conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst", "srvr", "stat",
         "wchc", "wchp", "wchs"]
IDENTITY = {"Authorization": "digest admin:secret"}


def fetch(port, path, headers=IDENTITY):
    """Status, content type and body."""
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def ask_and_end_half(port, text):
    """What is answered to an asker that will say no more."""
    with socket.create_connection((HOST, port), timeout=PATIENCE_S) as link:
        link.sendall(text.encode())
        link.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: link.recv(65536), b"")).decode("latin-1")


def command(port, name, headers=IDENTITY):
    return json.loads(fetch(port, f"/commands/{name}", headers)[2])


def shape(text):
    """A four-letter answer with what differs from run to run taken out."""
    text = re.sub(r"Zookeeper version: .*", "Zookeeper version: V", text)
    text = re.sub(r"expire at .*?:\n", "expire at T:\n", text)
    text = re.sub(r"/127\.0\.0\.1:\d+", "/A", text)
    text = re.sub(r"0x[0-9a-f]{12,}", "0xS", text)
    return re.sub(r"(=|: |/|\()[0-9.]+", r"\1N", text)


def with_admin(keys):
    """Ports of the AdminServer and of Prometheus, and the keys that open them."""
    admin, metrics = free_port(), free_port()
    return admin, metrics, {
        "4lw.commands.whitelist": "*", "admin.serverPort": admin, "audit.enable": "true",
        "metricsProvider.className": "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
        "metricsProvider.httpHost": HOST, "metricsProvider.httpPort": metrics, **keys}


class OneServer(ServerTest):
    def setUp(self):
        super().setUp()
        self.admin, self.metrics, keys = with_admin({})
        self.server = self.own(configured(self.folder / "one", **keys)).start().wait_serving()

    def test_words(self):
        for word in WORDS:
            self.assertNotIn("whitelist", four_letter_word(self.server.port, word), word)
        self.assertEqual(four_letter_word(self.server.port, "ruok"), "imok")
        self.assertIn("not in the whitelist", four_letter_word(self.server.port, "stmk"))
        self.assertIn("\nMode: standalone\n", four_letter_word(self.server.port, "srvr"))

    def test_an_asker_may_end_its_half(self):
        """As ZooKeeper's own FourLetterWordMain does, and nc -N."""
        with connected(self.server.address) as client:
            for number in range(3000):
                client.exists_async(f"/watched-{number}", watch=lambda event: None)
            client.sync("/")
            for word, wanted in (("conf", "clientPort="), ("dirs", "logdir_size: "), ("wchp", "/watched-2999")):
                for _ in range(10):
                    self.assertIn(wanted, ask_and_end_half(self.server.port, word), word)

    def test_who_asks_by_http_may_end_its_half(self):
        """All that was asked for comes, and then the end, whatever the version of HTTP promises to keep."""
        identity = "Authorization: digest admin:secret\r\n"
        with connected(self.server.address) as client:
            for number in range(3000):
                client.exists_async(f"/watched-{number}", watch=lambda event: None)
            client.sync("/")
            for name, wanted in (("ruok", '"error" : null'), ("dirs", '"logdir_size"'), ("watches_by_path", '"/watched-2999"')):
                for version in ("1.0", "1.1"):
                    one = f"GET /commands/{name} HTTP/{version}\r\nHost: s\r\n{identity}\r\n"
                    for _ in range(5):
                        answer = ask_and_end_half(self.admin, one)
                        self.assertRegex(answer, "^HTTP/1.1 200 ", one)
                        self.assertIn(wanted, answer, one)
                        self.assertTrue(answer.endswith(("}", "\r\n0\r\n\r\n")), answer[-200:])
            several = "".join(f"GET /commands/{name} HTTP/1.1\r\nHost: s\r\n\r\n" for name in ("dirs", "ruok", "dirs"))
            self.assertEqual(ask_and_end_half(self.admin, several).count("HTTP/1.1 200 "), 3)
            self.assertIn("znode_count", ask_and_end_half(self.metrics, "GET /metrics HTTP/1.0\r\n\r\n"))
            self.assertEqual(ask_and_end_half(self.admin, "GET /commands/dirs HTT"), "")
            answer = ask_and_end_half(self.admin, f"GET /commands/snapshot?streaming=true HTTP/1.0\r\n{identity}\r\n")
            head, body = answer.split("\r\n\r\n", 1)
            self.assertEqual(int(re.search(r"\r\nContent-Length: (\d+)", head)[1]), len(body))

    def test_a_server_without_keys_answers_srvr_alone(self):
        plain = self.own(standalone(self.folder / "plain")).start().wait_serving()
        self.assertIn("Mode: standalone", four_letter_word(plain.port, "srvr"))
        self.assertEqual(four_letter_word(plain.port, "mntr"), "mntr is not executed because it is not in the whitelist.\n")

    def test_commands(self):
        self.assertEqual(command(self.admin, "ruok", {}), {"command": "ruok", "error": None})
        status, kind, _ = fetch(self.admin, "/commands")
        self.assertEqual((status, kind.split(";")[0]), (200, "text/html"))
        self.assertEqual(fetch(self.admin, "/commands/watches", {})[0], 401)
        with connected(self.server.address) as client:
            client.create("/e", b"", ephemeral=True)
            client.exists("/w", watch=lambda event: None)
            session = str(client.client_id[0])
            self.assertEqual(command(self.admin, "watches")["session_id_to_watched_paths"], {session: ["/w"]})
            self.assertEqual(command(self.admin, "dump")["session_id_to_ephemeral_paths"], {session: ["/e"]})
            self.assertIn(int(session), [c["session_id"] for c in command(self.admin, "cons")["connections"]])
            self.assertEqual(command(self.admin, "monitor")["ephemerals_count"], 1)

    def test_log_level(self):
        self.assertIn("level=debug, info", command(self.admin, "log_level?level=loud")["error"])
        self.assertEqual(command(self.admin, "log_level?level=error")["level"], "error")
        with connected(self.server.address) as client:
            client.create("/audited", b"")
        self.assertEqual(self.server.terminate(), 0)
        self.assertEqual(self.server.said(r"info .*stopping"), [])
        self.assertEqual(len(self.server.said(r"znode=/audited")), 1)  # the audit log is apart
        self.server.start().wait_serving()
        self.assertEqual(command(self.admin, "log_level?level=error")["level"], "error")
        self.assertEqual(command(self.admin, "log_level?level=info")["level"], "info")
        self.assertEqual(self.server.terminate(), 0)
        self.assertEqual(len(self.server.said(r"info +stopping: ")), 1)

    def test_audit(self):
        with connected(self.server.address) as client:
            session = f"session=0x{client.client_id[0]:x}"
            client.create("/a", b"", ephemeral=True)
            client.set("/a", b"1")
            with contextlib.suppress(Exception):
                client.delete("/none")
        user = rf"{session}\tuser=127\.0\.0\.1\tip=127\.0\.0\.1\t"
        for line in [user + r"operation=create\tznode=/a\tznode_type=ephemeral\tresult=success",
                     user + r"operation=setData\tznode=/a\tresult=success",
                     user + r"operation=delete\tznode=/none\tresult=failure",
                     session + r"\tuser=\S+\toperation=ephemeralZNodeDeletionOnSessionCloseOrExpire\tznode=/a\t"
                     r"result=success"]:
            wait_until(lambda: self.server.said(line), line)  # pylint: disable=cell-var-from-loop

    def test_prometheus(self):
        status, kind, text = fetch(self.metrics, "/metrics")
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
        names = set()
        for line in text.splitlines():
            if not line.startswith("#"):
                match = re.fullmatch(r'([a-z_]+)(\{quantile="[0-9.]+",\})? (-?[0-9.]+)', line)
                self.assertIsNotNone(match, line)
                names.add(match.group(1))
        # What the alert rules of ZooKeeper's documentation are made of.
        for name in ["znode_count", "num_alive_connections", "approximate_data_size", "watch_count",
                     "open_file_descriptor_count", "fsynctime_sum", "avg_latency"]:
            self.assertIn(name, names)

    def test_the_usual_port_may_be_taken(self):
        """Two servers with no word about the AdminServer: the second says so, and serves."""
        both = [self.own(standalone(self.folder / name)).start().wait_serving() for name in ("first", "second")]
        self.assertTrue(any(server.said(r"AdminServer.*cannot bind .*8080") for server in both) or not is_open(8080))
        for server in both:
            self.assertIn("Mode: standalone", four_letter_word(server.port, "srvr"))

    def test_a_port_that_was_asked_for_may_not(self):
        other = configured(self.folder / "other", **{"admin.serverPort": self.admin})
        self.own(other).start()
        self.assertEqual(other.exit_code(), 1)
        self.assertTrue(other.said(rf"AdminServer.*cannot bind .*{self.admin}"), other.lines())


class ThreeServers(ServerTest):
    def test_a_member_starts_without_its_admin_server(self):
        """As ZooKeeper's, though the port was asked for: a warning that names it, and a majority more."""
        with socket.create_server((HOST, 0)) as taken:
            port = taken.getsockname()[1]
            ensemble = self.own(Ensemble(self.folder, **{"admin.serverAddress": HOST, "admin.serverPort": port}))
            ensemble.start().wait_serving()
            for server in ensemble.servers.values():
                self.assertTrue(server.said(rf"warning.*AdminServer.*cannot bind .*{port}"), server.lines())

    def test_roles(self):
        ports = {}
        ensemble = self.own(Ensemble(self.folder, **{"4lw.commands.whitelist": "*"}))
        for n, server in ensemble.servers.items():
            ports[n] = free_port()
            with open(server.folder / "zoo.cfg", "a", encoding="ascii") as cfg:
                cfg.write(f"admin.serverPort={ports[n]}\n")
        ensemble.start().wait_serving()
        leader = ensemble.wait_leader()
        for n, server in ensemble.servers.items():
            role = "leader" if n == leader else "follower"
            self.assertIn(f"\nMode: {role}\n", four_letter_word(server.port, "srvr"))
            self.assertIn(f"zk_server_state\t{role}\n", four_letter_word(server.port, "mntr"))
            self.assertEqual(command(ports[n], "leader"), {"is_leader": n == leader, "leader_id": leader,
                                                           "leader_ip": HOST, "command": "leader", "error": None})
            self.assertEqual(sorted(command(ports[n], "voting_view")["current_config"]), ["1", "2", "3"])
            self.assertEqual(command(ports[n], "zabstate")["zabstate"], "broadcast")
        self.assertIn("zk_synced_followers\t2\n", four_letter_word(ensemble[leader].port, "mntr"))
        # One alone is up, and says that it does not serve.
        for n in ensemble.servers:
            if n != leader:
                ensemble[n].kill()
        wait_until(lambda: "not currently serving" in four_letter_word(ensemble[leader].port, "srvr"), "that it does not serve")
        self.assertEqual(four_letter_word(ensemble[leader].port, "ruok"), "imok")
        self.assertEqual(four_letter_word(ensemble[leader].port, "isro"), "null")


class Apache(Server):
    """ZooKeeper 3.8, standalone, with the zoo.cfg that a vivariumd would have."""

    def start(self):
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(
                ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{JAR}:{SERVLETS}",
                 "org.apache.zookeeper.server.quorum.QuorumPeerMain", *self.arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        return self


@unittest.skipUnless(JAR.exists() and SERVLETS.exists(), "Debian's zookeeper is not installed")
class BesideApache(ServerTest):
    def test_words_and_commands_have_the_same_fields(self):
        admin = {}
        answers = {}
        for name in ("ours", "apache"):
            admin[name] = free_port()
            server = configured(self.folder / name, **{"4lw.commands.whitelist": "*", "admin.serverPort": admin[name],
                                                       "admin.serverAddress": HOST, "tickTime": 1000})
            if name == "apache":
                server = Apache(server.folder, server.arguments, server.port)
            self.own(server).start().wait_serving(3 * PATIENCE_S)
            with connected(server.address) as client:
                client.create("/e", b"", ephemeral=True)
                client.exists("/w", watch=lambda event: None)
                client.exists("/w")
                answers[name] = {word: four_letter_word(server.port, word) for word in WORDS}
                answers[name].update({f"/{path}": command(admin[name], path) for path in [
                    "configuration", "connections", "dirs", "dump", "hash", "initial_configuration", "is_read_only",
                    "last_snapshot", "leader", "ruok", "server_stats", "stats", "voting_view", "watch_summary", "watches",
                    "watches_by_path", "zabstate", "nosuch"]})
        ours, apache = answers["ours"], answers["apache"]
        for word in ["crst", "dirs", "gtmk", "hash", "isro", "ruok", "srst", "srvr", "wchc", "wchp", "wchs"]:
            self.assertEqual(shape(ours[word]), shape(apache[word]), word)
        for word in ["conf", "cons", "stat"]:
            self.assertEqual(sorted(re.findall(r"\w+(?==)", ours[word])),
                             sorted(re.findall(r"\w+(?==)", apache[word])), word)
        for title in ["SessionTracker dump:", "Session Sets", "ephemeral nodes dump:", "Sessions with Ephemerals (1):",
                      "\t/e\n", "Connections dump:", "Connections Sets"]:
            self.assertIn(title, ours["dump"])
            self.assertIn(title, apache["dump"])
        keys = {name: {line.split("\t")[0] for line in answers[name]["mntr"].splitlines()} for name in answers}
        for key in ["zk_version", "zk_server_state", "zk_znode_count", "zk_watch_count", "zk_ephemerals_count",
                    "zk_approximate_data_size", "zk_outstanding_requests", "zk_num_alive_connections", "zk_avg_latency",
                    "zk_packets_received", "zk_packets_sent", "zk_open_file_descriptor_count", "zk_uptime",
                    "zk_global_sessions", "zk_last_client_response_size", "zk_cnt_fsynctime", "zk_connection_rejected",
                    "zk_connection_request_count", "zk_diff_count", "zk_snap_count", "zk_looking_count",
                    "zk_cnt_election_time", "zk_cnt_snapshottime", "zk_p99_updatelatency", "zk_auth_failed_count",
                    "zk_connection_drop_probability", "zk_outstanding_tls_handshake", "zk_bytes_received_count"]:
            self.assertIn(key, keys["ours"])
            self.assertIn(key, keys["apache"])
        # The file may hold secrets: docs/compatibility.md.
        self.assertIsNone(ours["/initial_configuration"].pop("initial_configuration"))
        self.assertIn("dataDir=", apache["/initial_configuration"].pop("initial_configuration"))
        for path in ours:
            if path.startswith("/"):
                with self.subTest(path):
                    self.assertEqual(self.fields(ours[path]), self.fields(apache[path]))
                    self.assertEqual(ours[path]["error"], apache[path]["error"])

    def fields(self, value):
        """The shape of an answer: which keys hold what kind of value."""
        if isinstance(value, dict):
            return {re.sub(r"^\d+$", "N", key): self.fields(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.fields(one) for one in value[:1]]
        return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


if __name__ == "__main__":
    unittest.main()
