"""Which part of a lockfile is this machine's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from envtool.errors import EXIT_NO_PLAN, EnvtoolError, UsageError
from envtool.versions import cuda_of

if TYPE_CHECKING:
    from rattler import GenericVirtualPackage

    from envtool.lock.model import LockedTarget, Lockfile


class NoLockedBuildError(EnvtoolError):
    """Nothing in the lockfile fits; the command ends with the code for that."""

    exit_code = EXIT_NO_PLAN


def this_subdir() -> str:
    """The conda platform of this machine."""
    from rattler import Subdir

    return str(Subdir.current())


def _virtual() -> dict[str, GenericVirtualPackage]:
    """The virtual packages of this machine; ``CONDA_OVERRIDE_*`` has the last word, as in conda."""
    from rattler import VirtualPackage, VirtualPackageOverrides

    found = [one.into_generic() for one in VirtualPackage.detect(VirtualPackageOverrides.from_env())]
    return {one.name.normalized: one for one in found}


def chosen_target(
    lockfile: Lockfile, subdir: str, variant: str | None, where: str
) -> tuple[LockedTarget, tuple[str, ...]]:
    """What is to be installed, and what is to be said of the choice."""
    fitting = [one for one in lockfile.targets if one.target.subdir == subdir]
    if not fitting:
        raise _for_another(lockfile, subdir, where)
    if variant is not None:
        named = [one for one in fitting if variant in {one.target.variant, one.build}]
        if not named:
            there = ", ".join(sorted(one.target.variant for one in fitting))
            raise UsageError(f"{where} has no {variant} for {subdir}; it has {there}", hint="name one of these")
        return named[0], ()
    if len(fitting) == 1:
        return fitting[0], ()
    return _best(fitting, where)


def _best(fitting: list[LockedTarget], where: str) -> tuple[LockedTarget, tuple[str, ...]]:
    """Of several variants the one for the newest CUDA that the driver speaks, else the one for the CPU."""
    names = {one.target.variant for one in fitting}
    if "default" in names:
        return next(one for one in fitting if one.target.variant == "default"), ()
    driver = _virtual().get("__cuda")
    speaks = tuple(map(int, str(driver.version).split(".")[:2])) if driver is not None else None
    for one in sorted(fitting, key=lambda one: cuda_of(one.build) or (0, 0), reverse=True):
        needs = cuda_of(one.build)
        if needs is None or (speaks is not None and speaks[0] >= needs[0]):
            others = ", ".join(sorted(names - {one.target.variant}))
            why = f"the driver speaks CUDA {driver.version}" if driver and needs else "no NVIDIA driver was found"
            why = "that is all that fits the driver" if driver and not needs else why
            return one, (f"{one.target.variant} is taken of {where}: {why}; --variant takes {others}",)
    raise UsageError(
        f"{where} has several variants for this machine: {', '.join(sorted(names))}", hint="name one with --variant"
    )


def _for_another(lockfile: Lockfile, subdir: str, where: str) -> NoLockedBuildError:
    missing = next((one for one in lockfile.missing if one.target.subdir == subdir), None)
    there = ", ".join(dict.fromkeys(one.target.subdir for one in lockfile.targets)) or "nothing"
    details = (f"It was left out when it was locked: {missing.reason}.",) if missing else ()
    return NoLockedBuildError(
        f"{where} is not for {subdir}: it holds {there}",
        hint=f"lock for {subdir}, too: add it to platforms in envtool.toml and run `envtool lock`", details=details,
    )  # fmt: skip


def fits_this_machine(target: LockedTarget) -> tuple[str, ...]:
    """NoLockedBuildError where the system is older than the packages need; a note where only the GPU is missing."""
    from rattler import BuildString, PackageRecord

    from envtool.lock.verify import match_spec, spec_name

    system = _virtual()
    wrong, without_gpu = [], []
    for package in target.packages:
        for line in package.depends:
            name = spec_name(line)
            if not name.startswith("__"):
                continue
            one = system.get(name)
            if one is not None:
                version, build = str(one.version), BuildString.new_unchecked(str(one.build_string))
                if match_spec(line).matches(PackageRecord(name, version, build, 0, target.target.subdir)):
                    continue
            if name == "__cuda":
                without_gpu.append(line)
            else:
                found = f"{name[2:]} {one.version}" if one else f"no {name[2:]}"
                wrong.append(f"{package.name} {package.version} needs {line[2:]}, and this machine has {found}")
    if wrong:
        raise NoLockedBuildError(
            "the locked packages don't run on this machine", details=tuple(dict.fromkeys(wrong))[:6],
            hint="use a newer system or a container; or lock older packages, with other floors",
        )  # fmt: skip
    if without_gpu and sys.platform != "darwin":
        driver = system.get("__cuda")
        has = f"speaks CUDA {driver.version}" if driver else "was not found"
        return (f"these builds are for an NVIDIA GPU ({without_gpu[0]}), and its driver {has} here",)
    return ()
