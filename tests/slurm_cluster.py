"""A real Slurm on this machine: one controller and two nodes on loopback, with GPUs that are links to /dev/null.

It runs as whoever runs the tests. ``auth/none`` where munge isn't asked for: all of it is one user on one machine.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"])
HIDDEN = ("SLURM", "SBATCH", "SRUN", "SALLOC", "DEVICE", "CUDA_", "PYTHON", "VIRTUAL_ENV", "MASTER_", "LMOD", "MODULE")
END = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"}

CONF = """
ClusterName=envtool
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
ReturnToService=2
EnforcePartLimits=ALL
CommunicationParameters=NoAddrCache,NoCtldInAddrAny,NoInAddrAny
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
KillWait=2
OverTimeLimit=0
MinJobAge=300
InactiveLimit=0
JobRequeue=1
MaxArraySize=100
{extra}
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=64000 Gres=gpu:fake:2
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 RealMemory=64000 Gres=gpu:fake:2
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=UNLIMITED State=UP
PartitionName=strict Nodes=node1,node2 MaxTime=02:00:00 State=UP
"""

# What a site's policy is like: no job without an account, in one of the partitions.
POLICY = """
function slurm_job_submit(job, part_list, submit_uid)
  if job.partition == "strict" and (job.account == nil or job.account == "CHANGE_ME") then
    slurm.log_user("this site wants an account: --account=NAME")
    return slurm.ERROR
  end
  return slurm.SUCCESS
end
function slurm_job_modify(job, job_rec, part_list, modify_uid)
  return slurm.SUCCESS
end
return slurm.SUCCESS
"""

# What Lmod gives a login shell. A batch shell has no such function until it reads this file.
MODULES = """
module() {
  case "$1" in
    purge) : ;;
    use) export MODULEPATH="$2" ;;
    load) shift; for name in "$@"; do
      case "$name" in
        python/3.12|tools|pytorch/*) export LOADEDMODULES="${LOADEDMODULES:-}:$name" ;;
        *) echo "Lmod has detected the following error: The following module(s) are unknown: \\"$name\\"" >&2
           return 1 ;;
      esac; done ;;
  esac
}
"""


def missing() -> str | None:
    """Why no Slurm can be started here."""
    if os.name != "posix":
        return "Slurm is for Linux"
    lacking = [name for name in ("slurmctld", "slurmd", "sbatch") if shutil.which(name, path=SBIN) is None]
    return f"there is no {lacking[0]} (Debian: slurmctld, slurmd, slurm-client)" if lacking else None


class Cluster:
    """A running cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {key: value for key, value in os.environ.items() if not key.startswith(HIDDEN)}
        self.environment = {**clean, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": SBIN, "PYTHONUTF8": "1"}

    def run(self, *command: object, cwd: object = None, seconds: float = 60, **env: str):
        words = [str(word) for word in command]
        return subprocess.run(
            words, capture_output=True, text=True, cwd=str(cwd) if cwd else None, timeout=seconds,
            env={**self.environment, **env},
        )  # fmt: skip

    def allowed(self, script: Path, *options: str, cwd: object = None) -> str:
        """The words of `sbatch --test-only`: "" where it would take the job."""
        done = self.run("sbatch", "--test-only", *options, script, cwd=cwd or script.parent)
        return "" if done.returncode == 0 else done.stderr + done.stdout

    def submit(self, script: Path, *options: str, cwd: object = None, **env: str) -> int:
        done = self.run("sbatch", "--parsable", *options, script, cwd=cwd or script.parent, **env)
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split(";")[0])

    def facts(self, job: int) -> dict[str, str]:
        done = self.run("scontrol", "--oneliner", "show", "job", job)
        return dict(re.findall(r"(\w+)=(\S*)", done.stdout.splitlines()[0])) if done.returncode == 0 else {}

    def states(self, job: int) -> set[str]:
        done = self.run("scontrol", "--oneliner", "show", "job", job)
        return set(re.findall(r"JobState=(\w+)", done.stdout))

    def wait(self, job: int, seconds: float = 60) -> str:
        """The state that a job (all of an array's tasks) ended in."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = self.states(job)
            if states and states <= END:
                return "+".join(sorted(states))
            time.sleep(0.2)
        raise AssertionError(f"job {job} didn't end: {self.facts(job)}\n{self.logs()}")

    def rest(self) -> None:
        """Wait until no node has anything to do, not even to clear away a job that has ended."""
        _await_nodes(self, 60)

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log")))


@contextmanager
def cluster(folder: Path, *, policy: bool = False) -> Iterator[Cluster]:
    """A cluster that is up; it is gone when this is left."""
    made = Cluster(folder)
    _configure(folder, policy)
    conf = str(folder / "slurm.conf")
    daemons = [["slurmctld", "-c", "-i", "-D", "-f", conf]]
    daemons += [["slurmd", "-D", "-N", node, "-f", conf] for node in ("node1", "node2")]
    running = []
    try:
        for words in daemons:
            program = shutil.which(words[0], path=SBIN)
            assert program is not None
            out = (folder / "daemons.log").open("ab")
            running.append(
                subprocess.Popen(
                    [program, *words[1:]], env=made.environment, stdout=out, stderr=out, start_new_session=True
                )
            )
        _await_nodes(made)
        yield made
    finally:
        made.run("scancel", "--user", getpass.getuser())
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
        for process in running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _configure(folder: Path, policy: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("state", "spool-node1", "spool-node2", "gpus"):
        (folder / name).mkdir(exist_ok=True)
    lines = []
    for node in ("node1", "node2"):
        for number in range(2):
            link = folder / "gpus" / f"{node}-{number}"
            link.symlink_to("/dev/null")
            lines.append(f"NodeName={node} Name=gpu Type=fake File={link}")
    (folder / "gres.conf").write_text("\n".join(lines) + "\n")
    (folder / "job_submit.lua").write_text(POLICY)
    (folder / "init").mkdir(exist_ok=True)
    (folder / "init" / "bash").write_text(MODULES)  # with LMOD_PKG this folder is an Lmod
    host = socket.gethostname().partition(".")[0]
    extra = "JobSubmitPlugins=lua" if policy else ""
    conf = CONF.format(host=host, user=getpass.getuser(), ports=_free_ports(3), folder=folder, extra=extra)
    (folder / "slurm.conf").write_text(conf)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _await_nodes(made: Cluster, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done = made.run("sinfo", "--noheader", "--Node", "--format=%N %t")
        if done.returncode == 0 and sorted(set(done.stdout.split("\n")) - {""}) == ["node1 idle", "node2 idle"]:
            return
        time.sleep(0.1)
    raise AssertionError(f"Slurm's nodes are not idle\n{made.logs()}")
