"""The job to write: what was asked for and what the site has, brought together. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.setup.sites import CHANGE_ME, Site, seconds_of

if TYPE_CHECKING:
    from envtool.course import Course

ENVIRONMENTS = ("environment", "wheels", "site-wheels", "module")
LAUNCHERS = ("srun", "torchrun")
DEFAULT_VERSION = (22, 5)
OLDEST = (17, 11)  # the first Slurm that puts a job's name into the name of its log
_FIRST_GPU_FLAGS = (19, 5)


@dataclass(frozen=True, eq=False, repr=False)
class Wanted(Fact):
    """The options of a command; None is what the site or the default decides."""

    gpus: int = 1  # on each node
    nodes: int = 1
    gpu_type: str | None = None
    cores: int | None = None  # for each GPU
    memory: str | None = None  # on each node
    time: str | None = None
    array: str | None = None
    account: str | None = None
    partition: str | None = None
    qos: str | None = None
    constraint: str | None = None
    directives: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    launcher: str | None = None
    requeue: bool = False
    version: str | None = None
    environment: str | None = None
    temporary: str | None = None
    variant: str | None = None
    venv: str = ".venv"
    envtool: str = "envtool{extras}"
    program: tuple[str, ...] = ()
    resume: str | None = None  # the program goes on with --resume where this file exists
    spec: bool = False  # is there an envtool.toml to install by?
    lock: str | None = None  # the lockfile to install, in place of the spec's newest


@dataclass(frozen=True, eq=False, repr=False)
class Job(Fact):
    """A job, with every question answered."""

    name: str
    path: str
    site: Site
    wanted: Wanted
    gpu_type: str
    cores: int
    memory: str
    time: str
    account: str
    partition: str
    qos: str
    constraint: str
    directives: tuple[str, ...]
    modules: tuple[str, ...]
    launcher: str
    version: tuple[int, int]
    environment: str
    temporary: str
    variant: str
    lock: str
    requirements: tuple[str, ...]
    editable: tuple[str, ...]

    @property
    def tasks(self) -> int:
        """Tasks on each node: torchrun starts the others itself."""
        return self.wanted.gpus if self.launcher == "srun" else 1

    @property
    def distributed(self) -> bool:
        """Are there several processes, which must find each other?"""
        return self.wanted.gpus * self.wanted.nodes > 1

    @property
    def gpu_flag(self) -> str:
        """How the GPUs are asked for."""
        if self.site.gpu_request == "none":
            return ""
        kind = f"{self.gpu_type}:" if self.gpu_type else ""
        if self.site.gpu_request == "gres" or self.version < _FIRST_GPU_FLAGS:
            return f"--gres=gpu:{kind}{self.wanted.gpus}"
        return f"--gpus-per-node={kind}{self.wanted.gpus}"


def job_of(course: Course, wanted: Wanted, site: Site, path: str) -> Job:
    """The job; UsageError where an option has no such form, or the site has not so much."""
    _check_forms(wanted)
    _check_limits(wanted, site)
    memory = wanted.memory or (f"{site.share_memory * wanted.gpus}G" if site.share_memory else "")
    kind = wanted.environment or site.python_from
    temporary = wanted.temporary or site.places_temporary
    if kind in ("wheels", "site-wheels") and not temporary:
        raise UsageError(
            f"--environment {kind} makes the environment on the node, and no folder of {site.name} is known for that",
            hint="name the variable that holds it, as in --temporary TMPDIR",
        )
    lock = (wanted.lock or "") if kind == "environment" else ""
    return Job(
        name=job_name(course.name), path=path, site=site, wanted=wanted, gpu_type=wanted.gpu_type or site.gpu_type,
        cores=wanted.cores or site.share_cores, memory=memory, time=_clock(wanted.time or site.time_default),
        account=wanted.account or (CHANGE_ME if site.account_needed else ""),
        partition=wanted.partition or site.queue_partition,
        qos=wanted.qos or site.queue_qos, constraint=wanted.constraint or site.queue_constraint,
        directives=(*site.extra_directives, *wanted.directives), modules=wanted.modules or site.modules_load,
        launcher=wanted.launcher or _launcher(wanted, site),
        version=version_of(wanted.version), environment=kind, temporary=temporary,
        variant=_locked_variant(course, wanted) if lock else wanted.variant or _variant(course) or site.python_variant,
        lock=lock,
        requirements=(*course.torch, *course.requirements()) if kind == "site-wheels" else course.requirements(),
        editable=course.editable,
    )  # fmt: skip


def _launcher(wanted: Wanted, site: Site) -> str:
    if wanted.gpus * wanted.nodes == 1:
        return "srun"
    return site.launch_with if site.launch_with in LAUNCHERS else "torchrun"


def job_name(course: str) -> str:
    """A job's name that no shell and no scheduler stumbles over."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", course).strip("-._")[:60] or "training"


def _variant(course: Course) -> str:
    """The one CUDA build that a course names, if it does."""
    named = [variant for variant in course.variants if re.fullmatch(r"cu[0-9]{3}|rocm[0-9.]+", variant)]
    return named[0] if len(named) == 1 else ""


def _locked_variant(course: Course, wanted: Wanted) -> str:
    """The variant by the name that it has in the course's lockfile."""
    of_gpus = [name for name in course.variants if name not in ("cpu", "xpu")]
    if wanted.variant is not None and wanted.variant not in course.variants:
        if "cuda" not in of_gpus or not wanted.variant.startswith("cu"):
            there = ", ".join(course.variants)
            raise UsageError(f"--variant {wanted.variant}: the course is locked for {there}", hint="or add --no-lock")
        return "cuda"
    if wanted.variant is None and not of_gpus:
        raise UsageError(
            "the course is locked for the CPU alone", hint="--variant cpu for a try without GPUs; or --no-lock"
        )
    return wanted.variant or of_gpus[0]


def version_of(text: str | None) -> tuple[int, int]:
    """Slurm's version, "23.11" or "23.11.4", as numbers that compare."""
    if text is None:
        return DEFAULT_VERSION
    read = re.fullmatch(
        r"([0-9]{2})\.([0-9]{1,2})(\.[0-9]+.*)?", text.removeprefix("slurm ").removeprefix("slurm-wlm ")
    )
    if read is None:
        raise UsageError(f"--slurm-version {text!r} is no version", hint="take what `sbatch --version` says: 23.11")
    found = (int(read[1]), int(read[2]))
    if found < OLDEST:
        raise UsageError(
            f"--slurm-version {text}: jobs are written for Slurm {OLDEST[0]}.{OLDEST[1]:02} and newer",
            hint="`sbatch --version` on the login node says what there is",
        )
    return found


# ── what the options may say ─────────────────────────────────────────────────────────────────────

_FORMS: dict[str, tuple[str, str]] = {
    "gpu_type": (r"[A-Za-z0-9][A-Za-z0-9_.-]*", "a100"),
    "memory": (r"[1-9][0-9]*[MGT]", "32G"),
    "time": (r"[0-9]{1,4}|(?:[0-9]{1,3}-)?[0-9]{1,3}:[0-5][0-9]:[0-5][0-9]", "02:00:00"),
    "array": (r"[0-9]+(?:-[0-9]+(?::[0-9]+)?)?(?:,[0-9]+(?:-[0-9]+)?)*(?:%[0-9]+)?", "0-9"),
    "account": (r"[A-Za-z0-9][A-Za-z0-9_.@+-]*", "def-smith"),
    "partition": (r"[A-Za-z0-9][A-Za-z0-9_.,+-]*", "gpu"),
    "qos": (r"[A-Za-z0-9][A-Za-z0-9_.+-]*", "normal"),
    "constraint": (r"[A-Za-z0-9][A-Za-z0-9_.&|-]*", "a100"),
    "temporary": (r"[A-Z_][A-Z0-9_]*", "TMPDIR"),
    "variant": (r"cpu|xpu|cu[0-9]{3}|rocm[0-9]+\.[0-9]+", "cu126"),
    "lock": (r"[A-Za-z0-9_.][A-Za-z0-9_./-]*", "lockfiles/pixi.lock"),
    "venv": (r"[A-Za-z0-9_.][A-Za-z0-9_./-]*", ".venv"),
}
_EACH: dict[str, tuple[str, str]] = {
    "modules": (r"[A-Za-z0-9][A-Za-z0-9_.+/-]*", "python/3.12"),
    "directives": (r"-{1,2}[A-Za-z][A-Za-z0-9_-]*(?:[= ][A-Za-z0-9_.,:=+@&|/%\[\]-]+)?", "--mail-type=END"),
}
OPTIONS = {"memory": "--mem", "modules": "--module", "directives": "--directive", "gpu_type": "--gpu-type"}


def _check_forms(wanted: Wanted) -> None:
    for field, (pattern, example) in _FORMS.items():
        value = getattr(wanted, field)
        if value is not None:
            _check(field, value, pattern, example)
    for field, (pattern, example) in _EACH.items():
        for value in getattr(wanted, field):
            _check(field, value, pattern, example)
    for word in (*wanted.program, wanted.resume or ""):
        if not word.isprintable():
            raise UsageError(
                f"the program's word {word!r} holds characters that no line can hold",
                hint="put it into a script of your own, and name that",
            )


def _check(field: str, value: str, pattern: str, example: str) -> None:
    if not re.fullmatch(pattern, value):
        option = OPTIONS.get(field, f"--{field}")
        raise UsageError(f"{option} {value!r} can't stand in a job script", hint=f"write it as in {option} {example}")


def _clock(time: str) -> str:
    """A time limit as hours, minutes and seconds: minutes alone are meant where there is no colon."""
    if ":" in time:
        return time
    hours, minutes = divmod(int(time), 60)
    return f"{hours:02}:{minutes:02}:00"


def _check_limits(wanted: Wanted, site: Site) -> None:
    problem: Callable[[str, str], UsageError] = lambda words, hint: UsageError(words, hint=hint)  # noqa: E731
    most = site.gpu_per_node
    if most is not None and wanted.gpus > most:
        several = f"--gpus {most} --nodes {-(-wanted.gpus // most)}"
        raise problem(f"--gpus {wanted.gpus}: a node of {site.name} has at most {most} GPUs", f"try {several}")
    if wanted.time and site.time_longest and seconds_of(_clock(wanted.time)) > seconds_of(site.time_longest):
        hint = "a shorter job with checkpoints, and --requeue where the site lets jobs go on"
        raise problem(f"--time {wanted.time}: {site.name} ends jobs after {site.time_longest}", hint)
    if wanted.gpu_type and site.gpu_types and wanted.gpu_type not in site.gpu_types:
        there = ", ".join(site.gpu_types)
        raise problem(f"--gpu-type {wanted.gpu_type}: {site.name} is known to have {there}", f"take one of {there}")
