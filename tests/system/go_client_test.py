"""The Go client of Debian's packages (tests/system/clients/go_client.go) against one server and three."""

import os
import subprocess
import unittest

from tests.system.harness import SESSION_S
from tests.system.scenario import CLIENTS, Scenario

SCENARIOS = ["operations", "locks", "identities", "watches", "sessions"]


class GoClient(Scenario):
    def test_scenarios(self):
        program = self.folder / "go_client"
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "-p=1",
                       "GOCACHE": os.environ.get("GOCACHE", str(self.folder / "cache")), "CGO_ENABLED": "0"}
        subprocess.run(["go", "build", "-o", program, CLIENTS / "go_client.go"], check=True, timeout=240,
                       env=environment)
        self.run_program([program, self.hosts, str(int(SESSION_S * 1000))], SCENARIOS)


class GoClientOfThree(GoClient):
    size = 3


if __name__ == "__main__":
    unittest.main()
