"""Every entry of the catalogue of historical bugs is planted here, or cannot be, and the list says so truly."""

import unittest

from tests.mutants import catalogue

# The catalogue's 69 entries of first rank, and how deep each lies.
HAZARDS = {
    "D1": "D3 D8 S6 B7 N4 O1 L2",
    "D2": "E2 E3 E4 E5 E7 E9 E10 D4 D6 S1 S2 S3 S4 S11 S13 B1 R1 R6 R7 R8 R16 R17 N1 W1 W2 V1 V2 L1 A1",
    "D3": "D1 D2 D5 S5 S7 S8 S9 S17 S18 B2 B3 B4 B6 B9 R2 R3 R4 R12 R15 N2 W5",
    "D4": "S10 S12 S14 S15 S16 S19 S20 B8 R9 R13 R14 X3",
}
DEPTHS = {hazard: depth for depth, hazards in HAZARDS.items() for hazard in hazards.split()}


class Catalogue(unittest.TestCase):
    def setUp(self):
        self.mutants, self.ruled = catalogue.catalogue()

    def test_each_hazard_is_planted_or_cannot_be(self):
        self.assertEqual(len(DEPTHS), 69)
        planted = {m.hazard for m in self.mutants}
        ruled = {r.hazard for r in self.ruled}
        self.assertEqual(sorted(DEPTHS.keys() - planted - ruled), [])
        self.assertEqual(sorted(planted & ruled), [])
        self.assertEqual(sorted(ruled - DEPTHS.keys()), [])

    def test_depths_are_the_catalogues(self):
        for mutant in self.mutants:
            self.assertEqual(mutant.depth, DEPTHS.get(mutant.hazard, mutant.depth), mutant.name)
            self.assertIn(mutant.depth, catalogue.SEEDS, mutant.name)

    def test_each_patch_has_one_line(self):
        listed = sorted(m.name for m in self.mutants)
        self.assertEqual(listed, sorted(p.stem for p in catalogue.HERE.glob("*.patch")))
        for mutant in self.mutants:
            self.assertTrue(mutant.text, mutant.name)

    def test_the_lines_that_rule_one_out_stand(self):
        for one in self.ruled:
            lines = [line.strip() for line in (catalogue.ROOT / one.file).read_text().splitlines()]
            self.assertIn(one.line, lines, one.hazard)
            self.assertTrue(one.reason.endswith("."), one.hazard)

    def test_the_table_has_a_row_for_each(self):
        table = (catalogue.ROOT / "docs/mutants.md").read_text()
        for mutant in self.mutants:
            entry = "" if mutant.hazard == "-" else f"{mutant.hazard}, {mutant.depth}"
            begins = f"\n| `tests/mutants/{mutant.name}.patch` | {entry} | {mutant.text} | "
            self.assertEqual(table.count(begins), 1, mutant.name)
        for one in self.ruled:
            self.assertIn(f"\n| {one.hazard} | {one.reason} | ", table, one.hazard)


if __name__ == "__main__":
    unittest.main()
