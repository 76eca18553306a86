"""``envtool setup pbs``."""

from __future__ import annotations

import click

from envtool.cli.job_options import job_options, run_job


@click.command("pbs")
@job_options
@click.option("--nodes", type=click.IntRange(1, 10_000), default=1, help="Nodes. Default: 1.")
def command(**options: object) -> int:
    """Write a job for PBS: environment, doctor, a quick smoke test, and then the training.

    PROGRAM, after --, is what the job runs. Default: this folder's training,
    `python -m PACKAGE.train` or `python train.py`.
    """
    from envtool.setup.pbs import pbs_files

    return run_job("pbs", "jobs/train.pbs", pbs_files, options)
