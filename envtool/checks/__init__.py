"""Pure rules about a machine and an environment. ``ALL`` lists every one; its order is the order of mending."""

from envtool.checks import (
    builds,
    cards,
    claims,
    cluster,
    cuda,
    driver,
    gpu,
    half_done,
    imports,
    indexes,
    interpreter,
    packages,
    pairs,
    program,
    system,
    workplace,
)  # fmt: skip
from envtool.checks.check import COURSE, GROUPS, LOCK, Check, Evidence, Mender, is_blocked, run

# What must be right first comes first, and hides what follows from it (order.py): a Python that starts, a system that
# serves, a driver, every GPU, the build of torch, CUDA, its companions. How a GPU is used just now comes last.
ALL: tuple[Check, ...] = (
    *half_done.CHECKS,
    *interpreter.CHECKS,
    *system.CHECKS,
    *indexes.CHECKS,
    *cluster.DRIVER_CHECKS,
    *driver.CHECKS,
    *gpu.THERE_CHECKS,
    *builds.DRIVER_CHECKS,
    *packages.CHECKS,
    *builds.CHECKS,
    *gpu.KERNEL_CHECKS,
    *gpu.CHECKS,
    *cluster.CHECKS,
    *cards.CHECKS,
    *imports.CHECKS,
    *cuda.CHECKS,
    *pairs.CHECKS,
    *claims.CHECKS,
    *imports.COMPANION_CHECKS,
    *program.CHECKS,
    *workplace.CHECKS,
    *gpu.STATE_CHECKS,
    *cluster.STATE_CHECKS,
)


def of_course() -> tuple[Check, ...]:
    """The checks that an envtool.toml brings; loaded only where there is one."""
    from envtool.checks.requirements import CHECKS

    return CHECKS


def of_lock() -> tuple[Check, ...]:
    """The checks that `envtool check` brings: of lockfiles, and of what is in them."""
    from envtool.checks import locked, lockfile, term

    return (*lockfile.CHECKS, *locked.CHECKS, *term.CHECKS)


def every() -> tuple[Check, ...]:
    """All checks: the doctor's, those of an envtool.toml, those of a lockfile."""
    return (*ALL, *of_course(), *of_lock())


__all__ = [
    "ALL", "COURSE", "GROUPS", "LOCK", "Check", "Evidence", "Mender", "every", "is_blocked", "of_course", "of_lock",
    "run",
]  # fmt: skip
