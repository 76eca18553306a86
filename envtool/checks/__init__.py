"""Pure rules about a machine and an environment. ``ALL`` lists every one; its order is the order of mending."""

from envtool.checks import builds, driver, gpu, imports, interpreter, packages, pairs, system
from envtool.checks.check import GROUPS, Check, Evidence, Mender, is_blocked, run

# What must be right first comes first: a Python that starts, a system that serves, a driver, then packages.
ALL: tuple[Check, ...] = (
    *interpreter.CHECKS,
    *system.CHECKS,
    *driver.CHECKS,
    *packages.CHECKS,
    *builds.CHECKS,
    *pairs.CHECKS,
    *gpu.CHECKS,
    *imports.CHECKS,
)

__all__ = ["ALL", "GROUPS", "Check", "Evidence", "Mender", "is_blocked", "run"]
