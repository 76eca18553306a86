"""``envtool setup lsf``."""

from __future__ import annotations

import click

from envtool.cli.job_options import job_options, run_job


@click.command("lsf")
@job_options
def command(**options: object) -> int:
    """Write a job for LSF, on one node: environment, doctor, a quick smoke test, and then the training.

    PROGRAM, after --, is what the job runs. Default: this folder's training,
    `python -m PACKAGE.train` or `python train.py`.
    """
    from envtool.setup.lsf import lsf_files

    return run_job("lsf", "jobs/train.lsf", lsf_files, options)
