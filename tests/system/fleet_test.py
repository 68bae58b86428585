"""Campaigns in shares: shards, their results as JSON lines, and their sum."""

import json
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from tests.system.harness import cpu_seconds, program, wait_until

RUN_S = 300
SEEDS = 12
SUMS = ["planned", "seeds", "passed", "failed", "events", "completed", "leaderships", "crashes", "traces", "twice", "coverage", "evaluated",
        "failures"]


def vivsim(*arguments):
    return subprocess.run([program("vivsim"), *map(str, arguments)], text=True, timeout=RUN_S,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def records_of(text):
    return [json.loads(line) for line in text.splitlines()]


class Fleet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.shards = [cls.shard(i) for i in range(3)]

    @classmethod
    def shard(cls, i, seeds=f"1:{SEEDS}", of=3, name="shard"):
        path = cls.folder / f"{name}-{i}.jsonl"
        done = vivsim("run", "--seeds", seeds, "--shard", f"{i}/{of}", "--json", path)
        assert done.returncode == 0, done
        return path

    def altered(self, path, change, name):
        """A copy of a shard's results of which each record was changed."""
        lines = []
        for record in records_of(path.read_text()):
            change(record)
            lines.append(json.dumps(record) + "\n")
        copy = self.folder / name
        copy.write_text("".join(lines))
        return copy

    def refused(self, *files):
        done = vivsim("merge", *files)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def test_shards_add_up_to_the_whole(self):
        whole = vivsim("run", "--seeds", f"1:{SEEDS}", "--jobs", 2, "--json", "-")
        self.assertEqual(whole.returncode, 0, whole)
        begin, summary = records_of(whole.stdout)
        self.assertEqual((begin["record"], summary["record"]), ("begin", "summary"))
        self.assertIn(f"{SEEDS} passed, 0 failed", whole.stderr)
        merged = vivsim("merge", *self.shards, "--json", "-")
        self.assertEqual(merged.returncode, 0, merged)
        of_shards = records_of(merged.stdout)[-1]
        for key in SUMS:
            self.assertEqual(of_shards[key], summary[key], key)
        self.assertEqual(of_shards["shares"], [{"first": 1, "count": SEEDS, "of": 3, "shards": [0, 1, 2]}])
        for key in ("version", "commit", "profile"):
            self.assertEqual(of_shards[key], summary[key], key)
        least, most = of_shards["medians"]["events"]
        self.assertLessEqual(least, summary["medians"]["events"][0])
        self.assertGreaterEqual(most, summary["medians"]["events"][0])
        self.assertIn(f"{SEEDS} passed, 0 failed", merged.stderr)

    def test_sums_may_be_summed(self):
        part = self.folder / "part.jsonl"
        some = vivsim("merge", *self.shards[:2], "--json", part)
        self.assertEqual(some.returncode, 1, some)
        self.assertIn("of seeds 1:12 the shards 2 of 3 are missing", some.stderr)
        all_of_them = vivsim("merge", self.shards[2], part)
        self.assertEqual(all_of_them.returncode, 0, all_of_them)
        self.assertIn(f"{SEEDS} passed, 0 failed", all_of_them.stdout)
        other_seeds = self.shard(0, seeds="13:2", of=1, name="more")
        more = vivsim("merge", *self.shards, other_seeds)
        self.assertEqual(more.returncode, 0, more)
        self.assertIn(f"{SEEDS + 2} passed, 0 failed", more.stdout)

    def test_what_does_not_belong_together(self):
        self.assertIn("shard 0/3 of seeds 1:12, of which another file", self.refused(*self.shards, self.shards[0]))
        overlapping = self.shard(0, seeds="12:1", of=1, name="overlapping")
        self.assertIn("of which another file", self.refused(*self.shards, overlapping))
        for key in ("version", "commit", "profile"):
            with self.subTest(key):
                other = self.altered(self.shards[2], lambda record: record.update({key: "another"}), f"{key}.jsonl")
                self.assertIn("another", self.refused(*self.shards[:2], other))

    def test_what_is_no_result(self):
        wrong = self.folder / "wrong.jsonl"
        for text in ["{}\n", "nonsense\n", '{"record":"summary"}\n', self.shards[0].read_text() * 1 + "[1]\n"]:
            with self.subTest(text[:20]):
                wrong.write_text(text)
                done = vivsim("merge", wrong)
                self.assertEqual(done.returncode, 2, done)
                self.assertRegex(done.stderr, r"wrong.jsonl line \d+ is no record")
        self.assertIn("missing.jsonl cannot be read", vivsim("merge", self.folder / "missing.jsonl").stderr)

    def test_a_worker_that_died(self):
        """What it had found counts, and all that the others found."""
        begin = self.shards[1].read_text().splitlines(keepends=True)[0]
        failure = json.dumps({"record": "failure", "seed": 5, "invariant": "K-LIVE", "text": "made up", "at_ns": 1})
        dead = self.folder / "dead.jsonl"
        dead.write_text(f'{begin}{failure}\n{{"record":"fail')
        empty = self.folder / "empty.jsonl"
        empty.write_text("")
        merged = vivsim("merge", self.shards[0], dead, self.shards[2], empty)
        self.assertEqual(merged.returncode, 1, merged)
        self.assertIn("seed 5 failed: K-LIVE: made up", merged.stdout)
        self.assertIn("K-LIVE failed 1 times", merged.stdout)
        self.assertIn("8 passed, 1 failed", merged.stdout)
        self.assertIn("dead.jsonl has no summary of shard 1/3 of seeds 1:12", merged.stderr)
        self.assertIn("of seeds 1:12 the shards 1 of 3 are missing", merged.stderr)
        self.assertIn("empty.jsonl has no record", merged.stderr)
        # Its shard was run again.
        merged = vivsim("merge", *self.shards, dead)
        self.assertEqual(merged.returncode, 0, merged)
        self.assertIn(f"{SEEDS} passed, 0 failed", merged.stdout)

    def test_a_worker_that_dies_names_its_seed(self):
        path = self.folder / "dies.jsonl"
        with subprocess.Popen([program("vivsim"), "run", "--seeds", "7:1000000", "--json", path], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
            try:
                wait_until(lambda: cpu_seconds(running.pid) > 0.5, "schedules that run")
                running.send_signal(signal.SIGABRT)
                said = running.communicate(timeout=RUN_S)[1]
            finally:
                running.kill()
        self.assertEqual(running.returncode, -signal.SIGABRT)
        failure = records_of(path.read_text())[-1]
        self.assertEqual((failure["invariant"], failure["text"]), ("process ended", f"signal {int(signal.SIGABRT)}"))
        self.assertIn(f"seed {failure['seed']} ended the process", said)
        self.assertGreaterEqual(failure["seed"], 7)
        merged = vivsim("merge", path)
        self.assertEqual(merged.returncode, 1)
        self.assertIn(f"seed {failure['seed']} failed: process ended", merged.stdout)

    def test_time(self):
        """What was covered are the first seeds of the share."""
        path = self.folder / "timed.jsonl"
        began = time.monotonic()
        done = vivsim("run", "--seeds", "1:1000000000", "--time", "1s", "--json", path)
        self.assertEqual(done.returncode, 0, done)
        self.assertLess(time.monotonic() - began, RUN_S)
        summary = records_of(path.read_text())[-1]
        self.assertEqual(summary["planned"], 1000000000)
        self.assertGreater(summary["seeds"], 0)
        self.assertIn(f"covered {summary['seeds']} of 1000000000 seeds", done.stdout)
        again = vivsim("run", "--seeds", f"1:{summary['seeds']}", "--jobs", 2, "--json", "-")
        self.assertEqual(records_of(again.stdout)[-1]["traces"], summary["traces"])

    def test_results_that_cannot_be_written(self):
        done = vivsim("run", "--seeds", "1:1", "--json", self.folder)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done)
        self.assertIn("cannot be written", done.stderr)
        done = vivsim("run", "--seeds", "1:1", "--json", "/dev/full")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("/dev/full could not be written", done.stderr)

    def test_output_that_cannot_be_written(self):
        for more in ([], ["--coverage"]):  # within a buffer, and beyond one
            with open("/dev/full", "w") as full:
                done = subprocess.run([program("vivsim"), "run", "--seeds", "1:1", *more], stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=RUN_S)
            self.assertEqual(done.returncode, 1, done)
            self.assertRegex(done.stderr, "^vivsim: [^\n]*(could not be written|cannot write)[^\n]*\n$")


if __name__ == "__main__":
    unittest.main()
