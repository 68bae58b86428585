"""Slurm on one machine, in a folder of its own: munged, slurmctld and slurmd, on free ports."""

import os
import pathlib
import shutil
import socket
import subprocess

from tests.system.harness import HOST, free_port, wait_until

TOOLS = {name: shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
         for name in ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")}
INSTALLED = all(TOOLS.values())

CONFIGURATION = """ClusterName=fleet
SlurmctldHost={node}({host})
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
NodeName={node} NodeAddr={host} CPUs=2 State=UNKNOWN
PartitionName=all Nodes={node} Default=YES State=UP
"""


class Slurm:
    """Started when made; needs root. What runs within it is stopped with it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o700)
        self.processes = []
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        configuration = self.folder / "slurm.conf"
        configuration.write_text(CONFIGURATION.format(node=socket.gethostname().partition(".")[0], host=HOST,
                                                      controller=free_port(), daemon=free_port(), folder=self.folder))
        self.environment = {**os.environ, "SLURM_CONF": str(configuration)}
        self.start()

    def start(self):
        munge = self.folder / "munge"
        self.launch("munged", "--foreground", "--force", f"--key-file={munge}.key", f"--socket={munge}.socket",
                    f"--pid-file={munge}.pid", f"--seed-file={munge}.seed")
        wait_until((self.folder / "munge.socket").exists, "munged's socket")
        self.launch("slurmctld", "-D", "-i", "-f", self.environment["SLURM_CONF"])
        self.launch("slurmd", "-D", "-f", self.environment["SLURM_CONF"])
        wait_until(lambda: self.run("sinfo", "--noheader", "--format=%t").stdout.strip() == "idle", "an idle node", 120)

    def launch(self, name, *arguments):
        with open(self.folder / f"{name}.output", "wb") as out:
            self.processes.append(subprocess.Popen([TOOLS[name], *arguments], stdin=subprocess.DEVNULL, stdout=out,
                                                   stderr=out, env=self.environment))

    def run(self, name, *arguments, seconds=300):
        return subprocess.run([TOOLS[name], *map(str, arguments)], env=self.environment, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(60)

    def output(self):
        """What the daemons said."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.output")))
