"""``envtool setup slurm``."""

from __future__ import annotations

import click

from envtool.cli.job_options import job_options, run_job


@click.command("slurm")
@job_options
@click.option("--nodes", type=click.IntRange(1, 10_000), default=1, help="Nodes. Default: 1.")
@click.option("--qos", metavar="NAME", help="The quality of service.")
@click.option("--constraint", metavar="TEXT", help="A feature that the nodes must have.")
@click.option(
    "--launcher", type=click.Choice(["srun", "torchrun"]),
    help="What starts the processes where there are several GPUs. Default: torchrun, or the site's way.",
)  # fmt: skip
@click.option("--requeue", is_flag=True, help="At the time limit: back into the queue, to go on from the checkpoint.")
@click.option("--slurm-version", "version", metavar="VERSION", help="What `sbatch --version` says. Default: 22.05.")
def command(**options: object) -> int:
    """Write a job for Slurm: environment, doctor, a quick smoke test, and then the training.

    PROGRAM, after --, is what the job runs. Default: this folder's training,
    `python -m PACKAGE.train` or `python train.py`.
    """
    from envtool.setup.slurm import slurm_files

    return run_job("slurm", "jobs/train.sbatch", slurm_files, options)
