"""A shadow beside a live ensemble of Debian's ZooKeeper 3.8, and beside one of ours: no list has it, it follows, compares
digests, and says what it sees. docs/operations.md says how it is set up."""

import json
import re
import shutil
import subprocess
import unittest
import urllib.request

from tests.system.apache_test import JAR, SLOW_S, TICK_MS, leading, of_apache
from tests.system.harness import (HOST, Ensemble, Load, ServerTest, configured, connected, four_letter_word, free_port,
                                  program, standalone, wait_until)

NUMBER = 9  # of the shadow; the ensemble has 1 to 3


def srvr(server):
    """What it says of itself, line by line; None when it says nothing."""
    try:
        return dict(re.findall(r"^([^:\n]+): (.*)$", four_letter_word(server.port, "srvr", 5), re.MULTILINE))
    except OSError:
        return None


def follows(server):
    """The leader that the shadow follows."""
    found = re.fullmatch(r"server\.(\d)", (srvr(server) or {}).get("Shadow of", ""))
    return found and int(found.group(1))


def compared(server):
    return int((srvr(server) or {}).get("Digests compared", 0))


class Beside(ServerTest):
    def ensemble(self, kind, **keys):
        ensemble = self.own(Ensemble(self.folder, 3, tickTime=TICK_MS, **{"4lw.commands.whitelist": "*"}, **keys))
        for n in ensemble.servers:
            ensemble.servers[n] = kind(ensemble.servers[n])
        return ensemble

    def shadow_of(self, ensemble, **keys):
        members = dict(line.split("=") for line in (ensemble[1].folder / "zoo.cfg").read_text().split()
                       if line.startswith("server."))
        self.admin_port = free_port()
        server = configured(self.folder / "shadow", tickTime=TICK_MS, initLimit=10, syncLimit=5, peerType="observer",
                            shadow="true", **{"4lw.commands.whitelist": "*", "admin.serverPort": self.admin_port},
                            **members, **keys)
        (server.folder / "data" / "myid").write_text(f"{NUMBER}\n")
        return self.own(server)

    def status(self, server):
        done = subprocess.run([program("vivctl"), "status", "-server", server.address, "--json"], capture_output=True,
                              text=True, timeout=SLOW_S, check=False)
        return done.returncode, json.loads(done.stdout)["members"][0]

    def assert_it_shadows(self, kind):
        """Joins under load (SNAP), follows to another leader, comes back without its data, and sees no difference."""
        ensemble = self.ensemble(kind).start().wait_serving(SLOW_S)
        load = Load(ensemble.hosts())
        self.addCleanup(load.close)
        shadow = self.shadow_of(ensemble)
        with load:
            load.wait_progress(300, SLOW_S)
            shadow.start()
            wait_until(lambda: follows(shadow), "a shadow", SLOW_S)
            wait_until(lambda: compared(shadow) >= 200, "digests compared", SLOW_S)
            first = leading(ensemble)
            self.assertEqual(follows(shadow), first)
            before = compared(shadow)
            ensemble[first].kill()
            wait_until(lambda: follows(shadow) not in (None, first), "another leader", SLOW_S)
            load.wait_progress(50, SLOW_S)
            wait_until(lambda: compared(shadow) >= before + 100, "digests of the other leader", SLOW_S)
            ensemble[first].start().wait_serving(SLOW_S)
            self.assertEqual(srvr(shadow)["Digests differing"], "0")
            shadow.kill()
            shutil.rmtree(shadow.folder / "data" / "version-2")
            shadow.start()
            wait_until(lambda: compared(shadow) >= 100, "digests behind a SNAP", SLOW_S)
        self.assert_nothing_lost(load, ensemble)
        last = max(int(srvr(server)["Zxid"], 16) for server in ensemble)
        wait_until(lambda: int(srvr(shadow)["Zxid"], 16) >= last, "all of it", SLOW_S)
        wait_until(lambda: srvr(shadow)["Behind"] == "0", "all of it", SLOW_S)
        said = srvr(shadow)
        self.assertEqual((said["Mode"], said["Digests differing"]), ("shadow", "0"))
        self.assertNotIn("First difference", said)
        self.assertFalse(shadow.said("differs"))
        snapshots = [path.name for path in (shadow.folder / "data" / "version-2").glob("snapshot.*")]
        self.assertNotEqual(snapshots, ["snapshot.0"], "it was to be filled by SNAP")
        self.assertFalse(shadow.serves())
        code, member = self.status(shadow)
        self.assertEqual((code, member["role"], member["mode"], member["shadow"]["digests_differing"]),
                         (0, "shadow", None, 0), member)
        # Nobody there knows it.
        with connected(ensemble[1].address) as client:
            config = client.get("/zookeeper/config")[0].decode()
        self.assertNotIn(f"server.{NUMBER}", config)
        self.assertEqual(shadow.terminate(), 0)

    def test_ours(self):
        self.assert_it_shadows(lambda server: server)

    @unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
    def test_apaches(self):
        self.assert_it_shadows(of_apache)

    @unittest.skipUnless(JAR.exists(), "Debian's zookeeper is not installed")
    def test_a_difference_is_seen_and_told(self):
        """The shadow's directory is a member's, in which somebody wrote a znode that the ensemble does not have."""
        ensemble = self.ensemble(of_apache).start().wait_serving(SLOW_S)
        with connected(ensemble.hosts()) as client:
            client.create("/both", b"the same")
        leader = leading(ensemble)
        member = ensemble[next(n for n in ensemble.servers if n != leader)]
        member.kill()
        shadow = self.shadow_of(ensemble)
        shutil.copytree(member.folder / "data" / "version-2", shadow.folder / "data" / "version-2")
        member.start().wait_serving(SLOW_S)
        alone = self.own(standalone(self.folder / "alone"))
        alone.arguments[1] = str(shadow.folder / "data")
        alone.start().wait_serving()
        with connected(alone.address) as client:
            client.create("/here-alone", b"nobody has seen this")
        forked = int(srvr(alone)["Zxid"], 16)
        self.assertEqual(alone.terminate(), 0)
        with connected(ensemble[leader].address) as client:
            for i in range(40):
                client.create(f"/there-{i:02d}", b"")
            self.assertGreater(int(srvr(ensemble[leader])["Zxid"], 16), forked)
            shadow.start()
            wait_until(lambda: follows(shadow), "a shadow", SLOW_S)
            wait_until(lambda: srvr(shadow)["Digests differing"] != "0", "the difference", SLOW_S)
            self.assertEqual(int(srvr(shadow)["First difference"], 16), forked + 1)
            known = int(srvr(shadow)["Digests differing"])
            client.create("/there-after", b"")
            wait_until(lambda: int(srvr(shadow)["Digests differing"]) > known, "one more", SLOW_S)
        self.assertEqual(len(shadow.said("error +the tree here differs from the ensemble's")), 1)
        self.assertRegex(four_letter_word(shadow.port, "mntr"), r"zk_digest_mismatches_count\t[1-9]")
        self.assertIn(f"zk_digests_first_difference\t{forked + 1}\n", four_letter_word(shadow.port, "mntr"))
        code, told = self.status(shadow)
        self.assertEqual((code, told["shadow"]["first_difference"]), (1, f"{forked + 1:#x}"))
        with urllib.request.urlopen(f"http://{HOST}:{self.admin_port}/commands/shadow", timeout=SLOW_S) as answer:
            self.assertEqual(json.load(answer)["first_difference"]["zxid"], f"{forked + 1:#x}")
