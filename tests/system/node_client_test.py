"""The JavaScript client of npm (tests/system/clients/node/node_client.js): one server and three, killed under way."""

import pathlib
import shutil
import unittest

from tests.system.harness import SESSION_S
from tests.system.scenario import CLIENTS, Scenario
from tests.system.vivctl_test import Passage

# Where `make deps-all` puts what tests/system/clients/node/package-lock.json names.
MODULES = pathlib.Path(__file__).parents[2] / "build" / "node" / "node_modules"
SCENARIOS = ["operations", "locks", "elections", "caches", "queues", "transactions", "identities", "watches", "chroot",
             "sessions"]


@unittest.skipUnless(shutil.which("node") and (MODULES / "node-zookeeper-client").exists(),
                     "the Node client is not installed: make deps-all")
class NodeClient(Scenario):
    def test_scenarios(self):
        passage = Passage(self.servers[0].port)
        self.addCleanup(passage.door.close)
        self.run_program(["env", f"NODE_PATH={MODULES}", "node", CLIENTS / "node" / "node_client.js", self.hosts,
                          str(int(SESSION_S * 1000)), passage.address], SCENARIOS,
                         {"away": lambda: passage.cut(shut=True), "back": lambda: passage.cut(shut=False)})


class NodeClientOfThree(NodeClient):
    size = 3


if __name__ == "__main__":
    unittest.main()
