"""A job for PBS (OpenPBS, PBS Professional): the directives, and what is PBS's own in the script. Pure."""

from __future__ import annotations

import re

from envtool.errors import UsageError
from envtool.setup.files import SetupFile
from envtool.setup.job import Job
from envtool.setup.job_body import Dialect, body
from envtool.setup.slurm import account_comment, heading


def dialect(job: Job) -> Dialect:
    """PBS starts the script on the first node; how to reach the others differs from site to site."""
    each = job.site.launch_each_node
    if job.wanted.nodes > 1 and not each:
        raise UsageError(
            f"how a job starts processes on several nodes is not known of {job.site.name}",
            hint="write a profile that says so: launch.each-node; or ask for one node",
        )
    return Dialect(
        scheduler="pbs",
        submit="qsub",
        job="PBS_JOBID",
        folder="PBS_O_WORKDIR",
        number="10#${PBS_JOBID//[^0-9]/}",
        cores=f"${{NCPUS:-{job.cores * job.wanted.gpus}}}",
        index="PBS_ARRAY_INDEX",
        first_node='head -n 1 "$PBS_NODEFILE"',
        each_node=each,
        run="",
    )


def pbs_files(job: Job) -> tuple[SetupFile, ...]:
    """The job script."""
    how = dialect(job)
    if job.wanted.array and not re.fullmatch(r"[0-9]+-[0-9]+(:[0-9]+)?(%[0-9]+)?", job.wanted.array):
        raise UsageError(f"--array {job.wanted.array}: PBS takes one range", hint="write it as in --array 0-9")
    text = "\n".join(["#!/bin/bash", heading(job, how), *_directives(job)]) + "\n"
    return (SetupFile(job.path, f"{text}\n{body(job, how)}"),)


def _directives(job: Job) -> list[str]:
    wanted = job.wanted
    lines = [f"#PBS -N {job.name[:15].rstrip('-._')}"]  # PBS refuses longer names on old servers
    if job.account:
        flag = "-P" if job.site.gpu_request == "flat" else "-A"
        lines += [*account_comment(job), f"#PBS {flag} {job.account}"]
    if job.partition:
        lines.append(f"#PBS -q {job.partition}")
    lines += [f"#PBS {text}" for text in _resources(job)]
    lines.append(f"#PBS -l walltime={job.time}")
    if wanted.array:
        lines.append(f"#PBS -J {wanted.array}")
    lines.append("#PBS -j oe")
    return [*lines, *(f"#PBS {text}" for text in job.directives)]


def _resources(job: Job) -> list[str]:
    """The chunks: one for each node, but where a site wants the sums."""
    nodes, gpus = job.wanted.nodes, job.wanted.gpus
    cores = job.cores * gpus
    if job.site.gpu_request == "none":
        return [f"-l select={nodes}:system={job.site.name}"]
    if job.site.gpu_request == "flat":
        sums = [f"-l ngpus={gpus * nodes}", f"-l ncpus={cores * nodes}"]
        return [*sums, *([f"-l mem={job.memory}B"] if job.memory else []), "-l wd"]
    model = f":gpu_model={job.gpu_type}" if job.gpu_type else ""
    memory = f":mem={job.memory.lower()}b" if job.memory else ""
    return [f"-l select={nodes}:ncpus={cores}:ngpus={gpus}{memory}{model}"]
