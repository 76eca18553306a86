"""A job for LSF: the directives, and what is LSF's own in the script. Pure."""

from __future__ import annotations

import re

from envtool.errors import UsageError
from envtool.setup.files import SetupFile
from envtool.setup.job import Job
from envtool.setup.job_body import Dialect, body
from envtool.setup.sites import seconds_of
from envtool.setup.slurm import account_comment, heading


def dialect(job: Job) -> Dialect:
    """LSF reads the script from its standard input."""
    return Dialect(
        scheduler="lsf",
        submit="bsub <",
        job="LSB_JOBID",
        folder="LS_SUBCWD",
        number="(LSB_JOBID + ${LSB_JOBINDEX:-0})",  # an array's tasks share the first
        cores=f"${{LSB_DJOB_NUMPROC:-{job.cores * job.wanted.gpus}}}",
        index="LSB_JOBINDEX",
        first_node="hostname",
        each_node="",
        run="",
    )


def lsf_files(job: Job) -> tuple[SetupFile, ...]:
    """The job script, for one node."""
    how = dialect(job)
    if job.wanted.array and re.search(r"(^|,)0", job.wanted.array):
        raise UsageError(f"--array {job.wanted.array}: LSF counts from 1", hint="write it as in --array 1-10")
    text = "\n".join(["#!/bin/bash", heading(job, how), *_directives(job)]) + "\n"
    return (SetupFile(job.path, f"{text}\n{body(job, how)}"),)


def _directives(job: Job) -> list[str]:
    wanted = job.wanted
    cores = job.cores * wanted.gpus
    array = f"[{wanted.array}]" if wanted.array else ""
    model = f":gmodel={job.gpu_type}" if job.gpu_type else ""
    minutes = -(-seconds_of(job.time) // 60)
    lines = [f'#BSUB -J "{job.name}{array}"']
    if job.account:
        lines += [*account_comment(job), f"#BSUB -P {job.account}"]
    if job.partition:
        lines.append(f"#BSUB -q {job.partition}")
    lines += [f"#BSUB -n {cores}", '#BSUB -R "span[hosts=1]"']
    lines.append(f'#BSUB -gpu "num={wanted.gpus}:mode=exclusive_process{model}"')
    if job.memory:
        lines += ["# memory, for each core", f'#BSUB -R "rusage[mem={_megabytes(job.memory) // cores}MB]"']
    lines.append(f"#BSUB -W {minutes // 60:02}:{minutes % 60:02}")
    lines.append(f"#BSUB -o {job.name}-%J{'_%I' if wanted.array else ''}.out")
    return [*lines, *(f"#BSUB {text}" for text in job.directives)]


def _megabytes(memory: str) -> int:
    return int(memory[:-1]) * {"M": 1, "G": 1024, "T": 1024 * 1024}[memory[-1]]
