"""environment.yml and virtual-packages.yml, one of each for a variant: what conda-lock and plain conda start from."""

from __future__ import annotations

from envtool.fact import Fact, dataclass
from envtool.lock.channels import short
from envtool.lock.model import LockedTarget, Lockfile
from envtool.lock.yaml_text import scalar
from envtool.versions import cuda_of, numbers


@dataclass(frozen=True, eq=False, repr=False)
class Common(Fact):
    """What all platforms of a variant are asked for; ``apart``: what some of them need beside it."""

    lines: tuple[str, ...]
    pip: tuple[str, ...]
    apart: tuple[str, ...]


def common(targets: tuple[LockedTarget, ...]) -> Common:
    """One list of requirements for a variant. Platforms that have no CUDA are no part of a CUDA variant's list."""
    cuda = [locked for locked in targets if cuda_of(locked.build)]
    counted = cuda or list(targets)
    lines, apart = [], []
    names = dict.fromkeys(spec.partition(" ")[0] for locked in counted for spec in locked.specs)
    for name in names:
        asked = {
            locked.target.subdir: spec for locked in counted for spec in locked.specs if spec.partition(" ")[0] == name
        }
        if len(asked) == len(counted):
            lines.append(_merged(name, list(dict.fromkeys(asked.values()))))
        else:
            apart += [f"{subdir} also: {spec}" for subdir, spec in asked.items()]
    apart += [f"{one.target.subdir} has no CUDA; use the cpu variant there" for one in targets if one not in counted]
    pip = dict.fromkeys(spec for locked in targets for spec in locked.pip_specs)
    return Common(tuple(lines), tuple(pip), tuple(apart))


def _merged(name: str, specs: list[str]) -> str:
    """``pytorch 2.9.1 cuda128*`` and ``pytorch 2.9.1 cuda129*`` become ``pytorch 2.9.1 cuda12*``."""
    if len(specs) == 1:
        return specs[0]
    parts = [(*spec.split(" ")[1:], "", "")[:2] for spec in specs]
    versions = sorted({version for version, _ in parts if version}, key=_order)
    builds = {build.rstrip("*") for _, build in parts if build}
    start = _shared(sorted(builds)) if builds else ""
    version = "|".join(versions) if all(version for version, _ in parts) else "*"
    return f"{name} {version} {start}*" if start else f"{name} {version}"


def _order(version: str) -> tuple[tuple[int, ...], str]:
    return (numbers(version) if version[:1].isdecimal() else ()), version


def _shared(texts: list[str]) -> str:
    first, last = texts[0], texts[-1]
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def environment_yml(lockfile: Lockfile, variant: str, spec_name: str, spec_digest: str) -> str:
    """For those who can't read a lockfile: what is not named in it is the solver's choice on that day."""
    targets = lockfile.of_variant(variant)
    asked = common(targets)
    name = f"{lockfile.name}-{variant}"
    lines = [
        f"# Made by `envtool lock` from {spec_name}; do not edit. This is no lockfile: conda chooses the versions that",
        f"# are not named here on the day it runs. {name}.conda-lock.yml holds them all.",
        f"# Install: conda env create --file {name}.environment.yml",
        *(f"# {told}" for told in asked.apart),
        f"# spec: sha256:{spec_digest}",
        f"name: {scalar(name)}",
        "channels:",
        *(f"- {scalar(short(channel))}" for channel in lockfile.channels),
        "- nodefaults",
        "dependencies:",
        *(f"- {scalar(line)}" for line in asked.lines),
    ]
    if asked.pip:
        lines += ["- pip:", *(f"  - {scalar(requirement)}" for requirement in asked.pip)]
    return "\n".join(lines) + "\n"


def virtual_packages_yml(lockfile: Lockfile, variant: str) -> str:
    """The systems that the variant was locked for, as conda-lock reads them."""
    name = f"{lockfile.name}-{variant}"
    lines = [
        "# Made by `envtool lock`; do not edit. For conda-lock, to lock or to check the same:",
        f"#   conda-lock lock --check-input-hash --file {name}.environment.yml --lockfile {name}.conda-lock.yml \\",
        f"#     --virtual-package-spec {name}.virtual-packages.yml",
        "subdirs:",
    ]
    for locked in sorted(lockfile.of_variant(variant), key=lambda one: one.target.subdir):
        lines += [f"  {locked.target.subdir}:", "    packages:"]
        for virtual in locked.virtual:
            version = virtual.version if virtual.build == "0" else f"{virtual.version} {virtual.build}"
            lines.append(f"      {virtual.name}: {scalar(version)}")
    return "\n".join(lines) + "\n"
