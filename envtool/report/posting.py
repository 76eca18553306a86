"""A diagnosis as a text to post where others can help: everything they ask for, on one page."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from envtool import __version__
from envtool.diagnosis import Diagnosis
from envtool.environment import Environment
from envtool.machine import Found
from envtool.mending import who_mends, who_words
from envtool.report.text import Style, render
from envtool.verdicts import Status

HEAD = (
    f"envtool doctor {__version__}: a report to post. Names, home folders, addresses,\n"
    "serial numbers and tokens were left out; read it once before you post it."
)


def render_posting(diagnosis: Diagnosis) -> str:
    """The whole report; the diagnosis must have been redacted."""
    blocks = [HEAD, render(diagnosis, Style(unicode=False)).rstrip("\n")]
    blocks += _block("Problems", _problems(diagnosis))
    blocks += _block("What Python said", _said(diagnosis))
    blocks += _block("Checks that passed", _passed(diagnosis))
    blocks += _block("Packages", _packages(diagnosis))
    return "\n\n".join(blocks) + "\n"


def _block(title: str, lines: Iterator[str]) -> list[str]:
    found = list(lines)
    return ["\n".join([title, *(f"  {line}" for line in found)])] if found else []


def _problems(diagnosis: Diagnosis) -> Iterator[str]:
    """All of them, where the screen shows the first few, each with its hint."""
    for verdict in diagnosis.problems:
        who = who_mends(verdict, diagnosis.machine)
        yield f"{verdict.status.value} {verdict.code}: {verdict.message}"
        if verdict.hint:
            words = f" ({who_words(who, diagnosis.machine)})" if who and who != "nobody" else ""
            yield f"  hint{words}: {verdict.hint}"


def _passed(diagnosis: Diagnosis) -> Iterator[str]:
    codes = ", ".join(v.code for v in diagnosis.all_verdicts if v.status is Status.PASS)
    yield from wrap(codes, 78, break_on_hyphens=False, break_long_words=False)


def _said(diagnosis: Diagnosis) -> Iterator[str]:
    if not isinstance(diagnosis.imports, Found):
        return
    for stage in diagnosis.imports.value.stages:
        if stage.outcome in ("error", "crash", "timeout"):
            yield f"{stage.name}: {stage.outcome}{f', {stage.signal}' if stage.signal else ''}"
            yield from (f"  {line}" for line in stage.last_lines or ((stage.message,) if stage.message else ()))


def _packages(diagnosis: Diagnosis) -> Iterator[str]:
    environment = diagnosis.environment
    if not isinstance(environment, Environment):
        return
    builds = {build.package: build.version for build in environment.builds}
    for one in sorted(environment.distributions, key=lambda d: d.name):
        yield f"{one.name} {builds.get(one.name, one.version)}" + (f" ({one.installer})" if one.installer else "")
    for package in environment.conda_packages:
        yield f"{package.name} {package.version} {package.build} (conda)"
