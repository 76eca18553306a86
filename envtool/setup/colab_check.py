"""Which packages of a course clash with what Colab brings: compared with its published versions, offline. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from envtool.course import Course
from envtool.course.belongings import plain_name
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.setup.notebook_cells import HOST
from envtool.spec import FAMILY
from envtool.verdicts import Json

KEPT = (*FAMILY, "numpy")  # what the notebook never replaces; children/notebook_cell.py says the same
Status = Literal["clash", "unknown", "adds", "left-out", "fits"]


@dataclass(frozen=True, eq=False, repr=False)
class Runtime(Fact):
    """What one version of Colab holds. ``python`` is None where the file doesn't say it."""

    name: str
    date: str | None
    source: str
    python: str | None
    versions: tuple[tuple[str, str], ...]  # by plain name

    def __str__(self) -> str:
        about = [text for text in (self.date, f"Python {self.python}" if self.python else None) if text]
        return f"{self.name} ({', '.join(about)})" if about else self.name


@dataclass(frozen=True, eq=False, repr=False)
class Finding(Fact):
    """One need of the course against Colab; ``there``: the version that Colab has, None for none."""

    status: Status
    need: str
    package: str
    there: str | None
    reason: str


# ── the versions ─────────────────────────────────────────────────────────────────────────────────


def runtimes(table: Mapping[str, Any], where: str) -> tuple[Runtime, ...]:
    """The runtimes of a file like envtool/data/colab.toml, the newest first."""
    rows = table.get("runtime")
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"{where}: there is no [[runtime]]", hint="see envtool/data/colab.toml, or give a pip freeze")
    found = []
    for number, row in enumerate(rows):
        texts = {key: row.get(key) for key in ("name", "date", "source", "python", "packages")}
        wrong = [key for key, value in texts.items() if not isinstance(value, str)]
        if wrong:
            raise UsageError(f"{where}: runtime[{number}].{wrong[0]} is missing or no text", hint="write it as a text")
        versions = frozen(texts["packages"])
        found.append(Runtime(texts["name"], texts["date"], texts["source"], texts["python"], versions))
    return tuple(found)


def from_freeze(text: str, where: str) -> Runtime:
    """What `pip freeze` printed on Colab, or Google's pip-freeze.txt. A wheel's name tells the Python."""
    versions = frozen(text)
    if not versions:
        raise UsageError(
            f"{where}: no line is a package, as numpy==2.0.2", hint="give what `pip freeze` prints on Colab"
        )
    tag = re.search(r"-cp3(\d+)-", text)
    return Runtime(where, None, where, f"3.{tag[1]}" if tag else None, versions)


def frozen(text: str) -> tuple[tuple[str, str], ...]:
    """The versions in a pip freeze, by plain name; of an address, the version that its file has."""
    found = {}
    for line in text.splitlines():
        pinned = re.fullmatch(r"\s*([A-Za-z0-9._-]+)==(\S+)\s*", line)
        wheel = re.match(r"\s*([A-Za-z0-9._-]+) @ \S*/[A-Za-z0-9._]+-([0-9][^-/\s]*?)(?:-[^/\s]*\.whl|\.tar\.gz)", line)
        match = pinned or wheel
        if match:
            found[plain_name(match[1])] = match[2].replace("%2B", "+")
    return tuple(sorted(found.items()))


# ── the comparison ───────────────────────────────────────────────────────────────────────────────


def compared(course: Course, runtime: Runtime) -> tuple[Finding, ...]:
    """Every need of the course, the clashes first."""
    have = dict(runtime.versions)
    found = [_python(course, runtime)] if course.python else []
    found += [_kept(text, have) for text in course.torch]
    found += [one for text in course.requirements() if (one := _package(text, have, runtime)) is not None]
    found += [_conda(text, have) for text in course.conda_packages]
    order = ("clash", "unknown", "adds", "left-out", "fits")
    return tuple(sorted(found, key=lambda finding: order.index(finding.status)))


def _python(course: Course, runtime: Runtime) -> Finding:
    need = f"Python {course.python}"
    if runtime.python is None:
        return Finding("unknown", need, "python", None, "the file doesn't say which Python Colab has")
    exact = runtime.python.count(".") == 2
    allowed = [course.allows_python(version) for version in _patches(runtime.python, exact)]
    if all(allowed):
        return Finding("fits", need, "python", runtime.python, f"Colab has {runtime.python}")
    if any(allowed):
        reason = f"Colab has some Python {runtime.python}; the file doesn't say which"
        return Finding("unknown", need, "python", runtime.python, reason)
    reason = f"Colab has {runtime.python}, and a notebook can't bring another"
    return Finding("clash", need, "python", runtime.python, reason)


def _patches(python: str, exact: bool) -> list[str]:
    return [python] if exact else [f"{python}.{patch}" for patch in range(40)]


def _kept(text: str, have: Mapping[str, str]) -> Finding:
    read = Requirement(text)
    name = plain_name(read.name)
    there = have.get(name)
    if there is None:
        return Finding("clash", text, name, None, f"Colab has no {name}, and the notebook never installs it")
    return _judged(text, name, there, read.specifier, f"the notebook never replaces {name}")


def _package(text: str, have: Mapping[str, str], runtime: Runtime) -> Finding | None:
    """None where a marker says that Colab is not meant."""
    try:
        read = Requirement(text)
    except InvalidRequirement:
        return Finding("unknown", text, plain_name(text), None, "it is not a requirement that can be compared")
    name = plain_name(read.name)
    if read.marker is not None:
        if runtime.python is None:
            return Finding("unknown", text, name, None, "the file doesn't say which Python Colab has")
        if not read.marker.evaluate(_surroundings(runtime.python)):
            return None
    if name in KEPT:
        return _kept(text, have)
    if name in HOST:
        return Finding("left-out", text, name, have.get(name), "Colab runs the notebook by what it has; that stays")
    return _extra(text, read, have.get(name))


def _extra(text: str, read: Requirement, there: str | None) -> Finding:
    """What the notebook may install."""
    name = plain_name(read.name)
    if there is None:
        reason = "the notebook installs it from its address" if read.url else "not on Colab: the notebook installs it"
        return Finding("adds", text, name, None, reason)
    if read.url:
        return Finding("unknown", text, name, there, f"Colab has {there}, which stays")
    return _judged(text, name, there, read.specifier, "the notebook replaces it, and then needs a restart")


def _judged(text: str, name: str, there: str, specifier: SpecifierSet, otherwise: str) -> Finding:
    try:
        fits = specifier.contains(Version(there), prereleases=True)
    except InvalidVersion:
        return Finding("unknown", text, name, there, f"Colab has {there}, which is no version that can be compared")
    if fits:
        return Finding("fits", text, name, there, f"Colab has {there}")
    return Finding("clash", text, name, there, f"Colab has {there}; {otherwise}")


def _conda(text: str, have: Mapping[str, str]) -> Finding:
    name = plain_name(text)
    there = have.get(name)
    reason = "conda alone brings it, and Colab has no conda"
    return Finding("unknown", text, name, there, f"{reason}; pip's {name} {there} is there" if there else reason)


def _surroundings(python: str) -> dict[str, str]:
    """What markers see on Colab."""
    minor = ".".join(python.split(".")[:2])
    full = python if python.count(".") == 2 else f"{minor}.0"
    return {
        "python_version": minor, "python_full_version": full, "implementation_name": "cpython",
        "implementation_version": full, "platform_python_implementation": "CPython", "os_name": "posix",
        "platform_machine": "x86_64", "platform_system": "Linux", "sys_platform": "linux",
        "platform_release": "", "platform_version": "", "extra": "",
    }  # fmt: skip


def clashes(findings: tuple[Finding, ...]) -> int:
    """How many of them clash."""
    return sum(finding.status == "clash" for finding in findings)


def to_json(
    course: Course, runtime: Runtime, findings: tuple[Finding, ...], others: tuple[Runtime, ...]
) -> dict[str, Json]:
    """The document of `envtool setup colab --check --json`."""
    return {
        "schema": "envtool.colab-check/1",
        "course": course.name,
        "runtime": {
            "name": runtime.name,
            "date": runtime.date,
            "python": runtime.python,
            "source": runtime.source,
        },
        "status": "fail" if clashes(findings) else "pass",
        "clashes": clashes(findings),
        "findings": [
            {"status": one.status, "package": one.package, "need": one.need, "there": one.there, "reason": one.reason}
            for one in findings
        ],
        "runtimes_without_clashes": [other.name for other in others],
    }
