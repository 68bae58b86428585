"""The Go client of Debian's packages (tests/system/clients/go_client.go): one server and three, killed under way."""

import functools
import os
import subprocess
import tempfile
import unittest

from tests.system.harness import SESSION_S
from tests.system.scenario import CLIENTS, Scenario, WithTls

SCENARIOS = ["operations", "locks", "elections", "caches", "queues", "transactions", "identities", "watches",
             "sessions"]


@functools.cache
def program():
    """The compiled client, which is there until the tests have ended."""
    folder = tempfile.TemporaryDirectory(prefix="vivarium-")
    unittest.addModuleCleanup(folder.cleanup)
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "-p=1",
                   "GOCACHE": os.environ.get("GOCACHE", f"{folder.name}/cache"), "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", f"{folder.name}/go_client", CLIENTS / "go_client.go"], check=True,
                   timeout=240, env=environment)
    return f"{folder.name}/go_client"


class WithGo(Scenario):
    def run_go(self, wanted, *arguments):
        self.run_program([program(), self.hosts, str(int(SESSION_S * 1000)), *arguments], wanted)


class GoClient(WithGo):
    def test_scenarios(self):
        self.run_go(SCENARIOS)


class Tls(WithTls, WithGo):
    def test_certificates_hold_behind_a_strike(self):
        files = [file for name in ("ann", "bob") for file in (self.shown[name][1], self.shown[name][0])]
        self.run_go(["people", "locks"], self.authority, self.id_of("ann")[1], *files)


class GoClientOfThree(GoClient):
    size = 3


class TlsOfThree(Tls):
    size = 3


if __name__ == "__main__":
    unittest.main()
