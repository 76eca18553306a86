"""Which build to ask for where one is installed: what serves is kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from envtool.catalog import Catalog
from envtool.environment import Environment
from envtool.machine import Machine
from envtool.plan import NoPlan, Plan, resolve
from envtool.spec import FAMILY, Request, allows, read
from envtool.versions import kind_of, public


def kept(
    best: Plan | NoPlan, machine: Machine, request: Request, catalog: Catalog, environment: Environment | None
) -> Plan | NoPlan:
    """The best plan, or the one with the versions that are installed that the request allows and that serve as well.

    A torch that works is no older for a newer one's being out: to get that, it has to be asked for. A build for
    another accelerator than the one that the machine should use doesn't serve; but where no GPU is seen, as on a
    cluster's login node, a build for GPUs stays.
    """
    if environment is None or isinstance(best, NoPlan):
        return best
    torch = environment.build("torch")
    if torch is None or torch.variant is None:
        return best
    wanted = read(request.packages, request.variant, request.installer)
    there = {b.package: public(b.version) for b in environment.builds if b.package in dict(wanted.specifiers)}
    serve = {name: version for name, version in there.items() if allows(wanted.specifier(name), version)}
    if "torch" not in serve:
        return best
    variant = wanted.variant or (torch.variant if kind_of(torch.variant) == kind_of(best.variant) else None)
    free = best.accelerator == "cpu" and request.accelerator == "auto" and wanted.variant is None
    if free and kind_of(torch.variant) != "cpu":
        variant = torch.variant
    for versions in (serve, {"torch": serve["torch"]}):
        answer = _answer(machine, request, catalog, versions, variant)
        if isinstance(answer, Plan) and answer.accelerator == best.accelerator:
            return answer
        if isinstance(answer, Plan) and free:
            note = f"the installed build for {torch.variant} is kept; `--accelerator cpu` takes a smaller one"
            return replace(answer, warnings=(note, *answer.warnings))
    return best


def with_companions(request: Request, environment: Environment | None) -> Request:
    """The request with the companions of torch that are installed: with another torch they would not import."""
    if environment is None or not request.packages:
        return request
    wanted = dict(read(request.packages, request.variant, request.installer).specifiers)
    there = [name for name in FAMILY if environment.build(name) is not None and name not in wanted]
    return replace(request, packages=(*request.packages, *there))


def _answer(
    machine: Machine, request: Request, catalog: Catalog, versions: Mapping[str, str], variant: str | None
) -> Plan | NoPlan:
    """The plan with these versions. The variant is asked for as it is, unless the accelerator says another."""
    packages = tuple(f"{name}=={version}" for name, version in versions.items())
    wanted = read(request.packages, request.variant, request.installer)
    rest = tuple(f"{name}{specifier}" for name, specifier in wanted.specifiers if name not in versions)
    narrowed = replace(request, packages=(*packages, *rest), variant=variant)
    answer = resolve(machine, narrowed, catalog)
    if isinstance(answer, NoPlan) and variant != request.variant:
        answer = resolve(machine, replace(narrowed, variant=request.variant), catalog)
    return answer


def split_specs(specs: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Requirements of torch's family and NumPy, which a plan is made of, and the others, which come with it."""
    import re

    from packaging.utils import canonicalize_name

    names = [canonicalize_name(re.split(r"[^A-Za-z0-9._-]", spec.strip(), maxsplit=1)[0]) for spec in specs]
    known = {*FAMILY, "numpy"}
    ours = tuple(spec for spec, name in zip(specs, names, strict=True) if name in known)
    return ours, tuple(spec for spec, name in zip(specs, names, strict=True) if name not in known)
