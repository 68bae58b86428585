"""tests/mutants/mutants.txt: the bugs that are planted, and the ones that cannot be."""

import collections
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SEEDS = {"D1": 100, "D2": 1_000, "D3": 10_000, "D4": 100_000}

Mutant = collections.namedtuple("Mutant", "name hazard depth text")
# `line` is one of `file`, by which this code cannot have the bug.
Ruled = collections.namedtuple("Ruled", "hazard reason file line")


def read(text):
    """(mutants, ruled out), in the order of the text."""
    mutants, ruled = [], []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        fields = line.split(" | ", 4)
        if fields[0] == "-":
            ruled.append(Ruled(*fields[1:]))
        else:
            mutants.append(Mutant(*fields))
    return mutants, ruled


def catalogue():
    return read((HERE / "mutants.txt").read_text())


def patch_of(name):
    return HERE / f"{name}.patch"
