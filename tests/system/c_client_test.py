"""ZooKeeper's C client (tests/system/clients/c_client.c) against one server and three, killed under way."""

import subprocess
import unittest

from tests.system.harness import SESSION_S
from tests.system.scenario import CLIENTS, Scenario
from tests.system.vivctl_test import Passage

SCENARIOS = ["operations", "transactions", "pipelining", "identities", "elections", "watches", "sessions", "chroot"]


class WithCClient(Scenario):
    def run_program(self, which, wanted, actions, *arguments):
        """Compiles and runs it; carries out what its lines ask for."""
        program = self.folder / "c_client"
        subprocess.run(["cc", "-std=gnu11", "-DTHREADED", "-Wall", "-Wextra", "-o", program,
                        CLIENTS / "c_client.c", "-lzookeeper_mt", "-lpthread"], check=True, timeout=120)
        running = subprocess.Popen([program, which, self.hosts, str(int(SESSION_S * 1000)), *arguments],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   bufsize=1)
        self.addCleanup(running.kill)
        done, printed = [], []
        for line in running.stdout:
            printed.append(line.rstrip())
            action = actions.get(line.strip())
            if action is not None:
                action()
                running.stdin.write("\n")
                running.stdin.flush()
            elif line.startswith("ok "):
                done.append(line[len("ok "):].strip())
        status = running.wait()
        running.stdin.close()
        running.stdout.close()
        self.assertEqual((status, done), (0, wanted), "\n".join(printed[-30:]))


class CClient(WithCClient):
    def test_scenarios(self):
        passage = Passage(self.servers[0].port)
        self.addCleanup(passage.door.close)
        self.run_program("all", SCENARIOS, {"strike": self.strike, "away": lambda: passage.cut(shut=True),
                                            "back": lambda: passage.cut(shut=False)}, passage.address)


class CClientOfThree(CClient):
    size = 3


class CClientReads(WithCClient):
    size = 3
    keys = {"readonlymode.enabled": "true", "localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true"}

    def test_without_a_quorum(self):
        self.run_program("read-only", ["read-only"], {"alone": self.lose_quorum, "together": self.restart_dead})


if __name__ == "__main__":
    unittest.main()
