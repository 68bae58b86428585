"""Damage to what a node has acknowledged, and disks that are full. A start is whole, or it is refused with
a reason; it is never silently short."""

import contextlib
import os
import shutil
import subprocess
import unittest

from kazoo.exceptions import NoNodeError

from tests.system.harness import (TROUBLE, Ensemble, Load, Server, ServerTest, configured, connected, free_port,
                                  wait_until)
from tests.system.log_file import log_files, records

COPIES = 24
SECTOR = 512
NODES = 200


def value(number):
    return f"{number:04d} ".encode() * 60


class DamagedCopies(ServerTest):
    def setUp(self):
        super().setUp()
        self.server = self.own(configured(self.folder / "source", preAllocSize=1024)).start().wait_serving()
        with connected(self.server.address) as client:
            client.create("/d", b"")
            for number in range(NODES):
                client.create(f"/d/{number}", value(number))
        self.server.kill()
        self.log = log_files(self.server.folder / "data" / "version-2")[-1]
        self.used = records(self.log)
        self.assertGreater(len(self.used), NODES)

    def copy(self, number):
        """The killed node's directory again, under a server of its own."""
        folder = self.folder / f"copy{number}"
        shutil.copytree(self.server.folder / "data", folder / "data")
        port = free_port()
        text = (self.server.folder / "zoo.cfg").read_text()
        text = text.replace(str(self.server.folder), str(folder)).replace(f"clientPort={self.server.port}",
                                                                          f"clientPort={port}")
        (folder / "zoo.cfg").write_text(text)
        return self.own(Server(folder, [folder / "zoo.cfg"], port))

    def damage(self, server, number):
        """One zeroed sector or one flipped bit, somewhere in the records; returns what was done. The last
        tenth stays whole: rot in the very last flush of a lonely node is the stated limit (docs/formats.md, Frontier)."""
        log = server.folder / "data" / "version-2" / self.log.name
        data = bytearray(log.read_bytes())
        first, last = self.used[0][0], self.used[len(self.used) * 9 // 10][0]
        at = first + (last - first) * number // COPIES
        if number % 2 == 0:
            at -= at % SECTOR
            data[at:at + SECTOR] = bytes(SECTOR)
            what = f"sector at {at} zeroed"
        else:
            data[at] ^= 1 << (number % 8)
            what = f"bit {number % 8} of byte {at} flipped"
        log.write_bytes(data)
        return what

    def outcome(self, server):
        """"whole", "refused: REASON", or a failure."""
        server.start()
        wait_until(lambda: not server.running() or server.serves(), f"service or an end; it said {server.lines()}")
        if not server.running():
            self.assertEqual(server.process.returncode, 1, server.lines())
            reasons = server.said(r"error")
            self.assertTrue(reasons, f"ended without a reason: {server.lines()}")
            return f"refused: {reasons[-1]}"
        with connected(server.address) as client:
            for number in range(NODES):
                try:
                    self.assertEqual(client.get(f"/d/{number}")[0], value(number))
                except NoNodeError:
                    self.fail(f"serves, and silently lacks /d/{number}")
            client.create("/d/after", b"")
        server.kill()
        return "whole"

    def test_an_untouched_copy_is_whole(self):
        self.assertEqual(self.outcome(self.copy(0)), "whole")

    def test_24_damaged_copies(self):
        outcomes = []
        for number in range(COPIES):
            server = self.copy(number)
            what = self.damage(server, number)
            with self.subTest(what):
                outcomes.append(self.outcome(server))
                print(f"{what}: {outcomes[-1]}", flush=True)
            server.kill()
            shutil.rmtree(server.folder)
            self.owned.remove(server)
        self.assertEqual(len(outcomes), COPIES)
        self.assertTrue(any(outcome != "whole" for outcome in outcomes), "no damage was noticed: was any done?")

    def test_a_torn_tail_is_cut(self):
        """What was never acknowledged may go: half a record behind the last whole one."""
        server = self.copy(0)
        log = server.folder / "data" / "version-2" / self.log.name
        data = bytearray(log.read_bytes())
        (last, length), end = self.used[-1], sum(self.used[-1])
        half = data[last:last + length // 2]
        data[end:end + len(half)] = half
        log.write_bytes(data)
        self.assertEqual(self.outcome(server), "whole")

    def test_a_missing_log_is_noticed(self):
        server = self.copy(0)
        (server.folder / "data" / "version-2" / self.log.name).unlink()
        self.assertRegex(self.outcome(server), "refused: .*")


class DamagedMember(ServerTest):
    def test_peers_repair_it(self):
        """In an ensemble damage is no reason to stay away: the others fill the member again."""
        ensemble = self.own(Ensemble(self.folder, preAllocSize=1024)).start().wait_serving()
        load = Load(ensemble.hosts())
        with load:
            load.wait_progress(50)
        damaged = next(n for n in ensemble.servers if n != ensemble.wait_leader())
        ensemble[damaged].kill()
        log = log_files(ensemble[damaged].folder / "data" / "version-2")[-1]
        offset, length = records(log)[20]
        data = bytearray(log.read_bytes())
        data[offset + length // 2] ^= 4
        log.write_bytes(data)
        ensemble[damaged].start().wait_serving()
        self.assert_nothing_lost(load, ensemble)
        load.close()


@unittest.skipUnless(os.geteuid() == 0, "needs root, for a disk of its own")
class FullDisk(ServerTest):
    @contextlib.contextmanager
    def disk(self, megabytes):
        where = self.folder / "disk"
        where.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(where)]
        if subprocess.run(mount, check=False).returncode != 0:
            self.skipTest("tmpfs cannot be mounted here")
        try:
            yield where
        finally:
            for server in self.owned:
                server.kill()
            subprocess.run(["umount", str(where)], check=True)

    def test_nothing_acknowledged_is_lost(self):
        with self.disk(megabytes=6) as disk:
            server = self.own(configured(disk / "full", preAllocSize=256, snapCount=100000))
            server.start().wait_serving()
            acknowledged = []
            with connected(server.address) as client:
                client.create("/full", b"")
                for number in range(2000):
                    try:
                        client.create(f"/full/{number}", bytes(20000))
                        acknowledged.append(number)
                    except TROUBLE:
                        break
            self.assertTrue(0 < len(acknowledged) < 2000, "the disk has to become full")
            if not server.running():  # an orderly end says why
                self.assertEqual(server.process.returncode, 1, server.lines()[-5:])
                self.assertTrue(server.said(r"(?i)space|full"), server.lines()[-5:])
            else:  # what waits for room was never acknowledged, and keeps nobody from stopping
                self.assertEqual(server.terminate(), 0, server.lines()[-5:])
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            server.start().wait_serving()
            with connected(server.address) as client:
                for number in acknowledged:
                    self.assertEqual(len(client.get(f"/full/{number}")[0]), 20000)
                client.create("/full/again", b"")


if __name__ == "__main__":
    unittest.main()
