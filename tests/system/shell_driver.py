"""Drives a ZooKeeper shell (vivctl, or zkCli.sh of Debian's package) through pipes, a command at a time, and keeps
what each command printed as a transcript (tests/transcripts/vivctl/README.md).

Run as a program it takes the transcripts anew from zkCli.sh:
    python3 -m tests.system.shell_driver HOST:PORT tests/transcripts/vivctl/*.txt
"""

import os
import pathlib
import re
import selectors
import subprocess
import sys
import time

ZKCLI = "/usr/share/zookeeper/bin/zkCli.sh"
PATIENCE_S = 60
EXIT_CODES = "exit_codes.txt"
QUIET_S = 0.5  # zkCli prints events from a thread of its own, so it is given time to

# What ends the output of every command: one line on each of the two pipes.
MARKS = ("printwatches", "delete")
OUT_MARK = re.compile(r"^printwatches is o\w+\n", re.MULTILINE)
ERR_MARK = re.compile(r"^delete \[-v version\] path\n", re.MULTILINE)


class Shell:
    """A shell whose input, output and errors are pipes. `quiet` is how long to listen after a command for more."""

    def __init__(self, arguments, quiet=0.0, environment=None):
        self.quiet = quiet
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment)
        self.text = {"out": "", "err": ""}
        self.selector = selectors.DefaultSelector()
        for name, pipe in (("out", self.process.stdout), ("err", self.process.stderr)):
            os.set_blocking(pipe.fileno(), False)
            self.selector.register(pipe, selectors.EVENT_READ, name)

    def read(self, seconds):
        """What the pipes hold, waiting for it at most so long. False: nothing came."""
        came = False
        for key, _ in self.selector.select(seconds):
            data = key.fileobj.read()
            if data == b"":
                self.selector.unregister(key.fileobj)
            if data:
                self.text[key.data] += data.decode(errors="replace")
                came = True
        return came

    def wait_for(self, condition, what):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline or not self.selector.get_map():
                raise AssertionError(f"waited for {what}; the shell printed {self.text}")
            self.read(0.2)

    def run(self, command):
        """What one command prints: (output, errors)."""
        self.process.stdin.write("".join(line + "\n" for line in (command, *MARKS)).encode())
        self.process.stdin.flush()
        self.wait_for(lambda: OUT_MARK.search(self.text["out"]) and ERR_MARK.search(self.text["err"]), command)
        while self.quiet and self.read(self.quiet):
            pass
        printed = (OUT_MARK.sub("", self.text["out"]), ERR_MARK.sub("", self.text["err"]))
        self.text = {"out": "", "err": ""}
        return printed

    def end(self, command=None):
        """Ends the input, perhaps with a last command: (exit code, output, errors)."""
        if command is not None:
            self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.close()
        deadline = time.monotonic() + PATIENCE_S
        while self.selector.get_map() and time.monotonic() < deadline:
            self.read(0.2)
        code = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        self.process.stderr.close()
        return code, self.text["out"], self.text["err"]


def zkcli(hosts):
    environment = {**os.environ, "CLIENT_JVMFLAGS": "-XX:TieredStopAtLevel=1",
                   "CLASSPATH_PREFIX": "", "TZ": "UTC", "JVMFLAGS": "-Dlog4j.rootLogger=OFF"}
    shell = Shell([ZKCLI, "-server", hosts], QUIET_S, environment)
    shell.wait_for(lambda: "type:None" in shell.text["out"], "the connection")
    shell.run("sync /")
    return shell


LOG_LINE = re.compile(r"^(log4j:|SLF4J:|\d{4}-\d\d-\d\d ).*\n|^\s+at .*\n", re.MULTILINE)


def normal(printed):
    """A run's own values made equal: zxids, times, sessions; without the lines of a logger."""
    printed = LOG_LINE.sub("", printed)
    printed = re.sub(r"([cmp]Zxid) = 0x[0-9a-f]+", r"\1 = ZXID", printed)
    printed = re.sub(r"([cm]time) = \w{3} \w{3} \d\d \d\d:\d\d:\d\d \S+ \d{4}", r"\1 = TIME", printed)
    printed = re.sub(r"ephemeralOwner = 0x(?!0\n)[0-9a-f]+", "ephemeralOwner = SESSION", printed)
    return re.sub(r"(type:\w+ path:\S+) zxid: -?\d+", r"\1", printed)  # 3.9 tells the zxid, 3.8 does not


def step_text(command, printed):
    """One command of a transcript with its output, errors behind a '!'."""
    out, err = (normal(text) for text in printed)
    lines = [f"> {command}\n"]
    lines += [line + "\n" for line in out.splitlines()]
    lines += [f"! {line}\n" for line in err.splitlines()]
    return "".join(lines)


def commands_of(transcript):
    return [line[2:] for line in transcript.splitlines() if line.startswith("> ")]


def comment_of(transcript):
    return "".join(line + "\n" for line in transcript.splitlines() if line.startswith("#"))


def exit_codes(arguments, transcript, environment=None):
    """Each command of a transcript alone, in a process of its own, with the code that it ended with."""
    steps = []
    for command in commands_of(transcript):
        done = subprocess.run([*arguments, *command.split()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=environment, timeout=PATIENCE_S, check=False)
        steps.append(f"> {command}\n= {done.returncode}\n")
    return comment_of(transcript) + "".join(steps)


def main(hosts, files):
    for file in map(pathlib.Path, files):
        transcript = file.read_text()
        if file.name == EXIT_CODES:
            file.write_text(exit_codes([ZKCLI, "-server", hosts], transcript))
            continue
        shell = zkcli(hosts)
        steps = [step_text(command, shell.run(command)) for command in commands_of(transcript)]
        shell.end("quit")
        file.write_text(comment_of(transcript) + "".join(steps))
        print(f"{file}: {len(steps)} commands")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
