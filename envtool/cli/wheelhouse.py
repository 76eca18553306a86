"""``envtool install --download``, and what ``--find-links`` makes of such a folder."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from envtool.cli.spec_option import chosen
from envtool.errors import EXIT_OK, ToolError, UsageError
from envtool.extras import line_for

if TYPE_CHECKING:
    from envtool.catalog import Catalog
    from envtool.cli.install import Asked
    from envtool.cli.install_parts import Wanted
    from envtool.environment import Environment
    from envtool.install.order import Package, Question
    from envtool.install.pip import Pip
    from envtool.install.uv import Uv
    from envtool.install.wheelhouse import Wheelhouse
    from envtool.machine import Machine
    from envtool.plan import Plan
    from envtool.verdicts import Json


def fill(asked: Asked) -> int:
    """Fetch every wheel that this machine or the target needs into a folder."""
    from envtool.catalog import load
    from envtool.cli.install import tell, worded
    from envtool.cli.install_parts import ask, plan_of, python_for, wanted_of

    started = time.monotonic()
    folder = _folder(asked)
    catalog = load()
    spec = chosen(asked.spec, asked.no_spec)
    wanted = wanted_of(asked, spec)
    here, base = ask(python_for(asked.python if asked.target is None else None, asked))
    machine = here
    if asked.target is not None:
        from envtool.target import read_target

        machine = read_target(asked.target, catalog)
    plan = plan_of(machine, None, wanted, spec, catalog)
    question, tool = _question(asked, machine, base, plan, wanted)
    tell(f"Wheels for {_made_for(asked, question, machine)}, into {asked.download}:")
    tell(f"  {', '.join(f'{pin.package} {pin.full}' for pin in plan.pins)}")
    for warning in plan.warnings:
        tell(worded(warning))
    with tempfile.TemporaryDirectory(prefix="envtool-", ignore_cleanup_errors=True) as temporary:
        packages = _solved(tool, question, base, temporary)
        line = _fetch(asked, tool, question, packages, base, folder, temporary)
    from envtool.plan_document import document_of

    document = document_of(plan, catalog)
    python = ".".join(question.python_version.split(".")[:2])
    house = _house(folder, _made_for(asked, question, machine), python, document, wanted)
    if not asked.dry_run:
        from envtool.install.wheelhouse import finish

        house = finish(packages, house)
    return _show(asked, house, packages, line, plan, (catalog, time.monotonic() - started))


def _folder(asked: Asked) -> str:
    path = os.path.abspath(os.path.expanduser(str(asked.download)))
    for option, value in (("--into", asked.into), ("--find-links", asked.find_links)):
        if value:
            raise UsageError(f"--download and {option} can't be used together", hint="fetch first, install there")
    if os.path.lexists(path) and not os.path.isdir(path):
        raise UsageError(f"--download {asked.download} is a file, not a folder", hint="name a folder")
    if not asked.dry_run:
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            message = f"cannot make {asked.download}: {error.strerror or error}"
            raise ToolError(message, hint="name a folder of your own") from None
    return path


def _question(
    asked: Asked, machine: Machine, base: Environment, plan: Plan, wanted: Wanted
) -> tuple[Question, Uv | Pip]:
    from envtool.cli.install_parts import sources_of, tool_for
    from envtool.install.order import Question
    from envtool.install.uv import Uv
    from envtool.install.wheelhouse import macos_of, uv_platform
    from envtool.machine import Found

    tool = tool_for(asked)
    if asked.target is not None and not isinstance(tool, Uv):
        raise ToolError(
            "wheels for another machine can only be worked out by uv; pip thinks of the machine that it runs on",
            hint=f"install it: {line_for('install')}",
        )
    if asked.target is not None and isinstance(machine.python, Found) and machine.python.value.abi.endswith("t"):
        message = "wheels for a free-threaded Python can't be worked out for another machine"
        raise UsageError(message, hint="run this where that Python is: `envtool install --download DIR --python 3.14t`")
    opaque = next((line for line in wanted.lines if line.name is None), None)
    if opaque is not None:
        message = f"{opaque.place}: {opaque.text!r} can't be put into a folder of wheels"
        raise UsageError(message, hint="take the line out, and install it on the other machine by hand")
    version = machine.python.value.version if isinstance(machine.python, Found) else base.version
    question = Question(
        plan=plan, requirements=(*wanted.extra, "pip"), files=wanted.files,
        sources=sources_of(asked, for_uv=isinstance(tool, Uv)), python=base.executable, python_version=version,
        installed={}, platform=uv_platform(machine) if asked.target is not None else None,
        macos=macos_of(machine, plan) if asked.target is not None else None,
        abi=machine.python.value.abi if isinstance(machine.python, Found) else base.abi,
    )  # fmt: skip
    return question, tool


def _made_for(asked: Asked, question: Question, machine: Machine) -> str:
    python = f"Python {'.'.join(question.python_version.split('.')[:2])}"
    return asked.target or f"{machine.os} {machine.arch}, {python}"


def _solved(tool: Uv | Pip, question: Question, base: Environment, temporary: str) -> tuple[Package, ...]:
    """Every wheel. pip needs an environment to think in."""
    from envtool.cli.install import tell
    from envtool.install.failures import explained
    from envtool.install.pip import Pip
    from envtool.install.place import python_in
    from envtool.install.tool import run
    from envtool.install.work import solve

    tell(f"Working out the packages with {tool.name} ...")
    if isinstance(tool, Pip):
        place = os.path.join(temporary, "env")
        for step in tool.make(place, base.executable, question.sources):
            ran = run(step, show=False)
            if ran.code != 0:
                raise explained(ran, "pip", doing="making an environment to work in")
        question = replace(question, python=python_in(place))
    return solve(tool, question, temporary, tell)


def _fetch(
    asked: Asked,
    tool: Uv | Pip,
    question: Question,
    packages: tuple[Package, ...],
    base: Environment,
    folder: str,
    temporary: str,
) -> str:
    from envtool.cli.install import tell
    from envtool.install.failures import explained
    from envtool.install.pip import Pip
    from envtool.install.place import python_in
    from envtool.install.space import check_room, size_of
    from envtool.install.tool import run
    from envtool.install.uv import Uv
    from envtool.install.wheelhouse import fetch, find_pip
    from envtool.shell import shell_line

    pip = tool if isinstance(tool, Pip) else Pip(tool.environ)
    candidates = [sys.executable, base.executable, python_in(os.path.join(temporary, "env"))]
    python = find_pip(candidates, tool if isinstance(tool, Uv) else None, temporary)
    line = fetch(pip, python, question, packages, folder, temporary)
    size = size_of(packages)
    tell(f"To download: {size}.")
    if asked.dry_run:
        return shell_line(line.shown, "powershell" if sys.platform == "win32" else "posix")
    check_room(size, folder, ())
    ran = run(line, show=True)
    if ran.code != 0:
        raise explained(ran, "pip", doing="the download")
    return shell_line(line.shown, "powershell" if sys.platform == "win32" else "posix")


def _house(folder: str, made_for: str, python: str, plan: dict[str, Json], wanted: Wanted) -> Wheelhouse:
    from envtool.install.wheelhouse import Wheelhouse
    from envtool.spec import FAMILY

    requirements = tuple(line.text.split(" --")[0] for line in wanted.lines if line.name not in FAMILY)
    return Wheelhouse(folder, made_for, python, plan, requirements, ())


def _show(
    asked: Asked, house: Wheelhouse, packages: tuple[Package, ...], line: str, plan: Plan, more: tuple[Catalog, float]
) -> int:
    from envtool.install.order import without_secrets
    from envtool.install.space import size_of
    from envtool.report.install import Change, Installation, to_json

    catalog, seconds = more
    if asked.as_json:
        from envtool.plan_document import document_of
        from envtool.report.json import dumps

        changes = tuple(
            Change(p.name, p.version, None, p.size, without_secrets(p.url) if p.url else None) for p in packages
        )
        size = size_of(packages)
        done = Installation(
            result="dry-run" if asked.dry_run else "downloaded", path=house.folder, shown=str(asked.download),
            created=False, python=house.python, installer="pip", plan=plan, changes=changes, known_bytes=size.known,
            unknown_sizes=size.unknown, commands=(line,), seconds=seconds, folder=house.folder,
        )  # fmt: skip
        sys.stdout.write(dumps(to_json(done, document_of(plan, catalog))))
    elif asked.dry_run:
        sys.stdout.write(line + "\n")
    else:
        from envtool.shell import quoted

        sys.stdout.write(
            f"{asked.download} holds all of it: {size_of(house.wheels)}.\n\nCopy the folder to the other machine, "
            f"and there, without a network:\n\nenvtool install --find-links {quoted(str(asked.download), 'posix')}\n"
        )
    return EXIT_OK


# ── using ────────────────────────────────────────────────────────────────────────────────────────


def is_free(asked: Asked) -> bool:
    """Does the command line leave open what is to be installed, so that a folder's manifest may say it?"""
    nothing = not (asked.specs or asked.variant or asked.requirements or asked.index_url or asked.pytorch_index_url)
    return nothing and asked.accelerator == "auto" and bool(asked.find_links)


def of_wheelhouse(house: Wheelhouse, machine: Machine, version: str, catalog: Catalog) -> Plan:
    """The plan that the folder was filled for, if it suits this machine."""
    from envtool.install.wheelhouse import NotForHereError, check
    from envtool.plan import NoPlan, Plan, resolve
    from envtool.plan.targets import platform_of
    from envtool.plan_document import plan_from_json
    from envtool.spec import Request

    plan = plan_from_json(house.plan, catalog)
    assert isinstance(plan, Plan)
    hint = "fill another folder for this machine: `envtool install --download DIR`, with --target where it is done"
    wrong = None
    here = platform_of(machine)
    if here != plan.build.platform:
        wrong = f"its wheels are for {plan.build.platform.replace('_', ' on ', 1)}"
    elif not f"{version}.".startswith(f"{house.python}."):
        wrong = f"it is made for Python {house.python}, and here is {version}"
        hint = (
            f"make the environment with that Python: `envtool install --python {house.python}`, or fill another folder"
        )
    else:
        pins = tuple(f"{pin.package}=={pin.version}" for pin in plan.pins)
        answer = resolve(machine, Request(pins, variant=plan.variant, include_unverified=True), catalog)
        if isinstance(answer, NoPlan):
            wrong = answer.message
    if wrong is not None:
        raise NotForHereError(f"{house.folder} (made for {house.made_for}) does not suit here: {wrong}", hint=hint)
    check(house)
    return plan
