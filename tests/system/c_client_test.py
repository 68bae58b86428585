"""ZooKeeper's C client (tests/system/clients/c_client.c) against one server and three, killed under way."""

import subprocess
import unittest

from tests.system.harness import SESSION_S
from tests.system.scenario import CLIENTS, READ_ONLY, Scenario
from tests.system.vivctl_test import Passage

SCENARIOS = ["operations", "locks", "queues", "caches", "accounts", "transactions", "pipelining", "identities",
             "elections", "watches", "sessions", "chroot"]


class WithCClient(Scenario):
    def run_client(self, which, wanted, actions, *arguments):
        program = self.folder / "c_client"
        subprocess.run(["cc", "-std=gnu11", "-DTHREADED", "-Wall", "-Wextra", "-o", program, CLIENTS / "c_client.c",
                        CLIENTS / "c_recipes.c", "-lzookeeper_mt", "-lpthread"], check=True, timeout=120)
        self.run_program([program, which, self.hosts, str(int(SESSION_S * 1000)), *arguments], wanted, actions)


class CClient(WithCClient):
    def test_scenarios(self):
        passage = Passage(self.servers[0].port)
        self.addCleanup(passage.door.close)
        self.run_client("all", SCENARIOS, {"away": lambda: passage.cut(shut=True),
                                           "back": lambda: passage.cut(shut=False)}, passage.address)


class CClientOfThree(CClient):
    size = 3


class CClientReads(WithCClient):
    size = 3
    keys = READ_ONLY

    def test_without_a_quorum(self):
        self.run_client("read-only", ["read-only"], {"alone": self.lose_quorum, "together": self.restart_dead})


if __name__ == "__main__":
    unittest.main()
