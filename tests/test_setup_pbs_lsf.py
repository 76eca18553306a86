"""`envtool setup pbs` and `lsf`: directives as those schedulers read them, and the job run without one."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
from job_scripts import COURSE, NO_BASH, PROGRAM, SHELLCHECK, bash, bodies, room, text, variants

from envtool.cli.app import main
from envtool.errors import UsageError
from envtool.setup.job import Wanted, job_of
from envtool.setup.job_faults import directives, faults_of
from envtool.setup.pbs import pbs_files
from envtool.setup.site_files import load_site

needs_bash = pytest.mark.skipif(NO_BASH, reason="the job script is for bash")
ALL = {scheduler: dict(variants(scheduler)) for scheduler in ("pbs", "lsf")}
# What qsub and bsub know, and what may stand behind each.
KNOWN = {
    "pbs": {
        "-N": r"[A-Za-z0-9][\w.-]{0,14}", "-A": r"\S+", "-P": r"\S+", "-q": r"\S+", "-J": r"[0-9]+-[0-9]+(:[0-9]+)?(%[0-9]+)?",
        "-j": r"oe|eo|n", "-k": r"[doen]+",
        "-l": r"walltime=[0-9]+:[0-9]{2}:[0-9]{2}|select=[0-9]+(:[a-z_]+=[\w.-]+)+|(ngpus|ncpus)=[0-9]+|mem=[0-9]+[MGT]B|wd"
              r"|storage=\S+|filesystems=[a-z:]+|place=scatter",
    },
    "lsf": {
        "-J": r"[\w.-]+(\[[0-9,%-]+\])?", "-P": r"\S+", "-q": r"\S+", "-n": r"[0-9]+", "-W": r"[0-9]{2,}:[0-9]{2}", "-o": r"\S+",
        "-R": r"span\[hosts=1\]|rusage\[mem=[0-9]+MB\]", "-gpu": r"num=[0-9]+:mode=exclusive_process(:gmodel=\S+)?",
    },
}  # fmt: skip


def flags(script, scheduler):
    found = directives(script.split("\n"), {"pbs": "#PBS", "lsf": "#BSUB"}[scheduler])
    return [shlex.split(line) for _, line in found]


@pytest.mark.parametrize("scheduler", ["pbs", "lsf"])
def test_each_directive_is_one_that_the_scheduler_knows(scheduler):
    for label, script in ALL[scheduler].items():
        read = flags(script, scheduler)
        assert read, label
        for words in read:
            assert len(words) == 2 and re.fullmatch(KNOWN[scheduler][words[0]], words[1]), (label, words)
        assert len({tuple(words) for words in read}) == len(read), label


@pytest.mark.parametrize("scheduler", ["pbs", "lsf"])
def test_what_we_write_has_no_fault_but_what_only_the_user_knows(scheduler):
    for label, script in ALL[scheduler].items():
        site = load_site(label.split()[0], scheduler)
        assert {fault.code for fault in faults_of(script, scheduler, site, None)} <= {"change-me"}, label
        assert "SLURM" not in script and "srun" not in script and "29500" not in script, label


def test_the_request_has_the_form_that_each_site_reads():
    assert ["-l", "select=1:ncpus=8:ngpus=2:mem=32gb"] in flags(text("generic", "pbs", gpus=2), "pbs")
    gadi = flags(text("gadi", "pbs", gpus=2), "pbs")
    assert ["-l", "ngpus=2"] in gadi and ["-l", "ncpus=24"] in gadi and ["-P", "CHANGE_ME"] in gadi
    polaris = flags(text("polaris", "pbs", nodes=2, gpus=4), "pbs")
    assert ["-l", "select=2:system=polaris"] in polaris and ["-l", "filesystems=home:eagle"] in polaris
    dtu = flags(text("dtu", "lsf", gpus=2, array="1-4"), "lsf")
    assert ["-q", "gpuv100"] in dtu and ["-gpu", "num=2:mode=exclusive_process"] in dtu and ["-n", "8"] in dtu
    assert ["-J", "deep-learning[1-4]"] in dtu and ["-R", "rusage[mem=4096MB]"] in dtu and ["-W", "01:00"] in dtu


def test_several_nodes_where_nobody_knows_how():
    with pytest.raises(UsageError, match="several nodes is not known of generic-pbs"):
        pbs_files(job_of(COURSE, Wanted(program=PROGRAM, nodes=2), load_site("generic", "pbs"), "jobs/train.pbs"))


def test_arrays_that_a_scheduler_does_not_have():
    with pytest.raises(UsageError, match="LSF counts from 1"):
        text("generic", "lsf", array="0-9")
    with pytest.raises(UsageError, match="PBS takes one range"):
        text("generic", "pbs", array="1,3")


@needs_bash
@pytest.mark.parametrize("scheduler", ["pbs", "lsf"])
def test_bash_can_read_each_variant(scheduler, tmp_path):
    for number, script in enumerate(ALL[scheduler].values()):
        (tmp_path / f"{number}.sh").write_text(script)
    files = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        ["bash", "-c", 'for f in "$@"; do bash -n "$f" || exit; done', "-", *files], capture_output=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(SHELLCHECK is None, reason="there is no shellcheck")
@pytest.mark.parametrize("scheduler", ["pbs", "lsf"])
def test_shellcheck_finds_nothing(scheduler, tmp_path):
    for number, script in enumerate(bodies(ALL[scheduler].values())):
        (tmp_path / f"{number}.sh").write_text(script)
    done = subprocess.run([SHELLCHECK, *sorted(map(str, tmp_path.iterdir()))], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


INSIDE = {
    "pbs": {"PBS_JOBID": "0123[4].server.example.org", "PBS_ARRAY_INDEX": "4", "NCPUS": "8"},
    "lsf": {"LSB_JOBID": "777", "LSB_JOBINDEX": "4", "LSB_DJOB_NUMPROC": "8"},
}
FOLDER = {"pbs": "PBS_O_WORKDIR", "lsf": "LS_SUBCWD"}


@needs_bash
@pytest.mark.parametrize("scheduler", ["pbs", "lsf"])
def test_the_job_runs_its_program_after_the_checks(scheduler, tmp_path):
    script = text("generic", scheduler, gpus=2, array="1-4", program=("python", "-m", "a b", "--seed", "{index}"))
    (tmp_path / "job.sh").write_text(script)
    work = tmp_path / "work"
    work.mkdir()
    env = {**room(work), **INSIDE[scheduler], FOLDER[scheduler]: str(work)}
    env["PATH"] = f"{work}/.venv/bin:{env['PATH']}"
    done = bash(tmp_path / "job.sh", env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["job", "envtool", "envtool", "python"]
    port = 10000 + (1234 if scheduler == "pbs" else 781) % 20000
    assert f"<--rdzv-endpoint=localhost:{port}>" in lines[3]
    assert "<-m> <a b> <--seed> <4>" in lines[3]


@needs_bash
def test_on_several_nodes_each_is_checked(tmp_path):
    script = text("polaris", "pbs", nodes=2, gpus=4).replace("  conda activate base\n", "")
    (tmp_path / "job.sh").write_text(script)
    env = {**room(tmp_path), "PBS_JOBID": "9.x", "PBS_NODEFILE": str(tmp_path / "nodes"), "LMOD_PKG": str(tmp_path)}
    (tmp_path / "nodes").write_text("node1\nnode2\n")
    (tmp_path / "init").mkdir()
    (tmp_path / "init/bash").write_text("module() { :; }\n")
    (tmp_path / "stubs/mpiexec").write_text('#!/bin/bash\necho "mpiexec ${*:1:4}"\nshift 4\nexec "$@"\n')
    (tmp_path / "stubs/mpiexec").chmod(0o755)
    done = bash(tmp_path / "job.sh", env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("mpiexec -n 2 -ppn 1") == 2 and "<--rdzv-endpoint=node1:10009>" in done.stdout
    assert "envtool doctor" in done.stdout and "<--nnodes=2> <--nproc-per-node=4>" in done.stdout


@pytest.mark.parametrize(("scheduler", "command"), [("pbs", "qsub jobs/train.pbs"), ("lsf", "bsub < jobs/train.lsf")])
def test_the_command(scheduler, command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["setup", scheduler, "--no-spec"]) == 0
    assert capsys.readouterr().out == f"written jobs/train.{scheduler}\n"
    assert f"# For each training:  {command}\n" in (tmp_path / f"jobs/train.{scheduler}").read_text()
    assert main(["setup", scheduler, "--verify", f"jobs/train.{scheduler}"]) == 0
