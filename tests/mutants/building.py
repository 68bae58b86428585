"""Programs with mutants: one with nearly all of them (together.py), and one each of those that are more than other
bodies of functions. Only the patched files are compiled, and linked in front of a build directory's libraries."""

import concurrent.futures
import hashlib
import os
import pathlib
import re
import shlex
import subprocess

import together
from catalogue import ROOT, patch_of

ALONE = "viv_zab;viv_storage;viv_tree;viv_server"  # where nearly all mutants are: small files to compile again
# A mutant runs a few times, and what a compiler would say of it (a name that is not used) is no news.
LESS = ["-O1", "-w"]


def output_of(command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def brought_up_to_date(build):
    subprocess.run(["cmake", "-S", str(ROOT), "-B", str(build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                    "-DCMAKE_CXX_COMPILER=g++", "-DVIVARIUM_UNITY=ON", f"-DVIVARIUM_ALONE={ALONE}"],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", str(build), "vivsim"], check=True, stdout=subprocess.DEVNULL)


def commands_of(build):
    return output_of(["ninja", "-C", str(build), "-t", "commands", "bin/vivsim"]).splitlines()


def units(commands):
    """What is compiled: (command, source, what it includes if it is several files as one)."""
    for line in commands:
        found = re.search(r" -c (\S+)$", line)
        if found is None:
            continue
        source = pathlib.Path(found[1])
        several = source.suffix == ".cxx" and "Unity" in source.parts
        included = re.findall(r'^#include "(/\S+)"', source.read_text(), re.MULTILINE) if several else []
        yield shlex.split(line), source, included


def changed_unit(source, included, files, folder):
    """The text of a unit in which `files` (path to changed text) are in the places of their originals."""
    if not included:
        return files[str(source)]
    text = source.read_text()
    for original in files.keys() & set(included):
        copy = folder / pathlib.Path(original).relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(files[original])
        text = text.replace(f'"{original}"', f'"{copy}"')
    return text + f"// {hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()}\n"


def compile_unit(command, text, stem, build):
    """The object of a text; what was compiled of the same text by the same command is there already."""
    source, made, stamp = stem.with_suffix(".cc"), stem.with_suffix(".o"), stem.with_suffix(".stamp")
    command = [*command, *LESS]
    command[command.index("-o") + 1] = str(made)
    command[command.index("-c") + 1] = str(source)
    if "-MF" in command:
        command[command.index("-MF") + 1] = f"{made}.d"
    headers = output_of(["git", "ls-tree", "-r", "HEAD", "core"], cwd=ROOT)
    state = hashlib.sha256(f"{text}{command}{headers}".encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != state:
        source.write_text(text)
        subprocess.run(command, check=True, cwd=build)
        stamp.write_text(state)
    return made


def linked(build, commands, objects, program):
    command = [word for word in shlex.split(commands[-1]) if word not in (":", "&&")]
    command[command.index("bin/vivsim")] = str(program)
    first = next(i for i, word in enumerate(command) if word.endswith(".o"))
    command[first + 1:first + 1] = map(str, objects)
    subprocess.run(command, check=True, cwd=build)


def built(build, files, name, jobs):
    """The program in which `files` (path below the source to text) are changed."""
    folder = build / "mutants" / name
    folder.mkdir(parents=True, exist_ok=True)
    files = {str(ROOT / file): text for file, text in files.items()}
    commands = commands_of(build)
    wanted = []
    for command, source, included in units(commands):
        if files.keys() & {str(source), *included}:
            text = changed_unit(source, included, files, folder)
            wanted.append((command, text, folder / f"{len(wanted)}-{source.stem}", build))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        objects = list(pool.map(lambda unit: compile_unit(*unit), wanted))
    linked(build, commands, objects, folder / "vivsim")
    return folder / "vivsim"


class Programs:
    """What runs a mutant: (program, environment), built when it is asked for."""

    def __init__(self, build, place, names, jobs):
        self.build, self.place, self.jobs = build, place, jobs
        self.files, self.left = together.all_merged(names)
        self.of_all = None

    def of(self, name):
        if name in self.left:
            return built(self.build, together.patched(name), name, self.jobs), {}
        if self.of_all is None:
            self.of_all = built(self.build, self.files, self.place, self.jobs)
        return self.of_all, {together.VARIABLE: str(together.number_of(name))}


def environment(more):
    return {**os.environ, **more}
