"""The parts of ``envtool install`` that join the probes, the resolver and the installers."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envtool.cli.pick import NoPlanError
from envtool.cli.spec_option import Spec
from envtool.errors import ToolError, UsageError
from envtool.extras import line_for
from envtool.fact import Fact

if TYPE_CHECKING:
    from envtool.catalog import Catalog
    from envtool.cli.install import Asked
    from envtool.environment import Environment
    from envtool.install.compare import Lack
    from envtool.install.failures import InstallError
    from envtool.install.order import Sources
    from envtool.install.pip import Pip
    from envtool.install.place import Place
    from envtool.install.requirements import Line
    from envtool.install.uv import Uv
    from envtool.install.work import Job
    from envtool.machine import Machine
    from envtool.plan import NoPlan, Plan
    from envtool.spec import Request


@dataclass(frozen=True, eq=False, repr=False)
class Wanted(Fact):
    """What is asked for by the command line, the requirements files and envtool.toml, before a machine is known."""

    request: Request
    lines: tuple[Line, ...]  # every requirement but the request's own
    files: tuple[str, ...]
    extra: tuple[str, ...]  # of the lines, those that stand in no requirements file


@dataclass(frozen=True, eq=False, repr=False)
class Subject(Fact):
    """The machine, the Python that a new environment is made from, and the environment where there is one."""

    machine: Machine
    base: Environment
    existing: Environment | None

    @property
    def python_version(self) -> str:
        """The version that builds must suit."""
        return self.base.version


def wanted_of(asked: Asked, spec: Spec | None) -> Wanted:
    """Read all that is asked for; UsageError where some of it can't be read."""
    from pathlib import Path

    from envtool.install.keep import split_specs
    from envtool.install.requirements import Line, named, read_files, refuse_decoys, torch_specs
    from envtool.spec import Request, read

    own, others = split_specs(asked.specs)
    in_files = read_files(asked.requirements)
    lines = (*named(others), *in_files)
    refuse_decoys(lines)
    packages = (*own, *torch_specs(in_files))
    request = Request(packages, asked.accelerator, asked.variant, "pip", None, asked.include_unverified)
    extra = others
    if spec is not None:
        request = spec.course.request(
            packages, accelerator=asked.accelerator, variant=asked.variant, include_unverified=asked.include_unverified
        )
        folders = () if asked.no_project else spec.folders
        # as an address: a requirements file takes a path apart at its spaces
        extra += (*spec.course.requirements(), *(f"-e {Path(folder).as_uri()}" for folder in folders))
        lines += named(spec.course.requirements(), spec.path)
        lines += tuple(Line(f"-e {folder}", spec.path) for folder in folders)
    read(request.packages, request.variant, request.installer)
    return Wanted(request, lines, tuple(map(os.path.abspath, asked.requirements)), extra)


def with_requirements(wanted: Wanted, requirements: tuple[str, ...], file: str) -> Wanted:
    """What a folder of wheels was filled with, beside its torch."""
    from envtool.install.requirements import named

    return replace(wanted, lines=named(requirements, file), extra=requirements)


# ── the machine ──────────────────────────────────────────────────────────────────────────────────


def look(asked: Asked, place: Place, spec: Spec | None, wanted: Wanted, catalog: Catalog) -> Subject:
    """Look at the machine and at the Python of the environment, as it is or as it will be."""
    if place.there:
        machine, found = ask(place.python)
        if asked.python is not None:
            _same_python(asked.python, found, place)
        return Subject(machine, found, found)
    machine, base = ask(python_for(asked.python, asked))
    if spec is not None and asked.python is None and not spec.course.allows_python(base.version):
        from envtool.plan.for_course import fitting_python

        fitting = fitting_python(machine, wanted.request, spec.course, catalog)
        if fitting is not None:
            machine, base = ask(python_for(fitting, asked))
    return Subject(machine, base, None)


def ask(python: str | None) -> tuple[Machine, Environment]:
    """The machine, and the environment of a Python that starts."""
    from envtool.environment import BrokenEnvironment
    from envtool.examination import ask
    from envtool.probe.host import LiveHost

    machine, environment, _ = ask(LiveHost(), python=python, do_import=False)
    if isinstance(environment, BrokenEnvironment):
        hint = "name another one with --python, or delete the environment and run this again"
        raise ToolError(f"its Python does not start: {environment.message}", hint=hint)
    return machine, environment


def python_for(named: str | None, asked: Asked) -> str | None:
    """The program that ``--python`` means, which may be a version; None where it is left open."""
    from envtool.install.pythons import find, is_version

    if named is None or not is_version(named):
        return named
    return find(named, uv_if_wanted(asked), fetch=not asked.dry_run)


def _same_python(named: str, found: Environment, place: Place) -> None:
    """An environment keeps the Python that it was made with."""
    from envtool.install.pythons import is_version

    if is_version(named):
        same = f"{found.version}.".startswith(f"{named.rstrip('t')}.") and named.endswith("t") == found.abi.endswith(
            "t"
        )
    else:
        other = ask(named)[1]
        same = other.version == found.version and other.base_prefix == found.base_prefix
    if not same:
        raise UsageError(
            f"{place.shown} has Python {found.version}, and --python asks for {named}",
            hint=f"envtool install --python {named} --into .venv-{named}"
            if is_version(named)
            else "name another folder with --into, which then gets that Python",
        )


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────


def plan_of(
    machine: Machine, existing: Environment | None, wanted: Wanted, spec: Spec | None, catalog: Catalog
) -> Plan:
    """The builds to install; NoPlanError with the reason where none fit."""
    from envtool.install.keep import kept, with_companions
    from envtool.plan import NoPlan, resolve

    answer: Plan | NoPlan | None = None
    for request in dict.fromkeys((with_companions(wanted.request, existing), wanted.request)):
        if spec is not None:
            from envtool.plan.for_course import resolve_for

            answer, asked = resolve_for(machine, request, spec.course, catalog)
        else:
            answer, asked = resolve(machine, request, catalog), request
        answer = kept(answer, machine, asked, catalog, existing)
        if not isinstance(answer, NoPlan):
            return answer
    assert isinstance(answer, NoPlan)  # there is always a request
    raise _refused(answer, machine, wanted, catalog)


def _refused(answer: NoPlan, machine: Machine, wanted: Wanted, catalog: Catalog) -> NoPlanError:
    from envtool.install.requirements import torch_specs
    from envtool.plan import Plan, resolve
    from envtool.plan_document import with_whole_hint
    from envtool.report.plan import refusal_details
    from envtool.spec import FAMILY

    lines = [line for line in wanted.lines if line.name in FAMILY and line.file]
    own = wanted.request.packages[: len(wanted.request.packages) - len(torch_specs(tuple(lines)))]
    free = resolve(machine, replace(wanted.request, packages=own), catalog) if lines else answer
    if isinstance(free, Plan):
        details = (*(f"{line.place}: {line.text}" for line in lines), *refusal_details(answer))
        hint = f"change these lines; without them it would be torch {free.packages['torch']}"
        message = f"no build fits what the requirements ask of torch: {answer.message}"
        return NoPlanError(message, kind=answer.error_kind, hint=hint, details=details)
    whole = with_whole_hint(answer, machine, wanted.request, catalog)
    hint = whole.hint if "--installer" in whole.hint else whole.hint.replace("`envtool pick ", "`envtool install ")
    fitting = _fitting_python(machine, wanted, catalog) if answer.error_kind == "no_wheel_for_python" else None
    if fitting is not None:
        hint = f"make an environment with Python {fitting}: `envtool install --into torch-env --python {fitting}`"
    details = (*refusal_details(whole), *whole.warnings)
    return NoPlanError(f"no build fits: {answer.message}", kind=answer.error_kind, hint=hint, details=details)


def _fitting_python(machine: Machine, wanted: Wanted, catalog: Catalog) -> str | None:
    """The newest Python with which there is a plan here."""
    from envtool.machine import Found, HostPython
    from envtool.plan import Plan, resolve

    platform = f"{machine.os}_{machine.arch}"
    for major, minor in sorted(catalog.pythons(platform), reverse=True):
        python = Found(HostPython(f"{major}.{minor}", f"cp{major}{minor}"))
        if isinstance(resolve(replace(machine, python=python), wanted.request, catalog), Plan):
            return f"{major}.{minor}"
    return None


# ── the work ─────────────────────────────────────────────────────────────────────────────────────


def uv_if_wanted(asked: Asked) -> Uv | None:
    """uv, unless pip is asked for or there is none."""
    if asked.installer == "pip":
        return None
    from envtool.install.uv import Uv, find_uv

    program = find_uv()
    return Uv(program, dict(os.environ)) if program else None


def tool_for(asked: Asked) -> Uv | Pip:
    """What does the work."""
    uv = uv_if_wanted(asked)
    if uv is not None:
        return uv
    if asked.installer == "uv":
        raise ToolError("--installer uv: there is no uv here", hint=f"install it: {line_for('install')}")
    from envtool.install.pip import Pip

    return Pip(dict(os.environ))


def sources_of(asked: Asked, *, for_uv: bool) -> Sources:
    """Where packages come from. What pip is set to is told to uv, which doesn't read pip's files."""
    from envtool.install.order import Sources
    from envtool.update.settings import pip_settings, told_certificates, uv_names_an_index

    folders = tuple(link if "://" in link else os.path.abspath(link) for link in asked.find_links)
    index: str | None = None
    more: tuple[str, ...] = ()
    if for_uv:
        pip = pip_settings(os.environ)
        if not uv_names_an_index(os.environ, os.getcwd()):
            index = os.environ.get("PIP_INDEX_URL") or pip.get("index-url", ("", ""))[0] or None
        extra = os.environ.get("PIP_EXTRA_INDEX_URL") or pip.get("extra-index-url", ("", ""))[0]
        more = tuple(extra.split())
    return Sources(asked.index_url, asked.pytorch_index_url, folders, index, more, told_certificates(os.environ))


def compared(subject: Subject, plan: Plan, lines: tuple[Line, ...]) -> tuple[tuple[Lack, ...], dict[str, str], bool]:
    """What the environment lacks, what it holds, and whether only an installer can tell."""
    from packaging.requirements import Requirement

    from envtool.install.compare import Lack, lacks, markers_of
    from envtool.install.installed import missing_file, read_installed
    from envtool.install.requirements import of_installed, parsed

    env = subject.existing
    if env is None:
        return (), {}, True
    _refuse_sources(env, plan)
    installed = read_installed(env.site_packages)
    lines = of_installed(lines, {one.editable: one.name for one in installed.values() if one.editable})
    builds = tuple(build for build in env.builds if build.location == env.site_packages)
    read = [requirement for line in lines if (requirement := parsed(line)) is not None]
    opaque = len(read) < len(lines) or any(requirement.url for requirement in read)
    roots = (*(r for r in read if not r.url), *map(Requirement, plan.constraints))
    found = lacks(plan, installed, builds, roots, markers_of(env.version, env.implementation))
    if not found:
        damaged = ((pin.package, missing_file(installed[pin.package])) for pin in plan.pins)
        found = tuple(Lack(name, f"a file is missing or damaged: {file}", force=True) for name, file in damaged if file)
    return found, {name: one.version for name, one in installed.items()}, opaque


def _refuse_sources(env: Environment, plan: Plan) -> None:
    """Somebody builds PyTorch here: a wheel in its place would not be what they want."""
    for pin in plan.pins:
        found = env.distribution(pin.package)
        if found is not None and found.editable:
            message = f"{pin.package} {found.version} is installed from a folder of sources, and is left alone"
            raise UsageError(message, hint="name another folder with --into, or uninstall it first")


def job_of(
    asked: Asked,
    place: Place,
    subject: Subject,
    plan: Plan,
    wanted: Wanted,
    state: tuple[tuple[Lack, ...], dict[str, str]],
) -> Job:
    """The work, ready to be done or rehearsed."""
    from envtool.install.order import Question
    from envtool.install.uv import Uv
    from envtool.install.work import Job

    lacks, installed = state
    tool = tool_for(asked)
    sources = sources_of(asked, for_uv=isinstance(tool, Uv))
    # A venv of uv's has no pip, and who types `pip install` in it would reach the system's.
    has_pip = isinstance(tool, Uv) and not place.there and (not sources.offline or _has_pip(sources))
    question = Question(
        plan=plan,
        requirements=(*wanted.extra, *(("pip",) if has_pip else ())),
        files=wanted.files,
        sources=sources,
        python=place.python,
        python_version=subject.python_version,
        installed=installed,
        force=frozenset(lack.name for lack in lacks if lack.force),
        abi=subject.base.abi,
    )
    site_packages = subject.existing.site_packages if subject.existing is not None else None
    return Job(place, subject.base.executable, tool, question, site_packages)


def _has_pip(sources: Sources) -> bool:
    return any(
        name.startswith("pip-") for folder in sources.find_links if os.path.isdir(folder) for name in os.listdir(folder)
    )


def in_words(error: InstallError, lines: tuple[Line, ...]) -> InstallError:
    """A conflict, or a line that can't be read, with the lines that it comes from, of those that were asked for."""
    from envtool.install.failures import who_wants

    if error.name == "requirement":
        ends = [(line, re.split(r"[\s\\/]", os.path.normpath(line.text))[-1]) for line in lines if line.name is None]
        said = [line for line, end in ends if line.text in error.said or (end and f"/{end}" in error.said)]
        odd = said[0] if said else None
        return error.told(message=f"{odd.place}: {odd.text!r} {error.message[14:]}") if odd else error
    wishes = who_wants(error.said) if error.name == "conflict" else ()
    if not wishes:
        return error
    places = {line.name: line.place for line in lines}
    told = [
        f"{name} ({places[name]}) wants {wish}" if name in places else f"{name} wants {wish}" for name, wish in wishes
    ]
    return error.told(message=f"{error.message}: {'; '.join(told)}")


def with_whole_line(error: InstallError, asked: Asked) -> InstallError:
    """A hint's `envtool install torch==…` with the folders and places of this command line: it works when copied."""
    from envtool.install.keep import split_specs
    from envtool.install.order import without_secrets
    from envtool.shell import shell_line

    found = re.search(r"`envtool install (torch==[^`]*)`", str(error.hint))
    if found is None or not asked.find_links:
        return error
    words = [*found[1].split(), *split_specs(asked.specs)[1]]
    rows = (("--into", (asked.into,)), ("--python", (asked.python,)), ("--spec", (asked.spec,)))
    links = tuple(without_secrets(link) if "://" in link else link for link in asked.find_links)
    for option, values in (
        *rows,
        ("--requirements", asked.requirements),
        ("--find-links", links),
        ("--installer", (asked.installer,)),
    ):
        words += [word for value in values if value for word in (option, value)]
    words += ["--no-spec"] if asked.no_spec else []
    shell = "powershell" if sys.platform == "win32" else "posix"
    line = shell_line(["envtool", "install", *words], shell)
    return error.told(hint=str(error.hint).replace(found[0], f"`{line}`"))


def left_out(plan: Plan, spec: Spec | None) -> tuple[str, ...]:
    """What a course asks for of torch's family, and the command line left out: the check of the course would fail."""
    from envtool.install.requirements import named

    wanted = named(spec.course.torch, spec.path) if spec is not None else ()
    return tuple(str(line.name) for line in wanted if line.name not in plan.packages)


def activation(path: str, active: bool) -> str | None:
    """The line that makes an environment the one that is meant, in the user's shell; None where it is."""
    if active:
        return None
    from envtool.shell import shell_line

    if sys.platform == "win32":
        return shell_line([os.path.join(path, "Scripts", "Activate.ps1")], "powershell")
    shell = os.path.basename(os.environ.get("SHELL", ""))
    suffix = {"fish": ".fish", "csh": ".csh", "tcsh": ".csh"}.get(shell, "")
    return shell_line(["source", f"{path}/bin/activate{suffix}"], "posix")
