"""What the tests of job scripts share: every variant, and a room in which a script runs without a scheduler."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from envtool.course import Course
from envtool.setup.job import Wanted, job_of
from envtool.setup.lsf import lsf_files
from envtool.setup.pbs import pbs_files
from envtool.setup.site_files import load_site, site_names
from envtool.setup.slurm import slurm_files

WRITERS = {"slurm": slurm_files, "pbs": pbs_files, "lsf": lsf_files}
PATHS = {"slurm": "jobs/train.sbatch", "pbs": "jobs/train.pbs", "lsf": "jobs/train.lsf"}
COURSE = Course("deep-learning", packages=("numpy",), pip_packages=("torchinfo>=1.8",), editable=(".",))
PROGRAM = ("python", "-m", "cats.train")


def sites(scheduler):
    found = []
    for name in site_names():
        try:
            found.append(load_site(name, scheduler))
        except Exception:  # noqa: BLE001 - a site of another scheduler
            continue
    return found


def text(site="generic", scheduler="slurm", course=COURSE, path=None, **wanted):
    site = load_site(site, scheduler) if isinstance(site, str) else site
    wanted = {"program": PROGRAM, **wanted}
    return WRITERS[scheduler](job_of(course, Wanted(**wanted), site, path or PATHS[scheduler]))[0].text


def variants(scheduler):
    """(label, text) of every site in every shape that it has."""
    shapes = [
        {},
        {"gpus": 2},
        {"array": "0-9%2", "program": (*PROGRAM, "--seed", "{index}"), "resume": "runs/{index}.pt"},
    ]
    if scheduler == "slurm":
        shapes += [
            {"gpus": 2, "launcher": "srun"},
            {"nodes": 2},
            {"nodes": 2, "launcher": "srun"},
            {"requeue": True, "resume": "a b.pt"},
        ]
        shapes += [{"version": "18.08"}, {"environment": "wheels", "temporary": "TMPDIR", "nodes": 2}]
    if scheduler == "lsf":
        shapes[2]["array"] = "1-9%2"
    for site in sites(scheduler):
        for shape in [*shapes, *([{"nodes": 2}] if site.launch_each_node else [])]:
            if shape.get("gpus", 1) <= (site.gpu_per_node or 9):
                yield f"{site.name} {shape}", text(site, scheduler, **shape)


def bodies(texts):
    """Scripts that differ in more than directives and comments."""
    return list({re.sub(r"(?m)^#(?! shellcheck|!).*\n", "", text): text for text in texts}.values())


def room(folder: Path, *programs: str) -> dict[str, str]:
    """An environment and envtool that only say what they were asked, and such programs on the PATH."""
    stubs = folder / "stubs"
    stubs.mkdir()
    for name in programs:
        (stubs / name).write_text(f'#!/bin/bash\necho "{name} $*"\n')
        (stubs / name).chmod(0o755)
    tools, venv = folder / ".envtool/bin", folder / ".venv/bin"
    tools.mkdir(parents=True)
    venv.mkdir(parents=True)
    (tools / "envtool").write_text('#!/bin/bash\necho "envtool $*"\nexit "${ENVTOOL_CODE:-0}"\n')
    (tools / "envtool").chmod(0o755)
    (venv / "activate").write_text('PATH="$PWD/.venv/bin:$PATH"\n')
    (venv / "python").write_text('#!/bin/bash\nprintf "python"; printf " <%s>" "$@"; echo\n')
    (venv / "python").chmod(0o755)
    hidden = ("SLURM", "PBS_", "LSB_", "LS_", "DEVICE", "NCPUS", "MODULE", "LMOD", "TORCH", "HF_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    return {**clean, "PATH": f"{stubs}{os.pathsep}{clean['PATH']}"}


def bash(script: Path, env: dict[str, str], *arguments: str, cwd: Path):
    return subprocess.run(
        ["bash", str(script), *arguments], capture_output=True, text=True, env=env, cwd=cwd, timeout=30
    )


SHELLCHECK = shutil.which("shellcheck") or shutil.which("shellcheck", path=os.path.dirname(sys.executable))
NO_BASH = os.name == "nt" or shutil.which("bash") is None
