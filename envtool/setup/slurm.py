"""A job for Slurm: the directives, and what is Slurm's own in the script. Pure."""

from __future__ import annotations

from envtool.setup.files import SetupFile
from envtool.setup.job import Job
from envtool.setup.job_body import VERIFY, Dialect, body
from envtool.setup.sites import CHANGE_ME, seconds_of
from envtool.shell import quoted

EACH_NODE = "srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1"
LEAD = 180  # seconds before the limit, where it isn't a short one; Slurm may be a minute late or early


def dialect(job: Job) -> Dialect:
    """Slurm starts the script on the first node; srun, or what the site has in its place, reaches the others."""
    direct = job.site.launch_with == "direct" and job.wanted.nodes == 1 and job.wanted.launcher != "srun"
    return Dialect(
        scheduler="slurm",
        submit="sbatch",
        job="SLURM_JOB_ID",
        folder="SLURM_SUBMIT_DIR",
        number="SLURM_JOB_ID",
        cores="${SLURM_CPUS_PER_TASK:-1}",
        index="SLURM_ARRAY_TASK_ID",
        first_node='scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1',
        each_node="" if direct else job.site.launch_each_node or EACH_NODE,
        run="" if direct else "srun ",
    )


# Before anything else: a signal without a trap would end the script.
REQUEUE = """
# The time limit: some minutes before it Slurm sends USR1. The training is told to end, and the job goes back into the
# queue, where it waits for two minutes at least. What isn't in a checkpoint is lost.
training=
again() {
  echo "the time limit is near; this was start number $((${SLURM_RESTART_COUNT:-0} + 1))" >&2
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "${MAX_RESTARTS:-20}" ]; then
    echo "stopped: MAX_RESTARTS=${MAX_RESTARTS:-20} is reached" >&2
    exit 1
  fi
  if [ -n "$training" ]; then
    scancel --signal=TERM "$SLURM_JOB_ID" || true # to the steps, not to this script
    for _ in $(seq 30); do
      kill -0 "$training" 2>/dev/null || break
      sleep 1
    done
  fi
  if scontrol requeue "$SLURM_JOB_ID"; then
    sleep 300 # Slurm ends this script; one that ends by itself would count as failed
  fi
  echo "stopped: no requeue here; submit the job again, and it goes on" >&2
  exit 1
}
trap again USR1
"""


def slurm_files(job: Job) -> tuple[SetupFile, ...]:
    """The job script."""
    how = dialect(job)
    parts = ["#!/bin/bash", heading(job, how), *_directives(job)]
    text = "\n".join(parts) + "\n"
    if job.wanted.requeue:
        text += REQUEUE
    return (SetupFile(job.path, f"{text}\n{body(job, how)}"),)


def heading(job: Job, dialect: Dialect) -> str:
    """What the script is, where its values are from, and what to do with it."""
    site, wanted = job.site, job.wanted
    gpus = f"{wanted.gpus} GPU{'s' if wanted.gpus > 1 else ''}"
    nodes = f" on each of {wanted.nodes} nodes" if wanted.nodes > 1 else ""
    array = ", as an array" if wanted.array else ""
    lines = [
        f"# {job.name}: {gpus}{nodes}{array}, at {site.name} ({site.title}).",
        f"# Written by `envtool setup {dialect.scheduler}`. The site's values are from {site.page}",
        f"# as it stood on {site.read}; sites change, so look there when a job is refused.",
    ]
    if site.unconfirmed:
        lines.append(f"# From jobs of its users, not from the site's pages: {', '.join(site.unconfirmed)}.")
    lines += [f"# Note: {note}." for note in site.notes]
    path = quoted(job.path, "posix")
    where = f"after {site.places_prepare}" if site.places_prepare else "on the login node"
    lines += [
        "#",
        f"# Once, {where}:  bash {path} prepare",
        f"# For each training:  {dialect.submit} {path}",
        f"# After a change:  {VERIFY.format(scheduler=dialect.scheduler, path=path)}",
        "#",
        f"# The lines with #{PREFIX[dialect.scheduler]} must stand before the first command: later ones don't count.",
    ]
    return "\n".join(lines)


PREFIX = {"slurm": "SBATCH", "pbs": "PBS", "lsf": "BSUB"}


def account_comment(job: Job) -> list[str]:
    """What an account looks like there."""
    return [f"# the account: {job.site.account_form}"] if job.account == CHANGE_ME and job.site.account_form else []


def _lead(job: Job) -> int:
    """Seconds before the limit: of a short job a quarter, or it would be told to end when it begins."""
    return min(LEAD, max(20, seconds_of(job.time) // 4))


def _directives(job: Job) -> list[str]:
    wanted = job.wanted
    logs = f"{job.site.places_logs}/" if job.site.places_logs else ""
    flags = [
        f"--job-name={job.name}",
        job.account and f"--account={job.account}",
        job.partition and f"--partition={job.partition}",
        job.qos and f"--qos={job.qos}",
        job.constraint and f"--constraint={job.constraint}",
        f"--nodes={wanted.nodes}",
        f"--ntasks-per-node={job.tasks}",
        job.gpu_flag,
        f"--cpus-per-task={job.cores * wanted.gpus // job.tasks}",
        job.memory and f"--mem={job.memory}",
        f"--time={job.time}",
        wanted.array and f"--array={wanted.array}",
        f"--output={logs}{'%x-%A_%a.out' if wanted.array else '%x-%j.out'}",
        *(["--requeue", "--open-mode=append", f"--signal=B:USR1@{_lead(job)}"] if wanted.requeue else []),
        *job.directives,
    ]
    lines: list[str] = []
    for flag in flags:
        if flag and flag.startswith("--account"):
            lines += account_comment(job)
        if flag:
            lines.append(f"#SBATCH {flag}")
    return lines
