"""A campaign on a Slurm array, as docs/testing.md tells it, with Debian's Slurm on this machine."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from tests.system.harness import program
from tests.system.slurm import INSTALLED, Slurm

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "campaign" / "slurm.sh"
SHARDS = 4
SEEDS = 40


@unittest.skipUnless(INSTALLED, "Slurm is not installed (slurm-wlm, munge)")
@unittest.skipUnless(os.geteuid() == 0, "slurmd needs root")
class Array(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="vivarium-slurm-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.results = self.folder / "results"
        self.results.mkdir()
        self.slurm = Slurm(self.folder / "slurm")
        self.addCleanup(self.slurm.stop)

    def submit(self, tasks):
        done = self.slurm.run("sbatch", "--wait", f"--array={tasks}", f"--output={self.folder}/%a.output", SCRIPT,
                              program("vivsim"), f"1:{SEEDS}", SHARDS, self.results)
        self.assertEqual(done.returncode, 0, f"{done.stdout}\n{self.slurm.output()}")

    def merge(self):
        return subprocess.run([program("vivsim"), "merge", *sorted(self.results.glob("*.jsonl"))], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_a_campaign(self):
        self.submit("0-1,3")
        merged = self.merge()
        self.assertEqual(merged.returncode, 1, merged)
        self.assertIn(f"of seeds 1:{SEEDS} the shards 2 of {SHARDS} are missing", merged.stderr)
        self.assertIn("30 passed, 0 failed", merged.stdout)
        self.submit("2")
        merged = self.merge()
        self.assertEqual((merged.returncode, merged.stderr), (0, ""), merged)
        self.assertIn(f"{SEEDS} passed, 0 failed", merged.stdout)


if __name__ == "__main__":
    unittest.main()
