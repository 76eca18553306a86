"""Generated jobs on a real Slurm: two nodes on this machine, started here, with GPUs that are links to /dev/null."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from job_scripts import room, sites, text, variants
from slurm_cluster import cluster, missing

from envtool.cli.app import main
from envtool.setup.sites import read_site

TORCH = os.environ.get("ENVTOOL_TORCH_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
    pytest.mark.timeout(300),
]
needs_torch = pytest.mark.skipif(not TORCH, reason="ENVTOOL_TORCH_PYTHON names no Python with torch")
SMALL = {"cores": 2, "memory": "4G", "time": "5"}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    started = time.monotonic()
    with cluster(tmp_path_factory.mktemp("slurm"), policy=True) as running:
        assert time.monotonic() - started < 20
        yield running


def stubs(folder: Path) -> Path:
    """A folder whose environment is real where torch is, and whose envtool only says what it was asked."""
    room(folder)
    venv = folder / ".venv"
    for path in sorted(venv.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    venv.rmdir()
    venv.symlink_to(Path(TORCH or sys.executable).parent.parent)
    return folder


def write(folder: Path, **wanted) -> Path:
    job = folder / "train.sbatch"
    job.write_text(text(**{**SMALL, **wanted}))
    return job


def log(folder: Path, job: int) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.glob(f"*{job}*.out")))


# ── would Slurm take it? ─────────────────────────────────────────────────────────────────────────


def test_slurm_would_take_each_variant(slurm, tmp_path):
    """What belongs to a site (its names, its sizes) is put into this cluster's words first."""
    tried = 0
    job = tmp_path / "job.sbatch"
    for label, script in variants("slurm"):
        if "18.08" in label and "--gpus-per-node" in script:
            raise AssertionError(label)
        here = re.sub(r"#SBATCH --(partition|qos|constraint|output)=.*\n", "", script)
        here = re.sub(r"(gpus-per-node=|gres=gpu:)[a-z][a-z0-9]*:", r"\1fake:", here)
        here = re.sub(r"--cpus-per-task=.*", "--cpus-per-task=2", re.sub(r"--mem=.*", "--mem=4G", here))
        job.write_text(here)
        assert slurm.allowed(job, cwd=tmp_path) == "", label
        tried += 1
    assert tried > 8 * len(sites("slurm"))


def test_slurm_refuses_what_our_verify_refuses(slurm, tmp_path, capsys):
    good = text(**SMALL)
    faults = {
        "no-shebang": good.replace("#!/bin/bash\n", ""),
        "crlf": good.replace("\n", "\r\n"),
        "flag": good.replace("--mem=4G", "--mem=lots"),
        "type": good.replace("--gpus-per-node=1", "--gpus-per-node=h100:1"),
    }
    assert slurm.allowed(write(tmp_path), cwd=tmp_path) == ""
    for name, script in faults.items():
        job = tmp_path / f"{name}.sbatch"
        job.write_bytes(script.encode())
        assert slurm.allowed(job, cwd=tmp_path), name
        if name in ("no-shebang", "crlf"):
            assert main(["setup", "slurm", "--verify", str(job)]) == 1
            assert name in capsys.readouterr().out


# ── jobs that run ────────────────────────────────────────────────────────────────────────────────


def test_both_nodes_are_reached_and_each_is_checked(slurm, tmp_path):
    program = ("bash", "-c", 'echo "here $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES $DEVICE"')
    job = write(stubs(tmp_path), nodes=2, gpus=2, launcher="srun", program=program)
    number = slurm.submit(job)
    assert slurm.wait(number) == "COMPLETED", log(tmp_path, number)
    out = log(tmp_path, number)
    assert sorted(set(re.findall("here .*", out))) == ["here node1 0,1 cuda", "here node2 0,1 cuda"]
    assert (
        out.count("here ") == 4
        and out.count("envtool doctor") == 2
        and out.count("envtool smoke --quick --device cuda") == 2
    )
    assert out.rindex("envtool") < out.index("here ")


def test_an_array_has_a_log_a_port_and_a_checkpoint_for_each_task(slurm, tmp_path):
    (tmp_path / "seen-1.pt").write_text("")
    program = ("bash", "-c", 'echo "task $*, port $MASTER_PORT"', "-", "--seed", "{index}")
    job = write(stubs(tmp_path), array="0-2", gpus=2, launcher="srun", program=program, resume="seen-{index}.pt")
    number = slurm.submit(job)
    assert slurm.wait(number) == "COMPLETED"
    logs = {path.name: path.read_text() for path in tmp_path.glob("*.out")}
    assert sorted(logs) == [f"deep-learning-{number}_{index}.out" for index in range(3)]
    told = {name: re.search(r"task (.*), port ([0-9]+)", content) for name, content in logs.items()}
    assert [told[name][1] for name in sorted(told)] == ["--seed 0", "--seed 1 --resume", "--seed 2"]
    assert len({found[2] for found in told.values()}) == 3


@pytest.mark.parametrize(
    ("nodes", "words"), [(1, "stopped: envtool doctor:"), (2, "stopped: a check failed on one of")]
)
def test_a_check_that_fails_ends_the_job_with_its_reason(slurm, tmp_path, nodes, words):
    job = write(stubs(tmp_path), program=("echo", "trained"), nodes=nodes)
    number = slurm.submit(job, ENVTOOL_CODE="1")
    assert slurm.wait(number) == "FAILED"
    out = log(tmp_path, number)
    assert out.rstrip().splitlines()[-1].startswith(words) and "trained" not in out
    assert out.count("stopped: envtool doctor:") == nodes


REDUCE = """
import os, torch, torch.distributed as dist
dist.init_process_group("gloo", init_method="env://")
number = torch.ones(1) * (dist.get_rank() + 1)
dist.all_reduce(number)
print(f"rank {dist.get_rank()} of {dist.get_world_size()}: {number.item()}, {os.environ['OMP_NUM_THREADS']} threads", flush=True)
dist.destroy_process_group()
"""


@needs_torch
@pytest.mark.parametrize(
    "wanted",
    [{"nodes": 2}, {"gpus": 2, "launcher": "srun"}],
    ids=["torchrun on two nodes", "srun on one"],
)
def test_two_tasks_find_each_other_and_add_up(slurm, tmp_path, wanted):
    (tmp_path / "reduce.py").write_text(REDUCE)
    job = write(stubs(tmp_path), program=("python", "reduce.py"), **wanted)
    number = slurm.submit(job, MASTER_ADDR="127.0.0.1", GLOO_SOCKET_IFNAME="lo")
    assert slurm.wait(number, 200) == "COMPLETED", log(tmp_path, number)
    told = sorted(re.findall(r"rank .*", log(tmp_path, number)))
    assert told == ["rank 0 of 2: 3.0, 2 threads", "rank 1 of 2: 3.0, 2 threads"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project made by init, with an environment that sees torch and the project, and a real envtool."""
    from templates_rendered import PROJECT

    from envtool.scaffold.make import make
    from envtool.scaffold.templates import questions

    pytest.importorskip("cookiecutter")
    folder = tmp_path_factory.mktemp("projects") / "cats"
    make(
        "project",
        {**PROJECT, **{q.key: q.default for q in questions("project")}, "project": "cats", "package": "cats"},
        str(folder),
    )
    # What the environment here has, and no more: doctor would name the rest.
    (folder / "envtool.toml").write_text('name = "cats"\ntorch = ["torch>=2.4"]\npackages = ["numpy"]\n')
    subprocess.run([TORCH, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True)
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site, theirs = (
        subprocess.run([python, "-c", purelib], capture_output=True, text=True, check=True).stdout.strip()
        for python in (str(folder / ".venv/bin/python"), TORCH)
    )
    Path(site, "more.pth").write_text(f"{theirs}\n{folder / 'src'}\n")
    tools = folder / ".envtool/bin"
    tools.mkdir(parents=True)
    path = os.pathsep.join(part for part in sys.path if part)
    (tools / "envtool").write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec "{sys.executable}" -m envtool "$@"\n')
    (tools / "envtool").chmod(0o755)
    return folder


@needs_torch
def test_the_training_of_a_project_runs_and_goes_on(slurm, project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    words = [
        "--cores",
        "2",
        "--mem",
        "4G",
        "--resume",
        "runs/model.pt",
        "--",
        "python",
        "-m",
        "cats.train",
        "--epochs",
        "1",
    ]
    assert main(["setup", "slurm", "--force", *words]) == 0
    job = project / "jobs/train.sbatch"
    number = slurm.submit(job, cwd=project, DEVICE="cpu")
    assert slurm.wait(number, 200) == "COMPLETED", log(project, number)
    out = log(project, number)
    assert "All is well: " in out and "smoke tests passed" in out and "epoch 1/1" in out
    job.write_text(job.read_text().replace("--epochs 1", "--epochs 2").replace("\ncheck\n", "\n"))
    number = slurm.submit(job, cwd=project, DEVICE="cpu")
    assert slurm.wait(number, 120) == "COMPLETED", log(project, number)
    assert "going on after epoch 1 of 2\nepoch 2/2" in log(project, number)


@needs_torch
def test_a_job_that_got_no_gpu_that_works_is_not_trained_on_the_cpu(slurm, project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    assert main(["setup", "slurm", "--force", "--cores", "2", "--mem", "4G"]) == 0
    number = slurm.submit(project / "jobs/train.sbatch", cwd=project)
    assert slurm.wait(number, 200) == "FAILED"
    out = log(project, number)
    assert "DEVICE=cuda" in out and "epoch" not in out
    assert out.rstrip().splitlines()[-1].startswith("stopped: envtool ")


LONG = """
import signal, sys, time
def end(*_):
    print("told to end", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, end)
if "--resume" in sys.argv:
    print("went on", flush=True)
    sys.exit(0)
open("last.ckpt", "w").close()
print("training", flush=True)
time.sleep(300)
"""


def test_at_the_time_limit_a_job_goes_back_into_the_queue_and_goes_on(slurm, tmp_path):
    (tmp_path / "long.py").write_text(LONG)
    job = write(stubs(tmp_path), requeue=True, resume="last.ckpt", program=("python", "long.py"), time="1")
    assert "--signal=B:USR1@20" in job.read_text()  # and Slurm looks at the limits twice a minute
    number = slurm.submit(job)
    end = time.monotonic() + 90
    while slurm.states(number) != {"PENDING"} or slurm.facts(number)["Restarts"] == "0":
        assert time.monotonic() < end, (slurm.facts(number), log(tmp_path, number))
        time.sleep(0.5)
    facts = slurm.facts(number)
    assert facts["Restarts"] == "1", (facts, log(tmp_path, number))
    slurm.rest()  # what is left of the first start is cleared away
    assert slurm.run("scontrol", "update", f"JobId={number}", "StartTime=now").returncode == 0  # not in two minutes
    assert slurm.wait(number) == "COMPLETED", log(tmp_path, number)
    out = log(tmp_path, number)
    order = ["training", "the time limit is near; this was start number 1", "told to end", "went on"]
    places = [out.index(words) for words in order]
    assert places == sorted(places)


def test_a_job_does_not_come_back_for_ever(slurm, tmp_path):
    (tmp_path / "long.py").write_text(LONG)
    job = write(stubs(tmp_path), requeue=True, program=("python", "long.py"))
    number = slurm.submit(job, MAX_RESTARTS="0")
    while "training" not in log(tmp_path, number):
        time.sleep(0.2)
    assert slurm.run("scancel", "--batch", "--signal=USR1", number).returncode == 0
    assert slurm.wait(number) == "FAILED" and "MAX_RESTARTS=0 is reached" in log(tmp_path, number)


# ── a site: its policy, its modules, its wheels ──────────────────────────────────────────────────

SITE = {
    "name": "testsite", "title": "a site for tests", "scheduler": "slurm", "page": "https://example.org/", "read": "2026-11-23",
    "account": {"needed": True, "form": "def-PROFESSOR", "source": "https://example.org/", "date": "2026-11-23"},
    "queue": {"partition": "strict", "source": "https://example.org/", "date": "2026-11-23"},
    "modules": {"load": ["tools", "python/3.12"], "source": "https://example.org/", "date": "2026-11-23"},
    "python": {"from": "site-wheels", "source": "https://example.org/", "date": "2026-11-23"},
    "places": {"temporary": "SLURM_TMPDIR", "source": "https://example.org/", "date": "2026-11-23"},
}  # fmt: skip


def wheel(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", "where = __file__\n")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")


def test_a_site_with_a_policy_modules_and_wheels_of_its_own(slurm, tmp_path):
    from envtool.course import Course

    site = read_site(SITE, "SITE")
    course = Course("deep-learning", torch=("torch",), packages=("numpy",), editable=(".",))
    for name in ("torch", "numpy"):
        wheel(tmp_path / "wheels", name)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/mine.py").write_text("import torch, numpy; print('from', torch.where)\n")
    wanted = {**SMALL, "program": ("python", "-m", "mine")}
    room(tmp_path)
    job = tmp_path / "train.sbatch"
    job.write_text(text(site, course=course, **wanted))
    assert "this site wants an account" in slurm.allowed(job)
    job.write_text(text(site, course=course, **wanted, account="def-me"))
    assert slurm.allowed(job) == ""
    env = {
        "SLURM_TMPDIR": str(tmp_path / "node"),
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    (tmp_path / "node").mkdir()

    number = slurm.submit(job, **env)  # no module system to be found
    assert slurm.wait(number) == "FAILED" and "stopped: there is no module system on " in log(tmp_path, number)

    lmod = {"LMOD_PKG": str(slurm.folder)}
    number = slurm.submit(job, **env, **lmod)
    assert slurm.wait(number, 200) == "COMPLETED", log(tmp_path, number)
    out = log(tmp_path, number)
    assert f"from {tmp_path}/node/env/" in out and "envtool smoke" in out

    job.write_text(text(site, course=course, **wanted, account="def-me", modules=("nothing/1.0",)))
    number = slurm.submit(job, **env, **lmod)
    assert slurm.wait(number) == "FAILED"
    assert "stopped: the module nothing/1.0 can't be loaded; see: module avail nothing" in log(tmp_path, number)


def test_each_node_makes_its_environment(slurm, tmp_path):
    """With a virtualenv and a pip that only say where they are: here the nodes share one disk."""
    room(tmp_path)
    says = '#!/bin/bash\necho "$SLURMD_NODENAME: virtualenv $*"\nmkdir -p "$3/bin"\ncp -n .venv/bin/* "$3/bin" 2>/dev/null || true\n'
    (tmp_path / "stubs/virtualenv").write_text(says)
    (tmp_path / "stubs/virtualenv").chmod(0o755)
    job = tmp_path / "train.sbatch"
    job.write_text(
        text(read_site(SITE, "SITE"), **SMALL, nodes=2, account="def-me", launcher="srun", program=("hostname",))
    )
    path = f"{tmp_path}/stubs:{slurm.environment['PATH']}"
    number = slurm.submit(job, PATH=path, SLURM_TMPDIR=str(tmp_path / "node"), LMOD_PKG=str(slurm.folder))
    assert slurm.wait(number) == "COMPLETED", log(tmp_path, number)
    out = log(tmp_path, number)
    made = f"virtualenv --quiet --no-download {tmp_path}/node/env"
    assert f"node1: {made}" in out and f"node2: {made}" in out
    assert out.count("python <-m> <pip> <install> <--quiet> <--no-index> <torch>") == 2
    (tmp_path / "stubs/virtualenv").write_text("#!/bin/bash\nexit 1\n")
    number = slurm.submit(job, PATH=path, SLURM_TMPDIR=str(tmp_path / "node"), LMOD_PKG=str(slurm.folder))
    assert slurm.wait(number) == "FAILED"
    assert log(tmp_path, number).endswith("stopped: the environment could not be made; see above\n")


def test_wheels_fetched_on_the_login_node_are_enough_for_a_node_without_internet(slurm, tmp_path):
    from install_room import HAS_UV, Room, index_of

    if not HAS_UV:
        pytest.skip("fetching wheels needs uv")
    room(tmp_path)
    index = index_of("cpu")
    fetching = Room(tmp_path, index)
    words = " ".join(fetching.words()[4:])  # the index here in place of those in the world
    tool = tmp_path / ".envtool/bin/envtool"
    tool.write_text(
        '#!/bin/bash\ncase "$1 $*" in install*--download*) more="' + words.replace("--no-spec ", "") + '" ;;\n'
        '  install*) more= ;; *) echo "envtool $*"; exit ;;\nesac\n'
        f'exec "{sys.executable}" -m envtool "$@" $more\n'
    )
    job = tmp_path / "train.sbatch"
    program = ("python", "-c", "import torch; print('torch', torch.__version__, torch.__file__)")
    job.write_text(text(**SMALL, environment="wheels", temporary="SLURM_TMPDIR", variant="cpu", program=program))
    prepared = subprocess.run(
        ["bash", str(job), "prepare"], capture_output=True, text=True, cwd=tmp_path, env=fetching.env
    )
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    assert list((tmp_path / "wheels").glob("torch-*.whl"))
    index.close()
    (tmp_path / "node").mkdir()
    nowhere = {
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/",
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "ENVTOOL_DATA": fetching.env["ENVTOOL_DATA"],
    }
    number = slurm.submit(job, SLURM_TMPDIR=str(tmp_path / "node"), **nowhere)
    assert slurm.wait(number, 200) == "COMPLETED", log(tmp_path, number)
    assert re.search(rf"torch \S+ {tmp_path}/node/env/", log(tmp_path, number))


def test_the_ports_of_the_cluster_are_on_loopback_only(slurm):
    conf = (slurm.folder / "slurm.conf").read_text()
    for port in re.findall(r"Port=([0-9]+)", conf):
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex(("127.0.0.1", int(port))) == 0
