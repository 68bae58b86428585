"""What came of the planted bugs: lines of results, and the table of docs/mutants.md that is made of them."""

import hashlib
import json
import re

from catalogue import ROOT, catalogue, patch_of

DOCUMENT = ROOT / "docs/mutants.md"
BEGIN = "<!-- made by tests/mutants/run --table -->\n"
END = "<!-- end -->\n"
UNMUTATED = "unmutated"
NOT_RUN = "not run"


def hash_of(name):
    return "" if name == UNMUTATED else hashlib.sha256(patch_of(name).read_bytes()).hexdigest()[:16]


def results_in(file):
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]


# --- of several starts


def by_seeds(lines):
    return sorted(lines, key=lambda line: (not line["killed"], line["profile"] != "standard", line["after"]))


def median(lines):
    return by_seeds(lines)[len(lines) // 2]


def is_killed(lines):
    return median(lines)["killed"]


def of_profile(line):
    return "" if line["profile"] == "standard" else f" of {line['profile']}"


def checkers(lines):
    return ", ".join(dict.fromkeys(line["checker"] for line in by_seeds(lines) if line["killed"]))


def of_starts(lines):
    return "" if len(lines) > 2 else f" ({len(lines)} start{'s' if len(lines) > 1 else ''})"


def crashed(lines):
    crashes = sum(line["crashes"] for line in lines)
    return f", ended by itself {crashes} times" if crashes else ""


def seeds_of(lines):
    """After how many seeds the median campaign ended, and of what."""
    middle = median(lines)
    return f"{middle['after']:,}{of_profile(middle)}{of_starts(lines)}{crashed(lines)}"


def said_of(lines):
    middle = median(lines)
    if not middle["killed"]:
        return f"survived {seeds_of(lines)}"
    return f"killed by {checkers(lines)} after {seeds_of(lines)}: {middle['text']}"


# --- the document


def cells(lines):
    """By which checker, and after how many seeds."""
    if not lines:
        return [NOT_RUN, ""]
    return [checkers(lines) if is_killed(lines) else "survives", seeds_of(lines)]


def latest(results, name, judges):
    """Of the patch as it is, one line for each start: of the profile that found it, or the last one's."""
    of_start = {}
    for line in results:
        if (line["name"], line["patch"], line["pass"]) != (name, hash_of(name), judges):
            continue
        known = of_start.get(line["start"])
        if known is None or known["profile"] == line["profile"] or not known["killed"]:
            of_start[line["start"]] = line
    return list(of_start.values())


def row(mutant, results, kept):
    key = f"`tests/mutants/{mutant.name}.patch`"
    old = kept.get(key, [NOT_RUN, "", NOT_RUN, ""])
    new = [cells(latest(results, mutant.name, judges)) for judges in ("all", "client")]
    found = [old[2 * i:2 * i + 2] if new[i] == [NOT_RUN, ""] else new[i] for i in range(2)]
    hazard = "" if mutant.hazard == "-" else f"{mutant.hazard}, {mutant.depth}"
    return f"| {key} | {hazard} | {mutant.text} | {' | '.join(found[0] + found[1])} |\n"


def rendered(results, old):
    mutants, ruled = catalogue()
    kept = {}
    of_row = re.compile(r"\| (`tests/mutants/\w+\.patch`) \| .*? \| .*? \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|")
    for line in old.splitlines():
        found = of_row.fullmatch(line)
        if found:
            kept[found[1]] = list(found.groups()[1:])
    text = "| patch | entry | the bug | found by | seeds | from outside by | seeds |\n|---|---|---|---|---|---|---|\n"
    text += "".join(row(mutant, results, kept) for mutant in mutants)
    text += "\n| entry | why it cannot be | the line |\n|---|---|---|\n"
    return text + "".join(f"| {r.hazard} | {r.reason} | `{r.file}`: `{r.line}` |\n" for r in ruled)


def write(file):
    document = DOCUMENT.read_text()
    head, rest = document.split(BEGIN)
    old, tail = rest.split(END)
    DOCUMENT.write_text(head + BEGIN + rendered(results_in(file), old) + END + tail)
    return 0
