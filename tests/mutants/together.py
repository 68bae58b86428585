"""Mutants in one text: a function that some of them change has a body for each, and a number in the environment says
which one runs. So the hundred of them cost one build, and each runs as its patch says."""

import pathlib
import re
import subprocess
import tempfile
import zlib

from catalogue import ROOT, patch_of

VARIABLE = "VIVARIUM_MUTANT"
HEAD = f"""#ifndef VIVARIUM_MUTANTS  // several changed files may be compiled as one
#define VIVARIUM_MUTANTS
#include <cstdlib>
namespace vivarium::mutants {{
inline const long chosen = std::getenv("{VARIABLE}") ? std::atol(std::getenv("{VARIABLE}")) : 0;
}}
#endif
"""
# What begins no function at the beginning of a line.
OTHERS = re.compile(r"[\s#}/]|namespace\b|using\b|struct\b|class\b|enum\b|template\b|constexpr\b|static_assert\b")


def number_of(name):
    return 1 + zlib.crc32(name.encode()) % 1_000_000_000


def touched(patch):
    files = re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.MULTILINE)
    if not files or any(not f.endswith(".cc") for f in files):
        raise ValueError(f"{patch.name}: a mutant changes .cc files only")
    return files


def patched(name):
    """The text of each file that a mutant changes, as it is with it."""
    with tempfile.TemporaryDirectory() as folder:
        files = touched(patch_of(name))
        for file in files:
            copy = pathlib.Path(folder) / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / file).read_bytes())
        subprocess.run(["git", "apply", str(patch_of(name))], check=True, cwd=folder)
        return {file: (pathlib.Path(folder) / file).read_text() for file in files}


def pieces(text):
    """The functions of a file, as (what stands before the body, body), and the lines between them, as (lines, None).
    By the form that clang-format gives to the source: a function begins and ends at the beginning of a line."""
    found, between, head, body = [], "", "", ""
    for line in text.splitlines(keepends=True):
        one_line = re.match(r"([^ /#}].*?\)(?: const| noexcept)* )(\{.*\}\n)$", line)
        if body:
            body += line
        elif not head and (OTHERS.match(line) or line.rstrip().endswith(";") or "(" not in line):
            between += line
        elif not head and one_line:
            found += [(between, None), one_line.groups()]
            between = ""
        elif line.endswith("{\n"):
            head, body = head + line[:-2], "{\n"
        else:
            head += line
            if line.endswith((";\n", "{}\n")):
                between, head = between + head, ""
        if body and line.startswith("}"):
            found += [(between, None), (head, body)]
            between = head = body = ""
    return [*found, (between + head + body, None)]


def merged(original, variants):
    """The text with all `variants` (name to text) in it, and the names of those that are more than other bodies."""
    parts = pieces(original)
    others, left = {}, []
    for name, text in variants.items():
        its = pieces(text)
        if len(its) != len(parts) or any(a[0] != b[0] for a, b in zip(parts, its)):
            left.append(name)
            continue
        for i, (part, its_part) in enumerate(zip(parts, its)):
            if part[1] != its_part[1]:
                others.setdefault(i, {})[name] = its_part[1]
    text = HEAD
    for i, (head, body) in enumerate(parts):
        text += head
        if i in others:
            ends = "break;\n" if head.startswith("void ") else ""
            cases = "".join(f"case {number_of(name)}:\n{its}\n{ends}" for name, its in others[i].items())
            text += f"{{\nswitch (vivarium::mutants::chosen) {{\n{cases}default:\n{body}\n}}\n}}\n"
        elif body is not None:
            text += body
    return text, left


def all_merged(names):
    """(text of each file that any of them changes, the names of those that need a build of their own)"""
    texts = {name: patched(name) for name in names}
    left = set()
    while True:
        files, more = {}, set()
        for file in sorted({file for its in texts.values() for file in its}):
            variants = {name: its[file] for name, its in texts.items() if file in its and name not in left}
            if variants:
                files[file], refused = merged((ROOT / file).read_text(), variants)
                more.update(refused)
        if not more:
            return files, sorted(left)
        left |= more
