"""tests/mutants/run against a program that behaves like vivsim: what counts as found, and what is run again."""

import importlib.util
import json
import pathlib
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
LOADER = SourceFileLoader("mutants_run", str(HERE / "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader(LOADER.name, LOADER))
LOADER.exec_module(run)
table = run.table
import together

# Fails on seeds of FAILS, unless it is asked for what clients see alone, and ends on seeds of ENDS.
PROGRAM = """#!{python}
import sys
first, count = map(int, sys.argv[sys.argv.index("--seeds") + 1].split(":"))
for seed in range(first, first + count):
    if seed in {ends}:
        sys.stderr.write("vivsim: seed %d ended the process (signal 6)\\n" % seed)
        sys.exit(134)
    if seed in {fails} and "client" not in sys.argv:
        print("seed %d failed: K-AGREE: two histories" % seed)
        sys.exit(1)
"""


def line(killed, after, **more):
    return {"name": "read_overtakes", "patch": table.hash_of("read_overtakes"), "pass": "all", "profile": "standard",
            "start": 1, "seeds": 1000, "killed": killed, "after": after, "checker": "K-FIFO", "text": "out of turn", "crashes": 0,
            "source": "now", **more}


class Hunting(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def program(self, fails=(), ends=()):
        file = self.folder / "vivsim"
        file.write_text(PROGRAM.format(python=sys.executable, fails=set(fails) or "()", ends=set(ends) or "()"))
        file.chmod(0o755)
        return file

    def hunt(self, start, seeds, judges="all", profile="standard", **behaves):
        return run.hunt(self.program(**behaves), {}, start, seeds, 1, judges, profile)

    def test_the_first_seed_that_fails_is_counted_from_the_start(self):
        ended = self.hunt(101, 1000, fails=[60, 130, 140])
        self.assertEqual((ended["killed"], ended["after"], ended["checker"]), (True, 30, "K-AGREE"))

    def test_only_so_many_seeds_are_run(self):
        ended = self.hunt(1, 100, fails=[101])
        self.assertEqual((ended["killed"], ended["after"]), (False, 100))

    def test_the_word_of_some_checkers_alone(self):
        self.assertFalse(self.hunt(1, 10, judges="client", fails=[1])["killed"])

    def test_a_crash_is_no_kill_and_the_seeds_behind_it_are_run(self):
        ended = self.hunt(1, 100, fails=[8], ends=[3, 5])
        self.assertEqual((ended["killed"], ended["after"], ended["crashes"]), (True, 8, 2))

    def test_one_that_only_crashes_is_given_up(self):
        ended = self.hunt(1, 100, ends=range(1, 100))
        self.assertEqual((ended["killed"], ended["crashes"]), (False, run.CRASHES_MAX))


class Keeping(unittest.TestCase):
    def results(self, *lines):
        results = run.Results(pathlib.Path("nowhere"), fresh=True)
        results.source, results.lines = "now", list(lines)
        return results

    def known(self, kept, seeds=1000):
        return self.results(kept).known("read_overtakes", "all", "standard", 1, seeds) is not None

    def test_what_is_there_is_not_run_again(self):
        self.assertTrue(self.known(line(True, 7)))
        self.assertTrue(self.known(line(False, 1000)))

    def test_another_patch_source_start_pass_or_budget_is(self):
        for other in ({"patch": "0"}, {"source": "before"}, {"start": 100_001}, {"pass": "client"},
                      {"profile": "swarm"}):
            self.assertFalse(self.known(line(True, 7, **other)), other)
        self.assertFalse(self.known(line(False, 1000), seeds=10_000))
        self.assertFalse(self.known(line(True, 700), seeds=100))

    def test_a_line_that_was_being_written_is_none(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "results.jsonl"
            file.write_text(json.dumps(line(True, 7)) + '\n{"name": "read_over')
            self.assertEqual(len(table.results_in(file)), 1)


class Table(unittest.TestCase):
    def test_the_median_of_the_starts(self):
        lines = [line(True, 40), line(False, 1000, start=200_001), line(True, 7, start=100_001, checker="K-SEQ")]
        self.assertEqual(table.cells(lines), ["K-SEQ, K-FIFO", "40"])
        self.assertEqual(table.cells(lines[1:2] + lines[:1] + [line(False, 1000)]), ["survives", "1,000"])
        self.assertEqual(table.cells(lines[:1]), ["K-FIFO", "40 (1 start)"])

    def test_the_profile_that_found_it(self):
        lines = [line(False, 1000), line(True, 4, profile="swarm"), line(True, 9, start=100_001)]
        self.assertEqual(table.cells(table.latest(lines, "read_overtakes", "all")), ["K-FIFO", "4 of swarm (2 starts)"])

    def test_a_row_without_results_stays(self):
        text = table.rendered([line(True, 7)], "")
        again = table.rendered([], text)
        self.assertEqual(again, text)
        self.assertIn("a read is answered before the writes in front of it | K-FIFO | 7 (1 start) | not run |  |", text)

    def test_a_new_result_takes_the_place_of_the_old_one(self):
        text = table.rendered([line(True, 9, **{"pass": "client"})], table.rendered([line(True, 7)], ""))
        self.assertIn("| K-FIFO | 7 (1 start) | K-FIFO | 9 (1 start) |", text)


class Together(unittest.TestCase):
    ORIGINAL = """#include <a>

namespace {

int f(int a) { return a; }

}  // namespace

// What g does.
void Thing::g(
    const int& a) const {
  f(a);
}
"""

    def test_a_text_is_the_sum_of_its_pieces(self):
        for file in (run.ROOT / "core").rglob("*.cc"):
            text = file.read_text()
            self.assertEqual("".join(head + (body or "") for head, body in together.pieces(text)), text, file)

    def test_a_function_has_the_bodies_of_all(self):
        one = self.ORIGINAL.replace("return a", "return 1")
        two = self.ORIGINAL.replace("f(a);", "f(2);")
        text, left = together.merged(self.ORIGINAL, {"one": one, "two": two})
        self.assertEqual(left, [])
        self.assertIn(f"case {together.number_of('one')}:\n{{ return 1; }}", text)
        self.assertIn(f"case {together.number_of('two')}:\n{{\n  f(2);\n}}\n\nbreak;", text)
        self.assertEqual(text.count("default:"), 2)

    def test_more_than_another_body_is_left(self):
        more = self.ORIGINAL.replace("<a>", "<b>")
        self.assertEqual(together.merged(self.ORIGINAL, {"more": more})[1], ["more"])


if __name__ == "__main__":
    unittest.main()
